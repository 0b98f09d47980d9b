//! `chat-server invite`: makes, lists and revokes what lets people register.

use std::{fmt::Write as _, time::Duration};

use chat_proto::{Role, millis};
use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    args::Settings,
    database::{self, Missing},
    exit::Failure,
};
use crate::store::{Invite, InviteId, Invites, NewInvite, StoreError};

/// What to do with invites.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub struct InviteArgs {
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Whoever has the code registers with it: chat-client -u NAME --register --invite CODE

Examples:
  chat-server invite create                         for one person, within 7 days
  chat-server invite create --uses 30 --expires 12h
  chat-server invite create --role moderator
  chat-server invite list
  chat-server invite revoke 3

Exit codes: 0 done, 1 refused or failed, 2 wrong command line, 3 wrong configuration,
5 the data store failed";

#[derive(Subcommand)]
enum Verb {
    /// Make an invite and print its code, which is shown this once.
    Create {
        /// The role of who registers with it: user, moderator or admin.
        #[arg(long, default_value = "user")]
        role: Role,
        /// How many may register with it.
        #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        uses: u32,
        /// How long it is good: 12h, 7days ... or never, which no invite for an admin is.
        #[arg(long, value_name = "TIME", default_value = "7days", value_parser = expiry)]
        expires: Expiry,
    },
    /// List the invites, the oldest first.
    List {
        /// As JSON, an object a line.
        #[arg(long)]
        json: bool,
    },
    /// Make an invite void.
    Revoke {
        /// Its number in the list.
        id: i64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expiry {
    In(Duration),
    Never,
}

fn expiry(text: &str) -> Result<Expiry, humantime::DurationError> {
    if text == "never" { Ok(Expiry::Never) } else { humantime::parse_duration(text).map(Expiry::In) }
}

/// Does what the command line says.
pub async fn run(args: &InviteArgs, settings: &Settings) -> Result<(), Failure> {
    let config = settings.load()?;
    let missing = if matches!(args.verb, Verb::Create { .. }) { Missing::Make } else { Missing::Refuse };
    let place = database::operators_place(&config, missing)?;
    let store = database::open_beside(&place).await?;
    let done = act(store.invites(), &args.verb).await;
    let closed = store.close().await;
    done?;
    Ok(closed?)
}

async fn act(invites: &Invites, verb: &Verb) -> Result<(), Failure> {
    match verb {
        Verb::Create { role, uses, expires } => create(invites, *role, *uses, *expires).await,
        Verb::List { json } => {
            let mut text = String::new();
            if !json {
                text += "    ID  ROLE          LEFT / USES     MADE                  EXPIRES\n";
            }
            for invite in invites.list().await? {
                let line = if *json { as_json(&invite) } else { as_line(&invite) };
                writeln!(text, "{line}").expect("a string takes everything");
            }
            super::print(&text)
        }
        Verb::Revoke { id } => match invites.revoke(InviteId::new(*id)).await {
            Ok(()) => super::print(&format!("invite {id} is void\n")),
            Err(StoreError::NotFound) => Err(Failure::Runtime(format!("there is no invite {id}"))),
            Err(error) => Err(error.into()),
        },
    }
}

async fn create(invites: &Invites, role: Role, uses: u32, expires: Expiry) -> Result<(), Failure> {
    let created_ms = super::now_ms();
    let expires_ms = match expires {
        // A server takes the ones that do for its own of an earlier start (`first_admin`).
        Expiry::Never if role == Role::Admin => {
            return Err(Failure::CommandLine("an invite for an admin expires: give --expires a time".into()));
        }
        Expiry::Never => None,
        Expiry::In(time) => Some(created_ms.saturating_add(millis(time))),
    };
    let code = match invites.create(&NewInvite { role, uses, created_ms, expires_ms }).await {
        Ok(token) => token.grouped(),
        Err(error @ StoreError::TooManyInvites) => return Err(Failure::Runtime(error.to_string())),
        Err(error) => return Err(error.into()),
    };
    // Only the code on standard output, for scripts.
    super::print(&format!("{code}\n"))?;
    let times = if uses == 1 { "once".into() } else { format!("{uses} times") };
    let until = expires_ms.map_or_else(String::new, |end| format!(", until {}", super::shown_time(end)));
    eprintln!("good {times}, for the role {role}{until}: chat-client -u NAME --register --invite {code}");
    Ok(())
}

fn as_json(invite: &Invite) -> String {
    json!({
        "id": invite.id.get(),
        "role": invite.role.name(),
        "uses": invite.uses,
        "uses_left": invite.uses_left,
        "created": super::shown_time(invite.created_ms),
        "expires": invite.expires_ms.map(super::shown_time),
    })
    .to_string()
}

fn as_line(invite: &Invite) -> String {
    format!(
        "{:>6}  {:<9}  {:>7} / {:<7}  {:<20}  {}",
        invite.id.get(),
        invite.role.name(),
        invite.uses_left,
        invite.uses,
        super::shown_time(invite.created_ms),
        invite.expires_ms.map_or_else(|| "never".into(), super::shown_time)
    )
}
