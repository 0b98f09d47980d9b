//! The command line of `chat-server ctl`, its help, and the request that it comes to.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::request::{Request, Whom};
use crate::session::parse_network;

/// What to ask of which running server.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub struct CtlArgs {
    #[command(subcommand)]
    pub verb: Verb,
    /// As JSON, an object a line.
    #[arg(long, global = true)]
    pub json: bool,
    /// The server that is this Windows service. Otherwise it is the one whose data folder `--data` names.
    #[cfg(windows)]
    #[arg(short = 'n', long = "name", global = true, value_name = "NAME", value_parser = crate::host::service::name)]
    pub service: Option<String>,
}

const EXAMPLES: &str = "\
The server is the one of the data folder: give the same --data, or none as it has none. It listens \
in that folder, or on a named pipe of it, and on no network: whoever may open that, may do all of this. \
A server without a data folder (`database.url` is \"none\" or PostgreSQL's, and no --data) cannot be reached.

Examples:
  chat-server ctl status --watch
  chat-server ctl sessions --json | jq -r .name
  chat-server ctl kick lee flooding
  chat-server ctl ban lee --for 7d flooding         by name, wherever they come from
  chat-server ctl ban 192.0.2.0/24                  by network, whatever their name
  chat-server ctl announce 'A new version in ten minutes'
  chat-server ctl reload                            after a change in the configuration file
  chat-server ctl drain; chat-server ctl stop
  chat-server --data /var/lib/iocp-chat ctl status  of a service: its data folder, with its rights

Exit codes: 0 done, 1 refused, failed, or no server runs there, 2 wrong command line,
3 wrong configuration";

#[derive(Subcommand)]
pub enum Verb {
    /// Say how the server is.
    Status {
        /// Again each second, a line each time, until Ctrl-C or until the server has stopped.
        #[arg(long)]
        watch: bool,
    },
    /// List who is here, in the order they came.
    Sessions,
    /// List the rooms, hidden ones too. Flags: h hidden, i for the invited, p persistent, w with a password.
    Rooms,
    /// List who reads slowest: how many lines each is behind, and where.
    Slow {
        /// How many of them: 1 to 100.
        #[arg(default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=100))]
        most: u16,
    },
    /// List who is banned and who is mute.
    Bans,
    /// Put somebody out. They may come back.
    Kick {
        /// Who.
        name: String,
        /// Why; they are told.
        reason: Vec<String>,
    },
    /// Keep somebody out, and put out who is here.
    Ban {
        #[command(flatten)]
        whom: WhomArgs,
        /// How long, as "10m" or "7d" [default: for good].
        #[arg(long = "for", value_name = "TIME", value_parser = seconds)]
        time: Option<u32>,
        /// Why; they are told.
        reason: Vec<String>,
    },
    /// Let somebody in again.
    Unban {
        #[command(flatten)]
        whom: WhomArgs,
    },
    /// Let somebody say nothing to anybody, now and when they come back.
    Mute {
        /// Who.
        name: String,
        /// How long, as "10m" or "7d" [default: for good].
        #[arg(long = "for", value_name = "TIME", value_parser = seconds)]
        time: Option<u32>,
        /// Why; they are told.
        reason: Vec<String>,
    },
    /// Let somebody speak again.
    Unmute {
        /// Who.
        name: String,
    },
    /// Say something to everybody.
    Announce {
        /// What.
        #[arg(required = true)]
        text: Vec<String>,
    },
    /// Let nobody register until `thaw`, after a restart too.
    Freeze,
    /// Let people register as configured.
    Thaw,
    /// Let nobody else connect or log in. Who is here stays.
    Drain {
        /// Let everybody in again.
        #[arg(long)]
        off: bool,
    },
    /// Read the settings again, from where the server has them, and say what is in force now and what needs a restart.
    /// All of it, or where something is wrong nothing.
    Reload,
    /// Stop the server, and wait until it has said goodbye to everyone.
    Stop,
    /// Go on in a new log file of the same name: the old one has been moved away.
    ReopenLog,
}

/// Whom a ban is for.
#[derive(Args)]
pub struct WhomArgs {
    /// A name, an address (of IPv6 its /64), or a network as 192.0.2.0/24.
    whom: String,
    /// It is a name, though it looks like an address.
    #[arg(long)]
    person: bool,
}

