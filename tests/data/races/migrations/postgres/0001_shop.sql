CREATE TABLE products (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, stock int NOT NULL);
CREATE TABLE sales (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product_id int NOT NULL REFERENCES products,
    buyer text NOT NULL);
CREATE TABLE doctors (name text PRIMARY KEY, on_call boolean NOT NULL);
CREATE TABLE accounts (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, balance int NOT NULL);
