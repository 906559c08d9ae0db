-- The example shop: orders, their payments, and payouts to sellers. An id of the provider is compared as it is,
-- capital letters and all.

CREATE TABLE users (
    id bigint AUTO_INCREMENT PRIMARY KEY,
    email varchar(255) NOT NULL UNIQUE,
    role varchar(255) NOT NULL CHECK (role IN ('buyer', 'seller', 'admin')),
    balance decimal(14, 2) NOT NULL DEFAULT 0
);

CREATE TABLE products (
    id bigint AUTO_INCREMENT PRIMARY KEY,
    seller_id bigint NOT NULL,
    name varchar(255) NOT NULL,
    -- NB: no CHECK (stock >= 0). The shop must see to it, and an invariant notices when it doesn't.
    stock integer NOT NULL,
    price decimal(12, 2) NOT NULL CHECK (price > 0),
    FOREIGN KEY (seller_id) REFERENCES users (id)
);

CREATE TABLE orders (
    id bigint AUTO_INCREMENT PRIMARY KEY,
    buyer_id bigint NOT NULL,
    status varchar(255) NOT NULL CHECK (status IN
        ('pending_payment', 'payment_confirmed', 'processing', 'payment_failed', 'cancelled')),
    total decimal(12, 2) NOT NULL,
    payment_intent_id varchar(255) CHARACTER SET ascii COLLATE ascii_bin,
    version integer NOT NULL DEFAULT 0,
    note varchar(255),
    updated_at datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    FOREIGN KEY (buyer_id) REFERENCES users (id)
);

CREATE TABLE order_items (
    id bigint AUTO_INCREMENT PRIMARY KEY,
    order_id bigint NOT NULL,
    product_id bigint NOT NULL,
    quantity integer NOT NULL CHECK (quantity > 0),
    price decimal(12, 2) NOT NULL,
    FOREIGN KEY (order_id) REFERENCES orders (id),
    FOREIGN KEY (product_id) REFERENCES products (id)
);

CREATE INDEX order_items_order ON order_items (order_id);

CREATE TABLE payment_trackers (
    id bigint AUTO_INCREMENT PRIMARY KEY,
    order_id bigint NOT NULL UNIQUE,
    status varchar(255) NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed', 'cancelled')),
    amount decimal(12, 2) NOT NULL,
    stripe_payment_intent_id varchar(255) CHARACTER SET ascii COLLATE ascii_bin,
    failure_code varchar(255),
    updated_at datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    FOREIGN KEY (order_id) REFERENCES orders (id)
);

-- NB: no unique key over (order_id, seller_id), so that booking twice is possible, and seen.
CREATE TABLE payment_transactions (
    id bigint AUTO_INCREMENT PRIMARY KEY,
    order_id bigint NOT NULL,
    seller_id bigint NOT NULL,
    amount decimal(12, 2) NOT NULL CHECK (amount > 0),
    FOREIGN KEY (order_id) REFERENCES orders (id),
    FOREIGN KEY (seller_id) REFERENCES users (id)
);

CREATE INDEX payment_transactions_order ON payment_transactions (order_id);

-- Money that came for orders that were given up or paid already, to be paid back.
CREATE TABLE refunds_due (
    id bigint AUTO_INCREMENT PRIMARY KEY,
    order_id bigint NOT NULL,
    payment_intent_id varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL UNIQUE,
    amount decimal(12, 2) NOT NULL,
    currency varchar(255) NOT NULL,
    FOREIGN KEY (order_id) REFERENCES orders (id)
);

CREATE INDEX refunds_due_order ON refunds_due (order_id);

-- All that was told of payouts, a row for each event.
CREATE TABLE payouts (
    id bigint AUTO_INCREMENT PRIMARY KEY,
    seller_id bigint NOT NULL,
    stripe_payout_id varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    amount decimal(12, 2) NOT NULL CHECK (amount > 0),
    status varchar(255) NOT NULL CHECK (status IN ('in_transit', 'paid', 'failed')),
    failure_code varchar(255),
    FOREIGN KEY (seller_id) REFERENCES users (id)
);

CREATE INDEX payouts_seller ON payouts (seller_id);
CREATE INDEX payouts_stripe ON payouts (stripe_payout_id);

-- Events of the payment provider that were handled. The key is what keeps an event that comes twice from
-- being handled twice.
CREATE TABLE processed_events (
    event_id varchar(255) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY,
    type varchar(255) NOT NULL,
    received_at datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)
);

-- The same as those have it who look before they insert, and think that this will do. Only the shop with
-- the bug `check_then_insert` uses it.
CREATE TABLE events_without_a_key (
    event_id varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    type varchar(255) NOT NULL,
    received_at datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)
);

CREATE INDEX events_without_a_key_event ON events_without_a_key (event_id);
