//! A database that fails while people keep order, and is well again, or is not.

use chat_proto::{Act, ErrorCode, RoomSettings};
use iocp_chat::{client::Event, stop::StopReason};
use sqlx::raw_sql;

use super::{LASTING, Stage, code, number};
use crate::{Fresh, common::next, fresh};

/// Takes away what every act is written down in, and gives it back: the database fails, and is well again.
async fn rename_audit(fresh: &Fresh, from: &str, to: &str) {
    let rename = format!("ALTER TABLE {from} RENAME TO {to}");
    raw_sql(sqlx::AssertSqlSafe(rename)).execute(&mut fresh.connect().await).await.expect("renamed");
}

async fn fail(fresh: &Fresh) {
    rename_audit(fresh, "audit", "audit_away").await;
}

async fn heal(fresh: &Fresh) {
    rename_audit(fresh, "audit_away", "audit").await;
}

#[tokio::test]
async fn what_cannot_be_stored_is_in_force_all_the_same_and_stored_when_it_is_sent_again() {
    let fresh = fresh().await;
    let stage = Stage::over(&fresh).await;
    let (kim, _) = stage.user("kim").await;
    let (lee, _lees) = stage.user("lee").await;
    let ordinary = RoomSettings { flags: 0, ..LASTING };
    let room = number(&kim.create_room("salon", "", LASTING, "").await.expect("made"));
    let late = number(&kim.create_room("late", "", ordinary, "").await.expect("made"));
    let passing = number(&kim.create_room("passing", "", LASTING, "").await.expect("made"));
    for name in ["salon", "late"] {
        lee.join_room(name, "").await.expect("let in");
    }
    let all = async || {
        [
            code(kim.set_topic(room, "new").await),
            code(kim.moderate(room, Act::Appoint, "lee", 0, "").await),
            code(kim.moderate(room, Act::Invite, "guest", 0, "").await),
            code(kim.moderate(room, Act::Mute, "park", 0, "").await),
            code(kim.set_room(late, LASTING, None).await),
            code(kim.moderate(late, Act::Appoint, "lee", 0, "").await),
            code(kim.set_room(passing, ordinary, None).await),
        ]
    };
    fail(&fresh).await;
    assert_eq!(all().await, [Some(ErrorCode::StorageUnavailable); 7]);
    assert_eq!(stage.server.metrics().rejects(ErrorCode::StorageUnavailable), 7);
    let relations: Vec<_> =
        lee.who(room, 0).await.expect("a page").entries.0.iter().map(|one| one.relation).collect();
    assert_eq!(relations, [2, 1], "it is in force");
    let topics = lee.rooms(0).await.expect("a page").entries.0;
    assert_eq!(topics[0].topic, "new", "it is in force");
    lee.room_chat(room, "and people talk on").await.expect("said");
    heal(&fresh).await;
    assert_eq!(all().await, [None; 7]);
    stage.stop().await;

    let stage = Stage::over(&fresh).await;
    let (lee, _lees) = stage.user("lee").await;
    for (name, number_before, topic) in [("salon", room, "new"), ("late", late, "")] {
        let entered = lee.join_room(name, "").await.expect("let in");
        assert_eq!((number(&entered), entered.relation, entered.topic.as_str()), (number_before, 1, topic));
    }
    assert_eq!(code(lee.join_room("passing", "").await), Some(ErrorCode::RoomNotFound));
    let (park, _parks) = stage.guest("park").await;
    park.join_room("salon", "").await.expect("let in");
    assert_eq!(code(park.room_chat(room, "?").await), Some(ErrorCode::Muted));
    stage.stop().await;
}

#[tokio::test]
async fn a_room_that_cannot_be_stored_is_not_made_and_one_that_is_closed_is_closed_for_good() {
    let fresh = fresh().await;
    let stage = Stage::over(&fresh).await;
    let (kim, mut at_kims) = stage.user("kim").await;
    let (lee, _lees) = stage.user("lee").await;
    let closed = number(&kim.create_room("closed", "", LASTING, "").await.expect("made"));
    lee.ignore("trudy", true).await.expect("ignored");
    fail(&fresh).await;
    let unavailable = Some(ErrorCode::StorageUnavailable);
    assert_eq!(code(kim.create_room("salon", "", LASTING, "").await), unavailable);
    assert_eq!(code(kim.close_room(closed).await), unavailable);
    assert!(kim.rooms(0).await.expect("a page").entries.0.is_empty());
    assert!(matches!(at_kims.try_next(), Some(Event::Removed(gone)) if gone.conversation == closed));
    assert!(at_kims.try_next().is_none(), "nothing is told of a room that was not made");
    assert_eq!(code(lee.join_room("salon", "").await), Some(ErrorCode::RoomNotFound));
    heal(&fresh).await;
    kim.create_room("salon", "", LASTING, "").await.expect("the name is free");
    lee.join_room("salon", "").await.expect("let in");
    stage.stop().await;

    let stage = Stage::over(&fresh).await;
    let (kim, _) = stage.user("kim").await;
    let names: Vec<_> =
        kim.rooms(0).await.expect("a page").entries.0.into_iter().map(|room| room.name).collect();
    assert_eq!(names, ["salon"], "that it was closed is stored with what came next");
    stage.stop().await;
}

#[tokio::test]
async fn a_database_that_has_gone_away_stops_nobody_from_talking_and_keeping_order() {
    let fresh = fresh().await;
    let stage = Stage::over(&fresh).await;
    let (kim, _) = stage.user("kim").await;
    let (lee, mut events) = stage.user("lee").await;
    let room = number(&kim.create_room("salon", "", LASTING, "").await.expect("made"));
    lee.join_room("salon", "").await.expect("let in");
    stage.store.close().await.expect("closed");
    let unavailable = Some(ErrorCode::StorageUnavailable);
    assert_eq!(code(kim.set_topic(room, "new").await), unavailable);
    assert_eq!(code(kim.moderate(room, Act::Mute, "lee", 0, "").await), unavailable);
    assert_eq!(code(lee.room_chat(room, "?").await), Some(ErrorCode::Muted), "it is in force");
    assert_eq!(code(kim.create_room("other", "", LASTING, "").await), unavailable);
    assert_eq!(code(lee.ignore("kim", true).await), unavailable);
    kim.room_chat(room, "nothing happened").await.expect("said");
    assert_eq!(code(kim.moderate(room, Act::Kick, "lee", 0, "").await), unavailable);
    let mut told = Vec::new();
    while told.len() < 3 {
        told.push(match next(&mut events).await {
            Event::RoomChanged(line) => format!("about {}", line.topic),
            Event::Moderated(done) => format!("act {}", done.act),
            Event::Removed(gone) => format!("out of it: {}", gone.reason),
            // Kim is ignored, that is in force too.
            other => panic!("{other:?}"),
        });
    }
    told.sort();
    assert_eq!(told, ["about new", "act 4", "out of it: 3"]);
    stage.server.stop(StopReason::Interrupt).await;
}
