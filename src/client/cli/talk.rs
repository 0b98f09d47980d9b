//! From lines of input to requests: in order, at the server's pace, each one followed to its answer.

use std::{cell::Cell, collections::VecDeque, future::pending, time::Duration};

use chat_proto::{LOBBY, Receipt, Refusal, WhisperReceipt};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout_at},
};

use super::{
    command::Command,
    escape::escape,
    input::Input,
    output::Output,
    words::{Lang, is_momentary},
};
use crate::client::{Error, Pace, Pending, Session};

/// How long a line's answer is waited for without `--wait-ack`.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a line is sent in all while the server is too busy for it.
const TRIES_MAX: u32 = 100;
/// How long to wait when the server does not say.
const RETRY: Duration = Duration::from_secs(1);
/// Lines unanswered at a time, where the server sets no rate.
const WINDOW_MAX: u16 = 64;
/// Pages of members that are listed before the rest is only counted.
const PAGES_MAX: u32 = 5;

/// Why no more is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The input ended, and every line is concluded.
    Input,
    /// `/quit`.
    Quit,
}

/// Lines that were to be said, and those of them that the server acknowledged.
#[derive(Debug, Default)]
pub struct Tally {
    wanted: Cell<u64>,
    acknowledged: Cell<u64>,
}

impl Tally {
    /// Lines of which the server has not said that it took them.
    #[must_use]
    pub fn unacknowledged(&self) -> u64 {
        self.wanted.get() - self.acknowledged.get()
    }
}

/// Says lines.
pub struct Talker<'a> {
    session: &'a Session,
    output: &'a Output,
    lang: Lang,
    tally: &'a Tally,
    pace: Pace,
    /// `None`: as long as it takes.
    patience: Option<Duration>,
    /// Lines unanswered at a time. One where the server sets a rate: a line that must be sent again because it
    /// came too fast must not be overtaken by the next.
    window: usize,
    unanswered: VecDeque<Sent>,
    /// Number of the line of input at hand.
    number: u64,
    next_message_id: u64,
}

struct Line {
    number: u64,
    message_id: u64,
    to: Option<String>,
    text: String,
    tries: u32,
}

struct Sent {
    line: Line,
    since: Instant,
    answer: Answer,
}

enum Answer {
    Broadcast(Pending<Receipt>),
    Whisper(Pending<WhisperReceipt>),
}

impl<'a> Talker<'a> {
    /// Has said nothing yet. `message_ids` is the first of many that this user has not used before.
    #[must_use]
    pub fn new(
        session: &'a Session,
        output: &'a Output,
        lang: Lang,
        tally: &'a Tally,
        wait_ack: bool,
        message_ids: u64,
    ) -> Self {
        let limits = &session.server().limits;
        let window = if limits.chat_per_second == 0 { limits.requests_outstanding } else { 1 };
        Self {
            session,
            output,
            lang,
            tally,
            pace: Pace::new(limits.chat_per_second, limits.chat_burst, Instant::now()),
            patience: (!wait_ack).then_some(PATIENCE),
            window: window.clamp(1, WINDOW_MAX).into(),
            unanswered: VecDeque::new(),
            number: 0,
            next_message_id: message_ids,
        }
    }

    /// Says lines until there are no more. When the connection ends it stops and never returns: the end is told
    /// by the events.
    pub async fn talk(&mut self, inputs: &mut mpsc::Receiver<Input>) -> End {
        let mut end = None;
        loop {
            tokio::select! {
                biased;
                answer = first_answer(&mut self.unanswered, self.patience), if !self.unanswered.is_empty() => {
                    self.conclude(answer).await;
                }
                input = inputs.recv(), if end.is_none() && self.unanswered.len() < self.window => {
                    end = match input {
                        Some(input) => self.take(input).await,
                        None => Some(End::Input),
                    };
                }
                else => return end.expect("the window has room for a line"),
            }
        }
    }

    async fn take(&mut self, input: Input) -> Option<End> {
        self.number += 1;
        let line = match input {
            Input::Line(line) => line,
            Input::Mended(line, encoding) => {
                self.output.warn(self.lang.line_mended(self.number, encoding)).await;
                line
            }
            Input::Unreadable(why) => {
                self.reject(self.lang.line_unreadable(self.number, &why)).await;
                return None;
            }
            Input::TooLong => {
                self.reject(self.lang.line_refused(self.number, chat_proto::ErrorCode::TextTooLong.into()))
                    .await;
                return None;
            }
            Input::Broken(why) => {
                self.output.warn(self.lang.input_broken(&why)).await;
                return None;
            }
        };
        match Command::parse(&line) {
            Command::Say(text) => self.say(None, text).await,
            Command::Whisper { to, text } => self.say(Some(to), text).await,
            Command::Who => self.list_members().await,
            Command::Help => {
                for line in self.lang.help() {
                    self.output.answer((*line).to_owned()).await;
                }
            }
            Command::Quit => return Some(End::Quit),
            Command::Nothing => {}
            Command::Incomplete => self.reject(self.lang.incomplete_whisper(self.number)).await,
            Command::Unknown(word) => self.reject(self.lang.unknown_command(self.number, word)).await,
        }
        None
    }

