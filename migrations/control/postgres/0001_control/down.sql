DROP TABLE receipts;
DROP TABLE jobs;
DROP TABLE installations;
