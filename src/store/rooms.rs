//! Rooms that persist, and who may do what in them.

use std::sync::Arc;

use sqlx::query;

use super::{
    AuditEntry, NewRoom, Person, Room, RoomChange, RoomSanction, RoomSettings, StoreError, audit,
    database::{Database, Question, Transaction},
    number,
    time::stored,
};

/// Whether name and number are free, the database decides as it inserts.
const INSERT: &str = "INSERT INTO rooms (conversation, name, name_key, skeleton, names_version, created_ms, \
                      capacity, flags, slow_s, topic, password) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING";
const CHANGE: &str = "UPDATE rooms SET capacity = $2, flags = $3, slow_s = $4, topic = $5, password = $6 \
                      WHERE conversation = $1";
const DELETE: &str = "DELETE FROM rooms WHERE conversation = $1";
const NOTE_NUMBER: &str = "INSERT INTO room_numbers (one, highest) VALUES (1, $1) \
                           ON CONFLICT (one) DO UPDATE SET highest = excluded.highest \
                           WHERE room_numbers.highest < excluded.highest";
const LAST_NUMBER: &str = "SELECT highest FROM room_numbers";

// What hangs on a room is made by a question for the room: where there is none, nothing is made.
const SET_ROLE: &str = "INSERT INTO room_roles (conversation, account, role) \
                        SELECT rooms.conversation, accounts.id, $3 FROM rooms, accounts \
                        WHERE rooms.conversation = $1 AND accounts.name_key = $2 \
                        ON CONFLICT (conversation, account) DO UPDATE SET role = excluded.role";
const TAKE_ROLE: &str = "DELETE FROM room_roles WHERE conversation = $1 \
                         AND account IN (SELECT id FROM accounts WHERE name_key = $2)";
const SET_SANCTION: &str = "INSERT INTO room_sanctions \
    (conversation, name_key, name, banned_until_ms, muted_until_ms, set_by, reason, since_ms) \
    SELECT conversation, $2, $3, $4, $5, $6, $7, $8 FROM rooms WHERE conversation = $1 \
    ON CONFLICT (conversation, name_key) DO UPDATE SET name = excluded.name, \
    banned_until_ms = excluded.banned_until_ms, muted_until_ms = excluded.muted_until_ms, \
    set_by = excluded.set_by, reason = excluded.reason, since_ms = excluded.since_ms";
const LIFT_SANCTION: &str = "DELETE FROM room_sanctions WHERE conversation = $1 AND name_key = $2";
const INVITE: &str = "INSERT INTO room_invited (conversation, name_key, name) \
                      SELECT conversation, $2, $3 FROM rooms WHERE conversation = $1 \
                      ON CONFLICT (conversation, name_key) DO UPDATE SET name = excluded.name";
const UNINVITE: &str = "DELETE FROM room_invited WHERE conversation = $1 AND name_key = $2";

/// The rooms that persist. Cheap to clone.
///
/// Every change is written together with its entry in the audit log.
#[derive(Clone)]
pub struct Rooms {
    pub(super) database: Arc<Database>,
}

impl Rooms {
    /// Stores a room with all that is about it. [`StoreError::Taken`] when its name's key or skeleton, or its number,
    /// is another's; [`StoreError::NotFound`] when an account with a role in it is gone.
    pub async fn create(&self, new: &NewRoom, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        let done = create(&mut transaction, new, entry).await;
        transaction.settle(done).await
    }

