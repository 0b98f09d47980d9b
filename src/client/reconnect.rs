//! A session that outlives its connections: whoever talks and listens with it need not know that there are several.

use std::{io, pin::Pin, sync::Arc, time::Duration};

use chat_proto::{Credential, ErrorCode, Limits, Username, Welcome, feature};
use rand::{Rng as _, SeedableRng, rngs::StdRng};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep, timeout},
};

use super::{
    Client, Error, Event, Events, Saved, Session, Timeouts,
    continuation::Continuation,
    drive::drive,
    lasting::Lasting,
    link::Link,
    packets::Packets,
    recovery::{Next, Recovery},
    session::{FIRST_ID, begin_on},
};

/// A server that is silent for this long is asked whether it is there, and left when it is silent for as long again;
/// sooner where the server itself pings sooner.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// A server that wants to be asked more often than this is asked this often.
const SILENCE_MIN: Duration = Duration::from_secs(1);

/// Any stream of bytes, such as a socket.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

type Soon<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What makes each connection: any function without arguments that connects.
pub trait Connect: Send + Sync + 'static {
    /// Makes one.
    fn connect(&self) -> Soon<io::Result<Box<dyn Stream>>>;
}

impl<C, F, S> Connect for C
where
    C: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = io::Result<S>> + Send + 'static,
    S: Stream + 'static,
{
    fn connect(&self) -> Soon<io::Result<Box<dyn Stream>>> {
        let connecting = self();
        Box::pin(async move { Ok(Box::new(connecting.await?) as Box<dyn Stream>) })
    }
}

type Keep = Box<dyn Fn(Saved) -> Soon<()> + Send + Sync>;
type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// How a session comes back when its connection is lost.
///
/// The [`Session`] and the [`Events`] of one that does are used as any other, and stay the same over all its
/// connections:
///
/// - A line is said once, and its answer awaited over as many connections as it takes. While there is none, lines wait.
/// - Any other request waits for a connection; when that is lost before the answer, it ends with [`Error::Uncertain`].
/// - Every line of others comes once and in order, or [`Event::Missed`] says which will not come.
/// - [`Event::Reconnecting`], [`Event::Resumed`] and [`Event::Restarted`] tell, each at its place among the lines, what
///   becomes of the connection. After the last of them the session is a new one: lines that may or may not have been said
///   end with [`Error::Uncertain`].
/// - The server's word that one is not wanted, a refused login, or a logout ends it, as does dropping all its handles.
///
/// A name and a credential are kept in memory, for a server that does not know the session any more.
pub struct Reconnect {
    attempts_max: Option<u32>,
    seed: u64,
    first_message_id: u64,
    features: u64,
    timeouts: Timeouts,
    keep: Option<Keep>,
}

