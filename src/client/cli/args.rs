//! The command line of `chat-client`, and its help.

use std::{num::NonZeroU64, path::PathBuf, time::Duration};

use chat_proto::{RoomName, Username};
use clap::{ArgAction, CommandFactory, Parser, ValueEnum, error::ErrorKind};

use super::{
    address::{Address, Server},
    encoding::Encoding,
    entrance::NoEntry,
    help::{ABOUT, AFTER_HELP, AFTER_LONG_HELP, LONG_ABOUT},
    route::Route,
    tls_args::{KnownHostsArgs, TlsArgs},
};
use crate::client::{Error, tls::Tls};

/// What to connect to, as whom, and how to behave.
#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of a command line")]
#[command(name = "chat-client", version, about = ABOUT, long_about = LONG_ABOUT)]
#[command(after_help = AFTER_HELP, after_long_help = AFTER_LONG_HELP)]
pub struct Args {
    /// The server
    #[arg(
        help = "The server, or chat://HOST[:PORT], or chats://HOST[:PORT] over TLS; the port is 11021, over TLS 11022; \
                  an IPv6 address with a port is written as [::1]:11021"
    )]
    #[arg(value_name = "HOST[:PORT]", default_value = "127.0.0.1", value_parser = Address::parse)]
    address: Address,

    /// The name to be known by
    #[arg(short, long, value_name = "NAME", env = "CHAT_USER", value_parser = parse_name)]
    pub user: Username,

    /// Ask for the password of NAME
    #[arg(long, conflicts_with = "password_file")]
    pub password: bool,

    /// Take the password from the first line of FILE
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,

    /// Make an account of NAME and the password, then log in to it
    #[arg(long)]
    pub register: bool,

    /// The invitation to register with
    #[arg(help = "The invitation to register with, or CHAT_INVITE in the environment")]
    #[arg(long, value_name = "CODE", requires = "register")]
    pub invite: Option<String>,

    /// Change the password of NAME, and do nothing else
    #[arg(long, conflicts_with_all = ["register", "json", "count", "eof", "wait_ack"])]
    pub change_password: bool,

    /// Take the new password from the first line of FILE
    #[arg(long, value_name = "FILE", requires = "change_password")]
    pub new_password_file: Option<PathBuf>,

    /// Go into ROOM; lines go there
    #[arg(short, long, value_name = "ROOM", value_parser = parse_room, conflicts_with = "change_password")]
    pub room: Option<RoomName>,

    /// Take the password of ROOM from the first line of FILE
    #[arg(long, value_name = "FILE", requires = "room")]
    pub room_password_file: Option<PathBuf>,

    /// Make ROOM where there is none
    #[arg(long, requires = "room")]
    pub create: bool,

    /// Come back when the connection is lost, after at most MAX attempts in a row
    #[arg(help = "Come back when the connection is lost, after at most MAX attempts in a row; 0: never \
                  [default: on a terminal, however often it takes]")]
    #[arg(long, value_name = "MAX", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    #[arg(value_parser = Attempts::parse)]
    pub reconnect: Option<Attempts>,

    /// Keep the session in FILE, and go on with the one that is there
    #[arg(long, value_name = "FILE", conflicts_with_all = ["change_password", "register"])]
    pub state: Option<PathBuf>,

    #[command(flatten)]
    pub tls: TlsArgs,

    #[command(flatten)]
    pub known_hosts: KnownHostsArgs,
    /// Keep the key of this device in FILE, and what is known of others' beside it
    #[arg(
        help = "Keep the key of this device in FILE [default: iocp-chat/keys.json among the user's settings]"
    )]
    #[arg(long, value_name = "FILE", env = "CHAT_KEYS", hide_env_values = true)]
    pub keys: Option<PathBuf>,

    /// Seal no whispers, and open none
    #[arg(long, conflicts_with = "require_e2e")]
    pub no_e2e: bool,

    /// Say no whisper that cannot be sealed
    #[arg(long)]
    pub require_e2e: bool,

    /// Write JSON Lines to standard output
    #[arg(long)]
    pub json: bool,

    /// The encoding of pipes and files, such as cp949; a terminal is right without it
    #[arg(long, value_name = "NAME", default_value = "utf-8", value_parser = Encoding::parse)]
    pub encoding: Encoding,

    /// Exit after this many messages (broadcasts, whispers, the operator's lines) were received
    #[arg(short = 'C', long, value_name = "N")]
    pub count: Option<NonZeroU64>,

    /// Exit with code 5 when this much time has passed, connecting included
    #[arg(short = 'W', long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub timeout: Option<Duration>,

    /// Wait for the server's word on every line, however long; exit with code 6 if one was not acknowledged
    #[arg(long)]
    pub wait_ack: bool,

    /// At the end of input: leave once every line is answered, or stay and listen [default: quit; wait with -C]
    #[arg(long, value_enum, value_name = "WHAT")]
    pub eof: Option<Eof>,

    /// Say nothing on standard error but errors, warnings and what was asked for
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Say more on standard error: limits, and the number of each line said
    #[arg(short, long, action = ArgAction::SetTrue)]
    pub verbose: bool,
}

/// How often in a row it is tried to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempts {
    /// As often as it takes.
    Unlimited,
    /// So often.
    AtMost(u32),
}

impl Attempts {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "" => Ok(Self::Unlimited),
            _ => text.parse().map(Self::AtMost).map_err(|_| "a number of attempts; 0: none".to_owned()),
        }
    }
}

