//! One case of a row, played one way, and everything that has to be true of it.

use std::time::Duration;

use chat_proto::{ClientPacket, ErrorCode, ServerPacket, feature, kind};
use rand::{RngExt, rngs::StdRng};
use tokio::{
    task::yield_now,
    time::{Instant, sleep},
};

use super::{
    cases::{Act, Case},
    packets,
    peer::{Event, Peer},
    stage::{Link, PIPE_BYTES, Stage, check_panics_and_log},
    table::{Conn, Ending, Row, State, Way},
};

/// The hostile one's name.
const HOSTILE: &str = "mallory";

/// What a kept connection is asked in the end.
const PROBE: &[u8] = b"still here?";

/// Time in which what is not expected may come.
const SETTLE: Duration = Duration::from_millis(500);

/// Time in which a spent bucket has a token again.
const RECOVER: Duration = Duration::from_secs(1);

/// One way to play a case.
#[derive(Clone, Copy)]
pub struct Take<'a> {
    pub row: &'a Row,
    pub case: &'a Case,
    pub state: State,
    pub way: Way,
    /// Where [`Way::Everywhere`] cuts.
    pub cut: usize,
}

/// What the server said.
#[derive(Default)]
struct Told {
    /// The codes of its answers and errors, and 0 for each pong.
    codes: Vec<u16>,
    pongs: Vec<Vec<u8>>,
    goodbye: Option<u16>,
    end: Option<Instant>,
}

/// Plays it, and says what is wrong.
pub async fn play(stage: &mut Stage, take: Take<'_>, rng: &mut StdRng) -> Result<(), String> {
    let Take { row, case, state, .. } = take;
    let conn = row.conn.expect("a row that is played says what becomes of the connection");
    stage.count_from_here();
    let reset = case.acts.contains(&Act::End(Ending::Reset));
    // Before: the server may have accepted it, and counts, before this task is told that it is connected.
    let began = Instant::now();
    let mut peer = stage.connect(reset).await;
    if state != State::Connected {
        peer.greet().await?;
    }
    if state == State::Authenticated {
        peer.log_in(HOSTILE).await?;
    }
    peer.written = 0;
    let mut told = Told::default();
    if act(&mut peer, take, rng).await {
        let sent = Instant::now();
        match conn {
            Conn::Kept => check_it_goes_on(&mut peer, &mut told, take, stage.link).await?,
            Conn::Gone => return Err("`gone` is for those who drop the connection".into()),
            Conn::Closed | Conn::Score | Conn::Silent => {
                while told.end.is_none() {
                    told.take(peer.next().await)?;
                }
                // Without the peer's help; in real time that would take half a second each.
                if stage.link.is_in_memory() {
                    stage.all_gone(Duration::from_secs(1)).await?;
                }
                check_when_it_ended(row, began, sent, told.end, stage.link)?;
            }
        }
        check_codes(&mut told, row, conn)?;
        if told.pongs != case.pings[..told.pongs.len().min(case.pings.len())] {
            return Err(format!("pongs {:?} for pings {:?}", told.pongs, case.pings));
        }
    }
    // What the pipe still holds has not been taken; nor what a client's TLS does, which is as much.
    let held = if stage.link == Link::Tls { 2 * PIPE_BYTES } else { PIPE_BYTES };
    if let Some(max) = row.read_max.filter(|max| peer.written > max + held) {
        return Err(format!("{} bytes were taken, more than {max}", peer.written));
    }
    drop(peer);
    stage.all_gone(Duration::from_secs(5)).await?;
    if stage.link.is_in_memory() {
        // So that the canaries are never the ones who are too fast.
        sleep(SETTLE).await;
    }
    let expected = expected_rejects(&told, conn);
    if stage.rejects() != expected {
        return Err(format!("counted {:?}, told {expected:?}", stage.rejects()));
    }
    check_what_was_heard(stage, take, &told).await?;
    if row.is_about_rooms() {
        stage.check_rooms().await?;
    }
    check_panics_and_log(&case.texts)
}

/// Does what the case does; false when it does not stay to listen.
async fn act(peer: &mut Peer, take: Take<'_>, rng: &mut StdRng) -> bool {
    for act in &take.case.acts {
        match act {
            Act::Send(bytes) => send(peer, bytes, take, rng).await,
            Act::Wait(pause) => sleep(*pause).await,
            Act::End(Ending::Half) => peer.half_close().await,
            Act::End(Ending::Drop | Ending::Reset) => return false,
        }
    }
    true
}

