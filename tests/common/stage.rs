//! A server in this process whose people have accounts, over a database in memory or one that stays.

use std::net::IpAddr;

use chat_proto::{Credential, Role};
use iocp_chat::{
    client::Client,
    config::{Config, HashingConfig},
    server::Server,
    session::Recalled,
    stop::StopReason,
    store::{NewInvite, Place, Store},
};

use super::{quiet, unhurried};

/// Hashes that cost nothing: what they cost is not what is tested here.
pub const CHEAP: HashingConfig = HashingConfig { memory_kib: 8, passes: 1, lanes: 1, at_once: 2 };

/// What somebody types as their password.
pub fn typed(password: &str) -> Credential {
    Credential::Password(password.as_bytes().into())
}

/// The password of every account.
pub fn password() -> Credential {
    typed("correct horse")
}

pub struct Stage {
    pub server: Server,
    pub store: Store,
}

impl Stage {
    /// One in memory, with an account for each of these names.
    pub async fn with(names: &[&str]) -> Self {
        Self::by(quiet(), names).await
    }

    /// As [`with`](Self::with), by these settings.
    pub async fn by(config: Config, names: &[&str]) -> Self {
        let stage = Self::at(&Place::memory(), &config).await;
        stage.register(names).await;
        stage
    }

    /// Over the database at this place.
    pub async fn at(place: &Place, config: &Config) -> Self {
        let store = Store::open(place).await.expect("a database");
        let mut config = config.clone();
        config.accounts.hashing = CHEAP;
        let recalled = Recalled::from(store.clone(), 1).await.expect("it is whole");
        let recalled = recalled.with_history(&config.history).await.expect("it has a past");
        let server = Server::start(&config, Vec::new(), Some(recalled)).expect("a server");
        Self { server, store }
    }

    /// Makes accounts of these names.
    pub async fn register(&self, names: &[&str]) {
        for name in names {
            let invite = NewInvite { role: Role::User, uses: 1, created_ms: 1, expires_ms: None };
            let token = self.store.invites().create(&invite).await.expect("an invite").to_string();
            self.client(0).await.register(name, password(), &token).await.expect("registered");
        }
    }

    /// Somebody who asks for these features, from elsewhere each time: one address may not do much.
    pub async fn client(&self, features: u64) -> Client {
        let address = IpAddr::from([10, rand::random(), rand::random(), rand::random()]);
        let pipe = self.server.connect_in_memory_from(address, 64 * 1024);
        Client::over_asking(pipe, unhurried(), features).await.expect("greeted")
    }

    /// As if it were killed: nothing more is written, and nothing is closed.
    pub async fn break_off(self) {
        let Self { server, store } = self;
        store.close().await.expect("closed");
        std::mem::forget(server);
    }

    pub async fn stop(self) {
        self.server.stop(StopReason::Interrupt).await;
        self.store.close().await.expect("closed");
    }
}
