//! Whispers over restarts of the server, where they are stored before they are answered and where they are in memory.

use std::time::Duration;

use chat_proto::{ErrorCode, UNKNOWN_END};
use iocp_chat::{
    config::Config,
    store::{AuditEntry, OPERATOR, Person},
};
use tokio::time::sleep;

use crate::{
    common::{
        Raw, full, quiet,
        stage::{Stage, password},
    },
    fresh::fresh,
    peer::{Peer, patient},
    restart::after,
};

#[tokio::test]
async fn an_answered_whisper_outlives_a_broken_stop_and_comes_once_under_its_number() {
    let (fresh, config) = (fresh().await, full());
    let stage = Stage::at(&fresh.place, &config).await;
    let mut lee = Peer::log_in(&stage.server, "lee").await;
    let mut kim = Peer::log_in(&stage.server, "kim").await;
    let (mailbox, token, his) = (kim.mailbox(), kim.token(), lee.token());
    let first = lee.whisper(5, "kim", "one").await.expect("stored");
    assert_eq!(kim.told().await, "*1 lee: one");
    lee.whisper(6, "kim", "two").await.expect("stored");
    stage.break_off().await;

    let stage = Stage::at(&fresh.place, &config).await;
    let mut kim = Peer::resume(&stage.server, token).await.expect("good");
    assert_eq!(kim.mailbox(), after(mailbox, 2), "it goes on");
    kim.attach(&[after(mailbox, 1)]).await;
    assert_eq!(kim.told().await, "*2 lee: two");
    let mut lee = Peer::resume(&stage.server, his).await.expect("good");
    lee.attach(&[]).await;
    // Answered as the first time, from the whisper's own row.
    assert_eq!(lee.whisper(5, "kim", "one").await, Ok(first));
    assert_eq!(
        lee.whisper(5, "kim", "another").await.expect_err("it is another").code,
        ErrorCode::RangeInvalid.into()
    );
    lee.whisper(7, "kim", "three").await.expect("stored");
    assert_eq!(kim.told().await, "*3 lee: three");
    kim.hears_nothing().await;
    let token = kim.token();
    stage.break_off().await;

    // As often as it breaks down.
    let stage = Stage::at(&fresh.place, &config).await;
    let mut kim = Peer::resume(&stage.server, token).await.expect("good");
    kim.attach(&[after(mailbox, 2)]).await;
    assert_eq!(kim.told().await, "*3 lee: three");
    kim.hears_nothing().await;
    stage.stop().await;
}

