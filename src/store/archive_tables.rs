//! What an archive holds of each table, and how it is read and written.

/// A table, or what of it means something in another database too: an account's number does not, its key does.
pub(super) struct Table {
    pub name: &'static str,
    /// As [`Pages`](super::pages::Pages) takes it; what is archived comes after the first two columns.
    pub read: &'static str,
    /// Whether the second column is a number too.
    pub by_numbers: bool,
    /// Takes the columns in their order.
    pub insert: &'static str,
    pub columns: &'static [(&'static str, Kind)],
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    MaybeInteger,
    Text,
    MaybeText,
    Blob,
    MaybeBlob,
}

macro_rules! table {
    ($name:literal, by $number:literal, $second:literal, $($rest:tt)+) => {
        table!(@ $name, $number, $second, false, $($rest)+)
    };
    ($name:literal, by numbers $number:literal, $second:literal, $($rest:tt)+) => {
        table!(@ $name, $number, $second, true, $($rest)+)
    };
    (@ $name:literal, $number:literal, $second:literal, $by_numbers:literal, from $from:literal,
     [$($column:literal $kind:ident),+ $(,)?], $insert:literal) => {
        Table {
            name: $name,
            read: concat!(
                "SELECT ", $number, ", ", $second, $(", ", $column,)+ " FROM ", $from,
                " WHERE (", $number, ", ", $second, ") > ($1, $2) ORDER BY 1, 2 LIMIT $3"
            ),
            by_numbers: $by_numbers,
            insert: $insert,
            columns: &[$(($column, Kind::$kind)),+],
        }
    };
}

