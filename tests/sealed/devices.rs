//! Several devices of one person: which of them what is sealed waits for, and in which order it comes.

use std::time::Duration;

use chat_proto::{DeviceKey, ErrorCode, feature};
use iocp_chat::{
    client::{Event, seal::Identity},
    config::Config,
};
use tokio::time::{sleep, timeout};

use crate::{
    common::{full, heard, next, quiet, stage::Stage},
    fresh::fresh,
    stage::{Person, refused},
};

/// Whispers may be stored before they are heard, or not.
fn both() -> [Config; 2] {
    [quiet(), full()]
}

/// The keys of devices that somebody has been seen on and left again.
async fn devices(stage: &Stage, name: &str, devices: &[&Identity]) -> Vec<DeviceKey> {
    for device in devices {
        stage.owner_with(name, again(device)).await.leave().await;
    }
    devices.iter().map(|device| device.public()).collect()
}

fn device() -> Identity {
    Identity::new(&mut rand::rng())
}

/// The same device.
fn again(device: &Identity) -> Identity {
    Identity::of_hex(&device.to_hex()).expect("a key")
}

#[tokio::test]
async fn what_waits_is_handed_to_a_device_that_it_is_sealed_to_and_to_no_other() {
    for config in both() {
        let stage = Stage::by(config, &["kim", "lee"]).await;
        let kim = stage.owner("kim").await;
        let (old, new) = (device(), device());
        let keys = devices(&stage, "lee", &[&old, &new]).await;
        for (devices, text) in [(&keys[..1], "old"), (&keys[..], "both"), (&keys[1..], "new")] {
            assert!(kim.whisper_to("lee", devices, text).await.expect("kept"));
        }
        assert_eq!(kim.session.whisper("lee", "for all to read").await.expect("kept").kept, 1);

        let mut third = stage.owner("lee").await;
        assert_eq!(heard(&mut third.events).await, "for all to read");
        third.hears_nothing().await;
        third.leave().await;
        let mut second = stage.owner_with("lee", new).await;
        assert_eq!([second.reads().await, second.reads().await], ["kim: both", "kim: new"]);
        second.hears_nothing().await;
        let new = second.leave().await;
        let mut first = stage.owner_with("lee", old).await;
        assert_eq!(first.reads().await, "kim: old");
        first.hears_nothing().await;
        first.leave().await;
        stage.owner_with("lee", new).await.hears_nothing().await;
    }
}

#[tokio::test]
async fn who_is_here_on_another_device_is_away_for_it() {
    for config in both() {
        let stage = Stage::by(config, &["kim", "lee"]).await;
        let kim = stage.owner("kim").await;
        let old = device();
        let keys = devices(&stage, "lee", &[&old]).await;
        // They whisper by the keys that they were told before it came.
        let mut lee = stage.owner("lee").await;
        assert!(kim.whisper_to("lee", &keys, "one").await.expect("kept"));
        assert!(!kim.whisper("lee", "two").await.expect("handed over"));
        assert_eq!(lee.reads().await, "kim: two");
        lee.hears_nothing().await;
        lee.leave().await;
        assert_eq!(stage.owner_with("lee", old).await.reads().await, "kim: one");
    }
}

#[tokio::test]
async fn a_device_of_which_the_server_was_not_told_is_none() {
    for config in both() {
        let stage = Stage::by(config, &["kim", "lee"]).await;
        let (kim, identity) = (stage.owner("kim").await, device());
        devices(&stage, "lee", &[&identity]).await;
        assert!(kim.whisper("lee", "one").await.expect("kept"));
        let mut lee = stage.owner_hiding("lee", identity).await;
        assert!(kim.whisper("lee", "two").await.expect("kept"));
        lee.hears_nothing().await;
        lee.show().await;
        assert!(!kim.whisper("lee", "three").await.expect("handed over"));
        for text in ["one", "two", "three"] {
            assert_eq!(lee.reads().await, format!("kim: {text}"));
        }
        lee.show().await;
        lee.hears_nothing().await;
    }
}

