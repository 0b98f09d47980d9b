//! What one person has heard, in order, and what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};

use chat_proto::{LOBBY, MAILBOX, Presence, UNKNOWN_END};
use iocp_chat::client::Event;

use super::truth::{Lines, Truth};

/// Something that was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A line of the lobby or a room.
    Line { conversation: u64, seq: u64, sender: String, text: String },
    /// A whisper.
    Whisper { seq: u64, sender: String, text: String },
    /// Lines that will not be heard.
    Missed { conversation: u64, from: u64, to: u64 },
    /// One is in a conversation, after this line.
    In { conversation: u64, seq: u64 },
    /// One is not any more.
    Out(u64),
    /// The connection is lost.
    Lost,
    /// It goes on by another.
    Back,
    /// It does not: one has begun again.
    Anew,
    /// It is over.
    Over(String),
}

/// Somebody's ear.
#[derive(Clone, Debug, Default)]
pub struct Ear {
    /// What was heard, and how many milliseconds after the beginning.
    pub heard: Vec<(u64, Heard)>,
    /// The conversations they are in.
    within: BTreeSet<u64>,
}

impl Ear {
    /// In the conversations of a login's answer.
    pub fn enter(&mut self, at: u64, places: &[Presence]) {
        for Presence { conversation, seq, .. } in places {
            self.within.insert(*conversation);
            self.heard.push((at, Heard::In { conversation: *conversation, seq: *seq }));
        }
    }

    /// A login has come to nothing, or to a session whose answer was lost.
    pub fn begin_again(&mut self, at: u64) {
        self.heard.push((at, Heard::Anew));
    }

    /// Takes an event.
    pub fn hear(&mut self, at: u64, event: Event) {
        let heard = match event {
            Event::Broadcast(line) => {
                let (conversation, seq) = (line.head.conversation, line.head.seq);
                Heard::Line { conversation, seq, sender: line.sender, text: line.text }
            }
            Event::Whisper(line) => {
                Heard::Whisper { seq: line.head.seq, sender: line.sender, text: line.text }
            }
            Event::Missed(missed) => {
                Heard::Missed { conversation: missed.conversation, from: missed.from, to: missed.to }
            }
            Event::RoomEntered(entered) => return self.enter(at, &[entered.place]),
            Event::RoomLeft { conversation, .. } => return self.leave(at, conversation),
            Event::Removed(removed) => return self.leave(at, removed.conversation),
            // The room is theirs: whoever had it did not come back in time.
            Event::Moderated(_) => return,
            Event::Reconnecting { .. } => Heard::Lost,
            Event::Resumed(resumed) => {
                self.heard.push((at, Heard::Back));
                for conversation in resumed.lost {
                    self.leave(at, conversation);
                }
                return self.enter(at, &resumed.entered);
            }
            Event::Restarted(anew) => {
                self.heard.push((at, Heard::Anew));
                self.within.clear();
                return self.enter(at, &anew.welcome.conversations.0);
            }
            Event::Goodbye(goodbye) => Heard::Over(format!("goodbye {}", goodbye.code.0)),
            other => Heard::Over(format!("{other:?}")),
        };
        self.heard.push((at, heard));
    }

    fn leave(&mut self, at: u64, conversation: u64) {
        self.within.remove(&conversation);
        self.heard.push((at, Heard::Out(conversation)));
    }

    /// The room they are in beside the lobby.
    pub fn room(&self) -> Option<u64> {
        self.within.iter().copied().find(|one| ![LOBBY, MAILBOX].contains(one))
    }

    /// How often they were told that lines are missing.
    pub fn missed(&self) -> u64 {
        self.heard.iter().filter(|(_, heard)| matches!(heard, Heard::Missed { .. })).count() as u64
    }

    /// How often they had to begin again.
    pub fn anew(&self) -> u64 {
        self.heard.iter().filter(|(_, heard)| *heard == Heard::Anew).count() as u64
    }

    /// Panics unless all was heard that there was to hear, in order and once, but for what is missing as it was told.
    /// `ends`: the last line of each conversation.
    pub fn check(&self, name: &str, truth: &Truth, lines: &Lines, ends: &BTreeMap<u64, u64>) {
        let mut cursors: BTreeMap<u64, u64> = BTreeMap::new();
        // One's own lines have numbers and are not heard.
        let only_own = |conversation: u64, after: u64, before: u64| {
            for seq in after + 1..before {
                let text = lines.get(&(conversation, seq));
                let own = text.is_some_and(|text| truth.author(text) == name);
                assert!(own, "{name} did not hear {conversation}/{seq}, {text:?}");
            }
        };
        let mut whispers = BTreeSet::new();
        for (at, heard) in &self.heard {
            match heard {
                Heard::Line { conversation, seq, .. } => {
                    let cursor = cursors.get_mut(conversation);
                    let cursor = cursor.unwrap_or_else(|| panic!("{name} is not there at {at}: {heard:?}"));
                    assert!(*seq > *cursor, "{name} heard it at {at} after {cursor}: {heard:?}");
                    only_own(*conversation, *cursor, *seq);
                    *cursor = *seq;
                }
                Heard::Whisper { seq, sender, text } => {
                    truth.check_whisper(text, sender, name);
                    assert!(whispers.insert(text.as_str()), "{name} heard {text} twice");
                    let cursor = cursors.entry(MAILBOX).or_default();
                    assert_eq!(*seq, *cursor + 1, "{name} at {at}: {heard:?}");
                    *cursor = *seq;
                }
                Heard::Missed { conversation, from, to } => {
                    let cursor = cursors.get_mut(conversation).expect("one misses what one is in");
                    assert!(*from > *cursor && to >= from, "{name} at {at} after {cursor}: {heard:?}");
                    only_own(*conversation, *cursor, *from);
                    assert!(*to < UNKNOWN_END, "{name}: no epoch ends here");
                    *cursor = *to;
                }
                Heard::In { conversation, seq } => {
                    cursors.insert(*conversation, *seq);
                }
                Heard::Out(conversation) => {
                    cursors.remove(conversation);
                }
                Heard::Anew => cursors.clear(),
                Heard::Lost | Heard::Back => {}
                Heard::Over(how) => panic!("{name} is gone at {at}: {how}"),
            }
        }
        for (conversation, cursor) in &cursors {
            if let Some(end) = ends.get(conversation) {
                only_own(*conversation, *cursor, *end + 1);
            }
        }
        self.check_whispers(name, truth, &whispers);
    }

    fn check_whispers(&self, name: &str, truth: &Truth, heard: &BTreeSet<&str>) {
        // Whispers to a session that is over are over too.
        if self.anew() > 0 {
            return;
        }
        let mut missed = 0;
        for (_, heard) in &self.heard {
            if let Heard::Missed { conversation: MAILBOX, from, to } = heard {
                missed += to - from + 1;
            }
        }
        let unheard: Vec<_> = truth.whispers_to(name).filter(|text| !heard.contains(text)).collect();
        assert!(unheard.len() as u64 <= missed, "{name} did not hear {unheard:?}, and was told of {missed}");
    }
}
