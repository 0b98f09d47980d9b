//! People with accounts and keys, and what they seal and read.

use std::time::Duration;

use chat_proto::{Code, DeviceKey, Envelope, ResumeToken, SealedLine, Text, Username, feature};
use iocp_chat::client::{
    Error, Event, Events, Session,
    seal::{Identity, Names, Opened, Said, Sealed, seal},
};
use tokio::time::timeout;

use crate::common::{
    next,
    stage::{Stage, password},
};

/// Somebody with a device.
pub struct Person {
    pub session: Session,
    pub events: Events,
    pub identity: Identity,
}

impl Stage {
    /// The owner of an account, with a client that asks for these features.
    pub async fn owner_asking(&self, name: &str, features: u64) -> (Session, Events) {
        self.client(features).await.log_in(name, password()).await.expect("logged in")
    }

    /// The owner of an account, with a device whose key is published.
    pub async fn owner(&self, name: &str) -> Person {
        self.owner_with(name, Identity::new(&mut rand::rng())).await
    }

    /// The owner of an account, with this device, whose key is published.
    pub async fn owner_with(&self, name: &str, identity: Identity) -> Person {
        let person = self.owner_hiding(name, identity).await;
        person.show().await;
        person
    }

    /// The owner of an account, with this device, of which the server is not told.
    pub async fn owner_hiding(&self, name: &str, identity: Identity) -> Person {
        let (session, events) = self.owner_asking(name, feature::SEALED | feature::RESUME).await;
        Person { session, events, identity }
    }
}

impl Person {
    pub fn name(&self) -> Username {
        Username::parse(&self.session.welcome().name).expect("a name")
    }

    /// What the session is resumed with.
    pub fn token(&self) -> ResumeToken {
        self.session.welcome().resume_token.expect("it was asked for")
    }

    /// Publishes the key of the device.
    pub async fn show(&self) {
        self.session.publish_key(self.identity.public()).await.expect("published");
    }

    /// Ends the session; the device.
    pub async fn leave(self) -> Identity {
        self.session.log_out().await.expect("gone");
        self.identity
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
        self.whisper_to(to, &keys, text).await
    }

    /// Says something to these devices of somebody; whether it is kept.
    pub async fn whisper_to(&self, to: &str, devices: &[DeviceKey], text: &str) -> Result<bool, Error> {
        self.hand(0, to, &self.seal(to, devices, text)).await
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
        self.opens(&line).await
    }

    /// What it says, by the key that its sender has published.
    pub async fn opens(&self, line: &SealedLine<String>) -> String {
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
