-- Times are milliseconds since 1970 UTC; a time "until" that is the largest number is for good.

CREATE TABLE rooms (
    -- The conversation's number, which the server chooses.
    conversation INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    skeleton TEXT NOT NULL UNIQUE,
    -- The version of the rules that made name_key and skeleton.
    names_version INTEGER NOT NULL,
    capacity INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    slow_s INTEGER NOT NULL,
    topic TEXT NOT NULL,
    -- A salted digest.
    password BLOB,
    created_ms INTEGER NOT NULL
) STRICT;

-- One row, once there was a room: the highest number of any, also of those that are gone.
CREATE TABLE room_numbers (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    highest INTEGER NOT NULL
) STRICT;

CREATE TABLE room_roles (
    conversation INTEGER NOT NULL REFERENCES rooms ON DELETE CASCADE,
    account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    role INTEGER NOT NULL,
    PRIMARY KEY (conversation, account)
) STRICT, WITHOUT ROWID;

CREATE INDEX room_roles_of_account ON room_roles (account);

-- By name, as people without accounts have them too.
CREATE TABLE room_sanctions (
    conversation INTEGER NOT NULL REFERENCES rooms ON DELETE CASCADE,
    name_key TEXT NOT NULL,
    name TEXT NOT NULL,
    banned_until_ms INTEGER,
    muted_until_ms INTEGER,
    set_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    PRIMARY KEY (conversation, name_key)
) STRICT, WITHOUT ROWID;

CREATE TABLE room_invited (
    conversation INTEGER NOT NULL REFERENCES rooms ON DELETE CASCADE,
    name_key TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (conversation, name_key)
) STRICT, WITHOUT ROWID;

CREATE TABLE sanctions (
    -- 1 a name, 2 a network.
    kind INTEGER NOT NULL,
    -- The name's key, or the network in CIDR notation.
    subject TEXT NOT NULL,
    -- The name; of a network, the same again.
    shown TEXT NOT NULL,
    banned_until_ms INTEGER,
    muted_until_ms INTEGER,
    set_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    PRIMARY KEY (kind, subject)
) STRICT, WITHOUT ROWID;

CREATE TABLE ignores (
    account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    name_key TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (account, name_key)
) STRICT, WITHOUT ROWID;

-- Names and not numbers: it tells what was, also of who and what is gone.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time_ms INTEGER NOT NULL,
    actor TEXT NOT NULL,
    actor_role INTEGER NOT NULL,
    action TEXT NOT NULL,
    conversation INTEGER,
    room TEXT,
    target TEXT,
    seconds INTEGER,
    reason TEXT NOT NULL
) STRICT;

CREATE TRIGGER audit_is_not_updated BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

-- INSERT OR REPLACE deletes without asking the trigger above.
CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

-- What an operator has switched away from how it is by itself.
CREATE TABLE switches (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
