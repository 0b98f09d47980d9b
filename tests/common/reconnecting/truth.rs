//! What was said, as those know it who said it: the measure of what the others hear.

use std::collections::{BTreeMap, BTreeSet};

use super::ear::Heard;

/// Whom a line is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// Everyone in a conversation.
    Conversation(u64),
    /// One person.
    Person(String),
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was said, as this line of its conversation; a whisper's number only its reader knows.
    Said(u64),
    /// It was not.
    Refused,
    /// Nobody knows.
    Unknown,
}

#[derive(Debug)]
struct Said {
    by: String,
    to: To,
    fate: Fate,
    /// Who had been put out of the conversation before it was said, and by which time of putting out.
    not_for: BTreeMap<String, u64>,
}

/// Everything that was said in a history, by its text: no two are alike.
#[derive(Default)]
pub struct Truth {
    said: BTreeMap<String, Said>,
    /// Who has been put out of the room and has not been about to come in again, and by which time of putting out.
    out: BTreeMap<String, u64>,
    times: u64,
    /// Whom somebody is putting out, and who is coming in: never both, or nobody could say which came first.
    going: BTreeSet<String>,
    coming: BTreeSet<String>,
}

/// The lines there are, by conversation and number.
pub type Lines<'a> = BTreeMap<(u64, u64), &'a str>;

impl Truth {
    /// Somebody is about to say a line.
    pub fn begin(&mut self, text: &str, by: &str, to: To, room: bool) {
        let not_for = if room { self.out.clone() } else { BTreeMap::new() };
        let said = Said { by: by.to_owned(), to, fate: Fate::Unknown, not_for };
        let before = self.said.insert(text.to_owned(), said);
        assert!(before.is_none(), "{text} is said by one person, once");
    }

    /// The server has answered it.
    pub fn conclude(&mut self, text: &str, fate: Fate) {
        self.said.get_mut(text).expect("it was begun").fate = fate;
    }

    /// Somebody is about to be put out of the room, if they are not about to come in.
    pub fn begin_to_put_out(&mut self, name: &str) -> bool {
        !self.coming.contains(name) && self.going.insert(name.to_owned())
    }

    /// If they are out, nothing that is said from now on is for them.
    pub fn put_out(&mut self, name: &str, done: bool) {
        self.going.remove(name);
        if done {
            self.times += 1;
            self.out.insert(name.to_owned(), self.times);
        }
    }

    /// Somebody is about to come in, if they are not about to be put out: all may be for them again.
    pub fn begin_to_come_in(&mut self, name: &str) -> bool {
        if self.going.contains(name) {
            return false;
        }
        self.out.remove(name);
        self.coming.insert(name.to_owned())
    }

    /// They are in, or are not.
    pub fn come_in(&mut self, name: &str) {
        self.coming.remove(name);
    }

    /// Lines that were said, and those of which nobody knows.
    pub fn counts(&self) -> (u64, u64) {
        let count = |is: fn(&Fate) -> bool| self.said.values().filter(|said| is(&said.fate)).count() as u64;
        (count(|fate| matches!(fate, Fate::Said(_))), count(|fate| *fate == Fate::Unknown))
    }

    /// The lines there are: those that were acknowledged, each under its number and no other, and those that anybody has
    /// heard.
    pub fn lines<'a>(&'a self, heard: impl Iterator<Item = &'a Heard>) -> Lines<'a> {
        let mut lines = Lines::new();
        let mut numbers = BTreeMap::new();
        for (text, said) in &self.said {
            if let (To::Conversation(conversation), Fate::Said(seq)) = (&said.to, said.fate) {
                let other = lines.insert((*conversation, seq), text.as_str());
                assert_eq!(other, None, "{conversation}/{seq} is {text} too");
                numbers.insert(text.as_str(), seq);
            }
        }
        for heard in heard {
            let Heard::Line { conversation, seq, sender, text } = heard else { continue };
            let said = self.said.get(text).unwrap_or_else(|| panic!("nobody has said {text}"));
            assert_eq!((&said.by, &said.to), (sender, &To::Conversation(*conversation)), "{text}");
            assert_ne!(said.fate, Fate::Refused, "{text} was refused, and {heard:?}");
            let number = *numbers.entry(text).or_insert(*seq);
            assert_eq!(number, *seq, "{text} was said twice");
            let other = lines.insert((*conversation, *seq), text);
            assert!(other.is_none_or(|other| other == text), "{conversation}/{seq}: {other:?}, {text}");
        }
        lines
    }

    /// Who said a line.
    pub fn author(&self, text: &str) -> &str {
        &self.said[text].by
    }

    /// Panics where a line is not for whoever hears it now.
    pub fn check_reader(&self, text: &str, name: &str) {
        let Some(said) = self.said.get(text) else { return };
        assert_ne!(said.by, name, "{text} came back to whoever said it");
        let out = self.out.get(name);
        let not_for = out.is_some() && said.not_for.get(name) == out;
        assert!(!not_for, "{text} was said after {name} had been put out, who heard it");
    }

    /// Panics unless this is a whisper of this person's to the other.
    pub fn check_whisper(&self, text: &str, sender: &str, name: &str) {
        let said = self.said.get(text).unwrap_or_else(|| panic!("nobody has whispered {text}"));
        assert_eq!((said.by.as_str(), &said.to), (sender, &To::Person(name.to_owned())), "{text}");
        assert_ne!(said.fate, Fate::Refused, "{text} was refused, and {name} heard it");
    }

    /// Whispers that somebody was told that they have arrived.
    pub fn whispers_to<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let to = To::Person(name.to_owned());
        let arrived = move |said: &Said| said.to == to && matches!(said.fate, Fate::Said(_));
        self.said.iter().filter(move |(_, said)| arrived(said)).map(|(text, _)| text.as_str())
    }
}
