//! What makes a token good for nothing while its owner is away, and what does not.

use chat_proto::{
    Act, ChangePassword, ClientPacket, ErrorCode, LeaveRoom, Moderate, Remark, RoomSettings, ServerPacket,
    Username,
};
use iocp_chat::session::Subject;

use crate::{
    common::stage::{Stage, typed},
    peer::Peer,
};

const OPEN: RoomSettings = RoomSettings { capacity: 9, flags: 0, slow_s: 0 };

fn name(name: &str) -> Username {
    Username::parse(name).expect("a name")
}

#[tokio::test]
async fn a_second_login_makes_the_first_ones_token_void() {
    let stage = Stage::with(&["kim"]).await;
    let mut first = stage.owner("kim").await;
    let second = stage.owner("kim").await;
    assert_eq!(first.told().await, "goodbye 1203");
    assert_eq!(stage.refused(first.token()).await, ErrorCode::ResumeInvalid);
    // Whoever is away is replaced alike.
    let token = second.token();
    drop(second);
    let third = stage.owner("kim").await;
    assert_eq!(stage.refused(token).await, ErrorCode::ResumeInvalid);
    Peer::resume(&stage.server, third.token()).await.map(drop).expect("the last is good");
}

#[tokio::test]
async fn who_has_changed_the_password_comes_back_and_nobody_else_does() {
    let stage = Stage::with(&["kim"]).await;
    let first = stage.owner("kim").await;
    let old = first.token();
    drop(first);
    let mut kim = stage.owner("kim").await;
    let change = |id| {
        let (current, new) = (typed("correct horse"), typed("battery staple"));
        ClientPacket::ChangePassword(ChangePassword { id, current, new })
    };
    let answer = kim.ask(change).await;
    assert!(
        matches!(&answer, ServerPacket::ChangePasswordAnswer(answer) if answer.outcome.is_ok()),
        "{answer:?}"
    );
    let token = kim.token();
    drop(kim);
    let kim = Peer::resume(&stage.server, token).await.expect("good");
    assert_eq!(stage.refused(old).await, ErrorCode::ResumeInvalid);
    Peer::resume(&stage.server, kim.token()).await.map(drop).expect("good");
}

#[tokio::test]
async fn a_disabled_account_lets_nobody_come_back_not_even_when_it_is_enabled_again() {
    let stage = Stage::with(&["kim"]).await;
    let (kim, account) = (stage.owner("kim").await, stage.account("kim").await);
    let token = kim.token();
    drop(kim);
    stage.store.accounts().set_disabled(account, true).await.expect("stored");
    assert_eq!(stage.refused(token).await, ErrorCode::ResumeInvalid);
    stage.store.accounts().set_disabled(account, false).await.expect("stored");
    assert_eq!(stage.refused(token).await, ErrorCode::ResumeInvalid);
    let _ = stage.owner("kim").await;
}

#[tokio::test]
async fn a_deleted_account_lets_nobody_come_back() {
    let stage = Stage::with(&["kim"]).await;
    let (kim, account) = (stage.owner("kim").await, stage.account("kim").await);
    let token = kim.token();
    drop(kim);
    stage.store.accounts().delete(account).await.expect("deleted");
    assert_eq!(stage.refused(token).await, ErrorCode::ResumeInvalid);
}

#[tokio::test]
async fn who_is_kicked_while_away_has_to_log_in_again() {
    let stage = Stage::with(&["kim"]).await;
    for kim in [stage.owner("kim").await, Peer::log_in(&stage.server, "guest").await] {
        let (token, who) = (kim.token(), kim.welcome.name.clone());
        drop(kim);
        stage.server.operator().kick(name(&who), Remark::default()).await.expect("kicked");
        // Whoever is as quick as the kick is told of that.
        let code = stage.refused(token).await;
        assert!(matches!(code, ErrorCode::Kicked | ErrorCode::ResumeInvalid), "{code:?}");
        assert_eq!(stage.refused(token).await, ErrorCode::ResumeInvalid);
    }
    assert_eq!(stage.owner("kim").await.welcome.name, "kim");
}

#[tokio::test]
async fn who_is_banned_while_away_does_not_come_back_and_has_to_log_in_when_that_is_over() {
    let stage = Stage::with(&["kim"]).await;
    let kim = stage.owner("kim").await;
    let token = kim.token();
    drop(kim);
    let operator = stage.server.operator();
    let put_out = operator.ban(Subject::Name(name("kim")), 0, Remark::default()).await;
    assert_eq!(put_out, Ok(1));
    let code = stage.refused(token).await;
    assert!(matches!(code, ErrorCode::Banned | ErrorCode::ResumeInvalid), "{code:?}");
    assert_eq!(operator.unban(Subject::Name(name("kim"))).await, Ok(true));
    assert_eq!(stage.refused(token).await, ErrorCode::ResumeInvalid);
    let _ = stage.owner("kim").await;
}

#[tokio::test]
async fn who_is_kicked_from_one_of_two_rooms_while_away_goes_on_in_the_other() {
    let stage = Stage::with(&["kim"]).await;
    let (mut lee, mut kim) = (Peer::log_in(&stage.server, "lee").await, stage.owner("kim").await);
    let (one, other) = (lee.create("one", OPEN).await, lee.create("other", OPEN).await);
    let (here, there) = (kim.join("one").await, kim.join("other").await);
    let (lobby, token) = (kim.lobby(), kim.token());
    lee.say_in(one.conversation, 0, "before").await.expect("said");
    assert_eq!(kim.told().await, format!("{}/1 lee: before", one.conversation));
    drop(kim);
    lee.say_in(one.conversation, 0, "behind their back").await.expect("said");
    let kick = |id| {
        let (conversation, act, reason) = (one.conversation, Act::Kick as u16, Remark::default());
        ClientPacket::Moderate(Moderate { id, conversation, act, name: name("kim"), seconds: 0, reason })
    };
    let kicked = lee.ask(kick).await;
    assert!(matches!(&kicked, ServerPacket::ModerateAnswer(answer) if answer.outcome.is_ok()), "{kicked:?}");
    lee.say_in(one.conversation, 0, "after").await.expect("said");
    lee.say_in(other.conversation, 0, "elsewhere").await.expect("said");

    let mut kim = Peer::resume(&stage.server, token).await.expect("good");
    let conversations: Vec<_> = kim.welcome.conversations.0.iter().map(|place| place.conversation).collect();
    assert!(!conversations.contains(&one.conversation), "{conversations:?}");
    assert_eq!(kim.attach(&[here, there, lobby]).await, [one.conversation]);
    assert_eq!(kim.told().await, format!("{}/1 lee: elsewhere", other.conversation));
    kim.hears_nothing().await;
    let leave = |id| ClientPacket::LeaveRoom(LeaveRoom { id, conversation: one.conversation });
    let left = kim.ask(leave).await;
    assert!(matches!(&left, ServerPacket::LeaveRoomAnswer(answer) if answer.outcome.is_err()), "{left:?}");
}
