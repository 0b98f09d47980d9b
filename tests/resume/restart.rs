//! Sessions that go on over a restart of the server, as a clean stop or a broken one leaves them.

use chat_proto::{ClientPacket, ErrorCode, LOBBY, Presence, Resume, RoomSettings, UNKNOWN_END, room_flag};
use iocp_chat::stop::StopReason;
use tokio::time::{Duration, sleep, timeout};

use crate::{
    common::{
        Raw, full, id, quiet,
        stage::{Stage, password},
    },
    fresh::{Fresh, fresh},
    peer::Peer,
};

/// So that a test which waits for what never comes fails.
const PATIENCE: Duration = Duration::from_mins(5);

/// A server over a database that stays.
async fn over(fresh: &Fresh) -> Stage {
    Stage::at(&fresh.place, &quiet()).await
}

pub fn after(place: Presence, seq: u64) -> Presence {
    Presence { seq, ..place }
}

#[tokio::test]
async fn after_a_restart_each_goes_on_in_the_same_epoch_with_what_was_missed_and_nothing_twice() {
    let fresh = fresh().await;
    let stage = over(&fresh).await;
    let (mut lee, kim) = (Peer::log_in(&stage.server, "lee").await, Peer::log_in(&stage.server, "kim").await);
    let (lobby, token) = (kim.lobby(), kim.token());
    drop(kim);
    for text in ["one", "two"] {
        lee.say(0, text).await.expect("said");
    }
    let (his, cursor) = (lee.token(), after(lobby, 0));
    stage.stop().await;

    let stage = over(&fresh).await;
    let mut kim = Peer::resume(&stage.server, token).await.expect("good");
    assert_eq!(kim.lobby(), after(lobby, 2));
    assert_eq!(kim.who().await, [("lee".to_owned(), 2), ("kim".to_owned(), 0)]);
    kim.attach(&[cursor]).await;
    assert_eq!([kim.told().await, kim.told().await], ["1/1 lee: one", "1/2 lee: two"]);
    let mut lee = Peer::resume(&stage.server, his).await.expect("good");
    lee.attach(&[cursor]).await;
    lee.say(0, "three").await.expect("said");
    assert_eq!(kim.told().await, "1/3 lee: three");
    kim.hears_nothing().await;
    // Not one's own.
    lee.hears_nothing().await;
    stage.stop().await;
}

#[tokio::test]
async fn somebody_who_takes_nothing_while_the_server_stops_costs_nobody_else_their_place() {
    let fresh = fresh().await;
    let mut config = quiet();
    config.timeouts.system_shutdown = Duration::from_secs(4);
    let stage = Stage::at(&fresh.place, &config).await;
    let (mut lee, kim) = (Peer::log_in(&stage.server, "lee").await, Peer::log_in(&stage.server, "kim").await);
    let (token, lobby, mailbox) = (kim.token(), kim.lobby(), kim.mailbox());
    let mut deaf = Raw::new(stage.server.connect_in_memory(64));
    deaf.log_in("deaf").await;
    lee.say(0, "more than a pipe of 64 bytes holds, and then some more of it").await.expect("said");
    drop(kim);
    lee.whisper(0, "kim", "psst").await.expect("handed over");
    assert_eq!(stage.server.stop(StopReason::SystemShutdown).await.cut, 1);
    stage.store.close().await.expect("closed");

    let stage = Stage::at(&fresh.place, &config).await;
    let mut kim = Peer::resume(&stage.server, token).await.expect("good");
    assert_eq!(kim.lobby(), after(lobby, 1), "the epoch goes on");
    kim.attach(&[after(lobby, 1), after(mailbox, 0)]).await;
    assert_eq!(kim.told().await, "*1 lee: psst");
    stage.stop().await;
}

