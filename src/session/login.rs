//! Logging in: from a name and a credential to a session.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use chat_proto::{
    ChangePassword, Credential, ErrorCode, Ignore, LeaveReason, Login, Refusal, Register, Registered,
    ResumeToken, Role, Username, feature, short_millis, way_in,
};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::{
    AccountDesk, Bans, Ending, Families, MailboxRequest, NameForms, NameRules, Session, SessionRegistry,
    Whose,
};
use crate::{
    config::{Bounds, Config, Live, Registration, RoomsConfig, SecondLogin},
    room::{Command, Control, Grant, Inbox, Mailbox, SessionId, Subscriber},
    store::AccountId,
};

/// Decides who comes in.
pub struct Doorkeeper {
    registry: Arc<SessionRegistry>,
    rules: NameRules,
    /// `None`: there are guests and no accounts.
    accounts: Option<AccountDesk>,
    /// Whether people come in without one, where the settings leave that open.
    guests: bool,
    live: Live,
    next_session: AtomicU64,
    pub(super) mailbox: Bounds,
    rooms: RoomsConfig,
    /// Nobody may register for now.
    frozen: AtomicBool,
    /// Nobody else may come in.
    draining: AtomicBool,
    bans: Bans,
    families: Arc<Families>,
    /// The writer of mailboxes, where whispers are stored before they are heard.
    pub(super) mailboxes: Option<mpsc::Sender<MailboxRequest>>,
    /// Those who hand over what was kept for who has just come.
    pub(super) handing: TaskTracker,
    /// How long a session without a connection is kept, in milliseconds; 0: none is.
    grace_ms: u32,
}

/// Somebody who may come in.
struct Known {
    name: Username,
    forms: NameForms,
    role: Role,
    account: Option<AccountId>,
}

impl Doorkeeper {
    /// A doorkeeper who signs people in to `registry`. `guests` is what goes where
    /// the configuration leaves it open; without accounts everybody is one.
    #[must_use]
    pub fn new(
        registry: Arc<SessionRegistry>,
        accounts: Option<AccountDesk>,
        config: &Config,
        live: Live,
        guests: bool,
        frozen: bool,
        families: Arc<Families>,
    ) -> Self {
        Self {
            registry,
            rules: NameRules::new(config.accounts.names, &config.accounts.reserved),
            guests,
            accounts,
            live,
            next_session: AtomicU64::new(1),
            mailbox: config.mailbox,
            rooms: config.rooms.clone(),
            frozen: AtomicBool::new(frozen),
            draining: AtomicBool::new(false),
            bans: Bans::new(),
            families,
            mailboxes: None,
            handing: TaskTracker::new(),
            grace_ms: short_millis(config.resume.grace),
        }
    }

    /// Has whispers to who may come back stored before they are heard.
    #[must_use]
    pub fn storing_whispers(self, mailboxes: mpsc::Sender<MailboxRequest>) -> Self {
        Self { mailboxes: Some(mailboxes), ..self }
    }

    /// What may be called what.
    pub(super) fn rules(&self) -> &NameRules {
        &self.rules
    }

    /// What goes for rooms.
    pub(super) fn rooms(&self) -> &RoomsConfig {
        &self.rooms
    }

    /// Who is here.
    pub(super) fn registry(&self) -> &Arc<SessionRegistry> {
        &self.registry
    }

    /// What brings sessions back.
    pub(super) fn families(&self) -> &Arc<Families> {
        &self.families
    }

    /// Gives no session that begins later a number as low as this.
    pub fn skip_sessions(&self, last: u64) {
        self.next_session.fetch_max(last + 1, Ordering::Relaxed);
    }

    /// Of the optional features that a client asks for, those that it is granted.
    #[must_use]
    pub fn grant(&self, features: u64) -> u64 {
        let resume = if self.grace_ms > 0 { feature::RESUME } else { 0 };
        let sealed = if self.accounts.is_some() { feature::SEALED } else { 0 };
        features & (resume | sealed)
    }

    /// What a session is given to come back with.
    pub(super) fn grant_of(&self, token: ResumeToken) -> Grant {
        Grant { token, grace_ms: self.grace_ms }
    }

