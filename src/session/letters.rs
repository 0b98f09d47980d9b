//! Whispers that are not simply handed over: to who is away they are kept, and to who may come back stored first.

use std::sync::Arc;

use chat_proto::{ErrorCode, KeyId, Refusal, Username, Whisper, WhisperReceipt, Words, kind};
use tokio::{
    sync::{mpsc::error::TrySendError, oneshot},
    task::JoinHandle,
};

use super::{Doorkeeper, MailboxRequest, Next, SessionRegistry, WaitingWhisper, unavailable};
use crate::{
    room::{SessionId, Subscriber},
    store::{AccountId, Keeping, Letter, LetterLimits, StoredMailbox, StoredText, Whispers},
};

/// How long a whisper is kept at most, for somebody who is away and in a stored mailbox: 30 days, in milliseconds.
pub(super) const LETTER_AGE_MAX_MS: u64 = 30 * 24 * 60 * 60 * 1_000;
/// How much waits for each: what a person reads when they come, and what nobody can fill a disk with.
const LIMITS: LetterLimits =
    LetterLimits { letters: 100, bytes: 64 * 1024, of_one_sender: 25, age_ms: LETTER_AGE_MAX_MS };
/// For those that have been taken out and find nobody: they had their room before.
const NO_LIMITS: LetterLimits =
    LetterLimits { letters: u32::MAX, bytes: u64::MAX, of_one_sender: u32::MAX, age_ms: u64::MAX };
/// When whoever was refused because too many whispers wait to be stored may try again, in milliseconds.
const WRITER_RETRY_MS: u32 = 1_000;

impl Doorkeeper {
    /// Whether whispers are stored before they are heard, to whoever may come back.
    #[must_use]
    pub fn stores_whispers(&self) -> bool {
        self.mailboxes.is_some()
    }

    /// Has a whisper stored, and then handed over and answered. [`ErrorCode::Overloaded`] if too much waits for that.
    pub(super) fn store_whisper(&self, waiting: WaitingWhisper) -> Next {
        let mailboxes = self.mailboxes.as_ref().expect("where mailboxes are stored there is a writer");
        let (request, code) = match mailboxes.try_send(MailboxRequest::Whisper(waiting)) {
            Ok(()) => return Next::Done,
            Err(TrySendError::Full(request)) => (request, ErrorCode::Overloaded),
            Err(TrySendError::Closed(request)) => (request, ErrorCode::ShuttingDown),
        };
        if let MailboxRequest::Whisper(WaitingWhisper { slot, whisper, .. }) = request {
            let refusal = Refusal { code: code.into(), retry_ms: WRITER_RETRY_MS };
            let kind = if whisper.text.are_sealed() { kind::SEALED_WHISPER } else { kind::WHISPER };
            slot.refuse(kind, Some(whisper.id), refusal);
        }
        Next::Excused(code)
    }

    /// What is in the stored mailbox of a session that has lapsed, if there is one and it goes on.
    pub(super) async fn stored_mailbox(&self, session: SessionId) -> Result<Option<StoredMailbox>, Refusal> {
        let Some(mailboxes) = &self.mailboxes else { return Ok(None) };
        let shutting_down = || Refusal::new(ErrorCode::ShuttingDown);
        let (reply, mailbox) = oneshot::channel();
        let request = MailboxRequest::Recall { session, reply };
        mailboxes.send(request).await.map_err(|_| shutting_down())?;
        mailbox.await.map_err(|_| shutting_down())?
    }

    /// Whether whispers to somebody who is away can be kept at all.
    #[must_use]
    pub fn keeps_whispers(&self) -> bool {
        self.accounts().is_some()
    }