#[tokio::test]
async fn a_line_said_again_after_a_restart_is_said_once() {
    let fresh = fresh().await;
    let stage = over(&fresh).await;
    let (mut lee, kim) = (Peer::log_in(&stage.server, "lee").await, Peer::log_in(&stage.server, "kim").await);
    let first = lee.say(7, "once").await.expect("said");
    let whispered = lee.whisper(8, "kim", "psst").await.expect("handed over");
    let (his, hers, lobby, mailbox) = (lee.token(), kim.token(), kim.lobby(), kim.mailbox());
    drop((lee, kim));
    stage.stop().await;

    let stage = over(&fresh).await;
    let mut lee = Peer::resume(&stage.server, his).await.expect("good");
    lee.attach(&[]).await;
    assert_eq!(lee.say(7, "once").await, Ok(first));
    assert_eq!(lee.whisper(8, "kim", "psst").await, Ok(whispered));
    let mut kim = Peer::resume(&stage.server, hers).await.expect("good");
    kim.attach(&[after(lobby, 0), after(mailbox, 0)]).await;
    let mut told = [kim.told().await, kim.told().await];
    told.sort();
    assert_eq!(told, ["*1 lee: psst", "1/1 lee: once"]);
    kim.hears_nothing().await;
    stage.stop().await;
}

#[tokio::test]
async fn rooms_that_persist_are_gone_on_in_and_those_that_do_not_are_lost() {
    let fresh = fresh().await;
    let stage = over(&fresh).await;
    let mut lee = Peer::log_in(&stage.server, "lee").await;
    let mut kim = Peer::log_in(&stage.server, "kim").await;
    let open = RoomSettings { capacity: 9, flags: 0, slow_s: 0 };
    let place = lee.create("brief", open).await;
    let (place, also) = (place, kim.join("brief").await);
    assert_eq!(place.conversation, also.conversation);
    let token = kim.token();
    stage.stop().await;

    let stage = over(&fresh).await;
    let mut kim = Peer::resume(&stage.server, token).await.expect("good");
    assert_eq!(kim.attach(&[also]).await, [also.conversation]);
    stage.stop().await;
}

#[tokio::test]
async fn whoever_does_not_come_back_in_time_leaves_and_is_let_in_by_their_token_all_the_same() {
    let fresh = fresh().await;
    let mut config = quiet();
    config.resume.grace = Duration::from_millis(300);
    config.limits.notice_members = 100;
    let stage = Stage::at(&fresh.place, &config).await;
    let mut lee = Peer::log_in(&stage.server, "lee").await;
    let mut kim = Peer::log_in(&stage.server, "kim").await;
    assert_eq!(lee.told().await, "1 + kim");
    let (token, lobby, session) = (kim.token(), kim.lobby(), kim.welcome.session);
    let mine = kim.say(5, "mine").await.expect("said");
    assert_eq!(lee.told().await, "1/3 kim: mine");
    drop(kim);
    assert_eq!(lee.told().await, "1 - kim 1");
    lee.say(0, "while away").await.expect("said");
    // It is stored behind what happens.
    stage.families(|here| here == 1).await;
    let mut kim = Peer::resume(&stage.server, token).await.expect("let in");
    assert_eq!(kim.welcome.session, session);
    assert_eq!(lee.told().await, "1 + kim");
    kim.attach(&[lobby]).await;
    assert_eq!(kim.told().await, "1/5 lee: while away");
    // It is the same session, also for what it has said.
    assert_eq!(kim.say(5, "mine").await, Ok(mine));
    lee.hears_nothing().await;
    stage.stop().await;
}

