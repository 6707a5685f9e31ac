-- A worklog that Jira does not return any more, without proof of its deletion: kept, hidden, counted.
ALTER TABLE worklogs ADD COLUMN unreadable_since BIGINT;
CREATE INDEX worklogs_unreadable ON worklogs (client_worklog_id) WHERE unreadable_since IS NOT NULL;
-- The number of restricted worklogs is told to Jira admins.
CREATE INDEX worklogs_restricted ON worklogs (client_worklog_id) WHERE visibility <> 0;
