//! What a client keeps of its session, over any number of connections.

use bytes::BytesMut;
use chat_proto::{
    Attach, ClientPacket, LOBBY, Line, LineHead, List, MAILBOX, Presence, RequestId, ResumeToken, Role, Text,
    Welcome,
};
use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any, prop_assert, prop_assert_eq},
    prop_oneof, proptest,
};

use super::{
    Event, ProtocolError, Recipient, Resumed,
    continuation::{Continuation, Unanswered},
};

fn at(conversation: u64, epoch: u64, seq: u64) -> Presence {
    Presence { conversation, epoch, seq }
}

fn welcome(session: u64, token: u8, conversations: &[Presence]) -> Welcome {
    Welcome {
        session,
        name: "kim".to_owned(),
        role: Role::Guest as u16,
        time_ms: 0,
        resume_token: Some(ResumeToken([token; 32])),
        grace_ms: 120_000,
        conversations: List(conversations.to_vec()),
    }
}

fn line(place: Presence) -> Event {
    let Presence { conversation, epoch, seq } = place;
    let head = LineHead { conversation, epoch, seq, time_ms: 0 };
    Event::Broadcast(Line { head, sender: "lee".to_owned(), text: "hi".to_owned() })
}

fn text(text: &str) -> Text {
    Text::parse(text).expect("a text")
}

/// Session 7, which has heard line 5 of the lobby and is in room 9.
fn session() -> Continuation {
    let mut session =
        Continuation::new(&welcome(7, 1, &[at(MAILBOX, 3, 0), at(LOBBY, 4, 2), at(9, 4, 0)]), 1);
    session.hear(&line(at(LOBBY, 4, 5))).expect("it is next");
    session
}

#[test]
fn a_resume_tells_what_was_lost_what_was_gained_and_how_far_all_has_gone_on() {
    let mut session = session();
    session.connection_lost();
    let heads = [at(MAILBOX, 3, 1), at(LOBBY, 4, 15), at(11, 6, 30)];
    session.resumed(&welcome(7, 2, &heads)).expect("the same session");
    assert_eq!(session.token(), Some(ResumeToken([2; 32])));
    session.attached(&[]);
    let news = Resumed { lost: vec![9], entered: vec![at(11, 6, 30)], behind: Some(11) };
    assert_eq!(session.take_news(), news);
    assert_eq!(session.places().get(LOBBY), Some(at(LOBBY, 4, 5)), "lines after it follow");
    assert_eq!(session.hear(&line(at(9, 4, 1))), Err(ProtocolError::Elsewhere(9)));
    assert_eq!(session.hear(&line(at(11, 6, 31))), Ok(()));
}

#[test]
fn what_a_resume_has_brought_is_told_even_where_its_connection_is_lost_at_once() {
    let mut session = session();
    session.connection_lost();
    session.resumed(&welcome(7, 2, &[at(LOBBY, 4, 5), at(11, 6, 30)])).expect("the same session");
    session.connection_lost();
    session.resumed(&welcome(7, 3, &[at(LOBBY, 5, 0), at(11, 6, 33)])).expect("the same session");
    session.attached(&[]);
    let news = session.take_news();
    assert_eq!((news.lost, news.entered), (vec![9], vec![at(11, 6, 30)]));
    assert_eq!(news.behind, None, "the lobby is in another epoch");
}

#[test]
fn a_conversation_that_is_lost_before_the_cursors_arrive_is_told_once() {
    let mut session = session();
    session.resumed(&welcome(7, 2, &[at(LOBBY, 4, 5), at(9, 4, 0), at(11, 6, 3)])).expect("the same session");
    session.attached(&[9, 11, 12]);
    let news = session.take_news();
    assert_eq!((news.lost, news.entered), (vec![9, 11], vec![]));
}

#[test]
fn another_session_than_ones_own_is_a_fault() {
    let fault = session().resumed(&welcome(8, 2, &[at(LOBBY, 4, 5)]));
    assert_eq!(fault, Err(ProtocolError::AnotherSession(8)));
}

#[test]
fn a_new_session_has_nothing_of_the_old_one_but_what_was_never_sent() {
    let mut session = session();
    let [sent, unsent] = ["sent", "unsent"]
        .map(|said| (session.say(0, Recipient::Lobby, text(said)).expect("a new number"), said));
    assert_eq!(session.send().map(|line| line.message_id), Some(sent.0));
    session.connection_lost();
    let anew = session.restarted(welcome(8, 9, &[at(LOBBY, 4, 90)]));
    let told = |line: &Unanswered| (line.message_id, line.text.as_str().to_owned());
    let uncertain: Vec<_> = anew.uncertain.iter().map(told).collect();
    assert_eq!(uncertain, [(sent.0, sent.1.to_owned())]);
    assert_eq!(session.unsent().map(told), Some((unsent.0, unsent.1.to_owned())));
    assert_eq!(session.places().iter().collect::<Vec<_>>(), [at(LOBBY, 4, 90)]);
    assert_eq!(session.hear(&line(at(LOBBY, 4, 91))), Ok(()));
    assert_eq!(session.take_news(), Resumed::default());
}

#[test]
fn a_number_names_one_line_at_a_time_and_ones_own_are_above_all_others() {
    let mut session = session();
    let mut say = |id| session.say(id, Recipient::Lobby, text("hi"));
    assert_eq!([say(0), say(40), say(40), say(1), say(0)], [Some(1), Some(40), None, None, Some(41)]);
    session.conclude(40);
    assert_eq!(session.say(40, Recipient::Lobby, text("hi")), Some(40), "it was refused, and is sent again");
}

