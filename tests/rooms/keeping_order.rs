//! Keeping order in a room: who may do what, and the one point at which it takes effect.

use chat_proto::{Act, ErrorCode, RoomSettings};

use super::{
    INVITE_ONLY, OPEN,
    common::{guest, quiet, serve, unthrottled},
    make, refused, retry_ms, told,
};

#[tokio::test]
async fn a_kicked_persons_lines_stop_at_the_kick_and_all_before_it_arrive() {
    let server = serve(&quiet());
    let (kim, _) = guest(&server, "kim").await;
    let (lee, mut events) = guest(&server, "lee").await;
    let room = make(&kim, "dev").await.conversation;
    for round in 0..20 {
        lee.join_room("dev", "").await.expect("let in");
        let mut answers = Vec::new();
        for line in 0..5 {
            answers.push(kim.send_room_chat(0, room, &format!("before {line}")).await.expect("sent"));
        }
        let kick = kim.moderate(room, Act::Kick, "lee", 0, "flooding");
        let after = kim.send_room_chat(0, room, "after");
        let (kick, after) = tokio::join!(kick, after);
        kick.expect("done");
        after.expect("sent").await.expect("said");
        for answer in answers {
            answer.await.expect("said");
        }
        for line in 0..5 {
            assert_eq!(told(&mut events).await, format!("#{room} kim: before {line}"), "round {round}");
        }
        assert_eq!(told(&mut events).await, format!("out of #{room}: 3 kim \"flooding\" []"));
        assert_eq!(refused(lee.room_chat(room, "still here?").await), ErrorCode::NotInRoom);
        assert!(events.try_next().is_none());
    }
}

#[tokio::test]
async fn the_others_hear_that_somebody_was_kicked() {
    let server = serve(&unthrottled());
    let (kim, mut events) = guest(&server, "kim").await;
    let room = make(&kim, "dev").await.conversation;
    let (lee, _lees) = guest(&server, "lee").await;
    lee.join_room("dev", "").await.expect("let in");
    kim.moderate(room, Act::Kick, "lee", 0, "").await.expect("done");
    assert_eq!(told(&mut events).await, "#1 + lee");
    assert_eq!(told(&mut events).await, format!("#{room} + lee"));
    assert_eq!(told(&mut events).await, format!("#{room} - lee 3"));
}

