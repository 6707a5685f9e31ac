-- Forge: every installation id that a tenant ever had, so that a late call of a former one is known for what it is.
CREATE TABLE forge_installations (
  installation_id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  cloud_id TEXT NOT NULL,
  environment_id TEXT NOT NULL,
  environment TEXT NOT NULL CHECK (environment IN ('PRODUCTION', 'STAGING', 'DEVELOPMENT')),
  app_version TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('current', 'leaving', 'replaced', 'uninstalled', 'silent')),
  state_since BIGINT NOT NULL,
  first_heard_at BIGINT NOT NULL,
  heard_at BIGINT NOT NULL,
  -- The newest token for acting as the app, sealed under the tenant's key, and until when (ms) it holds.
  system_token BYTEA,
  system_token_until BIGINT
);
CREATE INDEX forge_installations_of_site ON forge_installations (cloud_id, environment_id);
CREATE INDEX forge_installations_of_tenant ON forge_installations (tenant_id);

-- What the host last said of a tenant's licence. No row: it never said anything, as of apps that cost nothing.
CREATE TABLE licences (
  tenant_id TEXT NOT NULL PRIMARY KEY,
  state TEXT NOT NULL CHECK (state IN ('active', 'inactive')),
  -- Since when it is in that state.
  state_since BIGINT NOT NULL,
  evaluation BOOLEAN NOT NULL,
  -- When the trial or the subscription ends, where the host says so.
  ends_at BIGINT
);

-- Accounts that were asked about, under the digest of their id: none more often than once in a cycle, whichever
-- tenants know it.
CREATE TABLE account_reports (
  account_digest TEXT NOT NULL PRIMARY KEY,
  -- Since when it is held, or when what is held of it was last brought up to date.
  held_since BIGINT NOT NULL,
  -- When it is to be reported again.
  next_at BIGINT NOT NULL,
  closed BOOLEAN NOT NULL,
  -- When a tenant last had it.
  seen_at BIGINT NOT NULL
);

ALTER TABLE installations ADD COLUMN next_accounts_at BIGINT NOT NULL DEFAULT 0;
