DROP TABLE forge_installations;
DROP TABLE licences;
DROP TABLE account_reports;
ALTER TABLE installations DROP COLUMN next_accounts_at;
