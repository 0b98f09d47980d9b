//! Keeping order on the whole server: whoever is put out, shut out or silent there.

use std::sync::Arc;

use chat_proto::{
    Act, ErrorCode, LOBBY, LeaveReason, Moderate, Moderated, NameKey, Refusal, Remark, Role, ServerPacket,
    Username,
};
use ipnet::IpNet;
use tokio::sync::oneshot;

use super::{
    Doorkeeper,
    bans::{Subject, Terms},
    sanctions::Written,
};
use crate::room::{
    Command, Inbox, SECONDS_MAX, SURVEY_PAGE, SessionId, Standing, Subscriber, Survey, check_act, end_of,
};

/// Who does something to somebody.
#[derive(Clone, Copy)]
pub enum Actor<'a> {
    /// A person who is signed in.
    Person(&'a Subscriber),
    /// Whoever has a right to the machine's own channel: above everyone.
    Operator,
}

/// What is done to a person on the whole server.
#[derive(Clone, Debug)]
pub struct Order {
    /// Kick, ban, unban, mute or unmute; no other.
    pub act: Act,
    /// To whom.
    pub name: Username,
    /// How long a ban or a mute lasts, in seconds; 0: for good.
    pub seconds: u32,
    /// Why; perhaps nothing.
    pub reason: Remark,
}

impl<'a> Actor<'a> {
    /// The operator's, in the logs. It is a reserved name, so nobody else's.
    pub const OPERATOR: &'static str = "operator";

    /// For the logs.
    fn name(self) -> &'a str {
        match self {
            Self::Person(person) => person.name().as_str(),
            Self::Operator => Self::OPERATOR,
        }
    }

    /// For people: the operator has no name there.
    fn shown(self) -> &'a str {
        match self {
            Self::Person(person) => person.name().as_str(),
            Self::Operator => "",
        }
    }

    /// For the log of acts: whoever runs the server may do all that an admin may.
    fn role(self) -> Role {
        match self {
            Self::Person(person) => person.role(),
            Self::Operator => Role::Admin,
        }
    }

    fn is(self, key: &NameKey) -> bool {
        matches!(self, Self::Person(person) if person.name().key() == *key)
    }

    fn may(self, act: Act, target: Role) -> bool {
        match self {
            Self::Person(person) => Standing::on_server(person.role()).may_on_server(act, target),
            Self::Operator => true,
        }
    }

    /// What a ban or a mute is kept with.
    fn terms(self, seconds: u32, reason: &Remark, now: u64) -> Terms {
        let (by, reason) = (self.name().into(), reason.clone());
        Terms { until_ms: end_of(seconds, now), by, reason, since_ms: now }
    }
}

impl Doorkeeper {
    /// Does something to a person on the whole server, for a person.
    pub async fn moderate(
        &self,
        by: &Subscriber,
        request: &Moderate<Username, Remark>,
        inbox: &Inbox,
        now: u64,
    ) -> Result<(), Refusal> {
        let act = check_act(request).map_err(Refusal::new)?;
        let Moderate { name, seconds, reason, .. } = request.clone();
        let done = self.act(Actor::Person(by), &Order { act, name, seconds, reason }, inbox, now).await;
        done.map(|_| ()).map_err(Refusal::new)
    }

    /// Does something to a person on the whole server. Returns whether there was something to do: nobody is lifted a
    /// ban that they do not have.
    pub async fn act(
        &self,
        by: Actor<'_>,
        order: &Order,
        inbox: &Inbox,
        now: u64,
    ) -> Result<bool, ErrorCode> {
        let Order { act, name, seconds, reason } = order;
        if !matches!(act, Act::Kick | Act::Ban | Act::Unban | Act::Mute | Act::Unmute) {
            return Err(ErrorCode::RangeInvalid);
        }
        check_seconds(*seconds)?;
        let key = name.key();
        if by.is(&key) {
            return Err(ErrorCode::SelfTarget);
        }
        if !by.may(*act, self.role_of(&key).await?) {
            return Err(ErrorCode::PermissionDenied);
        }
        let bans = self.bans();
        let terms = || by.terms(*seconds, reason, now);
        // Before anybody is put out: whoever logs in meanwhile finds it, or is found.
        let changed = match act {
            Act::Ban => bans.set(Subject::Name(name.clone()), terms(), now).map(|()| true)?,
            Act::Unban => bans.lift(&Subject::Name(name.clone()), now),
            Act::Mute => bans.mute(name.clone(), terms(), now).map(|()| true)?,
            Act::Unmute => bans.unmute(&key, now),
            _ => true,
        };
        let session = self.registry().find(&key);
        let log = (by.name(), act.name(), name.as_str(), reason.as_str());
        tracing::info!(
            event = "moderated",
            by = log.0,
            act = log.1,
            whom = log.2,
            reason = log.3,
            seconds,
            "moderated"
        );
        match (act, session) {
            (Act::Kick, Err(code)) => return Err(code),
            (Act::Kick, Ok(session)) => {
                let end = (ErrorCode::Kicked, LeaveReason::Kicked);
                expel(by, session, end, reason, inbox).await?;
            }
            (Act::Ban, Ok(session)) => {
                let end = (ErrorCode::Banned, LeaveReason::Banned);
                expel(by, session, end, reason, inbox).await?;
            }
            (Act::Mute | Act::Unmute, Ok(session)) => {
                session.mute_until(if *act == Act::Mute { end_of(*seconds, now) } else { 0 });
                session.send(&ServerPacket::Moderated(Moderated {
                    conversation: LOBBY,
                    room: String::new(),
                    act: *act as u16,
                    by: by.shown().into(),
                    seconds: *seconds,
                    text: reason.as_str().into(),
                }));
            }
            _ => {}
        }
        if changed {
            let subject = (*act != Act::Kick).then(|| Subject::Name(name.clone()));
            let written = Written {
                by: (by.name(), by.role()),
                act: act.name(),
                target: Some(name.as_str().into()),
                seconds: act.lasts().then_some(*seconds),
                reason: reason.as_str(),
            };
            // What cannot be written down is in force all the same.
            self.write_down(subject.as_ref(), &written, now).await?;
        }
        Ok(changed)
    }

