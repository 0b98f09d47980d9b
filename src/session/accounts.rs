//! What people do with their accounts: make one, show that it is theirs, change its password.

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use chat_proto::{
    ChangePassword, Credential, ErrorCode, NameKey, Refusal, Register, Registered, Role, Username,
    short_millis,
};
use tokio::time::Instant;

use super::{
    Busy, FamilyId, FamilyRecord, Hasher, NameForms, Password, SteadyClock, Throttle, Verdict,
    hashing::WAIT_MAX,
    ledger::person,
    refused_for,
    returning::{SaidBefore, said_by},
    sanctions::Written,
};
use crate::{
    config::{HashingConfig, Live, Registration},
    metrics::StoreMetrics,
    room::SessionId,
    store::{Account, AccountId, InviteToken, NewAccount, PasswordHash, Store, StoreError},
};

/// The accounts of a server, as its guests and members meet them. Every refusal says when to try again, if that helps.
pub struct AccountDesk {
    store: Store,
    hasher: Hasher,
    throttle: Throttle,
    live: Live,
    /// Milliseconds since 1970 UTC.
    clock: fn() -> u64,
    /// The time by which tokens expire.
    steady: SteadyClock,
}

impl AccountDesk {
    /// The accounts of a store, by these settings.
    #[must_use]
    pub fn new(store: Store, hashing: &HashingConfig, live: Live, clock: fn() -> u64) -> Self {
        Self {
            store,
            hasher: Hasher::new(hashing),
            throttle: Throttle::new(),
            live,
            clock,
            steady: SteadyClock::new(clock),
        }
    }

    /// Where they are.
    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// What is counted of it.
    #[must_use]
    pub fn store_metrics(&self) -> &Arc<StoreMetrics> {
        self.store.metrics()
    }

    /// Finds out whether the store takes changes.
    pub async fn probe_store(&self) -> Result<(), StoreError> {
        self.store.switches().probe().await
    }

    /// What hashes.
    #[must_use]
    pub fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    /// Who may make an account.
    #[must_use]
    pub fn registration(&self) -> Registration {
        self.live.now().registration
    }

    /// Whether an account has the name, or one that looks like it.
    pub async fn is_taken(&self, forms: &NameForms) -> Result<bool, Refusal> {
        let taken = self.store.accounts().is_taken(forms.key.as_str(), forms.skeleton.as_str());
        taken.await.map_err(|error| unavailable(&error))
    }

    /// What the account of a name may do; a guest, where there is none.
    pub async fn role_of(&self, key: &NameKey) -> Result<Role, ErrorCode> {
        let found = self.store.accounts().find(key.as_str()).await;
        let account =
            found.map_err(|error| unavailable(&error).code.error().unwrap_or(ErrorCode::Internal))?;
        Ok(account.map_or(Role::Guest, |account| account.role))
    }

    /// Begins an attempt to come in by a token, which counts as one to log in.
    pub fn begin_attempt(&self, from: IpAddr) -> Result<(), Refusal> {
        self.throttle.try_address(from, Instant::now()).map_err(throttled)
    }

    /// The attempt failed by no fault of the peer, or succeeded.
    pub fn forgive_attempt(&self, from: IpAddr) {
        self.throttle.forgive_address(from);
    }

    /// What a session has said by numbers of its own.
    pub(super) async fn said_by(&self, session: SessionId) -> Result<SaidBefore, Refusal> {
        said_by(&self.store, session.0).await.map_err(|error| unavailable(&error))
    }

    /// Whether an account is still there, by this name, and may log in.
    pub async fn is_open(&self, account: AccountId, key: &NameKey) -> Result<bool, Refusal> {
        let found = self.store.accounts().find(key.as_str()).await.map_err(|error| unavailable(&error))?;
        Ok(found.is_some_and(|found| found.id == account && !found.disabled))
    }

