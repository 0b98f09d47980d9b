//! The operator's side of the channel: asks a running server, and prints what it says.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use chat_proto::ErrorCode;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    signal,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use super::{
    CtlArgs,
    args::Verb,
    lines::Lines,
    local,
    request::{End, RECORD_BYTES_MAX, Request},
    show,
};
use crate::{
    config::Config,
    host::{args::Settings, exit::Failure, folder},
};

/// How long the server may take for each line of its answer: longer than the 10 s of its database.
const ANSWER_MAX: Duration = Duration::from_secs(15);
/// How often a server is asked that is watched.
const WATCH: Duration = Duration::from_secs(1);
/// Lines between two headings of what is watched.
const HEADING: usize = 20;
/// What is answered about somebody who is not there.
const NOT_HERE: [u16; 2] = [ErrorCode::UserNotFound as u16, ErrorCode::UserOffline as u16];
/// Why there is no way to a server.
pub const NO_CHANNEL: &str = "a server whose database is in no folder can be reached only where it and this command have one --data FOLDER";
/// How long a server may take to stop: three times what it takes unless configured otherwise.
const STOP_MAX: Duration = Duration::from_secs(60);

/// Does what the command line says.
pub async fn run(args: &CtlArgs, settings: &Settings) -> Result<(), Failure> {
    let config = settings.load()?;
    #[cfg(windows)]
    let folder = match &args.service {
        Some(name) => crate::host::service::folder(name)?,
        None => folder_of(&config)?,
    };
    #[cfg(unix)]
    let folder = folder_of(&config)?;
    match &args.verb {
        Verb::Status { watch: true } => tokio::select! {
            watched = watch(&folder, args.json) => watched,
            _ = signal::ctrl_c() => Ok(()),
        },
        Verb::Stop => stop(&folder, args.json).await,
        verb => {
            let mut asked = Asked::begin(&folder, &verb.request()).await?;
            let mut shown = show::Table::of(verb);
            while let Some(record) = asked.next().await? {
                print(args.json, &record, |record| shown.show(record))?;
            }
            if args.json { Ok(()) } else { crate::host::print(&shown.end()) }
        }
    }
}

/// The folder of the server that has these settings: never one in which another may be.
fn folder_of(config: &Config) -> Result<PathBuf, Failure> {
    folder::of_channel(config).ok_or_else(|| Failure::Config(NO_CHANNEL.into()))
}

/// What has become of somebody who was to be put out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutOut {
    /// They were there, and are no more.
    Done,
    /// They were not there: nor was the server, perhaps.
    NotHere,
    /// Nobody knows: there is no way to the server, if it runs.
    NoChannel,
}

/// Puts somebody out of the server that has these settings, for a reason that they are told.
pub async fn put_out(config: &Config, name: &str, reason: &str) -> Result<PutOut, Failure> {
    let Some(folder) = folder::of_channel(config) else { return Ok(PutOut::NoChannel) };
    if matches!(local::connect(&folder).await, Err(error) if error.kind() == io::ErrorKind::NotFound) {
        return Ok(PutOut::NotHere);
    }
    let request = Request::Kick { name: name.into(), reason: reason.into() };
    match Asked::begin(&folder, &request).await?.next_or_end().await? {
        Ok(_) | Err(End::Done) => Ok(PutOut::Done),
        Err(End::Refused { code, .. }) if NOT_HERE.contains(&code) => Ok(PutOut::NotHere),
        Err(End::Refused { code, text }) => Err(refused(code, text)),
    }
}

/// A question to a server, and what of the answer is still to be read.
struct Asked<S> {
    lines: Lines<S>,
    place: String,
}

impl Asked<()> {
    async fn begin(
        folder: &Path,
        request: &Request,
    ) -> Result<Asked<impl AsyncRead + AsyncWrite + Unpin + use<>>, Failure> {
        let place = folder.display().to_string();
        let stream = local::connect(folder).await.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Failure::Runtime(format!("no server runs in {place}")),
            io::ErrorKind::PermissionDenied => {
                let who = if cfg!(windows) { "an administrator" } else { "its owner, or as root" };
                Failure::Runtime(format!("the server in {place} is not yours: run this as {who}"))
            }
            _ => Failure::running(&place, error),
        })?;
        let mut asked = Asked { lines: Lines::new(stream), place };
        let line = serde_json::to_string(request).expect("a request is made of what JSON has") + "\n";
        asked.lines.write(&line).await.map_err(|error| asked.failed(error))?;
        Ok(asked)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Asked<S> {
    /// The next record; `None` when there are no more.
    async fn next(&mut self) -> Result<Option<Value>, Failure> {
        match self.next_or_end().await? {
            Ok(record) => Ok(Some(record)),
            Err(End::Done) => Ok(None),
            Err(End::Refused { code, text }) => Err(refused(code, text)),
        }
    }

    /// The next record, or how the answer ends.
    async fn next_or_end(&mut self) -> Result<Result<Value, End>, Failure> {
        let read = timeout(ANSWER_MAX, self.lines.read(RECORD_BYTES_MAX)).await;
        let line = match read {
            Ok(Ok(Some(line))) => line,
            Ok(Ok(None)) => return Err(self.failed("the server has closed the channel")),
            Ok(Err(error)) => return Err(self.failed(error)),
            Err(_) => return Err(self.failed(format_args!("no answer within {} s", ANSWER_MAX.as_secs()))),
        };
        let record: Value = serde_json::from_slice(&line).map_err(|error| self.failed(error))?;
        if record.get("end").is_none() {
            return Ok(Ok(record));
        }
        serde_json::from_value(record).map(Err).map_err(|error| self.failed(error))
    }

    fn failed(&self, why: impl std::fmt::Display) -> Failure {
        Failure::running(&self.place, why)
    }
}

