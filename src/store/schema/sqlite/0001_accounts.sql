-- Times are milliseconds since 1970 UTC.

CREATE TABLE schema_versions (
    version INTEGER PRIMARY KEY,
    applied_ms INTEGER NOT NULL
) STRICT;

-- AUTOINCREMENT: the number of a deleted account is never given to another.
CREATE TABLE accounts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    skeleton TEXT NOT NULL UNIQUE,
    -- The version of the rules that made name_key and skeleton.
    names_version INTEGER NOT NULL,
    password TEXT NOT NULL,
    -- The number on the wire: 1 user, 2 moderator, 3 admin.
    role INTEGER NOT NULL,
    disabled INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    last_login_ms INTEGER
) STRICT;

CREATE TABLE invites (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- SHA-256 of the token's characters; the token itself is nowhere.
    token_hash BLOB NOT NULL UNIQUE,
    role INTEGER NOT NULL,
    uses INTEGER NOT NULL,
    uses_left INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER
) STRICT;
