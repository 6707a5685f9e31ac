-- The highest token with which a lane of work has written here: whoever comes with a lower one was taken over. The lane
-- `*` is a floor under all of them.
CREATE TABLE fences (
  lane TEXT NOT NULL PRIMARY KEY,
  token BIGINT NOT NULL
);