/// Every table but that of versions and those of resumption, each after those it refers to. A token is good for the
/// server that gave it, and what was whispered to a session is for who has its token.
pub(super) const TABLES: &[Table] = &[
    table!("accounts", by "id", "name_key", from "accounts",
        [
            "name" Text, "name_key" Text, "skeleton" Text, "names_version" Integer, "password" Text,
            "role" Integer, "disabled" Integer, "created_ms" Integer, "last_login_ms" MaybeInteger,
        ],
        "INSERT INTO accounts (name, name_key, skeleton, names_version, password, role, disabled, created_ms, \
         last_login_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"),
    table!("invites", by "id", "''", from "invites",
        [
            "token_hash" Blob, "role" Integer, "uses" Integer, "uses_left" Integer, "created_ms" Integer,
            "expires_ms" MaybeInteger,
        ],
        "INSERT INTO invites (token_hash, role, uses, uses_left, created_ms, expires_ms) \
         VALUES ($1, $2, $3, $4, $5, $6)"),
    table!("rooms", by "conversation", "name_key", from "rooms",
        [
            "conversation" Integer, "name" Text, "name_key" Text, "skeleton" Text, "names_version" Integer,
            "capacity" Integer, "flags" Integer, "slow_s" Integer, "topic" Text, "password" MaybeBlob,
            "created_ms" Integer,
        ],
        "INSERT INTO rooms (conversation, name, name_key, skeleton, names_version, capacity, flags, slow_s, topic, \
         password, created_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"),
    table!("room_numbers", by "one", "''", from "room_numbers", ["one" Integer, "highest" Integer],
        "INSERT INTO room_numbers (one, highest) VALUES ($1, $2)"),
    table!("room_roles", by "conversation", "account",
        from "(SELECT conversation, name_key AS account, room_roles.role AS role \
              FROM room_roles JOIN accounts ON accounts.id = account) AS roles",
        ["conversation" Integer, "account" Text, "role" Integer],
        "INSERT INTO room_roles (conversation, account, role) SELECT $1, id, $3 FROM accounts WHERE name_key = $2"),
    table!("room_sanctions", by "conversation", "name_key", from "room_sanctions",
        [
            "conversation" Integer, "name_key" Text, "name" Text, "banned_until_ms" MaybeInteger,
            "muted_until_ms" MaybeInteger, "set_by" Text, "reason" Text, "since_ms" Integer,
        ],
        "INSERT INTO room_sanctions (conversation, name_key, name, banned_until_ms, muted_until_ms, set_by, reason, \
         since_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"),
    table!("room_invited", by "conversation", "name_key", from "room_invited",
        ["conversation" Integer, "name_key" Text, "name" Text],
        "INSERT INTO room_invited (conversation, name_key, name) VALUES ($1, $2, $3)"),
    table!("sanctions", by "kind", "subject", from "sanctions",
        [
            "kind" Integer, "subject" Text, "shown" Text, "banned_until_ms" MaybeInteger,
            "muted_until_ms" MaybeInteger, "set_by" Text, "reason" Text, "since_ms" Integer,
        ],
        "INSERT INTO sanctions (kind, subject, shown, banned_until_ms, muted_until_ms, set_by, reason, since_ms) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"),
    table!("ignores", by "id", "name_key",
        from "(SELECT id, accounts.name_key AS account, ignores.name_key AS name_key, ignores.name AS name \
              FROM ignores JOIN accounts ON id = account) AS ignored",
        ["account" Text, "name_key" Text, "name" Text],
        "INSERT INTO ignores (account, name_key, name) SELECT id, $2, $3 FROM accounts WHERE name_key = $1"),
    table!("audit", by "id", "''", from "audit",
        [
            "time_ms" Integer, "actor" Text, "actor_role" Integer, "action" Text, "conversation" MaybeInteger,
            "room" MaybeText, "target" MaybeText, "seconds" MaybeInteger, "reason" Text,
        ],
        "INSERT INTO audit (time_ms, actor, actor_role, action, conversation, room, target, seconds, reason) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"),
    table!("epochs", by "id", "''", from "epochs",
        ["conversation" Integer, "epoch" Integer, "floor" Integer, "head" MaybeInteger, "unclean" Integer],
        "INSERT INTO epochs (conversation, epoch, floor, head, unclean) VALUES ($1, $2, $3, $4, $5)"),
    // Of a table as large as this a page must not begin at the beginning: nothing is joined, so that its key leads.
    table!("lines", by numbers "epoch_id", "seq",
        from "(SELECT epoch_id, seq, (SELECT conversation FROM epochs WHERE id = epoch_id) AS conversation, \
              (SELECT epoch FROM epochs WHERE id = epoch_id) AS epoch, time_ms, session, \
              (SELECT name_key FROM accounts WHERE id = account) AS account, sender, message_id, text \
              FROM lines) AS said",
        [
            "conversation" Integer, "epoch" Integer, "seq" Integer, "time_ms" Integer, "session" MaybeInteger,
            "account" MaybeText, "sender" Text, "message_id" MaybeInteger, "text" Text,
        ],
        "INSERT INTO lines (epoch_id, seq, time_ms, session, account, sender, message_id, text) \
         SELECT id, $3, $4, $5, (SELECT id FROM accounts WHERE name_key = $6), $7, $8, $9 \
         FROM epochs WHERE conversation = $1 AND epoch = $2"),
    table!("gaps", by numbers "epoch_id", "from_seq",
        from "(SELECT epoch_id, from_seq, to_seq, (SELECT conversation FROM epochs WHERE id = epoch_id) AS \
              conversation, (SELECT epoch FROM epochs WHERE id = epoch_id) AS epoch FROM gaps) AS missing",
        ["conversation" Integer, "epoch" Integer, "from_seq" Integer, "to_seq" Integer],
        "INSERT INTO gaps (epoch_id, from_seq, to_seq) \
         SELECT id, $3, $4 FROM epochs WHERE conversation = $1 AND epoch = $2"),
    table!("session_numbers", by "one", "''", from "session_numbers", ["one" Integer, "highest" Integer],
        "INSERT INTO session_numbers (one, highest) VALUES ($1, $2)"),
    table!("letters", by "id", "account",
        from "(SELECT letters.id AS id, name_key AS account, sender, session, message_id, time_ms, text, sealed \
              FROM letters JOIN accounts ON accounts.id = account) AS waiting",
        [
            "account" Text, "sender" Text, "session" Integer, "message_id" MaybeInteger, "time_ms" Integer,
            "text" Text, "sealed" MaybeBlob,
        ],
        "INSERT INTO letters (account, sender, session, message_id, time_ms, text, sealed) \
         SELECT id, $2, $3, $4, $5, $6, $7 FROM accounts WHERE name_key = $1"),
    table!("device_keys", by "id", "account",
        from "(SELECT device_keys.id AS id, name_key AS account, key, published_ms \
              FROM device_keys JOIN accounts ON accounts.id = account) AS published",
        ["account" Text, "key" Blob, "published_ms" Integer],
        "INSERT INTO device_keys (account, key, published_ms) SELECT id, $2, $3 FROM accounts WHERE name_key = $1"),
    table!("switches", by "0", "name", from "switches", ["name" Text, "value" Text],
        "INSERT INTO switches (name, value) VALUES ($1, $2)"),
];

#[cfg(test)]
mod tests {
    use super::{super::STEPS, *};

    const LEFT_OUT: [&str; 5] = ["schema_versions", "resumes", "resume_rooms", "mailboxes", "mailbox_lines"];

    #[test]
    fn no_table_of_any_version_is_forgotten() {
        for step in STEPS {
            for sql in [step.sqlite, step.postgres] {
                for made in sql.split("CREATE TABLE ").skip(1) {
                    let name = made.split_whitespace().next().expect("a name");
                    let archived = TABLES.iter().any(|table| table.name == name);
                    assert!(archived != LEFT_OUT.contains(&name), "{name}");
                }
            }
        }
    }
}