    /// Keeps a whisper for somebody who is away. [`ErrorCode::UserOffline`] if too much waits for them already, or they
    /// have no account but were here; [`ErrorCode::UserNotFound`] if nobody knows them; [`ErrorCode::NoKeys`] if it is
    /// sealed, and to no device of which they have published a key.
    pub async fn keep_whisper(
        &self,
        from: &Subscriber,
        whisper: &Whisper<Username, Words>,
        now: u64,
    ) -> Result<WhisperReceipt, Refusal> {
        let key = whisper.to.key();
        let absent = || Refusal::new(self.registry().find(&key).err().unwrap_or(ErrorCode::UserOffline));
        let Some(accounts) = self.accounts() else { return Err(absent()) };
        let store = accounts.store();
        let found = store.accounts().find(key.as_str()).await.map_err(|error| unavailable(&error))?;
        let Some(account) = found else { return Err(absent()) };
        let receipt = WhisperReceipt { time_ms: now, kept: 1 };
        if accounts.ignored(account.id).await?.contains_key(&from.name().key()) {
            // They hear nothing of the sender, who is not told so.
            return Ok(receipt);
        }
        if let Words::Sealed(envelope) = &whisper.text {
            let published = accounts.keys_of(&key).await?;
            let devices: Vec<_> = published.iter().map(|one| KeyId::of(&one.key)).collect();
            if !envelope.is_for(&devices) {
                return Err(Refusal::new(ErrorCode::NoKeys));
            }
        }
        let letter = Letter {
            sender: from.name().as_str().into(),
            session: from.id().0,
            message_id: (whisper.message_id != 0).then_some(whisper.message_id),
            time_ms: now,
            text: StoredText::of(&whisper.text),
        };
        match store.whispers().keep(account.id, &letter, &LIMITS).await {
            Ok(Keeping::Kept) => {}
            Ok(Keeping::Full) => return Err(Refusal::new(ErrorCode::UserOffline)),
            Err(error) => return Err(unavailable(&error)),
        }
        // Whoever has come meanwhile may have looked before there was anything.
        if let Ok(come) = self.registry().find(&key) {
            self.hand_over_letters(account.id, &come, now).await?;
        }
        Ok(receipt)
    }

    /// Hands over what has been kept for the owner of an account, into the mailbox of a session of theirs; what is sealed
    /// only if its client has shown a device that it is for. Dropped, it goes on by itself.
    pub(super) async fn hand_over_letters(
        &self,
        account: AccountId,
        to: &Arc<Subscriber>,
        now: u64,
    ) -> Result<(), Refusal> {
        match self.begin_letters(account, to, now)? {
            Some(handing) => handing.await.unwrap_or(Err(Refusal::new(ErrorCode::Internal))),
            None => Ok(()),
        }
    }

    /// The same, without waiting for it: what is taken out of the database must arrive, whoever goes away meanwhile. `None`
    /// where it is the writer of mailboxes that does it, for whom nobody waits, or nothing is kept.
    pub(super) fn begin_letters(
        &self,
        account: AccountId,
        to: &Arc<Subscriber>,
        now: u64,
    ) -> Result<Option<JoinHandle<Result<(), Refusal>>>, Refusal> {
        let Some(accounts) = self.accounts() else { return Ok(None) };
        let (older_than_ms, to) = (now.saturating_sub(LIMITS.age_ms), Arc::clone(to));
        if to.mailbox().is_stored_first() {
            let request = MailboxRequest::Letters { account, older_than_ms, to };
            let mailboxes = self.mailboxes.as_ref().expect("where mailboxes are stored there is a writer");
            let asked = mailboxes.try_send(request).map_err(|_| Refusal::new(ErrorCode::Overloaded));
            return asked.map(|()| None);
        }
        let (waiting, registry) = (accounts.store().whispers().clone(), Arc::clone(self.registry()));
        Ok(Some(self.handing.spawn(hand_over(waiting, (account, older_than_ms), to, registry))))
    }

    /// Waits until what has been taken out of the database is in a mailbox, or in the database again, once nobody comes in
    /// any more.
    pub async fn letters_arrived(&self) {
        self.handing.close();
        self.handing.wait().await;
    }
}

