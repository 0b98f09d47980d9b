//! Keeping order on the whole server, by people who have that role there.

use std::net::IpAddr;

use chat_proto::{Act, Credential, ErrorCode, LOBBY, Role, RoomSettings};
use iocp_chat::{
    client::{Client, Events, Session},
    config::Config,
    server::Server,
    session::Recalled,
    stop::StopReason,
    store::{NewInvite, Place, Store},
};

use super::{
    OPEN,
    common::{guest, quiet, stage::CHEAP},
    make, refused, retry_ms, told,
};

struct Stage {
    server: Server,
    store: Store,
}

impl Stage {
    async fn new() -> Self {
        let mut config: Config = quiet();
        config.accounts.hashing = CHEAP;
        config.accounts.guests = Some(true);
        let store = Store::open(&Place::memory()).await.expect("a database");
        Self::over(config, store).await
    }

    /// The same database, after a restart.
    async fn again(self) -> Self {
        let mut config: Config = quiet();
        config.accounts.guests = Some(true);
        self.server.stop(StopReason::Interrupt).await;
        Self::over(config, self.store).await
    }

    async fn over(config: Config, store: Store) -> Self {
        let server = Server::start(
            &config,
            Vec::new(),
            Some(Recalled::from(store.clone(), 0).await.expect("a database")),
        )
        .expect("a server");
        Self { server, store }
    }

    /// Somebody with an account of this role, signed in.
    async fn log_in(&self, name: &str, role: Role) -> (Session, Events) {
        let invite = NewInvite { role, uses: 1, created_ms: 1, expires_ms: None };
        let token = self.store.invites().create(&invite).await.expect("an invite");
        let from: IpAddr = "127.0.0.1".parse().expect("an address");
        let client =
            Client::over(self.server.connect_in_memory_from(from, 64 * 1024)).await.expect("greeted");
        let password = || Credential::Password(b"correct horse"[..].into());
        let mut client = client;
        client.register(name, password(), &token.to_string()).await.expect("registered");
        client.log_in(name, password()).await.expect("logged in")
    }
}

#[tokio::test]
async fn a_moderator_ends_a_session_with_a_reason_and_everything_said_before_arrives() {
    let stage = Stage::new().await;
    let (boss, _) = stage.log_in("mod.kim", Role::Moderator).await;
    let (lee, mut events) = guest(&stage.server, "lee").await;
    let room = make(&boss, "dev").await.conversation;
    lee.join_room("dev", "").await.expect("let in");
    boss.broadcast("one").await.expect("said");
    boss.moderate(LOBBY, Act::Kick, "lee", 0, "enough").await.expect("done");
    boss.room_chat(room, "after").await.expect("said");
    assert_eq!(told(&mut events).await, "#1 mod.kim: one");
    assert_eq!(told(&mut events).await, "out of #1: 3 mod.kim \"enough\" []");
    assert_eq!(told(&mut events).await, "goodbye 1208");
    assert_eq!(boss.who(room, 0).await.expect("a page").members, 1);
}

#[tokio::test]
async fn who_is_muted_on_the_server_says_nothing_anywhere() {
    let stage = Stage::new().await;
    let (boss, _) = stage.log_in("mod.kim", Role::Moderator).await;
    let (lee, mut events) = guest(&stage.server, "lee").await;
    let room = make(&lee, "dev").await.conversation;
    boss.moderate(LOBBY, Act::Mute, "lee", 3_600, "").await.expect("done");
    assert_eq!(told(&mut events).await, "#1 : act 4 by mod.kim for 3600 \"\"");
    assert_eq!(refused(lee.broadcast("a").await), ErrorCode::Muted);
    assert_eq!(refused(lee.room_chat(room, "a").await), ErrorCode::Muted);
    let whispered = lee.whisper("mod.kim", "a").await;
    assert!((3_000_000..=3_600_000).contains(&retry_ms(whispered)));
    boss.moderate(LOBBY, Act::Unmute, "lee", 0, "").await.expect("done");
    lee.broadcast("a").await.expect("said");
}

