CREATE TABLE readings(at INTEGER, volts REAL);
INSERT INTO readings VALUES (1, 0.8);
