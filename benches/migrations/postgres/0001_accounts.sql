-- The tables of both sides of the comparison.
CREATE TABLE accounts (id int PRIMARY KEY, branch int NOT NULL, balance int NOT NULL, filler char(84)) WITH (fillfactor = 80);
INSERT INTO accounts SELECT n, n % 100, 0, '' FROM generate_series(1, 100000) n;
CREATE TABLE tellers (id int PRIMARY KEY, balance int NOT NULL, filler char(84)) WITH (fillfactor = 50);
INSERT INTO tellers SELECT n, 0, '' FROM generate_series(1, 10000) n;
CREATE TABLE history (teller int, account int, delta int, at timestamptz);
