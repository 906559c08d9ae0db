-- Small tables for the races.

-- What the anomalies of the literature are shown with.
CREATE TABLE test (
    id int PRIMARY KEY,
    value int NOT NULL
);

CREATE TABLE products (
    id int PRIMARY KEY,
    -- NB: no CHECK (stock >= 0): a race must be able to sell too much.
    stock int NOT NULL
);

CREATE TABLE orders (
    id int PRIMARY KEY,
    status varchar(20) NOT NULL DEFAULT 'pending',
    total int NOT NULL DEFAULT 100,
    note varchar(100),
    version int NOT NULL DEFAULT 0
);

CREATE TABLE order_lines (
    id int AUTO_INCREMENT PRIMARY KEY,
    buyer varchar(20) NOT NULL,
    product_id int NOT NULL,
    FOREIGN KEY (product_id) REFERENCES products (id)
);

CREATE TABLE payment_trackers (
    order_id int PRIMARY KEY,
    status varchar(20) NOT NULL DEFAULT 'pending',
    FOREIGN KEY (order_id) REFERENCES orders (id)
);

CREATE TABLE refunds (
    id int AUTO_INCREMENT PRIMARY KEY,
    order_id int NOT NULL,
    amount int NOT NULL,
    FOREIGN KEY (order_id) REFERENCES orders (id)
);

CREATE TABLE sellers (
    id int PRIMARY KEY,
    balance int NOT NULL
);

CREATE TABLE payouts (
    id int AUTO_INCREMENT PRIMARY KEY,
    seller_id int NOT NULL,
    amount int NOT NULL,
    FOREIGN KEY (seller_id) REFERENCES sellers (id)
);

-- Events that were handled: without a key, and with one.
CREATE TABLE events_noted (
    event_id varchar(40) NOT NULL
);

CREATE TABLE events_handled (
    event_id varchar(40) PRIMARY KEY
);

CREATE TABLE bookings (
    id int AUTO_INCREMENT PRIMARY KEY,
    event_id varchar(40) NOT NULL,
    amount int NOT NULL
);

-- One row for each transaction that was committed.
CREATE TABLE journal (
    id int AUTO_INCREMENT PRIMARY KEY,
    who varchar(40) NOT NULL
);
