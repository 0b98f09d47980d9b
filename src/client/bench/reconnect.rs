//! The scenario in which all lose their connections at once and come back, each with its session.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use chat_proto::{Credential, LOBBY};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    runtime,
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, interval, sleep},
};
use tokio_util::{
    either::Either,
    sync::{CancellationToken, WaitForCancellationFutureOwned},
};

use super::{
    Error, Progress, Watch,
    checker::Checker,
    found::{Found, Measured},
    latency::Latency,
    plan::Plan,
    process::{Cpu, Server, own_cpu},
    report::{BackReport, CpuReport, LogInReport, Report},
    server_of, stamp,
    talk::nanoseconds,
    tally::{Clock, Row, Tally},
};
use crate::client::{Event, Events, Reconnect, Session, tls::TlsStream};

/// Log-ins under way at once.
const LOG_INS: usize = 64;
/// How long all may take to come back before it counts as a failure.
const BACK_MAX: Duration = Duration::from_mins(2);
/// How often it is looked at how far all is.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What all members share.
struct Shared {
    clock: Clock,
    state: Mutex<State>,
}

struct State {
    tally: Tally,
    members: Vec<Member>,
    /// From the loss of a connection until the session went on.
    back: Latency,
    attempts: u64,
    anew: u64,
    /// Ends the connections there are.
    cut: CancellationToken,
}

struct Member {
    lobby: Checker,
    /// When its connection was lost, while it has none.
    lost: Option<u64>,
    is_back: bool,
}

/// Runs it: on a runtime of its own, in this thread.
pub fn run(plan: &Plan, watch: &mut Watch<'_>) -> Result<Report, Error> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Network)?;
    runtime.block_on(measure(plan, watch))
}

async fn measure(plan: &Plan, watch: &mut Watch<'_>) -> Result<Report, Error> {
    let time_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let server = server_of(plan);
    let before = server.memory();
    let shared = Arc::new(Shared::new(plan));
    let (sessions, log_ins) = log_in(plan, &shared, &server, watch).await?;
    let logged_in = server.memory();
    let stop = CancellationToken::new();
    let mut talkers = JoinSet::new();
    for (number, session) in sessions.iter().take(plan.talkers).enumerate() {
        talkers.spawn(talk(plan.clone(), number, session.clone(), Arc::clone(&shared), stop.clone()));
    }
    sleep(plan.warm_up).await;
    let (cpu, own) = (server.cpu(), own_cpu());
    let began = lose_all(plan, &shared).await?;
    let seconds = all_back(&shared, began).await;
    // One that was started again is another process, which has done nothing else.
    let now = server_of(plan);
    let same = now.executables() == server.executables();
    let cpu = CpuReport {
        server: now.cpu().map(|after| if same { after - cpu.unwrap_or_default() } else { after }),
        generator: own_cpu().zip(own).map(|(after, before): (Cpu, Cpu)| after - before),
        ..CpuReport::default()
    };
    sleep(plan.warm_up).await;
    stop.cancel();
    while talkers.join_next().await.is_some() {}
    drain(plan, &shared).await;
    let mut state = shared.state.lock();
    let (measured, back) = state.found(seconds, cpu);
    let found =
        Found { time_s, before, logged_in, log_ins, measured, stalled: None, pairs: None, back: Some(back) };
    let report = found.report(plan, &now, &mut state.tally);
    drop((state, sessions));
    Ok(report)
}

impl Shared {
    fn new(plan: &Plan) -> Self {
        let state = State {
            tally: Tally::new(plan.receivers()),
            members: Vec::new(),
            back: Latency::new(),
            attempts: 0,
            anew: 0,
            cut: CancellationToken::new(),
        };
        Self { clock: Clock::start(), state: Mutex::new(state) }
    }

    /// How many are without a connection, and how many have had one since they lost theirs.
    fn lost_and_back(&self) -> (usize, usize) {
        let state = self.state.lock();
        let count = |is: fn(&Member) -> bool| state.members.iter().filter(|member| is(member)).count();
        (count(|member| member.lost.is_some()), count(|member| member.is_back))
    }
}

