-- Times are milliseconds since 1970 UTC. Epochs and message ids are any 64 bits, kept as the signed number that has
-- the same bits.

-- Within an epoch no number names two lines. Epochs follow each other as their ids do.
CREATE TABLE epochs (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    conversation BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    -- The highest number that was deleted for its age or for being one too many; 0: none.
    floor BIGINT NOT NULL,
    -- The last number that was given, where the server stopped in good order. None: it is open, or nobody knows.
    head BIGINT,
    -- Whether nobody knows: the server did not stop in good order.
    unclean SMALLINT NOT NULL,
    -- Whether all of it was stored before anybody had it: then nothing is missing, however the server stopped.
    lossless SMALLINT NOT NULL DEFAULT 0,
    UNIQUE (conversation, epoch)
);

CREATE INDEX epochs_in_order ON epochs (conversation, id);

CREATE TABLE lines (
    epoch_id BIGINT NOT NULL REFERENCES epochs ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    time_ms BIGINT NOT NULL,
    -- The sender's; none: the operator's.
    session BIGINT,
    -- The sender's, also when it is gone: its number is never another's.
    account BIGINT,
    -- As others saw it; empty: the operator.
    sender TEXT NOT NULL,
    message_id BIGINT,
    text TEXT NOT NULL,
    PRIMARY KEY (epoch_id, seq)
);

CREATE UNIQUE INDEX lines_sent_once ON lines (session, message_id) WHERE message_id IS NOT NULL;

-- What the history did not get.
CREATE TABLE gaps (
    epoch_id BIGINT NOT NULL REFERENCES epochs ON DELETE CASCADE,
    from_seq BIGINT NOT NULL,
    to_seq BIGINT NOT NULL,
    PRIMARY KEY (epoch_id, from_seq)
);

-- One row, once there was a session: the highest number of any that was stored, also of those that are gone.
CREATE TABLE session_numbers (
    one SMALLINT PRIMARY KEY CHECK (one = 1),
    highest BIGINT NOT NULL
);

-- Who may come back to which session.
CREATE TABLE resumes (
    family BYTEA PRIMARY KEY,
    session BIGINT NOT NULL UNIQUE,
    -- None: a guest's.
    account BIGINT REFERENCES accounts ON DELETE CASCADE,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    -- SHA-256 of the token; the token itself is nowhere.
    token_hash BYTEA NOT NULL,
    -- Of the one before, until the client shows that it has the new one.
    previous_hash BYTEA,
    issued_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL,
    -- Whether the session was on the server, with a connection or within its grace.
    here SMALLINT NOT NULL
);

CREATE INDEX resumes_of_account ON resumes (account);
CREATE INDEX resumes_by_end ON resumes (expires_ms);

CREATE TABLE resume_rooms (
    session BIGINT NOT NULL REFERENCES resumes (session) ON DELETE CASCADE,
    conversation BIGINT NOT NULL,
    PRIMARY KEY (session, conversation)
);

-- Whispers to those who are away.
CREATE TABLE letters (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account BIGINT NOT NULL REFERENCES accounts ON DELETE CASCADE,
    sender TEXT NOT NULL,
    -- The sender's.
    session BIGINT NOT NULL,
    message_id BIGINT,
    time_ms BIGINT NOT NULL,
    text TEXT NOT NULL
);

CREATE INDEX letters_in_order ON letters (account, id);
CREATE INDEX letters_by_age ON letters (time_ms);
CREATE UNIQUE INDEX letters_sent_once ON letters (session, message_id) WHERE message_id IS NOT NULL;

-- What was whispered to sessions that are to come back after a restart.
CREATE TABLE mailboxes (
    session BIGINT PRIMARY KEY REFERENCES resumes (session) ON DELETE CASCADE,
    epoch BIGINT NOT NULL,
    -- The last number that was given.
    head BIGINT NOT NULL
);

CREATE TABLE mailbox_lines (
    session BIGINT NOT NULL REFERENCES mailboxes ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    time_ms BIGINT NOT NULL,
    sender_session BIGINT NOT NULL,
    sender TEXT NOT NULL,
    message_id BIGINT,
    text TEXT NOT NULL,
    PRIMARY KEY (session, seq)
);