    /// A line that cannot be sent is one that will never be acknowledged.
    async fn reject(&self, why: String) {
        self.tally.wanted.update(|lines| lines + 1);
        self.output.warn(why).await;
    }

    async fn say(&mut self, to: Option<&str>, text: &str) {
        self.tally.wanted.update(|lines| lines + 1);
        let (message_id, number) = (self.next_message_id, self.number);
        self.next_message_id += 1;
        self.pace.wait().await;
        let line = Line { number, message_id, to: to.map(str::to_owned), text: text.to_owned(), tries: 0 };
        self.send(line).await;
    }

    /// Sends a line, after those already sent and before any that is sent later.
    async fn send(&mut self, mut line: Line) {
        line.tries += 1;
        let answer = match &line.to {
            None => self.session.send_broadcast(line.message_id, &line.text).await.map(Answer::Broadcast),
            Some(to) => self.session.send_whisper(line.message_id, to, &line.text).await.map(Answer::Whisper),
        };
        match answer {
            Ok(answer) => self.unanswered.push_back(Sent { line, since: Instant::now(), answer }),
            Err(error) => self.failed(line, error).await,
        }
    }

    async fn conclude(&mut self, (line, outcome): (Line, Result<Option<Receipt>, Error>)) {
        match outcome {
            Ok(receipt) => {
                self.tally.acknowledged.update(|lines| lines + 1);
                if let Some(receipt) = receipt {
                    let (epoch, seq) = (receipt.epoch, receipt.seq);
                    self.output.detail(format!("line {}: epoch {epoch}, seq {seq}", line.number)).await;
                }
            }
            Err(Error::Refused(refusal)) if is_momentary(refusal) && line.tries < TRIES_MAX => {
                self.send_again(line, refusal).await;
            }
            Err(error) => self.failed(line, error).await,
        }
    }

    async fn send_again(&mut self, line: Line, refusal: Refusal) {
        let asked = Duration::from_millis(refusal.retry_ms.into());
        let wait = if asked.is_zero() { RETRY } else { asked };
        self.pace.fall_behind(Instant::now(), wait);
        sleep(wait).await;
        self.send(line).await;
    }

    async fn failed(&self, line: Line, error: Error) {
        match error {
            Error::Refused(refusal) => {
                self.output.warn(self.lang.line_refused(line.number, refusal.code)).await;
            }
            Error::Timeout(_) => self.output.warn(self.lang.line_unanswered(line.number)).await,
            // The connection is over.
            _ => pending().await,
        }
    }

    async fn list_members(&self) {
        let (mut walk, mut pages, mut listed) = (self.session.members(LOBBY), 0, 0);
        loop {
            let page = match walk.next_page().await {
                Ok(Some(page)) => page,
                Ok(None) => return,
                Err(error) => return self.output.warn(self.lang.error(&error)).await,
            };
            let name = |entry: &chat_proto::WhoEntry| {
                format!("{}{}", escape(&entry.name), self.lang.state(entry.state))
            };
            if pages == 0 {
                self.output.answer(self.lang.here(page.members)).await;
            }
            let names: Vec<_> = page.entries.0.iter().map(name).collect();
            self.output.answer(format!("  {}", names.join(", "))).await;
            pages += 1;
            listed += u32::try_from(names.len()).unwrap_or(u32::MAX);
            if pages == PAGES_MAX && page.next != 0 {
                let more = page.members.saturating_sub(listed);
                return self.output.answer(self.lang.and_more(more)).await;
            }
        }
    }
}

/// The oldest line's answer. May be dropped and called again; waits for ever while no line is unanswered.
async fn first_answer(
    unanswered: &mut VecDeque<Sent>,
    patience: Option<Duration>,
) -> (Line, Result<Option<Receipt>, Error>) {
    let Some(Sent { since, answer, .. }) = unanswered.front_mut() else { return pending().await };
    let since = *since;
    let answering = async {
        match answer {
            Answer::Broadcast(answer) => answer.await.map(Some),
            Answer::Whisper(answer) => answer.await.map(|_| None),
        }
    };
    let outcome = match patience {
        None => answering.await,
        Some(patience) => {
            timeout_at(since + patience, answering).await.unwrap_or(Err(Error::Timeout("an answer")))
        }
    };
    let sent = unanswered.pop_front().expect("nobody else takes from it");
    (sent.line, outcome)
}
