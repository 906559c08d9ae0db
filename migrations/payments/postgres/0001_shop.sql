-- A small marketplace: buyers order products of several sellers.

CREATE TABLE users (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email text NOT NULL UNIQUE,
    role text NOT NULL CHECK (role IN ('buyer', 'seller', 'admin')),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE products (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    seller_id bigint NOT NULL REFERENCES users (id),
    name text NOT NULL,
    -- Units that can still be ordered; those of open and paid orders are taken off already.
    stock integer NOT NULL CHECK (stock >= 0),
    price numeric(12, 2) NOT NULL CHECK (price > 0)
) WITH (fillfactor = 80);

CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id uuid NOT NULL DEFAULT gen_random_uuid(),
    buyer_id bigint NOT NULL REFERENCES users (id),
    status text NOT NULL CHECK (status IN ('pending_payment', 'payment_confirmed', 'processing', 'payment_failed')),
    total numeric(12, 2) NOT NULL,
    payment_intent_id text,
    version integer NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);

CREATE TABLE order_items (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id bigint NOT NULL REFERENCES orders (id),
    product_id bigint NOT NULL REFERENCES products (id),
    quantity integer NOT NULL CHECK (quantity > 0),
    price numeric(12, 2) NOT NULL
);

CREATE INDEX order_items_order ON order_items (order_id);