#[tokio::test]
async fn who_is_banned_is_not_let_in_until_the_time_is_over_or_they_are_forgiven() {
    let server = serve(&quiet());
    let (kim, _) = guest(&server, "kim").await;
    let (lee, mut events) = guest(&server, "lee").await;
    let room = make(&kim, "dev").await.conversation;
    lee.join_room("dev", "").await.expect("let in");
    kim.moderate(room, Act::Ban, "lee", 3_600, "spam").await.expect("done");
    assert_eq!(told(&mut events).await, format!("out of #{room}: 6 kim \"spam\" []"));
    assert_eq!(refused(lee.join_room("dev", "").await), ErrorCode::PermissionDenied);
    kim.moderate(room, Act::Unban, "LEE", 0, "").await.expect("done");
    lee.join_room("dev", "").await.expect("let in");
    // A second is over soon, by the server's clock.
    kim.moderate(room, Act::Ban, "lee", 1, "").await.expect("done");
    told(&mut events).await;
    while lee.join_room("dev", "").await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn who_is_muted_hears_and_cannot_speak_and_is_told_for_how_long() {
    let server = serve(&quiet());
    let (kim, mut at_kims) = guest(&server, "kim").await;
    let (lee, mut events) = guest(&server, "lee").await;
    let room = make(&kim, "dev").await.conversation;
    lee.join_room("dev", "").await.expect("let in");
    kim.moderate(room, Act::Mute, "lee", 3_600, "calm down").await.expect("done");
    assert_eq!(told(&mut events).await, format!("#{room} dev: act 4 by kim for 3600 \"calm down\""));
    let wait = lee.room_chat(room, "but").await;
    assert!((3_000_000..=3_600_000).contains(&retry_ms(wait)));
    assert_eq!(refused(lee.room_chat(room, "but").await), ErrorCode::Muted);
    lee.broadcast("the lobby is another place").await.expect("said");
    assert_eq!(told(&mut at_kims).await, "#1 lee: the lobby is another place");
    kim.room_chat(room, "listen").await.expect("said");
    assert_eq!(told(&mut events).await, format!("#{room} kim: listen"));
    lee.leave_room(room).await.expect("left");
    lee.join_room("dev", "").await.expect("let in");
    assert_eq!(refused(lee.room_chat(room, "and now?").await), ErrorCode::Muted, "it lasts");
    kim.moderate(room, Act::Unmute, "lee", 0, "").await.expect("done");
    lee.room_chat(room, "thanks").await.expect("said");
    kim.moderate(room, Act::Mute, "lee", 0, "").await.expect("done");
    assert_eq!(retry_ms(lee.room_chat(room, "?").await), 0, "for good has no end");
}

#[tokio::test]
async fn nobody_acts_on_themselves_or_on_their_equals_so_nobody_is_locked_out() {
    let server = serve(&quiet());
    let (kim, _) = guest(&server, "kim").await;
    let (lee, _lees) = guest(&server, "lee").await;
    let (park, _parks) = guest(&server, "park").await;
    let room = make(&kim, "dev").await.conversation;
    for one in [&lee, &park] {
        one.join_room("dev", "").await.expect("let in");
    }
    for name in ["lee", "park"] {
        kim.moderate(room, Act::Appoint, name, 0, "").await.expect("appointed");
    }
    for act in [Act::Kick, Act::Ban, Act::Mute, Act::Dismiss] {
        assert_eq!(refused(kim.moderate(room, act, "kim", 0, "").await), ErrorCode::SelfTarget);
        for target in ["park", "kim"] {
            let refusal = lee.moderate(room, act, target, 0, "").await;
            assert_eq!(refused(refusal), ErrorCode::PermissionDenied, "{act:?} {target}");
        }
    }
    kim.moderate(room, Act::HandOver, "lee", 0, "").await.expect("handed over");
    assert_eq!(refused(kim.moderate(room, Act::Kick, "lee", 0, "").await), ErrorCode::PermissionDenied);
    let members = kim.who(room, 0).await.expect("a page").entries.0;
    let relations: Vec<_> = members.iter().map(|one| (one.name.as_str(), one.relation)).collect();
    assert_eq!(relations, [("kim", 1), ("lee", 2), ("park", 1)]);
}

#[tokio::test]
async fn acts_on_people_who_are_not_there_say_what_is_missing() {
    let server = serve(&quiet());
    let (kim, _) = guest(&server, "kim").await;
    let (_lee, _lees) = guest(&server, "lee").await;
    let room = make(&kim, "dev").await.conversation;
    assert_eq!(refused(kim.moderate(room, Act::Kick, "lee", 0, "").await), ErrorCode::UserOffline);
    assert_eq!(refused(kim.moderate(room, Act::Kick, "nobody", 0, "").await), ErrorCode::UserNotFound);
    assert_eq!(refused(kim.moderate(room, Act::HandOver, "lee", 0, "").await), ErrorCode::UserOffline);
    assert_eq!(refused(kim.moderate(room, Act::Kick, "lee", 9, "").await), ErrorCode::RangeInvalid);
    kim.moderate(room, Act::Ban, "nobody", 0, "in advance").await.expect("a name is enough");
    assert_eq!(refused(kim.moderate(99, Act::Kick, "lee", 0, "").await), ErrorCode::RoomNotFound);
}

#[tokio::test]
async fn slow_mode_makes_members_wait_and_those_who_keep_order_not() {
    let server = serve(&quiet());
    let (kim, _) = guest(&server, "kim").await;
    let (lee, _lees) = guest(&server, "lee").await;
    let room = make(&kim, "dev").await.conversation;
    lee.join_room("dev", "").await.expect("let in");
    kim.set_room(room, RoomSettings { slow_s: 3_600, ..OPEN }, None).await.expect("set");
    lee.room_chat(room, "one").await.expect("said");
    let wait = lee.room_chat(room, "two").await;
    assert!((3_000_000..=3_600_000).contains(&retry_ms(wait)));
    assert_eq!(refused(lee.room_chat(room, "two").await), ErrorCode::RateLimited);
    for line in ["one", "two", "three"] {
        kim.room_chat(room, line).await.expect("the owner does not wait");
    }
    kim.moderate(room, Act::Appoint, "lee", 0, "").await.expect("appointed");
    lee.room_chat(room, "two").await.expect("nor do moderators");
}

#[tokio::test]
async fn who_is_put_off_the_guest_list_stays_but_does_not_come_back() {
    let server = serve(&quiet());
    let (kim, _) = guest(&server, "kim").await;
    let (lee, mut events) = guest(&server, "lee").await;
    let room = kim.create_room("salon", "", INVITE_ONLY, "").await.expect("made").place.conversation;
    kim.moderate(room, Act::Invite, "lee", 0, "come in").await.expect("invited");
    assert_eq!(told(&mut events).await, format!("#{room} salon: act 6 by kim for 0 \"come in\""));
    lee.join_room("salon", "").await.expect("let in");
    kim.moderate(room, Act::Uninvite, "lee", 0, "").await.expect("done");
    lee.room_chat(room, "still here").await.expect("said");
    lee.leave_room(room).await.expect("left");
    assert_eq!(refused(lee.join_room("salon", "").await), ErrorCode::RoomNotFound);
}

#[tokio::test]
async fn a_room_that_is_closed_is_over_for_everybody_in_it() {
    let server = serve(&quiet());
    let (kim, mut at_kims) = guest(&server, "kim").await;
    let (lee, mut events) = guest(&server, "lee").await;
    let room = make(&kim, "dev").await.conversation;
    lee.join_room("dev", "").await.expect("let in");
    kim.room_chat(room, "last words").await.expect("said");
    kim.close_room(room).await.expect("closed");
    assert_eq!(told(&mut events).await, format!("#{room} kim: last words"));
    for events in [&mut events, &mut at_kims] {
        assert_eq!(told(events).await, format!("out of #{room}: 7 kim \"\" []"));
    }
    assert_eq!(refused(lee.room_chat(room, "hm").await), ErrorCode::RoomNotFound);
    make(&lee, "dev").await;
}

#[tokio::test]
async fn slow_mode_is_not_evaded_by_leaving_and_coming_back() {
    let server = serve(&quiet());
    let (kim, _) = guest(&server, "kim").await;
    let (lee, _lees) = guest(&server, "lee").await;
    let room = make(&kim, "dev").await.conversation;
    kim.set_room(room, RoomSettings { slow_s: 600, ..OPEN }, None).await.expect("set");
    lee.join_room("dev", "").await.expect("let in");
    lee.room_chat(room, "one").await.expect("said");
    lee.leave_room(room).await.expect("left");
    lee.join_room("dev", "").await.expect("let in");
    assert_eq!(refused(lee.room_chat(room, "two").await), ErrorCode::RateLimited);
}

#[tokio::test]
async fn an_owner_who_is_banned_or_leaves_is_followed_and_a_guest_of_the_same_name_is_nothing() {
    let server = serve(&quiet());
    let (kim, kims) = guest(&server, "kim").await;
    let (lee, mut events) = guest(&server, "lee").await;
    let room = make(&kim, "dev").await.conversation;
    lee.join_room("dev", "").await.expect("let in");
    kim.log_out().await.expect("left");
    drop(kims);
    assert_eq!(told(&mut events).await, format!("#{room} dev: act 10 by  for 0 \"\""));
    let (other_kim, _kims) = guest(&server, "kim").await;
    assert_eq!(other_kim.join_room("dev", "").await.expect("let in").relation, 0);
    assert_eq!(refused(other_kim.close_room(room).await), ErrorCode::PermissionDenied);
    assert_eq!(
        refused(other_kim.moderate(room, Act::Dismiss, "lee", 0, "").await),
        ErrorCode::PermissionDenied
    );
}

#[tokio::test]
async fn an_invitation_is_told_once_and_not_by_whom_one_ignores() {
    let server = serve(&quiet());
    let (kim, _) = guest(&server, "kim").await;
    let (lee, mut events) = guest(&server, "lee").await;
    let (park, mut at_parks) = guest(&server, "park").await;
    let room = make(&kim, "dev").await.conversation;
    park.ignore("kim", true).await.expect("ignored");
    for _ in 0..3 {
        kim.moderate(room, Act::Invite, "lee", 0, "come").await.expect("invited");
        kim.moderate(room, Act::Invite, "park", 0, "come").await.expect("invited");
    }
    assert_eq!(told(&mut events).await, format!("#{room} dev: act 6 by kim for 0 \"come\""));
    lee.whisper("park", "hi").await.expect("said");
    assert_eq!(told(&mut at_parks).await, "* lee: hi");
    assert!(events.try_next().is_none());
}
