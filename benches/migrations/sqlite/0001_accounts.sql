-- The tables of both sides of the comparison.
CREATE TABLE accounts (id integer PRIMARY KEY, branch int NOT NULL, balance int NOT NULL, filler char(84));
WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 100000)
INSERT INTO accounts SELECT n, n % 100, 0, '' FROM numbers;
CREATE TABLE tellers (id integer PRIMARY KEY, balance int NOT NULL, filler char(84));
INSERT INTO tellers SELECT id, 0, '' FROM accounts WHERE id <= 10000;
CREATE TABLE history (teller int, account int, delta int, at text);