    /// Keeps everybody out who comes from a network, and puts those out who are here. Returns how many that were. Who
    /// has connected and not logged in is refused when they do.
    pub async fn ban_network(
        &self,
        by: Actor<'_>,
        network: IpNet,
        (seconds, reason): (u32, &Remark),
        inbox: &Inbox,
        now: u64,
    ) -> Result<usize, ErrorCode> {
        check_seconds(seconds)?;
        self.bans().set(Subject::Network(network), by.terms(seconds, reason, now), now)?;
        tracing::info!(event = "moderated", by = by.name(), act = Act::Ban.name(), whom = %network, reason = reason.as_str(), seconds, "moderated");
        let (mut put_out, mut after) = (0, SessionId(0));
        loop {
            let (answer, page) = oneshot::channel();
            ask(inbox, Command::Survey(Survey::Sessions(after, answer))).await?;
            let page = page.await.map_err(|_| ErrorCode::ShuttingDown)?;
            for one in &page {
                let session = &one.subscriber;
                if network.contains(&session.address()) {
                    let end = (ErrorCode::Banned, LeaveReason::Banned);
                    expel(by, Arc::clone(session), end, reason, inbox).await?;
                    put_out += 1;
                }
            }
            match page.last() {
                Some(last) if page.len() == SURVEY_PAGE => after = last.subscriber.id(),
                _ => break,
            }
        }
        let written = Written {
            by: (by.name(), by.role()),
            act: Act::Ban.name(),
            target: Some(network.to_string()),
            seconds: Some(seconds),
            reason: reason.as_str(),
        };
        self.write_down(Some(&Subject::Network(network)), &written, now).await?;
        Ok(put_out)
    }

    /// Lets those in again who come from a network. Returns whether they were kept out.
    pub async fn unban_network(&self, by: Actor<'_>, network: IpNet, now: u64) -> Result<bool, ErrorCode> {
        tracing::info!(event = "moderated", by = by.name(), act = Act::Unban.name(), whom = %network, "moderated");
        let subject = Subject::Network(network);
        let lifted = self.bans().lift(&subject, now);
        if lifted {
            let target = Some(network.to_string());
            let written = Written {
                by: (by.name(), by.role()),
                act: Act::Unban.name(),
                target,
                seconds: None,
                reason: "",
            };
            self.write_down(Some(&subject), &written, now).await?;
        }
        Ok(lifted)
    }

    /// What somebody is on the server, whether they are here or not.
    async fn role_of(&self, key: &NameKey) -> Result<Role, ErrorCode> {
        if let Ok(session) = self.registry().find(key) {
            return Ok(session.role());
        }
        match self.accounts() {
            Some(accounts) => accounts.role_of(key).await,
            None => Ok(Role::Guest),
        }
    }
}

fn check_seconds(seconds: u32) -> Result<(), ErrorCode> {
    if seconds > SECONDS_MAX { Err(ErrorCode::RangeInvalid) } else { Ok(()) }
}

async fn expel(
    by: Actor<'_>,
    session: Arc<Subscriber>,
    (code, reason): (ErrorCode, LeaveReason),
    words: &Remark,
    inbox: &Inbox,
) -> Result<(), ErrorCode> {
    let (by, words) = (by.shown().into(), words.clone());
    ask(inbox, Command::Expel { session, code, reason, by, words }).await
}

async fn ask(inbox: &Inbox, command: Command) -> Result<(), ErrorCode> {
    inbox.send(command).await.map_err(|_| ErrorCode::ShuttingDown)
}
