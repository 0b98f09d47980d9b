//! A scripted server on loopback, and a `chat-client` run against it.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread::{self, JoinHandle},
    time::Duration,
};

use bytes::BytesMut;
use chat_proto::{
    Answer, ClientPacket, Code, Credential, Goodbye, HelloAnswer, Limits, Line, LineHead, List, PacketCodec,
    Receipt, Refusal, RequestId, Role, ServerPacket, Welcome, way_in,
};
use tokio_util::codec::Decoder;

/// So that a test which waits for what never comes fails.
pub const PATIENCE: Duration = Duration::from_mins(5);

pub const LIMITS: Limits = Limits {
    chat_per_second: 1_000,
    chat_burst: 1_000,
    other_per_second: 0,
    other_burst: 0,
    ..Limits::DEFAULT
};

pub const HEAD: LineHead = LineHead { conversation: 1, epoch: 5, seq: 3, time_ms: 1_700_000_000_000 };

/// What a server's end can be made of.
pub trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// The server's end of one connection.
pub struct Peer {
    stream: Box<dyn Stream>,
    codec: PacketCodec,
    buffer: BytesMut,
}

impl Peer {
    /// Over any stream.
    pub fn over(stream: impl Stream + 'static) -> Self {
        let codec = PacketCodec::new(LIMITS.client_packet_bytes);
        Self { stream: Box::new(stream), codec, buffer: BytesMut::new() }
    }

    /// The next packet but Pongs; `None` when the client is gone.
    pub fn recv(&mut self) -> Option<ClientPacket> {
        loop {
            if let Some(frame) = self.codec.decode(&mut self.buffer).expect("a client frames rightly") {
                return Some(
                    ClientPacket::decode(frame.kind, &frame.body).expect("a client encodes rightly"),
                );
            }
            let mut bytes = [0; 4_096];
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(read) => self.buffer.extend_from_slice(&bytes[..read]),
                // A read with a timeout is not taken up again by itself.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Whoever goes before all is read that was sent to them resets the connection.
                Err(error) if is_reset(&error) => return None,
                Err(error) => panic!("the client is silent: {error}"),
            }
        }
    }

    pub fn send(&mut self, packet: &ServerPacket) {
        self.send_bytes(&packet.to_bytes());
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.try_send_bytes(bytes).expect("the client is there");
    }

    /// As [`send`](Self::send), to who may be gone.
    pub fn try_send(&mut self, packet: &ServerPacket) -> io::Result<()> {
        self.try_send_bytes(&packet.to_bytes())
    }

    fn try_send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).and_then(|()| self.stream.flush())
    }

    /// As a server that takes guests only.
    pub fn greet(&mut self, limits: Limits) {
        self.greet_by(way_in::GUEST, limits);
    }

    pub fn greet_by(&mut self, ways_in: u16, limits: Limits) {
        self.greet_granting(0, ways_in, limits);
    }

    /// Grants these features; returns those that were asked for.
    pub fn greet_granting(&mut self, features: u64, ways_in: u16, limits: Limits) -> u64 {
        let Some(ClientPacket::Hello(hello)) = self.recv() else { panic!("a Hello is first") };
        self.send(&ServerPacket::HelloAnswer(HelloAnswer {
            id: hello.id,
            code: Code::OK,
            version_min: 1,
            version_max: 1,
            features,
            durability: 0,
            ways_in,
            time_ms: 0,
            limits,
        }));
        hello.features
    }

    /// Greets and takes the login; returns the name.
    pub fn welcome(&mut self, limits: Limits) -> String {
        self.greet(limits);
        self.take_login(Role::Guest).0
    }

    /// Takes the login; returns the name and the password, if there is one.
    pub fn take_login(&mut self, role: Role) -> (String, Option<String>) {
        let Some(ClientPacket::Login(login)) = self.recv() else { panic!("a Login is next") };
        let name = login.name.as_str().to_owned();
        let outcome = Ok(Welcome {
            session: 7,
            name: name.clone(),
            time_ms: 0,
            role: role as u16,
            resume_token: None,
            grace_ms: 0,
            conversations: List(Vec::new()),
        });
        self.send(&ServerPacket::LoginAnswer(Answer { id: login.id, outcome }));
        (name, password(login.credential))
    }

    pub fn refuse_login(&mut self, code: impl Into<Code>) {
        self.refuse_login_by(way_in::GUEST, refusal(code, 0));
    }

    pub fn refuse_login_by(&mut self, ways_in: u16, refusal: Refusal) {
        self.greet_by(ways_in, LIMITS);
        let Some(ClientPacket::Login(login)) = self.recv() else { panic!("a Login is second") };
        self.send(&ServerPacket::LoginAnswer(Answer { id: login.id, outcome: Err(refusal) }));
    }

    pub fn recv_broadcast(&mut self) -> (RequestId, String) {
        match self.recv() {
            Some(ClientPacket::Broadcast(said)) => (said.id, said.text.as_str().to_owned()),
            other => panic!("{other:?} is not a broadcast"),
        }
    }

    pub fn acknowledge(&mut self, id: RequestId, seq: u64) {
        let outcome = Ok(Receipt { epoch: 5, seq, time_ms: 0 });
        self.send(&ServerPacket::BroadcastAnswer(Answer { id, outcome }));
    }

    pub fn refuse_broadcast(&mut self, id: RequestId, code: impl Into<Code>, retry_ms: u32) {
        self.send(&ServerPacket::BroadcastAnswer(Answer { id, outcome: Err(refusal(code, retry_ms)) }));
    }

    /// Takes a broadcast and acknowledges it.
    pub fn hear(&mut self) -> String {
        let (id, text) = self.recv_broadcast();
        self.acknowledge(id, 1);
        text
    }

    /// Takes the logout and says goodbye.
    pub fn farewell(&mut self) {
        let Some(ClientPacket::Logout(logout)) = self.recv() else { panic!("a logout is last") };
        let answer = ServerPacket::LogoutAnswer(Answer { id: logout.id, outcome: Ok(()) });
        // Whoever is in a hurry waits a second for them.
        let _ = self.try_send(&answer).and_then(|()| self.try_send(&goodbye(Code::OK, "")));
        assert_eq!(self.recv(), None);
    }
}