/// What the end of input means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Eof {
    /// Leave, once every line is answered.
    Quit,
    /// Stay and listen.
    Wait,
}

impl Args {
    /// Those of the program; what cannot be meant ends it.
    #[must_use]
    pub fn of_program() -> Self {
        let args = Self::parse();
        if let Err(why) = args.check() {
            Self::command().error(ErrorKind::ArgumentConflict, why).exit();
        }
        args
    }

    /// The server.
    pub fn server(&self) -> Server {
        self.tls.server(&self.address).expect("it was checked")
    }

    /// The way to the server.
    pub fn route(&self) -> Result<Route, NoEntry> {
        let server = self.server();
        if !server.is_tls {
            return Ok(Route::new(server, None));
        }
        let trust = self.tls.trust(self.known_hosts.file()).map_err(NoEntry::Trust)?;
        let tls = Tls::new(&server.host, server.port, trust).map_err(Error::from)?;
        Ok(Route::new(server, Some(tls)))
    }

    fn check(&self) -> Result<(), String> {
        let server = self.tls.server(&self.address)?;
        if !server.is_tls && !self.known_hosts.is_empty() {
            return Err("--trust-new and --known-hosts are for TLS: write chats://HOST, or --tls".to_owned());
        }
        Ok(())
    }

    /// How often in a row it is tried to come back; `None` where the session does not outlive its connection.
    #[must_use]
    pub fn attempts(&self, at_terminal: bool) -> Option<Attempts> {
        let never = self.state.is_some().then_some(Attempts::AtMost(0));
        match self.reconnect {
            _ if self.change_password => None,
            Some(Attempts::AtMost(0)) => never,
            Some(attempts) => Some(attempts),
            None if at_terminal => Some(Attempts::Unlimited),
            None => never,
        }
    }

    /// What the end of input means here: who wants N messages has not seen them yet.
    #[must_use]
    pub fn eof(&self) -> Eof {
        self.eof.unwrap_or(if self.count.is_some() { Eof::Wait } else { Eof::Quit })
    }
}

/// What both people's names and rooms' are like.
const NAME_FORM: &str = "1 to 32 letters, digits, '_', '-' or '.', without spaces";

fn parse_name(text: &str) -> Result<Username, String> {
    Username::parse(text).map_err(|why| format!("{}: {NAME_FORM}", why.line()))
}

/// `ROOM`, or `#ROOM` as in commands.
fn parse_room(text: &str) -> Result<RoomName, String> {
    RoomName::parse(text.strip_prefix('#').unwrap_or(text))
        .map_err(|why| format!("{}: {NAME_FORM}", why.line()))
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds
        .filter(|seconds| !seconds.is_zero())
        .ok_or_else(|| "a number of seconds above 0, such as 2.5".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_input_leaves_unless_messages_are_waited_for() {
        let eof = |line: &str| Args::try_parse_from(line.split(' ')).expect("valid").eof();
        assert_eq!(eof("chat-client -u a"), Eof::Quit);
        assert_eq!(eof("chat-client -u a -C 1"), Eof::Wait);
        assert_eq!(eof("chat-client -u a -C 1 --eof=quit"), Eof::Quit);
        assert_eq!(eof("chat-client -u a --eof wait"), Eof::Wait);
    }

    #[test]
    fn whether_one_comes_back_is_said_or_is_a_terminals_way() {
        let attempts = |line: &str| {
            let args = Args::try_parse_from(format!("chat-client -u a {line}").split_whitespace());
            let args = args.expect("valid");
            [args.attempts(true), args.attempts(false)]
        };
        for (line, both) in [
            ("", [Some(Attempts::Unlimited), None]),
            ("--reconnect", [Some(Attempts::Unlimited); 2]),
            ("--reconnect=5", [Some(Attempts::AtMost(5)); 2]),
            ("--reconnect=0", [None; 2]),
            ("--state f", [Some(Attempts::Unlimited), Some(Attempts::AtMost(0))]),
            ("--state f --reconnect=0", [Some(Attempts::AtMost(0)); 2]),
            ("--state f --reconnect=9", [Some(Attempts::AtMost(9)); 2]),
            ("--change-password --reconnect", [None; 2]),
        ] {
            assert_eq!(attempts(line), both, "{line}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_a_usage_error() {
        for bad in [
            "-u",
            "-u a b c",
            "-u a -C 0",
            "-u a -W 0",
            "-u a -W -1",
            "-u a -W nan",
            "-u a/b",
            "-u a -q -v",
            "-u a --encoding utf-16",
            "-u a --encoding hangul",
            "-u a --password --password-file f",
            "-u a --invite X",
            "-u a --new-password-file f",
            "-u a --change-password --register",
            "-u a --change-password --json",
            "-u a --change-password -r dev",
            "-u a -r a/b",
            "-u a --create",
            "-u a --room-password-file f",
            "-u a --reconnect=often",
            "-u a --state f --register",
            "-u a chat://host --tls",
            "-u a host --ca f",
            "-u a host --insecure",
            "-u a chat://host --trust-new",
            "-u a host --known-hosts f",
            "-u a chats://host --pin abc",
            "-u a chats://host --ca f --insecure",
            "-u a chats://host --insecure --trust-new",
        ] {
            let line = format!("chat-client {bad}");
            let read = Args::try_parse_from(line.split(' ')).map_err(|error| error.to_string());
            assert!(read.and_then(|args| args.check()).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_help_is_consistent() {
        Args::command().debug_assert();
    }
}
