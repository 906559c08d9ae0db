-- A small marketplace: buyers order products of several sellers. SQLite has no decimals: amounts are
-- floats, which the scenario's invariants round to cents.

CREATE TABLE users (
    id integer PRIMARY KEY,
    email text NOT NULL UNIQUE,
    role text NOT NULL CHECK (role IN ('buyer', 'seller', 'admin')),
    created_at text NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE products (
    id integer PRIMARY KEY,
    seller_id integer NOT NULL REFERENCES users (id),
    name text NOT NULL,
    -- Units that can still be ordered; those of open and paid orders are taken off already.
    stock integer NOT NULL CHECK (stock >= 0),
    price numeric NOT NULL CHECK (price > 0)
);

CREATE TABLE orders (
    id integer PRIMARY KEY,
    public_id text NOT NULL DEFAULT (lower(hex(randomblob(16)))),
    buyer_id integer NOT NULL REFERENCES users (id),
    status text NOT NULL CHECK (status IN ('pending_payment', 'payment_confirmed', 'processing', 'payment_failed')),
    total numeric NOT NULL,
    payment_intent_id text,
    version integer NOT NULL DEFAULT 0,
    updated_at text NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE order_items (
    id integer PRIMARY KEY,
    order_id integer NOT NULL REFERENCES orders (id),
    product_id integer NOT NULL REFERENCES products (id),
    quantity integer NOT NULL CHECK (quantity > 0),
    price numeric NOT NULL
);

CREATE INDEX order_items_order ON order_items (order_id);
