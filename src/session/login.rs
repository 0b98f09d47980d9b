//! Logging in: from a name and a credential to a session.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use chat_proto::{Credential, ErrorCode, Login, Role, Username};

use super::{Session, SessionRegistry};
use crate::{
    config::Bounds,
    room::{Command, Inbox, Mailbox, SessionId, Subscriber},
};

/// Decides who comes in.
pub struct Doorkeeper {
    registry: Arc<SessionRegistry>,
    next_session: AtomicU64,
    mailbox: Bounds,
}

impl Doorkeeper {
    /// A doorkeeper who signs people in to `registry`, with mailboxes of the given size.
    #[must_use]
    pub fn new(registry: Arc<SessionRegistry>, mailbox: Bounds) -> Self {
        Self { registry, next_session: AtomicU64::new(1), mailbox }
    }

    /// Signs in, and asks the fan-out to let the session into the lobby; its answer is the login's.
    pub async fn log_in(
        &self,
        login: Login<Username, Credential>,
        inbox: &Inbox,
    ) -> Result<Session, ErrorCode> {
        self.authenticate(&login.name, &login.credential)?;
        // Before the name is taken, so that nothing is left behind if this is where the peer gives up.
        let departure = inbox.clone().reserve_owned().await.map_err(|_| ErrorCode::ShuttingDown)?;
        let key = login.name.key();
        let id = SessionId(self.next_session.fetch_add(1, Ordering::Relaxed));
        let subscriber = Arc::new(Subscriber::new(
            id,
            login.name,
            Role::Guest,
            Mailbox::new(rand::random(), self.mailbox),
        ));
        self.registry.claim(key.clone(), &subscriber)?;
        let session = Session::new(key, subscriber, Arc::clone(&self.registry), departure);
        let slot = session.subscriber().slot().await;
        inbox.send(Command::Enter { slot, request: login.id }).await.map_err(|_| ErrorCode::ShuttingDown)?;
        Ok(session)
    }

    /// Whether the credential shows that the name is the peer's. Only guests exist: a name nobody uses is
    /// anybody's, and no other credential shows anything.
    #[expect(clippy::unused_self, reason = "accounts are asked here")]
    fn authenticate(&self, _name: &Username, credential: &Credential) -> Result<(), ErrorCode> {
        match credential {
            Credential::None => Ok(()),
            Credential::Password(_) | Credential::Other(_) => Err(ErrorCode::AuthFailed),
        }
    }
}
