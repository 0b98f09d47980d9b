//! The server's executable over a database that stays, and the way to whichever process it is now.

use std::{
    collections::HashSet,
    io::{self, Write as _},
    net::SocketAddr,
    process::{Command, Stdio},
    time::Duration,
};

use data_encoding::HEXLOWER;
use iocp_chat::{client::Session, store::DATABASE_FILE};
use sha2::{Digest as _, Sha256};
use sqlx::{ConnectOptions as _, Connection as _, Row as _, query, sqlite::SqliteConnectOptions};
use tokio::{net::TcpStream, sync::watch, task::block_in_place, time::sleep};

use crate::{
    folder::Folder,
    process::{ServerProcess, program},
};

/// The password of every account.
pub const PASSWORD: &str = "correct horse";
/// Who has an account.
pub const ACCOUNTS: [&str; 4] = ["kim", "lee", "ann", "bob"];

/// The hashes of the tokens that bring those back who are in a room.
const TOKENS: &str = "SELECT token_hash, previous_hash FROM resumes JOIN resume_rooms USING (session) \
                      WHERE conversation = $1";

/// A server that is started again and again.
pub struct House {
    folder: Folder,
    durability: String,
    server: Option<ServerProcess>,
    address: watch::Sender<Option<SocketAddr>>,
}

/// The way in.
#[derive(Clone)]
pub struct Door(watch::Receiver<Option<SocketAddr>>);

impl House {
    /// Makes the database and its accounts, and starts the server.
    pub fn open(durability: &str) -> Self {
        let folder = Folder::new("chat kills");
        for name in ACCOUNTS {
            let mut command = Command::new(program());
            command.arg("--data").arg(&*folder).args(["user", "add", name, "--password-file", "-"]);
            let mut child = command.stdin(Stdio::piped()).spawn().expect("it starts");
            writeln!(child.stdin.take().expect("piped"), "{PASSWORD}").expect("it reads");
            assert!(child.wait().expect("a child").success(), "{name} gets an account");
        }
        let mut house =
            Self { folder, durability: durability.into(), server: None, address: watch::Sender::new(None) };
        house.start();
        house
    }

    /// Where clients connect to.
    pub fn door(&self) -> Door {
        Door(self.address.subscribe())
    }

    /// Starts it, on another port than before.
    pub fn start(&mut self) {
        let durability = format!("history.durability={}", self.durability);
        let settings = [
            &durability,
            // All that is said is read back.
            "history.lines=1000000",
            "rates.chat={per_second=0,burst=1}",
            "rates.other={per_second=0,burst=1}",
            // What is tested is not how fast the machine is.
            "timeouts.login=5m",
            "timeouts.drain=50s",
            "resume.grace=30m",
        ];
        let mut args: Vec<_> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
        args.extend(["--log", "info"]);
        let server = block_in_place(|| ServerProcess::with_accounts(&self.folder, &args));
        self.address.send_replace(Some(server.address));
        self.server = Some(server);
    }

    /// The processor time that this process has taken, where the system tells.
    pub fn cpu_s(&self) -> Option<f64> {
        let pid = self.server.as_ref().expect("it runs").pid();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // proc(5): fields 14 and 15, counted behind the name in brackets, in hundredths of a second.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        Some((user + system) / 100.0)
    }

    /// Waits until it is stored who may come back to these sessions, by the tokens that they have, and that they are in
    /// this room: both are behind what happens.
    pub async fn stored(&self, sessions: &[Session], room: u64) {
        let file = SqliteConnectOptions::new().filename(self.folder.join(DATABASE_FILE));
        let mut database = file.connect().await.expect("a database");
        loop {
            let room = i64::try_from(room).expect("a small number");
            let rows = query(TOKENS).bind(room).fetch_all(&mut database).await.expect("an answer");
            let hashes =
                rows.iter().flat_map(|row| ["token_hash", "previous_hash"].map(|name| row.get(name)));
            let hashes: HashSet<Option<Vec<u8>>> = hashes.collect();
            if sessions.iter().all(|session| hashes.contains(&Some(hash(session)))) {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
        // Not left to be the last that has it open, which takes its log away while the next server starts.
        database.close().await.expect("closed");
    }

    /// Whether nobody is told of a token before it is stored.
    pub fn is_full(&self) -> bool {
        self.durability == "full"
    }

    /// Ends it as it stands; what it has logged.
    pub fn kill(&mut self) -> String {
        self.address.send_replace(None);
        let mut server = self.server.take().expect("it runs");
        server.kill();
        block_in_place(|| server.ended()).1
    }

    /// Stops it in good order; what it has logged.
    pub fn stop(&mut self) -> String {
        self.address.send_replace(None);
        let server = self.server.take().expect("it runs");
        let mut command = Command::new(program());
        command.arg("--data").arg(&*self.folder).args(["ctl", "stop"]);
        let output = block_in_place(|| command.output()).expect("it starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let (status, log) = block_in_place(|| server.ended());
        assert_eq!(status.code(), Some(0), "{log}");
        log
    }
}

/// What a database has of the token that a session comes back by.
fn hash(session: &Session) -> Vec<u8> {
    let saved = serde_json::to_value(session.saved().expect("it outlives its connections")).expect("JSON");
    let token = saved["token"].as_str().expect("hexadecimal digits");
    Sha256::digest(HEXLOWER.decode(token.as_bytes()).expect("hexadecimal digits")).to_vec()
}

impl Door {
    /// Connects, as soon as there is a server: what is tested is not how often clients look.
    pub async fn connect(mut self) -> io::Result<TcpStream> {
        let address = self.0.wait_for(Option::is_some).await;
        let address = address.map_err(io::Error::other)?.expect("it was waited for");
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}
