-- Which worklogs a transaction touched: ids packed, 8 bytes each, big endian. NULL: all of them, as far as anybody knows.
-- What reports keep in memory is brought up to date with these; only the newest are kept.
CREATE TABLE changes (
  seq BIGINT NOT NULL PRIMARY KEY,
  worklog_ids BYTEA
);

CREATE TABLE saved_reports (
  report_id BIGINT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL,
  definition BYTEA NOT NULL,
  version BIGINT NOT NULL,
  changed_at BIGINT NOT NULL
);
