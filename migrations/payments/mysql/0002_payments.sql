-- What the payment provider tells about orders, and what sellers are paid.

CREATE TABLE payment_trackers (
    id bigint AUTO_INCREMENT PRIMARY KEY,
    order_id bigint NOT NULL UNIQUE,
    status varchar(20) NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed')),
    amount decimal(12, 2) NOT NULL,
    stripe_payment_intent_id varchar(200),
    failure_code varchar(200),
    failure_message text,
    last_charge json,
    updated_at datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    FOREIGN KEY (order_id) REFERENCES orders (id)
) ENGINE = InnoDB;

CREATE TABLE payouts (
    id bigint AUTO_INCREMENT PRIMARY KEY,
    seller_id bigint NOT NULL,
    stripe_payout_id varchar(200) NOT NULL UNIQUE,
    amount decimal(12, 2) NOT NULL CHECK (amount > 0),
    status varchar(20) NOT NULL CHECK (status IN ('paid', 'in_transit', 'failed')),
    failure_code varchar(200),
    failure_message text,
    transaction_ids json NOT NULL,
    created_at datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    FOREIGN KEY (seller_id) REFERENCES users (id)
) ENGINE = InnoDB;

-- NB: no unique key over (order_id, seller_id). Handling one event twice must be prevented by
-- the handlers' locks, and an invariant of the scenario notices when it isn't.
CREATE TABLE payment_transactions (
    id bigint AUTO_INCREMENT PRIMARY KEY,
    order_id bigint NOT NULL,
    tracker_id bigint NOT NULL,
    seller_id bigint NOT NULL,
    payout_id bigint,
    amount decimal(12, 2) NOT NULL CHECK (amount > 0),
    status varchar(20) NOT NULL CHECK (status IN ('held', 'paid_out')),
    FOREIGN KEY (order_id) REFERENCES orders (id),
    FOREIGN KEY (tracker_id) REFERENCES payment_trackers (id),
    FOREIGN KEY (seller_id) REFERENCES users (id),
    FOREIGN KEY (payout_id) REFERENCES payouts (id),
    KEY held (seller_id, status, id)
) ENGINE = InnoDB;
