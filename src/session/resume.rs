//! Coming back: from a token to the session it is of, which goes on by another connection.

use std::{net::IpAddr, sync::Arc, time::Duration};

use chat_proto::{ErrorCode, LeaveReason, Refusal, RequestId, Resume, ResumeToken, Role, feature};
use tokio::time::timeout;

use super::{
    Doorkeeper, Ending, FamilyId, NameForms, Presented, Session, Whose, login::reads_sealed,
    returning::recall_said,
};
use crate::room::{Command, Control, Inbox, Subscriber};

/// How long whoever comes back after their session has ended waits until all that has changed about sessions is stored.
const STORED_WITHIN: Duration = Duration::from_secs(5);

/// A token that has been used.
struct Used {
    family: FamilyId,
    whose: Whose,
    /// What brings the session back the next time.
    next: ResumeToken,
}

/// A family whose token has been used, for a session that may not be there. Dropped without one, it has lapsed as before.
struct Unclaimed<'a> {
    doorkeeper: &'a Doorkeeper,
    used: &'a Used,
}

impl Drop for Unclaimed<'_> {
    fn drop(&mut self) {
        let Used { family, whose, next } = self.used;
        let found = self.doorkeeper.registry().find(&whose.name.key());
        if !found.is_ok_and(|one| one.id() == whose.session) {
            let families = self.doorkeeper.families();
            // Where the server stops, it may have been there a moment ago.
            let ending = if families.is_stopping() { Ending::Stop } else { Ending::Lapse };
            families.end_by(*family, next, ending);
        }
    }
}

impl Doorkeeper {
    /// Goes on with the session of a token, and asks the fan-out to give it its places; its answer is the resume's. A
    /// token that is unknown, used, expired or of somebody who may not log in any more is refused with
    /// [`ErrorCode::ResumeInvalid`], and counts as a failed login; so is one of a client that was not granted the feature among
    /// its `features`. `now` is in milliseconds since 1970 UTC.
    pub async fn resume(
        &self,
        request: Resume,
        features: u64,
        from: IpAddr,
        inbox: &Inbox,
        now: u64,
    ) -> Result<Session, Refusal> {
        self.admit(from, now).map_err(Refusal::new)?;
        if let Some(accounts) = self.accounts() {
            accounts.begin_attempt(from)?;
        }
        let used = if features & feature::RESUME == 0 {
            Err(Refusal::new(ErrorCode::ResumeInvalid))
        } else {
            self.use_up(&request.token, from).await
        };
        let guessed = matches!(&used, Err(refusal) if refusal.code == ErrorCode::ResumeInvalid.into());
        if let Some(accounts) = self.accounts().filter(|_| !guessed) {
            // Many of one address may come back at once, and each takes a while.
            accounts.forgive_attempt(from);
        }
        self.come_back(used?, request.id, features, from, inbox, now).await
    }

    async fn use_up(&self, token: &ResumeToken, from: IpAddr) -> Result<Used, Refusal> {
        if !self.families().knows(token) {
            self.recall_family(token).await?;
        }
        self.use_token(token, from)
    }

    /// All that waits comes before the session is taken: from there on nothing can come between it and its places.
    async fn come_back(
        &self,
        used: Used,
        request: RequestId,
        features: u64,
        from: IpAddr,
        inbox: &Inbox,
        now: u64,
    ) -> Result<Session, Refusal> {
        let Used { family, whose, next } = &used;
        let sealed = reads_sealed(whose.account, features);
        // Until there is a session that sees to it.
        let unclaimed = Unclaimed { doorkeeper: self, used: &used };
        let shutting_down = || Refusal::new(ErrorCode::ShuttingDown);
        let departure = inbox.clone().reserve_owned().await.map_err(|_| shutting_down())?;
        let entrance = inbox.reserve().await.map_err(|_| shutting_down())?;
        let forms = NameForms::of(&whose.name);
        if !self.may_still_log_in(whose).await? {
            self.families().end(*family, Ending::Void);
            return Err(Refusal::new(ErrorCode::ResumeInvalid));
        }
        self.families().settled().await;
        let mut anew = None;
        let subscriber = loop {
            self.check_bans(&forms, from, now)?;
            if !self.families().is_latest(*family, next) {
                // Ended meanwhile, or another connection came by a later token.
                return Err(Refusal::new(ErrorCode::ResumeInvalid));
            }
            if let Some(successor) = self.take_place(whose, &forms, sealed, from, now) {
                break successor;
            }
            // The session has ended since: it begins again, under its number.
            match anew.take() {
                Some(subscriber) => {
                    if self.claim(&forms, &subscriber).is_err() {
                        // A guest's name is somebody else's now.
                        self.families().end(*family, Ending::Void);
                        return Err(Refusal::new(ErrorCode::ResumeInvalid));
                    }
                    break subscriber;
                }
                None => anew = Some(self.begin_anew(whose, sealed, from, now).await?),
            }
        };
        let session = Session::new(subscriber, Arc::clone(self.registry()), departure, whose.account)
            .resumable_by(*family, next, self.families());
        drop(unclaimed);
        session.subscriber().mute_until(self.bans().muted_until(&forms.key, now));
        let slot = session.subscriber().try_slot().expect("nobody has asked anything by it");
        entrance.send(Command::Resume { slot, request, grant: Box::new(self.grant_of(*next)) });
        if let Some(account) = whose.account {
            // What comes late is a whisper like others, and what cannot be read now is handed over the next time.
            let _ = self.begin_letters(account, session.subscriber(), now);
        }
        Ok(session)
    }