proptest! {
    #[test]
    fn cursors_are_split_so_that_each_packet_fits_and_none_is_forgotten(
        packet_bytes in 48_u16..4_096,
        cursors in vec((any::<u64>(), any::<u64>()), 0..200),
    ) {
        let all: Vec<_> = (u64::MAX - 500..).zip(cursors).map(|(number, (epoch, seq))| at(number, epoch, seq)).collect();
        let session = Continuation::new(&welcome(7, 1, &all), 1);
        let packets = session.attach(packet_bytes);
        prop_assert!(!packets.is_empty(), "the last one says that it is the last");
        for cursors in &packets {
            let mut bytes = BytesMut::new();
            let attach = Attach { id: RequestId::MAX, last: 1, cursors: cursors.clone() };
            ClientPacket::Attach(attach).encode(&mut bytes);
            prop_assert!(bytes.len() <= packet_bytes.into(), "{} of {packet_bytes}", bytes.len());
        }
        let named: Vec<_> = packets.into_iter().flat_map(|cursors| cursors.0).collect();
        prop_assert_eq!(named, all);
    }
}

/// Something that happens to a session.
#[derive(Clone, Copy, Debug)]
enum Happens {
    Said,
    /// The oldest line that waits is sent.
    Sent,
    /// One of the lines sent on this connection is answered.
    Answered(usize),
    Heard(u64),
    Lost,
    /// A connection that comes to nothing tells nothing.
    Resumed,
    Restarted,
}

fn life() -> impl Strategy<Value = Vec<Happens>> {
    let happens = prop_oneof![
        6 => Just(Happens::Said),
        6 => Just(Happens::Sent),
        4 => any::<usize>().prop_map(Happens::Answered),
        4 => (1_u64..4).prop_map(Happens::Heard),
        3 => Just(Happens::Lost),
        3 => Just(Happens::Resumed),
        1 => Just(Happens::Restarted),
    ];
    vec(happens, 0..120)
}

/// The plainest thing that could be said of lines: each is in one of these lists, in the order in which it was said.
#[derive(Default)]
struct Model {
    waiting: Vec<(u64, String)>,
    sent_before: Vec<(u64, String)>,
    sent_now: Vec<(u64, String)>,
    concluded: Vec<u64>,
}

proptest! {
    #[test]
    fn no_line_is_forgotten_or_sent_twice_or_with_another_number(life in life()) {
        let (mut session, mut model, mut connected) = (session(), Model::default(), true);
        let (mut said, mut number, mut head) = (0, 7, session.places().get(LOBBY).expect("in it"));
        for happens in life {
            match happens {
                Happens::Said => {
                    said += 1;
                    let (message, line) = (format!("line {said}"), text(&format!("line {said}")));
                    let id = session.say(0, Recipient::Lobby, line).expect("a new number");
                    model.waiting.push((id, message));
                }
                Happens::Sent if connected => {
                    let from = if model.sent_before.is_empty() { &mut model.waiting } else { &mut model.sent_before };
                    let expected = if from.is_empty() { None } else { Some(from.remove(0)) };
                    let sent = session.send().map(|line| (line.message_id, line.text.as_str().to_owned()));
                    prop_assert_eq!(&sent, &expected);
                    model.sent_now.extend(sent);
                }
                Happens::Answered(which) if connected && !model.sent_now.is_empty() => {
                    let (id, _) = model.sent_now.remove(which % model.sent_now.len());
                    prop_assert_eq!(session.conclude(id).map(|line| line.message_id), Some(id));
                    prop_assert!(session.conclude(id).is_none());
                    model.concluded.push(id);
                }
                Happens::Heard(by) if connected => {
                    let before = session.places().get(LOBBY).expect("in it");
                    prop_assert!(session.hear(&line(before)).is_err(), "it was heard");
                    head.seq += by;
                    prop_assert_eq!(session.hear(&line(head)), Ok(()));
                    prop_assert_eq!(session.places().get(LOBBY), Some(head));
                }
                Happens::Lost if connected => {
                    connected = false;
                    session.connection_lost();
                    // Those that were not sent again yet are the younger ones.
                    let younger = std::mem::take(&mut model.sent_before);
                    model.sent_before = std::mem::take(&mut model.sent_now);
                    model.sent_before.extend(younger);
                }
                Happens::Resumed if !connected => {
                    connected = true;
                    prop_assert_eq!(session.resumed(&welcome(number, 1, &[at(LOBBY, 4, 1_000)])), Ok(()));
                }
                Happens::Restarted if !connected => {
                    connected = true;
                    (number, head) = (number + 1, at(LOBBY, 4, head.seq / 2));
                    let anew = session.restarted(welcome(number, 1, &[head]));
                    let told: Vec<_> =
                        anew.uncertain.into_iter().map(|line| (line.message_id, line.text.as_str().to_owned())).collect();
                    prop_assert_eq!(told, std::mem::take(&mut model.sent_before));
                    prop_assert_eq!(session.places().iter().collect::<Vec<_>>(), [head]);
                }
                _ => {}
            }
            let kept = model.waiting.len() + model.sent_before.len() + model.sent_now.len();
            prop_assert_eq!(session.unanswered(), kept);
        }
    }
}
