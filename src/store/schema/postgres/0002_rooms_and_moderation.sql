-- Times are milliseconds since 1970 UTC; a time "until" that is the largest number is for good.

CREATE TABLE rooms (
    -- The conversation's number, which the server chooses.
    conversation BIGINT PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    skeleton TEXT NOT NULL UNIQUE,
    -- The version of the rules that made name_key and skeleton.
    names_version INTEGER NOT NULL,
    capacity BIGINT NOT NULL,
    flags INTEGER NOT NULL,
    slow_s BIGINT NOT NULL,
    topic TEXT NOT NULL,
    -- A salted digest.
    password BYTEA,
    created_ms BIGINT NOT NULL
);

-- One row, once there was a room: the highest number of any, also of those that are gone.
CREATE TABLE room_numbers (
    one SMALLINT PRIMARY KEY CHECK (one = 1),
    highest BIGINT NOT NULL
);

CREATE TABLE room_roles (
    conversation BIGINT NOT NULL REFERENCES rooms ON DELETE CASCADE,
    account BIGINT NOT NULL REFERENCES accounts ON DELETE CASCADE,
    role INTEGER NOT NULL,
    PRIMARY KEY (conversation, account)
);

CREATE INDEX room_roles_of_account ON room_roles (account);

-- By name, as people without accounts have them too.
CREATE TABLE room_sanctions (
    conversation BIGINT NOT NULL REFERENCES rooms ON DELETE CASCADE,
    name_key TEXT NOT NULL,
    name TEXT NOT NULL,
    banned_until_ms BIGINT,
    muted_until_ms BIGINT,
    set_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    since_ms BIGINT NOT NULL,
    PRIMARY KEY (conversation, name_key)
);

CREATE TABLE room_invited (
    conversation BIGINT NOT NULL REFERENCES rooms ON DELETE CASCADE,
    name_key TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (conversation, name_key)
);

CREATE TABLE sanctions (
    -- 1 a name, 2 a network.
    kind SMALLINT NOT NULL,
    -- The name's key, or the network in CIDR notation.
    subject TEXT NOT NULL,
    -- The name; of a network, the same again.
    shown TEXT NOT NULL,
    banned_until_ms BIGINT,
    muted_until_ms BIGINT,
    set_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    since_ms BIGINT NOT NULL,
    PRIMARY KEY (kind, subject)
);

CREATE TABLE ignores (
    account BIGINT NOT NULL REFERENCES accounts ON DELETE CASCADE,
    name_key TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (account, name_key)
);

-- Names and not numbers: it tells what was, also of who and what is gone.
CREATE TABLE audit (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    time_ms BIGINT NOT NULL,
    actor TEXT NOT NULL,
    actor_role INTEGER NOT NULL,
    action TEXT NOT NULL,
    conversation BIGINT,
    room TEXT,
    target TEXT,
    seconds BIGINT,
    reason TEXT NOT NULL
);

CREATE FUNCTION refuse_to_change_audit() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$;

CREATE TRIGGER audit_is_not_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_audit();

-- What an operator has switched away from how it is by itself.
CREATE TABLE switches (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
