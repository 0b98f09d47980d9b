//! `chat-server history`: deletes what was said, of one person or for its age.

use std::time::Duration;

use chat_proto::{Role, Username, millis};
use clap::{Args, Subcommand};

use super::{
    args::Settings,
    confirm::confirm,
    database::{self, Missing},
    exit::Failure,
};
use crate::{
    config::HistoryConfig,
    store::{AuditEntry, Erased, OPERATOR, Person, Store},
};

/// What to do with the history.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub struct HistoryArgs {
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
A running server keeps the newest lines of each conversation in memory; there they stay until newer
ones push them out, or until it stops.

Examples:
  chat-server history erase kim                asks; then `audit` shows that it was done
  chat-server history erase kim --yes && chat-server user delete kim --yes
  chat-server history prune --age 7d           beside a running server as well

Exit codes: 0 done, 1 refused or failed, 2 wrong command line, 3 wrong configuration,
5 the data store failed";

#[derive(Subcommand)]
enum Verb {
    /// Delete all that one person said, and the whispers from and to them that wait. Of somebody who has no account,
    /// or none any more: what was said under exactly this name.
    Erase {
        /// Whose.
        name: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Delete of each conversation what is too old or too much. The server does so by itself, as it is set.
    Prune {
        /// Lines that each conversation keeps [default: as `history.lines` is set].
        #[arg(long, value_name = "COUNT")]
        lines: Option<u64>,
        /// How old they may be [default: as `history.age` is set].
        #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
        age: Option<Duration>,
    },
}

/// Does what the command line says.
pub async fn run(args: &HistoryArgs, settings: &Settings) -> Result<(), Failure> {
    let config = settings.load()?;
    let place = database::operators_place(&config, Missing::Refuse)?;
    if let Verb::Erase { name, yes: false } = &args.verb
        && !confirm(&format!("Delete all that {name} ever said?"))?
    {
        return Err(Failure::Runtime("nothing is deleted".into()));
    }
    let store = database::open_beside(&place).await?;
    let done = match &args.verb {
        Verb::Erase { name, .. } => erase(&store, name).await,
        Verb::Prune { lines, age } => {
            let HistoryConfig { lines: set_lines, age: set_age, .. } = config.history;
            prune(&store, lines.unwrap_or(set_lines), age.unwrap_or(set_age)).await
        }
    };
    let closed = store.close().await;
    super::print(&done?)?;
    Ok(closed?)
}

async fn erase(store: &Store, name: &str) -> Result<String, Failure> {
    let name = Username::parse(name).map_err(|_| Failure::Runtime(format!("{name:?} is no name")))?;
    let person = Person { key: name.key().as_str().into(), shown: name.as_str().into() };
    let entry = AuditEntry {
        time_ms: super::now_ms(),
        actor: OPERATOR.into(),
        actor_role: Role::Admin as u16,
        action: "erase".into(),
        conversation: None,
        room: None,
        target: Some(name.as_str().into()),
        seconds: None,
        reason: String::new(),
    };
    let Erased { lines, whispers } = store.history().erase(&person, &entry).await?;
    Ok(format!("erased {} and {} of {name}\n", count(lines, "line"), count(whispers, "whisper")))
}

async fn prune(store: &Store, lines: u64, age: Duration) -> Result<String, Failure> {
    let older_than_ms = super::now_ms().saturating_sub(millis(age));
    let (mut pruned, mut after) = (0, 0);
    loop {
        let conversations = store.history().conversations(after).await?;
        for conversation in &conversations {
            pruned += store.history().prune(*conversation, lines, older_than_ms).await?;
        }
        let Some(last) = conversations.last() else { break };
        after = *last;
    }
    Ok(format!("pruned {}\n", count(pruned, "line")))
}

fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
