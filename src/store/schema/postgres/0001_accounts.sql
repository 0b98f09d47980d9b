-- Times are milliseconds since 1970 UTC.

CREATE TABLE schema_versions (
    version INTEGER PRIMARY KEY,
    applied_ms BIGINT NOT NULL
);

CREATE TABLE accounts (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    skeleton TEXT NOT NULL UNIQUE,
    -- The version of the rules that made name_key and skeleton.
    names_version INTEGER NOT NULL,
    password TEXT NOT NULL,
    -- The number on the wire: 1 user, 2 moderator, 3 admin.
    role SMALLINT NOT NULL,
    disabled SMALLINT NOT NULL,
    created_ms BIGINT NOT NULL,
    last_login_ms BIGINT
);

CREATE TABLE invites (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- SHA-256 of the token's characters; the token itself is nowhere.
    token_hash BYTEA NOT NULL UNIQUE,
    role SMALLINT NOT NULL,
    uses BIGINT NOT NULL,
    uses_left BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT
);