impl Reconnect {
    /// Comes back as often as it takes. `seed` decides the waits, which should differ from client to client.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let timeouts = Timeouts::default();
        Self {
            attempts_max: None,
            seed,
            first_message_id: 0,
            features: feature::RESUME,
            timeouts,
            keep: None,
        }
    }

    /// Gives up after this many attempts without a session that lasted a minute. 0: the session does not outlive its
    /// connection here, but another program may go on with it.
    #[must_use]
    pub fn attempts_max(self, attempts: u32) -> Self {
        Self { attempts_max: Some(attempts), ..self }
    }

    /// How long is waited for what, on each connection.
    #[must_use]
    pub fn timeouts(self, timeouts: Timeouts) -> Self {
        Self { timeouts, ..self }
    }

    /// The number of the first line that the session numbers itself: for a program that has said lines in it before.
    #[must_use]
    pub fn first_message_id(self, first_message_id: u64) -> Self {
        Self { first_message_id, ..self }
    }

    /// Asks for these [features](chat_proto::feature) on each connection, beside the one that a session comes back by.
    #[must_use]
    pub fn asking(self, features: u64) -> Self {
        Self { features: self.features | features, ..self }
    }

    /// Has the session kept, whenever it gets a new token: the old one is good for nothing as soon as the server has heard
    /// from whoever has the new one, so that nothing is sent before `keep` is done.
    #[must_use]
    pub fn keep<F>(self, keep: impl Fn(Saved) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self { keep: Some(Box::new(move |saved| Box::pin(keep(saved)))), ..self }
    }

    /// Connects and logs in. `connect` makes each connection, this first one too, on which any failure is the caller's.
    pub async fn log_in(
        mut self,
        connect: impl Connect,
        name: &str,
        credential: Credential,
    ) -> Result<(Session, Events), Error> {
        let way = self.way(connect, name, credential)?;
        let client = way.greet().await?;
        self.log_in_over(client, way).await
    }

    /// As [`log_in`](Self::log_in), over a first connection that has asked for [`feature::RESUME`].
    pub async fn log_in_on(
        mut self,
        client: Client,
        connect: impl Connect,
        name: &str,
        credential: Credential,
    ) -> Result<(Session, Events), Error> {
        let way = self.way(connect, name, credential)?;
        self.log_in_over(client, way).await
    }

    /// Goes on with a session that was [saved](Session::saved). Where the server does not know it any more, logs in anew,
    /// and the first event is [`Event::Restarted`]; else it is [`Event::Resumed`].
    pub async fn resume(
        mut self,
        saved: Saved,
        connect: impl Connect,
        credential: Credential,
    ) -> Result<(Session, Events), Error> {
        let way = self.way(connect, saved.name(), credential)?;
        let client = way.greet().await?;
        self.resume_over(client, saved, way).await
    }

    /// As [`resume`](Self::resume), over a first connection that has asked for [`feature::RESUME`].
    pub async fn resume_on(
        mut self,
        client: Client,
        saved: Saved,
        connect: impl Connect,
        credential: Credential,
    ) -> Result<(Session, Events), Error> {
        let way = self.way(connect, saved.name(), credential)?;
        self.resume_over(client, saved, way).await
    }

    fn way(&mut self, connect: impl Connect, name: &str, credential: Credential) -> Result<Way, Error> {
        let name = Username::parse(name).map_err(Error::refused)?;
        let Self { features, timeouts, .. } = *self;
        let (connect, keep) = (Box::new(connect), self.keep.take());
        Ok(Way { connect, name, credential, features, timeouts, keep })
    }

    async fn log_in_over(self, mut client: Client, way: Way) -> Result<(Session, Events), Error> {
        let welcome = client.welcome(way.name.clone(), way.credential.clone()).await?;
        let lasting = Lasting::new(Continuation::new(&welcome, self.first_message_id));
        let link = Arc::new(Link::new(&client.server().limits, FIRST_ID, Some(lasting)));
        way.keep(&link).await;
        Ok(self.begin(link, client, welcome, way))
    }

    async fn resume_over(
        self,
        mut client: Client,
        saved: Saved,
        way: Way,
    ) -> Result<(Session, Events), Error> {
        let lasting = Lasting::new(Continuation::restore(saved.0));
        let link = Arc::new(Link::new(&client.server().limits, FIRST_ID, Some(lasting)));
        let welcome = way.come_in(&link, &mut client, &mut false).await?;
        Ok(self.begin(link, client, welcome, way))
    }

    fn begin(self, link: Arc<Link>, client: Client, welcome: Welcome, way: Way) -> (Session, Events) {
        let (timeouts, server) = (self.timeouts, client.server().clone());
        let (recovery, rng) = (Recovery::new(self.attempts_max), StdRng::seed_from_u64(self.seed));
        let kept_up = Arc::clone(&link);
        let task = async move { keep_up(&kept_up, client, way, recovery, rng).await };
        begin_on(link, server, welcome, timeouts, task)
    }
}

