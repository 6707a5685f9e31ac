DROP TABLE saved_reports;
DROP TABLE changes;