impl State {
    /// What the run has come to.
    fn found(&mut self, seconds: Option<f64>, cpu: CpuReport) -> (Measured, BackReport) {
        let end = self.members.iter().map(|member| member.lobby.last()).max().unwrap_or(0);
        for member in &self.members {
            let verdict = member.lobby.clone().finish(end);
            self.tally.check.lost += verdict.lost;
            self.tally.check.echoed += verdict.echoed;
            self.tally.check.missed += member.lobby.missed_lines();
        }
        if self.anew > 0 {
            self.tally.reasons.push(format!("{} sessions did not go on, but began again", self.anew));
        }
        let back = self.members.iter().filter(|member| member.is_back).count();
        if back < self.members.len() {
            self.tally.reasons.push(format!("{} did not come back", self.members.len() - back));
        }
        let latency = std::mem::take(&mut self.tally.delivery_latency);
        let measured = Measured {
            seconds: seconds.unwrap_or(BACK_MAX.as_secs_f64()),
            lines: self.tally.check.accepted,
            deliveries: self.tally.check.delivered,
            cpu,
            series: Vec::new(),
            latency,
        };
        let report = BackReport {
            sessions: back as u64,
            anew: self.anew,
            attempts: self.attempts,
            all_s: seconds,
            times: self.back.percentiles(),
        };
        (measured, report)
    }

    fn hear(&mut self, number: usize, event: Event, now: u64) {
        let Self { tally, members, .. } = self;
        let member = &mut members[number];
        let heard = match event {
            Event::Broadcast(line) if line.head.conversation == LOBBY => {
                let mut row = Row::default();
                tally.delivered(stamp::read(line.text.as_bytes()), &mut row, now);
                tally.record(&row, now);
                member.lobby.take(line.head.epoch, line.head.seq)
            }
            Event::Joined(joined) if joined.head.conversation == LOBBY => {
                tally.check.notices += 1;
                member.lobby.take(joined.head.epoch, joined.head.seq)
            }
            Event::Left(left) if left.head.conversation == LOBBY => {
                tally.check.notices += 1;
                member.lobby.take(left.head.epoch, left.head.seq)
            }
            Event::Missed(missed) if missed.conversation == LOBBY => {
                member.lobby.missed(missed.epoch, missed.from, missed.to)
            }
            Event::Reconnecting { .. } => {
                self.attempts += 1;
                member.lost.get_or_insert(now);
                Ok(())
            }
            Event::Resumed(_) => {
                self.come_back(number, now);
                Ok(())
            }
            Event::Restarted(anew) => {
                let places = anew.welcome.conversations.0;
                if let Some(place) = places.iter().find(|place| place.conversation == LOBBY) {
                    member.lobby = Checker::new(place.epoch, place.seq, tally.joins_are_told());
                }
                self.anew += 1;
                self.come_back(number, now);
                Ok(())
            }
            Event::Goodbye(goodbye) => {
                tally.broken(format!("member {number}: goodbye {}", goodbye.code.0));
                Ok(())
            }
            Event::Disconnected(why) => {
                tally.broken(format!("member {number}: {why}"));
                Ok(())
            }
            _ => Ok(()),
        };
        if let Err(fault) = heard {
            self.tally.fault(fault);
        }
    }

    fn come_back(&mut self, number: usize, now: u64) {
        let member = &mut self.members[number];
        if let Some(lost) = member.lost.take() {
            member.is_back = true;
            self.back.record(now.saturating_sub(lost), 1);
        }
    }
}

async fn log_in(
    plan: &Plan,
    shared: &Arc<Shared>,
    server: &Server,
    watch: &mut Watch<'_>,
) -> Result<(Vec<Session>, LogInReport), Error> {
    let (started, cpu, places) = (Instant::now(), server.cpu(), Arc::new(Semaphore::new(LOG_INS)));
    let prefix =
        format!("{:x}", SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis()));
    let mut sessions = Vec::new();
    let mut coming = JoinSet::new();
    for number in 0..plan.clients {
        let (shared, places) = (Arc::clone(shared), Arc::clone(&places));
        let (name, server, tls) = (format!("{prefix}-{number}"), plan.server, plan.tls.clone());
        coming.spawn(async move {
            let _place = places.acquire_owned().await.expect("it is never closed");
            let began = shared.clock.now();
            let connecting = Arc::clone(&shared);
            let connect = move || {
                let (cut, tls) = (connecting.state.lock().cut.clone(), tls.clone());
                async move {
                    let socket = TcpStream::connect(server).await?;
                    socket.set_nodelay(true)?;
                    let socket = match tls {
                        Some(tls) => Either::Right(Box::new(tls.over(socket).await?)),
                        None => Either::Left(socket),
                    };
                    Ok(Cuttable { socket, cut: Box::pin(cut.cancelled_owned()) })
                }
            };
            let come = Reconnect::new(number as u64).log_in(connect, &name, Credential::None).await;
            come.map(|(session, events)| (session, events, began))
        });
    }
    while let Some(come) = coming.join_next().await {
        let (session, events, began) = come
            .expect("a login does not panic")
            .map_err(|why| Error::Network(io::Error::other(why.to_string())))?;
        let number = admit(shared, &session, began)?;
        tokio::spawn(listen(number, events, Arc::clone(shared)));
        sessions.push(session);
        watch(&Progress::LoggingIn { members: sessions.len(), of: plan.clients });
    }
    let used = server.cpu().zip(cpu).map(|(after, before)| after - before);
    let state = shared.state.lock();
    let report = LogInReport::new(plan.clients as u64, started.elapsed().as_secs_f64(), used, &state.tally);
    drop(state);
    Ok((sessions, report))
}

