//! A server where one is in one conversation at a time, as the C++ server had it.

use chat_proto::{Act, ErrorCode, LOBBY};
use iocp_chat::{config::Config, room::Command, server::Server};

use super::{
    common::{guest, quiet, serve},
    make, refused, told,
};

fn exclusive() -> Server {
    let mut config: Config = quiet();
    config.rooms.exclusive = true;
    serve(&config)
}

#[tokio::test]
async fn who_goes_into_a_room_leaves_the_lobby_and_who_leaves_it_is_back() {
    let server = exclusive();
    let (kim, mut at_kims) = guest(&server, "kim").await;
    let (lee, mut at_lees) = guest(&server, "lee").await;
    let room = make(&kim, "dev").await.conversation;
    assert_eq!(told(&mut at_kims).await, "out of #1: 8  \"\" []");
    assert_eq!(refused(kim.broadcast("anybody?").await), ErrorCode::NotInRoom);
    lee.broadcast("only me here").await.expect("said");
    lee.join_room("dev", "").await.expect("let in");
    assert_eq!(told(&mut at_lees).await, "out of #1: 8  \"\" []");
    lee.room_chat(room, "hi").await.expect("said");
    assert_eq!(told(&mut at_kims).await, format!("#{room} lee: hi"), "and nothing of the lobby");
    let back = lee.leave_room(room).await.expect("left").entered.0;
    assert_eq!(back.iter().map(|place| place.conversation).collect::<Vec<_>>(), [LOBBY]);
    lee.broadcast("back").await.expect("said");
    let other = make(&lee, "other").await.conversation;
    kim.join_room("other", "").await.expect("let in");
    assert_eq!(told(&mut at_kims).await, format!("out of #{room}: 8  \"\" []"));
    kim.room_chat(other, "moved").await.expect("said");
    assert_eq!(told(&mut at_lees).await, "out of #1: 8  \"\" []");
    assert_eq!(told(&mut at_lees).await, format!("#{other} kim: moved"));
    assert_eq!(refused(lee.join_room("dev", "").await), ErrorCode::RoomNotFound, "everybody has left it");
}

#[tokio::test]
async fn who_is_put_out_of_a_room_is_back_in_the_lobby() {
    let server = exclusive();
    let (kim, _kims) = guest(&server, "kim").await;
    let (lee, mut events) = guest(&server, "lee").await;
    let (park, _parks) = guest(&server, "park").await;
    let room = make(&kim, "dev").await.conversation;
    lee.join_room("dev", "").await.expect("let in");
    told(&mut events).await;
    kim.moderate(room, Act::Kick, "lee", 0, "").await.expect("done");
    assert_eq!(told(&mut events).await, format!("out of #{room}: 3 kim \"\" [1]"));
    park.broadcast("welcome back").await.expect("said");
    assert_eq!(told(&mut events).await, "#1 park: welcome back");
}

#[tokio::test]
async fn an_announcement_reaches_everybody_wherever_they_are() {
    let server = exclusive();
    let (kim, mut at_kims) = guest(&server, "kim").await;
    let (_lee, mut at_lees) = guest(&server, "lee").await;
    let room = make(&kim, "dev").await.conversation;
    told(&mut at_kims).await;
    let text = chat_proto::Text::parse("maintenance at noon").expect("a text");
    server.inbox().send(Command::Announce { text }).await.expect("a fan-out");
    assert_eq!(told(&mut at_kims).await, format!("#{room} ! maintenance at noon"));
    assert_eq!(told(&mut at_lees).await, "#1 ! maintenance at noon");
}