fn refused(code: u16, text: String) -> Failure {
    Failure::Runtime(if code == 0 { text } else { format!("{text} ({code})") })
}

/// Asks again and again, until nobody reads it. Each time anew: a connection that is kept would be the one to go when
/// there are many.
async fn watch(folder: &Path, json: bool) -> Result<(), Failure> {
    let mut ticks = interval(WATCH);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut before = None;
    for line in 0_usize.. {
        ticks.tick().await;
        let mut asked = Asked::begin(folder, &Request::Status).await?;
        while let Some(mut record) = asked.next().await? {
            put_rates(&mut record, &mut before);
            let heading = if line.is_multiple_of(HEADING) { show::WATCH_HEADING } else { "" };
            let shown =
                if json { format!("{record}\n") } else { heading.to_owned() + &show::watched(&record) };
            if !crate::host::print_to_reader(&shown)? {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// What was counted of a server, and when.
struct Counted {
    at: Instant,
    /// Since when that server runs.
    since: Value,
    counts: [u64; 2],
}

/// Counts how many lines there were a second, since the record before. Of another server than then nothing is known.
fn put_rates(record: &mut Value, before: &mut Option<Counted>) {
    let counts = ["messages", "deliveries"].map(|key| record[key].as_u64().unwrap_or_default());
    let now = Counted { at: Instant::now(), since: record["since"].clone(), counts };
    let last = before.replace(now).filter(|last| {
        last.since == record["since"] && last.counts.iter().zip(counts).all(|(last, count)| *last <= count)
    });
    for (place, key) in [show::LINES_PER_SECOND, show::DELIVERIES_PER_SECOND].into_iter().enumerate() {
        let rate = last.as_ref().map(|last| rate(counts[place] - last.counts[place], last.at.elapsed()));
        record[key] = rate.into();
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "it is a rate"
)]
fn rate(count: u64, time: Duration) -> u64 {
    (count as f64 / time.as_secs_f64().max(0.001)).round() as u64
}

/// Asks the server to stop, and waits until it has: then it closes the channel.
async fn stop(folder: &Path, json: bool) -> Result<(), Failure> {
    let begun = Instant::now();
    let mut asked = Asked::begin(folder, &Request::Stop).await?;
    while let Some(record) = asked.next().await? {
        if json {
            print(json, &record, |_| String::new())?;
        }
    }
    match timeout(STOP_MAX, asked.lines.read(RECORD_BYTES_MAX)).await {
        // Closed in whatever way: nobody answers any more.
        Ok(_) if json => Ok(()),
        Ok(_) => {
            let seconds = begun.elapsed().as_secs_f64();
            crate::host::print(&format!("the server has stopped, after {seconds:.1} s\n"))
        }
        Err(_) => Err(asked.failed(format_args!("still stopping after {} s", STOP_MAX.as_secs()))),
    }
}

fn print(json: bool, record: &Value, shown: impl FnOnce(&Value) -> String) -> Result<(), Failure> {
    crate::host::print(&if json { format!("{record}\n") } else { shown(record) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rates_are_of_one_run_of_a_server_and_unknown_at_its_first_record() {
        let mut before = None;
        let mut rates = async |since: &str, messages: u64, deliveries: u64| {
            tokio::time::advance(Duration::from_secs(2)).await;
            let mut record = json!({ "since": since, "messages": messages, "deliveries": deliveries });
            put_rates(&mut record, &mut before);
            (record[show::LINES_PER_SECOND].as_u64(), record[show::DELIVERIES_PER_SECOND].as_u64())
        };
        assert_eq!(rates("2026-07-25T10:11:12Z", 10, 100).await, (None, None));
        assert_eq!(rates("2026-07-25T10:11:12Z", 30, 500).await, (Some(10), Some(200)));
        // Started anew within the same second, and in another one.
        assert_eq!(rates("2026-07-25T10:11:12Z", 0, 0).await, (None, None));
        assert_eq!(rates("2026-07-25T10:11:12Z", 8, 8).await, (Some(4), Some(4)));
        assert_eq!(rates("2026-07-25T10:11:13Z", 900, 900).await, (None, None));
        assert_eq!(rates("2026-07-25T10:11:13Z", 900, 900).await, (Some(0), Some(0)));
    }
}
