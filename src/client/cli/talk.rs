//! From lines of input to requests: in order, at the server's pace, each one followed to its answer.

use std::{cell::Cell, collections::VecDeque, future::pending, time::Duration};

use chat_proto::{Envelope, ErrorCode, Receipt, Refusal, WhisperReceipt};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use super::{
    asker::{Asker, does_something},
    chat::Chat,
    command::Command,
    input::Input,
    request::Request,
    rooms::Target,
    seals::{Whispering, Withheld},
    words::is_momentary,
};
use crate::client::{Error, Pace, Pending};

/// How long a line's answer is waited for without `--wait-ack`.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How often a line is sent in all while the server is too busy for it.
const TRIES_MAX: u32 = 100;
/// How long to wait when the server does not say.
const RETRY: Duration = Duration::from_secs(1);
/// Lines unanswered at a time, where the server sets no rate.
const WINDOW_MAX: u16 = 64;
/// How long a line that somebody types may have to wait at a refusal before it is sent again. Whoever sits there is told
/// of a longer time, such as that of a room in slow mode; a pipe has time.
const TYPED_WAIT: Duration = Duration::from_secs(3);

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
    chat: &'a Chat<'a>,
    asker: Asker<'a>,
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
    to: To,
    text: String,
    tries: u32,
}

enum To {
    Lobby,
    Room(u64),
    Person(String),
    Sealed(String, Envelope),
}

struct Sent {
    line: Line,
    since: Instant,
    answer: Answer,
}

enum Answer {
    Line(Pending<Receipt>),
    Whisper(Pending<WhisperReceipt>),
}