    /// A family of tokens that was stored and has not expired, of somebody who may log in.
    pub async fn stored_family(&self, family: FamilyId) -> Result<Option<FamilyRecord>, Refusal> {
        let now = self.steady.now_ms();
        let found = self.store.resumes().find(family.to_bytes()).await;
        let found = found.map_err(|error| unavailable(&error))?;
        Ok(found.filter(|found| found.resume.expires_ms > now).and_then(|found| FamilyRecord::recall(&found)))
    }

    /// The account of a name, if the password shows that it is the peer's. An unknown name, a wrong password and a
    /// disabled account are one answer, of one length, after one hash.
    pub async fn prove(&self, name: &Username, password: &[u8], from: IpAddr) -> Result<Account, Refusal> {
        let key = name.key();
        self.throttle.try_name(&key, from, Instant::now()).map_err(throttled)?;
        let proved = self.compare(name, password).await;
        match proved {
            Ok(Some(account)) => {
                self.throttle.forgive_name(&key, from);
                Ok(account)
            }
            Ok(None) => Err(Refusal::new(ErrorCode::AuthFailed)),
            Err(refusal) => {
                // It says nothing of who the peer is.
                self.throttle.forgive_name(&key, from);
                Err(refusal)
            }
        }
    }

    async fn compare(&self, name: &Username, password: &[u8]) -> Result<Option<Account>, Refusal> {
        let account =
            self.store.accounts().find(name.key().as_str()).await.map_err(|error| unavailable(&error))?;
        let stored = account.as_ref().map(|account| account.password.clone());
        let verdict = self.hasher.check(Password::parse(password).ok(), stored).await.map_err(busy)?;
        let account = account.filter(|account| !account.disabled);
        let (Some(account), Verdict::Right(new)) = (account, verdict) else { return Ok(None) };
        if let Some(new) = new {
            self.rehash(&account, &new).await;
        }
        self.store.accounts().note_login(account.id, (self.clock)());
        Ok(Some(account))
    }

    /// Not done, it is done the next time.
    async fn rehash(&self, account: &Account, new: &PasswordHash) {
        let stored = self.store.accounts().rehash_password(account.id, &account.password, new).await;
        if let Err(error) = stored {
            tracing::error!(event = "store_failed", err = %error, "a password could not be hashed anew");
        }
    }

    /// Makes an account. The caller has found that nobody here has the name, and that it is one.
    pub async fn register(
        &self,
        forms: &NameForms,
        request: &Register<Username, Credential, Box<str>>,
        from: IpAddr,
    ) -> Result<Registered, Refusal> {
        let invite = self.invite(&request.invite, from)?;
        let Credential::Password(password) = &request.credential else {
            return Err(Refusal::new(ErrorCode::PasswordInvalid));
        };
        let password = Password::parse(password).map_err(Refusal::new)?;
        if self.is_taken(forms).await? {
            return Err(Refusal::new(ErrorCode::NameTaken));
        }
        self.throttle.try_registration(from, Instant::now()).map_err(throttled)?;
        let made = self.make(forms, &request.name, password, invite).await;
        if made.is_err() {
            self.throttle.forgive_registration(from);
        }
        if invite_was_good(&made) && !request.invite.is_empty() {
            self.throttle.forgive_address(from);
        }
        let account = made?;
        tracing::info!(event = "registered", account = account.id.get(), user = %account.name, role = %account.role, "account made");
        Ok(Registered { name: account.name, role: account.role as u16 })
    }

    /// The invitation that is used, if any may be or has to be.
    fn invite(&self, code: &str, from: IpAddr) -> Result<Option<InviteToken>, Refusal> {
        match (self.registration(), code) {
            (Registration::Closed, _) => Err(Refusal::new(ErrorCode::RegistrationClosed)),
            (Registration::Open, "") => Ok(None),
            (Registration::Invite, "") => Err(Refusal::new(ErrorCode::InviteInvalid)),
            (_, code) => {
                self.throttle.try_address(from, Instant::now()).map_err(throttled)?;
                InviteToken::parse(code).map(Some).ok_or(Refusal::new(ErrorCode::InviteInvalid))
            }
        }
    }