#[tokio::test]
async fn after_a_broken_stop_the_epoch_is_another_and_nothing_is_passed_over_in_silence() {
    let fresh = fresh().await;
    let stage = over(&fresh).await;
    let (mut lee, kim) = (Peer::log_in(&stage.server, "lee").await, Peer::log_in(&stage.server, "kim").await);
    let (token, lobby) = (kim.token(), kim.lobby());
    lee.say(0, "one").await.expect("said");
    stage.lines(1).await;
    stage.families(|here| here == 2).await;
    stage.break_off().await;

    let stage = over(&fresh).await;
    let mut kim = Peer::resume(&stage.server, token).await.expect("good");
    assert_ne!(kim.lobby().epoch, lobby.epoch);
    assert_eq!(kim.lobby().seq, 0);
    kim.attach(&[lobby]).await;
    assert_eq!(kim.told().await, "1/1 lee: one");
    assert_eq!(kim.told().await, format!("1 missed 2 to {UNKNOWN_END}"));
    let mut ann = Peer::log_in(&stage.server, "ann").await;
    ann.say(0, "new").await.expect("said");
    assert_eq!(kim.told().await, "1/1 ann: new");
    stage.stop().await;
}

#[tokio::test]
async fn where_lines_are_stored_before_they_are_answered_a_broken_stop_loses_nothing() {
    let fresh = fresh().await;
    let config = full();
    let stage = Stage::at(&fresh.place, &config).await;
    let (mut lee, kim) = (Peer::log_in(&stage.server, "lee").await, Peer::log_in(&stage.server, "kim").await);
    let (token, his, lobby) = (kim.token(), lee.token(), kim.lobby());
    let first = lee.say(5, "one").await.expect("stored");
    stage.break_off().await;

    let stage = Stage::at(&fresh.place, &config).await;
    let mut kim = Peer::resume(&stage.server, token).await.expect("it was stored before it was told");
    kim.attach(&[lobby]).await;
    assert_eq!(kim.told().await, "1/1 lee: one");
    let mut lee = Peer::resume(&stage.server, his).await.expect("good");
    lee.attach(&[lobby]).await;
    // Answered as the first time, from the line's own row.
    assert_eq!(lee.say(5, "one").await, Ok(first));
    lee.say(6, "two").await.expect("stored");
    assert_eq!(kim.told().await, "1/1 lee: two");
    kim.hears_nothing().await;
    stage.stop().await;
}

#[tokio::test]
async fn where_lines_are_stored_before_they_are_answered_so_is_who_came_into_a_room_and_who_left_it() {
    let fresh = fresh().await;
    let config = full();
    let stage = Stage::at(&fresh.place, &config).await;
    stage.register(&["kim"]).await;
    let mut kim = Peer::log_in_with(&stage.server, "kim", password()).await;
    let lasting = RoomSettings { capacity: 9, flags: room_flag::PERSISTENT, slow_s: 0 };
    let room = kim.create("room", lasting).await.conversation;
    let (lee, ann) = (Peer::log_in(&stage.server, "lee").await, Peer::log_in(&stage.server, "ann").await);
    let (mut tokens, mut is_in) = ([kim.token(), lee.token(), ann.token()], false);
    stage.break_off().await;

    // As often as it breaks down: right behind the answer.
    for step in 0..12 {
        let stage = Stage::at(&fresh.place, &config).await;
        let mut people = Vec::new();
        for token in tokens {
            people.push(Peer::resume(&stage.server, token).await.expect("good"));
        }
        let was_in: Vec<_> = people.iter().map(|one| one.was_in(room)).collect();
        assert_eq!(was_in, [true, is_in, is_in], "step {step}");
        tokens = [0, 1, 2].map(|one: usize| people[one].token());
        let [kim, lee, ann] = &mut people[..] else { panic!("three") };
        for one in [&mut *kim, &mut *lee, &mut *ann] {
            one.attach(&[]).await;
        }
        is_in = !is_in;
        if is_in {
            tokio::join!(lee.join("room"), ann.join("room"));
        } else {
            // Somebody keeps order there.
            tokio::join!(lee.leave(room), kim.kick(room, "ann"));
        }
        stage.break_off().await;
    }
}

