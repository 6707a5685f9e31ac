DROP TABLE secrets;
DROP TABLE destroyed;
DROP TABLE data_keys;
