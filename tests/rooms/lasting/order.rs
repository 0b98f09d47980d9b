//! What was done to keep order, and by people for their own peace, over a restart and in the audit log.

use chat_proto::{Act, ErrorCode, LOBBY, Role, RoomSettings, way_in};
use iocp_chat::client::Session;

use super::{LASTING, Stage, code, line, number};
use crate::{common::stage::password, fresh};

#[tokio::test]
async fn whom_an_account_ignores_it_ignores_in_its_next_session_and_after_a_restart() {
    let fresh = fresh().await;
    let stage = Stage::over(&fresh).await;
    let ignored = async |session: &Session| {
        let entries = session.ignored().await.expect("a list").entries.0;
        entries.into_iter().map(|entry| entry.name).collect::<Vec<_>>()
    };
    let (lee, lees) = stage.user("lee").await;
    lee.ignore("Trudy", true).await.expect("ignored");
    lee.ignore("park", true).await.expect("ignored");
    lee.ignore("PARK", false).await.expect("heard again");
    let (guest, _guests) = stage.guest("guest").await;
    guest.ignore("Trudy", true).await.expect("ignored");
    drop((lee, lees));
    let (lee, _lees) = stage.user("lee").await;
    assert_eq!(ignored(&lee).await, ["Trudy"]);
    stage.stop().await;

    let stage = Stage::over(&fresh).await;
    let (lee, mut heard) = stage.user("LEE").await;
    let (guest, mut guests) = stage.guest("guest").await;
    assert_eq!((ignored(&lee).await, ignored(&guest).await), (vec!["Trudy".to_owned()], Vec::new()));
    let (trudy, _) = stage.guest("trudy").await;
    let (park, _) = stage.guest("park").await;
    trudy.broadcast("can you hear me").await.expect("said");
    trudy.whisper("lee", "can you").await.expect("answered as ever");
    park.broadcast("hello").await.expect("said");
    assert_eq!(line(&mut heard).await, "park: hello");
    assert_eq!(line(&mut guests).await, "trudy: can you hear me");
    stage.stop().await;
}

#[tokio::test]
async fn registration_that_is_frozen_is_so_after_a_restart_until_it_is_thawed() {
    let fresh = fresh().await;
    let stage = Stage::over(&fresh).await;
    let ways = way_in::REGISTRATION | way_in::INVITATION;
    let open = async |stage: &Stage| stage.client().await.server().ways_in & ways;
    let (boss, _) = stage.account("boss", Role::Moderator).await;
    boss.freeze_registration(true).await.expect("frozen");
    assert_eq!(open(&stage).await, 0);
    stage.stop().await;

    let stage = Stage::over(&fresh).await;
    assert_eq!(open(&stage).await, 0);
    let registered = stage.client().await.register("late", password(), "").await;
    assert_eq!(code(registered), Some(ErrorCode::RegistrationClosed));
    let (boss, _) = stage.account("boss", Role::Moderator).await;
    boss.freeze_registration(false).await.expect("thawed");
    stage.stop().await;

    let stage = Stage::over(&fresh).await;
    assert_eq!(open(&stage).await, ways);
    assert_eq!(stage.audit().await, ["boss(2) freeze", "boss(2) thaw"]);
    stage.stop().await;
}

#[tokio::test]
async fn every_act_is_written_down_once_with_who_did_it_to_whom_for_how_long_and_why() {
    let fresh = fresh().await;
    let stage = Stage::over(&fresh).await;
    let (boss, _) = stage.account("boss", Role::Admin).await;
    let (kim, _) = stage.user("Kim").await;
    let (lee, _lees) = stage.user("lee").await;
    let room = number(&kim.create_room("Salon", "", LASTING, "").await.expect("made"));
    lee.join_room("salon", "").await.expect("let in");
    kim.set_topic(room, "tea").await.expect("set");
    kim.set_room(room, LASTING, Some("key")).await.expect("set");
    kim.moderate(room, Act::Appoint, "lee", 0, "").await.expect("done");
    kim.moderate(room, Act::Invite, "lee", 0, "").await.expect("done");
    kim.moderate(room, Act::Invite, "lee", 0, "").await.expect("once more");
    kim.moderate(room, Act::Mute, "LEE", 60, "").await.expect("done");
    // It takes a role, an invitation and a place in the room at once.
    kim.moderate(room, Act::Ban, "lee", 0, "for 'good'; --").await.expect("done");
    kim.moderate(room, Act::Unban, "lee", 0, "").await.expect("done");
    kim.moderate(room, Act::Unban, "nobody", 0, "in vain").await.expect("done");
    lee.join_room("salon", "key").await.expect("let in");
    kim.moderate(room, Act::Kick, "lee", 0, "enough").await.expect("done");
    lee.join_room("salon", "key").await.expect("let in");
    // It makes an owner, and a moderator of who was.
    kim.moderate(room, Act::HandOver, "lee", 0, "").await.expect("done");
    assert_eq!(code(kim.moderate(room, Act::Kick, "lee", 0, "").await), Some(ErrorCode::PermissionDenied));
    boss.moderate(room, Act::Dismiss, "kim", 0, "").await.expect("done");
    boss.announce("maintenance").await.expect("said");
    boss.set_room(LOBBY, RoomSettings { capacity: 0, flags: 0, slow_s: 1 }, None).await.expect("set");
    boss.close_room(room).await.expect("closed");
    // Of a room that does not last only what is done by who keeps order on the server.
    let passing = RoomSettings { flags: 0, ..LASTING };
    let passing = number(&kim.create_room("passing", "", passing, "").await.expect("made"));
    boss.moderate(passing, Act::Ban, "trudy", 60, "").await.expect("done");
    kim.moderate(passing, Act::Ban, "park", 60, "").await.expect("done");
    kim.close_room(passing).await.expect("closed");
    let expected = [
        "Kim(1) create in #2 Salon",
        "Kim(1) topic in #2 Salon because tea",
        "Kim(1) settings in #2 Salon",
        "Kim(1) appoint to lee in #2 Salon",
        "Kim(1) invite to lee in #2 Salon",
        "Kim(1) invite to lee in #2 Salon",
        "Kim(1) mute to LEE in #2 Salon for 60 s",
        "Kim(1) ban to lee in #2 Salon for good because for 'good'; --",
        "Kim(1) unban to lee in #2 Salon",
        "Kim(1) unban to nobody in #2 Salon because in vain",
        "Kim(1) kick to lee in #2 Salon because enough",
        "Kim(1) hand-over to lee in #2 Salon",
        "boss(3) dismiss to kim in #2 Salon",
        "boss(3) announce",
        "boss(3) settings",
        "boss(3) close in #2 Salon",
        "boss(3) ban to trudy in #3 passing for 60 s",
    ];
    assert_eq!(stage.audit().await, expected);
    stage.stop().await;
}
