//! Sealing and opening in a session: whose keys are asked for, and what is done with them.

use std::{cell::RefCell, collections::BTreeSet, num::NonZeroUsize, time::Duration};

use chat_proto::{
    DeviceKey, Envelope, KeyEntry, KeyId, NameKey, Role, SealedLine, Text, Username, feature, unix_ms,
};
use lru::LruCache;
use tokio::time::Instant;

use super::{
    args::Args,
    key_files::{KeyFault, KeyFiles},
    no_seals::NoSeals,
};
use crate::client::{
    Error, Requests, Session,
    seal::{
        Contact, Identity, Names, OpenFault, Said, SealFault, Sealed, Seen, Standing, safety_number, seal,
    },
};

/// How long a server's word on somebody's keys holds where whispers are sealed to them.
const HOLDS: Duration = Duration::from_secs(60);
/// As above, where somebody has sealed with a key that is not known: no flood of whispers is one of questions.
const HOLDS_FOR_STRANGERS: Duration = Duration::from_secs(10);
/// How long it is waited where the server says that it was asked too soon.
const PATIENCE: Duration = Duration::from_secs(3);
/// People whose keys are held, and of whom it is known what was said. Full: the least recent is asked for anew.
const PEOPLE_MAX: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");

/// How a whisper is to be said.
#[derive(Debug)]
pub enum Whispering {
    /// In plain words. `first`: one was not told so yet.
    Plain { first: bool },
    /// Sealed. `first`: as above.
    Sealed { envelope: Envelope, first: bool },
    /// Not at all.
    Withheld(Withheld),
}

/// Why a whisper is not said.
#[derive(Debug, PartialEq, Eq)]
pub enum Withheld {
    /// They are known to have keys, or may be, and nothing can be sealed here for this reason.
    HadKeys(String),
    /// They have keys that are not known.
    Changed(Vec<KeyId>),
    /// They had keys, and have none.
    Gone,
    /// They have none, and nothing shall be said plainly.
    Keyless,
    /// Nothing can be sealed here, and nothing shall be said plainly.
    Unable,
    /// Their keys are none.
    Fault(SealFault),
}

/// What a sealed whisper came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Unsealed {
    /// It is opened.
    Read { text: Text, trust: Trust, seen: Seen },
    /// It is not.
    Unread(Unread),
}

/// What is known of the key by which a whisper was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It is the sender's, as they were compared.
    Verified,
    /// It is the sender's, as the server said at first.
    Known,
    /// It is new, and nobody has said that it is to be trusted.
    NewKey,
}

/// Why a sealed whisper is not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// There are no keys here.
    NoKeys,
    /// The sender has no such key.
    UnknownKey,
    /// The server does not tell which keys the sender has.
    Untold,
    /// It cannot be.
    Fault(OpenFault),
}

/// What is known of somebody's keys.
#[derive(Debug)]
pub struct Report {
    pub name: Username,
    pub standing: Standing,
    /// As the server has them now.
    pub entries: Vec<KeyEntry>,
    pub verified: bool,
    /// With the keys that they have now; `None` of oneself, and of whom there are none.
    pub number: Option<String>,
}

impl Report {
    /// Whether a device is told of.
    #[must_use]
    pub fn has(&self, key: KeyId) -> bool {
        self.entries.iter().any(|entry| KeyId::of(&entry.key) == key)
    }
}

/// The keys, in a session.
pub struct Seals<'a> {
    session: &'a Session,
    identity: Identity,
    me: Username,
    server: String,
    pub files: KeyFiles,
    answers: RefCell<LruCache<NameKey, (Instant, Vec<KeyEntry>)>>,
    /// Whether whispers to somebody were sealed when one was told last.
    told: RefCell<LruCache<NameKey, bool>>,
    /// Of which new keys of somebody one was warned last.
    warned: RefCell<LruCache<NameKey, Vec<KeyId>>>,
    /// The keys of somebody that one was shown, or warned of, last: what one says of them is said of those.
    shown: RefCell<LruCache<NameKey, BTreeSet<DeviceKey>>>,
    /// The number that one was shown last, which is the one that was compared.
    numbers: RefCell<LruCache<NameKey, String>>,
}

