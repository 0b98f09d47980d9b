//! One person of a crowd: talks, listens, comes back, goes in and out of the room.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use chat_proto::{Act, Credential, ErrorCode, LOBBY, Receipt, RoomSettings, WhisperReceipt};
use iocp_chat::client::{Error, Event, Events, Pending, Reconnect, Session};
use rand::{RngExt as _, SeedableRng, rngs::StdRng};
use tokio::time::sleep;

use super::{
    crowd::Crowd,
    truth::{Fate, To},
};

/// The room that everyone is in.
const DEN: &str = "den";

/// Somebody who is here.
pub struct Person {
    pub name: String,
    number: usize,
    crowd: Arc<Crowd>,
    session: Session,
    rng: StdRng,
}

/// A line that was sent.
enum Sent {
    Line(Pending<Receipt>),
    Whisper(Pending<WhisperReceipt>),
}

impl Person {
    /// Logs in, as often as it takes.
    pub async fn come_in(crowd: Arc<Crowd>, number: usize) -> (Self, Events) {
        let name = format!("p{number}");
        let seed = crowd.terms.seed << 8 | number as u64;
        let mut rng = StdRng::seed_from_u64(seed);
        let (session, events) = loop {
            let dial = crowd.dial(rng.random());
            "logs in".clone_into(&mut crowd.doing[number].lock());
            let client = Reconnect::new(rng.random());
            match client.log_in(dial, &name, Credential::None).await {
                Ok(here) => break here,
                Err(why) => {
                    *crowd.doing[number].lock() = format!("logs in again after {why:?}");
                    // There may be a session that this one knows nothing of.
                    let at = crowd.now();
                    crowd.ears[number].lock().begin_again(at);
                    assert!(!matches!(why, Error::Protocol(_)), "{name}: {why:?}");
                    sleep(Duration::from_millis(rng.random_range(100..=5_000))).await;
                }
            }
        };
        events.tell_own_rooms();
        let at = crowd.now();
        crowd.ears[number].lock().enter(at, &session.welcome().conversations.0);
        (Self { name, number, crowd, session, rng }, events)
    }

    /// Takes what is heard, until it is over.
    pub async fn listen(crowd: Arc<Crowd>, number: usize, mut events: Events) {
        let mut rng = StdRng::seed_from_u64(crowd.terms.seed << 8 | 0x80 | number as u64);
        while let Some(event) = events.next().await {
            let at = crowd.now();
            if let Event::Broadcast(line) = &event {
                crowd.truth.lock().check_reader(&line.text, &format!("p{number}"));
            }
            crowd.ears[number].lock().hear(at, event);
            if crowd.terms.slow_readers && rng.random_ratio(1, 8) {
                sleep(Duration::from_millis(rng.random_range(0..=400))).await;
            }
        }
    }

    /// Does all that it does in a history.
    pub async fn live(&mut self) {
        if self.number == 0 {
            self.make_the_room().await;
        } else {
            self.join().await;
        }
        if self.number < self.crowd.terms.talkers {
            self.talk().await;
        } else {
            self.stay_around().await;
        }
    }

    /// Leaves for good.
    pub async fn log_out(self) {
        let _ = self.session.log_out().await;
    }

    async fn make_the_room(&mut self) {
        loop {
            let settings = RoomSettings { capacity: 100, flags: 0, slow_s: 0 };
            match self.session.create_room(DEN, "", settings, "").await {
                Err(Error::Uncertain | Error::Timeout(_)) => {}
                Err(Error::Refused(_)) => return self.join().await,
                outcome => return drop(outcome.expect("rooms may be made")),
            }
        }
    }

    fn does(&self, what: impl Into<String>) {
        *self.crowd.doing[self.number].lock() = what.into();
    }

    async fn join(&mut self) {
        if !self.crowd.truth.lock().begin_to_come_in(&self.name) {
            return;
        }
        // Bounded: a room that is never made is one that nobody joins.
        for _ in 0..500 {
            self.does("joins");
            match self.session.join_room(DEN, "").await {
                Ok(_) => break,
                Err(Error::Refused(refusal)) if refusal.code == ErrorCode::AlreadyInRoom.into() => break,
                Err(Error::Refused(_)) => self.pause(500).await,
                Err(Error::Uncertain | Error::Timeout(_)) => {}
                Err(why) => panic!("{}: {why:?}", self.name),
            }
        }
        self.crowd.truth.lock().come_in(&self.name);
    }

    async fn join_or_make(&mut self) {
        self.does("joins or makes");
        let settings = RoomSettings { capacity: 100, flags: 0, slow_s: 0 };
        if self.session.join_room(DEN, "").await.is_err() {
            // Somebody may have been faster; there is another time.
            let _ = self.session.create_room(DEN, "", settings, "").await;
        }
    }

