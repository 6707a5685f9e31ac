DROP INDEX worklogs_restricted;
DROP INDEX worklogs_unreadable;
ALTER TABLE worklogs DROP COLUMN unreadable_since;