impl<'a> Seals<'a> {
    /// Opens this device's key, makes one where there is none, and publishes it. `fault`: what is wrong with the files, if
    /// anything is.
    pub async fn start(args: &Args, session: &'a Session, fault: Option<KeyFault>) -> Result<Self, NoSeals> {
        if args.no_e2e {
            return Err(NoSeals::Unwanted);
        }
        let welcome = session.welcome();
        let me = Username::parse(&welcome.name).ok().filter(|_| welcome.role != Role::Guest as u16);
        let me = me.ok_or(NoSeals::Guest)?;
        if let Some(fault) = fault {
            return Err(NoSeals::Files(fault));
        }
        if session.server().features & feature::SEALED == 0 {
            return Err(NoSeals::NotOffered);
        }
        let (identity, files) = KeyFiles::open(args.keys.as_deref()).map_err(NoSeals::Files)?;
        let seals = Self {
            session,
            identity,
            me,
            server: args.server().known_as(),
            files,
            answers: RefCell::new(LruCache::new(PEOPLE_MAX)),
            told: RefCell::new(LruCache::new(PEOPLE_MAX)),
            warned: RefCell::new(LruCache::new(PEOPLE_MAX)),
            shown: RefCell::new(LruCache::new(PEOPLE_MAX)),
            numbers: RefCell::new(LruCache::new(PEOPLE_MAX)),
        };
        seals.publish().await.map_err(NoSeals::Unpublished)?;
        Ok(seals)
    }

    /// Publishes this device's key. Once more, it changes nothing.
    pub async fn publish(&self) -> Result<(), Error> {
        let key = self.identity.public();
        again(async || self.session.publish_key(key).await).await
    }

    /// The key of this device.
    #[must_use]
    pub fn own_key(&self) -> KeyId {
        KeyId::of(&self.identity.public())
    }

    /// How a whisper is to be said, after asking for the recipient's keys where that was long ago.
    pub async fn whispering(&self, to: &str, text: &str, plainly: bool) -> Result<Whispering, Error> {
        let name = Username::parse(to).map_err(Error::refused)?;
        let text = Text::parse(text).map_err(Error::refused)?;
        if self.is_me(&name) {
            // The server says what there is to say of that.
            return Ok(Whispering::Plain { first: false });
        }
        let published = keys(&self.published(&name, HOLDS).await?);
        let standing = self.meet(&name, &published);
        if matches!(standing, Standing::Gone | Standing::Changed { .. }) {
            self.shown.borrow_mut().put(name.key(), published.clone());
        }
        let withheld = match standing {
            Standing::Keyless if plainly => {
                return Ok(Whispering::Plain { first: self.is_news(&name, false) });
            }
            Standing::Keyless => Withheld::Keyless,
            Standing::Gone => Withheld::Gone,
            Standing::Changed { added } => Withheld::Changed(added.iter().map(KeyId::of).collect()),
            Standing::New | Standing::Known => {
                let said = Said { time_ms: unix_ms(), text };
                let names = Names { sender: &self.me.key(), recipient: &name.key() };
                let devices: Vec<_> = published.into_iter().collect();
                match seal(&self.identity, names, &devices, &said, &mut rand::rng()) {
                    Ok(envelope) => {
                        return Ok(Whispering::Sealed { envelope, first: self.is_news(&name, true) });
                    }
                    Err(fault) => Withheld::Fault(fault),
                }
            }
        };
        Ok(Whispering::Withheld(withheld))
    }

    /// Opens a whisper, after asking for its sender's keys where it was sealed by one that is not known.
    pub async fn unseal(&self, line: &SealedLine<String>) -> Unsealed {
        match self.open(line).await {
            Ok(read) => read,
            Err(why) => Unsealed::Unread(why),
        }
    }

