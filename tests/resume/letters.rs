//! Whispers to the owner of an account who is away: kept, bounded, and handed over once.

use chat_proto::{ClientPacket, ErrorCode, Ignore, Refusal, ServerPacket, Username, WhisperReceipt};

use crate::{common::stage::Stage, peer::Peer};

fn kept(outcome: Result<WhisperReceipt, Refusal>) -> bool {
    outcome.expect("taken").kept == 1
}

fn refused(outcome: Result<WhisperReceipt, Refusal>) -> ErrorCode {
    outcome.expect_err("there is no more room").code.error().expect("known")
}

#[tokio::test]
async fn what_is_whispered_to_who_is_away_is_heard_at_the_next_login_in_order_and_once() {
    let stage = Stage::with(&["kim"]).await;
    let mut lee = Peer::log_in(&stage.server, "lee").await;
    let mut ann = Peer::log_in(&stage.server, "ann").await;
    assert!(kept(lee.whisper(1, "kim", "one").await));
    assert!(kept(ann.whisper(1, "KIM", "two").await));
    assert!(kept(lee.whisper(2, "kim", "three").await));
    let mut kim = stage.owner("kim").await;
    assert_eq!(
        [kim.told().await, kim.told().await, kim.told().await],
        ["*1 lee: one", "*2 ann: two", "*3 lee: three"]
    );
    assert!(!kept(lee.whisper(3, "kim", "four").await));
    assert_eq!(kim.told().await, "*4 lee: four");
    kim.log_out().await;
    let mut kim = stage.owner("kim").await;
    kim.hears_nothing().await;
}

#[tokio::test]
async fn a_whisper_said_twice_by_one_number_is_kept_once() {
    let stage = Stage::with(&["kim"]).await;
    let mut lee = Peer::log_in(&stage.server, "lee").await;
    let first = lee.whisper(7, "kim", "once").await.expect("kept");
    assert_eq!(lee.whisper(7, "kim", "once").await, Ok(first));
    // Another connection of the same session.
    let mut lee = Peer::resume(&stage.server, lee.token()).await.expect("good");
    lee.attach(&[]).await;
    assert_eq!(lee.whisper(7, "kim", "once").await, Ok(first));
    assert_eq!(refused(lee.whisper(7, "kim", "twice").await), ErrorCode::RangeInvalid);
    let mut kim = stage.owner("kim").await;
    assert_eq!(kim.told().await, "*1 lee: once");
    // It is not said again for having been heard.
    assert_eq!(lee.whisper(7, "kim", "once").await, Ok(first));
    kim.hears_nothing().await;
}

#[tokio::test]
async fn who_can_come_back_is_not_away() {
    let stage = Stage::with(&["kim"]).await;
    let mut lee = Peer::log_in(&stage.server, "lee").await;
    let kim = stage.owner("kim").await;
    let (token, mailbox) = (kim.token(), kim.mailbox());
    drop(kim);
    assert!(!kept(lee.whisper(1, "kim", "see you").await));
    let mut kim = Peer::resume(&stage.server, token).await.expect("good");
    kim.attach(&[mailbox]).await;
    assert_eq!(kim.told().await, "*1 lee: see you");
    kim.hears_nothing().await;
}

#[tokio::test]
async fn twenty_five_of_one_sender_and_a_hundred_in_all_are_kept() {
    let stage = Stage::with(&["kim"]).await;
    let mut senders = Vec::new();
    for number in 0..5 {
        senders.push(Peer::log_in(&stage.server, &format!("lee{number}")).await);
    }
    let (last, four) = senders.split_last_mut().expect("five");
    for sender in four {
        for number in 1..=25 {
            assert!(kept(sender.whisper(number, "kim", &format!("{number}")).await));
        }
        assert_eq!(refused(sender.whisper(26, "kim", "one more").await), ErrorCode::UserOffline);
    }
    assert_eq!(refused(last.whisper(1, "kim", "one more").await), ErrorCode::UserOffline);
    let mut kim = stage.owner("kim").await;
    for number in 0..100 {
        let expected = format!("*{} lee{}: {}", number + 1, number / 25, number % 25 + 1);
        assert_eq!(kim.told().await, expected);
    }
    kim.log_out().await;
    // There is room again, and what was refused is not remembered.
    assert!(kept(last.whisper(1, "kim", "one more").await));
}

#[tokio::test]
async fn sixty_four_kibibytes_are_kept() {
    let stage = Stage::with(&["kim"]).await;
    let mut lee = Peer::log_in(&stage.server, "lee").await;
    let mut ann = Peer::log_in(&stage.server, "ann").await;
    // 3,000 bytes and the sender's name each, so that 21 have room: fewer than of one sender.
    let text = "가".repeat(1_000);
    for number in 1..=21 {
        let sender = if number % 2 == 0 { &mut lee } else { &mut ann };
        assert!(kept(sender.whisper(number, "kim", &text).await), "{number}");
    }
    assert_eq!(refused(ann.whisper(22, "kim", &text).await), ErrorCode::UserOffline);
    assert!(kept(ann.whisper(22, "kim", "short").await), "something shorter has room");
}

#[tokio::test]
async fn who_is_ignored_is_told_that_it_is_kept_and_nothing_arrives() {
    let stage = Stage::with(&["kim"]).await;
    let mut lee = Peer::log_in(&stage.server, "lee").await;
    let mut ann = Peer::log_in(&stage.server, "ann").await;
    let mut kim = stage.owner("kim").await;
    let ignored =
        |id| ClientPacket::Ignore(Ignore { id, name: Username::parse("lee").expect("a name"), on: 1 });
    let answer = kim.ask(ignored).await;
    assert!(matches!(&answer, ServerPacket::IgnoreAnswer(answer) if answer.outcome.is_ok()), "{answer:?}");
    kim.log_out().await;
    assert!(kept(lee.whisper(1, "kim", "unheard").await));
    assert!(kept(ann.whisper(1, "kim", "heard").await));
    let mut kim = stage.owner("kim").await;
    assert_eq!(kim.told().await, "*1 ann: heard");
    kim.hears_nothing().await;
}

#[tokio::test]
async fn nothing_is_kept_for_guests_and_for_names_that_nobody_has() {
    let stage = Stage::with(&[]).await;
    let mut lee = Peer::log_in(&stage.server, "lee").await;
    let ann = Peer::log_in(&stage.server, "ann").await;
    ann.log_out().await;
    assert_eq!(refused(lee.whisper(1, "ann", "hello").await), ErrorCode::UserOffline);
    assert_eq!(refused(lee.whisper(2, "nobody", "hello").await), ErrorCode::UserNotFound);
}
