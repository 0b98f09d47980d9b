//! Making, finding, joining and leaving rooms, and talking in them.

use chat_proto::{ErrorCode, LOBBY, Relation, RoomSettings, room_flag};
use iocp_chat::config::Config;

use super::{
    HIDDEN, INVITE_ONLY, OPEN,
    common::{guest, quiet, serve, unthrottled},
    make, refused, retry_ms, told,
};

#[tokio::test]
async fn what_is_said_in_a_room_is_heard_by_everyone_in_it_but_the_sender_and_by_nobody_else() {
    let server = serve(&quiet());
    let (kim, mut at_kims) = guest(&server, "kim").await;
    let (lee, mut at_lees) = guest(&server, "lee").await;
    let (park, mut at_parks) = guest(&server, "park").await;
    let room = make(&kim, "dev").await.conversation;
    let entered = lee.join_room("DEV", "").await.expect("let in");
    assert_eq!(
        (entered.name.as_str(), entered.members, entered.relation),
        ("dev", 2, Relation::Member as u16)
    );
    kim.room_chat(room, "first").await.expect("said");
    park.broadcast("to all").await.expect("said");
    lee.room_chat(room, "second").await.expect("said");
    assert_eq!(told(&mut at_lees).await, format!("#{room} kim: first"));
    assert_eq!(told(&mut at_lees).await, "#1 park: to all");
    let mut kims = [told(&mut at_kims).await, told(&mut at_kims).await];
    kims.sort();
    assert_eq!(kims, ["#1 park: to all".to_owned(), format!("#{room} lee: second")]);
    kim.broadcast("bye").await.expect("said");
    assert_eq!(told(&mut at_parks).await, "#1 kim: bye");
}

#[tokio::test]
async fn two_rooms_in_one_session_do_not_mix() {
    let server = serve(&quiet());
    let (kim, _) = guest(&server, "kim").await;
    let (lee, mut events) = guest(&server, "lee").await;
    let (one, two) = (make(&kim, "one").await.conversation, make(&kim, "two").await.conversation);
    let mut places = Vec::new();
    for name in ["one", "two"] {
        places.push(lee.join_room(name, "").await.expect("let in").place);
    }
    for line in 0..100 {
        kim.room_chat(if line % 3 == 0 { one } else { two }, &line.to_string()).await.expect("said");
    }
    let (mut of_one, mut of_two) = (Vec::new(), Vec::new());
    for _ in 0..100 {
        let heard = told(&mut events).await;
        let (place, line) = heard.split_once(" kim: ").expect("a line");
        let line: u32 = line.parse().expect("a number");
        if place == format!("#{one}") { of_one.push(line) } else { of_two.push(line) }
    }
    assert_eq!(of_one, (0..100).filter(|line| line % 3 == 0).collect::<Vec<_>>());
    assert_eq!(of_two, (0..100).filter(|line| line % 3 != 0).collect::<Vec<_>>());
    assert_ne!(places[0].conversation, places[1].conversation);
}

#[tokio::test]
async fn coming_and_going_is_told_in_the_room_with_its_reason() {
    let server = serve(&unthrottled());
    let (kim, mut events) = guest(&server, "kim").await;
    let room = make(&kim, "dev").await.conversation;
    let (lee, at_lees) = guest(&server, "lee").await;
    assert_eq!(told(&mut events).await, "#1 + lee");
    lee.join_room("dev", "").await.expect("let in");
    assert_eq!(told(&mut events).await, format!("#{room} + lee"));
    lee.leave_room(room).await.expect("left");
    assert_eq!(told(&mut events).await, format!("#{room} - lee 0"));
    lee.join_room("dev", "").await.expect("let in");
    assert_eq!(told(&mut events).await, format!("#{room} + lee"));
    drop((lee, at_lees));
    let mut left = [told(&mut events).await, told(&mut events).await];
    left.sort();
    assert_eq!(left, ["#1 - lee 0".to_owned(), format!("#{room} - lee 0")]);
}

