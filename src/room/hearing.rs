//! What one reader of a log is not sent: its own lines, and those of people it ignores.

use std::{collections::HashMap, sync::Arc};

use chat_proto::{Line, NameKey, SealedLine, ServerPacket, Username, kind};
use lru::LruCache;

use super::SessionId;

/// Speakers of whom it is remembered whether they are ignored. Full: the least recent is looked at again.
const SPEAKERS_MAX: usize = 1_024;

/// Whom somebody ignores: names, as written, by what they are compared by.
#[derive(Clone, Default)]
pub struct Ignored {
    names: Arc<HashMap<NameKey, Username>>,
    /// Whose lines these are, is told by their session; whose session it is, by the first of them.
    speakers: Option<Box<LruCache<SessionId, bool>>>,
}

/// One reader, while it reads.
pub struct Hearing<'a> {
    /// Whose own lines are passed over.
    pub session: SessionId,
    /// Whom it ignores.
    pub ignored: Option<&'a mut Ignored>,
    /// How many lines it has passed over.
    pub passed_over: u64,
}

impl Ignored {
    /// These people.
    #[must_use]
    pub fn new(names: Arc<HashMap<NameKey, Username>>) -> Self {
        Self { names, speakers: None }
    }

    /// Whether it is anybody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether a speaker's line is not wanted. What is no line of a person always is.
    fn hides(&mut self, speaker: SessionId, packet: &[u8]) -> bool {
        let Some((head, body)) = packet.split_at_checked(4) else { return false };
        let kind = u16::from_le_bytes([head[2], head[3]]);
        if !matches!(kind, kind::BROADCAST_LINE | kind::WHISPER_LINE | kind::SEALED_LINE) {
            return false;
        }
        let names = &self.names;
        let hidden = || match ServerPacket::decode(kind, body) {
            Ok(
                ServerPacket::BroadcastLine(Line { sender, .. })
                | ServerPacket::WhisperLine(Line { sender, .. })
                | ServerPacket::SealedLine(SealedLine { sender, .. }),
            ) => Username::parse(&sender).is_ok_and(|name| names.contains_key(&name.key())),
            _ => false,
        };
        // Bounded here: a cache that knows its bound takes the memory for it at once.
        let speakers = self.speakers.get_or_insert_with(|| Box::new(LruCache::unbounded()));
        let hidden = *speakers.get_or_insert(speaker, hidden);
        if speakers.len() > SPEAKERS_MAX {
            speakers.pop_lru();
        }
        hidden
    }
}

impl Hearing<'_> {
    /// Somebody who ignores nobody.
    #[must_use]
    pub fn of(session: SessionId) -> Self {
        Self { session, ignored: None, passed_over: 0 }
    }

    /// Whether all lines are wanted, but one's own.
    pub(super) fn is_plain(&self) -> bool {
        self.ignored.is_none()
    }

    /// Whether a line is passed over.
    pub(super) fn passes_over(&mut self, speaker: Option<SessionId>, packet: &[u8]) -> bool {
        let Some(speaker) = speaker else { return false };
        speaker == self.session || self.ignored.as_mut().is_some_and(|ignored| ignored.hides(speaker, packet))
    }
}