    async fn make(
        &self,
        forms: &NameForms,
        name: &Username,
        password: Password,
        invite: Option<InviteToken>,
    ) -> Result<Account, Refusal> {
        let name = forms.stored(name);
        let password = self.hasher.hash(password).await.map_err(busy)?;
        let new = NewAccount { name, password, created_ms: (self.clock)() };
        let made = match invite {
            Some(invite) => self.store.invites().redeem(&invite, &new).await,
            None => self.store.accounts().create(&new, Role::User).await,
        };
        made.map_err(|error| match error {
            StoreError::Taken => Refusal::new(ErrorCode::NameTaken),
            StoreError::InviteRefused => Refusal::new(ErrorCode::InviteInvalid),
            error => unavailable(&error),
        })
    }

    /// Whom the owner of an account ignores.
    pub async fn ignored(&self, account: AccountId) -> Result<HashMap<NameKey, Username>, Refusal> {
        let stored = self.store.ignores().load(account).await.map_err(|error| unavailable(&error))?;
        let names = stored.iter().filter_map(|person| Username::parse(&person.shown).ok());
        Ok(names.map(|name| (name.key(), name)).collect())
    }

    /// Stores that the owner of an account ignores somebody, or does not any more.
    pub async fn ignore(&self, account: AccountId, name: &Username, on: bool) -> Result<(), Refusal> {
        let (ignores, person) = (self.store.ignores(), person(name));
        let stored =
            if on { ignores.add(account, &person).await } else { ignores.remove(account, &person.key).await };
        match stored {
            // There was nothing to take away, or the account has been deleted.
            Ok(()) | Err(StoreError::NotFound) => Ok(()),
            Err(error) => Err(unavailable(&error)),
        }
    }

    /// Stores whether nobody may register for now.
    pub async fn freeze(&self, on: bool, by: (&str, Role), now: u64) -> Result<(), Refusal> {
        let act = if on { "freeze" } else { "thaw" };
        let entry = Written { by, act, target: None, seconds: None, reason: "" }.entry(now);
        let stored = self.store.switches().set_registration_frozen(on, &entry).await;
        stored.map_err(|error| unavailable(&error))
    }

    /// Sets another password for an account, whose owner shows the one it has.
    pub async fn change_password(
        &self,
        name: &Username,
        request: &ChangePassword<Credential>,
        from: IpAddr,
    ) -> Result<(), Refusal> {
        let (Credential::Password(current), Credential::Password(new)) = (&request.current, &request.new)
        else {
            return Err(Refusal::new(ErrorCode::PasswordInvalid));
        };
        let new = Password::parse(new).map_err(Refusal::new)?;
        let account = self.prove(name, current, from).await?;
        let new = self.hasher.hash(new).await.map_err(busy)?;
        match self.store.accounts().set_password(account.id, &new).await {
            Ok(()) => {
                tracing::info!(event = "password_changed", account = account.id.get(), user = %account.name, "password changed");
                Ok(())
            }
            // Deleted since.
            Err(StoreError::NotFound) => Err(Refusal::new(ErrorCode::AuthFailed)),
            Err(error) => Err(unavailable(&error)),
        }
    }
}

/// Whether an attempt tells nothing against whoever had the invitation.
fn invite_was_good(made: &Result<Account, Refusal>) -> bool {
    made.as_ref().err().and_then(|refusal| refusal.code.error()) != Some(ErrorCode::InviteInvalid)
}

fn throttled(wait: Duration) -> Refusal {
    refused_for(ErrorCode::AuthThrottled, wait)
}

fn busy(_: Busy) -> Refusal {
    Refusal { code: ErrorCode::AuthBusy.into(), retry_ms: short_millis(WAIT_MAX) }
}

/// The peer hears one code; the operator, here, what ails the store.
pub(super) fn unavailable(error: &StoreError) -> Refusal {
    /// After how long the peer may find the store well again, in milliseconds.
    const RETRY_MS: u32 = 5_000;
    tracing::error!(event = "store_failed", err = %error, "the database does not do what it is asked");
    Refusal { code: ErrorCode::StorageUnavailable.into(), retry_ms: RETRY_MS }
}
