\set account random(1, 100000)
\set other random(1, 100000)
\set teller random(1, 10000)
\set delta random(-5000, 5000)
BEGIN ISOLATION LEVEL READ COMMITTED;
SELECT balance FROM accounts WHERE id = :account;
UPDATE accounts SET balance = balance + :delta WHERE id = :account;
SELECT balance FROM tellers WHERE id = :teller;
UPDATE tellers SET balance = balance + :delta WHERE id = :teller;
SELECT balance FROM accounts WHERE id = :other;
INSERT INTO history VALUES (:teller, :account, :delta, now());
END;
