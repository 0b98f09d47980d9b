//! Who comes, goes, comes back and does not, as the log tells it.

use std::{net::Ipv4Addr, time::Duration};

use chat_proto::DeviceKey;
use iocp_chat::{client::Client, net, server::Server};
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt as _, net::TcpStream, time::sleep};

use crate::{
    common::{
        quiet, serve,
        stage::{Stage, password},
    },
    heard::Heard,
    peer::{Peer, patient},
};

/// These fields of an event, in order.
fn fields(event: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| event[name].clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_session_starts_loses_its_connection_comes_back_and_lapses() {
    let heard = Heard::here();
    let server = serve(&patient());
    let kim = Peer::log_in(&server, "kim").await;
    let start = heard.only("session_start");
    let who = ["level", "conn", "peer", "transport", "user"];
    let expected = json!(["INFO", 1, "127.0.0.1:0", "tcp", "kim"]);
    assert_eq!(fields(&start, &who), expected);
    let session = start["session"].clone();
    assert!(session.as_u64() > Some(0), "{start}");

    let token = kim.token();
    sleep(Duration::from_secs(5)).await;
    drop(kim);
    let absent = heard.until("session_absent").await;
    assert_eq!(fields(&absent, &["level", "session", "user"]), json!(["INFO", session, "kim"]));
    let end = heard.only("session_end");
    assert_eq!(fields(&end, &who), expected);
    let how = ["session", "reason", "code", "err", "missed", "dur_ms"];
    assert_eq!(fields(&end, &how), json!([session, "Eof", null, null, 0, 5_000]));

    let kim = Peer::resume(&server, token).await.expect("good");
    let again = &heard.all("session_start")[1];
    assert_eq!(fields(again, &["conn", "session", "user"]), json!([2, session, "kim"]));
    drop(kim);
    assert_eq!(heard.count("session_lapsed"), 0);
    let lapsed = heard.until("session_lapsed").await;
    assert_eq!(fields(&lapsed, &["level", "session", "user"]), json!(["INFO", session, "kim"]));
    assert_eq!(heard.count("session_absent"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_somebody_has_copied_is_a_warning_that_says_whose_and_from_where() {
    let heard = Heard::here();
    let server = serve(&quiet());
    let first = Peer::log_in(&server, "kim").await;
    let mut second = Peer::resume(&server, first.token()).await.expect("good");
    second.attach(&[]).await;
    assert!(Peer::resume(&server, first.token()).await.is_err());
    let theft = heard.only("resume_theft");
    let session = heard.all("session_start")[0]["session"].clone();
    let expected = json!(["WARN", session, "kim", "127.0.0.1"]);
    assert_eq!(fields(&theft, &["level", "session", "user", "peer"]), expected);
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_log_in_is_told_at_debug_alone() {
    let heard = Heard::here();
    let server = serve(&quiet());
    drop(server.connect_in_memory(64));
    let end = heard.until("guest_end").await;
    let names = ["level", "conn", "peer", "transport", "reason", "code", "dur_ms"];
    assert_eq!(fields(&end, &names), json!(["DEBUG", 1, "127.0.0.1:0", "tcp", "Eof", null, 0]));
    assert_eq!(heard.count("session_end"), 0);
}

#[tokio::test]
async fn whoever_is_turned_away_is_told_with_the_code_that_they_heard() {
    let heard = Heard::here();
    let listener = net::bind((Ipv4Addr::LOCALHOST, 0).into()).expect("free");
    let address = listener.local_addr().expect("bound");
    let server = Server::start(&quiet(), vec![listener], None).expect("a server");
    server.operator().drain(true);
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let peer = stream.local_addr().expect("connected").to_string();
    let _ = stream.read_to_end(&mut Vec::new()).await;
    let away = heard.until("turned_away").await;
    let expected = json!(["DEBUG", peer, "tcp", 5001, "the server is draining"]);
    assert_eq!(fields(&away, &["level", "peer", "transport", "code", "reason"]), expected);
    let drained = heard.only("moderated");
    assert_eq!(fields(&drained, &["by", "act"]), json!(["operator", "drain"]));
}

#[tokio::test(start_paused = true)]
async fn what_becomes_of_the_keys_of_an_account_is_told_without_the_keys() {
    let heard = Heard::here();
    let stage = Stage::with(&["kim"]).await;
    let pipe = stage.server.connect_in_memory(64 * 1024);
    let client =
        Client::over_asking(pipe, iocp_chat::client::Timeouts::default(), chat_proto::feature::SEALED);
    let client = client.await.expect("greeted");
    let (kim, _events) = client.log_in("kim", password()).await.expect("hers");
    kim.publish_key(DeviceKey([7; 32])).await.expect("published");
    kim.remove_key(DeviceKey([7; 32])).await.expect("removed");
    let account = stage.account("kim").await.get();
    for event in ["key_published", "key_removed"] {
        let told = heard.only(event);
        assert_eq!(fields(&told, &["level", "account"]), json!(["INFO", account]));
        assert_eq!(told.as_object().expect("an object").len(), 4, "and nothing else: {told}");
    }
}
