//! Sessions that have outlived a server: what is known of each, and how it waits for its owner again.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use chat_proto::{NameKey, Receipt, Username};

use super::{Doorkeeper, Ending, FamilyRecord, NameForms, Session, Whose};
use crate::{
    room::{Inbox, MESSAGE_IDS, Mailbox, SessionId, Subscriber, Whispered, fingerprint},
    store::{Letter, Person, Resumable, SentLine, SentWhisper, Store, StoreError, StoredMailbox},
};

/// A session that was there when the last server ended.
pub struct Returning {
    record: FamilyRecord,
    /// The rooms that it was in.
    pub rooms: Vec<u64>,
    ignored: Vec<Person>,
    mailbox: Option<StoredMailbox>,
    said: SaidBefore,
}

/// What a session has said by numbers of its own.
pub(super) struct SaidBefore {
    /// To conversations, the newest first.
    lines: Vec<SentLine>,
    /// To people, the newest first.
    whispers: Vec<SentWhisper>,
}

/// Reads them all.
pub(super) async fn recall(store: &Store) -> Result<Vec<Returning>, StoreError> {
    let mailboxes = store.whispers().load_mailboxes().await?;
    let mut mailboxes: HashMap<_, _> = mailboxes.into_iter().map(|one| (one.session, one)).collect();
    let mut returning = Vec::new();
    for stored in store.resumes().load_here().await? {
        let Some(record) = FamilyRecord::recall(&stored) else { continue };
        let Resumable { resume, rooms, .. } = stored;
        let ignored = match resume.account {
            Some(account) => store.ignores().load(account).await?,
            None => Vec::new(),
        };
        let said = said_by(store, resume.session).await?;
        let mailbox = mailboxes.remove(&resume.session);
        returning.push(Returning { record, rooms, ignored, mailbox, said });
    }
    Ok(returning)
}

impl Doorkeeper {
    /// Makes a session anew that was there when the last server ended: its name is taken, and it waits for its owner.
    /// `None`, and its tokens are void, if its name is not to be had. `now` is in milliseconds since 1970 UTC.
    pub fn restore(&self, returning: Returning, inbox: &Inbox, now: u64) -> Option<Session> {
        let Returning { record, ignored, mailbox, said, .. } = returning;
        let (family, Whose { session, name, role, account }) = (record.family, record.whose.clone());
        let forms = NameForms::of(&name);
        let begins = mailbox.is_none();
        let mailbox = self.mailbox_of(mailbox);
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let subscriber =
            Subscriber::new(session, name, role, mailbox).coming_from(nowhere, now).coming_back();
        let subscriber = Arc::new(subscriber);
        subscriber.ignore(names(&ignored));
        subscriber.mute_until(self.bans().muted_until(&forms.key, now));
        recall_said(&subscriber, &said);
        // There is one for each session that may be, and these are the first.
        let departure = inbox.clone().try_reserve_owned();
        let claimed = self.registry().claim(&forms, &subscriber);
        // What it brings back if its name is not to be had is nobody.
        self.families().adopt(record);
        if begins {
            self.families().begin_mailbox(subscriber.id(), subscriber.mailbox());
        }
        let (Ok(departure), Ok(())) = (departure, claimed) else {
            self.families().end(family, Ending::Void);
            return None;
        };
        let session = Session::new(subscriber, Arc::clone(self.registry()), departure, account);
        Some(session.resumable_from(family, self.families()))
    }

    /// The mailbox of a session that may come back: as it was stored, or a new one.
    pub(super) fn mailbox_of(&self, stored: Option<StoredMailbox>) -> Mailbox {
        let mailbox = match stored {
            Some(StoredMailbox { epoch, head, lines, .. }) => {
                let whispers: Vec<_> = lines.into_iter().filter_map(whispered).collect();
                Mailbox::restored(epoch, head, self.mailbox, &whispers)
            }
            None => Mailbox::new(rand::random(), self.mailbox),
        };
        if self.stores_whispers() { mailbox.stored_first() } else { mailbox }
    }
}

/// Reads what a session has said by numbers of its own, as far as it is still there.
pub(super) async fn said_by(store: &Store, session: u64) -> Result<SaidBefore, StoreError> {
    let lines = store.history().sent_by(session, MESSAGE_IDS).await?;
    let whispers = store.whispers().whispered_by(session, MESSAGE_IDS).await?;
    Ok(SaidBefore { lines, whispers })
}

/// Remembers what a session has said by numbers of its own.
pub(super) fn recall_said(subscriber: &Subscriber, SaidBefore { lines, whispers }: &SaidBefore) {
    let lines = lines.iter().rev().map(|line| {
        let receipt = Receipt { epoch: line.epoch, seq: line.seq, time_ms: line.time_ms };
        (line.message_id, fingerprint(line.conversation, &line.text), receipt)
    });
    let whispers = whispers.iter().rev().filter_map(|whisper| {
        let to = Username::parse(&whisper.recipient).ok()?.key();
        let words = whisper.text.words().ok()?;
        let receipt = Receipt { epoch: 0, seq: whisper.kept.into(), time_ms: whisper.time_ms };
        Some((whisper.message_id, fingerprint(to, words.as_bytes()), receipt))
    });
    let mut said: Vec<_> = lines.chain(whispers).collect();
    // The oldest is forgotten first.
    said.sort_by_key(|(_, _, receipt)| receipt.time_ms);
    for (message_id, line, receipt) in said {
        subscriber.message_ids().note(message_id, || line, receipt);
    }
}

fn whispered((seq, letter): (u64, Letter)) -> Option<Whispered> {
    let (name, text) = (Username::parse(&letter.sender).ok()?, letter.text.words().ok()?);
    let (sender, message_id) = (SessionId(letter.session), letter.message_id.unwrap_or_default());
    Some(Whispered { seq, sender, name, message_id, time_ms: letter.time_ms, text })
}

fn names(people: &[Person]) -> HashMap<NameKey, Username> {
    let names = people.iter().filter_map(|person| Username::parse(&person.shown).ok());
    names.map(|name| (name.key(), name)).collect()
}
