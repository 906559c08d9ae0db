-- What the payment provider tells about orders, and what sellers are paid.

CREATE TABLE payment_trackers (
    id integer PRIMARY KEY,
    order_id integer NOT NULL UNIQUE REFERENCES orders (id),
    status text NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed')),
    amount numeric NOT NULL,
    stripe_payment_intent_id text,
    failure_code text,
    failure_message text,
    last_charge text CHECK (json_valid(last_charge)),
    updated_at text NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE payouts (
    id integer PRIMARY KEY,
    seller_id integer NOT NULL REFERENCES users (id),
    stripe_payout_id text NOT NULL UNIQUE,
    amount numeric NOT NULL CHECK (amount > 0),
    status text NOT NULL CHECK (status IN ('paid', 'in_transit', 'failed')),
    failure_code text,
    failure_message text,
    transaction_ids text NOT NULL CHECK (json_valid(transaction_ids)),
    created_at text NOT NULL DEFAULT CURRENT_TIMESTAMP
);

-- NB: no unique key over (order_id, seller_id). Handling one event twice must be prevented by
-- the handlers' transactions, and an invariant of the scenario notices when it isn't.
CREATE TABLE payment_transactions (
    id integer PRIMARY KEY,
    order_id integer NOT NULL REFERENCES orders (id),
    tracker_id integer NOT NULL REFERENCES payment_trackers (id),
    seller_id integer NOT NULL REFERENCES users (id),
    payout_id integer REFERENCES payouts (id),
    amount numeric NOT NULL CHECK (amount > 0),
    status text NOT NULL CHECK (status IN ('held', 'paid_out'))
);

CREATE INDEX payment_transactions_order ON payment_transactions (order_id);
CREATE INDEX payment_transactions_held ON payment_transactions (seller_id, id) WHERE status = 'held';
CREATE INDEX payment_transactions_payout ON payment_transactions (payout_id);