    /// Stores a room as it is now, whatever was stored of it before. [`StoreError::Taken`] and
    /// [`StoreError::NotFound`] as of [`create`](Self::create).
    pub async fn replace(&self, new: &NewRoom, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        let done = match number::stored(new.room.conversation) {
            Ok(conversation) => match transaction.run(query(DELETE).bind(conversation)).await {
                Ok(_) => create(&mut transaction, new, entry).await,
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        transaction.settle(done).await
    }

    /// Makes these changes to a room, in this order, all or none. [`StoreError::NotFound`], with nothing written, if none
    /// of them found anything to change.
    pub async fn apply(
        &self,
        conversation: u64,
        changes: &[RoomChange],
        entry: &AuditEntry,
    ) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        let done = apply(&mut transaction, conversation, changes, entry).await;
        transaction.settle(done).await
    }

    /// The highest number that a room ever had here, also one that is gone; 0 before the first. The server gives its
    /// next conversation a higher one: a client may still know the old by its number.
    pub async fn last_number(&self) -> Result<u64, StoreError> {
        let rows = self.database.rows(query(LAST_NUMBER)).await?;
        rows.first().map_or(Ok(0), |row| number::in_column(row, "highest"))
    }
}

async fn create(transaction: &mut Transaction, new: &NewRoom, entry: &AuditEntry) -> Result<(), StoreError> {
    let Room { conversation, name, settings, created_ms } = &new.room;
    let conversation = number::stored(*conversation)?;
    let question = query(INSERT)
        .bind(conversation)
        .bind(name.shown.as_str())
        .bind(name.key.as_str())
        .bind(name.skeleton.as_str())
        .bind(i64::from(name.version))
        .bind(stored(*created_ms));
    if transaction.run(bind_settings(question, settings)).await? == 0 {
        return Err(StoreError::Taken);
    }
    transaction.run(query(NOTE_NUMBER).bind(conversation)).await?;
    for (account_key, role) in &new.roles {
        transaction.change(set_role(conversation, account_key, *role)).await?;
    }
    for sanction in new.sanctions.iter().filter(|new| !new.sanction.is_void()) {
        transaction.change(set_sanction(conversation, sanction)).await?;
    }
    for person in &new.invited {
        transaction.change(invite(conversation, person)).await?;
    }
    audit::append(transaction, entry).await
}

async fn apply(
    transaction: &mut Transaction,
    conversation: u64,
    changes: &[RoomChange],
    entry: &AuditEntry,
) -> Result<(), StoreError> {
    let conversation = number::stored(conversation)?;
    let mut rows = 0;
    for change in changes {
        rows += transaction.run(question(conversation, change)).await?;
    }
    if rows == 0 {
        return Err(StoreError::NotFound);
    }
    audit::append(transaction, entry).await
}

fn question(conversation: i64, change: &RoomChange) -> Question<'_> {
    match change {
        RoomChange::Settings(settings) => bind_settings(query(CHANGE).bind(conversation), settings),
        RoomChange::Role { account_key, role: Some(role) } => set_role(conversation, account_key, *role),
        RoomChange::Role { account_key, role: None } => {
            query(TAKE_ROLE).bind(conversation).bind(account_key.clone())
        }
        RoomChange::Sanction(RoomSanction { person, sanction }) if sanction.is_void() => {
            query(LIFT_SANCTION).bind(conversation).bind(person.key.clone())
        }
        RoomChange::Sanction(new) => set_sanction(conversation, new),
        RoomChange::Invited(person, true) => invite(conversation, person),
        RoomChange::Invited(person, false) => query(UNINVITE).bind(conversation).bind(person.key.clone()),
        RoomChange::Gone => query(DELETE).bind(conversation),
    }
}

fn bind_settings<'q>(question: Question<'q>, settings: &RoomSettings) -> Question<'q> {
    question
        .bind(i64::from(settings.capacity))
        .bind(i64::from(settings.flags))
        .bind(i64::from(settings.slow_s))
        .bind(settings.topic.clone())
        .bind(settings.password.as_ref().map(|digest| digest.as_bytes().to_vec()))
}

fn set_role(conversation: i64, account_key: &str, role: u16) -> Question<'static> {
    query(SET_ROLE).bind(conversation).bind(account_key.to_owned()).bind(i64::from(role))
}

fn set_sanction(conversation: i64, new: &RoomSanction) -> Question<'static> {
    let question =
        query(SET_SANCTION).bind(conversation).bind(new.person.key.clone()).bind(new.person.shown.clone());
    new.sanction.bind(question)
}

fn invite(conversation: i64, person: &Person) -> Question<'static> {
    query(INVITE).bind(conversation).bind(person.key.clone()).bind(person.shown.clone())
}
