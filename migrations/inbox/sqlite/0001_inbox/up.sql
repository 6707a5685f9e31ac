-- Webhooks on their way into the tenant databases. The body is sealed under the tenant's key and NULL once
-- applied; the identifier stays for a while, because Jira sends again with the same one.
CREATE TABLE events (
  seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  tenant_id TEXT NOT NULL,
  identifier TEXT NOT NULL,
  received_at BIGINT NOT NULL,
  body BLOB
);
CREATE UNIQUE INDEX events_once ON events (tenant_id, identifier);
CREATE INDEX events_pending ON events (tenant_id, seq) WHERE body IS NOT NULL;
