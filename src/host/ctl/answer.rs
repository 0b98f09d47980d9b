//! What is answered to a request: records as lines of JSON, then an end.

use std::{io, process};

use chat_proto::{ErrorCode, Remark, RoomEntry, Text, Username, room_flag};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    channel::{Out, Reach},
    request::{End, Request, Whom},
};
use crate::{
    config::Changes,
    host::{log::LogControl, now_ms, shown_time},
    platform,
    room::{Behind, FOR_GOOD, SURVEY_PAGE, SessionId, Whereabouts},
    server::{Operator, Status},
    session::{Subject, Terms, parse_network},
};

/// Bytes of why settings were not taken: as JSON they may be twice as many, and have to fit into a record.
const FAULTS_BYTES_MAX: usize = 7 * 1024;

/// Does what is asked, and answers it. An error is the asker's connection: nothing more can be said.
pub async fn answer<S>(request: Request, reach: &Reach, out: &mut Out<'_, S>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let operator = &reach.operator;
    let outcome = match request {
        Request::Sessions => sessions(operator, out).await?,
        Request::Rooms => rooms(operator, out).await?,
        Request::Reload => match reach.reload.run().await {
            Ok(Changes { in_force, restart }) => {
                Ok(vec![json!({ "did": "reload", "in_force": in_force, "restart": restart })])
            }
            Err(mut why) => {
                why.truncate(why.floor_char_boundary(FAULTS_BYTES_MAX));
                return out.write(&refused(0, &why)).await;
            }
        },
        Request::Slow { most } => {
            operator.slow().await.map(|slow| slow.iter().take(most).map(behind).collect())
        }
        Request::ReopenLog => match reopen_log(&reach.log).await {
            Ok(record) => Ok(vec![record]),
            Err(error) => return out.write(&refused(0, &error.to_string())).await,
        },
        request => act(request, operator).await,
    };
    match outcome {
        Ok(records) => out.write(&(lines(&records) + &end(&End::Done))).await,
        Err(code) => out.write(&refused(code as u16, code.line())).await,
    }
}

/// The end of what was not done, as a line.
pub fn refused(code: u16, text: &str) -> String {
    end(&End::Refused { code, text: text.into() })
}

/// Does what takes one page, and returns its records.
async fn act(request: Request, operator: &Operator) -> Result<Vec<Value>, ErrorCode> {
    let record = match request {
        Request::Status => status(&operator.status().await),
        Request::Bans => return Ok(bans(operator)),
        Request::Kick { name, reason } => {
            operator.kick(Username::parse(&name)?, Remark::parse(&reason)?).await?;
            json!({ "did": "kick", "name": name })
        }
        Request::Ban { whom, seconds, reason } => {
            let (subject, reason) = (subject(whom)?, Remark::parse(&reason)?);
            let mut record = json!({ "did": "ban", "seconds": lasting(seconds) });
            put_subject(&mut record, &subject);
            record["put_out"] = operator.ban(subject, seconds, reason).await?.into();
            record
        }
        Request::Unban { whom } => {
            let subject = subject(whom)?;
            let mut record = json!({ "did": "unban" });
            put_subject(&mut record, &subject);
            record["changed"] = operator.unban(subject).await?.into();
            record
        }
        Request::Mute { name, seconds, reason } => {
            operator.mute(Username::parse(&name)?, seconds, Remark::parse(&reason)?).await?;
            json!({ "did": "mute", "name": name, "seconds": lasting(seconds) })
        }
        Request::Unmute { name } => {
            let changed = operator.unmute(Username::parse(&name)?).await?;
            json!({ "did": "unmute", "name": name, "changed": changed })
        }
        Request::Announce { text } => {
            operator.announce(Text::parse(&text)?).await?;
            json!({ "did": "announce" })
        }
        Request::Freeze { on } => {
            operator.freeze(on).await?;
            json!({ "did": if on { "freeze" } else { "thaw" } })
        }
        Request::Drain { on } => {
            operator.drain(on);
            json!({ "did": if on { "drain" } else { "open" }, "sessions": operator.status().await.sessions })
        }
        // Whoever serves the connection tells the server, once this has been said.
        Request::Stop => json!({ "did": "stop" }),
        Request::Sessions | Request::Rooms | Request::Slow { .. } | Request::ReopenLog | Request::Reload => {
            Value::Null
        }
    };
    Ok(vec![record])
}

/// Waits in a thread for what a slow disk takes.
async fn reopen_log(log: &LogControl) -> io::Result<Value> {
    let theirs = log.clone();
    tokio::task::spawn_blocking(move || theirs.reopen()).await.map_err(io::Error::other)??;
    Ok(json!({ "did": "reopen_log", "file": log.file().map(|file| file.display().to_string()) }))
}

