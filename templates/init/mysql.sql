CREATE TABLE THE_TABLE (
    id bigint AUTO_INCREMENT PRIMARY KEY,
    owner varchar(100) NOT NULL,
    balance bigint NOT NULL
);

CREATE TABLE THE_TABLE_moves (
    id bigint AUTO_INCREMENT PRIMARY KEY,
    from_id bigint NOT NULL,
    to_id bigint NOT NULL,
    amount bigint NOT NULL,
    FOREIGN KEY (from_id) REFERENCES THE_TABLE (id),
    FOREIGN KEY (to_id) REFERENCES THE_TABLE (id)
);
