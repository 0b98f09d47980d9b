//! A server with accounts, in memory, and people with keys.

use std::{net::IpAddr, time::Duration};

use chat_proto::{Code, Credential, DeviceKey, Envelope, Role, SealedLine, Text, Username, feature};
use iocp_chat::{
    client::{
        Client, Error, Event, Events, Session, Timeouts,
        seal::{Identity, Names, Opened, Said, Sealed, seal},
    },
    config::{Config, HashingConfig},
    server::Server,
    session::Recalled,
    store::{NewInvite, Place, Store},
};
use tokio::time::timeout;

use crate::common::{next, quiet};

const PASSWORD: &[u8] = b"correct horse";

/// A server whose people have accounts.
pub struct Stage {
    pub server: Server,
    pub store: Store,
}

/// Somebody with a device.
pub struct Person {
    pub session: Session,
    pub events: Events,
    pub identity: Identity,
}

impl Stage {
    pub async fn with(names: &[&str]) -> Self {
        Self::configured(names, quiet()).await
    }

    pub async fn configured(names: &[&str], config: Config) -> Self {
        let stage = Self::over(Store::open(&Place::memory()).await.expect("a database"), config).await;
        stage.register(names).await;
        stage
    }

    /// Over a database that there is.
    pub async fn over(store: Store, mut config: Config) -> Self {
        // What hashes cost is not what is tested here.
        config.accounts.hashing = HashingConfig { memory_kib: 8, passes: 1, lanes: 1, at_once: 2 };
        let recalled = Recalled::from(store.clone(), 1).await.expect("it is whole");
        let recalled = recalled.with_history(&config.history).await.expect("it has a past");
        let server = Server::start(&config, Vec::new(), Some(recalled)).expect("a server");
        Self { server, store }
    }

    /// As if it were killed: nothing more is written, and nothing is closed.
    pub async fn break_off(self) {
        let Self { server, store } = self;
        store.close().await.expect("closed");
        std::mem::forget(server);
    }

    pub async fn register(&self, names: &[&str]) {
        for name in names {
            let invite = NewInvite { role: Role::User, uses: 1, created_ms: 1, expires_ms: None };
            let token = self.store.invites().create(&invite).await.expect("an invite").to_string();
            let mut client = self.client(0).await;
            client.register(name, Credential::Password(PASSWORD.into()), &token).await.expect("registered");
        }
    }

    /// From elsewhere each time: one address may not do much.
    pub async fn client(&self, features: u64) -> Client {
        let address = IpAddr::from([10, rand::random(), rand::random(), rand::random()]);
        let pipe = self.server.connect_in_memory_from(address, 64 * 1024);
        Client::over_asking(pipe, Timeouts::default(), features).await.expect("greeted")
    }

    /// The owner of an account, with a client that asks for these features.
    pub async fn owner_asking(&self, name: &str, features: u64) -> (Session, Events) {
        let credential = Credential::Password(PASSWORD.into());
        self.client(features).await.log_in(name, credential).await.expect("logged in")
    }

    /// The owner of an account, with a device whose key is published.
    pub async fn owner(&self, name: &str) -> Person {
        let identity = Identity::new(&mut rand::rng());
        let person = self.owner_with(name, identity).await;
        person.session.publish_key(person.identity.public()).await.expect("published");
        person
    }

    /// The owner of an account, with this device.
    pub async fn owner_with(&self, name: &str, identity: Identity) -> Person {
        let (session, events) = self.owner_asking(name, feature::SEALED | feature::RESUME).await;
        Person { session, events, identity }
    }
}

impl Person {
    pub fn name(&self) -> Username {
        Username::parse(&self.session.welcome().name).expect("a name")
    }

    /// What says something to these devices of somebody alone.
    pub fn seal(&self, to: &str, devices: &[DeviceKey], text: &str) -> Envelope {
        let to = Username::parse(to).expect("a name").key();
        let said = Said { time_ms: 7, text: Text::parse(text).expect("a text") };
        let names = Names { sender: &self.name().key(), recipient: &to };
        seal(&self.identity, names, devices, &said, &mut rand::rng()).expect("sealed")
    }

    /// Says something to all devices that somebody has published; whether it is kept.
    pub async fn whisper(&self, to: &str, text: &str) -> Result<bool, Error> {
        let keys: Vec<_> = self.session.keys_of(to).await?.into_iter().map(|entry| entry.key).collect();
        self.hand(0, to, &self.seal(to, &keys, text)).await
    }

    /// Sends an envelope; whether it is kept.
    pub async fn hand(&self, message_id: u64, to: &str, envelope: &Envelope) -> Result<bool, Error> {
        let sent = self.session.send_sealed(message_id, to, "?", envelope.clone()).await?;
        sent.await.map(|receipt| receipt.kept == 1)
    }

    /// The next sealed whisper, which must come.
    pub async fn next_sealed(&mut self) -> SealedLine<String> {
        match next(&mut self.events).await {
            Event::Sealed(line) => line,
            other => panic!("not sealed: {other:?}"),
        }
    }

    /// What the next sealed whisper says, by the key that its sender has published.
    pub async fn reads(&mut self) -> String {
        let line = self.next_sealed().await;
        let keys = self.session.keys_of(&line.sender).await.expect("keys");
        let sealed = Sealed::parse(&line.envelope).expect("a form");
        let sender = Username::parse(&line.sender).expect("a name").key();
        let names = Names { sender: &sender, recipient: &self.name().key() };
        let opened = keys.iter().find_map(|entry| sealed.open(&self.identity, &entry.key, names).ok());
        let Opened { said, .. } = opened.expect("it is for this device, from one of theirs");
        format!("{}: {}", line.sender, said.text.as_str())
    }

    pub async fn hears_nothing(&mut self) {
        let heard = timeout(Duration::from_millis(100), self.events.next()).await;
        assert!(heard.is_err(), "{heard:?}");
    }
}

/// What was refused.
pub fn refused<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Code {
    outcome.expect_err("refused").refusal().expect("by the server")
}