#[tokio::test]
async fn a_stop_in_the_middle_of_a_resume_loses_no_session() {
    let fresh = fresh().await;
    let mut stage = over(&fresh).await;
    let mut token = Peer::log_in(&stage.server, "kim").await.token();
    stage.stop().await;
    for step in 0..25 {
        stage = over(&fresh).await;
        let mut raw = Peer::greet(&stage.server, 1).await;
        raw.send(&[ClientPacket::Resume(Resume { id: id(2), token })]).await;
        sleep(Duration::from_micros(100 * step)).await;
        stage.stop().await;
        stage = over(&fresh).await;
        assert_eq!(stage.store.resumes().load_here().await.expect("an answer").len(), 1, "step {step}");
        // Whether the answer was on its way is not known: both tokens are good.
        token = Peer::resume(&stage.server, token).await.expect("good").token();
        stage.stop().await;
    }
}

#[tokio::test]
async fn of_an_epoch_that_nobody_knows_all_is_told_as_missing() {
    let fresh = fresh().await;
    let stage = over(&fresh).await;
    let (mut lee, kim) = (Peer::log_in(&stage.server, "lee").await, Peer::log_in(&stage.server, "kim").await);
    let (token, lobby) = (kim.token(), kim.lobby());
    drop(kim);
    lee.say(0, "one").await.expect("said");
    let mut kim = Peer::resume(&stage.server, token).await.expect("good");
    kim.attach(&[Presence { epoch: lobby.epoch ^ 1, seq: 7, ..lobby }]).await;
    assert_eq!(kim.told().await, format!("1 missed 8 to {UNKNOWN_END}"));
    assert_eq!(kim.told().await, "1/1 lee: one");
    kim.hears_nothing().await;
    stage.stop().await;
}

#[tokio::test]
async fn a_token_is_good_no_longer_than_its_time_after_its_session_has_left() {
    let fresh = fresh().await;
    let mut config = quiet();
    config.resume.grace = Duration::from_millis(50);
    config.resume.ttl = Duration::from_millis(1);
    let stage = Stage::at(&fresh.place, &config).await;
    let (lee, kim) = (Peer::log_in(&stage.server, "lee").await, Peer::log_in(&stage.server, "kim").await);
    // However long one is there: the time has not begun.
    let mut lee = Peer::resume(&stage.server, lee.token()).await.expect("good");
    lee.attach(&[]).await;
    let token = kim.token();
    drop(kim);
    stage.families(|here| here == 1).await;
    let refusal = Peer::resume(&stage.server, token).await.map(drop).expect_err("its time is over");
    assert_eq!(refusal.code, ErrorCode::ResumeInvalid.into());
    stage.stop().await;
}

#[tokio::test]
async fn a_token_is_of_no_use_to_another_server() {
    let (one, other) = (fresh().await, fresh().await);
    let stage = over(&one).await;
    let kim = Peer::log_in(&stage.server, "kim").await;
    let token = kim.token();
    stage.stop().await;
    let stage = over(&other).await;
    let refusal = Peer::resume(&stage.server, token).await.map(drop).expect_err("unknown");
    assert_eq!(refusal.code, ErrorCode::ResumeInvalid.into());
    assert_eq!(kim.lobby().conversation, LOBBY);
    stage.stop().await;
}

impl Stage {
    /// Waits until so many lines are in the database.
    async fn lines(&self, count: usize) {
        use iocp_chat::store::{Cursor, PageLimit};
        let start = Cursor { conversation: LOBBY, epoch: 0, seq: 0 };
        let limit = PageLimit { lines: 100, bytes: 100_000 };
        let stored = async {
            while !self.store.history().before(start, limit).await.is_ok_and(|page| page.lines.len() >= count)
            {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, stored).await.expect("the lines are stored");
    }

    /// Waits until as many sessions are there by the database.
    async fn families(&self, are_enough: impl Fn(usize) -> bool) {
        let stored = async {
            while !self.store.resumes().load_here().await.is_ok_and(|here| are_enough(here.len())) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, stored).await.expect("the sessions are stored");
    }
}