#[tokio::test]
async fn a_mailbox_that_nobody_has_whispered_to_goes_on_too() {
    let (fresh, config) = (fresh().await, full());
    let stage = Stage::at(&fresh.place, &config).await;
    let kim = Peer::log_in(&stage.server, "kim").await;
    let (mailbox, token) = (kim.mailbox(), kim.token());
    stage.break_off().await;
    let stage = Stage::at(&fresh.place, &config).await;
    let mut kim = Peer::resume(&stage.server, token).await.expect("good");
    assert_eq!(kim.mailbox(), mailbox);
    kim.attach(&[mailbox]).await;
    kim.hears_nothing().await;
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_whispered_in_the_grace_waits_for_who_comes_back_after_it() {
    let config = Config { timeouts: patient().timeouts, ..full() };
    let grace = config.resume.grace;
    let stage = Stage::by(config, &[]).await;
    let mut lee = Peer::log_in(&stage.server, "lee").await;
    let mut kim = Peer::log_in(&stage.server, "kim").await;
    let (mailbox, token) = (kim.mailbox(), kim.token());
    lee.whisper(0, "kim", "heard").await.expect("stored");
    assert_eq!(kim.told().await, "*1 lee: heard");
    drop(kim);
    lee.whisper(0, "kim", "in the grace").await.expect("stored");
    sleep(grace + Duration::from_secs(1)).await;
    assert_eq!(lee.who().await.len(), 1);
    let gone = lee.whisper(0, "kim", "after it").await.expect_err("nothing is kept for guests");
    assert_eq!(gone.code, ErrorCode::UserOffline.into());
    let mut kim = Peer::resume(&stage.server, token).await.expect("good");
    assert_eq!(kim.mailbox().epoch, mailbox.epoch);
    kim.attach(&[after(mailbox, 1)]).await;
    assert_eq!(kim.told().await, "*2 lee: in the grace");
    lee.whisper(0, "kim", "back").await.expect("stored");
    assert_eq!(kim.told().await, "*3 lee: back");
    kim.hears_nothing().await;
    stage.stop().await;
}

#[tokio::test]
async fn what_was_kept_for_who_was_away_outlives_a_broken_stop_after_it_was_handed_over() {
    let (fresh, config) = (fresh().await, full());
    let stage = Stage::at(&fresh.place, &config).await;
    stage.register(&["kim"]).await;
    let mut lee = Peer::log_in(&stage.server, "lee").await;
    let first = lee.whisper(5, "kim", "one").await.expect("kept");
    assert_eq!(first.kept, 1);
    let mut kim = Peer::log_in_with(&stage.server, "kim", password()).await;
    assert_eq!(kim.told().await, "*1 lee: one");
    let (mailbox, token, his) = (kim.mailbox(), kim.token(), lee.token());
    drop(kim);
    stage.break_off().await;

    let stage = Stage::at(&fresh.place, &config).await;
    // Its client had not taken it yet.
    let mut kim = Peer::resume(&stage.server, token).await.expect("good");
    kim.attach(&[after(mailbox, 0)]).await;
    assert_eq!(kim.told().await, "*1 lee: one");
    let mut lee = Peer::resume(&stage.server, his).await.expect("good");
    lee.attach(&[]).await;
    assert_eq!(lee.whisper(5, "kim", "one").await.expect("known").time_ms, first.time_ms);
    lee.whisper(6, "kim", "two").await.expect("stored");
    assert_eq!(kim.told().await, "*2 lee: two");
    kim.hears_nothing().await;
    stage.stop().await;
}

#[tokio::test]
async fn what_was_erased_leaves_the_others_their_numbers() {
    let (fresh, config) = (fresh().await, full());
    let stage = Stage::at(&fresh.place, &config).await;
    let mut lee = Peer::log_in(&stage.server, "lee").await;
    let mut ann = Peer::log_in(&stage.server, "ann").await;
    let kim = Peer::log_in(&stage.server, "kim").await;
    let (mailbox, token) = (kim.mailbox(), kim.token());
    lee.whisper(0, "kim", "one").await.expect("stored");
    ann.whisper(0, "kim", "two").await.expect("stored");
    lee.whisper(0, "kim", "three").await.expect("stored");
    ann.whisper(0, "kim", "four").await.expect("stored");
    let person = Person { key: "ann".into(), shown: "ann".into() };
    let entry = AuditEntry {
        time_ms: 1,
        actor: OPERATOR.into(),
        actor_role: 3,
        action: "erase".into(),
        conversation: None,
        room: None,
        target: Some("ann".into()),
        seconds: None,
        reason: String::new(),
    };
    assert_eq!(stage.store.history().erase(&person, &entry).await.expect("erased").whispers, 2);
    stage.break_off().await;

    let stage = Stage::at(&fresh.place, &config).await;
    let mut kim = Peer::resume(&stage.server, token).await.expect("good");
    kim.attach(&[mailbox]).await;
    assert_eq!([kim.told().await, kim.told().await], ["*1 lee: one", "*3 lee: three"]);
    let mut park = Peer::log_in(&stage.server, "park").await;
    park.whisper(0, "kim", "five").await.expect("stored");
    assert_eq!(kim.told().await, "*5 park: five");
    stage.stop().await;
}

#[tokio::test]
async fn a_mailbox_in_memory_goes_on_after_a_clean_stop_and_begins_anew_after_a_broken_one() {
    let (fresh, config) = (fresh().await, quiet());
    let stage = Stage::at(&fresh.place, &config).await;
    let mut lee = Peer::log_in(&stage.server, "lee").await;
    let kim = Peer::log_in(&stage.server, "kim").await;
    let (mailbox, token, his) = (kim.mailbox(), kim.token(), lee.token());
    let first = lee.whisper(5, "kim", "one").await.expect("handed over");
    drop(kim);
    stage.stop().await;

    let stage = Stage::at(&fresh.place, &config).await;
    let mut lee = Peer::resume(&stage.server, his).await.expect("good");
    lee.attach(&[]).await;
    assert_eq!(lee.whisper(5, "kim", "one").await, Ok(first));
    lee.whisper(6, "kim", "two").await.expect("handed over");
    stage.break_off().await;

    // Also where whispers are stored from now on.
    let stage = Stage::at(&fresh.place, &full()).await;
    let mut kim = Peer::resume(&stage.server, token).await.expect("good");
    assert_ne!(kim.mailbox().epoch, mailbox.epoch);
    kim.attach(&[mailbox]).await;
    assert_eq!(kim.told().await, format!("0 missed 1 to {UNKNOWN_END}"));
    kim.hears_nothing().await;
    stage.stop().await;
}

#[tokio::test]
async fn who_cannot_come_back_hears_whispers_at_once_and_nothing_is_stored_of_them() {
    let (fresh, config) = (fresh().await, full());
    let stage = Stage::at(&fresh.place, &config).await;
    let mut lee = Peer::log_in(&stage.server, "lee").await;
    let mut kim = Raw::new(stage.server.connect_in_memory(64 * 1024));
    kim.log_in("kim").await;
    let first = lee.whisper(5, "kim", "psst").await.expect("handed over");
    assert_eq!(lee.whisper(5, "kim", "psst").await, Ok(first));
    assert_eq!(stage.store.whispers().whispered_by(lee.welcome.session, 9).await.expect("an answer"), []);
    stage.stop().await;
}
