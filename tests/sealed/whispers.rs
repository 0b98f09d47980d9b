//! Sealed whispers on the server: handed on as they are, kept for who is away, and all that holds for whispers.

use std::time::Duration;

use chat_proto::{Act, Credential, Envelope, ErrorCode, LOBBY, feature, limits};
use iocp_chat::{client::Event, config::Rate};

use crate::{
    common::{guest, heard, next, quiet, stage::Stage},
    stage::refused,
};

fn envelope(bytes: &[u8]) -> Envelope {
    Envelope::new(bytes).expect("some bytes")
}

#[tokio::test]
async fn what_is_sealed_is_read_by_whom_it_is_for() {
    let stage = Stage::with(&["kim", "lee"]).await;
    let (mut kim, mut lee) = (stage.owner("kim").await, stage.owner("lee").await);
    assert!(!kim.whisper("LEE", "안녕 👋").await.expect("handed over"));
    assert_eq!(lee.reads().await, "kim: 안녕 👋");
    assert!(!lee.whisper("kim", &"가".repeat(1_024)).await.expect("the longest is handed over"));
    assert_eq!(kim.reads().await, format!("lee: {}", "가".repeat(1_024)));
}

#[tokio::test]
async fn the_longest_text_for_all_devices_of_the_longest_name_fits_a_packet() {
    let longest = "가".repeat(32);
    let stage = Stage::with(&["kim", &longest]).await;
    let (kim, mut other) = (stage.owner("kim").await, stage.owner(&longest).await);
    for _ in 1..limits::DEVICE_KEYS_MAX {
        let device = iocp_chat::client::seal::Identity::new(&mut rand::rng());
        other.session.publish_key(device.public()).await.expect("published");
    }
    let text = "가".repeat(1_024);
    assert!(!kim.whisper(&longest, &text).await.expect("handed over"));
    assert_eq!(other.reads().await, format!("kim: {text}"));
}

#[tokio::test]
async fn an_envelope_arrives_as_it_was_sent_whatever_is_in_it() {
    let stage = Stage::with(&["kim", "lee"]).await;
    let (kim, mut lee) = (stage.owner("kim").await, stage.owner("lee").await);
    for bytes in [vec![0], vec![0x1b; 9], vec![255; limits::SEALED_BYTES_MAX.into()]] {
        assert!(!kim.hand(0, "lee", &envelope(&bytes)).await.expect("handed over"));
        let line = lee.next_sealed().await;
        assert_eq!((line.sender.as_str(), line.envelope.as_bytes()), ("kim", &bytes[..]));
    }
}

#[tokio::test]
async fn who_is_away_gets_it_at_the_next_login_of_a_client_that_reads_it() {
    let stage = Stage::with(&["kim", "lee"]).await;
    let kim = stage.owner("kim").await;
    assert_eq!(refused(kim.hand(0, "lee", &envelope(b"x")).await), ErrorCode::NoKeys.into());
    let lee = stage.owner("lee").await;
    let identity = lee.identity;
    lee.session.log_out().await.expect("gone");
    assert!(kim.whisper("lee", "one").await.expect("kept"));
    assert_eq!(kim.session.whisper("lee", "two, for all to read").await.expect("kept").kept, 1);

    let (plain, mut events) = stage.owner_asking("lee", feature::RESUME).await;
    assert_eq!(heard(&mut events).await, "two, for all to read");
    assert!(kim.whisper("lee", "three").await.expect("who does not read it is away for it"));
    plain.log_out().await.expect("gone");

    let mut lee = stage.owner_with("lee", identity).await;
    assert_eq!([lee.reads().await, lee.reads().await], ["kim: one", "kim: three"]);
    lee.hears_nothing().await;
    assert!(!kim.whisper("lee", "four").await.expect("handed over"));
    assert_eq!(lee.reads().await, "kim: four");
}

#[tokio::test]
async fn a_session_goes_on_over_another_connection_with_what_was_sealed_meanwhile() {
    let stage = Stage::with(&["kim", "lee"]).await;
    let (kim, lee) = (stage.owner("kim").await, stage.owner("lee").await);
    let identity = lee.identity;
    let (welcome, place) = (lee.session.welcome().clone(), lee.session.welcome().conversations.0.clone());
    drop((lee.session, lee.events));
    // It is held, so this is no letter.
    while !matches!(kim.session.everyone(LOBBY).await, Ok(all) if all.iter().any(|one| one.state == 2)) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!kim.whisper("lee", "meanwhile").await.expect("handed over"));
    let client = stage.client(feature::SEALED | feature::RESUME).await;
    let token = welcome.resume_token.expect("it was asked for");
    let (session, events) = client.resume(token).await.expect("good");
    session.attach(&place, true).await.expect("attached");
    let mut lee = crate::stage::Person { session, events, identity };
    assert_eq!(lee.reads().await, "kim: meanwhile");
    assert!(!kim.whisper("lee", "again").await.expect("the new connection reads it too"));
    assert_eq!(lee.reads().await, "kim: again");
}

