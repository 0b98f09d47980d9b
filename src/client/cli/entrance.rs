//! The way in: from the arguments to a session, with whatever secret it takes.

use std::{
    env,
    io::{self, IsTerminal},
    pin::Pin,
};

use chat_proto::{Credential, ErrorCode, feature, way_in};
use tokio::time::Instant;

use super::{
    args::{Args, Attempts},
    output::Output,
    outside::Outside,
    password::{NoPassword, Password},
    route::{Route, Wire},
    state::{StateFault, StateFile},
    tls_args::NoTrust,
    words::Lang,
};
use crate::client::{Client, Error, Events, Reconnect, Saved, Session};

/// An invitation's code, for whoever does not want it among the arguments.
const INVITE_VARIABLE: &str = "CHAT_INVITE";

type Soon<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Why nobody came in.
#[derive(Debug)]
pub enum NoEntry {
    /// The connection, or the server's answer.
    Error(Error),
    /// There is no password to come in with.
    Password(NoPassword),
    /// Somebody has a password, and the server takes guests only. It is not sent, nor asked for.
    GuestsOnly,
    /// There is none, and the server takes no guests.
    NoGuests,
    /// Nobody knows whom to trust.
    Trust(NoTrust),
    /// The server cannot be known from now on by the file with this name.
    KnownHosts(String, io::Error),
    /// There is a session in the file of `--state` that is not to be gone on with.
    State(StateFault),
    /// The user or the time wants it.
    Outside(super::exit::Exit),
}

impl From<Error> for NoEntry {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<NoPassword> for NoEntry {
    fn from(why: NoPassword) -> Self {
        Self::Password(why)
    }
}

/// Passwords, as far as they are known.
pub struct Secrets {
    /// What shows that the name is one's own.
    current: Option<Password>,
    /// What it shall be from now on.
    new: Option<Password>,
    /// What a room wants.
    room: Option<Password>,
}

impl Secrets {
    /// Those that files and the environment have.
    pub fn given(args: &Args) -> Result<Self, NoPassword> {
        let current = match &args.password_file {
            Some(file) => Some(Password::of_file(file)?),
            // Who wants to be asked has another one in mind.
            None if args.password => None,
            None => Password::of_environment()?,
        };
        let new = args.new_password_file.as_deref().map(Password::of_file).transpose()?;
        let room = args.room_password_file.as_deref().map(Password::of_file).transpose()?;
        Ok(Self { current, new, room })
    }

    /// Whether somebody is to be asked.
    fn are_wanting(&self, args: &Args, ways_in: u16) -> bool {
        let on_terminal = || ways_in & way_in::PASSWORD != 0 && io::stdin().is_terminal();
        (args.change_password && self.new.is_none())
            || (self.current.is_none()
                && (args.password || args.register || args.change_password || on_terminal()))
    }

    /// Asks for those that are missing.
    async fn ask(&mut self, args: &Args, lang: Lang, ways_in: u16) -> Result<(), NoPassword> {
        let name = args.user.as_str();
        if self.current.is_none() {
            self.current = if args.register {
                Some(Password::ask_new(lang.ask_new_password(name), lang.ask_again()).await?)
            } else if args.password || args.change_password || ways_in & way_in::GUEST == 0 {
                Some(Password::ask(lang.ask_password(name)).await?.ok_or(NoPassword::Nothing)?)
            } else {
                Password::ask(lang.ask_password_or_guest(name)).await?
            };
        }
        if args.change_password && self.new.is_none() {
            self.new = Some(Password::ask_new(lang.ask_new_password(name), lang.ask_again()).await?);
        }
        Ok(())
    }

    /// The one of the room, for whoever goes there.
    pub fn take_room(&mut self) -> Option<Password> {
        self.room.take()
    }

    fn current(&self) -> Result<Credential, Error> {
        self.current.as_ref().map_or(Ok(Credential::None), Password::credential)
    }

    /// Has the server set the new password in the place of the current one.
    pub async fn change(&self, session: &Session) -> Result<(), Error> {
        let new = self.new.as_ref().expect("asked for where no file had it");
        session.change_password(self.current()?, new.credential()?).await
    }
}

/// Who comes in where.
pub struct Entrance<'a> {
    pub args: &'a Args,
    pub route: &'a Route,
    pub lang: Lang,
    pub output: &'a Output,
    /// How often in a row to come back; `None`: the session ends with its connection.
    pub attempts: Option<Attempts>,
    /// Where the session is kept, if it is.
    pub state: Option<&'a StateFile>,
    /// Whether whispers are to be sealed, where the server offers it.
    pub seals: bool,
}

