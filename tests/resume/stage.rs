//! A server with accounts, in memory.

use std::net::IpAddr;

use chat_proto::{Credential, ErrorCode, ResumeToken, Role};
use iocp_chat::{
    client::Client,
    config::{Config, HashingConfig},
    server::Server,
    session::Recalled,
    store::{AccountId, NewInvite, Place, Store},
};

use crate::{common::quiet, peer::Peer};

/// A server whose people have accounts.
pub struct Stage {
    pub server: Server,
    pub store: Store,
}

/// A password of this stage.
pub fn password(text: &str) -> Credential {
    Credential::Password(text.as_bytes().into())
}

impl Stage {
    /// One with an account for each of these names, by [`password`] "correct horse".
    pub async fn with(names: &[&str]) -> Self {
        Self::by(quiet(), names).await
    }

    /// As [`with`](Self::with), by these settings.
    pub async fn by(mut config: Config, names: &[&str]) -> Self {
        // What hashes cost is not what is tested here.
        config.accounts.hashing = HashingConfig { memory_kib: 8, passes: 1, lanes: 1, at_once: 2 };
        let store = Store::open(&Place::memory()).await.expect("a database");
        let recalled = Recalled::from(store.clone(), 1).await.expect("it is whole");
        let recalled = recalled.with_history(&config.history).await.expect("it has a past");
        let server = Server::start(&config, Vec::new(), Some(recalled)).expect("a server");
        let stage = Self { server, store };
        for name in names {
            let invite = NewInvite { role: Role::User, uses: 1, created_ms: 1, expires_ms: None };
            let token = stage.store.invites().create(&invite).await.expect("an invite").to_string();
            // From elsewhere each time: one address may not make many accounts.
            let address = IpAddr::from([10, rand::random(), rand::random(), rand::random()]);
            let pipe = stage.server.connect_in_memory_from(address, 64 * 1024);
            let mut client = Client::over(pipe).await.expect("greeted");
            client.register(name, password("correct horse"), &token).await.expect("registered");
        }
        stage
    }

    /// The owner of an account.
    pub async fn owner(&self, name: &str) -> Peer {
        Peer::log_in_with(&self.server, name, password("correct horse")).await
    }

    /// The number of an account.
    pub async fn account(&self, name: &str) -> AccountId {
        self.store.accounts().find(name).await.expect("an answer").expect("it is there").id
    }

    /// Why a token lets nobody in.
    pub async fn refused(&self, token: ResumeToken) -> ErrorCode {
        let Err(refusal) = Peer::resume(&self.server, token).await else { panic!("the token is good") };
        refusal.code.error().expect("known")
    }
}
