CREATE TABLE THE_TABLE (
    id integer PRIMARY KEY,
    owner text NOT NULL,
    balance integer NOT NULL
);

CREATE TABLE THE_TABLE_moves (
    id integer PRIMARY KEY,
    from_id integer NOT NULL REFERENCES THE_TABLE (id),
    to_id integer NOT NULL REFERENCES THE_TABLE (id),
    amount integer NOT NULL
);
