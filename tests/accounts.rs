//! Accounts, as the people who have them meet them: registering, logging in, being kept out.

mod common;
#[path = "common/folder.rs"]
mod folder;

use std::{net::IpAddr, sync::Arc};

use chat_proto::{
    ClientPacket, Credential, ErrorCode, Login, Refusal, Role, ServerPacket, Username,
    limits::GUEST_REFUSALS_MAX, way_in,
};
use common::{Raw, hello, id, next, quiet, stage::CHEAP};
use folder::Folder;
use iocp_chat::{
    client::{Client, Error, Event, Events, Session},
    config::{Config, HashingConfig, Registration, SecondLogin},
    server::Server,
    session::Recalled,
    stop::StopReason,
    store::{NewInvite, Place, Store},
};

const PIPE: usize = 64 * 1024;
const HERE: &str = "127.0.0.1";

fn cheap() -> Config {
    let mut config = quiet();
    config.accounts.hashing = CHEAP;
    config
}

struct Stage {
    server: Server,
    store: Store,
}

impl Stage {
    async fn with(config: &Config) -> Self {
        Self::at(config, &Place::memory()).await
    }

    async fn at(config: &Config, place: &Place) -> Self {
        let store = Store::open(place).await.expect("a database");
        let server = Server::start(
            config,
            Vec::new(),
            Some(Recalled::from(store.clone(), 0).await.expect("a database")),
        )
        .expect("a server");
        Self { server, store }
    }

    async fn client(&self) -> Client {
        self.client_from(HERE).await
    }

    async fn client_from(&self, address: &str) -> Client {
        let address: IpAddr = address.parse().expect("an address");
        Client::over(self.server.connect_in_memory_from(address, PIPE)).await.expect("the server greets")
    }

    async fn register(&self, name: &str, typed: &str) -> Result<String, ErrorCode> {
        self.register_with(name, typed, "").await.map(|(name, _)| name)
    }

    async fn register_with(&self, name: &str, typed: &str, invite: &str) -> Result<(String, u16), ErrorCode> {
        // From elsewhere each time: one address may not make many accounts.
        let address = format!("10.{}.{}.{}", rand_byte(), rand_byte(), rand_byte());
        let registered = self.client_from(&address).await.register(name, password(typed), invite).await;
        registered.map(|registered| (registered.name, registered.role)).map_err(|error| code(&error))
    }

    async fn log_in(&self, name: &str, typed: &str) -> Result<(Session, Events), ErrorCode> {
        self.client().await.log_in(name, password(typed)).await.map_err(|error| code(&error))
    }

    async fn enter(&self, name: &str) -> Result<(Session, Events), ErrorCode> {
        self.client().await.log_in(name, Credential::None).await.map_err(|error| code(&error))
    }

    async fn stop(self) {
        self.server.stop(StopReason::Interrupt).await;
        self.store.close().await.expect("it closes");
    }
}

fn rand_byte() -> u8 {
    rand::random()
}

fn password(typed: &str) -> Credential {
    Credential::Password(typed.as_bytes().into())
}

fn log_in(name: &str, credential: Credential) -> ClientPacket {
    let name = Username::parse(name).expect("a name");
    ClientPacket::Login(Login { id: id(2), name, credential })
}

fn refusal(error: &Error) -> Refusal {
    match error {
        Error::Refused(refusal) => *refusal,
        other => panic!("not a refusal: {other}"),
    }
}

fn code(error: &Error) -> ErrorCode {
    refusal(error).code.error().expect("a code of this version")
}

#[tokio::test]
async fn who_registers_can_log_in_after_a_restart_and_is_shown_as_they_typed_it() {
    let folder = Folder::new("chat accounts");
    let place = Place::in_folder(&folder).expect("a path");
    let stage = Stage::at(&cheap(), &place).await;
    assert_eq!(
        stage.register("김 Chul".replace(' ', "").as_str(), "correct horse").await,
        Ok("김Chul".into())
    );
    stage.stop().await;
    let stage = Stage::at(&cheap(), &place).await;
    let (session, _events) = stage.log_in("김CHUL", "correct horse").await.expect("the same person");
    assert_eq!(session.welcome().name, "김Chul");
    assert_eq!(session.welcome().role, Role::User as u16);
    stage.stop().await;
}

#[tokio::test]
async fn both_normal_forms_of_a_password_are_one() {
    let stage = Stage::with(&cheap()).await;
    stage.register("kim", "비밀번호입니다").await.expect("free");
    let decomposed = "\u{1107}\u{1175}\u{1106}\u{1175}\u{11af}\u{1107}\u{1165}\u{11ab}\u{1112}\u{1169}\u{110b}\u{1175}\u{11b8}\u{1102}\u{1175}\u{1103}\u{1161}";
    assert!(stage.log_in("kim", decomposed).await.is_ok());
}

