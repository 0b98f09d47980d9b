//! Somebody whose session outlives servers: who talks, and writes down all that is heard.

use std::{collections::VecDeque, time::Duration};

use chat_proto::{Credential, ErrorCode, LOBBY, LineHead, MAILBOX, Missed, Receipt, WhisperReceipt};
use iocp_chat::client::{Event, Events, Pending, Reconnect, Saved, Session, Timeouts};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::house::{Door, PASSWORD};

/// Lines that a talker has unanswered at once.
const UNANSWERED: usize = 4;
/// The longest that a talker thinks between two lines, in milliseconds.
const THOUGHT_MAX_MS: u64 = 8;
/// How the last line of a round begins; its number follows.
pub const END: &str = "end of round";

/// Where a line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub conversation: u64,
    pub epoch: u64,
    pub seq: u64,
}

/// A line that was said and answered.
#[derive(Clone, Debug)]
pub struct Said {
    pub place: Place,
    pub sender: String,
    pub text: String,
}

/// A whisper that was answered. Where it stands is told only to who hears it.
#[derive(Clone, Debug)]
pub struct Whispered {
    pub sender: String,
    pub to: String,
    pub text: String,
}

/// What somebody said, each in its order.
#[derive(Default)]
pub struct Talk {
    pub said: Vec<Said>,
    pub whispered: Vec<Whispered>,
    /// What was refused since a slow disk did not store it in time. Only after a kill it may be heard all the same.
    pub unstored: Vec<String>,
}

/// What is not answered yet.
enum Waiting {
    Line(u64, Pending<Receipt>),
    Whisper(String, Pending<WhisperReceipt>),
}

/// What somebody heard.
#[derive(Clone, Debug)]
pub enum Heard {
    Line(Said),
    Missed(Missed),
}

/// Somebody who is connected.
pub struct Person {
    pub name: String,
    pub session: Session,
    events: Events,
}

impl Place {
    fn of(head: LineHead) -> Self {
        Self { conversation: head.conversation, epoch: head.epoch, seq: head.seq }
    }
}

fn reconnect(seed: u64) -> Reconnect {
    // However long a server is away: what is tested is what becomes of lines.
    let long = Duration::from_mins(5);
    Reconnect::new(seed).timeouts(Timeouts { connect: long, login: long, answer: long })
}

impl Person {
    /// Logs in, with a password if there is an account of that name.
    pub async fn log_in(door: &Door, name: &str, has_account: bool, seed: u64) -> Self {
        let credential =
            if has_account { Credential::Password(PASSWORD.as_bytes().into()) } else { Credential::None };
        let door = door.clone();
        let entered = reconnect(seed).log_in(move || door.clone().connect(), name, credential).await;
        let (session, events) = entered.expect("logged in");
        Self { name: name.into(), session, events }
    }

    /// Goes on with what another program has written down. Nobody has the password any more.
    pub async fn resume(door: &Door, saved: &str, seed: u64) -> Self {
        let saved: Saved = serde_json::from_str(saved).expect("it reads what it wrote");
        let (name, door) = (saved.name().to_owned(), door.clone());
        let entered = reconnect(seed).resume(saved, move || door.clone().connect(), Credential::None).await;
        let (session, events) = entered.expect("let in");
        Self { name, session, events }
    }

    /// What has come, if anything has.
    pub fn try_next(&mut self) -> Option<Event> {
        self.events.try_next()
    }

    /// Listens until this line has come in the lobby, in `room` and as a whisper. Counts how often somebody is back.
    pub async fn listen(&mut self, room: u64, end: &str, back: &watch::Sender<usize>) -> Vec<Heard> {
        let (mut heard, mut going_on) = (Vec::new(), vec![LOBBY, room, MAILBOX]);
        while !going_on.is_empty() {
            let event = self.events.next().await.expect("it goes on");
            if let Event::Resumed(_) = event {
                back.send_modify(|back| *back += 1);
            }
            self.hear(event, &mut heard);
            if let Some(Heard::Line(line)) = heard.last()
                && line.text == end
            {
                going_on.retain(|conversation| *conversation != line.place.conversation);
            }
        }
        // The last is only dealt with when the next is asked for.
        while let Some(event) = self.events.try_next() {
            self.hear(event, &mut heard);
        }
        heard
    }