    fn use_token(&self, token: &ResumeToken, from: IpAddr) -> Result<Used, Refusal> {
        match self.families().present(token) {
            Presented::Good { family, whose, next } => return Ok(Used { family, whose, next }),
            Presented::Stolen(whose) => {
                let Whose { session, name, .. } = whose;
                tracing::warn!(event = "resume_theft", session = session.0, user = %name, peer = %from, "a token was used again: its session ends");
                // Nobody knows which of the two is the owner.
                if let Ok(found) = self.registry().find(&name.key())
                    && found.id() == session
                {
                    found.end();
                    found.tell(Control::Close(ErrorCode::ResumeInvalid, LeaveReason::Lost));
                }
            }
            Presented::Unknown => {}
        }
        Err(Refusal::new(ErrorCode::ResumeInvalid))
    }

    /// The place of the session's connection, be it lost or not known to be.
    fn take_place(
        &self,
        whose: &Whose,
        forms: &NameForms,
        sealed: bool,
        from: IpAddr,
        now: u64,
    ) -> Option<Arc<Subscriber>> {
        let present = self.registry().find(&forms.key).ok().filter(|one| one.id() == whose.session)?;
        let new = Arc::new(present.successor(from, now).reading_sealed(sealed));
        let before = self.registry().succeed(&forms.key, &new)?;
        before.tell(Control::Close(ErrorCode::SessionReplaced, LeaveReason::Replaced));
        Some(new)
    }

    /// A session that has ended, with what is known of it.
    async fn begin_anew(
        &self,
        whose: &Whose,
        sealed: bool,
        from: IpAddr,
        now: u64,
    ) -> Result<Arc<Subscriber>, Refusal> {
        // Where whispers are stored, what is not read yet waits there.
        let stored = self.stored_mailbox(whose.session).await?;
        let begins = stored.is_none();
        let mailbox = self.mailbox_of(stored);
        if begins && mailbox.is_stored_first() {
            self.families().begin_mailbox(whose.session, &mailbox);
            self.families().settled().await;
        }
        let subscriber = Subscriber::new(whose.session, whose.name.clone(), whose.role, mailbox);
        let subscriber = subscriber.coming_from(from, now).coming_back().reading_sealed(sealed);
        let subscriber = Arc::new(subscriber);
        if let Some(accounts) = self.accounts() {
            if let Some(account) = whose.account {
                subscriber.ignore(accounts.ignored(account).await?);
            }
            recall_said(&subscriber, &accounts.said_by(whose.session).await?);
        }
        Ok(subscriber)
    }

    /// Whether whoever it is may still come in as that: an account may be gone or disabled.
    async fn may_still_log_in(&self, whose: &Whose) -> Result<bool, Refusal> {
        match (whose.account, self.accounts()) {
            (Some(account), Some(accounts)) => accounts.is_open(account, &whose.name.key()).await,
            (Some(_), None) => Ok(false),
            (None, _) => Ok(whose.role == Role::Guest),
        }
    }

    /// Looks for a family that was stored.
    async fn recall_family(&self, token: &ResumeToken) -> Result<(), Refusal> {
        let Some(accounts) = self.accounts() else { return Ok(()) };
        // What is stored may be behind: a family that has just ended is still there.
        if timeout(STORED_WITHIN, self.families().stored()).await.is_err() {
            return Err(Refusal::new(ErrorCode::StorageUnavailable));
        }
        if let Some(record) = accounts.stored_family(super::family_of(token)).await? {
            self.families().adopt(record);
        }
        Ok(())
    }
}