async fn send(peer: &mut Peer, bytes: &[u8], take: Take<'_>, rng: &mut StdRng) {
    let cut = match take.way {
        Way::Whole => 0,
        Way::Bytes => return peer.send_slowly(bytes, take.row.pace).await,
        Way::Cut => rng.random_range(0..=bytes.len()),
        Way::Everywhere => take.cut,
    };
    let (first, rest) = bytes.split_at(cut);
    peer.send(first).await;
    match take.way {
        Way::Everywhere => sleep(Duration::from_millis(20)).await,
        _ => yield_now().await,
    }
    peer.send(rest).await;
}

/// Takes the answers, then asks for one more, and finds nothing else.
async fn check_it_goes_on(
    peer: &mut Peer,
    told: &mut Told,
    take: Take<'_>,
    link: Link,
) -> Result<(), String> {
    let expected = take.row.codes().map_or(1, |codes| codes.len());
    while told.codes.len() < expected {
        told.take(peer.next().await)?;
        if told.end.is_some() {
            return Err(format!("closed after {:?} with {:?}", told.codes, told.goodbye));
        }
    }
    if link.is_in_memory() {
        sleep(RECOVER).await;
    }
    peer.send(&packets::ping(PROBE)).await;
    while told.pongs.last().is_none_or(|pong| pong != PROBE) {
        told.take(peer.next().await)?;
        if told.end.is_some() {
            return Err(format!("not kept: {:?}, {:?}", told.codes, told.goodbye));
        }
    }
    told.pongs.pop();
    if told.codes.pop() != Some(0) {
        return Err("something is answered after what came after it".into());
    }
    if link.is_in_memory() {
        sleep(SETTLE).await;
    }
    match peer.come() {
        None => Ok(()),
        Some(event) => Err(format!("more than an answer: {event:?}")),
    }
}

fn check_when_it_ended(
    row: &Row,
    began: Instant,
    sent: Instant,
    end: Option<Instant>,
    link: Link,
) -> Result<(), String> {
    let end = end.expect("it has ended");
    // A late byte may have been on its way when the end came.
    let (took, at) =
        row.at.map_or((end.saturating_duration_since(sent), Duration::ZERO), |at| (end - began, at));
    let early = took + Duration::from_secs(1) < at;
    let late = took > at + Duration::from_secs(1);
    match link {
        Link::Memory | Link::Tls if early || late => Err(format!("ended after {took:?}, not {at:?}")),
        // How late is the machine's affair.
        Link::Sockets if took < at => Err(format!("ended after {took:?}, not {at:?}")),
        _ => Ok(()),
    }
}

/// Compares what was told with what the row says.
fn check_codes(told: &mut Told, row: &Row, conn: Conn) -> Result<(), String> {
    let mut all = told.codes.clone();
    match (conn, told.goodbye) {
        (Conn::Kept | Conn::Silent | Conn::Gone, None) | (Conn::Score, Some(3001)) => {}
        (Conn::Closed, Some(code)) => {
            if is_told_by_goodbye_alone(code) {
                all.push(code);
            } else if all.last() != Some(&code) {
                return Err(format!("the goodbye says {code} after {all:?}"));
            }
        }
        (_, goodbye) => return Err(format!("goodbye {goodbye:?} after {all:?}, but {conn:?} is expected")),
    }
    let fits = match row.codes() {
        Some(mut codes) => {
            if row.any_order {
                codes.sort_unstable();
                all.sort_unstable();
            }
            all == codes
        }
        None => matches!(all[..], [code] if row.one_of.contains(&code)),
    };
    if fits { Ok(()) } else { Err(format!("answered {}", brief(&all))) }
}

/// A list of codes as a person reads it.
fn brief(codes: &[u16]) -> String {
    let runs = codes.chunk_by(|one, next| one == next).map(|run| match run.len() {
        1 => run[0].to_string(),
        times => format!("{times} x {}", run[0]),
    });
    runs.collect::<Vec<_>>().join(", ")
}

/// Ends that answer no packet.
fn is_told_by_goodbye_alone(code: u16) -> bool {
    matches!(code, 1001 | 1002 | 1104..=1106 | 1204 | 1205 | 3002)
}

/// One for each code that was told, once.
fn expected_rejects(told: &Told, conn: Conn) -> Vec<(u16, u64)> {
    let by_goodbye = told.goodbye.filter(|code| conn == Conn::Score || is_told_by_goodbye_alone(*code));
    let all = || told.codes.iter().copied().chain(by_goodbye);
    let count = |code: u16| all().filter(|told| *told == code).count() as u64;
    let codes = ErrorCode::ALL.iter().map(|code| *code as u16);
    codes.map(|code| (code, count(code))).filter(|(_, count)| *count > 0).collect()
}

