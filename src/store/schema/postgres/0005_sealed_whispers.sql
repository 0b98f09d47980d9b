-- Which devices of whom can open sealed whispers. They are told in the order they were published.
CREATE TABLE device_keys (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account BIGINT NOT NULL REFERENCES accounts ON DELETE CASCADE,
    -- X25519, 32 bytes.
    key BYTEA NOT NULL,
    published_ms BIGINT NOT NULL,
    UNIQUE (account, key)
);

-- Of a sealed whisper its envelope, and no text.
ALTER TABLE letters ADD COLUMN sealed BYTEA;
ALTER TABLE mailbox_lines ADD COLUMN sealed BYTEA;
