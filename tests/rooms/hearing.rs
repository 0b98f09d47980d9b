//! Not hearing those one does not want to hear.

use chat_proto::ErrorCode;

use super::{
    common::{guest, quiet, serve},
    make, refused, told,
};

#[tokio::test]
async fn of_people_who_are_ignored_neither_lines_nor_whispers_arrive_and_they_do_not_learn_of_it() {
    let server = serve(&quiet());
    let (kim, _) = guest(&server, "kim").await;
    let (lee, mut events) = guest(&server, "lee").await;
    let (park, _parks) = guest(&server, "park").await;
    let room = make(&kim, "dev").await.conversation;
    lee.join_room("dev", "").await.expect("let in");
    lee.ignore("KIM", true).await.expect("ignored");
    kim.broadcast("one").await.expect("said");
    kim.room_chat(room, "two").await.expect("said");
    kim.whisper("lee", "three").await.expect("it is answered as ever");
    park.broadcast("four").await.expect("said");
    assert_eq!(told(&mut events).await, "#1 park: four");
    let ignored = lee.ignored().await.expect("a list").entries.0;
    assert_eq!(ignored.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["KIM"]);
    lee.ignore("kim", false).await.expect("heard again");
    kim.broadcast("five").await.expect("said");
    assert_eq!(told(&mut events).await, "#1 kim: five");
    assert!(lee.ignored().await.expect("a list").entries.0.is_empty());
}

#[tokio::test]
async fn an_ignored_name_stays_ignored_when_its_owner_comes_back() {
    let server = serve(&quiet());
    let (lee, mut events) = guest(&server, "lee").await;
    let (park, _parks) = guest(&server, "park").await;
    lee.ignore("kim", true).await.expect("a name that nobody has yet");
    for round in 0..3 {
        let (kim, _) = guest(&server, "kim").await;
        kim.broadcast("hi").await.expect("said");
        kim.log_out().await.expect("left");
        park.broadcast(&format!("round {round}")).await.expect("said");
        assert_eq!(told(&mut events).await, format!("#1 park: round {round}"));
    }
}

#[tokio::test]
async fn nobody_ignores_themselves_nor_more_than_the_limit() {
    let mut config = quiet();
    config.rooms.ignored = 2;
    let server = serve(&config);
    let (lee, _events) = guest(&server, "lee").await;
    assert_eq!(refused(lee.ignore("Lee", true).await), ErrorCode::SelfTarget);
    lee.ignore("a", true).await.expect("one");
    lee.ignore("b", true).await.expect("two");
    lee.ignore("B", true).await.expect("the same again");
    assert_eq!(refused(lee.ignore("c", true).await), ErrorCode::RoomLimit);
    lee.ignore("a", false).await.expect("one less");
    lee.ignore("c", true).await.expect("two again");
}