#[tokio::test]
async fn the_answer_to_leaving_comes_after_the_rooms_last_line() {
    let server = serve(&quiet());
    let (kim, _) = guest(&server, "kim").await;
    let (lee, mut events) = guest(&server, "lee").await;
    let room = make(&kim, "dev").await.conversation;
    for round in 0..20 {
        lee.join_room("dev", "").await.expect("let in");
        let mut said = Vec::new();
        for line in 0..10 {
            said.push(kim.send_room_chat(0, room, &format!("{round}.{line}")).await.expect("sent"));
        }
        lee.leave_room(room).await.expect("left");
        // What came is here by now, and nothing more comes.
        let mut heard = 0;
        while let Some(event) = events.try_next() {
            assert!(matches!(event, iocp_chat::client::Event::Broadcast(_)), "{event:?}");
            heard += 1;
        }
        assert!(heard <= 10);
        for answer in said {
            answer.await.expect("said");
        }
        assert!(events.try_next().is_none(), "nothing is heard of a room one has left");
    }
}

#[tokio::test]
async fn a_room_that_everybody_has_left_is_gone_and_its_name_is_free() {
    let server = serve(&quiet());
    let (kim, _) = guest(&server, "kim").await;
    let (lee, events) = guest(&server, "lee").await;
    let first = make(&kim, "dev").await;
    assert_eq!(refused(lee.create_room("Dev", "", OPEN, "").await), ErrorCode::NameTaken);
    assert_eq!(
        refused(lee.create_room("dеv", "", OPEN, "").await),
        ErrorCode::RoomNameInvalid,
        "mixed scripts"
    );
    kim.leave_room(first.conversation).await.expect("left");
    assert_eq!(refused(kim.join_room("dev", "").await), ErrorCode::RoomNotFound);
    let second = make(&lee, "dev").await;
    assert!(second.conversation > first.conversation, "a number is not used twice");
    drop((lee, events));
    // Its session is over when its name is free.
    while server.sessions() > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(refused(kim.join_room("dev", "").await), ErrorCode::RoomNotFound);
}

#[tokio::test]
async fn a_room_with_a_password_lets_in_who_has_it_and_tells_it_in_its_list_entry() {
    let server = serve(&quiet());
    let (kim, _) = guest(&server, "kim").await;
    let (lee, _events) = guest(&server, "lee").await;
    let made = kim.create_room("dev", "열려라", OPEN, "비밀").await.expect("made");
    assert_eq!((made.settings.flags, made.topic.as_str()), (room_flag::PASSWORD, "비밀"));
    assert_eq!(refused(lee.join_room("dev", "").await), ErrorCode::PermissionDenied);
    assert_eq!(refused(lee.join_room("dev", "sesame").await), ErrorCode::PermissionDenied);
    lee.join_room("dev", "열려라").await.expect("let in");
    let listed = lee.rooms(0).await.expect("a page").entries.0;
    assert_eq!((listed.len(), listed[0].members, listed[0].settings.flags), (1, 2, room_flag::PASSWORD));
}

#[tokio::test(start_paused = true)]
async fn passwords_of_rooms_are_not_guessed_at_more_than_six_times_a_minute() {
    let server = serve(&quiet());
    let (kim, _) = guest(&server, "kim").await;
    let (lee, _events) = guest(&server, "lee").await;
    kim.create_room("dev", "sesame", OPEN, "").await.expect("made");
    for _ in 0..6 {
        assert_eq!(refused(lee.join_room("dev", "wrong").await), ErrorCode::PermissionDenied);
    }
    let refusal = lee.join_room("dev", "sesame").await;
    assert_eq!(refused(refusal), ErrorCode::RateLimited);
    let wait = retry_ms(lee.join_room("dev", "sesame").await);
    tokio::time::advance(std::time::Duration::from_millis(wait.into())).await;
    lee.join_room("dev", "sesame").await.expect("let in");
}

