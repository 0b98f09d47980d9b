//! Storing what outlives the process before it is answered: the fan-out goes on meanwhile.

use std::sync::Arc;

use chat_proto::{ErrorCode, LOBBY, Relation, Username};
use tokio::sync::mpsc::{Receiver, WeakSender};

use super::{Families, NAMES_VERSION, sanctions::Written, unavailable};
use crate::{
    metrics::Metrics,
    room::{Command, Conclusion, Deed, Entry, FOR_GOOD, Kept, Record, Sanction},
    store::{self, AuditEntry, PasswordDigest, Person, RoomChange, RoomSanction, Store, StoreError},
};

/// Acts that may wait to be stored. Full: further ones are refused with [`ErrorCode::Overloaded`].
pub const LEDGER_ENTRIES: usize = 256;

/// Stores acts in the order they were done, and then answers them, where it has to be when it is stored too who is in the
/// room no longer. Ends when nobody can hand it any more.
pub async fn keep(
    store: Store,
    mut entries: Receiver<Entry>,
    families: Arc<Families>,
    inbox: WeakSender<Command>,
    metrics: Arc<Metrics>,
    clock: fn() -> u64,
) {
    // Ends of rooms that could not be stored: before anything else is written, they are.
    let mut ends: Vec<Deed> = Vec::new();
    while let Some(Entry { records, deed, places, conclusion }) = entries.recv().await {
        let now = clock();
        let write_all = async {
            write_ends(&store, &mut ends, now).await?;
            write(&store, &records, &deed, now).await?;
            families.placed(places).await
        };
        let stored = write_all.await;
        match stored {
            Ok(()) => match conclusion {
                Conclusion::Admit { slot, id, conversation } => {
                    tell(&inbox, Command::Admit { slot, request: id, conversation }).await;
                }
                answer @ Conclusion::Answer { .. } => answer.tell(),
            },
            // It has been said, and must not be said again.
            Err(error) if deed.act == "announce" => {
                unavailable(&error);
                conclusion.tell();
            }
            Err(error) => {
                // What was done is in force. Only a room that was to last, and does not, is better not there.
                let conversation = deed.conversation;
                if records.contains(&Record::Gone) && ends.len() < LEDGER_ENTRIES {
                    ends.push(deed);
                }
                tell(
                    &inbox,
                    match conclusion {
                        Conclusion::Admit { .. } => Command::Withdraw { conversation },
                        Conclusion::Answer { .. } => Command::Unstored { conversation },
                    },
                )
                .await;
                metrics.reject(ErrorCode::StorageUnavailable);
                conclusion.refuse(unavailable(&error));
            }
        }
    }
}

async fn tell(inbox: &WeakSender<Command>, command: Command) {
    if let Some(inbox) = inbox.upgrade() {
        // A closed inbox means that all rooms end.
        let _ = inbox.send(command).await;
    }
}

async fn write_ends(store: &Store, ends: &mut Vec<Deed>, now: u64) -> Result<(), StoreError> {
    while let Some(deed) = ends.last() {
        let ended =
            store.rooms().apply(deed.conversation, &[RoomChange::Gone], &audit_entry(deed, now)).await;
        match ended {
            Ok(()) | Err(StoreError::NotFound) => ends.pop(),
            Err(error) => return Err(error),
        };
    }
    Ok(())
}

async fn write(store: &Store, records: &[Record], deed: &Deed, now: u64) -> Result<(), StoreError> {
    let entry = audit_entry(deed, now);
    let written = match records {
        [Record::Room(kept), rest @ ..] if kept.new => {
            return store.rooms().replace(&new_room(kept, rest, deed, now), &entry).await;
        }
        [] => Err(StoreError::NotFound),
        records => {
            let changes: Vec<_> = records.iter().map(|record| change(record, deed, now)).collect();
            store.rooms().apply(deed.conversation, &changes, &entry).await
        }
    };
    match written {
        // There was nothing to change, as in a room that does not persist; it was done all the same.
        Err(StoreError::NotFound) => store.audit().append(&entry).await,
        written => written,
    }
}

fn change(record: &Record, deed: &Deed, now: u64) -> RoomChange {
    match record {
        Record::Room(kept) => RoomChange::Settings(settings(kept)),
        Record::Gone => RoomChange::Gone,
        Record::Role { key, relation } => RoomChange::Role {
            account_key: key.as_str().into(),
            role: (*relation != Relation::Member).then_some(*relation as u16),
        },
        Record::Sanction { name, sanction } => {
            let words = (deed.by.as_str(), deed.reason.as_str());
            RoomChange::Sanction(room_sanction(name, *sanction, words, now))
        }
        Record::Invited { name, on } => RoomChange::Invited(person(name), *on),
    }
}

/// An act as it is written down.
fn audit_entry(deed: &Deed, now: u64) -> AuditEntry {
    let written = Written {
        by: (deed.by.as_str(), deed.role),
        act: deed.act,
        target: deed.target.as_ref().map(|name| name.as_str().into()),
        seconds: deed.seconds,
        reason: deed.reason.as_str(),
    };
    AuditEntry {
        conversation: (deed.conversation != LOBBY).then_some(deed.conversation),
        room: (!deed.room.is_empty()).then(|| deed.room.to_string()),
        ..written.entry(now)
    }
}

fn new_room(kept: &Kept, rest: &[Record], deed: &Deed, now: u64) -> store::NewRoom {
    let (mut roles, mut sanctions, mut invited) = (Vec::new(), Vec::new(), Vec::new());
    for record in rest {
        match record {
            Record::Role { key, relation } => roles.push((key.as_str().to_owned(), *relation as u16)),
            Record::Sanction { name, sanction } => {
                sanctions.push(room_sanction(name, *sanction, (deed.by.as_str(), ""), now));
            }
            Record::Invited { name, .. } => invited.push(person(name)),
            Record::Room(_) | Record::Gone => {}
        }
    }
    let name = store::NameForms {
        shown: kept.name.as_str().into(),
        key: kept.name.key().as_str().into(),
        skeleton: kept.look.to_string(),
        version: NAMES_VERSION,
    };
    let room =
        store::Room { conversation: kept.conversation, name, settings: settings(kept), created_ms: now };
    store::NewRoom { room, roles, sanctions, invited }
}

fn settings(kept: &Kept) -> store::RoomSettings {
    store::RoomSettings {
        capacity: kept.settings.capacity,
        flags: kept.settings.flags,
        slow_s: kept.settings.slow_s,
        topic: kept.topic.as_str().into(),
        password: kept.lock.as_ref().and_then(|lock| PasswordDigest::new(&lock.to_bytes())),
    }
}

fn room_sanction(name: &Username, sanction: Sanction, (by, reason): (&str, &str), now: u64) -> RoomSanction {
    let until = |end: u64| (end > now || end == FOR_GOOD).then_some(end);
    let sanction = store::Sanction {
        banned_until_ms: until(sanction.banned_until),
        muted_until_ms: until(sanction.muted_until),
        by: by.into(),
        reason: reason.into(),
        since_ms: now,
    };
    RoomSanction { person: person(name), sanction }
}

/// Somebody as they are stored.
pub(super) fn person(name: &Username) -> Person {
    Person { key: name.key().as_str().into(), shown: name.as_str().into() }
}
