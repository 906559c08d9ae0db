CREATE TABLE THE_TABLE (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner text NOT NULL,
    balance bigint NOT NULL
);

CREATE TABLE THE_TABLE_moves (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    from_id bigint NOT NULL REFERENCES THE_TABLE (id),
    to_id bigint NOT NULL REFERENCES THE_TABLE (id),
    amount bigint NOT NULL
);