#[tokio::test]
async fn a_hidden_room_is_in_no_list_and_answers_as_if_it_were_not_there() {
    let server = serve(&quiet());
    let (kim, _) = guest(&server, "kim").await;
    let (lee, _events) = guest(&server, "lee").await;
    let hidden = kim.create_room("cellar", "key", HIDDEN, "").await.expect("made").place.conversation;
    let invited = kim.create_room("salon", "", INVITE_ONLY, "").await.expect("made").place.conversation;
    let names =
        |page: chat_proto::RoomsPage| page.entries.0.into_iter().map(|entry| entry.name).collect::<Vec<_>>();
    assert_eq!(names(lee.rooms(0).await.expect("a page")), ["salon"]);
    assert_eq!(names(kim.rooms(0).await.expect("a page")), ["cellar", "salon"]);
    for name in ["cellar", "nowhere", "salon"] {
        assert_eq!(refused(lee.join_room(name, "").await), ErrorCode::RoomNotFound, "{name}");
        assert_eq!(refused(lee.join_room(name, "wrong").await), ErrorCode::RoomNotFound, "{name}");
    }
    assert_eq!(refused(lee.who(hidden, 0).await), ErrorCode::RoomNotFound);
    assert_eq!(refused(lee.set_topic(hidden, "x").await), ErrorCode::RoomNotFound);
    assert_eq!(refused(lee.close_room(hidden).await), ErrorCode::RoomNotFound);
    assert_eq!(refused(lee.room_chat(hidden, "x").await), ErrorCode::RoomNotFound);
    assert_eq!(refused(lee.who(invited, 0).await), ErrorCode::NotInRoom);
    lee.join_room("cellar", "key").await.expect("who knows the password knows the room");
    kim.moderate(invited, chat_proto::Act::Invite, "lee", 0, "").await.expect("invited");
    lee.join_room("salon", "").await.expect("who is invited is let in");
}

#[tokio::test]
async fn requests_about_rooms_one_is_not_in_are_refused_by_name() {
    let server = serve(&quiet());
    let (kim, _) = guest(&server, "kim").await;
    let (lee, _events) = guest(&server, "lee").await;
    let room = make(&kim, "dev").await.conversation;
    assert_eq!(refused(kim.join_room("dev", "").await), ErrorCode::AlreadyInRoom);
    assert_eq!(refused(lee.room_chat(room, "hi").await), ErrorCode::NotInRoom);
    assert_eq!(refused(lee.room_chat(999, "hi").await), ErrorCode::RoomNotFound);
    assert_eq!(refused(lee.leave_room(room).await), ErrorCode::NotInRoom);
    assert_eq!(refused(lee.leave_room(999).await), ErrorCode::NotInRoom);
    assert_eq!(refused(lee.leave_room(LOBBY).await), ErrorCode::PermissionDenied);
    assert_eq!(refused(lee.who(room, 0).await), ErrorCode::NotInRoom);
    assert_eq!(refused(lee.set_topic(room, "mine").await), ErrorCode::NotInRoom);
    lee.join_room("dev", "").await.expect("let in");
    assert_eq!(refused(lee.set_topic(room, "mine").await), ErrorCode::PermissionDenied);
    assert_eq!(refused(lee.set_room(room, OPEN, None).await), ErrorCode::PermissionDenied);
    assert_eq!(refused(lee.close_room(room).await), ErrorCode::PermissionDenied);
    lee.leave_room(room).await.expect("left");
    assert_eq!(refused(lee.leave_room(room).await), ErrorCode::NotInRoom);
}

#[tokio::test]
async fn a_room_is_what_its_owner_makes_it_and_everybody_else_is_told() {
    let server = serve(&quiet());
    let (kim, mut at_kims) = guest(&server, "kim").await;
    let (lee, mut events) = guest(&server, "lee").await;
    let room = make(&kim, "dev").await.conversation;
    lee.join_room("dev", "").await.expect("let in");
    kim.set_topic(room, "러스트").await.expect("set");
    assert_eq!(told(&mut events).await, format!("#{room} = 100 0 0 \"러스트\" by kim"));
    let settings = RoomSettings { capacity: 2, flags: room_flag::HIDDEN, slow_s: 0 };
    kim.set_room(room, settings, Some("key")).await.expect("set");
    assert_eq!(told(&mut events).await, format!("#{room} = 2 9 0 \"러스트\" by kim"));
    kim.set_room(room, settings, None).await.expect("the password stays");
    assert_eq!(told(&mut events).await, format!("#{room} = 2 9 0 \"러스트\" by kim"));
    kim.set_room(room, settings, Some("")).await.expect("no password any more");
    assert_eq!(told(&mut events).await, format!("#{room} = 2 1 0 \"러스트\" by kim"));
    lee.room_chat(room, "ok").await.expect("said");
    assert_eq!(told(&mut at_kims).await, format!("#{room} lee: ok"), "who changed it is not told");
}