    async fn open(&self, line: &SealedLine<String>) -> Result<Unsealed, Unread> {
        let name = Username::parse(&line.sender).map_err(|_| Unread::UnknownKey)?;
        let sealed = Sealed::parse(&line.envelope).map_err(Unread::Fault)?;
        let (key, trust) = self.key_of(&name, sealed.sender()).await?;
        let names = Names { sender: &name.key(), recipient: &self.me.key() };
        let opened = sealed.open(&self.identity, &key, names).map_err(Unread::Fault)?;
        let seen = self.files.update(|book| book.repeats.see(opened.said.time_ms, opened.nonce, unix_ms()));
        Ok(Unsealed::Read { text: opened.said.text, trust, seen })
    }

    async fn key_of(&self, name: &Username, id: KeyId) -> Result<(DeviceKey, Trust), Unread> {
        let known = |contact: Contact| {
            let trust = if contact.verified { Trust::Verified } else { Trust::Known };
            contact.key(id).map(|key| (key, trust))
        };
        if let Some(found) = self.contact(name).and_then(known) {
            return Ok(found);
        }
        let published = self.published(name, HOLDS_FOR_STRANGERS).await.map_err(|_| Unread::Untold)?;
        let published = keys(&published);
        let trust = match self.meet(name, &published) {
            Standing::Changed { .. } => Trust::NewKey,
            // What is known has been looked through; nobody is verified by being met.
            _ => Trust::Known,
        };
        let key = published.into_iter().find(|key| KeyId::of(key) == id).ok_or(Unread::UnknownKey)?;
        Ok((key, trust))
    }

    /// The keys of somebody that are not trusted, as far as the server has told; `None` where one was warned of them.
    #[must_use]
    pub fn untold_keys(&self, sender: &str) -> Option<Vec<KeyId>> {
        let name = Username::parse(sender).ok()?;
        let known = self.contact(&name).map(|contact| contact.keys).unwrap_or_default();
        let told = self.answers.borrow().peek(&name.key()).map(|(_, entries)| keys(entries))?;
        self.shown.borrow_mut().put(name.key(), told.clone());
        let added: Vec<_> = told.difference(&known).map(KeyId::of).collect();
        let before = self.warned.borrow_mut().put(name.key(), added.clone());
        (before.as_ref() != Some(&added)).then_some(added)
    }

    /// What is known of somebody's keys, and of what the server says of them now.
    pub async fn report(&self, name: &str) -> Result<Report, Error> {
        let name = Username::parse(name).map_err(Error::refused)?;
        let entries = self.published(&name, Duration::ZERO).await?;
        Ok(self.report_of(name, entries))
    }

    fn report_of(&self, name: Username, entries: Vec<KeyEntry>) -> Report {
        let published = keys(&entries);
        let standing = self.meet(&name, &published);
        let verified = self.contact(&name).is_some_and(|contact| contact.verified);
        let number = (!self.is_me(&name) && !published.is_empty()).then(|| self.number(&name, &published));
        match &number {
            Some(number) => self.numbers.borrow_mut().put(name.key(), number.clone()),
            None => self.numbers.borrow_mut().pop(&name.key()),
        };
        self.shown.borrow_mut().put(name.key(), published);
        Report { name, standing, entries, verified, number }
    }

    /// What is known of one's own keys, and of what the server says of them now.
    pub async fn own_report(&self) -> Result<Report, Error> {
        self.report(self.me.as_str()).await
    }

    /// Takes the keys that somebody has now for theirs, if they are those that one was shown last, or warned of. Else they
    /// are shown by this, and nothing else comes of it: a server that is not believed could tell others in between.
    pub async fn trust(&self, name: &str) -> Result<(bool, Report), Error> {
        let name = Username::parse(name).map_err(Error::refused)?;
        let entries = self.published(&name, Duration::ZERO).await?;
        let mut published = keys(&entries);
        let is_shown = self.shown.borrow_mut().get(&name.key()) == Some(&published);
        if is_shown {
            if self.is_me(&name) {
                published.insert(self.identity.public());
            }
            self.files.update(|book| book.contacts(&self.server).trust(&name, &published));
        }
        Ok((is_shown, self.report_of(name, entries)))
    }

