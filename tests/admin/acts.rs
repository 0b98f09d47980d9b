//! What moderators did, as the operator reads it beside the running server and after it.

use chat_proto::{Act, Credential, LOBBY, RoomSettings};
use iocp_chat::client::{Client, Session};

use crate::{Data, process::ServerProcess};

#[tokio::test]
async fn acts_of_moderators_are_shown_the_newest_first_beside_the_server_and_after_it() {
    let data = Data::with(&[("boss", "moderator")]);
    let server = ServerProcess::with_accounts(&data.folder, &[]);
    let boss = log_in(&server, "boss", Credential::Password(b"correct horse"[..].into())).await;
    let lee = log_in(&server, "lee", Credential::None).await;
    let settings = RoomSettings { capacity: 9, flags: 0, slow_s: 0 };
    let room = boss.create_room("개발", "", settings, "").await.expect("made").place.conversation;
    lee.join_room("개발", "").await.expect("let in");
    boss.moderate(room, Act::Mute, "lee", 600, "진정하세요").await.expect("done");
    boss.moderate(room, Act::Kick, "lee", 0, "").await.expect("done");
    boss.set_room(LOBBY, RoomSettings { capacity: 0, flags: 0, slow_s: 5 }, None).await.expect("done");
    let shown = data.done(&["audit"]);
    let acts: Vec<_> = shown
        .lines()
        .map(|line| line.split("  ").skip_while(|word| word.is_empty()).skip(2).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(acts, ["boss settings", "boss kick lee in 개발", "boss mute lee in 개발 for 10m: 진정하세요"]);
    drop((boss, lee, server));
    let newest = data.done(&["audit", "--limit", "1", "--json"]);
    let newest: serde_json::Value = serde_json::from_str(&newest).expect("JSON");
    assert_eq!((&newest["action"], &newest["role"]), (&"settings".into(), &"moderator".into()));
    let older = data.done(&["audit", "--before", &newest["id"].to_string(), "--json"]);
    assert_eq!(older.lines().count(), 2);
}

async fn log_in(server: &ServerProcess, name: &str, credential: Credential) -> Session {
    let client = Client::connect(server.address).await.expect("the server greets");
    let (session, events) = client.log_in(name, credential).await.expect("let in");
    drop(events);
    session
}