    /// Whether nobody may register for now.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::Relaxed)
    }

    /// Lets nobody register for now, or as configured again: at once, and after a restart too.
    pub async fn freeze(&self, on: bool, by: (&str, Role), now: u64) -> Result<(), Refusal> {
        self.frozen.store(on, Ordering::Relaxed);
        match &self.accounts {
            Some(accounts) => accounts.freeze(on, by, now).await,
            None => Ok(()),
        }
    }

    /// Stores that the owner of an account ignores somebody, or does not any more.
    pub async fn ignore(&self, account: AccountId, request: &Ignore<Username>) -> Result<(), Refusal> {
        match &self.accounts {
            Some(accounts) => accounts.ignore(account, &request.name, request.on == 1).await,
            None => Ok(()),
        }
    }

    /// Whether nobody else may come in.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Lets nobody else come in, or everybody again. Who is here stays.
    pub fn drain(&self, on: bool) {
        self.draining.store(on, Ordering::Relaxed);
    }

    /// Who is kept out, and who is silent.
    #[must_use]
    pub fn bans(&self) -> &Bans {
        &self.bans
    }

    /// The server stops: sessions that are lost from now on go on when it starts again.
    pub fn stop(&self) {
        self.families.stop();
    }

    /// Whether somebody may connect from this address.
    pub fn admit(&self, from: IpAddr, now: u64) -> Result<(), ErrorCode> {
        if self.is_draining() {
            return Err(ErrorCode::ShuttingDown);
        }
        if self.bans.holds_address(from, now) { Err(ErrorCode::Banned) } else { Ok(()) }
    }

    /// How people get in, as Hello tells it.
    #[must_use]
    pub fn ways_in(&self) -> u16 {
        let guests = if self.takes_guests() { way_in::GUEST } else { 0 };
        let accounts = self.accounts.as_ref().map_or(0, |accounts| {
            way_in::PASSWORD
                | match accounts.registration() {
                    _ if self.is_frozen() => 0,
                    Registration::Open => way_in::REGISTRATION | way_in::INVITATION,
                    Registration::Invite => way_in::INVITATION,
                    Registration::Closed => 0,
                }
        });
        guests | accounts
    }

    fn takes_guests(&self) -> bool {
        self.live.now().guests.unwrap_or(self.guests) || self.accounts.is_none()
    }

    /// The accounts, if there are any.
    #[must_use]
    pub fn accounts(&self) -> Option<&AccountDesk> {
        self.accounts.as_ref()
    }

    /// Signs in, and asks the fan-out to let the session into the lobby; its answer is the login's. `features` are those
    /// that the client was granted, `now` is in milliseconds since 1970 UTC.
    pub async fn log_in(
        &self,
        login: Login<Username, Credential>,
        features: u64,
        from: IpAddr,
        inbox: &Inbox,
        now: u64,
    ) -> Result<Session, Refusal> {
        self.admit(from, now).map_err(Refusal::new)?;
        let Login { id: request, name, credential } = login;
        let known = match credential {
            Credential::None => self.guest(name).await?,
            Credential::Password(password) => self.owner(&name, &password, from).await?,
            Credential::Other(_) => return Err(Refusal::new(ErrorCode::AuthFailed)),
        };
        self.check_bans(&known.forms, from, now)?;
        let shutting_down = || Refusal::new(ErrorCode::ShuttingDown);
        // Before the name is taken, so that nothing is left behind if this is where the peer gives up.
        let departure = inbox.clone().reserve_owned().await.map_err(|_| shutting_down())?;
        let Known { name, forms, role, account } = known;
        let id = SessionId(self.next_session.fetch_add(1, Ordering::Relaxed));
        let resumable = features & feature::RESUME != 0;
        let mailbox =
            if resumable { self.mailbox_of(None) } else { Mailbox::new(rand::random(), self.mailbox) };
        let subscriber = Subscriber::new(id, name.clone(), role, mailbox).coming_from(from, now);
        let subscriber = Arc::new(subscriber.reading_sealed(reads_sealed(account, features)));
        if let (Some(account), Some(accounts)) = (account, &self.accounts) {
            subscriber.ignore(accounts.ignored(account).await?);
        }
        // Before anybody can whisper to it: whoever stores that waits until this is stored.
        let opened = resumable.then(|| {
            let opened = self.families.open(Whose { session: id, name, role, account });
            self.families.begin_mailbox(id, subscriber.mailbox());
            opened
        });
        if let Err(code) = self.claim(&forms, &subscriber) {
            if let Some((family, _)) = opened {
                self.families.end(family, Ending::Void);
            }
            return Err(Refusal::new(code));
        }
        let mut session = Session::new(subscriber, Arc::clone(&self.registry), departure, account);
        let mut grant = None;
        if let Some((family, token)) = opened {
            session = session.resumable_by(family, &token, &self.families);
            grant = Some(Box::new(self.grant_of(token)));
        }
        if let Some(account) = account {
            self.families.end_account(account, session.family());
        }
        self.families.settled().await;
        let slot = session.subscriber().slot().await;
        inbox.send(Command::Enter { slot, request, grant }).await.map_err(|_| shutting_down())?;
        // Once more: whoever has been banned meanwhile was looked for before they could be found here.
        if let Err(refusal) = self.check_bans(&forms, from, now) {
            session.leave(LeaveReason::Lost);
            return Err(refusal);
        }
        session.subscriber().mute_until(self.bans.muted_until(&forms.key, now));
        if let Some(account) = account {
            // What cannot be read now is handed over the next time.
            let _ = self.hand_over_letters(account, session.subscriber(), now).await;
        }
        Ok(session)
    }

    pub(super) fn check_bans(&self, forms: &NameForms, from: IpAddr, now: u64) -> Result<(), Refusal> {
        if self.bans.holds_name(&forms.key, now) {
            return Err(Refusal::new(ErrorCode::Banned));
        }
        self.admit(from, now).map_err(Refusal::new)
    }

    /// Somebody without an account: a name that nobody has, and that looks like nobody's.
    async fn guest(&self, name: Username) -> Result<Known, Refusal> {
        if !self.takes_guests() {
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
        Ok(Known { name, forms, role: Role::Guest, account: None })
    }

    async fn owner(&self, name: &Username, password: &[u8], from: IpAddr) -> Result<Known, Refusal> {
        let Some(accounts) = &self.accounts else { return Err(Refusal::new(ErrorCode::AuthFailed)) };
        let account = accounts.prove(name, password, from).await?;
        // As it was registered, however it was typed now.
        let name = Username::parse(&account.name).map_err(Refusal::new)?;
        Ok(Known { forms: NameForms::of(&name), name, role: account.role, account: Some(account.id) })
    }

    pub(super) fn claim(&self, forms: &NameForms, subscriber: &Arc<Subscriber>) -> Result<(), ErrorCode> {
        if subscriber.role() == Role::Guest || self.live.now().second_login == SecondLogin::Refused {
            return self.registry.claim(forms, subscriber);
        }
        if let Some(before) = self.registry.take_over(forms, subscriber) {
            before.put_out();
            before.mailbox().close();
            before.tell(Control::Close(ErrorCode::SessionReplaced, LeaveReason::Replaced));
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
        if self.is_draining() {
            return Err(Refusal::new(ErrorCode::ShuttingDown));
        }
        if self.is_frozen() {
            return Err(Refusal::new(ErrorCode::RegistrationClosed));
        }
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
        session: &Session,
        request: &ChangePassword<Credential>,
    ) -> Result<(), Refusal> {
        let subscriber = session.subscriber();
        match &self.accounts {
            Some(accounts) if subscriber.role() != Role::Guest => {
                accounts.change_password(subscriber.name(), request, subscriber.address()).await?;
                // Whoever has a token of another session may know the old one.
                if let Some(account) = session.account() {
                    self.families.end_account(account, session.family());
                }
                Ok(())
            }
            _ => Err(Refusal::new(ErrorCode::PermissionDenied)),
        }
    }
}

/// Whether somebody reads sealed whispers, and may send some: the owner of an account, whose client was granted it.
pub(super) fn reads_sealed(account: Option<AccountId>, features: u64) -> bool {
    account.is_some() && features & feature::SEALED != 0
}
