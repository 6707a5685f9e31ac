-- Several nodes share the work. All times in `nodes` are the database's own.
CREATE TABLE nodes (
  node_id TEXT NOT NULL PRIMARY KEY,
  version TEXT NOT NULL,
  started_at BIGINT NOT NULL,
  seen_at BIGINT NOT NULL,
  -- The newest notice that the node has taken in.
  notice BIGINT NOT NULL
) WITHOUT ROWID;

-- What all nodes have to forget or learn.
CREATE TABLE notices (
  id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  posted_at BIGINT NOT NULL,
  what TEXT NOT NULL,
  tenant_id TEXT NOT NULL,
  -- A clientKey, or ids of issues.
  subject TEXT NOT NULL
);

-- Work by the clock that one node does for all.
CREATE TABLE duties (
  name TEXT NOT NULL PRIMARY KEY,
  done_at BIGINT NOT NULL
) WITHOUT ROWID;

-- Grows with each claim of a job.
CREATE TABLE fence (
  one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
  token BIGINT NOT NULL
) WITHOUT ROWID;
INSERT INTO fence (one, token) VALUES (1, 0);

ALTER TABLE jobs ADD COLUMN node_id TEXT;
ALTER TABLE jobs ADD COLUMN fence BIGINT NOT NULL DEFAULT 0;

-- Where a tenant's database is, if it is not a file of this node.
CREATE TABLE placements (
  tenant_id TEXT NOT NULL PRIMARY KEY,
  server TEXT NOT NULL,
  database_name TEXT NOT NULL,
  -- Of its role, sealed under the tenant's key.
  password BLOB
) WITHOUT ROWID;

-- Why a tenant is not served for now: it is being moved, or its migration failed.
CREATE TABLE holds (
  tenant_id TEXT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('moving', 'quarantine')),
  reason TEXT NOT NULL,
  since BIGINT NOT NULL
) WITHOUT ROWID;

-- Lifecycle calls that were taken, so that none is taken again with another body.
CREATE TABLE taken (
  token_hash TEXT NOT NULL PRIMARY KEY,
  body_hash TEXT NOT NULL,
  until BIGINT NOT NULL
) WITHOUT ROWID;