/// All sessions, written page by page: they may be many. The last page is returned.
async fn sessions<S>(operator: &Operator, out: &mut Out<'_, S>) -> io::Result<Result<Vec<Value>, ErrorCode>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut after = SessionId(0);
    loop {
        let page = match operator.sessions(after).await {
            Ok(page) => page,
            Err(code) => return Ok(Err(code)),
        };
        let records: Vec<_> = page.iter().map(session).collect();
        match page.last() {
            Some(last) if page.len() == SURVEY_PAGE => after = last.subscriber.id(),
            _ => return Ok(Ok(records)),
        }
        out.write(&lines(&records)).await?;
    }
}

/// All rooms, likewise.
async fn rooms<S>(operator: &Operator, out: &mut Out<'_, S>) -> io::Result<Result<Vec<Value>, ErrorCode>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut after = 0;
    loop {
        let page = match operator.rooms(after).await {
            Ok(page) => page,
            Err(code) => return Ok(Err(code)),
        };
        let records: Vec<_> = page.iter().map(room).collect();
        match page.last() {
            Some(last) if page.len() == SURVEY_PAGE => after = last.conversation,
            _ => return Ok(Ok(records)),
        }
        out.write(&lines(&records)).await?;
    }
}

/// How the server is, as one record.
pub fn status(status: &Status) -> Value {
    let slowest = status.totals.as_ref().and_then(|totals| totals.slowest.as_ref());
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "process": process::id(),
        "listen": status.addresses,
        "time": shown_time(status.now_ms),
        "since": shown_time(status.since_ms),
        "uptime_s": status.now_ms.saturating_sub(status.since_ms) / 1_000,
        "state": status.state.name(),
        "guests": status.guests,
        "registration": status.registration,
        "frozen": status.frozen,
        "sessions": status.sessions,
        "connections": status.connections,
        "rooms": status.totals.as_ref().map(|totals| totals.rooms),
        "slowest": slowest.map(behind),
        "memory_bytes": platform::memory_bytes(),
        "accepted": status.accepted,
        "logins": status.logins,
        "refused": status.refused,
        "missed": status.missed,
        "cut": status.cut,
        "messages": status.lines_received,
        "deliveries": status.lines_delivered,
        "lag_ms": status.lag.map(|lag| lag.as_secs_f64() * 1_000.0),
    })
}

fn session(Whereabouts { subscriber, conversations }: &Whereabouts) -> Value {
    json!({
        "session": subscriber.id().0,
        "name": subscriber.name(),
        "role": subscriber.role().name(),
        "address": subscriber.address(),
        "since": shown_time(subscriber.since_ms()),
        "since_s": now_ms().saturating_sub(subscriber.since_ms()) / 1_000,
        "rooms": conversations,
        "away": subscriber.state() != 0,
        "muted": subscriber.muted_until() > now_ms(),
    })
}

fn room(entry: &RoomEntry) -> Value {
    let flags = entry.settings.flags;
    json!({
        "room": entry.conversation,
        "name": entry.name,
        "members": entry.members,
        "capacity": entry.settings.capacity,
        "hidden": flags & room_flag::HIDDEN != 0,
        "invite_only": flags & room_flag::INVITE_ONLY != 0,
        "persistent": flags & room_flag::PERSISTENT != 0,
        "password": flags & room_flag::PASSWORD != 0,
        "slow_s": entry.settings.slow_s,
        "topic": entry.topic,
    })
}

fn behind(behind: &Behind) -> Value {
    json!({
        "session": behind.subscriber.id().0,
        "name": behind.subscriber.name(),
        "address": behind.subscriber.address(),
        "room": behind.conversation,
        "room_name": behind.room,
        "lines": behind.lines,
    })
}

fn bans(operator: &Operator) -> Vec<Value> {
    let bans = operator.bans();
    let mutes = operator.mutes().into_iter().map(|(name, terms)| held("mute", &Subject::Name(name), &terms));
    bans.iter().map(|(subject, terms)| held("ban", subject, terms)).chain(mutes).collect()
}

fn held(kind: &str, subject: &Subject, terms: &Terms) -> Value {
    let mut record = json!({
        "kind": kind,
        "since": shown_time(terms.since_ms),
        "until": (terms.until_ms != FOR_GOOD).then(|| shown_time(terms.until_ms)),
        "by": terms.by,
        "reason": terms.reason.as_str(),
    });
    put_subject(&mut record, subject);
    record
}

fn put_subject(record: &mut Value, subject: &Subject) {
    match subject {
        Subject::Name(name) => record["name"] = name.as_str().into(),
        Subject::Network(network) => record["network"] = network.to_string().into(),
    }
}

fn subject(whom: Whom) -> Result<Subject, ErrorCode> {
    match whom {
        Whom::Name(name) => Username::parse(&name).map(Subject::Name),
        Whom::Network(text) => parse_network(&text).map(Subject::Network).ok_or(ErrorCode::RangeInvalid),
    }
}

/// Seconds as they are told: none of what is for good.
fn lasting(seconds: u32) -> Option<u32> {
    (seconds > 0).then_some(seconds)
}

fn lines(records: &[Value]) -> String {
    records.iter().map(|record| record.to_string() + "\n").collect()
}

fn end(end: &End) -> String {
    serde_json::to_string(end).expect("an end is made of what JSON has") + "\n"
}
