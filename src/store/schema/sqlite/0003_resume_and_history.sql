-- Times are milliseconds since 1970 UTC. Epochs and message ids are any 64 bits, kept as the signed number that has
-- the same bits.

-- Within an epoch no number names two lines. AUTOINCREMENT: epochs follow each other as their ids do.
CREATE TABLE epochs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    -- The highest number that was deleted for its age or for being one too many; 0: none.
    floor INTEGER NOT NULL,
    -- The last number that was given, where the server stopped in good order. None: it is open, or nobody knows.
    head INTEGER,
    -- Whether nobody knows: the server did not stop in good order.
    unclean INTEGER NOT NULL,
    -- Whether all of it was stored before anybody had it: then nothing is missing, however the server stopped.
    lossless INTEGER NOT NULL DEFAULT 0,
    UNIQUE (conversation, epoch)
) STRICT;

CREATE INDEX epochs_in_order ON epochs (conversation, id);

CREATE TABLE lines (
    epoch_id INTEGER NOT NULL REFERENCES epochs ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    -- The sender's; none: the operator's.
    session INTEGER,
    -- The sender's, also when it is gone: its number is never another's.
    account INTEGER,
    -- As others saw it; empty: the operator.
    sender TEXT NOT NULL,
    message_id INTEGER,
    text TEXT NOT NULL,
    PRIMARY KEY (epoch_id, seq)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX lines_sent_once ON lines (session, message_id) WHERE message_id IS NOT NULL;

-- What the history did not get.
CREATE TABLE gaps (
    epoch_id INTEGER NOT NULL REFERENCES epochs ON DELETE CASCADE,
    from_seq INTEGER NOT NULL,
    to_seq INTEGER NOT NULL,
    PRIMARY KEY (epoch_id, from_seq)
) STRICT, WITHOUT ROWID;

-- One row, once there was a session: the highest number of any that was stored, also of those that are gone.
CREATE TABLE session_numbers (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    highest INTEGER NOT NULL
) STRICT;

-- Who may come back to which session.
CREATE TABLE resumes (
    family BLOB PRIMARY KEY NOT NULL,
    session INTEGER NOT NULL UNIQUE,
    -- None: a guest's.
    account INTEGER REFERENCES accounts ON DELETE CASCADE,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    -- SHA-256 of the token; the token itself is nowhere.
    token_hash BLOB NOT NULL,
    -- Of the one before, until the client shows that it has the new one.
    previous_hash BLOB,
    issued_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    -- Whether the session was on the server, with a connection or within its grace.
    here INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX resumes_of_account ON resumes (account);
CREATE INDEX resumes_by_end ON resumes (expires_ms);

CREATE TABLE resume_rooms (
    session INTEGER NOT NULL REFERENCES resumes (session) ON DELETE CASCADE,
    conversation INTEGER NOT NULL,
    PRIMARY KEY (session, conversation)
) STRICT, WITHOUT ROWID;

-- Whispers to those who are away.
CREATE TABLE letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    sender TEXT NOT NULL,
    -- The sender's.
    session INTEGER NOT NULL,
    message_id INTEGER,
    time_ms INTEGER NOT NULL,
    text TEXT NOT NULL
) STRICT;

CREATE INDEX letters_in_order ON letters (account, id);
CREATE INDEX letters_by_age ON letters (time_ms);
CREATE UNIQUE INDEX letters_sent_once ON letters (session, message_id) WHERE message_id IS NOT NULL;

-- What was whispered to sessions that are to come back after a restart.
CREATE TABLE mailboxes (
    session INTEGER PRIMARY KEY REFERENCES resumes (session) ON DELETE CASCADE,
    epoch INTEGER NOT NULL,
    -- The last number that was given.
    head INTEGER NOT NULL
) STRICT;

CREATE TABLE mailbox_lines (
    session INTEGER NOT NULL REFERENCES mailboxes ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    sender_session INTEGER NOT NULL,
    sender TEXT NOT NULL,
    message_id INTEGER,
    text TEXT NOT NULL,
    PRIMARY KEY (session, seq)
) STRICT, WITHOUT ROWID;
