-- Which devices of whom can open sealed whispers. AUTOINCREMENT: they are told in the order they were published.
CREATE TABLE device_keys (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    -- X25519, 32 bytes.
    key BLOB NOT NULL,
    published_ms INTEGER NOT NULL,
    UNIQUE (account, key)
) STRICT;

-- Of a sealed whisper its envelope, and no text.
ALTER TABLE letters ADD COLUMN sealed BLOB;
ALTER TABLE mailbox_lines ADD COLUMN sealed BLOB;