/// Counts a member; its number.
fn admit(shared: &Shared, session: &Session, began: u64) -> Result<usize, Error> {
    let (limits, welcome) = (session.server().limits, session.welcome());
    if welcome.resume_token.is_none() {
        return Err(Error::Plan("the server lets no session go on; start it with a resume.grace".into()));
    }
    let mut state = shared.state.lock();
    state.tally.limits = Some(limits);
    state.tally.measuring = true;
    state.tally.log_ins += 1;
    state.tally.log_in_latency.record(shared.clock.now() - began, 1);
    let place = welcome.conversations.0.iter().find(|place| place.conversation == LOBBY);
    let place = place.ok_or_else(|| Error::Plan("the server has no lobby".into()))?;
    let lobby = Checker::new(place.epoch, place.seq, state.tally.joins_are_told());
    state.members.push(Member { lobby, lost: None, is_back: false });
    Ok(state.members.len() - 1)
}

async fn listen(number: usize, mut events: Events, shared: Arc<Shared>) {
    while let Some(event) = events.next().await {
        let now = shared.clock.now();
        shared.state.lock().hear(number, event, now);
    }
}

/// Says lines at the plan's rate, until that is enough and all are answered.
async fn talk(plan: Plan, number: usize, session: Session, shared: Arc<Shared>, stop: CancellationToken) {
    let mut due = interval(Duration::from_secs_f64(1.0 / plan.rate));
    let mut answers = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            _ = due.tick() => {}
        }
        let said = shared.clock.now();
        let mut text = stamp::write(said).to_vec();
        text.resize(plan.size, b'.');
        let text = String::from_utf8(text).expect("printable characters");
        shared.state.lock().tally.check.sent += 1;
        let Ok(answer) = session.send_broadcast(0, &text).await else { break };
        let shared = Arc::clone(&shared);
        answers.spawn(async move {
            let answer = answer.await;
            let (now, state) = (shared.clock.now(), &mut *shared.state.lock());
            match answer {
                Ok(receipt) => {
                    state.tally.accepted(now.saturating_sub(said));
                    state.members[number].lobby.own_line(receipt.seq);
                }
                Err(_) => state.tally.check.unanswered += 1,
            }
        });
    }
    while answers.join_next().await.is_some() {}
}

/// Cuts all connections, or waits until the server is stopped. When that was.
async fn lose_all(plan: &Plan, shared: &Shared) -> Result<u64, Error> {
    if !plan.restart {
        let began = shared.clock.now();
        let cut = std::mem::take(&mut shared.state.lock().cut);
        cut.cancel();
        return Ok(began);
    }
    let until = shared.clock.now() + nanoseconds(plan.duration);
    while shared.clock.now() < until {
        if shared.lost_and_back() != (0, 0) {
            return Ok(shared.clock.now());
        }
        sleep(LOOK_EVERY).await;
    }
    Err(Error::Plan(format!("nobody restarted the server within {} s", plan.duration.as_secs())))
}

/// Waits until all have come back; how many seconds that took, if they did.
async fn all_back(shared: &Shared, began: u64) -> Option<f64> {
    let until = began + nanoseconds(BACK_MAX);
    while shared.clock.now() < until {
        if shared.lost_and_back() == (0, shared.state.lock().members.len()) {
            #[expect(clippy::cast_precision_loss, reason = "figures for people")]
            return Some((shared.clock.now() - began) as f64 / 1e9);
        }
        sleep(LOOK_EVERY).await;
    }
    None
}

/// Waits until all that is due has come, or nothing does any more.
async fn drain(plan: &Plan, shared: &Shared) {
    let mut progress = (0, Instant::now());
    loop {
        let check = shared.state.lock().tally.check;
        if check.delivered >= check.expected {
            return;
        }
        if check.delivered > progress.0 {
            progress = (check.delivered, Instant::now());
        } else if progress.1.elapsed() > plan.patience {
            return;
        }
        sleep(LOOK_EVERY).await;
    }
}

/// A socket that can be made to fail from outside.
struct Cuttable {
    socket: Either<TcpStream, Box<TlsStream>>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Cuttable {
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionReset.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Cuttable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl AsyncWrite for Cuttable {
    // Only the reader waits for the cut: it always reads.
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
