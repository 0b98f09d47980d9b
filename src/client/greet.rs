//! A connection before its login: greeted, its server's limits known, nobody yet.

use std::{num::NonZeroU32, time::Duration};

use bytes::BytesMut;
use chat_proto::{
    ClientPacket, Code, Credential, ErrorCode, Hello, HelloAnswer, Login, Pong, Refusal, Register,
    Registered, ServerPacket, Username, VERSION, limits::INVITE_BYTES_MAX,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, ToSocketAddrs},
    time::timeout,
};

use super::{Error, Events, ProtocolError, Session, packets::Packets, session};

/// How long a client waits for what.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For the connection and the server's Hello.
    pub connect: Duration,
    /// For the login's answer.
    pub login: Duration,
    /// For the answer to a request that is asked and awaited in one call.
    pub answer: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(10), login: seconds(10), answer: seconds(30) }
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
const LOGIN_ID: NonZeroU32 = REGISTER_ID.saturating_add(1);

impl Client {
    /// Connects over TCP and greets.
    pub async fn connect(address: impl ToSocketAddrs) -> Result<Self, Error> {
        Self::connect_within(address, Timeouts::default()).await
    }

    /// As [`connect`](Self::connect), with other timeouts.
    pub async fn connect_within(address: impl ToSocketAddrs, timeouts: Timeouts) -> Result<Self, Error> {
        let connecting = async {
            let stream = TcpStream::connect(address).await?;
            // A line is one small packet; waiting for more would only make it late.
            stream.set_nodelay(true)?;
            let (reader, writer) = stream.into_split();
            greet(Packets::new(Box::new(reader)), Box::new(writer), timeouts).await
        };
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
        let (reader, writer) = tokio::io::split(stream);
        let greeting = greet(Packets::new(Box::new(reader)), Box::new(writer), timeouts);
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
    pub async fn log_in(self, name: &str, credential: Credential) -> Result<(Session, Events), Error> {
        let name = Username::parse(name).map_err(Error::refused)?;
        within(self.timeouts.login, "the login's answer", self.exchange_login(name, credential)).await
    }

    async fn exchange_login(
        self,
        name: Username,
        credential: Credential,
    ) -> Result<(Session, Events), Error> {
        let Self { mut packets, mut writer, server, timeouts } = self;
        let login = ClientPacket::Login(Login { id: LOGIN_ID, name, credential });
        let answer = match exchange(&mut packets, &mut writer, &login).await? {
            ServerPacket::LoginAnswer(answer) if answer.id == LOGIN_ID => answer,
            other => return Err(ProtocolError::Unexpected(other.kind()).into()),
        };
        let welcome = answer.outcome.map_err(Error::Refused)?;
        Ok(session::begin(packets, writer, server, welcome, timeouts))
    }
}

async fn greet(
    mut packets: Packets,
    mut writer: Box<dyn AsyncWrite + Send + Unpin>,
    timeouts: Timeouts,
) -> Result<Client, Error> {
    let hello = ClientPacket::Hello(Hello { id: HELLO_ID, version: VERSION, features: 0 });
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
    if let Err(error) = write(writer, request).await {
        // A server that hung up has said why, if it could.
        return Err(match packets.next().await {
            Ok((ServerPacket::Goodbye(goodbye), _)) => Error::Closed(goodbye),
            _ => error,
        });
    }
    loop {
        match packets.next().await?.0 {
            ServerPacket::Ping(ping) => {
                write(writer, &ClientPacket::Pong(Pong { payload: ping.payload })).await?;
            }
            ServerPacket::Pong(_) => {}
            ServerPacket::Goodbye(goodbye) => return Err(Error::Closed(goodbye)),
            ServerPacket::Error(notice) => {
                return Err(Error::Refused(Refusal { code: notice.code, retry_ms: notice.retry_ms }));
            }
            answer => return Ok(answer),
        }
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
