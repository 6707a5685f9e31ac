-- One row for each installation of Hourbook in a Jira instance; a reinstallation is a row of its own.
CREATE TABLE installations (
  tenant_id TEXT NOT NULL PRIMARY KEY,
  client_key TEXT NOT NULL,
  base_url TEXT NOT NULL,
  display_url TEXT NOT NULL,
  oauth_client_id TEXT,
  region TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('active', 'suspended', 'closed')),
  state_reason TEXT,
  state_since BIGINT NOT NULL,
  shared_secret BLOB,
  previous_secret BLOB,
  previous_secret_until BIGINT,
  installed_at BIGINT NOT NULL,
  proven_at BIGINT,
  incremental_secs BIGINT NOT NULL,
  next_incremental_at BIGINT NOT NULL,
  next_reconcile_at BIGINT NOT NULL,
  receipt_id TEXT NOT NULL,
  wipe TEXT,
  next_backup_at BIGINT NOT NULL,
  backup_at BIGINT,
  backup_bytes BIGINT,
  backup_checked_at BIGINT
) WITHOUT ROWID;
CREATE UNIQUE INDEX installations_open ON installations (client_key) WHERE state <> 'closed';
CREATE INDEX installations_by_site ON installations (base_url);

CREATE TABLE jobs (
  id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  tenant_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  lane TEXT NOT NULL,
  subject TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed')),
  run_after BIGINT NOT NULL,
  attempts INTEGER NOT NULL,
  created_at BIGINT NOT NULL,
  finished_at BIGINT,
  error TEXT
);
-- What waits already need not be enqueued again.
CREATE UNIQUE INDEX jobs_waiting ON jobs (tenant_id, kind, subject) WHERE state = 'queued';
CREATE INDEX jobs_due ON jobs (state, run_after);

CREATE TABLE receipts (
  receipt_id TEXT NOT NULL PRIMARY KEY,
  issued_at BIGINT NOT NULL,
  body TEXT NOT NULL,
  signature TEXT NOT NULL
) WITHOUT ROWID;
