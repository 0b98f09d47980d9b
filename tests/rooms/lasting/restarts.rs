//! Rooms that are to last, and whom they know, over a restart.

use chat_proto::{Act, ErrorCode, RoomSettings, room_flag};
use iocp_chat::client::Event;

use super::{LASTING, Stage, code, line, number};
use crate::{common::next, fresh};

#[tokio::test]
async fn a_room_that_is_to_last_is_after_a_restart_as_it_was_and_knows_whom_it_knew() {
    let fresh = fresh().await;
    let stage = Stage::over(&fresh).await;
    let (kim, _) = stage.user("Kim").await;
    let (lee, _lees) = stage.user("lee").await;
    let settings = RoomSettings { capacity: 7, flags: LASTING.flags | room_flag::HIDDEN, slow_s: 30 };
    let room = number(&kim.create_room("Salon", "열려라", LASTING, "old").await.expect("made"));
    kim.set_room(room, settings, None).await.expect("set");
    kim.set_topic(room, "러스트 🦀").await.expect("set");
    lee.join_room("salon", "열려라").await.expect("let in");
    kim.moderate(room, Act::Appoint, "lee", 0, "").await.expect("done");
    kim.moderate(room, Act::Ban, "Trudy", 0, "").await.expect("done");
    kim.moderate(room, Act::Mute, "park", 3_600, "").await.expect("done");
    kim.moderate(room, Act::Invite, "Choi", 0, "").await.expect("done");
    stage.stop().await;

    let stage = Stage::over(&fresh).await;
    let (kim, _) = stage.user("kim").await;
    let entered = kim.join_room("SALON", "").await.expect("an owner needs no password");
    assert_eq!((number(&entered), entered.name.as_str(), entered.members), (room, "Salon", 1));
    let locked = RoomSettings { flags: settings.flags | room_flag::PASSWORD, ..settings };
    assert_eq!((entered.topic.as_str(), entered.settings, entered.relation), ("러스트 🦀", locked, 2));
    let (lee, _lees) = stage.user("lee").await;
    assert_eq!(lee.join_room("salon", "").await.expect("nor does a moderator").relation, 1);
    let (trudy, _) = stage.guest("TRUDY").await;
    assert_eq!(code(trudy.join_room("salon", "열려라").await), Some(ErrorCode::PermissionDenied));
    let (park, _parks) = stage.guest("park").await;
    assert_eq!(code(park.join_room("salon", "wrong").await), Some(ErrorCode::RoomNotFound));
    park.join_room("salon", "열려라").await.expect("let in");
    assert_eq!(code(park.room_chat(room, "?").await), Some(ErrorCode::Muted));
    let (choi, _chois) = stage.guest("choi").await;
    choi.join_room("salon", "").await.expect("who is invited needs no password");
    let new = number(&kim.create_room("another", "", LASTING, "").await.expect("made"));
    assert!(new > room, "{new}");
    stage.stop().await;
}

#[tokio::test]
async fn what_was_undone_is_undone_after_a_restart_too() {
    let fresh = fresh().await;
    let stage = Stage::over(&fresh).await;
    let (kim, _) = stage.user("kim").await;
    let (lee, _lees) = stage.user("lee").await;
    let settings = RoomSettings { flags: LASTING.flags | room_flag::INVITE_ONLY, ..LASTING };
    let room = number(&kim.create_room("salon", "key", settings, "").await.expect("made"));
    for act in [Act::Invite, Act::Mute] {
        kim.moderate(room, act, "lee", 0, "").await.expect("done");
    }
    lee.join_room("salon", "").await.expect("invited");
    for act in [Act::Appoint, Act::Dismiss, Act::Unmute, Act::Uninvite] {
        kim.moderate(room, act, "lee", 0, "").await.expect("done");
    }
    kim.moderate(room, Act::Ban, "park", 0, "").await.expect("done");
    kim.moderate(room, Act::Unban, "PARK", 0, "").await.expect("done");
    stage.stop().await;

    let stage = Stage::over(&fresh).await;
    let (kim, _) = stage.user("kim").await;
    let (lee, _lees) = stage.user("lee").await;
    let (park, _parks) = stage.guest("park").await;
    assert_eq!(code(lee.join_room("salon", "key").await), Some(ErrorCode::RoomNotFound), "not invited");
    kim.join_room("salon", "").await.expect("let in");
    kim.set_room(room, LASTING, Some("")).await.expect("set");
    assert_eq!(lee.join_room("salon", "").await.expect("let in").relation, 0);
    lee.room_chat(room, "I can speak").await.expect("said");
    park.join_room("salon", "").await.expect("not banned any more");
    stage.stop().await;
}

