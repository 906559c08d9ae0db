-- A small marketplace: buyers order products of several sellers.

CREATE TABLE users (
    id bigint AUTO_INCREMENT PRIMARY KEY,
    email varchar(200) NOT NULL UNIQUE,
    role varchar(20) NOT NULL CHECK (role IN ('buyer', 'seller', 'admin')),
    created_at datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)
) ENGINE = InnoDB;

CREATE TABLE products (
    id bigint AUTO_INCREMENT PRIMARY KEY,
    seller_id bigint NOT NULL,
    name varchar(200) NOT NULL,
    -- Units that can still be ordered; those of open and paid orders are taken off already.
    stock integer NOT NULL CHECK (stock >= 0),
    price decimal(12, 2) NOT NULL CHECK (price > 0),
    FOREIGN KEY (seller_id) REFERENCES users (id)
) ENGINE = InnoDB;

CREATE TABLE orders (
    id bigint AUTO_INCREMENT PRIMARY KEY,
    public_id char(36) NOT NULL DEFAULT (uuid()),
    buyer_id bigint NOT NULL,
    status varchar(20) NOT NULL
        CHECK (status IN ('pending_payment', 'payment_confirmed', 'processing', 'payment_failed')),
    total decimal(12, 2) NOT NULL,
    payment_intent_id varchar(200),
    version integer NOT NULL DEFAULT 0,
    updated_at datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    FOREIGN KEY (buyer_id) REFERENCES users (id)
) ENGINE = InnoDB;

CREATE TABLE order_items (
    id bigint AUTO_INCREMENT PRIMARY KEY,
    order_id bigint NOT NULL,
    product_id bigint NOT NULL,
    quantity integer NOT NULL CHECK (quantity > 0),
    price decimal(12, 2) NOT NULL,
    FOREIGN KEY (order_id) REFERENCES orders (id),
    FOREIGN KEY (product_id) REFERENCES products (id)
) ENGINE = InnoDB;