    async fn pause(&mut self, most_ms: u64) {
        let pause = Duration::from_millis(self.rng.random_range(0..=most_ms));
        if !pause.is_zero() {
            sleep(pause).await;
        }
    }

    async fn talk(&mut self) {
        let mut waiting = VecDeque::new();
        let most = self.rng.random_range(0..8);
        for number in 0..self.crowd.terms.lines {
            if self.rng.random_ratio(1, 3) {
                let most_ms = self.crowd.terms.pause_ms;
                self.pause(most_ms).await;
            }
            if self.number == 0 && self.crowd.terms.kicks && self.rng.random_ratio(1, 10) {
                self.kick_somebody().await;
            }
            // Whoever had to begin again is out of it.
            if self.crowd.ears[self.number].lock().room().is_none() && self.rng.random_ratio(1, 5) {
                self.join_or_make().await;
            }
            let text = format!("{}.{number}", self.name);
            if let Some(sent) = self.say(&text).await {
                waiting.push_back((text, sent));
            }
            while waiting.len() > most {
                let (text, sent) = waiting.pop_front().expect("there are some");
                self.conclude(&text, sent).await;
            }
        }
        for (text, sent) in waiting {
            self.conclude(&text, sent).await;
        }
    }

    /// Sends a line to the lobby, to the room or to somebody.
    async fn say(&mut self, text: &str) -> Option<Sent> {
        let (room, choice) = (self.crowd.ears[self.number].lock().room(), self.rng.random_range(0..10));
        self.does(format!("sends {text}"));
        let sent = match room {
            Some(room) if choice < 4 => {
                self.crowd.truth.lock().begin(text, &self.name, To::Conversation(room), true);
                self.session.send_room_chat(0, room, text).await.map(Sent::Line)
            }
            _ if choice < 7 => {
                self.crowd.truth.lock().begin(text, &self.name, To::Conversation(LOBBY), false);
                self.session.send_broadcast(0, text).await.map(Sent::Line)
            }
            _ => {
                let others = self.crowd.terms.people() - 1;
                let other = (self.number + 1 + self.rng.random_range(0..others)) % (others + 1);
                let to = format!("p{other}");
                self.crowd.truth.lock().begin(text, &self.name, To::Person(to.clone()), false);
                self.session.send_whisper(0, &to, text).await.map(Sent::Whisper)
            }
        };
        match sent {
            Ok(sent) => Some(sent),
            Err(why) => {
                self.crowd.truth.lock().conclude(text, self.fate(&why));
                None
            }
        }
    }

    async fn conclude(&self, text: &str, sent: Sent) {
        self.does(format!("waits for the answer to {text}"));
        let seq = match sent {
            Sent::Line(pending) => pending.await.map(|receipt| receipt.seq),
            Sent::Whisper(pending) => pending.await.map(|_| 0),
        };
        let fate = seq.map_or_else(|why| self.fate(&why), Fate::Said);
        self.crowd.truth.lock().conclude(text, fate);
    }

    fn fate(&self, why: &Error) -> Fate {
        match why {
            Error::Refused(_) => Fate::Refused,
            Error::Uncertain if self.crowd.terms.restarts => Fate::Unknown,
            why => panic!("{}: {why:?}", self.name),
        }
    }

    /// Puts somebody out of the room who only listens.
    async fn kick_somebody(&mut self) {
        let terms = &self.crowd.terms;
        let other = self.rng.random_range(terms.talkers..terms.people());
        let name = format!("p{other}");
        let Some(room) = self.crowd.ears[self.number].lock().room() else { return };
        if !self.crowd.truth.lock().begin_to_put_out(&name) {
            return;
        }
        let done = loop {
            self.does(format!("puts out {name}"));
            match self.session.moderate(room, Act::Kick, &name, 0, "").await {
                Ok(()) => break true,
                // An answer was lost: it was done.
                Err(Error::Refused(refusal)) => break refusal.code == ErrorCode::UserNotFound.into(),
                Err(Error::Uncertain | Error::Timeout(_)) => {}
                Err(why) => panic!("{}: {why:?}", self.name),
            }
        };
        self.crowd.truth.lock().put_out(&name, done);
    }

    /// Comes back into the room now and then, until everyone has said what they say.
    async fn stay_around(&mut self) {
        while !self.crowd.is_done() {
            self.does("listens");
            self.pause(10_000).await;
            if self.crowd.ears[self.number].lock().room().is_none() {
                self.join().await;
            }
        }
    }
}