#[tokio::test]
async fn a_room_that_is_handed_over_or_whose_moderator_is_banned_is_so_after_a_restart() {
    let fresh = fresh().await;
    let stage = Stage::over(&fresh).await;
    let (kim, _) = stage.user("kim").await;
    let (lee, _lees) = stage.user("lee").await;
    let (park, _parks) = stage.user("park").await;
    let room = number(&kim.create_room("salon", "", LASTING, "").await.expect("made"));
    for (one, name) in [(&lee, "lee"), (&park, "park")] {
        one.join_room("salon", "").await.expect("let in");
        kim.moderate(room, Act::Appoint, name, 0, "").await.expect("done");
    }
    kim.moderate(room, Act::HandOver, "lee", 0, "").await.expect("done");
    lee.moderate(room, Act::Ban, "park", 0, "").await.expect("done");
    stage.stop().await;

    let stage = Stage::over(&fresh).await;
    for (name, relation) in [("lee", 2), ("kim", 1)] {
        let (one, _) = stage.user(name).await;
        assert_eq!(one.join_room("salon", "").await.expect("let in").relation, relation, "{name}");
    }
    let (park, _) = stage.user("park").await;
    assert_eq!(code(park.join_room("salon", "").await), Some(ErrorCode::PermissionDenied));
    stage.stop().await;
}

#[tokio::test]
async fn a_room_that_was_closed_or_is_not_to_last_any_more_is_gone_and_its_number_is_not_used_again() {
    let fresh = fresh().await;
    let stage = Stage::over(&fresh).await;
    let (kim, _) = stage.user("kim").await;
    let ordinary = RoomSettings { flags: 0, ..LASTING };
    let stays = number(&kim.create_room("stays", "", ordinary, "").await.expect("made"));
    let passing = number(&kim.create_room("passing", "", LASTING, "").await.expect("made"));
    let closed = number(&kim.create_room("closed", "", LASTING, "").await.expect("made"));
    kim.set_room(stays, LASTING, None).await.expect("it is to last from now on");
    kim.set_room(passing, ordinary, None).await.expect("it is not any more");
    kim.close_room(closed).await.expect("closed");
    stage.stop().await;

    let stage = Stage::over(&fresh).await;
    let (kim, _) = stage.user("kim").await;
    let listed = kim.rooms(0).await.expect("a page").entries.0;
    let listed: Vec<_> = listed.iter().map(|room| (room.conversation, room.name.as_str())).collect();
    assert_eq!(listed, [(stays, "stays")]);
    for name in ["passing", "closed"] {
        let new = number(&kim.create_room(name, "", LASTING, "").await.expect("the name is free"));
        assert!(new > closed, "{name} has {new}");
    }
    stage.stop().await;
}