    fn hear(&self, event: Event, heard: &mut Vec<Heard>) {
        match event {
            Event::Broadcast(line) | Event::Whisper(line) => {
                let place = Place::of(line.head);
                heard.push(Heard::Line(Said { place, sender: line.sender, text: line.text }));
            }
            Event::Missed(missed) => heard.push(Heard::Missed(missed)),
            Event::Resumed(resumed) => assert!(resumed.lost.is_empty(), "{}: {resumed:?}", self.name),
            Event::Reconnecting { .. } | Event::Joined(_) | Event::Left(_) => {}
            other => panic!("{} hears {other:?}", self.name),
        }
    }

    /// Leaves as a program that is ended does; what it has written down.
    pub fn save(self) -> String {
        let saved = self.session.saved().expect("it outlives its connections");
        assert_eq!(saved.unanswered(), 0, "{}", self.name);
        serde_json::to_string(&saved).expect("JSON")
    }
}

/// Talks in the lobby, in `room` and to `others` by turns until `enough`, and counts what is answered.
pub async fn talk(
    (session, name): (Session, String),
    (room, others): (u64, Vec<String>),
    seed: u64,
    (enough, answered): (CancellationToken, watch::Sender<usize>),
) -> Talk {
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut talk, mut waiting) = (Talk::default(), VecDeque::new());
    for number in 0.. {
        if enough.is_cancelled() {
            break;
        }
        let text = format!("{name} {seed:x} {number}");
        let sent = match number % 3 {
            0 => Waiting::Line(LOBBY, send(&session, LOBBY, &text).await),
            1 => Waiting::Line(room, send(&session, room, &text).await),
            _ => {
                let to = &others[rng.random_range(0..others.len())];
                Waiting::Whisper(to.clone(), session.send_whisper(0, to, &text).await.expect("it goes on"))
            }
        };
        waiting.push_back((sent, text));
        if waiting.len() == UNANSWERED && talk.await_first(&mut waiting, &name).await {
            answered.send_modify(|count| *count += 1);
        }
        sleep(Duration::from_millis(rng.random_range(0..=THOUGHT_MAX_MS))).await;
    }
    while !waiting.is_empty() {
        talk.await_first(&mut waiting, &name).await;
    }
    talk
}

impl Talk {
    /// Waits for the oldest answer; whether it was said.
    async fn await_first(&mut self, waiting: &mut VecDeque<(Waiting, String)>, name: &str) -> bool {
        let (first, text) = waiting.pop_front().expect("something waits");
        let outcome = match first {
            Waiting::Line(conversation, answer) => answer.await.map(|Receipt { epoch, seq, .. }| {
                let place = Place { conversation, epoch, seq };
                self.said.push(Said { place, sender: name.into(), text: text.clone() });
            }),
            Waiting::Whisper(to, answer) => answer.await.map(|WhisperReceipt { kept, .. }| {
                assert_eq!(kept, 0, "nobody is away for long");
                self.whispered.push(Whispered { sender: name.into(), to, text: text.clone() });
            }),
        };
        let Err(error) = outcome else { return true };
        let unstored = error.refusal() == Some(ErrorCode::StorageUnavailable.into());
        assert!(unstored, "{name}: {text}: {error}");
        self.unstored.push(text);
        false
    }
}

async fn send(session: &Session, conversation: u64, text: &str) -> Pending<Receipt> {
    let sent = match conversation {
        LOBBY => session.send_broadcast(0, text).await,
        room => session.send_room_chat(0, room, text).await,
    };
    sent.expect("it goes on")
}

/// Says the last line of a round, and whispers it to `others`.
pub async fn say_the_end(session: &Session, room: u64, others: &[String], end: &str) {
    for conversation in [LOBBY, room] {
        send(session, conversation, end).await.await.expect("said");
    }
    for other in others {
        session.whisper(other, end).await.expect("whispered");
    }
}
