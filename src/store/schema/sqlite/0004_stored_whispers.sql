-- What a session has whispered, for when it says it again.
CREATE INDEX mailbox_lines_by_sender ON mailbox_lines (sender_session, time_ms);
CREATE INDEX mailbox_lines_by_age ON mailbox_lines (time_ms);
