//! How many rooms, members and tries there may be.

use std::time::Duration;

use chat_proto::{ErrorCode, RoomSettings, room_flag};

use super::{
    OPEN,
    common::{guest, quiet, serve},
    make, refused, retry_ms,
};

#[tokio::test]
async fn a_room_of_32_with_40_joiners_at_once_admits_32() {
    let server = serve(&quiet());
    let (kim, _) = guest(&server, "kim").await;
    let settings = RoomSettings { capacity: 32, ..OPEN };
    let room = kim.create_room("dev", "", settings, "").await.expect("made").place.conversation;
    let mut joiners = Vec::new();
    for joiner in 0..40 {
        joiners.push(guest(&server, &format!("joiner{joiner}")).await);
    }
    let joining = joiners.iter().map(|(session, _)| {
        let session = session.clone();
        tokio::spawn(async move { session.join_room("dev", "").await })
    });
    let (mut admitted, mut full) = (0, 0);
    for joined in joining.collect::<Vec<_>>() {
        match joined.await.expect("no panic") {
            Ok(_) => admitted += 1,
            Err(error) => {
                assert_eq!(refused(Err::<(), _>(error)), ErrorCode::RoomFull);
                full += 1;
            }
        }
    }
    assert_eq!((admitted, full), (31, 9), "and the one who made it");
    assert_eq!(kim.who(room, 0).await.expect("a page").members, 32);
}

#[tokio::test]
async fn a_capacity_that_is_lowered_puts_nobody_out_and_lets_nobody_in() {
    let server = serve(&quiet());
    let (kim, _) = guest(&server, "kim").await;
    let (lee, _lees) = guest(&server, "lee").await;
    let (park, _parks) = guest(&server, "park").await;
    let room = make(&kim, "dev").await.conversation;
    lee.join_room("dev", "").await.expect("let in");
    kim.set_room(room, RoomSettings { capacity: 1, ..OPEN }, None).await.expect("set");
    lee.room_chat(room, "still here").await.expect("said");
    assert_eq!(refused(park.join_room("dev", "").await), ErrorCode::RoomFull);
}

#[tokio::test]
async fn settings_that_cannot_be_are_out_of_range() {
    let server = serve(&quiet());
    let (kim, _) = guest(&server, "kim").await;
    let impossible = [
        RoomSettings { capacity: 0, ..OPEN },
        RoomSettings { capacity: 10_001, ..OPEN },
        RoomSettings { capacity: u32::MAX, ..OPEN },
        RoomSettings { flags: room_flag::PASSWORD, ..OPEN },
        RoomSettings { flags: 0x8000, ..OPEN },
        RoomSettings { slow_s: 3_601, ..OPEN },
    ];
    let room = make(&kim, "dev").await.conversation;
    for settings in impossible {
        assert_eq!(
            refused(kim.set_room(room, settings, None).await),
            ErrorCode::RangeInvalid,
            "{settings:?}"
        );
    }
    let refusal = kim.create_room("other", "", impossible[0], "").await;
    assert_eq!(refused(refusal), ErrorCode::RangeInvalid);
    let persistent = RoomSettings { flags: room_flag::PERSISTENT, ..OPEN };
    let refusal = kim.create_room("other", "", persistent, "").await;
    assert_eq!(refused(refusal), ErrorCode::PermissionDenied, "a guest's room does not outlive its members");
}

#[tokio::test(start_paused = true)]
async fn rooms_are_made_three_at_once_and_then_one_every_twenty_seconds_and_owned_five_at_most() {
    let server = serve(&quiet());
    let (kim, _) = guest(&server, "kim").await;
    for room in 0..3 {
        make(&kim, &format!("room{room}")).await;
    }
    for room in 3..5 {
        let refusal = kim.create_room(&format!("room{room}"), "", OPEN, "").await;
        let wait = retry_ms(refusal);
        assert!((1..=20_001).contains(&wait), "{wait}");
        tokio::time::advance(Duration::from_millis(wait.into())).await;
        make(&kim, &format!("room{room}")).await;
    }
    tokio::time::advance(Duration::from_secs(20)).await;
    assert_eq!(refused(kim.create_room("room5", "", OPEN, "").await), ErrorCode::RoomLimit);
}

#[tokio::test]
async fn one_is_in_as_many_rooms_as_the_limit_says_and_no_more() {
    let mut config = quiet();
    config.rooms.joined = 2;
    let server = serve(&config);
    let (kim, _) = guest(&server, "kim").await;
    let (lee, _lees) = guest(&server, "lee").await;
    let (park, _parks) = guest(&server, "park").await;
    let one = make(&kim, "one").await.conversation;
    make(&kim, "two").await;
    make(&park, "three").await;
    assert_eq!(refused(kim.create_room("four", "", OPEN, "").await), ErrorCode::RoomLimit);
    for name in ["one", "two"] {
        lee.join_room(name, "").await.expect("let in");
    }
    assert_eq!(refused(lee.join_room("three", "").await), ErrorCode::RoomLimit);
    lee.leave_room(one).await.expect("left");
    lee.join_room("three", "").await.expect("let in");
}

#[tokio::test]
async fn a_server_takes_as_many_rooms_as_it_is_set_to() {
    let mut config = quiet();
    config.rooms.max = 2;
    let server = serve(&config);
    let (kim, _) = guest(&server, "kim").await;
    make(&kim, "one").await;
    let two = make(&kim, "two").await.conversation;
    assert_eq!(refused(kim.create_room("three", "", OPEN, "").await), ErrorCode::RoomLimit);
    kim.leave_room(two).await.expect("left");
    // The third was one of the three that may be made at once.
    let (lee, _lees) = guest(&server, "lee").await;
    make(&lee, "three").await;
}
