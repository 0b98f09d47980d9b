//! How far each conversation has been heard: the cursors that a client comes back with.

use std::collections::BTreeMap;

use chat_proto::{LineHead, MAILBOX, Missed, Presence};

use super::{Event, ProtocolError};

/// The last line heard of each conversation one is in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places(BTreeMap<u64, Presence>);

/// What something heard changes about places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A line has been heard.
    Line(Presence),
    /// Lines will not be heard.
    Missed(Missed),
    /// One is out of these conversations, and then in those.
    Moved {
        /// Left, or lost.
        out_of: Vec<u64>,
        /// Come into, each after the place named.
        into: Vec<Presence>,
    },
    /// All of it is void: one is in these.
    Anew(Vec<Presence>),
}

impl Step {
    /// What an event changes, if anything.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        let line = |head: LineHead| {
            let LineHead { conversation, epoch, seq, .. } = head;
            Some(Self::Line(Presence { conversation, epoch, seq }))
        };
        match event {
            Event::Broadcast(said) | Event::Whisper(said) => line(said.head),
            Event::Sealed(said) => line(said.head),
            Event::System(said) => line(said.head),
            Event::Joined(joined) => line(joined.head),
            Event::Left(left) => line(left.head),
            Event::RoomChanged(changed) => line(changed.head),
            Event::Missed(missed) => Some(Self::Missed(*missed)),
            Event::RoomEntered(entered) => {
                Some(Self::Moved { out_of: Vec::new(), into: vec![entered.place] })
            }
            Event::RoomLeft { conversation, left } => {
                Some(Self::Moved { out_of: vec![*conversation], into: left.entered.0.clone() })
            }
            Event::Removed(removed) => {
                Some(Self::Moved { out_of: vec![removed.conversation], into: removed.entered.0.clone() })
            }
            Event::Resumed(back) => {
                Some(Self::Moved { out_of: back.lost.clone(), into: back.entered.clone() })
            }
            Event::Restarted(anew) => Some(Self::Anew(anew.welcome.conversations.0.clone())),
            Event::Moderated(_)
            | Event::Error(_)
            | Event::Reconnecting { .. }
            | Event::Goodbye(_)
            | Event::Disconnected(_) => None,
        }
    }
}

impl Places {
    /// In these conversations, each after the place named.
    #[must_use]
    pub fn of(presences: &[Presence]) -> Self {
        Self(presences.iter().map(|presence| (presence.conversation, *presence)).collect())
    }

    /// Makes a step. A cursor moves forward within its epoch, or into another epoch; a line that was there already, or is
    /// of a conversation one is not in, is a fault of the server's.
    pub fn make(&mut self, step: &Step) -> Result<(), ProtocolError> {
        match step {
            Step::Line(line) => self.advance(*line, line.seq),
            Step::Missed(missed) => {
                let Missed { conversation, epoch, from, to } = *missed;
                if to < from {
                    return Err(ProtocolError::Repeated { conversation, seq: to });
                }
                self.advance(Presence { conversation, epoch, seq: to }, from)
            }
            Step::Moved { out_of, into } => {
                for conversation in out_of {
                    self.0.remove(conversation);
                }
                self.0.extend(into.iter().map(|presence| (presence.conversation, *presence)));
                Ok(())
            }
            Step::Anew(presences) => {
                *self = Self::of(presences);
                Ok(())
            }
        }
    }

    /// Moves a cursor, where the first of what it moves over is still before it.
    fn advance(&mut self, to: Presence, first: u64) -> Result<(), ProtocolError> {
        let conversation = to.conversation;
        match self.0.get_mut(&conversation) {
            Some(at) if at.epoch == to.epoch && first <= at.seq => {
                Err(ProtocolError::Repeated { conversation, seq: first })
            }
            Some(at) => {
                *at = to;
                Ok(())
            }
            // One's own: no server has to say that one is in it.
            None if conversation == MAILBOX => {
                self.0.insert(conversation, to);
                Ok(())
            }
            None => Err(ProtocolError::Elsewhere(conversation)),
        }
    }

