-- Keys at rest: each wrapped by the master key that it names. Destroying a row here destroys what it sealed, in
-- databases, queues and backups alike; so this database's own backups live for two days only.
CREATE TABLE data_keys (
  tenant_id TEXT NOT NULL,
  version INTEGER NOT NULL,
  master_key TEXT NOT NULL,
  wrapped BYTEA NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, version)
);
CREATE INDEX data_keys_by_master ON data_keys (master_key);

-- Whose keys were destroyed: they are never made again, and a restored copy of them is destroyed anew.
CREATE TABLE destroyed (
  tenant_id TEXT NOT NULL PRIMARY KEY,
  destroyed_at BIGINT NOT NULL
);

-- Secrets of the whole service.
CREATE TABLE secrets (
  name TEXT NOT NULL PRIMARY KEY,
  master_key TEXT NOT NULL,
  sealed BYTEA NOT NULL
);
