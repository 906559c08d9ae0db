-- Small tables for the races.

-- What the anomalies of the literature are shown with.
CREATE TABLE test (
    id integer PRIMARY KEY,
    value int NOT NULL
);

CREATE TABLE products (
    id integer PRIMARY KEY,
    -- NB: no CHECK (stock >= 0): a race must be able to sell too much.
    stock int NOT NULL
);

CREATE TABLE orders (
    id integer PRIMARY KEY,
    status text NOT NULL DEFAULT 'pending',
    total int NOT NULL DEFAULT 100,
    note text,
    version int NOT NULL DEFAULT 0
);

CREATE TABLE order_lines (
    id integer PRIMARY KEY AUTOINCREMENT,
    buyer text NOT NULL,
    product_id int NOT NULL REFERENCES products (id)
);

CREATE TABLE payment_trackers (
    order_id integer PRIMARY KEY REFERENCES orders (id),
    status text NOT NULL DEFAULT 'pending'
);

CREATE TABLE refunds (
    id integer PRIMARY KEY AUTOINCREMENT,
    order_id int NOT NULL REFERENCES orders (id),
    amount int NOT NULL
);

CREATE TABLE sellers (
    id integer PRIMARY KEY,
    balance int NOT NULL
);

CREATE TABLE payouts (
    id integer PRIMARY KEY AUTOINCREMENT,
    seller_id int NOT NULL REFERENCES sellers (id),
    amount int NOT NULL
);

-- Events that were handled: without a key, and with one.
CREATE TABLE events_noted (
    event_id text NOT NULL
);

CREATE TABLE events_handled (
    event_id text PRIMARY KEY
);

CREATE TABLE bookings (
    id integer PRIMARY KEY AUTOINCREMENT,
    event_id text NOT NULL,
    amount int NOT NULL
);

-- One row for each transaction that was committed.
CREATE TABLE journal (
    id integer PRIMARY KEY AUTOINCREMENT,
    who text NOT NULL
);