/// How one comes in.
struct Way {
    connect: Box<dyn Connect>,
    name: Username,
    credential: Credential,
    features: u64,
    timeouts: Timeouts,
    keep: Option<Keep>,
}

impl Way {
    async fn greet(&self) -> Result<Client, Error> {
        let connecting = timeout(self.timeouts.connect, self.connect.connect());
        let stream = connecting.await.map_err(|_| Error::Timeout("the connection"))??;
        Client::over_asking(stream, self.timeouts, self.features).await
    }

    /// Resumes or, where that cannot be, logs in. `unheard`: whether a login was sent whose answer was not heard.
    async fn come_in(&self, link: &Link, client: &mut Client, unheard: &mut bool) -> Result<Welcome, Error> {
        let (limits, features) = (client.server().limits, client.server().features);
        let token = link.token().filter(|_| features & feature::RESUME != 0);
        if let Some(token) = token {
            match client.welcome_back(token).await {
                Ok((welcome, pings)) => {
                    link.resumed(&welcome)?;
                    self.keep(link).await;
                    link.connect(&limits, true);
                    for ping in pings {
                        link.pong(ping);
                    }
                    return Ok(welcome);
                }
                // On this connection one may still log in.
                Err(Error::Refused(refusal)) if refusal.code == ErrorCode::ResumeInvalid.into() => {
                    link.forget_token();
                }
                Err(error) => return Err(error),
            }
        }
        let login = client.welcome(self.name.clone(), self.credential.clone()).await;
        *unheard |= !matches!(login, Ok(_) | Err(Error::Refused(_)));
        let welcome = login?;
        link.restarted(welcome.clone());
        self.keep(link).await;
        link.connect(&limits, false);
        Ok(welcome)
    }

    async fn keep(&self, link: &Link) {
        if let (Some(keep), Some(saved)) = (&self.keep, link.saved()) {
            keep(saved).await;
        }
    }
}

/// Serves a session over one connection after the other.
async fn keep_up(link: &Link, mut client: Client, way: Way, mut recovery: Recovery, mut rng: StdRng) {
    loop {
        let (since, (packets, writer)) = (Instant::now(), ready(client));
        let mut why = drive(link, packets, writer).await;
        if link.leaving.is_cancelled() {
            return link.end(&why);
        }
        let mut next = recovery.lost(&why, since.elapsed(), rng.next_u64());
        if next != Next::Over {
            link.lose();
        }
        let mut unheard = false;
        if matches!(&why, Error::Closed(goodbye) if goodbye.code == ErrorCode::ResumeInvalid.into()) {
            link.forget_token();
        }
        client = loop {
            let Next::Attempt { number, wait } = next else { return link.end(&why) };
            let event = Event::Reconnecting { attempt: number, wait, why: why.clone() };
            link.tell(event, 0).expect("no line contradicts it");
            let coming = async {
                // A timer of no time at all still waits for the clock's next tick.
                if !wait.is_zero() {
                    sleep(wait).await;
                }
                let mut client = way.greet().await?;
                way.come_in(link, &mut client, &mut unheard).await?;
                Ok(client)
            };
            let came = tokio::select! {
                biased;
                () = link.leaving.cancelled() => return link.end(&why),
                came = coming => came,
            };
            match came {
                Ok(client) => break client,
                Err(error) => {
                    next = recovery.failed(&error, unheard, rng.next_u64());
                    why = error;
                }
            }
        };
    }
}

/// A connection to be read and written, on which no server is silent for long.
fn ready(client: Client) -> (Packets, Writer) {
    let (mut packets, writer, server) = client.into_parts();
    packets.set_silence_max(silence(&server.limits));
    (packets, writer)
}

fn silence(limits: &Limits) -> Duration {
    match limits.ping_after_ms {
        0 => SILENCE_MAX,
        after => Duration::from_millis(after.into()).clamp(SILENCE_MIN, SILENCE_MAX),
    }
}
