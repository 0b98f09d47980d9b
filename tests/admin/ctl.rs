//! `chat-server ctl` beside running servers: what it shows, what it does, and what hostile programs get.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use chat_proto::Credential;
use iocp_chat::client::{Client, Event, Events, Session};
use serde_json::Value;

#[cfg(unix)]
use crate::finish;
use crate::{
    Data, Said,
    process::{self, ServerProcess},
};

#[cfg(unix)]
type Channel = std::os::unix::net::UnixStream;
#[cfg(windows)]
type Channel = std::fs::File;

/// How long is waited for what has to come.
const PATIENCE: Duration = Duration::from_mins(2);

/// A server without accounts, in a folder of its own.
struct Served {
    server: ServerProcess,
    data: Data,
}

impl Served {
    fn new() -> Self {
        Self::with(&[])
    }

    /// The same, with further arguments.
    fn with(more: &[&str]) -> Self {
        let data = Data::new();
        let args = [&["--set", "database.url=none"], more].concat();
        let server = ServerProcess::with_accounts(&data.folder, &args);
        Self { server, data }
    }

    fn ctl(&self, args: &[&str]) -> Said {
        self.data.run(&[&["ctl"], args].concat())
    }

    /// The same, which must go well; what it printed, in no more than 80 columns.
    fn told(&self, args: &[&str]) -> String {
        let out = self.data.done(&[&["ctl"], args].concat());
        for line in out.lines() {
            assert!(line.chars().count() <= 80, "{args:?}: {line}");
        }
        out
    }

