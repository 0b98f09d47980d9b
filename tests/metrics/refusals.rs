//! Refusals that take more than bytes to come by, each counted under its number and name and no other.

use chat_proto::{Code, Credential, DeviceKey, ErrorCode, feature};
use iocp_chat::{
    client::{Client, Error, Timeouts},
    config::{HashingConfig, Registration},
    server::Server,
    session::Recalled,
    stop::StopReason,
    store::{NewInvite, Place, Role, Store},
};

use crate::{
    common::{guest, quiet, serve},
    ends::{disconnect, reject},
    peer::{Peer, patient},
    scraped::Scraped,
};

/// Refused with this code, which is counted, and nothing else is.
async fn counted<T>(server: &Server, expected: ErrorCode, asked: impl Future<Output = Result<T, Error>>) {
    let before = Scraped::of(server).await;
    let refusal = asked.await.err().expect("it is refused").refusal();
    assert_eq!(refusal.and_then(Code::error), Some(expected));
    let mut now = Scraped::of(server).await;
    while now.moved_since(&before, &["chat_rejects_total"]).is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        now = Scraped::of(server).await;
    }
    assert_eq!(now.moved_since(&before, &["chat_rejects_total"]), [(reject(expected).as_str(), 1)]);
}

fn password(text: &str) -> Credential {
    Credential::Password(text.as_bytes().into())
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_come_in_is_counted_by_why() {
    let mut config = quiet();
    config.accounts.registration = Registration::Invite;
    config.accounts.hashing = HashingConfig { memory_kib: 8, passes: 1, lanes: 1, at_once: 2 };
    let store = Store::open(&Place::memory()).await.expect("a database");
    let recalled = Recalled::from(store.clone(), 0).await.expect("a database");
    let server = Server::start(&config, Vec::new(), Some(recalled)).expect("a server");
    let client = async || Client::over(server.connect_in_memory(64 * 1024)).await.expect("greeted");
    let invite = NewInvite { role: Role::User, uses: 9, created_ms: 1, expires_ms: None };
    let invite = store.invites().create(&invite).await.expect("an invite").to_string();
    counted(
        &server,
        ErrorCode::InviteInvalid,
        client().await.register("kim", password("correct horse"), "none"),
    )
    .await;
    counted(&server, ErrorCode::PasswordInvalid, client().await.register("kim", password("short"), &invite))
        .await;
    client().await.register("kim", password("correct horse"), &invite).await.expect("made");
    server.operator().freeze(true).await.expect("done");
    counted(
        &server,
        ErrorCode::RegistrationClosed,
        client().await.register("lee", password("correct horse"), &invite),
    )
    .await;
    for _ in 0..5 {
        counted(&server, ErrorCode::AuthFailed, client().await.log_in("kim", password("wrong horse"))).await;
    }
    counted(&server, ErrorCode::AuthThrottled, client().await.log_in("kim", password("wrong horse"))).await;
    counted(&server, ErrorCode::NameInvalid, client().await.log_in("admin", Credential::None)).await;
    counted(&server, ErrorCode::NameTaken, client().await.log_in("kim", Credential::None)).await;

    let timeouts = Timeouts::default();
    let asking = async |features| {
        let pipe = server.connect_in_memory(64 * 1024);
        Client::over_asking(pipe, timeouts, features).await.expect("greeted")
    };
    let (park, _events) =
        asking(feature::SEALED).await.log_in("park", Credential::None).await.expect("the name is free");
    counted(&server, ErrorCode::PermissionDenied, park.publish_key(DeviceKey([1; 32]))).await;
}

#[tokio::test(start_paused = true)]
async fn a_token_is_counted_by_what_comes_of_it() {
    let server = serve(&patient());
    let resumed = |result: &str| format!("chat_resume_attempts_total{{result=\"{result}\"}}");
    let moved = async |before: &Scraped, result: &str| {
        let now = Scraped::of(&server).await;
        assert_eq!(now.moved_since(before, &["chat_resume_attempts_total"]), [(resumed(result).as_str(), 1)]);
        now
    };
    let kim = Peer::log_in(&server, "kim").await;
    let before = Scraped::of(&server).await;
    let again = Peer::resume(&server, kim.token()).await.expect("good");
    let before = moved(&before, "ok").await;
    assert!(Peer::resume(&server, chat_proto::ResumeToken([7; 32])).await.is_err());
    let before = moved(&before, "denied").await;
    let raw = Peer::greet(&server, feature::RESUME).await;
    server.operator().drain(true);
    assert!(Peer::resume_over(raw, again.token()).await.is_err());
    moved(&before, "refused").await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_another_takes_over_and_one_that_asks_too_much_are_told_apart() {
    let server = serve(&patient());
    let ends = ["chat_disconnects_total", "chat_rejects_total"];
    let kim = Peer::log_in(&server, "kim").await;
    let before = Scraped::of(&server).await;
    let _again = Peer::resume(&server, kim.token()).await.expect("good");
    let mut now = Scraped::of(&server).await;
    while now.moved_since(&before, &ends).is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        now = Scraped::of(&server).await;
    }
    assert_eq!(now.moved_since(&before, &ends), [(disconnect("SessionReplaced").as_str(), 1)]);

    let (lee, _events) = guest(&server, "lee").await;
    let before = Scraped::of(&server).await;
    while lee.whisper("nobody", "hi").await.is_err_and(|error| error.refusal().is_some()) {}
    let mut now = Scraped::of(&server).await;
    while now.moved_since(&before, &ends[..1]).is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        now = Scraped::of(&server).await;
    }
    assert_eq!(
        now.moved_since(&before, &ends),
        [
            (disconnect("RateLimited").as_str(), 1),
            (reject(ErrorCode::UserNotFound).as_str(), 20),
            (reject(ErrorCode::RateLimited).as_str(), 1),
        ]
    );
    assert_eq!(server.stop(StopReason::Terminate).await.cut, 0);
}
