-- Accounts that their owners closed: worklogs that Jira still returns under their ids are kept under these.
CREATE TABLE closed_accounts (
  pseudonym TEXT NOT NULL PRIMARY KEY,
  closed_at BIGINT NOT NULL
);