#[tokio::test]
async fn what_is_sealed_to_no_device_that_is_left_goes_to_who_took_the_last_one_back() {
    for config in both() {
        let stage = Stage::by(config, &["kim", "lee"]).await;
        let kim = stage.owner("kim").await;
        let (lost, left) = (device(), device());
        let keys = devices(&stage, "lee", &[&lost, &left]).await;
        let sealed = kim.seal("lee", &keys[..1], "for the lost one");
        assert!(kim.hand(0, "lee", &sealed).await.expect("kept"));
        let mut lee = stage.owner_with("lee", left).await;
        lee.hears_nothing().await;
        lee.session.remove_key(keys[0]).await.expect("removed");
        assert_eq!(lee.next_sealed().await.envelope, sealed, "who said it is told, and that it is unread");
        assert_eq!(refused(kim.hand(0, "lee", &sealed).await), ErrorCode::NoKeys.into());
        lee.session.remove_key(keys[1]).await.expect("removed");
        assert_eq!(refused(kim.whisper_to("lee", &keys, "nobody's").await), ErrorCode::NoKeys.into());
        lee.hears_nothing().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_kept_and_what_is_said_meanwhile_come_in_the_order_in_which_they_were_said() {
    const BEFORE: u32 = 5;
    // Fewer than are kept of one sender.
    const ALL: u32 = 20;
    for config in both() {
        let stage = Stage::by(config, &["kim", "lee"]).await;
        let (kim, mut identity) = (stage.owner("kim").await, device());
        let keys = devices(&stage, "lee", &[&identity]).await;
        for round in 0..15 {
            let say = async |from, to| {
                for number in from..to {
                    let said = format!("{round}/{number}");
                    kim.whisper_to("lee", &keys, &said).await.expect("handed over or kept");
                }
            };
            say(0, BEFORE).await;
            let mut lee = stage.owner_hiding("lee", identity).await;
            let meanwhile = async {
                // Another moment each time.
                sleep(Duration::from_micros(200 * round)).await;
                say(BEFORE, ALL).await;
            };
            tokio::join!(meanwhile, lee.show());
            for number in 0..ALL {
                assert_eq!(lee.reads().await, format!("kim: {round}/{number}"));
            }
            lee.hears_nothing().await;
            identity = lee.leave().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_handed_over_to_who_hangs_up_in_the_middle_comes_once_when_they_are_back() {
    for config in both() {
        let stage = Stage::by(config, &["kim", "lee"]).await;
        let (kim, mut identity) = (stage.owner("kim").await, device());
        let keys = devices(&stage, "lee", &[&identity]).await;
        for round in 0..10 {
            assert!(kim.whisper_to("lee", &keys, &round.to_string()).await.expect("kept"));
            let lee = stage.owner_hiding("lee", identity).await;
            let (token, place) = (lee.token(), lee.session.welcome().conversations.0.clone());
            let _ = timeout(Duration::from_micros(100 * round), lee.show()).await;
            drop((lee.session, lee.events));
            let client = stage.client(feature::SEALED | feature::RESUME).await;
            let (session, events) = client.resume(token).await.expect("good");
            session.attach(&place, true).await.expect("attached");
            let mut lee = Person { session, events, identity: lee.identity };
            lee.show().await;
            assert_eq!(lee.reads().await, format!("kim: {round}"));
            lee.hears_nothing().await;
            identity = lee.leave().await;
        }
    }
}

#[tokio::test]
async fn a_server_that_has_started_again_is_shown_the_device_anew() {
    let fresh = fresh().await;
    let [_, full] = both();
    let stage = Stage::at(&fresh.place, &full).await;
    stage.register(&["kim", "lee"]).await;
    let lee = stage.owner("lee").await;
    let token = lee.token();
    stage.break_off().await;

    let stage = Stage::at(&fresh.place, &full).await;
    let kim = stage.owner("kim").await;
    assert!(kim.whisper("lee", "one").await.expect("nobody is there yet"));
    let client = stage.client(feature::SEALED | feature::RESUME).await;
    let (session, events) = client.resume(token).await.expect("good");
    session.attach(&[], true).await.expect("attached");
    let mut lee = Person { session, events, identity: lee.identity };
    assert!(kim.whisper("lee", "two").await.expect("kept"));
    lee.hears_nothing().await;
    lee.show().await;
    assert!(!kim.whisper("lee", "three").await.expect("stored"));
    for text in ["one", "two", "three"] {
        assert_eq!(lee.reads().await, format!("kim: {text}"));
    }
    stage.break_off().await;
}

#[tokio::test]
async fn whoever_goes_on_with_a_client_that_does_not_read_it_shows_the_device_anew() {
    let stage = Stage::with(&["kim", "lee"]).await;
    let (kim, lee) = (stage.owner("kim").await, stage.owner("lee").await);
    let token = lee.token();
    drop((lee.session, lee.events));
    let resume = async |token, features| {
        let client = stage.client(feature::RESUME | features).await;
        let (session, events) = client.resume(token).await.expect("good");
        session.attach(&[], true).await.expect("attached");
        (session, events)
    };
    let (plain, mut events) = resume(token, 0).await;
    assert!(kim.whisper("lee", "one").await.expect("kept"));
    assert_eq!(kim.session.whisper("lee", "for all to read").await.expect("handed over").kept, 0);
    assert!(matches!(next(&mut events).await, Event::Whisper(_)));
    let token = plain.welcome().resume_token.expect("it was asked for");
    drop((plain, events));
    let (session, events) = resume(token, feature::SEALED).await;
    let mut lee = Person { session, events, identity: lee.identity };
    assert!(kim.whisper("lee", "two").await.expect("kept behind the first"));
    lee.show().await;
    let mut read = Vec::new();
    while read.len() < 2 {
        match next(&mut lee.events).await {
            Event::Sealed(line) => read.push(lee.opens(&line).await),
            // What the client says that it has not read.
            Event::Whisper(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(read, ["kim: one", "kim: two"]);
}
