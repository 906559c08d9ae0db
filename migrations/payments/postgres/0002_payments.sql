-- What the payment provider tells about orders, and what sellers are paid.

CREATE TABLE payment_trackers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id bigint NOT NULL UNIQUE REFERENCES orders (id),
    status text NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed')),
    amount numeric(12, 2) NOT NULL,
    stripe_payment_intent_id text,
    failure_code text,
    failure_message text,
    last_charge jsonb,
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);

CREATE TABLE payouts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    seller_id bigint NOT NULL REFERENCES users (id),
    stripe_payout_id text NOT NULL UNIQUE,
    amount numeric(12, 2) NOT NULL CHECK (amount > 0),
    status text NOT NULL CHECK (status IN ('paid', 'in_transit', 'failed')),
    failure_code text,
    failure_message text,
    transaction_ids bigint[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- NB: no unique key over (order_id, seller_id). Handling one event twice must be prevented by
-- the handlers' locks, and an invariant of the scenario notices when it isn't.
CREATE TABLE payment_transactions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id bigint NOT NULL REFERENCES orders (id),
    tracker_id bigint NOT NULL REFERENCES payment_trackers (id),
    seller_id bigint NOT NULL REFERENCES users (id),
    payout_id bigint REFERENCES payouts (id),
    amount numeric(12, 2) NOT NULL CHECK (amount > 0),
    status text NOT NULL CHECK (status IN ('held', 'paid_out'))
) WITH (fillfactor = 70);

CREATE INDEX payment_transactions_order ON payment_transactions (order_id);
CREATE INDEX payment_transactions_held ON payment_transactions (seller_id, id) WHERE status = 'held';
