//! What outlives the server, as people meet it: the stage that each test sets over a database that stays.

mod failing;
mod order;
mod restarts;

use std::net::IpAddr;

use chat_proto::{Credential, ErrorCode, Role, RoomEntered, RoomSettings, room_flag};
use iocp_chat::{
    client::{Client, Error, Event, Events, Session},
    config::Config,
    server::Server,
    session::Recalled,
    stop::StopReason,
    store::{FOR_GOOD, NewInvite, PAGE_ENTRIES_MAX, Store},
};

use crate::{
    Fresh,
    common::{
        next, quiet,
        stage::{CHEAP, password},
    },
};

/// A room that is to last.
const LASTING: RoomSettings = RoomSettings { capacity: 50, flags: room_flag::PERSISTENT, slow_s: 0 };
const PIPE: usize = 64 * 1024;

/// A server over a database that stays.
struct Stage {
    server: Server,
    store: Store,
}

impl Stage {
    async fn over(fresh: &Fresh) -> Self {
        let mut config: Config = quiet();
        config.accounts.hashing = CHEAP;
        config.rooms.created = 20;
        config.rooms.joined = 3;
        let store = Store::open(&fresh.place).await.expect("a database");
        let recalled = Recalled::from(store.clone(), 1).await.expect("it is whole");
        let server = Server::start(&config, Vec::new(), Some(recalled)).expect("a server");
        Self { server, store }
    }

    async fn stop(self) {
        self.server.stop(StopReason::Interrupt).await;
        self.store.close().await.expect("closed");
    }

    async fn client(&self) -> Client {
        // From elsewhere each time: one address may not make many accounts.
        let address = IpAddr::from([10, rand::random(), rand::random(), rand::random()]);
        Client::over(self.server.connect_in_memory_from(address, PIPE)).await.expect("greeted")
    }

    /// Somebody with an account, signed in; the first time it is made.
    async fn account(&self, name: &str, role: Role) -> (Session, Events) {
        if self.store.accounts().find(&name.to_lowercase()).await.expect("an answer").is_none() {
            let invite = NewInvite { role, uses: 1, created_ms: 1, expires_ms: None };
            let token = self.store.invites().create(&invite).await.expect("an invite").to_string();
            self.client().await.register(name, password(), &token).await.expect("registered");
        }
        self.client().await.log_in(name, password()).await.expect("logged in")
    }

    async fn user(&self, name: &str) -> (Session, Events) {
        self.account(name, Role::User).await
    }

    async fn guest(&self, name: &str) -> (Session, Events) {
        self.client().await.log_in(name, Credential::None).await.expect("free")
    }

    /// All that was written down, the oldest first.
    async fn audit(&self) -> Vec<String> {
        let page = self.store.audit().page(None, PAGE_ENTRIES_MAX).await.expect("a page");
        let mut told: Vec<_> = page
            .into_iter()
            .map(|record| {
                let entry = record.entry;
                let part = |name: &str, part: Option<String>| {
                    part.map_or(String::new(), |part| format!(" {name} {part}"))
                };
                let seconds = entry.seconds.map(|seconds| match seconds {
                    FOR_GOOD => "good".to_owned(),
                    seconds => format!("{seconds} s"),
                });
                let reason = (!entry.reason.is_empty()).then_some(entry.reason);
                let (actor, role, action) = (entry.actor, entry.actor_role, entry.action);
                let place =
                    entry.conversation.map(|room| format!("#{room} {}", entry.room.unwrap_or_default()));
                let (room, target) = (part("in", place), part("to", entry.target));
                format!(
                    "{actor}({role}) {action}{target}{room}{}{}",
                    part("for", seconds),
                    part("because", reason)
                )
            })
            .collect();
        told.reverse();
        told
    }
}

fn code<T>(outcome: Result<T, Error>) -> Option<ErrorCode> {
    match outcome {
        Ok(_) => None,
        Err(Error::Refused(refusal)) => refusal.code.error(),
        Err(error) => panic!("{error}"),
    }
}

fn number(entered: &RoomEntered) -> u64 {
    entered.place.conversation
}

/// The next line that is heard.
async fn line(events: &mut Events) -> String {
    match next(events).await {
        Event::Broadcast(line) => format!("{}: {}", line.sender, line.text),
        other => panic!("{other:?}"),
    }
}