    /// The cursor of a conversation one is in.
    #[must_use]
    pub fn get(&self, conversation: u64) -> Option<Presence> {
        self.0.get(&conversation).copied()
    }

    /// All cursors, by conversation.
    pub fn iter(&self) -> impl Iterator<Item = Presence> {
        self.0.values().copied()
    }
}

#[cfg(test)]
mod tests {
    use chat_proto::UNKNOWN_END;
    use proptest::{collection::vec, prelude::prop_assert, proptest};

    use super::*;

    fn at(conversation: u64, epoch: u64, seq: u64) -> Presence {
        Presence { conversation, epoch, seq }
    }

    fn missed(epoch: u64, from: u64, to: u64) -> Step {
        Step::Missed(Missed { conversation: 1, epoch, from, to })
    }

    #[test]
    fn what_was_heard_is_never_heard_again() {
        let mut places = Places::of(&[at(1, 7, 5)]);
        for step in [Step::Line(at(1, 7, 5)), Step::Line(at(1, 7, 1)), missed(7, 5, 9), missed(7, 8, 7)] {
            assert!(matches!(places.make(&step), Err(ProtocolError::Repeated { .. })), "{step:?}");
        }
        for step in [Step::Line(at(1, 7, 6)), Step::Line(at(1, 7, 9)), missed(7, 11, 20)] {
            assert_eq!(places.make(&step), Ok(()), "{step:?}");
        }
        assert_eq!(places.get(1), Some(at(1, 7, 20)));
    }

    #[test]
    fn an_epoch_whose_end_nobody_knows_is_followed_by_another() {
        let mut places = Places::of(&[at(1, 7, 5)]);
        assert_eq!(places.make(&missed(7, 6, UNKNOWN_END)), Ok(()));
        assert!(places.clone().make(&Step::Line(at(1, 7, 6))).is_err());
        assert_eq!(places.make(&Step::Line(at(1, 8, 1))), Ok(()));
    }

    #[test]
    fn lines_are_of_conversations_one_is_in_and_whispers_of_ones_own() {
        let mut places = Places::default();
        assert_eq!(places.make(&Step::Line(at(5, 1, 1))), Err(ProtocolError::Elsewhere(5)));
        assert_eq!(places.make(&Step::Line(at(MAILBOX, 1, 1))), Ok(()));
        let moved =
            |out_of: &[u64], into: &[Presence]| Step::Moved { out_of: out_of.into(), into: into.into() };
        assert_eq!(places.make(&moved(&[], &[at(5, 1, 3)])), Ok(()));
        assert_eq!(places.make(&Step::Line(at(5, 1, 4))), Ok(()));
        assert_eq!(places.make(&moved(&[5], &[at(6, 1, 0)])), Ok(()));
        assert_eq!(places.iter().collect::<Vec<_>>(), [at(MAILBOX, 1, 1), at(6, 1, 0)]);
        assert_eq!(places.make(&Step::Line(at(5, 1, 5))), Err(ProtocolError::Elsewhere(5)));
    }

    proptest! {
        #[test]
        fn no_cursor_goes_back_within_its_epoch(heard in vec((0_u64..2, 1_u64..9, 0_u64..4, 0..2), 1..60)) {
            let mut places = Places::of(&[at(1, 0, 0)]);
            for (epoch, seq, more, gap) in heard {
                let before = places.get(1).expect("it is in there");
                let step = if gap == 0 { Step::Line(at(1, epoch, seq)) } else { missed(epoch, seq, seq + more) };
                let made = places.make(&step);
                let after = places.get(1).expect("it stays in there");
                prop_assert!(made.is_ok() || after == before);
                prop_assert!(made.is_err() || after.epoch != before.epoch || after.seq > before.seq);
            }
        }
    }
}
