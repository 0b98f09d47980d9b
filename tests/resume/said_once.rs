//! A line sent again is said once, and answered as the first time.

use chat_proto::{Broadcast, ClientPacket, ErrorCode, LOBBY, Refusal, Text};

use crate::{
    common::{id, quiet, serve},
    peer::Peer,
};

#[tokio::test(start_paused = true)]
async fn a_line_sent_again_after_a_resume_is_heard_once_and_answered_alike() {
    let server = serve(&quiet());
    let (mut lee, mut kim) = (Peer::log_in(&server, "lee").await, Peer::log_in(&server, "kim").await);
    let first = kim.say(7, "once").await.expect("said");
    let token = kim.token();
    drop(kim);
    let mut kim = Peer::resume(&server, token).await.expect("good");
    kim.attach(&[]).await;
    assert_eq!(kim.say(7, "once").await, Ok(first));
    // However it is asked.
    assert_eq!(kim.say_in(LOBBY, 7, "once").await, Ok(first));
    assert!(kim.say(8, "twice").await.expect("said").seq > first.seq);
    assert_eq!(lee.told().await, "1/1 kim: once");
    assert_eq!(lee.told().await, "1/2 kim: twice");
    lee.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn a_line_that_was_on_its_way_when_the_connection_was_lost_is_said_once() {
    let server = serve(&quiet());
    let (mut lee, mut kim) = (Peer::log_in(&server, "lee").await, Peer::log_in(&server, "kim").await);
    let token = kim.token();
    kim.raw.send(&[line(9, 7)]).await;
    drop(kim);
    let mut kim = Peer::resume(&server, token).await.expect("good");
    kim.attach(&[]).await;
    assert_eq!(kim.say(7, "on its way").await.expect("said").seq, 1);
    assert_eq!(lee.told().await, "1/1 kim: on its way");
    lee.hears_nothing().await;
}

fn line(number: u32, message_id: u64) -> ClientPacket {
    let text = Text::parse("on its way").expect("a text");
    ClientPacket::Broadcast(Broadcast { id: id(number), message_id, text })
}

#[tokio::test(start_paused = true)]
async fn another_line_by_the_same_number_is_refused() {
    let server = serve(&quiet());
    let mut kim = Peer::log_in(&server, "kim").await;
    kim.say(7, "one").await.expect("said");
    let refusal = Refusal::new(ErrorCode::RangeInvalid);
    assert_eq!(kim.say(7, "another").await, Err(refusal));
    assert_eq!(kim.whisper(7, "kim", "one").await, Err(refusal));
}

#[tokio::test(start_paused = true)]
async fn whispers_are_said_once_too() {
    let server = serve(&quiet());
    let (mut lee, mut kim) = (Peer::log_in(&server, "lee").await, Peer::log_in(&server, "kim").await);
    let first = kim.whisper(3, "lee", "psst").await.expect("handed over");
    let token = kim.token();
    drop(kim);
    let mut kim = Peer::resume(&server, token).await.expect("good");
    assert_eq!(kim.whisper(3, "LEE", "psst").await, Ok(first));
    assert_eq!(lee.told().await, "*1 kim: psst");
    lee.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_line_is_not_remembered_and_zero_is_no_number() {
    let server = serve(&quiet());
    let mut kim = Peer::log_in(&server, "kim").await;
    let nowhere = kim.say_in(99, 5, "hello?").await;
    assert_eq!(nowhere, Err(Refusal::new(ErrorCode::RoomNotFound)));
    let said = [kim.say(5, "hello").await, kim.say(0, "x").await, kim.say(0, "x").await];
    assert_eq!(said.map(|said| said.expect("said").seq), [1, 2, 3]);
}
