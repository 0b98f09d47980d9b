//! All rooms that persist, as a server that starts reads them.

use std::collections::BTreeMap;

use sqlx::{any::AnyRow, query};

use super::{
    Person, Room, RoomRole, RoomSanction, Rooms, Sanction, StoreError, StoredRoom, number, pages::Pages,
    time::stored,
};

const FORGET_EXPIRED: &str = "DELETE FROM room_sanctions \
    WHERE coalesce(banned_until_ms, 0) <= $1 AND coalesce(muted_until_ms, 0) <= $1";
const ROOMS: &str = "SELECT conversation, name_key, name, skeleton, names_version, capacity, flags, slow_s, topic, \
                     password, created_ms \
                     FROM rooms WHERE (conversation, name_key) > ($1, $2) ORDER BY 1, 2 LIMIT $3";
const ROLES: &str = "SELECT conversation, name_key, name, account, room_roles.role \
                     FROM room_roles JOIN accounts ON accounts.id = account \
                     WHERE (conversation, name_key) > ($1, $2) ORDER BY 1, 2 LIMIT $3";
const SANCTIONS: &str = "SELECT conversation, name_key, name, banned_until_ms, muted_until_ms, set_by, reason, \
                         since_ms \
                         FROM room_sanctions WHERE (conversation, name_key) > ($1, $2) ORDER BY 1, 2 LIMIT $3";
const INVITED: &str = "SELECT conversation, name_key, name \
                       FROM room_invited WHERE (conversation, name_key) > ($1, $2) ORDER BY 1, 2 LIMIT $3";

type ByNumber = BTreeMap<u64, StoredRoom>;

impl Rooms {
    /// Forgets sanctions that have expired, and returns every room by number, with what is about it; what has expired
    /// of a sanction is left out.
    pub async fn load(&self, now_ms: u64) -> Result<Vec<StoredRoom>, StoreError> {
        self.database.run(query(FORGET_EXPIRED).bind(stored(now_ms))).await?;
        let mut rooms = ByNumber::new();
        let mut snapshot = self.database.snapshot().await?;
        let mut pages = Pages::of(ROOMS);
        while let Some(page) = pages.next(&mut snapshot).await? {
            for row in &page {
                let room = Room::from_row(row)?;
                let bare = StoredRoom { room, roles: Vec::new(), sanctions: Vec::new(), invited: Vec::new() };
                rooms.insert(bare.room.conversation, bare);
            }
        }
        let mut pages = Pages::of(ROLES);
        while let Some(page) = pages.next(&mut snapshot).await? {
            for row in &page {
                room_of(&mut rooms, row)?.roles.push(RoomRole::from_row(row)?);
            }
        }
        let mut pages = Pages::of(SANCTIONS);
        while let Some(page) = pages.next(&mut snapshot).await? {
            for row in &page {
                let sanction = Sanction::from_row(row, now_ms)?;
                let person = Person::from_row(row)?;
                room_of(&mut rooms, row)?.sanctions.push(RoomSanction { person, sanction });
            }
        }
        let mut pages = Pages::of(INVITED);
        while let Some(page) = pages.next(&mut snapshot).await? {
            for row in &page {
                room_of(&mut rooms, row)?.invited.push(Person::from_row(row)?);
            }
        }
        snapshot.commit().await?;
        Ok(rooms.into_values().collect())
    }
}

/// The room that a row hangs on.
fn room_of<'a>(rooms: &'a mut ByNumber, row: &AnyRow) -> Result<&'a mut StoredRoom, StoreError> {
    let conversation = number::in_column(row, "conversation")?;
    rooms
        .get_mut(&conversation)
        .ok_or_else(|| StoreError::Corrupt(format!("there is no room {conversation}").into()))
}