async fn check_what_was_heard(stage: &mut Stage, take: Take<'_>, told: &Told) -> Result<(), String> {
    let heard = stage.talk().await?;
    let all_taken = take.row.codes().is_some_and(|codes| codes.iter().all(|code| *code == 0));
    let expected = match &take.row.heard {
        Some(pieces) => pieces.iter().flat_map(super::table::Piece::strings).collect(),
        None if all_taken && !told.codes.is_empty() => take.case.texts.clone(),
        None => Vec::new(),
    };
    if heard.texts == expected {
        Ok(())
    } else {
        Err(format!("{} lines heard, {} expected: {:.200?}", heard.texts.len(), expected.len(), heard.texts))
    }
}

impl Told {
    fn take(&mut self, event: Option<Event>) -> Result<(), String> {
        let packet = match event {
            Some(Event::Packet(packet)) => packet,
            Some(Event::End(at)) => {
                self.end = Some(at);
                return Ok(());
            }
            None => return Err(format!("nothing comes after {}", brief(&self.codes))),
        };
        if self.goodbye.is_some() {
            return Err(format!("after the goodbye: {packet:?}"));
        }
        let code = match packet {
            ServerPacket::HelloAnswer(answer) => {
                if !matches!(
                    (answer.version_min, answer.version_max, answer.features),
                    (1, 1, 0 | feature::RESUME)
                ) {
                    return Err(format!("a wrong answer to a hello: {answer:?}"));
                }
                answer.code.0
            }
            ServerPacket::RegisterAnswer(answer) => answered(answer.outcome.err())?,
            ServerPacket::LoginAnswer(answer) | ServerPacket::ResumeAnswer(answer) => {
                answered(answer.outcome.err())?
            }
            ServerPacket::AttachAnswer(answer) => answered(answer.outcome.err())?,
            ServerPacket::HistoryAnswer(answer) => answered(answer.outcome.err())?,
            ServerPacket::ChangePasswordAnswer(answer)
            | ServerPacket::PublishKeyAnswer(answer)
            | ServerPacket::RemoveKeyAnswer(answer)
            | ServerPacket::LogoutAnswer(answer)
            | ServerPacket::SetPresenceAnswer(answer)
            | ServerPacket::IgnoreAnswer(answer)
            | ServerPacket::SetTopicAnswer(answer)
            | ServerPacket::SetRoomAnswer(answer)
            | ServerPacket::ModerateAnswer(answer)
            | ServerPacket::CloseRoomAnswer(answer)
            | ServerPacket::AnnounceAnswer(answer)
            | ServerPacket::FreezeRegistrationAnswer(answer) => answered(answer.outcome.err())?,
            ServerPacket::BroadcastAnswer(answer) | ServerPacket::RoomChatAnswer(answer) => {
                answered(answer.outcome.err())?
            }
            ServerPacket::IgnoredAnswer(answer) => answered(answer.outcome.err())?,
            ServerPacket::CreateRoomAnswer(answer) | ServerPacket::JoinRoomAnswer(answer) => {
                answered(answer.outcome.err())?
            }
            ServerPacket::LeaveRoomAnswer(answer) => answered(answer.outcome.err())?,
            ServerPacket::RoomsAnswer(answer) => answered(answer.outcome.err())?,
            ServerPacket::WhisperAnswer(answer) | ServerPacket::SealedWhisperAnswer(answer) => {
                answered(answer.outcome.err())?
            }
            ServerPacket::KeysOfAnswer(answer) => answered(answer.outcome.err())?,
            ServerPacket::WhoAnswer(answer) => answered(answer.outcome.err())?,
            ServerPacket::Pong(pong) => {
                self.pongs.push(pong.payload.as_bytes().to_vec());
                0
            }
            ServerPacket::Error(notice) => {
                let has_answer = notice.kind != kind::HELLO && ClientPacket::is_request(notice.kind);
                if notice.code.0 >= 1200 && notice.id != 0 && has_answer {
                    return Err(format!("an error in place of an answer: {notice:?}"));
                }
                notice.code.0
            }
            ServerPacket::Goodbye(goodbye) => {
                self.goodbye = Some(goodbye.code.0);
                return Ok(());
            }
            // What others do.
            _ => return Ok(()),
        };
        self.codes.push(code);
        Ok(())
    }
}

fn answered(refusal: Option<chat_proto::Refusal>) -> Result<u16, String> {
    match refusal {
        None => Ok(0),
        Some(refusal) if refusal.code.0 >= 1200 => Ok(refusal.code.0),
        Some(refusal) => Err(format!("an answer in place of an error: {refusal:?}")),
    }
}