    /// The safety number that was shown last was compared with theirs. False where their keys are not those that are
    /// trusted, or make another number by now.
    pub async fn verify(&self, name: &str) -> Result<bool, Error> {
        let key = Username::parse(name).map_err(Error::refused)?.key();
        let compared = self.numbers.borrow_mut().get(&key).cloned();
        let report = self.report(name).await?;
        let is_trusted = matches!(report.standing, Standing::New | Standing::Known);
        if compared.is_none() || compared != report.number || !is_trusted {
            return Ok(false);
        }
        Ok(self.files.update(|book| book.contacts(&self.server).verify(&key)))
    }

    /// Takes one of one's own devices' keys out of the directory: the one whose mark begins like this. This device's own
    /// stays, as long as it is in use. False where it is none, or not the only one.
    pub async fn revoke(&self, id: &str) -> Result<bool, Error> {
        let own = self.published(&self.me, Duration::ZERO).await?;
        let is_meant = |entry: &&KeyEntry| KeyId::of(&entry.key).to_string().starts_with(id);
        let meant: Vec<_> = own.iter().filter(is_meant).map(|entry| entry.key).collect();
        let [key] = meant[..] else { return Ok(false) };
        if key == self.identity.public() {
            return Ok(false);
        }
        again(async || self.session.remove_key(key).await).await?;
        self.own_report().await?;
        Ok(true)
    }

    fn number(&self, name: &Username, theirs: &BTreeSet<DeviceKey>) -> String {
        let mut own = self.contact(&self.me).map(|own| own.keys).unwrap_or_default();
        // Whatever else is known: others seal to this device, or to none that is here.
        own.insert(self.identity.public());
        safety_number((&self.me.key(), &own), (&name.key(), theirs))
    }

    fn is_me(&self, name: &Username) -> bool {
        name.key() == self.me.key()
    }

    /// Whether keys of somebody are known, so that what they whisper can be expected to be sealed.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.files.update(|book| book.contacts(&self.server).knows(name))
    }

    /// The server says that somebody has none of the keys that it told: it is asked anew before more is said to them.
    pub fn ask_anew(&self, name: &str) {
        if let Ok(name) = Username::parse(name) {
            self.answers.borrow_mut().pop(&name.key());
        }
    }

    fn contact(&self, name: &Username) -> Option<Contact> {
        self.files.update(|book| book.contacts(&self.server).get(&name.key()).cloned())
    }

    fn meet(&self, name: &Username, published: &BTreeSet<DeviceKey>) -> Standing {
        self.files.update(|book| {
            let contacts = book.contacts(&self.server);
            if self.is_me(name) {
                contacts.meet_own(&self.me, self.identity.public(), published)
            } else {
                contacts.meet(name, published)
            }
        })
    }

    /// The keys that somebody has published, as the server said not longer ago than this.
    async fn published(&self, name: &Username, holds: Duration) -> Result<Vec<KeyEntry>, Error> {
        let key = name.key();
        if let Some((since, entries)) = self.answers.borrow_mut().get(&key)
            && since.elapsed() < holds
        {
            return Ok(entries.clone());
        }
        let mut requests = Requests::new(&self.session.server().limits, PATIENCE);
        let asking = async || self.session.keys_of(name.as_str()).await;
        let entries = again(async || requests.ask(asking).await).await?;
        self.answers.borrow_mut().put(key, (Instant::now(), entries.clone()));
        Ok(entries)
    }

    /// Whether it is news that whispers to somebody are sealed, or are not.
    fn is_news(&self, name: &Username, sealed: bool) -> bool {
        self.told.borrow_mut().put(name.key(), sealed) != Some(sealed)
    }
}

/// Asks once more where the connection was lost before the answer came: all that is asked here changes nothing by that.
async fn again<T>(mut request: impl AsyncFnMut() -> Result<T, Error>) -> Result<T, Error> {
    loop {
        match request().await {
            Err(Error::Uncertain) => {}
            answer => return answer,
        }
    }
}

fn keys(entries: &[KeyEntry]) -> BTreeSet<DeviceKey> {
    entries.iter().map(|entry| entry.key).collect()
}
