//! Logging in: from a name and a credential to a session.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use chat_proto::{
    ChangePassword, Credential, ErrorCode, Login, Refusal, Register, Registered, Role, Username, way_in,
};

use super::{AccountDesk, NameForms, NameRules, Session, SessionRegistry};
use crate::{
    config::{AccountsConfig, Bounds, Registration, SecondLogin},
    room::{Command, Control, Inbox, Mailbox, SessionId, Subscriber},
};

/// Decides who comes in.
pub struct Doorkeeper {
    registry: Arc<SessionRegistry>,
    rules: NameRules,
    /// `None`: there are guests and no accounts.
    accounts: Option<AccountDesk>,
    guests: bool,
    second_login: SecondLogin,
    next_session: AtomicU64,
    mailbox: Bounds,
}

/// Somebody who may come in.
struct Known {
    name: Username,
    forms: NameForms,
    role: Role,
}

impl Doorkeeper {
    /// A doorkeeper who signs people in to `registry`, with mailboxes of the given size. `guests` is what goes where
    /// the configuration leaves it open; without accounts everybody is one.
    #[must_use]
    pub fn new(
        registry: Arc<SessionRegistry>,
        accounts: Option<AccountDesk>,
        config: &AccountsConfig,
        guests: bool,
        mailbox: Bounds,
    ) -> Self {
        Self {
            registry,
            rules: NameRules::new(config.names, &config.reserved),
            guests: config.guests.unwrap_or(guests) || accounts.is_none(),
            accounts,
            second_login: config.second_login,
            next_session: AtomicU64::new(1),
            mailbox,
        }
    }

    /// How people get in, as Hello tells it.
    #[must_use]
    pub fn ways_in(&self) -> u16 {
        let guests = if self.guests { way_in::GUEST } else { 0 };
        let accounts = self.accounts.as_ref().map_or(0, |accounts| {
            way_in::PASSWORD
                | match accounts.registration() {
                    Registration::Open => way_in::REGISTRATION | way_in::INVITATION,
                    Registration::Invite => way_in::INVITATION,
                    Registration::Closed => 0,
                }
        });
        guests | accounts
    }

    /// The accounts, if there are any.
    #[must_use]
    pub fn accounts(&self) -> Option<&AccountDesk> {
        self.accounts.as_ref()
    }

    /// Signs in, and asks the fan-out to let the session into the lobby; its answer is the login's.
    pub async fn log_in(
        &self,
        login: Login<Username, Credential>,
        from: IpAddr,
        inbox: &Inbox,
    ) -> Result<Session, Refusal> {
        let Login { id: request, name, credential } = login;
        let known = match credential {
            Credential::None => self.guest(name).await?,
            Credential::Password(password) => self.owner(&name, &password, from).await?,
            Credential::Other(_) => return Err(Refusal::new(ErrorCode::AuthFailed)),
        };
        let shutting_down = || Refusal::new(ErrorCode::ShuttingDown);
        // Before the name is taken, so that nothing is left behind if this is where the peer gives up.
        let departure = inbox.clone().reserve_owned().await.map_err(|_| shutting_down())?;
        let Known { name, forms, role } = known;
        let id = SessionId(self.next_session.fetch_add(1, Ordering::Relaxed));
        let mailbox = Mailbox::new(rand::random(), self.mailbox);
        let subscriber = Arc::new(Subscriber::new(id, name, role, mailbox));
        self.claim(&forms, &subscriber).map_err(Refusal::new)?;
        let session = Session::new(forms, subscriber, Arc::clone(&self.registry), departure);
        let slot = session.subscriber().slot().await;
        inbox.send(Command::Enter { slot, request }).await.map_err(|_| shutting_down())?;
        Ok(session)
    }

    /// Somebody without an account: a name that nobody has, and that looks like nobody's.
    async fn guest(&self, name: Username) -> Result<Known, Refusal> {
        if !self.guests {
            return Err(Refusal::new(ErrorCode::AuthFailed));
        }
        let forms = NameForms::of(&name);
        let taken = match &self.accounts {
            Some(accounts) => accounts.is_taken(&forms).await?,
            None => false,
        };
        if taken || self.registry.is_taken(&forms) {
            return Err(Refusal::new(ErrorCode::NameTaken));
        }
        let forms = self.rules.judge(&name).map_err(Refusal::new)?;
        Ok(Known { name, forms, role: Role::Guest })
    }

    async fn owner(&self, name: &Username, password: &[u8], from: IpAddr) -> Result<Known, Refusal> {
        let Some(accounts) = &self.accounts else { return Err(Refusal::new(ErrorCode::AuthFailed)) };
        let account = accounts.prove(name, password, from).await?;
        // As it was registered, however it was typed now.
        let name = Username::parse(&account.name).map_err(Refusal::new)?;
        Ok(Known { forms: NameForms::of(&name), name, role: account.role })
    }

    fn claim(&self, forms: &NameForms, subscriber: &Arc<Subscriber>) -> Result<(), ErrorCode> {
        if subscriber.role() == Role::Guest || self.second_login == SecondLogin::Refused {
            return self.registry.claim(forms, subscriber);
        }
        if let Some(before) = self.registry.take_over(forms, subscriber) {
            before.mailbox().close();
            before.tell(Control::Close(ErrorCode::SessionReplaced, chat_proto::LeaveReason::Replaced));
        }
        Ok(())
    }

    /// Makes an account.
    pub async fn register(
        &self,
        request: &Register<Username, Credential, Box<str>>,
        from: IpAddr,
    ) -> Result<Registered, Refusal> {
        let Some(accounts) = &self.accounts else {
            return Err(Refusal::new(ErrorCode::RegistrationClosed));
        };
        let forms = NameForms::of(&request.name);
        if self.registry.is_taken(&forms) || accounts.is_taken(&forms).await? {
            return Err(Refusal::new(ErrorCode::NameTaken));
        }
        let forms = self.rules.judge(&request.name).map_err(Refusal::new)?;
        accounts.register(&forms, request, from).await
    }

    /// Sets another password for the account of somebody who is signed in.
    pub async fn change_password(
        &self,
        subscriber: &Subscriber,
        request: &ChangePassword<Credential>,
        from: IpAddr,
    ) -> Result<(), Refusal> {
        match &self.accounts {
            Some(accounts) if subscriber.role() != Role::Guest => {
                accounts.change_password(subscriber.name(), request, from).await
            }
            _ => Err(Refusal::new(ErrorCode::PermissionDenied)),
        }
    }
}
