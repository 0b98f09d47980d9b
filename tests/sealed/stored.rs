//! Sealed whispers that are stored before they are answered, as plain ones are.

use chat_proto::{Envelope, ErrorCode, feature};
use iocp_chat::store::StoredText;

use crate::{
    common::{full, heard, stage::Stage},
    fresh::fresh,
    stage::{Person, refused},
};

fn envelope(bytes: &[u8]) -> Envelope {
    Envelope::new(bytes).expect("some bytes")
}

#[tokio::test]
async fn an_answered_envelope_outlives_a_broken_stop_and_comes_once_under_its_number() {
    let fresh = fresh().await;
    let stage = Stage::at(&fresh.place, &full()).await;
    stage.register(&["kim", "lee"]).await;
    let (kim, mut lee) = (stage.owner("kim").await, stage.owner("lee").await);
    let (first, second) = (envelope(&[0, 255]), envelope(&[7; 3_000]));
    for _ in 0..2 {
        assert!(!kim.hand(7, "lee", &first).await.expect("stored"));
    }
    assert_eq!(lee.next_sealed().await.envelope, first);
    lee.hears_nothing().await;
    let place = lee.session.welcome().conversations.0.clone();
    let tokens = [&kim, &lee].map(|one| one.session.welcome().resume_token.expect("it was asked for"));
    assert!(!kim.hand(8, "lee", &second).await.expect("stored"));
    let mailbox = stage.store.whispers().load_mailbox(lee.session.welcome().session).await;
    let lines = mailbox.expect("an answer").expect("it is stored").lines;
    let stored: Vec<_> = lines.into_iter().map(|(seq, letter)| (seq, letter.text)).collect();
    let sealed = |one: &Envelope| StoredText::Sealed(one.as_bytes().into());
    assert_eq!(stored, [(1, sealed(&first)), (2, sealed(&second))]);
    stage.break_off().await;

    let stage = Stage::at(&fresh.place, &full()).await;
    let [kim_token, lee_token] = tokens;
    let resume = async |token| {
        stage.client(feature::SEALED | feature::RESUME).await.resume(token).await.expect("good")
    };
    let (session, events) = resume(kim_token).await;
    session.attach(&[], true).await.expect("attached");
    let kim = Person { session, events, identity: kim.identity };
    let (session, events) = resume(lee_token).await;
    session.attach(&place, true).await.expect("attached");
    let mut lee = Person { session, events, identity: lee.identity };
    assert_eq!(lee.next_sealed().await.envelope, first, "its client said that it had heard nothing");
    assert_eq!(lee.next_sealed().await.envelope, second);
    assert!(!kim.hand(7, "lee", &first).await.expect("known from its own row"));
    assert_eq!(refused(kim.hand(7, "lee", &second).await), ErrorCode::RangeInvalid.into());
    lee.hears_nothing().await;
    stage.break_off().await;
}

#[tokio::test]
async fn who_does_not_read_it_is_away_for_it_where_whispers_are_stored_too() {
    let stage = Stage::by(full(), &["kim", "lee"]).await;
    let (kim, lee) = (stage.owner("kim").await, stage.owner("lee").await);
    let identity = lee.identity;
    lee.session.log_out().await.expect("gone");
    assert!(kim.whisper("lee", "one").await.expect("kept"));
    assert_eq!(kim.session.whisper("lee", "two, for all to read").await.expect("kept").kept, 1);

    let (plain, mut events) = stage.owner_asking("lee", feature::RESUME).await;
    assert_eq!(heard(&mut events).await, "two, for all to read");
    assert!(kim.whisper("lee", "three").await.expect("kept"));
    plain.log_out().await.expect("gone");

    let mut lee = stage.owner_with("lee", identity).await;
    assert_eq!([lee.reads().await, lee.reads().await], ["kim: one", "kim: three"]);
    assert!(!kim.whisper("lee", "four").await.expect("stored"));
    assert_eq!(lee.reads().await, "kim: four");
    lee.hears_nothing().await;
}