async fn hand_over(
    waiting: Whispers,
    (account, older_than_ms): (AccountId, u64),
    to: Arc<Subscriber>,
    registry: Arc<SessionRegistry>,
) -> Result<(), Refusal> {
    let letters = waiting.take(account, older_than_ms, &to.devices()).await;
    let mut arrived = Ok(());
    for letter in letters.map_err(|error| unavailable(&error))? {
        // The rules may have changed since it was kept.
        let (Ok(name), Ok(text)) = (Username::parse(&letter.sender), letter.text.words()) else {
            continue;
        };
        let message_id = letter.message_id.unwrap_or_default();
        if to.whisper((SessionId(letter.session), &name), message_id, &text, letter.time_ms).is_err() {
            // Whoever has come has gone again.
            if let Err(error) = waiting.keep(account, &letter, &NO_LIMITS).await {
                arrived = Err(unavailable(&error));
            }
        }
    }
    registry.mark_successor(&to);
    arrived
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, net::Ipv4Addr, task::Poll};

    use chat_proto::{Role, Text, Words};

    use super::*;
    use crate::{
        config::{Config, HashingConfig, Live, Policy},
        room::{MAILBOX_BIT, Mailbox},
        session::{AccountDesk, Families, NameForms},
        store::{NewAccount, PasswordHash, Place, Store},
    };

    const HASHING: HashingConfig = HashingConfig { memory_kib: 8, passes: 1, lanes: 1, at_once: 1 };

    fn name(text: &str) -> Username {
        Username::parse(text).expect("a name")
    }

    fn kim() -> Arc<Subscriber> {
        let mailbox = Mailbox::new(1, Config::default().mailbox);
        Arc::new(Subscriber::new(SessionId(7), name("kim"), Role::User, mailbox))
    }

    /// A doorkeeper, the account of kim, and a whisper that is kept for it.
    async fn keeping(text: &str) -> (Doorkeeper, AccountId) {
        let store = Store::open(&Place::memory()).await.expect("a database");
        let hash = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQxMjM0$MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE";
        let password = PasswordHash::parse(hash).expect("a PHC string");
        let kim = NameForms::of(&name("kim")).stored(&name("kim"));
        let new = NewAccount { name: kim, password, created_ms: 1 };
        let account = store.accounts().create(&new, Role::User).await.expect("a free name").id;
        let text = StoredText::of(&Words::Plain(Text::parse(text).expect("a text")));
        let letter = Letter { sender: "lee".into(), session: 3, message_id: None, time_ms: 1, text };
        store.whispers().keep(account, &letter, &LIMITS).await.expect("kept");
        let (config, live) = (Config::default(), Live::new(Policy::of(&Config::default())));
        let accounts = AccountDesk::new(store, &HASHING, live.clone(), || 1);
        let (registry, families) = (Arc::new(SessionRegistry::new()), Arc::new(Families::new(None)));
        (Doorkeeper::new(registry, Some(accounts), &config, live, true, false, families), account)
    }

    #[tokio::test]
    async fn what_is_taken_for_somebody_arrives_whoever_waits_for_it_no_longer() {
        let (doorkeeper, account) = keeping("once").await;
        let kim = kim();
        let mut handing = Box::pin(doorkeeper.hand_over_letters(account, &kim, 1));
        let begun = poll_fn(|cx| Poll::Ready(handing.as_mut().poll(cx))).await;
        assert!(begun.is_pending());
        drop(handing);
        doorkeeper.letters_arrived().await;
        assert_eq!(kim.mailbox().head(), 1);
    }

    #[tokio::test]
    async fn what_comes_for_somebody_who_has_gone_again_waits_for_the_next_time() {
        let (doorkeeper, account) = keeping("later").await;
        let (gone, come) = (kim(), kim());
        gone.mailbox().close();
        for one in [&gone, &come] {
            doorkeeper.hand_over_letters(account, one, 1).await.expect("a database that works");
        }
        assert_eq!((gone.mailbox().head(), come.mailbox().head()), (0, 1));
    }

    #[tokio::test]
    async fn what_comes_for_a_connection_that_is_lost_by_then_wakes_the_one_that_took_over() {
        let (doorkeeper, account) = keeping("awake").await;
        let before = kim();
        let next = Arc::new(before.successor(Ipv4Addr::LOCALHOST.into(), 1));
        next.set_present();
        let forms = NameForms::of(before.name());
        doorkeeper.registry().claim(&forms, &before).expect("a free name");
        doorkeeper.registry().succeed(&forms.key, &next).expect("it is there");
        doorkeeper.hand_over_letters(account, &before, 1).await.expect("a database that works");
        assert_eq!((next.mailbox().head(), next.take_ready() & 1 << MAILBOX_BIT), (1, 1 << MAILBOX_BIT));
    }
}
