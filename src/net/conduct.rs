//! How often a peer has been refused lately, and when that is enough.

use std::time::Duration;

use chat_proto::{ErrorCode, limits::REFUSAL_SCORE_MAX};
use tokio::time::Instant;

/// How long refusals count.
const WINDOW: Duration = Duration::from_mins(1);
/// What a packet costs that is not the protocol.
const PROTOCOL_COST: u16 = 5;
/// What a request costs that is refused for what it asks.
const REQUEST_COST: u16 = 1;

/// The score of one connection after login.
#[derive(Debug)]
pub struct Conduct {
    score: u16,
    since: Instant,
}

impl Conduct {
    /// Nothing held against the peer.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { score: 0, since: now }
    }

    /// Counts a refusal; true when it is one too many.
    pub fn refused(&mut self, code: ErrorCode, now: Instant) -> bool {
        if now - self.since >= WINDOW {
            *self = Self::new(now);
        }
        self.score += match code {
            // A newer client may ask for what this server does not know yet, and a person may mistype a room's name.
            ErrorCode::UnknownType | ErrorCode::RoomNameInvalid => 0,
            ErrorCode::MalformedBody | ErrorCode::TrailingBytes => PROTOCOL_COST,
            _ => REQUEST_COST,
        };
        self.score >= REFUSAL_SCORE_MAX
    }
}