impl Entrance<'_> {
    /// Goes on with a session, or logs in. `None` where that takes a password that nobody has given yet.
    pub async fn go_on(
        &self,
        saved: Saved,
        secrets: &Secrets,
        outside: &mut Outside,
    ) -> Result<Option<(Session, Events)>, NoEntry> {
        let Some(reconnect) = self.reconnect() else { return Ok(None) };
        let client = self.connect(outside).await?;
        let going_on =
            async { reconnect.resume_on(client, saved, self.connector(), secrets.current()?).await };
        match in_time(outside, going_on).await {
            Err(NoEntry::Error(Error::Refused(why)))
                if why.code == ErrorCode::AuthFailed.into() && secrets.current.is_none() =>
            {
                self.output.warn(self.lang.session_is_over().to_owned()).await;
                Ok(None)
            }
            entered => entered.map(Some),
        }
    }

    /// Connects, asks for what is missing, registers where that is wanted, and logs in.
    pub async fn enter(
        &self,
        secrets: &mut Secrets,
        outside: &mut Outside,
    ) -> Result<(Session, Events), NoEntry> {
        let mut client = self.connect(outside).await?;
        let ways_in = client.server().ways_in;
        if self.args.register && ways_in & (way_in::REGISTRATION | way_in::INVITATION) == 0 {
            return Err(Error::refused(ErrorCode::RegistrationClosed).into());
        }
        let has_account = self.args.password || self.args.change_password || secrets.current.is_some();
        if has_account && ways_in & way_in::PASSWORD == 0 {
            return Err(NoEntry::GuestsOnly);
        }
        if secrets.are_wanting(self.args, ways_in) {
            // Somebody who types may take longer than the server waits for a login, and than -W says.
            drop(client);
            let asked = Instant::now();
            secrets.ask(self.args, self.lang, ways_in).await?;
            outside.put_off(asked.elapsed());
            client = self.connect(outside).await?;
        }
        if secrets.current.is_none() && ways_in & way_in::GUEST == 0 {
            return Err(NoEntry::NoGuests);
        }
        in_time(outside, self.log_in(client, secrets)).await
    }

    /// Changes the password, and leaves.
    pub async fn change_password(
        &self,
        session: &Session,
        secrets: &Secrets,
        outside: &Outside,
    ) -> Result<(), NoEntry> {
        in_time(outside, secrets.change(session)).await?;
        self.output.answer(self.lang.password_changed(&session.welcome().name)).await;
        // It is done, however the farewell goes.
        let _ = in_time(outside, session.log_out()).await;
        Ok(())
    }

    /// What is asked of the server.
    pub fn features(&self) -> u64 {
        let resume = if self.attempts.is_some() { feature::RESUME } else { 0 };
        resume | self.sealing()
    }

    /// The feature to seal whispers with, where that is wanted.
    fn sealing(&self) -> u64 {
        if self.seals { feature::SEALED } else { 0 }
    }

    /// How the session outlives its connection, where it does.
    fn reconnect(&self) -> Option<Reconnect> {
        let reconnect = Reconnect::new(rand::random()).asking(self.sealing());
        let reconnect = match self.attempts? {
            Attempts::AtMost(attempts) => reconnect.attempts_max(attempts),
            Attempts::Unlimited => reconnect,
        };
        Some(match self.state.cloned() {
            Some(state) => reconnect.keep(move |saved| {
                let state = state.clone();
                async move { state.save(saved).await }
            }),
            None => reconnect,
        })
    }

    fn connector(&self) -> impl Fn() -> Soon<io::Result<Wire>> + Send + Sync + 'static {
        let route = self.route.clone();
        move || Box::pin(route.clone().open())
    }

    async fn log_in(&self, mut client: Client, secrets: &Secrets) -> Result<(Session, Events), Error> {
        let name = self.args.user.as_str();
        if self.args.register {
            let invite =
                self.args.invite.clone().or_else(|| env::var(INVITE_VARIABLE).ok()).unwrap_or_default();
            let registered = client.register(name, secrets.current()?, &invite).await?;
            self.output.notice(self.lang.registered(&registered.name)).await;
        }
        match self.reconnect() {
            Some(reconnect) => reconnect.log_in_on(client, self.connector(), name, secrets.current()?).await,
            None => client.log_in(name, secrets.current()?).await,
        }
    }
}

/// Unless the user or the time wants to be gone before.
pub async fn in_time<T>(
    outside: &Outside,
    doing: impl Future<Output = Result<T, Error>>,
) -> Result<T, NoEntry> {
    tokio::select! {
        biased;
        exit = outside.ends() => Err(NoEntry::Outside(exit)),
        done = doing => done.map_err(NoEntry::Error),
    }
}