#[tokio::test]
async fn an_owner_who_leaves_is_followed_by_the_moderator_then_by_whoever_has_been_here_longest() {
    let server = serve(&quiet());
    let (kim, _) = guest(&server, "kim").await;
    let (lee, mut at_lees) = guest(&server, "lee").await;
    let (park, mut at_parks) = guest(&server, "park").await;
    let room = make(&kim, "dev").await.conversation;
    lee.join_room("dev", "").await.expect("let in");
    park.join_room("dev", "").await.expect("let in");
    kim.moderate(room, chat_proto::Act::Appoint, "park", 0, "").await.expect("appointed");
    assert_eq!(told(&mut at_parks).await, format!("#{room} dev: act 8 by kim for 0 \"\""));
    kim.leave_room(room).await.expect("left");
    assert_eq!(told(&mut at_parks).await, format!("#{room} dev: act 10 by  for 0 \"\""));
    park.leave_room(room).await.expect("left");
    assert_eq!(told(&mut at_lees).await, format!("#{room} dev: act 10 by  for 0 \"\""));
    let entered = kim.join_room("dev", "").await.expect("let in");
    assert_eq!(entered.relation, Relation::Member as u16, "a guest keeps nothing");
    let members = kim.who(room, 0).await.expect("a page").entries.0;
    let relations: Vec<_> = members.iter().map(|one| (one.name.as_str(), one.relation)).collect();
    assert_eq!(relations, [("kim", 0), ("lee", 2)]);
}

#[tokio::test]
async fn who_is_away_is_shown_to_be_until_they_are_back() {
    let server = serve(&quiet());
    let (kim, _) = guest(&server, "kim").await;
    let (lee, _events) = guest(&server, "lee").await;
    let states = async || {
        let page = lee.who(LOBBY, 0).await.expect("a page");
        page.entries.0.iter().map(|one| one.state).collect::<Vec<_>>()
    };
    assert_eq!(states().await, [0, 0]);
    kim.set_away(true).await.expect("noted");
    assert_eq!(states().await, [1, 0]);
    kim.set_away(false).await.expect("noted");
    assert_eq!(states().await, [0, 0]);
}

#[tokio::test]
async fn walking_the_pages_of_rooms_repeats_none_and_leaves_out_none_that_stays() {
    let mut config: Config = quiet();
    config.rooms.joined = 61;
    config.rooms.owned = 61;
    config.rooms.created = 61;
    let server = serve(&config);
    let mut makers = Vec::new();
    for maker in 0..10 {
        let (session, events) = guest(&server, &format!("maker{maker}")).await;
        let topic = "주제".repeat(60);
        for room in 0..60 {
            session.create_room(&format!("room{maker}.{room}"), "", OPEN, &topic).await.expect("made");
        }
        makers.push((session, events));
    }
    let (walker, _events) = guest(&server, "walker").await;
    let (mut after, mut seen) = (0, Vec::new());
    for page_number in 0.. {
        let page = walker.rooms(after).await.expect("a page");
        assert!(page.entries.0.len() <= 200);
        seen.extend(page.entries.0.into_iter().map(|entry| entry.name));
        after = page.next;
        if after == 0 {
            break;
        }
        // They come and go meanwhile.
        let (maker, _) = &makers[page_number % 10];
        let page = maker.rooms(after).await.expect("a page");
        if let Some(gone) =
            page.entries.0.iter().find(|entry| entry.name.starts_with(&format!("room{}", page_number % 10)))
        {
            maker.leave_room(gone.conversation).await.expect("left");
            maker.create_room(&format!("late{page_number}"), "", OPEN, "").await.expect("made");
        }
    }
    let mut sorted = seen.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted.len(), seen.len(), "no room twice");
    assert!(seen.iter().filter(|name| name.starts_with("room")).count() >= 590, "{}", seen.len());
}
