//! A connection before its login: greeted, its server's limits known, nobody yet.

use std::{num::NonZeroU32, time::Duration};

use bytes::BytesMut;
use chat_proto::{
    ClientPacket, Code, Credential, ErrorCode, Hello, HelloAnswer, Login, Ping, Pong, Refusal, Register,
    Registered, Resume, ResumeToken, ServerPacket, Username, VERSION, Welcome, limits::INVITE_BYTES_MAX,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, ToSocketAddrs},
    time::timeout,
};

use super::{Error, Events, ProtocolError, Session, packets::Packets, session, tls::Tls};

/// How long a client waits for what.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For the connection and the server's Hello.
    pub connect: Duration,
    /// For the login's answer.
    pub login: Duration,
    /// For the answer to a request that is asked and awaited in one call: longer than it takes to find that nobody is
    /// there any more, so that what is asked then is asked again and not given up.
    pub answer: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(10), login: seconds(10), answer: seconds(45) }
    }
}

/// A connection that has exchanged Hellos and is nobody yet.
pub struct Client {
    packets: Packets,
    writer: Box<dyn AsyncWrite + Send + Unpin>,
    server: HelloAnswer,
    timeouts: Timeouts,
}

const HELLO_ID: NonZeroU32 = NonZeroU32::MIN;
/// Before login the server is asked one thing after the other.
const REGISTER_ID: NonZeroU32 = HELLO_ID.saturating_add(1);
const RESUME_ID: NonZeroU32 = REGISTER_ID.saturating_add(1);
const LOGIN_ID: NonZeroU32 = RESUME_ID.saturating_add(1);
/// Pings of a server that are kept for later. One that sends more before its first answer waits for none of them.
const PINGS_MAX: usize = 16;

impl Client {
    /// Connects over TCP and greets.
    pub async fn connect(address: impl ToSocketAddrs) -> Result<Self, Error> {
        Self::connect_within(address, Timeouts::default()).await
    }

    /// As [`connect`](Self::connect), with other timeouts.
    pub async fn connect_within(address: impl ToSocketAddrs, timeouts: Timeouts) -> Result<Self, Error> {
        Self::connect_asking(address, timeouts, 0).await
    }

    /// As [`connect_within`](Self::connect_within), asking for optional [features](chat_proto::feature). Those that are
    /// granted stand in [`server`](Self::server).
    pub async fn connect_asking(
        address: impl ToSocketAddrs,
        timeouts: Timeouts,
        features: u64,
    ) -> Result<Self, Error> {
        let connecting = async {
            let stream = TcpStream::connect(address).await?;
            // A line is one small packet; waiting for more would only make it late.
            stream.set_nodelay(true)?;
            let (reader, writer) = stream.into_split();
            greet(Box::new(reader), Box::new(writer), timeouts, features).await
        };
        within(timeouts.connect, "the connection", connecting).await
    }

    /// Connects over TLS and greets.
    pub async fn connect_tls(tls: &Tls) -> Result<Self, Error> {
        Self::connect_tls_asking(tls, Timeouts::default(), 0).await
    }

    /// As [`connect_tls`](Self::connect_tls), asking for optional [features](chat_proto::feature), with other timeouts.
    pub async fn connect_tls_asking(tls: &Tls, timeouts: Timeouts, features: u64) -> Result<Self, Error> {
        let connecting = async { Self::over_asking(tls.connect().await?, timeouts, features).await };
        within(timeouts.connect, "the connection", connecting).await
    }

    /// Greets over any stream of bytes, such as one end of [`tokio::io::duplex`].
    pub async fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Result<Self, Error> {
        Self::over_within(stream, Timeouts::default()).await
    }

    /// As [`over`](Self::over), with other timeouts.
    pub async fn over_within(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        timeouts: Timeouts,
    ) -> Result<Self, Error> {
        Self::over_asking(stream, timeouts, 0).await
    }

