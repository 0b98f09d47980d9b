//! `chat-server audit`: who has kept order, and how, from the log that is never changed.

use std::{fmt::Write as _, time::Duration};

use chat_proto::Role;
use clap::Args;
use serde_json::json;

use super::{
    args::Settings,
    database::{self, Missing},
    exit::Failure,
};
use crate::store::{AuditId, AuditRecord, FOR_GOOD};

/// Which acts to show.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub struct AuditArgs {
    /// How many, the newest first.
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    limit: u32,
    /// Older than the one of this number.
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
    /// As JSON, an object a line.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  chat-server audit                       the last 50 acts: kicks, bans, mutes, settings ...
  chat-server audit --limit 500 --json
  chat-server audit --before 1200         what was before act 1200

Exit codes: 0 done, 2 wrong command line, 3 wrong configuration, 5 the data store failed";

/// Shows them.
pub async fn run(args: &AuditArgs, settings: &Settings) -> Result<(), Failure> {
    let config = settings.load()?;
    let place = database::operators_place(&config, Missing::Refuse)?;
    let store = database::open_beside(&place).await?;
    let page = store.audit().page(args.before.map(AuditId::new), args.limit).await;
    let closed = store.close().await;
    let mut text = String::new();
    for record in page? {
        let line = if args.json { as_json(&record) } else { as_line(&record) };
        writeln!(text, "{line}").expect("a string takes everything");
    }
    closed?;
    super::print(&text)
}

/// `  1204  2026-11-26T10:11:12Z  mod.kim  ban lee in dev for 10m: flooding`
fn as_line(AuditRecord { id, entry }: &AuditRecord) -> String {
    let time = |seconds| match seconds {
        FOR_GOOD => "for good".to_owned(),
        seconds => format!("for {}", humantime::format_duration(Duration::from_secs(seconds))),
    };
    let words = [
        Some(entry.action.clone()),
        entry.target.clone(),
        entry.room.as_ref().map(|room| format!("in {room}")),
        entry.seconds.map(time),
    ];
    let act = words.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let reason = if entry.reason.is_empty() { String::new() } else { format!(": {}", entry.reason) };
    let time = super::shown_time(entry.time_ms);
    format!("{:>6}  {time}  {}  {act}{reason}", id.get(), entry.actor)
}

fn as_json(AuditRecord { id, entry }: &AuditRecord) -> String {
    json!({
        "id": id.get(),
        "time": super::shown_time(entry.time_ms),
        "actor": entry.actor,
        "role": Role::of_number(entry.actor_role).map(Role::name),
        "action": entry.action,
        "conversation": entry.conversation,
        "room": entry.room,
        "target": entry.target,
        "seconds": entry.seconds,
        "reason": entry.reason,
    })
    .to_string()
}