#[tokio::test]
async fn only_who_has_the_role_keeps_order_on_the_server_and_never_over_equals() {
    let stage = Stage::new().await;
    let (admin, _) = stage.log_in("top", Role::Admin).await;
    let (one, _) = stage.log_in("one", Role::Moderator).await;
    let (_two, _) = stage.log_in("two", Role::Moderator).await;
    let (user, _) = stage.log_in("user", Role::User).await;
    for (act, target) in [(Act::Kick, "two"), (Act::Mute, "top"), (Act::Ban, "top")] {
        assert_eq!(refused(one.moderate(LOBBY, act, target, 0, "").await), ErrorCode::PermissionDenied);
    }
    assert_eq!(refused(user.moderate(LOBBY, Act::Kick, "one", 0, "").await), ErrorCode::PermissionDenied);
    assert_eq!(refused(one.moderate(LOBBY, Act::Kick, "one", 0, "").await), ErrorCode::SelfTarget);
    assert_eq!(refused(one.moderate(LOBBY, Act::Appoint, "user", 0, "").await), ErrorCode::RangeInvalid);
    assert_eq!(refused(one.moderate(LOBBY, Act::Kick, "nobody", 0, "").await), ErrorCode::UserNotFound);
    admin.moderate(LOBBY, Act::Mute, "one", 60, "").await.expect("above");
    assert_eq!(refused(user.announce("hear").await), ErrorCode::PermissionDenied);
    assert_eq!(refused(user.freeze_registration(true).await), ErrorCode::PermissionDenied);
}

#[tokio::test]
async fn moderators_of_the_server_find_every_room_and_keep_order_in_it_without_being_in_it() {
    let stage = Stage::new().await;
    let (boss, _) = stage.log_in("mod.kim", Role::Moderator).await;
    let (lee, mut events) = guest(&stage.server, "lee").await;
    let hidden = RoomSettings { flags: chat_proto::room_flag::HIDDEN, ..OPEN };
    let room = lee.create_room("cellar", "key", hidden, "").await.expect("made").place.conversation;
    assert_eq!(boss.rooms(0).await.expect("a page").entries.0[0].name, "cellar");
    assert_eq!(boss.who(room, 0).await.expect("a page").members, 1);
    boss.moderate(room, Act::Mute, "lee", 0, "").await.expect("done");
    assert_eq!(told(&mut events).await, format!("#{room} cellar: act 4 by mod.kim for 0 \"\""));
    boss.join_room("cellar", "").await.expect("no door is closed to them");
    boss.close_room(room).await.expect("done");
    assert_eq!(told(&mut events).await, format!("out of #{room}: 7 mod.kim \"\" []"));
}

#[tokio::test]
async fn announcements_reach_everybody_and_registration_can_be_frozen() {
    let stage = Stage::new().await;
    let (boss, _) = stage.log_in("mod.kim", Role::Moderator).await;
    let (_lee, mut events) = guest(&stage.server, "lee").await;
    boss.announce("maintenance at noon").await.expect("said");
    assert_eq!(told(&mut events).await, "#1 ! maintenance at noon");
    boss.freeze_registration(true).await.expect("frozen");
    let register = async |name: &str| {
        let invite = NewInvite { role: Role::User, uses: 1, created_ms: 1, expires_ms: None };
        let token = stage.store.invites().create(&invite).await.expect("an invite");
        let mut client = Client::over(stage.server.connect_in_memory(64 * 1024)).await.expect("greeted");
        client.register(name, Credential::Password(b"correct horse"[..].into()), &token.to_string()).await
    };
    assert_eq!(refused(register("late").await), ErrorCode::RegistrationClosed);
    boss.freeze_registration(false).await.expect("thawed");
    register("late").await.expect("registered");
}

#[tokio::test]
async fn slow_mode_of_the_lobby_is_for_moderators_of_the_server_to_set() {
    let stage = Stage::new().await;
    let (boss, _) = stage.log_in("mod.kim", Role::Moderator).await;
    let (lee, mut events) = guest(&stage.server, "lee").await;
    let slow = RoomSettings { capacity: 0, flags: 0, slow_s: 3_600 };
    assert_eq!(refused(lee.set_room(LOBBY, slow, None).await), ErrorCode::PermissionDenied);
    assert_eq!(
        refused(boss.set_room(LOBBY, RoomSettings { capacity: 5, ..slow }, None).await),
        ErrorCode::RangeInvalid
    );
    boss.set_room(LOBBY, slow, None).await.expect("set");
    assert_eq!(told(&mut events).await, "#1 = 0 0 3600 \"\" by mod.kim");
    lee.broadcast("one").await.expect("said");
    assert_eq!(refused(lee.broadcast("two").await), ErrorCode::RateLimited);
    boss.broadcast("one").await.expect("said");
    boss.broadcast("two").await.expect("moderators do not wait");
}