    /// As [`over_within`](Self::over_within), asking for optional [features](chat_proto::feature).
    pub async fn over_asking(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        timeouts: Timeouts,
        features: u64,
    ) -> Result<Self, Error> {
        let (reader, writer) = tokio::io::split(stream);
        let greeting = greet(Box::new(reader), Box::new(writer), timeouts, features);
        within(timeouts.connect, "the server's hello", greeting).await
    }

    /// What the server said of itself, its limits among it.
    #[must_use]
    pub fn server(&self) -> &HelloAnswer {
        &self.server
    }

    /// Makes an account, to be logged in to afterwards on the same connection. `invite` is an invitation's code, or
    /// empty; hyphens in it do not matter. After a refusal another name or password may be tried; the server ends a
    /// connection at the third.
    pub async fn register(
        &mut self,
        name: &str,
        credential: Credential,
        invite: &str,
    ) -> Result<Registered, Error> {
        let name = Username::parse(name).map_err(Error::refused)?;
        let invite: String = invite.chars().filter(|c| *c != '-').collect();
        if invite.len() > INVITE_BYTES_MAX.into() {
            return Err(Error::refused(ErrorCode::InviteInvalid));
        }
        let register = Register { id: REGISTER_ID, name, credential, invite: invite.into() };
        let register = ClientPacket::Register(register);
        let Self { packets, writer, timeouts, .. } = self;
        let exchanging = exchange(packets, writer, &register);
        match within(timeouts.login, "the registration's answer", exchanging).await? {
            ServerPacket::RegisterAnswer(answer) if answer.id == REGISTER_ID => {
                answer.outcome.map_err(Error::Refused)
            }
            other => Err(ProtocolError::Unexpected(other.kind()).into()),
        }
    }

    /// Becomes somebody. A refused login ends the connection.
    pub async fn log_in(mut self, name: &str, credential: Credential) -> Result<(Session, Events), Error> {
        let name = Username::parse(name).map_err(Error::refused)?;
        let welcome = self.welcome(name, credential).await?;
        let Self { packets, writer, server, timeouts } = self;
        Ok(session::begin(packets, writer, server, welcome, timeouts))
    }

    /// Becomes who one was. Nothing of any conversation is heard before [`Session::attach`]. The token in
    /// [`Session::welcome`] takes the place of this one, which is good for nothing as soon as anything else is sent. A
    /// refused resume ends the connection; with 4001 one has to log in again.
    pub async fn resume(mut self, token: ResumeToken) -> Result<(Session, Events), Error> {
        let (welcome, pings) = self.welcome_back(token).await?;
        let Self { packets, writer, server, timeouts } = self;
        let (session, events) = session::begin(packets, writer, server, welcome, timeouts);
        session.answer_pings(pings);
        Ok((session, events))
    }

    /// Logs in.
    pub(super) async fn welcome(&mut self, name: Username, credential: Credential) -> Result<Welcome, Error> {
        let login = ClientPacket::Login(Login { id: LOGIN_ID, name, credential });
        let Self { packets, writer, timeouts, .. } = self;
        let exchanging = exchange(packets, writer, &login);
        match within(timeouts.login, "the login's answer", exchanging).await? {
            ServerPacket::LoginAnswer(answer) if answer.id == LOGIN_ID => {
                answer.outcome.map_err(Error::Refused)
            }
            other => Err(ProtocolError::Unexpected(other.kind()).into()),
        }
    }

    /// Resumes. The server's pings are not answered yet: the next packet says that one has the new token, and it may have
    /// to be kept before that.
    pub(super) async fn welcome_back(&mut self, token: ResumeToken) -> Result<(Welcome, Vec<Ping>), Error> {
        let resume = ClientPacket::Resume(Resume { id: RESUME_ID, token });
        let (Self { packets, writer, timeouts, .. }, mut pings) = (self, Vec::new());
        let exchanging = async {
            ask(packets, writer, &resume).await?;
            loop {
                match heard(packets.next().await?.0)? {
                    Heard::Ping(ping) if pings.len() < PINGS_MAX => pings.push(ping),
                    Heard::Ping(_) | Heard::Nothing => {}
                    Heard::Answer(answer) => return Ok(answer),
                }
            }
        };
        match within(timeouts.login, "the resume's answer", exchanging).await? {
            ServerPacket::ResumeAnswer(answer) if answer.id == RESUME_ID => {
                Ok((answer.outcome.map_err(Error::Refused)?, pings))
            }
            other => Err(ProtocolError::Unexpected(other.kind()).into()),
        }
    }

