DROP TABLE taken;
DROP TABLE holds;
DROP TABLE placements;
ALTER TABLE jobs DROP COLUMN fence;
ALTER TABLE jobs DROP COLUMN node_id;
DROP TABLE fence;
DROP TABLE duties;
DROP TABLE notices;
DROP TABLE nodes;