#[tokio::test]
async fn a_room_that_is_to_last_from_now_on_takes_along_whom_it_knows_whatever_their_names_are() {
    let fresh = fresh().await;
    let stage = Stage::over(&fresh).await;
    let (kim, _) = stage.user("kim").await;
    let (lee, _lees) = stage.user("lee").await;
    let ordinary = RoomSettings { flags: room_flag::INVITE_ONLY, ..LASTING };
    let room = number(&kim.create_room("salon", "", ordinary, "").await.expect("made"));
    // Of 32 code points, and their key of 64.
    let (long, longer) = ("ß".repeat(32), "ß".repeat(31) + "ẞ");
    for (act, name) in [
        (Act::Invite, "lee"),
        (Act::Invite, &long),
        (Act::Mute, &longer),
        (Act::Ban, "trudy"),
        (Act::Invite, "guest"),
    ] {
        kim.moderate(room, act, name, 0, "").await.expect("done");
    }
    let (guest, _guests) = stage.guest("guest").await;
    for (one, name) in [(&lee, "lee"), (&guest, "guest")] {
        one.join_room("salon", "").await.expect("invited");
        kim.moderate(room, Act::Appoint, name, 0, "").await.expect("done");
    }
    let flags = ordinary.flags | room_flag::PERSISTENT;
    kim.set_room(room, RoomSettings { flags, ..ordinary }, None).await.expect("set");
    stage.stop().await;

    let stage = Stage::over(&fresh).await;
    let (lee, _lees) = stage.user("lee").await;
    assert_eq!(lee.join_room("salon", "").await.expect("let in").relation, 1);
    let (guest, _guests) = stage.guest("guest").await;
    assert_eq!(
        guest.join_room("salon", "").await.expect("invited").relation,
        0,
        "a guest's role is not stored"
    );
    let (stranger, _strangers) = stage.guest(&"ẞ".repeat(32)).await;
    assert_eq!(stranger.join_room("salon", "").await.expect("invited, in another spelling").relation, 0);
    assert_eq!(code(stranger.room_chat(room, "?").await), Some(ErrorCode::Muted));
    let (trudy, _trudys) = stage.guest("trudy").await;
    assert_eq!(code(trudy.join_room("salon", "").await), Some(ErrorCode::RoomNotFound));
    stage.stop().await;
}

#[tokio::test]
async fn what_is_asked_behind_the_making_of_a_room_is_done_before_its_maker_is_in_it() {
    let fresh = fresh().await;
    let stage = Stage::over(&fresh).await;
    let (kim, mut at_kims) = stage.user("kim").await;
    let (lee, mut at_lees) = stage.user("lee").await;
    let ordinary = RoomSettings { flags: 0, ..LASTING };
    let open = number(&lee.create_room("open", "", ordinary, "").await.expect("made"));
    for round in 0..5 {
        // Asked together: the number is guessed.
        let (name, guess) = (format!("salon{round}"), open + 1 + round);
        let (made, left, entered) = tokio::join!(
            kim.create_room(&name, "", LASTING, ""),
            kim.leave_room(guess),
            kim.join_room("open", ""),
        );
        assert_eq!(number(&made.expect("made")), guess);
        assert_eq!(code(left), Some(ErrorCode::NotInRoom));
        entered.expect("let in");
        lee.join_room(&name, "").await.expect("let in");
        lee.room_chat(open, &name).await.expect("said");
        assert_eq!(line(&mut at_kims).await, format!("lee: {name}"));
        kim.leave_room(open).await.expect("left");
        lee.room_chat(open, "to nobody").await.expect("said");
        lee.room_chat(guess, "to kim").await.expect("said");
        assert_eq!(line(&mut at_kims).await, "lee: to kim");
        kim.room_chat(guess, "and back").await.expect("said");
        assert_eq!(line(&mut at_lees).await, "kim: and back");
        kim.close_room(guess).await.expect("closed");
        for events in [&mut at_kims, &mut at_lees] {
            assert!(matches!(next(events).await, Event::Removed(gone) if gone.conversation == guess));
        }
    }
    stage.stop().await;
}

#[tokio::test]
async fn who_is_everywhere_when_their_room_is_stored_has_made_none() {
    let fresh = fresh().await;
    let stage = Stage::over(&fresh).await;
    let (kim, mut at_kims) = stage.user("kim").await;
    let (lee, _lees) = stage.user("lee").await;
    let ordinary = RoomSettings { flags: 0, ..LASTING };
    lee.create_room("open", "", ordinary, "").await.expect("made");
    for name in ["one", "two"] {
        kim.create_room(name, "", ordinary, "").await.expect("made");
    }
    let (made, entered) = tokio::join!(kim.create_room("salon", "", LASTING, ""), kim.join_room("open", ""));
    entered.expect("the third, and one is in three at most");
    assert_eq!(code(made), Some(ErrorCode::RoomLimit));
    assert_eq!(code(lee.join_room("salon", "").await), Some(ErrorCode::RoomNotFound));
    assert!(at_kims.try_next().is_none(), "nothing is told of a room that was not made");
    stage.stop().await;

    let stage = Stage::over(&fresh).await;
    let (lee, _lees) = stage.user("lee").await;
    assert!(lee.rooms(0).await.expect("a page").entries.0.is_empty());
    stage.stop().await;
}