#[tokio::test]
async fn an_unknown_name_a_wrong_password_and_a_disabled_account_are_one_answer_after_one_hash_each() {
    let stage = Stage::with(&cheap()).await;
    stage.register("kim", "correct horse").await.expect("free");
    stage.register("lee", "correct horse").await.expect("free");
    let accounts = stage.store.accounts();
    let lee = accounts.find("lee").await.expect("the store answers").expect("registered");
    accounts.set_disabled(lee.id, true).await.expect("the store takes it");
    let runs = || stage.server.accounts().expect("it has accounts").hasher().runs();
    let mut answers = Vec::new();
    for (name, typed) in [
        ("nobody", "correct horse"),
        ("kim", "incorrect horse"),
        ("kim", "short"),
        ("lee", "correct horse"),
        ("admin", "correct horse"),
    ] {
        let before = runs();
        let mut raw = Raw::new(stage.server.connect_in_memory(PIPE));
        raw.send(&[hello(1)]).await;
        raw.receive().await.expect("hello");
        raw.send(&[log_in(name, password(typed))]).await;
        let answer = raw.receive().await.expect("an answer");
        assert_eq!(runs(), before + 1);
        answers.push(answer);
    }
    let ServerPacket::LoginAnswer(answer) = &answers[0] else { panic!("{:?}", answers[0]) };
    assert_eq!(answer.outcome.as_ref().err().map(|refusal| refusal.code), Some(ErrorCode::AuthFailed.into()));
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[tokio::test]
async fn a_name_of_an_account_is_nobody_elses_nor_is_one_that_looks_like_it() {
    let stage = Stage::with(&cheap()).await;
    let (_guest, _events) = stage.enter("Visitor").await.expect("free");
    assert_eq!(stage.register("visitor", "correct horse").await, Err(ErrorCode::NameTaken));
    stage.register("alice", "correct horse").await.expect("free");
    for look_alike in ["alice", "ALICE", "ａｌｉｃｅ", "аlice", "a1ice", "alIce"] {
        assert_eq!(stage.enter(look_alike).await.err(), Some(ErrorCode::NameTaken), "guest {look_alike}");
        let registered = stage.register(look_alike, "correct horse").await;
        assert_eq!(registered, Err(ErrorCode::NameTaken), "register {look_alike}");
    }
    for reserved in ["admin", "Adm1n", "운영자", "system"] {
        assert_eq!(stage.enter(reserved).await.err(), Some(ErrorCode::NameInvalid), "{reserved}");
        assert_eq!(stage.register(reserved, "correct horse").await, Err(ErrorCode::NameInvalid));
    }
    for no_password in ["", "seven77", &"x".repeat(129), "nul\0inside", "tab\tinside"] {
        let wanted =
            if no_password.is_empty() { ErrorCode::MalformedBody } else { ErrorCode::PasswordInvalid };
        assert_eq!(stage.register("bob", no_password).await, Err(wanted), "{no_password:?}");
    }
}

// Paused, as no deadline of the last in the line is what this is about.
#[tokio::test(start_paused = true)]
async fn of_fifty_who_want_one_name_at_once_in_many_spellings_one_gets_it() {
    let stage = Arc::new(Stage::with(&cheap()).await);
    let spellings = ["willow", "wil1ow", "WILLOW", "w1llow", "ｗｉｌｌｏｗ", "wi11ow", "willοw", "Will0w"];
    let claims = (0..50).map(|number| {
        let stage = Arc::clone(&stage);
        tokio::spawn(
            async move { stage.register(spellings[number % spellings.len()], "correct horse").await },
        )
    });
    let mut made = 0;
    for claim in claims.collect::<Vec<_>>() {
        match claim.await.expect("no panic") {
            Ok(_) => made += 1,
            Err(code) => assert!(matches!(code, ErrorCode::NameTaken | ErrorCode::NameInvalid), "{code:?}"),
        }
    }
    assert_eq!((made, stage.store.accounts().count().await.expect("it answers")), (1, 1));
}

#[tokio::test]
async fn a_second_login_replaces_the_first_or_is_refused_as_the_configuration_says() {
    let stage = Stage::with(&cheap()).await;
    stage.register("kim", "correct horse").await.expect("free");
    let (other, mut lines) = stage.enter("lee").await.expect("free");
    let (_first, mut events) = stage.log_in("kim", "correct horse").await.expect("registered");
    let (second, mut news) = stage.log_in("kim", "correct horse").await.expect("registered");
    other.broadcast("who is here").await.expect("said");
    other.whisper("kim", "you").await.expect("kim is here");
    let said: Vec<_> = [next(&mut news).await, next(&mut news).await].into_iter().map(text).collect();
    assert!(said.contains(&"who is here".to_owned()) && said.contains(&"you".to_owned()), "{said:?}");
    let goodbye = match next(&mut events).await {
        Event::Goodbye(goodbye) => goodbye,
        other => panic!("the old session is told {other:?}"),
    };
    assert_eq!(goodbye.code, ErrorCode::SessionReplaced.into());
    second.broadcast("only me").await.expect("said");
    assert_eq!(text(next(&mut lines).await), "only me");
    assert_eq!(stage.server.sessions(), 2);

    let mut config = cheap();
    config.accounts.second_login = SecondLogin::Refused;
    let stage = Stage::with(&config).await;
    stage.register("kim", "correct horse").await.expect("free");
    let _first = stage.log_in("kim", "correct horse").await.expect("registered");
    assert_eq!(stage.log_in("kim", "correct horse").await.err(), Some(ErrorCode::NameTaken));
}

fn text(event: Event) -> String {
    match event {
        Event::Broadcast(line) | Event::Whisper(line) => line.text,
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn who_may_register_and_come_as_a_guest_is_the_operators_choice_and_hello_says_it() {
    let mut config = cheap();
    let ways = async |stage: &Stage| stage.client().await.server().ways_in;
    let stage = Stage::with(&config).await;
    let open = way_in::GUEST | way_in::PASSWORD | way_in::REGISTRATION | way_in::INVITATION;
    assert_eq!(ways(&stage).await, open);

    config.accounts.registration = Registration::Invite;
    config.accounts.guests = Some(false);
    let stage = Stage::with(&config).await;
    assert_eq!(ways(&stage).await, way_in::PASSWORD | way_in::INVITATION);
    assert_eq!(stage.enter("lee").await.err(), Some(ErrorCode::AuthFailed));
    assert_eq!(stage.register("kim", "correct horse").await, Err(ErrorCode::InviteInvalid));
    let invite = NewInvite { role: Role::Admin, uses: 1, created_ms: 0, expires_ms: None };
    let code = stage.store.invites().create(&invite).await.expect("stored").to_string();
    let wrong = "0123456789ABCDEF";
    assert_eq!(stage.register_with("kim", "correct horse", wrong).await, Err(ErrorCode::InviteInvalid));
    assert_eq!(stage.register_with("kim", "short", &code).await, Err(ErrorCode::PasswordInvalid));
    let made = stage.register_with("kim", "correct horse", &code).await;
    assert_eq!(made, Ok(("kim".into(), Role::Admin as u16)), "a refusal before did not spend it");
    assert_eq!(stage.register_with("lee", "correct horse", &code).await, Err(ErrorCode::InviteInvalid));
    assert_eq!(
        stage.log_in("kim", "correct horse").await.expect("made").0.welcome().role,
        Role::Admin as u16
    );

    config.accounts.registration = Registration::Closed;
    let stage = Stage::with(&config).await;
    assert_eq!(ways(&stage).await, way_in::PASSWORD);
    assert_eq!(stage.register("kim", "correct horse").await, Err(ErrorCode::RegistrationClosed));
}

#[tokio::test]
async fn a_changed_password_is_the_only_one_from_then_on() {
    let stage = Stage::with(&cheap()).await;
    stage.register("kim", "correct horse").await.expect("free");
    let (kim, _events) = stage.log_in("kim", "correct horse").await.expect("registered");
    let change = async |current: &str, new: &str| {
        kim.change_password(password(current), password(new)).await.map_err(|error| code(&error))
    };
    assert_eq!(change("incorrect horse", "battery staple").await, Err(ErrorCode::AuthFailed));
    assert_eq!(change("correct horse", "short").await, Err(ErrorCode::PasswordInvalid));
    assert_eq!(change("correct horse", "battery staple").await, Ok(()));
    kim.broadcast("still here").await.expect("said");
    assert_eq!(stage.log_in("kim", "correct horse").await.err(), Some(ErrorCode::AuthFailed));
    assert!(stage.log_in("kim", "battery staple").await.is_ok());
    let (lee, _events) = stage.enter("lee").await.expect("free");
    let refused = lee.change_password(password("whatever it is"), password("battery staple")).await;
    assert_eq!(refused.map_err(|error| code(&error)), Err(ErrorCode::PermissionDenied));
}

#[tokio::test(start_paused = true)]
async fn the_third_wrong_password_ends_the_connection_and_the_sixth_from_one_address_waits() {
    let stage = Stage::with(&cheap()).await;
    stage.register("kim", "correct horse").await.expect("free");
    let mut raw =
        Raw::new(stage.server.connect_in_memory_from("10.0.0.1".parse().expect("an address"), PIPE));
    raw.send(&[hello(1)]).await;
    raw.receive().await.expect("hello");
    for _ in 0..GUEST_REFUSALS_MAX {
        raw.send(&[log_in("kim", password("incorrect horse"))]).await;
        let answer = raw.receive().await;
        let Some(ServerPacket::LoginAnswer(answer)) = answer else { panic!("{answer:?}") };
        assert_eq!(answer.outcome.err(), Some(Refusal::new(ErrorCode::AuthFailed)));
    }
    let Some(ServerPacket::Goodbye(goodbye)) = raw.receive().await else { panic!("three are enough") };
    assert_eq!(goodbye.code, ErrorCode::AuthFailed.into());
    let mut codes = Vec::new();
    for _ in 3..6 {
        let attempt = stage.client_from("10.0.0.1").await.log_in("kim", password("incorrect horse")).await;
        codes.push(refusal(&attempt.err().expect("wrong")));
    }
    let codes: Vec<_> = codes.iter().map(|refusal| (refusal.code.error(), refusal.retry_ms > 0)).collect();
    let (wrong, waits) = ((Some(ErrorCode::AuthFailed), false), (Some(ErrorCode::AuthThrottled), true));
    assert_eq!(codes, [wrong, wrong, waits]);
    let owner = stage.client_from("10.0.0.2").await.log_in("kim", password("correct horse")).await;
    assert!(owner.is_ok(), "the owner comes from elsewhere");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_who_log_in_and_hang_up_never_hash_more_at_once_than_may() {
    let stage = Stage::with(&cheap()).await;
    stage.register("kim", "correct horse").await.expect("free");
    for number in 0..1_000_u32 {
        let address = IpAddr::V4((0x0a00_0000 + number).into());
        let mut raw = Raw::new(stage.server.connect_in_memory_from(address, PIPE));
        raw.send(&[hello(1)]).await;
        raw.send(&[log_in("kim", password("wrong horse"))]).await;
        drop(raw);
    }
    let (kim, _events) = loop {
        // While many are still hashed, or looked for, the line may be full.
        match stage.log_in("kim", "correct horse").await {
            Ok(session) => break session,
            Err(ErrorCode::AuthBusy | ErrorCode::StorageUnavailable) => {}
            Err(code) => panic!("{code:?}"),
        }
    };
    kim.broadcast("it works").await.expect("said");
    let hasher = stage.server.accounts().expect("it has accounts").hasher();
    assert!(hasher.running_most() <= 2, "{} ran at once", hasher.running_most());
}

#[tokio::test]
async fn who_chats_does_not_wait_for_those_who_log_in() {
    let mut config = cheap();
    // Seconds, even here.
    config.accounts.hashing = HashingConfig { memory_kib: 64 * 1024, passes: 40, lanes: 1, at_once: 1 };
    let stage = Stage::with(&config).await;
    let (kim, _) = stage.enter("kim").await.expect("free");
    let (_lee, mut events) = stage.enter("lee").await.expect("free");
    let hasher = stage.server.accounts().expect("it has accounts").hasher();
    let client = stage.client().await;
    let slow = tokio::spawn(async move { client.log_in("nobody", password("correct horse")).await.is_err() });
    while hasher.runs() == 0 {
        tokio::task::yield_now().await;
    }
    for line in 0..100 {
        kim.broadcast(&line.to_string()).await.expect("said");
        assert_eq!(text(next(&mut events).await), line.to_string());
    }
    // This thread has done all that, so it was not the one that hashes.
    assert!(!slow.is_finished(), "a hash that takes seconds was done before a hundred lines");
    slow.abort();
}

#[tokio::test]
async fn when_the_store_does_not_answer_newcomers_hear_a_code_and_the_others_chat_on() {
    let stage = Stage::with(&cheap()).await;
    stage.register("kim", "correct horse").await.expect("free");
    let (lee, _) = stage.enter("lee").await.expect("free");
    let (_park, mut events) = stage.enter("park").await.expect("free");
    stage.store.close().await.expect("it closes");
    assert_eq!(stage.log_in("kim", "correct horse").await.err(), Some(ErrorCode::StorageUnavailable));
    assert_eq!(stage.enter("choi").await.err(), Some(ErrorCode::StorageUnavailable));
    assert_eq!(stage.register("choi", "correct horse").await, Err(ErrorCode::StorageUnavailable));
    lee.broadcast("nothing happened").await.expect("said");
    assert_eq!(text(next(&mut events).await), "nothing happened");
}