impl<'a> Talker<'a> {
    /// Has said nothing yet. `message_ids` is the first of many that this user has not used before.
    #[must_use]
    pub fn new(chat: &'a Chat<'a>, message_ids: u64) -> Self {
        let limits = &chat.session.server().limits;
        let window = if limits.chat_per_second == 0 { limits.requests_outstanding } else { 1 };
        Self {
            chat,
            asker: Asker::new(chat),
            pace: Pace::new(limits.chat_per_second, limits.chat_burst, Instant::now()),
            patience: (!chat.args.wait_ack).then_some(PATIENCE),
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
                answer = self.first_answer(), if !self.unanswered.is_empty() => {
                    self.conclude(answer).await;
                }
                input = inputs.recv(), if end.is_none() && self.unanswered.len() < self.window => {
                    end = match input {
                        Some(input) => self.take(input).await,
                        None => Some(End::Input),
                    };
                    self.chat.rooms.prompt.set_done(self.number);
                }
                else => return end.expect("the window has room for a line"),
            }
        }
    }

    async fn take(&mut self, input: Input) -> Option<End> {
        self.number += 1;
        let Chat { output, lang, .. } = *self.chat;
        let line = match input {
            Input::Line(line) => line,
            Input::Mended(line, encoding) => {
                output.warn(lang.line_mended(self.number, encoding)).await;
                line
            }
            Input::Unreadable(why) => {
                self.reject(lang.line_unreadable(self.number, &why)).await;
                return None;
            }
            Input::TooLong => {
                self.refuse(ErrorCode::TextTooLong).await;
                return None;
            }
            Input::Broken(why) => {
                output.warn(lang.input_broken(&why)).await;
                return None;
            }
        };
        match Command::parse(&line) {
            Command::Say(text) => self.say_there(text).await,
            Command::Whisper { to, text } => self.whisper(to, text).await,
            Command::SayIn { room, text } => match self.chat.rooms.find(room) {
                Some(room) => self.say(To::Room(room.conversation), text).await,
                None => self.refuse(ErrorCode::NotInRoom).await,
            },
            Command::Lobby => {
                self.chat.rooms.aim(Target::Lobby);
                output.notice(lang.lines_go_to_lobby().to_owned()).await;
            }
            Command::Ask(request) => self.ask(&request).await,
            Command::Help => {
                for line in lang.help() {
                    output.answer(line).await;
                }
            }
            Command::Quit => return Some(End::Quit),
            Command::Nothing => {}
            Command::Incomplete(usage) => self.reject(lang.incomplete(self.number, usage)).await,
            Command::Unknown(word) => self.reject(lang.unknown_command(self.number, word)).await,
        }
        None
    }

    /// A line that cannot be sent is one that will never be acknowledged.
    async fn reject(&self, why: String) {
        self.chat.tally.wanted.update(|lines| lines + 1);
        self.chat.output.warn(why).await;
    }

    /// As the server would.
    async fn refuse(&self, code: ErrorCode) {
        self.reject(self.chat.lang.line_refused(self.number, Refusal::new(code))).await;
    }

    /// Says a line where lines go. One that may have been meant for a room one was just put out of is not said to
    /// everyone in the lobby; somebody at a terminal is told so, and may say it again.
    async fn say_there(&mut self, text: &str) {
        let rooms = self.chat.rooms;
        match rooms.target() {
            Target::Lobby => self.say(To::Lobby, text).await,
            Target::Room(room) => self.say(To::Room(room.conversation), text).await,
            Target::Lost(room) => {
                self.reject(self.chat.lang.line_lost(self.number, &room, rooms.after_loss())).await;
                if rooms.at_terminal {
                    rooms.aim(Target::Lobby);
                }
            }
        }
    }

    /// Says a line to one person, sealed where that can be.
    async fn whisper(&mut self, to: &str, text: &str) {
        let Chat { args, lang, output, seals, .. } = *self.chat;
        let whispering = match seals {
            Ok(seals) => seals.whispering(to, text, !args.require_e2e).await,
            Err(_) if args.require_e2e => Ok(Whispering::Withheld(Withheld::Unable)),
            Err(unsealing) if unsealing.may_have_keys(to) => {
                Ok(Whispering::Withheld(Withheld::HadKeys(lang.cannot_seal(&unsealing.why))))
            }
            Err(_) => Ok(Whispering::Plain { first: false }),
        };
        self.chat.tell_of_contacts().await;
        match whispering {
            Ok(Whispering::Plain { first }) => {
                if first {
                    output.notice(lang.whispers_are_plain(to)).await;
                }
                self.say(To::Person(to.to_owned()), text).await;
            }
            Ok(Whispering::Sealed { envelope, first }) => {
                if first {
                    output.notice(lang.whispers_are_sealed(to)).await;
                }
                self.say(To::Sealed(to.to_owned(), envelope), text).await;
            }
            Ok(Whispering::Withheld(why)) => self.reject(lang.whisper_withheld(self.number, to, &why)).await,
            Err(error) => {
                self.chat.tally.wanted.update(|lines| lines + 1);
                self.failed(self.number, error).await;
            }
        }
    }

    /// Asks, after all that was said before has been concluded, also where that has to be sent again.
    async fn ask(&mut self, request: &Request<'_>) {
        while !self.unanswered.is_empty() {
            let answer = self.first_answer().await;
            self.conclude(answer).await;
        }
        let (tally, counts) = (self.chat.tally, u64::from(does_something(request)));
        tally.wanted.update(|lines| lines + counts);
        match self.asker.ask(request).await {
            Ok(()) => tally.acknowledged.update(|lines| lines + counts),
            Err(error) => self.failed(self.number, error).await,
        }
    }

    async fn say(&mut self, to: To, text: &str) {
        self.chat.tally.wanted.update(|lines| lines + 1);
        let (message_id, number) = (self.next_message_id, self.number);
        self.next_message_id += 1;
        self.pace.wait().await;
        let line = Line { number, message_id, to, text: text.to_owned(), tries: 0 };
        self.send(line).await;
    }

    /// Sends a line, after those already sent and before any that is sent later.
    async fn send(&mut self, mut line: Line) {
        line.tries += 1;
        let (session, id, text) = (self.chat.session, line.message_id, &line.text);
        let answer = match &line.to {
            To::Lobby => session.send_broadcast(id, text).await.map(Answer::Line),
            To::Room(room) => session.send_room_chat(id, *room, text).await.map(Answer::Line),
            To::Person(name) => session.send_whisper(id, name, text).await.map(Answer::Whisper),
            To::Sealed(name, envelope) => {
                session.send_sealed(id, name, text, envelope.clone()).await.map(Answer::Whisper)
            }
        };
        match answer {
            Ok(answer) => {
                self.unanswered.push_back(Sent { line, since: Instant::now(), answer });
                self.chat.signals.changed.notify_one();
            }
            Err(error) => self.failed(line.number, error).await,
        }
    }

    /// The oldest line's answer. May be dropped and called again; waits for ever while no line is unanswered.
    async fn first_answer(&mut self) -> (Line, Result<Option<Receipt>, Error>) {
        let Some(Sent { since, answer, .. }) = self.unanswered.front_mut() else { return pending().await };
        let since = *since;
        let answering = async {
            match answer {
                Answer::Line(answer) => answer.await.map(Some),
                Answer::Whisper(answer) => answer.await.map(|_| None),
            }
        };
        let outcome = match self.patience {
            None => answering.await,
            // Nobody is late while there is no connection.
            Some(patience) => self.chat.session.within(since, patience, answering).await,
        };
        let sent = self.unanswered.pop_front().expect("nobody else takes from it");
        self.chat.signals.changed.notify_one();
        (sent.line, outcome)
    }

    async fn conclude(&mut self, (line, outcome): (Line, Result<Option<Receipt>, Error>)) {
        match outcome {
            Ok(receipt) => {
                self.chat.tally.acknowledged.update(|lines| lines + 1);
                if let Some(receipt) = receipt {
                    let (epoch, seq) = (receipt.epoch, receipt.seq);
                    self.chat.output.detail(format!("line {}: epoch {epoch}, seq {seq}", line.number)).await;
                }
            }
            Err(Error::Refused(refusal)) if is_momentary(refusal) && line.tries < TRIES_MAX => {
                let asked = Duration::from_millis(refusal.retry_ms.into());
                if self.chat.rooms.at_terminal && asked > TYPED_WAIT {
                    return self.failed(line.number, Error::Refused(refusal)).await;
                }
                self.send_again(line, if asked.is_zero() { RETRY } else { asked }).await;
            }
            Err(error) => {
                if let (To::Sealed(name, _), Ok(seals)) = (&line.to, self.chat.seals)
                    && matches!(&error, Error::Refused(refusal) if refusal.code == ErrorCode::NoKeys.into())
                {
                    seals.ask_anew(name);
                }
                self.failed(line.number, error).await;
            }
        }
    }

    async fn send_again(&mut self, line: Line, wait: Duration) {
        self.pace.fall_behind(Instant::now(), wait);
        sleep(wait).await;
        self.send(line).await;
    }

    async fn failed(&self, number: u64, error: Error) {
        let Chat { output, lang, .. } = *self.chat;
        match error {
            Error::Refused(refusal) => output.warn(lang.line_refused(number, refusal)).await,
            Error::Timeout(_) => output.warn(lang.line_unanswered(number)).await,
            Error::Uncertain => output.warn(lang.line_uncertain(number)).await,
            // The connection is over.
            _ => pending().await,
        }
    }
}
