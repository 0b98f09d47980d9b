//! Somebody who comes into a room and leaves it, again and again, while their server is killed and stopped.

use std::time::Duration;

use chat_proto::ErrorCode;
use iocp_chat::client::{Error, Event};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::person::Person;

/// The longest that they stay where they are, in milliseconds.
const STAY_MAX_MS: u64 = 8;

/// Comes and goes until `enough`, and is always where they were told that they are, if each move is stored before it is
/// answered. Returns how often a move was answered.
pub async fn wander(
    mut person: Person,
    (room, number): (&str, u64),
    (seed, stored_first): (u64, bool),
    enough: CancellationToken,
) -> usize {
    let mut rng = StdRng::seed_from_u64(seed);
    let name = person.name.clone();
    let (mut inside, mut answered, mut unanswered) = (false, 0, false);
    let passed = [Some(ErrorCode::AlreadyInRoom), Some(ErrorCode::NotInRoom)];
    while !enough.is_cancelled() {
        let moved = if inside {
            person.session.leave_room(number).await.map(drop)
        } else {
            person.session.join_room(room, "").await.map(drop)
        };
        match moved {
            Ok(()) => {
                inside = !inside;
                answered += 1;
            }
            // What was not answered was done.
            Err(Error::Refused(refusal)) if passed.contains(&refusal.code.error()) => inside = !inside,
            Err(Error::Refused(refusal)) => panic!("{name}: {refusal:?}"),
            Err(_) => unanswered = true,
        }
        while let Some(event) = person.try_next() {
            if let Event::Resumed(back) = event {
                let as_it_was = back.lost.is_empty() && back.entered.is_empty();
                assert!(as_it_was || unanswered || !stored_first, "{name}: {back:?}");
                unanswered = false;
            }
        }
        sleep(Duration::from_millis(rng.random_range(0..=STAY_MAX_MS))).await;
    }
    answered
}
