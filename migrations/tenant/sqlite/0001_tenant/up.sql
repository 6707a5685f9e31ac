-- The copy of one Jira instance. Each column has its reason in src/store/tests.rs.
CREATE TABLE worklogs (
  client_worklog_id INTEGER NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL,
  client_issue_id BIGINT NOT NULL,
  comment BLOB,
  created BIGINT NOT NULL,
  updated BIGINT NOT NULL,
  started BIGINT NOT NULL,
  time_spent_seconds BIGINT NOT NULL,
  visibility SMALLINT NOT NULL,
  visibility_id TEXT,
  read_after BIGINT
);
CREATE INDEX worklogs_by_start ON worklogs (started, client_worklog_id);
CREATE INDEX worklogs_by_issue ON worklogs (client_issue_id, started);
CREATE INDEX worklogs_unread ON worklogs (client_worklog_id) WHERE read_after IS NOT NULL;

CREATE TABLE tags (
  tag_id INTEGER NOT NULL PRIMARY KEY,
  name BLOB NOT NULL,
  named_at BIGINT NOT NULL,
  archived BOOLEAN NOT NULL
);
CREATE TABLE worklog_tags (
  client_worklog_id BIGINT NOT NULL REFERENCES worklogs ON DELETE CASCADE,
  tag_id BIGINT NOT NULL REFERENCES tags,
  PRIMARY KEY (client_worklog_id, tag_id)
) WITHOUT ROWID;
CREATE INDEX worklog_tags_by_tag ON worklog_tags (tag_id);

CREATE TABLE issues (
  client_issue_id INTEGER NOT NULL PRIMARY KEY,
  client_project_id BIGINT
);
CREATE INDEX issues_by_project ON issues (client_project_id);

CREATE TABLE tombstones (
  client_worklog_id INTEGER NOT NULL PRIMARY KEY,
  cause SMALLINT NOT NULL,
  client_container_id BIGINT,
  recorded_at BIGINT NOT NULL
);
CREATE INDEX tombstones_by_container ON tombstones (client_container_id) WHERE client_container_id IS NOT NULL;

CREATE TABLE cursors (
  name TEXT NOT NULL PRIMARY KEY,
  value BIGINT NOT NULL
) WITHOUT ROWID;

CREATE TABLE settings (
  name TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE sync_runs (
  run_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  started_at BIGINT NOT NULL,
  finished_at BIGINT,
  pages BIGINT NOT NULL,
  written BIGINT NOT NULL,
  deleted BIGINT NOT NULL,
  unreadable BIGINT NOT NULL,
  error TEXT
);

CREATE TABLE write_intents (
  account_id TEXT NOT NULL,
  key_hash TEXT NOT NULL,
  request_hash TEXT NOT NULL,
  client_issue_id BIGINT NOT NULL,
  started BIGINT NOT NULL,
  client_worklog_id BIGINT,
  claimed_at BIGINT NOT NULL,
  PRIMARY KEY (account_id, key_hash)
) WITHOUT ROWID;
CREATE INDEX write_intents_by_age ON write_intents (claimed_at);

CREATE TABLE audit (
  audit_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  recorded_at BIGINT NOT NULL,
  account_id TEXT,
  action TEXT NOT NULL,
  subject TEXT
);
