-- The tables of both sides of the comparison.
CREATE TABLE accounts (id int PRIMARY KEY, branch int NOT NULL, balance int NOT NULL, filler char(84)) ENGINE = InnoDB;
CREATE TABLE digits (d int PRIMARY KEY);
INSERT INTO digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9);
INSERT INTO accounts SELECT n, n % 100, 0, ''
  FROM (SELECT 1 + a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d AS n
          FROM digits a, digits b, digits c, digits e, digits f) numbers ORDER BY n;
CREATE TABLE tellers (id int PRIMARY KEY, balance int NOT NULL, filler char(84)) ENGINE = InnoDB;
INSERT INTO tellers SELECT id, 0, '' FROM accounts WHERE id <= 10000 ORDER BY id;
CREATE TABLE history (teller int, account int, delta int, at datetime) ENGINE = InnoDB;
DROP TABLE digits;