#[tokio::test]
async fn it_is_refused_as_a_whisper_is_and_to_who_can_have_no_keys() {
    let stage = Stage::with(&["kim", "lee"]).await;
    let kim = stage.owner("kim").await;
    let some = envelope(b"some");
    let (park, _park_events) = guest(&stage.server, "park").await;
    for (to, code) in [
        ("kim", ErrorCode::SelfTarget),
        ("nobody", ErrorCode::UserNotFound),
        ("park", ErrorCode::NoKeys),
        ("lee", ErrorCode::NoKeys),
    ] {
        assert_eq!(refused(kim.hand(0, to, &some).await), code.into(), "{to}");
    }
    park.log_out().await.expect("gone");
    assert_eq!(refused(kim.hand(0, "park", &some).await), ErrorCode::UserOffline.into());
    let asking = stage.client(feature::SEALED).await;
    let (ann, _ann_events) = asking.log_in("ann", Credential::None).await.expect("free");
    let sent = ann.send_sealed(0, "kim", "?", some).await.expect("sent");
    assert_eq!(refused(sent.await), ErrorCode::PermissionDenied.into());
}

#[tokio::test]
async fn one_number_is_one_whisper_sealed_or_not() {
    let stage = Stage::with(&["kim", "lee"]).await;
    let (kim, mut lee) = (stage.owner("kim").await, stage.owner("lee").await);
    let first = envelope(b"once");
    for _ in 0..2 {
        assert!(!kim.hand(7, "lee", &first).await.expect("the first answer"));
    }
    assert_eq!(refused(kim.hand(7, "lee", &envelope(b"twice")).await), ErrorCode::RangeInvalid.into());
    let plain = kim.session.send_whisper(7, "lee", "once more").await.expect("sent");
    assert_eq!(refused(plain.await), ErrorCode::RangeInvalid.into());
    assert_eq!(lee.next_sealed().await.envelope, first);
    lee.hears_nothing().await;
}

#[tokio::test]
async fn who_is_ignored_is_not_heard_sealed_either_and_is_not_told() {
    let stage = Stage::with(&["kim", "lee"]).await;
    let (kim, mut lee) = (stage.owner("kim").await, stage.owner("lee").await);
    assert!(!kim.whisper("lee", "one").await.expect("handed over"));
    assert_eq!(lee.reads().await, "kim: one");
    lee.session.ignore("kim", true).await.expect("ignored");
    assert!(!kim.whisper("lee", "two").await.expect("answered as ever"));
    lee.hears_nothing().await;
    let identity = lee.identity;
    lee.session.log_out().await.expect("gone");
    assert!(kim.whisper("lee", "three").await.expect("answered as ever"));
    let mut lee = stage.owner_with("lee", identity).await;
    lee.hears_nothing().await;
}

#[tokio::test]
async fn who_is_muted_on_the_server_seals_nothing() {
    let stage = Stage::with(&["kim", "lee", "judge"]).await;
    let account = stage.store.accounts().find("judge").await.expect("an answer").expect("there").id;
    stage.store.accounts().set_role(account, chat_proto::Role::Moderator).await.expect("set");
    let (kim, mut lee) = (stage.owner("kim").await, stage.owner("lee").await);
    let (moderator, _events) = stage.owner_asking("judge", 0).await;
    moderator.moderate(LOBBY, Act::Mute, "kim", 60, "").await.expect("muted");
    assert_eq!(refused(kim.whisper("lee", "psst").await), ErrorCode::Muted.into());
    lee.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn it_takes_from_the_rate_of_lines() {
    let mut config = quiet();
    config.rates.chat = Rate { per_second: 1, burst: 2 };
    let stage = Stage::by(config, &["kim", "lee"]).await;
    let (kim, mut lee) = (stage.owner("kim").await, stage.owner("lee").await);
    let some = envelope(b"some");
    kim.hand(0, "lee", &some).await.expect("handed over");
    kim.session.broadcast("and a line").await.expect("said");
    assert_eq!(refused(kim.hand(0, "lee", &some).await), ErrorCode::RateLimited.into());
    lee.next_sealed().await;
    assert!(matches!(next(&mut lee.events).await, Event::Broadcast(_)));
}