fn is_reset(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted)
}

/// The password in a credential.
pub fn password(credential: Credential) -> Option<String> {
    match credential {
        Credential::Password(bytes) => Some(String::from_utf8(bytes.into()).expect("text")),
        Credential::None => None,
        Credential::Other(kind) => panic!("no client sends kind {kind}"),
    }
}

pub fn refusal(code: impl Into<Code>, retry_ms: u32) -> Refusal {
    Refusal { code: code.into(), retry_ms }
}

pub fn goodbye(code: impl Into<Code>, text: &str) -> ServerPacket {
    ServerPacket::Goodbye(Goodbye { code: code.into(), retry_ms: 0, text: text.to_owned() })
}

pub fn line(sender: &str, text: &str) -> Line<String> {
    Line { head: HEAD, sender: sender.to_owned(), text: text.to_owned() }
}

pub fn broadcast(sender: &str, text: &str) -> ServerPacket {
    ServerPacket::BroadcastLine(line(sender, text))
}

/// Plays a script on the first connection. Joining tells whether all went by it.
pub fn serve(script: impl FnOnce(&mut Peer) + Send + 'static) -> (SocketAddr, JoinHandle<()>) {
    listen(|listener| script(&mut accept(listener)))
}

#[cfg(unix)]
/// As [`serve`], for a client that looks first how people get in, asks its user, and comes back.
pub fn serve_asking(
    ways_in: u16,
    script: impl FnOnce(&mut Peer) + Send + 'static,
) -> (SocketAddr, JoinHandle<()>) {
    listen(move |listener| {
        let mut looking = accept(listener);
        looking.greet_by(ways_in, LIMITS);
        assert_eq!(looking.recv(), None, "nothing is asked for while somebody types");
        let mut peer = accept(listener);
        peer.greet_by(ways_in, LIMITS);
        script(&mut peer);
    })
}

/// Plays each script on a connection of its own, one after the other.
pub fn serve_each(scripts: Vec<Script>) -> (SocketAddr, JoinHandle<()>) {
    listen(|listener| {
        for script in scripts {
            script(&mut accept(listener));
        }
    })
}

pub type Script = Box<dyn FnOnce(&mut Peer) + Send>;

/// Serves in a thread of its own.
pub fn listen(serve: impl FnOnce(&TcpListener) + Send + 'static) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    (address, thread::spawn(move || serve(&listener)))
}

fn accept(listener: &TcpListener) -> Peer {
    Peer::over(accept_bytes(listener))
}

/// The next connection as it is.
pub fn accept_bytes(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().expect("a client");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// What the environment of whoever runs the tests must not decide.
const VARIABLES: [&str; 10] = [
    "LANG",
    "LC_ALL",
    "LC_MESSAGES",
    "NO_COLOR",
    "CHAT_USER",
    "CHAT_PASSWORD",
    "CHAT_INVITE",
    "CHAT_CA",
    "CHAT_PIN",
    "CHAT_KNOWN_HOSTS",
];

/// A client named kim, with the words of `arguments`.
pub fn client(address: SocketAddr, arguments: &str) -> Command {
    client_at(&address.to_string(), arguments)
}

/// As [`client`], at a server that is named in another way.
pub fn client_at(server: &str, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat-client"));
    command.arg(server).args(["-u", "kim"]).args(arguments.split_whitespace());
    for variable in VARIABLES {
        command.env_remove(variable);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What a run of the client left: text, or bytes where they are of another encoding.
#[derive(Debug)]
pub struct Ran<T = String> {
    pub code: Option<i32>,
    pub stdout: T,
    pub stderr: T,
}

impl From<Ran<Vec<u8>>> for Ran {
    fn from(ran: Ran<Vec<u8>>) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("it writes UTF-8");
        Self { code: ran.code, stdout: text(ran.stdout), stderr: text(ran.stderr) }
    }
}

/// Gives a client its whole input and waits for its end.
pub fn feed(child: Child, input: &[u8]) -> Ran {
    feed_bytes(child, input).into()
}

fn feed_bytes(mut child: Child, input: &[u8]) -> Ran<Vec<u8>> {
    // A client that ends early does not read all of it.
    let _ = child.stdin.take().expect("piped").write_all(input);
    let output = child.wait_with_output().expect("it ends");
    Ran { code: output.status.code(), stdout: output.stdout, stderr: output.stderr }
}

/// Runs a client on an input against a script that must be played to its end.
pub fn run(arguments: &str, input: impl AsRef<[u8]>, script: impl FnOnce(&mut Peer) + Send + 'static) -> Ran {
    run_bytes(arguments, input, script).into()
}

/// As [`run`], of a client that does not write UTF-8.
pub fn run_bytes(
    arguments: &str,
    input: impl AsRef<[u8]>,
    script: impl FnOnce(&mut Peer) + Send + 'static,
) -> Ran<Vec<u8>> {
    let (address, server) = serve(script);
    let ran = feed_bytes(client(address, arguments).spawn().expect("it starts"), input.as_ref());
    server.join().unwrap_or_else(|_| {
        let stderr = String::from_utf8_lossy(&ran.stderr);
        panic!("the script was not kept: {:?}, {stderr}", ran.code)
    });
    ran
}
