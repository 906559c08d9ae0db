CREATE TABLE products (
    id bigint AUTO_INCREMENT PRIMARY KEY,
    name varchar(200) NOT NULL,
    stock integer NOT NULL
) ENGINE = InnoDB;
