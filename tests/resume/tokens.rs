//! What a token is good for: once, for its owner, until the session is over.

use std::{net::IpAddr, time::Duration};

use chat_proto::{ClientPacket, ErrorCode, Refusal, Resume, ResumeToken, ServerPacket, feature};
use iocp_chat::server::Server;
use tokio::time::sleep;

use crate::{
    common::{Raw, broadcast, id, login, quiet, serve, stage::Stage},
    peer::{Peer, patient},
};

async fn refused(server: &Server, token: ResumeToken) -> ErrorCode {
    let Err(refusal) = Peer::resume(server, token).await else { panic!("the token is good") };
    assert_eq!(refusal.retry_ms, 0);
    refusal.code.error().expect("known")
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_ask_gets_none_and_leaves_when_the_connection_is_lost() {
    let server = serve(&quiet());
    let mut raw = Peer::greet(&server, 0).await;
    raw.send(&[login(2, "kim")]).await;
    match raw.receive().await {
        Some(ServerPacket::LoginAnswer(answer)) => {
            let welcome = answer.outcome.expect("free");
            assert_eq!((welcome.resume_token, welcome.grace_ms), (None, 0));
        }
        other => panic!("{other:?}"),
    }
    drop(raw);
    let mut lee = Peer::log_in(&server, "lee").await;
    assert_eq!(lee.who().await, [("lee".to_owned(), 0)]);
}

#[tokio::test(start_paused = true)]
async fn each_resume_gives_another_and_the_one_before_is_good_until_that_is_shown() {
    let server = serve(&quiet());
    let first = Peer::log_in(&server, "kim").await;
    let second = Peer::resume(&server, first.token()).await.expect("good");
    // The answer may not have come.
    let mut third = Peer::resume(&server, first.token()).await.expect("still good");
    assert!(second.token() != third.token());
    third.attach(&[]).await;
    assert_eq!(refused(&server, first.token()).await, ErrorCode::ResumeInvalid);
    // Whoever used it has what the owner has: neither gets in again.
    assert_eq!(third.told().await, "goodbye 4001");
    assert_eq!(refused(&server, third.token()).await, ErrorCode::ResumeInvalid);
    assert_eq!(server.sessions(), 0);
}

#[tokio::test(start_paused = true)]
async fn of_many_who_resume_at_once_one_stays() {
    let server = serve(&quiet());
    let kim = Peer::log_in(&server, "kim").await;
    let mut connections = Vec::new();
    for _ in 0..20 {
        connections.push(Peer::greet(&server, feature::RESUME).await);
    }
    let resumes = connections.into_iter().map(|raw| Peer::resume_over(raw, kim.token()));
    let mut live = 0;
    for outcome in futures(resumes).await {
        let Ok(mut peer) = outcome else { continue };
        live += u32::from(peer.told_or_silent().await.is_none());
    }
    assert_eq!(live, 1);
    assert_eq!(server.sessions(), 1);
    let mut lee = Peer::log_in(&server, "lee").await;
    assert_eq!(lee.who().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn of_many_who_come_at_once_to_a_session_that_has_left_one_gets_in() {
    let mut config = patient();
    config.resume.grace = Duration::from_secs(60);
    let stage = Stage::by(config, &["kim"]).await;
    let token = stage.owner("kim").await.token();
    sleep(Duration::from_secs(61)).await;
    assert_eq!(stage.server.sessions(), 0);
    let mut connections = Vec::new();
    for _ in 0..20 {
        connections.push(Peer::greet(&stage.server, feature::RESUME).await);
    }
    // Only the last of them has the token that counts; the others must not take it along.
    let resumes = connections.into_iter().map(|raw| Peer::resume_over(raw, token));
    let mut live = 0;
    for mut peer in futures(resumes).await.into_iter().flatten() {
        live += u32::from(peer.told_or_silent().await.is_none());
    }
    assert_eq!((live, stage.server.sessions()), (1, 1));
}

/// All of them, at once.
async fn futures<T: Send + 'static>(
    tasks: impl Iterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let tasks: Vec<_> = tasks.map(tokio::spawn).collect();
    let mut done = Vec::new();
    for task in tasks {
        done.push(task.await.expect("it ends"));
    }
    done
}

#[tokio::test(start_paused = true)]
async fn after_a_logout_there_is_nothing_to_come_back_to() {
    let server = serve(&quiet());
    let kim = Peer::log_in(&server, "kim").await;
    let token = kim.token();
    kim.log_out().await;
    assert_eq!(refused(&server, token).await, ErrorCode::ResumeInvalid);
    assert_eq!(server.sessions(), 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_breaks_the_protocol_does_not_come_back() {
    let server = serve(&quiet());
    let mut kim = Peer::log_in(&server, "kim").await;
    kim.raw.send_bytes(&[0, 0, 0, 0]).await;
    assert_eq!(kim.told().await, "goodbye 1001");
    assert_eq!(refused(&server, kim.token()).await, ErrorCode::ResumeInvalid);
}

#[tokio::test(start_paused = true)]
async fn tokens_that_were_never_given_are_refused_alike_and_three_end_the_connection() {
    let server = serve(&quiet());
    let kim = Peer::log_in(&server, "kim").await;
    for number in 0..1_000_u16 {
        let [low, high] = number.to_le_bytes();
        let from = IpAddr::from([10, 0, 1, u8::try_from(number % 100).expect("it is below 100")]);
        let raw = Peer::greet_from(&server, from, feature::RESUME).await;
        let token = ResumeToken(std::array::from_fn(|at| if at % 2 == 0 { low } else { high }));
        let Err(refusal) = Peer::resume_over(raw, token).await else { panic!("{number} is good") };
        assert_eq!(refusal, Refusal::new(ErrorCode::ResumeInvalid));
    }
    let mut raw: Raw<_> = Peer::greet_from(&server, IpAddr::from([10, 0, 0, 1]), feature::RESUME).await;
    for number in 2..=4 {
        let token = ResumeToken([7; 32]);
        let request = Resume { id: id(number), token };
        raw.send(&[ClientPacket::Resume(request)]).await;
        let answer = raw.receive().await;
        let code = ErrorCode::ResumeInvalid.into();
        assert!(
            matches!(&answer, Some(ServerPacket::ResumeAnswer(answer)) if answer.outcome.as_ref().is_err_and(|refusal| refusal.code == code)),
            "{answer:?}"
        );
    }
    assert!(matches!(raw.receive().await, Some(ServerPacket::Goodbye(_))));
    Peer::resume(&server, kim.token()).await.map(drop).expect("hers is good all the while");
}

#[tokio::test(start_paused = true)]
async fn where_there_are_accounts_whoever_guesses_from_one_address_has_to_wait_and_its_honest_people_do_not()
{
    let stage = Stage::with(&["kim"]).await;
    let kim = stage.owner("kim").await;
    let (home, elsewhere) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
    let guess = async |from| {
        let raw = Peer::greet_from(&stage.server, from, feature::RESUME).await;
        Peer::resume_over(raw, ResumeToken([7; 32])).await.map(drop).expect_err("nobody was given it")
    };
    for number in 0..20 {
        assert_eq!(guess(home).await, Refusal::new(ErrorCode::ResumeInvalid), "guess {number}");
    }
    let refusal = guess(home).await;
    assert_eq!(refusal.code, ErrorCode::AuthThrottled.into());
    assert!((1..=3_001).contains(&refusal.retry_ms), "{refusal:?}");
    assert_eq!(guess(elsewhere).await, Refusal::new(ErrorCode::ResumeInvalid));
    sleep(Duration::from_millis(refusal.retry_ms.into())).await;
    // A good token of the same address is no guess, however often it is used.
    let mut kim = kim.token();
    for _ in 0..40 {
        let raw = Peer::greet_from(&stage.server, home, feature::RESUME).await;
        kim = Peer::resume_over(raw, kim).await.expect("good").token();
    }
    assert_eq!(guess(home).await, Refusal::new(ErrorCode::ResumeInvalid));
    assert_eq!(guess(home).await.code, ErrorCode::AuthThrottled.into());
}

#[tokio::test(start_paused = true)]
async fn a_token_lives_as_long_as_it_is_said_after_its_session_has_left_whatever_the_systems_clock_says() {
    let mut config = quiet();
    (config.resume.grace, config.resume.ttl) = (Duration::from_secs(60), Duration::from_hours(24));
    let stage = Stage::by(config, &["kim", "lee"]).await;
    // Tokio's clock goes on by a day, and the system's stands still: to the server it has been set back by a day.
    let (kim, lee) = (stage.owner("kim").await.token(), stage.owner("lee").await.token());
    sleep(Duration::from_secs(61)).await;
    assert_eq!(stage.server.sessions(), 0);
    sleep(Duration::from_hours(24) - Duration::from_secs(2)).await;
    Peer::resume(&stage.server, kim).await.map(drop).expect("there is a second left");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(stage.refused(lee).await, ErrorCode::ResumeInvalid);
}

#[tokio::test(start_paused = true)]
async fn the_owner_may_come_from_elsewhere() {
    let server = serve(&quiet());
    let mut kim = Peer::log_in(&server, "kim").await;
    let elsewhere = Peer::greet_from(&server, IpAddr::from([10, 9, 8, 7]), feature::RESUME).await;
    let mut again = Peer::resume_over(elsewhere, kim.token()).await.expect("good");
    assert_eq!(kim.told().await, "goodbye 1203");
    again.attach(&[]).await;
    again.say(0, "from a train").await.expect("said");
}

#[tokio::test(start_paused = true)]
async fn what_comes_with_a_resume_is_done_after_it_and_nothing_of_a_login() {
    let server = serve(&quiet());
    let kim = Peer::log_in(&server, "kim").await;
    let mut raw = Peer::greet(&server, feature::RESUME).await;
    let request = Resume { id: id(2), token: kim.token() };
    raw.send(&[ClientPacket::Resume(request), login(3, "lee"), broadcast(4, "as kim")]).await;
    // Answers are told by their numbers, and come in any order.
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(match raw.receive().await {
            Some(ServerPacket::ResumeAnswer(answer)) => (answer.id.get(), answer.outcome.is_ok(), 0),
            Some(ServerPacket::BroadcastAnswer(answer)) => (answer.id.get(), answer.outcome.is_ok(), 0),
            Some(ServerPacket::Error(notice)) => (notice.id, false, notice.code.0),
            other => panic!("{other:?}"),
        });
    }
    answers.sort_unstable();
    assert_eq!(answers, [(2, true, 0), (3, false, 1102), (4, true, 0)]);
}