impl WhomArgs {
    fn whom(&self) -> Whom {
        if !self.person && parse_network(&self.whom).is_some() {
            Whom::Network(self.whom.clone())
        } else {
            Whom::Name(self.whom.clone())
        }
    }
}

impl Verb {
    /// What is asked of the server.
    pub fn request(&self) -> Request {
        match self {
            Self::Status { .. } => Request::Status,
            Self::Sessions => Request::Sessions,
            Self::Rooms => Request::Rooms,
            Self::Slow { most } => Request::Slow { most: (*most).into() },
            Self::Bans => Request::Bans,
            Self::Kick { name, reason } => Request::Kick { name: name.clone(), reason: reason.join(" ") },
            Self::Ban { whom, time, reason } => Request::Ban {
                whom: whom.whom(),
                seconds: time.unwrap_or_default(),
                reason: reason.join(" "),
            },
            Self::Unban { whom } => Request::Unban { whom: whom.whom() },
            Self::Mute { name, time, reason } => Request::Mute {
                name: name.clone(),
                seconds: time.unwrap_or_default(),
                reason: reason.join(" "),
            },
            Self::Unmute { name } => Request::Unmute { name: name.clone() },
            Self::Announce { text } => Request::Announce { text: text.join(" ") },
            Self::Freeze => Request::Freeze { on: true },
            Self::Thaw => Request::Freeze { on: false },
            Self::Drain { off } => Request::Drain { on: !off },
            Self::Reload => Request::Reload,
            Self::Stop => Request::Stop,
            Self::ReopenLog => Request::ReopenLog,
        }
    }
}

/// Whole seconds, at least one: none would be for good.
fn seconds(text: &str) -> Result<u32, String> {
    let time: Duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    match u32::try_from(time.as_secs()) {
        Ok(0) => Err("at least 1s".into()),
        Ok(seconds) => Ok(seconds),
        Err(_) => Err("at most 10years".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: CtlArgs,
    }

    fn request(line: &str) -> Result<Request, clap::error::ErrorKind> {
        let line = Line::try_parse_from(["ctl"].into_iter().chain(line.split(' ')));
        line.map(|line| line.args.verb.request()).map_err(|error| error.kind())
    }

    fn ban(whom: Whom, seconds: u32, reason: &str) -> Request {
        Request::Ban { whom, seconds, reason: reason.into() }
    }

    #[test]
    fn what_looks_like_an_address_is_one_unless_told_otherwise() {
        let (name, network) = (|text: &str| Whom::Name(text.into()), |text: &str| Whom::Network(text.into()));
        assert_eq!(request("ban lee"), Ok(ban(name("lee"), 0, "")));
        assert_eq!(request("ban 10.0.0.1"), Ok(ban(network("10.0.0.1"), 0, "")));
        assert_eq!(request("ban 2001:db8::/32 --for 90s a b"), Ok(ban(network("2001:db8::/32"), 90, "a b")));
        assert_eq!(request("ban --person 10.0.0.1"), Ok(ban(name("10.0.0.1"), 0, "")));
        assert_eq!(request("unban 10.0.0.0/33"), Ok(Request::Unban { whom: name("10.0.0.0/33") }));
    }

    #[test]
    fn words_behind_a_name_are_the_reason_wherever_the_options_stand() {
        assert_eq!(request("ban lee --for 7d so much noise --json"), {
            Ok(ban(Whom::Name("lee".into()), 7 * 24 * 3_600, "so much noise"))
        });
        assert_eq!(request("announce see you"), Ok(Request::Announce { text: "see you".into() }));
    }

    #[test]
    fn what_cannot_be_is_refused_before_anybody_is_asked() {
        use clap::error::ErrorKind::{InvalidSubcommand, MissingRequiredArgument, ValueValidation};
        for (line, kind) in [
            ("explode", InvalidSubcommand),
            ("kick", MissingRequiredArgument),
            ("announce", MissingRequiredArgument),
            ("mute lee --for 0s", ValueValidation),
            ("mute lee --for soon", ValueValidation),
            ("ban lee --for 200years", ValueValidation),
            ("slow 0", ValueValidation),
            ("slow 101", ValueValidation),
        ] {
            assert_eq!(request(line), Err(kind), "{line}");
        }
    }
}