#[tokio::test]
async fn an_account_keeps_its_place_in_a_room_while_the_room_is_there() {
    let stage = Stage::new().await;
    let (kim, _) = stage.log_in("kim", Role::User).await;
    let (lee, mut events) = guest(&stage.server, "lee").await;
    let room = make(&kim, "dev").await.conversation;
    lee.join_room("dev", "").await.expect("let in");
    kim.leave_room(room).await.expect("left");
    assert_eq!(told(&mut events).await, format!("#{room} dev: act 10 by  for 0 \"\""));
    assert_eq!(kim.join_room("dev", "").await.expect("let in").relation, 1, "it was its owner's");
}

#[tokio::test]
async fn a_room_that_begins_to_last_may_know_names_whose_keys_are_longer_than_names() {
    let stage = Stage::new().await;
    let (kim, _) = stage.log_in("kim", Role::User).await;
    let room = make(&kim, "dev").await.conversation;
    // Folded it has 34 letters.
    let long = "ß".repeat(17);
    kim.moderate(room, Act::Invite, &long, 0, "").await.expect("a name");
    kim.moderate(room, Act::Ban, &long, 0, "").await.expect("a name");
    let lasting = RoomSettings { flags: chat_proto::room_flag::PERSISTENT, ..OPEN };
    kim.set_room(room, lasting, None).await.expect("the server lives");
    kim.room_chat(room, "still here").await.expect("said");
}

#[tokio::test]
async fn a_room_does_not_silence_who_keeps_order_on_the_server() {
    let stage = Stage::new().await;
    let (lee, _lees) = guest(&stage.server, "lee").await;
    let room = make(&lee, "dev").await.conversation;
    // They are away: what they are on the server is not known in the room.
    lee.moderate(room, Act::Mute, "boss", 0, "").await.expect("a name is enough");
    let (boss, _) = stage.log_in("boss", Role::Moderator).await;
    boss.join_room("dev", "").await.expect("let in");
    boss.room_chat(room, "calm down").await.expect("said");
}

#[tokio::test]
async fn what_was_whispered_before_the_end_of_a_session_is_read_and_nothing_is_done_after_it() {
    let stage = Stage::new().await;
    let (boss, _) = stage.log_in("mod.kim", Role::Moderator).await;
    let (lee, mut events) = guest(&stage.server, "lee").await;
    boss.whisper("lee", "last warning").await.expect("said");
    boss.moderate(LOBBY, Act::Kick, "lee", 0, "").await.expect("done");
    assert!(lee.whisper("mod.kim", "hm").await.is_err(), "nothing more is done");
    assert_eq!(told(&mut events).await, "* mod.kim: last warning");
    assert_eq!(told(&mut events).await, "out of #1: 3 mod.kim \"\" []");
    assert_eq!(told(&mut events).await, "goodbye 1208");
}

#[tokio::test]
async fn who_is_banned_or_muted_on_the_server_still_is_after_a_restart_and_it_is_known_by_whom() {
    let stage = Stage::new().await;
    let (boss, bosses) = stage.log_in("mod.kim", Role::Moderator).await;
    boss.moderate(LOBBY, Act::Ban, "lee", 0, "spam").await.expect("done");
    boss.moderate(LOBBY, Act::Mute, "park", 3_600, "").await.expect("done");
    boss.moderate(LOBBY, Act::Ban, "choi", 0, "").await.expect("done");
    boss.moderate(LOBBY, Act::Unban, "choi", 0, "").await.expect("done");
    drop((boss, bosses));
    let stage = stage.again().await;
    let client = Client::over(stage.server.connect_in_memory(64 * 1024)).await.expect("greeted");
    assert_eq!(refused(client.log_in("lee", Credential::None).await.map(drop)), ErrorCode::Banned);
    let (park, _parks) = guest(&stage.server, "park").await;
    assert_eq!(refused(park.broadcast("hm").await), ErrorCode::Muted);
    guest(&stage.server, "choi").await;
    let written: Vec<_> = stage.store.audit().page(None, 9).await.expect("a page");
    let acts = written.iter().map(|record| {
        let entry = &record.entry;
        (
            entry.actor.as_str(),
            entry.action.as_str(),
            entry.target.as_deref(),
            entry.seconds,
            entry.reason.as_str(),
        )
    });
    let expected = [
        ("mod.kim", "unban", Some("choi"), None, ""),
        ("mod.kim", "ban", Some("choi"), Some(u64::MAX), ""),
        ("mod.kim", "mute", Some("park"), Some(3_600), ""),
        ("mod.kim", "ban", Some("lee"), Some(u64::MAX), "spam"),
    ];
    assert_eq!(acts.collect::<Vec<_>>(), expected);
}