    fn json(&self, args: &[&str]) -> Vec<Value> {
        let out = self.data.done(&[&["ctl"], args, &["--json"]].concat());
        out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    async fn guest(&self, name: &str) -> (Session, Events) {
        let client = Client::connect(self.server.address).await.expect("it listens");
        client.log_in(name, Credential::None).await.expect("the name is free")
    }

    /// Something that speaks to the channel by itself.
    #[cfg(unix)]
    fn connect(&self) -> Channel {
        Channel::connect(&self.server.ctl).expect("it listens")
    }

    #[cfg(windows)]
    fn connect(&self) -> Channel {
        let begun = Instant::now();
        loop {
            match std::fs::File::options().read(true).write(true).open(&self.server.ctl) {
                // ERROR_PIPE_BUSY: the server has not yet made the instance for the next.
                Err(error) if error.raw_os_error() == Some(231) && begun.elapsed().as_secs() < 60 => {
                    std::thread::yield_now();
                }
                opened => return opened.expect("it listens"),
            }
        }
    }
}

async fn goodbye(events: &mut Events) -> u16 {
    loop {
        let event = tokio::time::timeout(Duration::from_secs(60), events.next()).await.expect("in time");
        if let Event::Goodbye(goodbye) = event.expect("a goodbye comes first") {
            return goodbye.code.0;
        }
    }
}

#[tokio::test]
async fn each_of_two_servers_beside_each_other_is_asked_by_its_folder() {
    let (one, other) = (Served::new(), Served::new());
    let _kim = one.guest("kim").await;
    let _lee = other.guest("이순신").await;
    for (served, name) in [(&one, "kim"), (&other, "이순신")] {
        let status = &served.json(&["status"])[0];
        assert_eq!(status["process"], served.server.pid());
        assert_eq!(status["listen"][0], served.server.address.to_string());
        assert_eq!((&status["sessions"], &status["state"]), (&1.into(), &"open".into()));
        assert!(status["memory_bytes"].as_u64().expect("known here") > 1 << 20, "{status}");
        let sessions = served.json(&["sessions"]);
        assert_eq!(sessions.len(), 1);
        assert_eq!((&sessions[0]["name"], &sessions[0]["role"]), (&name.into(), &"guest".into()));
        assert_eq!((&sessions[0]["address"], &sessions[0]["rooms"][0]), (&"127.0.0.1".into(), &1.into()));
        let shown = served.told(&["sessions"]);
        assert!(
            shown.lines().count() == 2 && shown.ends_with(&format!("127.0.0.1        {name}\n")),
            "{shown}"
        );
        assert!(served.told(&["status"]).contains("sessions      1\n"));
    }
}

#[cfg(unix)]
#[test]
fn a_server_without_a_folder_is_not_mistaken_for_the_one_in_the_default_folder() {
    let home = Data::new();
    let folder = home.folder.join("iocp-chat");
    std::fs::create_dir(&folder).expect("the folder is ours");
    let _server = ServerProcess::with_accounts(&folder, &["--set", "database.url=none"]);
    let ctl = |more: &[&str]| {
        let mut command = Command::new(process::program());
        command.env("XDG_DATA_HOME", &*home.folder).env_remove("STATE_DIRECTORY");
        finish(command.args(["ctl", "status"]).args(more), b"")
    };
    assert_eq!(ctl(&[]).code, Some(0), "the settings are those of a server that has its database there");
    for url in ["none", "postgres://kim@db/chat"] {
        let said = ctl(&["--set", &format!("database.url={url}")]);
        assert!(said.code == Some(3) && said.err.contains("--data FOLDER"), "{said:?}");
    }
}

#[tokio::test]
async fn somebody_is_kicked_banned_muted_and_let_in_again() {
    let served = Served::new();
    let (_kim, mut events) = served.guest("kim").await;
    assert_eq!(served.told(&["kick", "kim", "go", "away"]), "kim is put out\n");
    assert_eq!(goodbye(&mut events).await, 1208);
    let (_kim, mut events) = served.guest("kim").await;
    assert_eq!(
        served.told(&["ban", "kim", "--for", "1h", "no"]),
        "kim is banned for 1h; 1 session put out\n"
    );
    assert_eq!(goodbye(&mut events).await, 1206);
    let client = Client::connect(served.server.address).await.expect("it listens");
    let refused = client.log_in("kim", Credential::None).await.map(drop).expect_err("banned");
    assert_eq!(refused.refusal().map(|code| code.0), Some(1206), "{refused}");
    let bans = served.told(&["bans"]);
    assert!(bans.lines().count() == 2 && bans.contains("  operator          kim  no\n"), "{bans}");
    assert_eq!(served.told(&["unban", "kim"]), "kim may come in again\n");
    assert_eq!(served.told(&["unban", "kim"]), "kim was not banned\n");
    assert_eq!(served.told(&["mute", "kim"]), "kim is mute for good\n");
    let (kim, _events) = served.guest("kim").await;
    assert_eq!(kim.broadcast("a").await.expect_err("mute").refusal().map(|code| code.0), Some(2008));
    assert_eq!(served.json(&["unmute", "kim"])[0]["changed"], true);
    kim.broadcast("a").await.expect("said");
    let said = served.ctl(&["kick", "nobody"]);
    assert_eq!((said.code, said.err.as_str()), (Some(1), "chat-server: there is no such user (2101)\n"));
    let said = served.ctl(&["kick", "no body"]);
    assert!(said.code == Some(1) && said.err.contains("this name is not allowed (1302)"), "{said:?}");
}

#[tokio::test]
async fn a_banned_network_is_turned_away_with_1206() {
    let served = Served::new();
    let (_kim, mut events) = served.guest("kim").await;
    assert_eq!(served.told(&["ban", "127.9.9.9/8"]), "127.0.0.0/8 is banned for good; 1 session put out\n");
    assert_eq!(goodbye(&mut events).await, 1206);
    let refused = Client::connect(served.server.address).await.map(drop).expect_err("turned away");
    assert!(refused.to_string().contains("banned from this server"), "{refused}");
    assert_eq!(served.told(&["unban", "127.0.0.0/8"]), "127.0.0.0/8 may come in again\n");
    served.guest("kim").await;
}

#[tokio::test]
async fn everybody_hears_an_announcement_and_rooms_are_listed_with_their_topics() {
    let served = Served::new();
    let (kim, mut events) = served.guest("kim").await;
    let settings = chat_proto::RoomSettings { capacity: 7, flags: 1, slow_s: 0 };
    kim.create_room("개발", "secret", settings, &"가".repeat(100)).await.expect("made");
    assert_eq!(served.told(&["announce", "see", "you"]), "announced\n");
    let Some(Event::System(line)) = events.next().await else { panic!("an announcement") };
    assert_eq!(line.text, "see you");
    let rooms = served.json(&["rooms"]);
    assert_eq!((rooms.len(), &rooms[0]["room"], &rooms[1]["name"]), (2, &1.into(), &"개발".into()));
    assert_eq!((&rooms[1]["hidden"], &rooms[1]["password"]), (&true.into(), &true.into()));
    assert_eq!(rooms[1]["topic"], "가".repeat(100), "whole for machines");
    let shown = served.told(&["rooms"]);
    assert!(shown.contains("        1         7  hw     개발  가가") && shown.ends_with("가…\n"), "{shown}");
    assert_eq!(served.told(&["slow"]), "nobody is behind\n");
}

#[tokio::test]
async fn a_server_drains_and_stops_when_it_is_told_to() {
    let served = Served::new();
    let (kim, mut events) = served.guest("kim").await;
    assert_eq!(served.told(&["drain"]), "nobody else comes in; 1 session here\n");
    let refused = Client::connect(served.server.address).await.map(drop).expect_err("turned away");
    assert!(refused.to_string().contains("shutting down"), "{refused}");
    kim.broadcast("still here").await.expect("said");
    assert_eq!(served.told(&["drain", "--off"]), "people come in; 1 session here\n");
    served.guest("lee").await;
    assert_eq!(served.told(&["freeze"]), "nobody registers until `thaw`\n");
    assert_eq!(served.json(&["status"])[0]["frozen"], true);
    served.told(&["thaw"]);
    assert!(served.told(&["stop"]).starts_with("the server has stopped, after "));
    assert_eq!(goodbye(&mut events).await, 5001);
    let said = served.ctl(&["status"]);
    assert!(said.code == Some(1) && said.err.starts_with("chat-server: no server runs in "), "{said:?}");
    assert_eq!(said.err.lines().count(), 1);
    let Served { server, data } = served;
    let (status, log) = server.ended();
    assert!(status.success(), "{log}");
    assert!(data.folder.files().is_empty());
}

#[tokio::test]
async fn a_watched_server_is_told_of_each_second_until_it_stops() {
    const LINES: u64 = 100;
    let served = Served::with(&["--set", "rates.chat.per_second=0"]);
    let mut watching = Command::new(process::program());
    watching.arg("--data").arg(&*served.data.folder).args(["ctl", "status", "--watch", "--json"]);
    let mut watching = watching.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(watching.stdout.take().expect("piped")).lines();
    let mut next =
        || -> Value { serde_json::from_str(&lines.next().expect("a line").expect("text")).expect("JSON") };
    assert_eq!(next()["sessions"], 0);
    let (kim, _events) = served.guest("kim").await;
    let (_lee, _to_lee) = served.guest("lee").await;
    let begun = Instant::now();
    while next()["sessions"] != 2 {
        assert!(begun.elapsed() < PATIENCE, "it is asked again");
    }
    for line in 0..LINES {
        kim.broadcast(&format!("{line}")).await.expect("said");
    }
    // How fast that was depends on when the records come; that it is told, and then no more, does not.
    let (mut counted, mut told) = ([0; 2], [false; 2]);
    while counted[0] < LINES || counted[1] < LINES {
        let record = next();
        assert!(record["lag_ms"].as_f64().expect("it answers") < 30_000.0, "{record}");
        let keys = [("messages", "messages_per_s"), ("deliveries", "deliveries_per_s")];
        for (place, (count, rate)) in keys.into_iter().enumerate() {
            let (count, rate) = (record[count].as_u64().expect("a number"), record[rate].as_u64());
            assert!(count > counted[place] || rate == Some(0), "{record}");
            (counted[place], told[place]) = (count, told[place] || rate > Some(0));
        }
        assert!(begun.elapsed() < PATIENCE, "what is said is counted");
    }
    // Kim has heard of lee, too.
    assert!(counted[0] == LINES && counted[1] <= LINES + 1 && told == [true; 2], "{counted:?}, {told:?}");
    served.told(&["stop"]);
    let output = watching.wait_with_output().expect("it ends");
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && err.contains("no server runs in"), "{err}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_watching_as_asked() {
    use rustix::process::{Pid, Signal, kill_process};
    let served = Served::new();
    let mut watching = Command::new(process::program());
    watching.arg("--data").arg(&*served.data.folder).args(["ctl", "status", "--watch"]);
    let mut watching = watching.stdout(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(watching.stdout.take().expect("piped")).lines();
    assert!(lines.next().expect("a heading").expect("text").starts_with("TIME  "));
    assert!(lines.next().expect("a line").expect("text").contains("  open "));
    kill_process(Pid::from_child(&watching), Signal::INT).expect("it is there");
    assert!(watching.wait().expect("it ends").success());
}

#[test]
fn watching_ends_with_whoever_reads_it() {
    let served = Served::new();
    for json in [&[][..], &["--json"]] {
        let mut watching = Command::new(process::program());
        watching.arg("--data").arg(&*served.data.folder).args(["ctl", "status", "--watch"]).args(json);
        let mut watching = watching.stdout(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(watching.stdout.take().expect("piped")).lines();
        lines.next().expect("a line").expect("text");
        drop(lines);
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = watching.try_wait().expect("a child") {
                break status;
            }
            if begun.elapsed() > PATIENCE {
                watching.kill().expect("it is there");
                panic!("it asks on, and nobody reads the answers");
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        assert!(status.success(), "whoever reads no further has read enough");
    }
}

#[test]
fn where_no_server_runs_is_one_plain_line() {
    let data = Data::new();
    for args in [&["ctl", "status"][..], &["ctl", "stop"], &["ctl", "status", "--watch"], &["ctl", "bans"]] {
        let said = data.run(args);
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{said:?}");
        assert!(said.err.starts_with("chat-server: no server runs in ") && said.err.lines().count() == 1);
    }
    assert_eq!(data.run(&["ctl", "explode"]).code, Some(2));
    assert!(data.folder.files().is_empty());
}

#[test]
fn a_killed_servers_channel_is_taken_over() {
    let mut served = Served::new();
    served.server.kill();
    served.server = ServerProcess::with_accounts(&served.data.folder, &["--set", "database.url=none"]);
    assert_eq!(served.json(&["status"])[0]["process"], served.server.pid());
}

#[test]
fn a_living_servers_channel_is_not_taken() {
    let served = Served::new();
    let mut second = ServerProcess::with_accounts(&served.data.folder, &["--set", "database.url=none"]);
    assert_eq!(served.json(&["status"])[0]["process"], served.server.pid());
    second.kill();
    let (_, log) = second.ended();
    assert!(log.contains("ctl_unavailable") && log.contains(r#""ctl":"none""#), "{log}");
    assert_eq!(served.json(&["status"])[0]["process"], served.server.pid());
}

#[test]
fn a_server_without_a_folder_has_no_channel_and_says_so() {
    let mut server = ServerProcess::start(&[]);
    server.kill();
    let (_, log) = server.ended();
    assert!(log.contains(r#""ctl":"none""#) && !log.contains("ctl_unavailable"), "{log}");
}

#[test]
fn garbage_is_told_what_is_wrong_with_it_and_hung_up_on() {
    let served = Served::new();
    for garbage in
        [&b"\xff\xfe\x00\x01\n"[..], b"GET / HTTP/1.1\r\n", b"{\"do\":\"explode\"}\n", b"[]\n", b"\n"]
    {
        let mut channel = served.connect();
        channel.write_all(garbage).expect("taken");
        let said = read_all(&mut channel);
        assert!(said.starts_with(r#"{"end":"refused","code":0,"text":""#), "{garbage:?}: {said}");
        assert_eq!(said.lines().count(), 1);
    }
    served.told(&["status"]);
}

#[test]
fn a_huge_line_is_not_kept() {
    let served = Served::new();
    let before = served.json(&["status"])[0]["memory_bytes"].as_u64().expect("known here");
    let mut channel = served.connect();
    let piece = [b'x'; 8 * 1024];
    // It hangs up long before.
    let taken = (0..12_800).take_while(|_| channel.write_all(&piece).is_ok()).count();
    assert!(taken < 12_800, "all 100 MiB were taken");
    let after = served.json(&["status"])[0]["memory_bytes"].as_u64().expect("known here");
    assert!(after < before + (16 << 20), "{before} to {after}");
}

#[test]
fn half_a_line_and_then_silence_is_hung_up_on() {
    let served = Served::new();
    let begun = Instant::now();
    let mut channel = served.connect();
    channel.write_all(br#"{"do":"sto"#).expect("taken");
    let said = read_all(&mut channel);
    assert!(said.contains("nothing was asked within 5 s"), "{said}");
    assert!((4..60).contains(&begun.elapsed().as_secs()), "after {:?}", begun.elapsed());
    served.told(&["status"]);
}

#[test]
fn a_hundred_silent_connections_do_not_keep_the_operator_out() {
    let served = Served::new();
    let begun = Instant::now();
    let silent: Vec<_> = (0..100).map(|_| served.connect()).collect();
    served.told(&["status"]);
    // Eight at a time, for five seconds each, they would keep the operator waiting for longer.
    assert!(begun.elapsed() < Duration::from_secs(60), "after {:?}", begun.elapsed());
    drop(silent);
    served.told(&["status"]);
}

#[test]
fn several_requests_go_over_one_connection() {
    let served = Served::new();
    let mut channel = served.connect();
    channel
        .write_all(
            b"{\"do\":\"status\"}\n{\"do\":\"bans\"}\n{\"do\":\"kick\",\"name\":\"x\",\"reason\":\"\"}\n",
        )
        .expect("taken");
    let mut lines = BufReader::new(channel).lines().map(|line| line.expect("text"));
    assert!(lines.next().expect("a record").contains(r#""state":"open""#));
    assert_eq!(lines.next().as_deref(), Some(r#"{"end":"done"}"#));
    assert_eq!(lines.next().as_deref(), Some(r#"{"end":"done"}"#));
    let refused = r#"{"end":"refused","code":2101,"text":"there is no such user"}"#;
    assert_eq!(lines.next().as_deref(), Some(refused));
}

/// All that is said before it is hung up on, in whatever way.
fn read_all(channel: &mut Channel) -> String {
    let mut said = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(read @ 1..) = channel.read(&mut piece) {
        said.extend_from_slice(&piece[..read]);
    }
    String::from_utf8(said).expect("text")
}