    /// The connection itself, for a session that has many.
    pub(super) fn into_parts(self) -> (Packets, Box<dyn AsyncWrite + Send + Unpin>, HelloAnswer) {
        (self.packets, self.writer, self.server)
    }
}

async fn greet(
    reader: Box<dyn AsyncRead + Send + Unpin>,
    mut writer: Box<dyn AsyncWrite + Send + Unpin>,
    timeouts: Timeouts,
    features: u64,
) -> Result<Client, Error> {
    let mut packets = Packets::new(reader);
    let hello = ClientPacket::Hello(Hello { id: HELLO_ID, version: VERSION, features });
    match exchange(&mut packets, &mut writer, &hello).await? {
        ServerPacket::HelloAnswer(server) if server.id == HELLO_ID => {
            let (min, max) = (server.version_min, server.version_max);
            if !(min..=max).contains(&VERSION) {
                return Err(ProtocolError::Version { min, max }.into());
            }
            if server.code != Code::OK {
                return Err(Error::Refused(Refusal { code: server.code, retry_ms: 0 }));
            }
            Ok(Client { packets, writer, server, timeouts })
        }
        other => Err(ProtocolError::Unexpected(other.kind()).into()),
    }
}

/// Sends a packet and waits for what answers it.
async fn exchange(
    packets: &mut Packets,
    writer: &mut (impl AsyncWrite + Unpin),
    request: &ClientPacket,
) -> Result<ServerPacket, Error> {
    ask(packets, writer, request).await?;
    loop {
        match heard(packets.next().await?.0)? {
            Heard::Ping(ping) => write(writer, &ClientPacket::Pong(Pong { payload: ping.payload })).await?,
            Heard::Nothing => {}
            Heard::Answer(answer) => return Ok(answer),
        }
    }
}

async fn ask(
    packets: &mut Packets,
    writer: &mut (impl AsyncWrite + Unpin),
    request: &ClientPacket,
) -> Result<(), Error> {
    if let Err(error) = write(writer, request).await {
        // A server that hung up has said why, if it could.
        return Err(match packets.next().await {
            Ok((ServerPacket::Goodbye(goodbye), _)) => Error::Closed(goodbye),
            _ => error,
        });
    }
    Ok(())
}

/// What a packet is to somebody who waits for an answer.
enum Heard {
    Ping(Ping),
    Nothing,
    Answer(ServerPacket),
}

fn heard(packet: ServerPacket) -> Result<Heard, Error> {
    match packet {
        ServerPacket::Ping(ping) => Ok(Heard::Ping(ping)),
        // What is done to one just as one comes in. The answer says where one is; or a goodbye follows.
        ServerPacket::Pong(_) | ServerPacket::Removed(_) | ServerPacket::Moderated(_) => Ok(Heard::Nothing),
        ServerPacket::Goodbye(goodbye) => Err(Error::Closed(goodbye)),
        ServerPacket::Error(notice) => {
            Err(Error::Refused(Refusal { code: notice.code, retry_ms: notice.retry_ms }))
        }
        answer => Ok(Heard::Answer(answer)),
    }
}

async fn write(writer: &mut (impl AsyncWrite + Unpin), packet: &ClientPacket) -> Result<(), Error> {
    let mut bytes = BytesMut::new();
    packet.encode(&mut bytes);
    writer.write_all(&bytes).await?;
    Ok(writer.flush().await?)
}

async fn within<T>(
    limit: Duration,
    what: &'static str,
    doing: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    timeout(limit, doing).await.unwrap_or(Err(Error::Timeout(what)))
}
