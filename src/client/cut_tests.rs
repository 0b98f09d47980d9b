//! A session whose connections are cut anywhere, against the plainest server that keeps its promises.

use std::{
    collections::{HashMap, VecDeque},
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use chat_proto::{
    Answer, Attached, ClientPacket, Credential, LOBBY, List, MAILBOX, Presence, RequestId, ResumeToken,
    ServerPacket, Welcome, feature,
};
use parking_lot::Mutex;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use super::{
    Event, Events, Reconnect, Session,
    testing::{Peer, a_lasting_welcome, at, line, pipe, receipt},
};

/// Lines that the client says, and that it hears.
const LINES: u64 = 6;
/// Connections of which one may be cut, at most.
const CUTS_MAX: usize = 12;

/// One session and one lobby, in which somebody says a line for each packet that the client sends.
#[derive(Default)]
struct House {
    /// The last token, and whether the one before it is good because nobody has shown this one yet.
    token: u8,
    is_shown: bool,
    /// The lobby's lines; `None` for the client's own.
    log: Vec<Option<String>>,
    /// Where the client's lines are, by their numbers.
    said: HashMap<u64, u64>,
    /// How often a line came again.
    repeats: u32,
    /// Connections so far that had the session: only the last one has.
    owner: u32,
}

impl House {
    fn welcome(&mut self) -> Welcome {
        self.owner += 1;
        self.token += 1;
        self.is_shown = false;
        a_lasting_welcome(self.token, &[at(MAILBOX, 1, 0), at(LOBBY, 1, self.log.len() as u64)])
    }

    /// Nobody presents an older token than the two that may be known.
    fn takes(&mut self, token: ResumeToken) -> bool {
        let [token, ..] = token.0;
        let good = token == self.token || (token + 1 == self.token && !self.is_shown);
        self.token = if good { token } else { self.token };
        good
    }

    /// The lines after the first `seq`.
    fn after(&self, seq: u64) -> Vec<Option<String>> {
        self.log.iter().skip(seq.try_into().expect("a few")).cloned().collect()
    }

    fn hear_others(&mut self) {
        let heard = self.log.iter().flatten().count() as u64;
        if heard < LINES {
            self.log.push(Some(format!("line {heard}")));
        }
    }

    fn say(&mut self, id: RequestId, number: u64) -> ServerPacket {
        let next = self.log.len() as u64 + 1;
        let seq = *self.said.entry(number).or_insert(next);
        if seq == next {
            self.log.push(None);
        } else {
            self.repeats += 1;
        }
        receipt(id, seq)
    }
}

/// Serves one connection until it ends.
async fn serve(mut peer: Peer, house: Arc<Mutex<House>>) {
    let mut heard_up_to: Option<u64> = None;
    let (mut resumed, mut owner) = (false, None);
    while let Some(packet) = peer.try_recv().await {
        if let Some(owner) = owner {
            let mut house = house.lock();
            if house.owner != owner {
                return;
            }
            house.is_shown = true;
        }
        let answer = match packet {
            ClientPacket::Hello(hello) => super::testing::hello_answer_with(hello.id, feature::RESUME),
            ClientPacket::Login(login) => {
                let mut house = house.lock();
                *house = House { token: house.token, owner: house.owner, ..House::default() };
                heard_up_to = Some(0);
                ServerPacket::LoginAnswer(Answer { id: login.id, outcome: Ok(house.welcome()) })
            }
            ClientPacket::Resume(resume) => {
                resumed = true;
                assert!(house.lock().takes(resume.token), "a token was kept that is older than the last two");
                ServerPacket::ResumeAnswer(Answer { id: resume.id, outcome: Ok(house.lock().welcome()) })
            }
            ClientPacket::Attach(attach) => {
                assert!(resumed && attach.last == 1);
                let place = attach.cursors.0.iter().find(|place| place.conversation == LOBBY);
                heard_up_to = place.map(|Presence { seq, .. }| *seq);
                let outcome = Ok(Attached { lost: List::default() });
                ServerPacket::AttachAnswer(Answer { id: attach.id, outcome })
            }
            ClientPacket::Broadcast(said) => {
                let mut house = house.lock();
                house.hear_others();
                house.say(said.id, said.message_id)
            }
            ClientPacket::Ping(ping) => ServerPacket::Pong(chat_proto::Pong { payload: ping.payload }),
            other => panic!("{other:?}"),
        };
        if matches!(answer, ServerPacket::LoginAnswer(_) | ServerPacket::ResumeAnswer(_)) {
            owner = Some(house.lock().owner);
        }
        // What the client is late for is cut with the connection.
        let _ = peer.try_send(&answer).await;
        let Some(from) = heard_up_to else { continue };
        let lines: Vec<_> = (from + 1..).zip(house.lock().after(from)).collect();
        heard_up_to = Some(from + lines.len() as u64);
        for (seq, text) in lines {
            if let Some(text) = text {
                let _ = peer.try_send(&line(seq, &text)).await;
            }
        }
    }
}

/// A connection that is cut after so many bytes, whichever way they go.
struct Cut {
    stream: DuplexStream,
    left: usize,
}

impl Cut {
    fn pass(&mut self, bytes: usize) {
        self.left -= bytes;
    }
}

impl AsyncRead for Cut {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.left == 0 {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let mut bytes = [0; 512];
        let room = self.left.min(to.remaining()).min(bytes.len());
        let mut part = ReadBuf::new(&mut bytes[..room]);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut part))?;
        self.pass(part.filled().len());
        to.put_slice(part.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Cut {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.left == 0 {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let bytes = &bytes[..bytes.len().min(self.left)];
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.pass(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Logs in, as often as it takes, over connections of which each next one is cut after the next of `cuts` bytes.
async fn come_in(house: &Arc<Mutex<House>>, seed: u64, cuts: VecDeque<usize>) -> (Session, Events) {
    let cuts = Arc::new(Mutex::new(cuts));
    loop {
        let (house, cuts) = (Arc::clone(house), Arc::clone(&cuts));
        let connect = move || {
            let (near, peer) = pipe(256);
            tokio::spawn(serve(peer, Arc::clone(&house)));
            let left = cuts.lock().pop_front().unwrap_or(usize::MAX);
            std::future::ready(Ok(Cut { stream: near, left }))
        };
        match Reconnect::new(seed).log_in(connect, "kim", Credential::None).await {
            Ok(entered) => return entered,
            Err(why) => assert!(matches!(why, super::Error::Io(_) | super::Error::Disconnected), "{why}"),
        }
    }
}

/// Talks and listens, and checks that each line was said once and heard once, in order.
async fn all_is_said_and_heard_once(seed: u64, cuts: Vec<usize>) -> u32 {
    let house = Arc::new(Mutex::new(House::default()));
    let (session, mut events) = come_in(&house, seed, cuts.into()).await;
    let mut receipts = Vec::new();
    for number in 0..LINES {
        // Two on their way at a time.
        receipts.push(session.send_broadcast(0, &format!("mine {number}")).await.expect("it waits"));
        if number % 2 == 1 {
            tokio::task::yield_now().await;
        }
    }
    let mut seqs = Vec::new();
    for receipt in receipts {
        seqs.push(receipt.await.expect("said").seq);
    }
    let mut heard = Vec::new();
    while (heard.len() as u64) < LINES {
        match events.next().await.expect("the session lasts") {
            Event::Broadcast(line) => heard.push(line.text),
            Event::Reconnecting { .. } | Event::Resumed(_) => {}
            other => panic!("{other:?}"),
        }
    }
    let house = house.lock();
    let (own, others): (Vec<_>, Vec<_>) = (1..).zip(&house.log).partition(|(_, text)| text.is_none());
    assert_eq!(seqs, own.into_iter().map(|(seq, _)| seq).collect::<Vec<u64>>());
    assert_eq!(heard, others.into_iter().filter_map(|(_, text)| text.clone()).collect::<Vec<_>>());
    house.repeats
}

#[tokio::test(start_paused = true)]
async fn a_connection_may_be_cut_after_any_byte() {
    let mut repeats = 0;
    for after in 0..1_000 {
        repeats += all_is_said_and_heard_once(1, vec![after]).await;
        repeats += all_is_said_and_heard_once(1, vec![400, after]).await;
    }
    assert!(repeats > 100, "only {repeats} lines came to the server again");
}

#[tokio::test(start_paused = true)]
async fn connections_may_be_cut_anywhere_and_again_and_again() {
    for seed in 0..500 {
        let mut rng = StdRng::seed_from_u64(seed);
        let cuts = (0..rng.random_range(1..=CUTS_MAX)).map(|_| rng.random_range(0..700)).collect();
        println!("seed {seed}: {cuts:?}");
        all_is_said_and_heard_once(seed, cuts).await;
    }
}
