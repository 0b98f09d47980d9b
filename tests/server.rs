//! The server over real sockets: a few, because everything else is tested without.

mod common;
#[path = "common/process.rs"]
mod process;

use std::{net::SocketAddr, process::Command, sync::Arc, time::Duration};

use chat_proto::{Credential, ErrorCode};
use common::{Raw, heard, next, quiet, unthrottled};
use iocp_chat::{
    client::{Client, Event, Events, Session},
    config::Config,
    net::bind,
    server::Server,
    stop::StopReason,
};
use process::ServerProcess;
use tokio::{net::TcpStream, sync::Semaphore, time::timeout};

fn serve(config: &Config) -> Server {
    let listener = bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    Server::start(config, vec![listener], None).expect("a server")
}

async fn guest(server: &Server, name: &str) -> (Session, Events) {
    let client = Client::connect(server.addresses()[0]).await.expect("it listens");
    client.log_in(name, Credential::None).await.expect("the name is free")
}

#[tokio::test]
async fn two_clients_talk_and_whisper() {
    let server = serve(&unthrottled());
    let (kim, mut to_kim) = guest(&server, "kim").await;
    let (lee, mut to_lee) = guest(&server, "이영희").await;
    assert!(matches!(next(&mut to_kim).await, Event::Joined(joined) if joined.name == "이영희"));
    kim.broadcast("hello").await.expect("said");
    assert_eq!(heard(&mut to_lee).await, "hello");
    lee.whisper("kim", "반가워요").await.expect("whispered");
    assert_eq!(heard(&mut to_kim).await, "반가워요");
}

#[tokio::test]
async fn fifty_clients_hear_everything_though_one_of_them_takes_nothing() {
    let server = serve(&quiet());
    let mut people = Vec::new();
    for number in 0..49 {
        people.push(guest(&server, &format!("guest{number}")).await);
    }
    let mut stalled = Raw::new(TcpStream::connect(server.addresses()[0]).await.expect("it listens"));
    stalled.log_in("stalled").await;
    // More than the kernel's buffers and the lobby's log hold for somebody who takes nothing.
    let text = "가".repeat(1_000);
    let speaker = people[0].0.clone();
    let speaking = tokio::spawn(async move {
        for _ in 0..2_700 {
            speaker.broadcast(&text).await.expect("a stalled reader stops nobody");
        }
    });
    let hearing = people.drain(1..).map(|(session, mut events)| {
        tokio::spawn(async move {
            for seq in 1..=2_700 {
                match next(&mut events).await {
                    Event::Broadcast(line) => assert_eq!(line.head.seq, seq),
                    other => panic!("{other:?}"),
                }
            }
            session
        })
    });
    for listener in hearing.collect::<Vec<_>>() {
        listener.await.expect("heard all");
    }
    speaking.await.expect("said all");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_under_load_says_goodbye_to_everyone() {
    let server = serve(&quiet());
    let mut people = Vec::new();
    for number in 0..50 {
        people.push(guest(&server, &format!("guest{number}")).await);
    }
    let talking = people.iter().take(5).map(|(session, _)| {
        let session = session.clone();
        tokio::spawn(async move { while session.broadcast("on and on").await.is_ok() {} })
    });
    let talking: Vec<_> = talking.collect();
    let under_way = Arc::new(Semaphore::new(0));
    let listening = people.into_iter().map(|(session, mut events)| {
        let under_way = Arc::clone(&under_way);
        tokio::spawn(async move {
            let mut heard = 0;
            loop {
                match next(&mut events).await {
                    Event::Broadcast(_) => {
                        heard += 1;
                        under_way.add_permits(usize::from(heard == 100));
                    }
                    Event::Goodbye(goodbye) => break (session, heard, goodbye.code),
                    other => panic!("{other:?}"),
                }
            }
        })
    });
    let listening: Vec<_> = listening.collect();
    let everyone = timeout(Duration::from_secs(60), under_way.acquire_many(50)).await;
    drop(everyone.expect("everyone hears a hundred lines").expect("nobody closes it"));
    assert_eq!(server.stop(StopReason::Terminate).await.cut, 0);
    for listener in listening {
        let (_, heard, code) = listener.await.expect("a goodbye");
        assert_eq!(code, ErrorCode::ShuttingDown.into());
        assert!(heard >= 100);
    }
    for talker in talking {
        talker.await.expect("no panic");
    }
}

#[tokio::test]
async fn a_full_server_says_so_and_a_slot_comes_back_by_itself() {
    let mut config = unthrottled();
    config.limits.connections = 2;
    let server = serve(&config);
    let (_kim, _kims_events) = guest(&server, "kim").await;
    let (lee, lees_events) = guest(&server, "lee").await;
    let mut third = Raw::new(TcpStream::connect(server.addresses()[0]).await.expect("it listens"));
    match third.receive().await {
        Some(chat_proto::ServerPacket::Goodbye(goodbye)) => {
            assert_eq!(goodbye.code, ErrorCode::ServerFull.into());
            assert!(goodbye.retry_ms > 0);
        }
        other => panic!("{other:?}"),
    }
    drop((lee, lees_events));
    let free = async {
        while server.admission().connections() > 1 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(60), free).await.expect("the slot comes back");
    guest(&server, "park").await;
}

#[tokio::test]
async fn each_ip_version_has_a_listener_of_its_own() {
    let v4 = bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let port = v4.local_addr().expect("bound").port();
    let v6 = bind(format!("[::]:{port}").parse().expect("an address"));
    // Where there is no IPv6 at all, the standard library cannot bind it either.
    let possible = std::net::TcpListener::bind("[::1]:0").is_ok();
    assert_eq!(v6.is_ok(), possible, "an IPv6 listener takes no IPv4 port: {v6:?}");
}

#[test]
fn a_taken_port_is_one_clear_line_and_exit_code_4() {
    let server = ServerProcess::start(&[]);
    let address = server.address.to_string();
    let second = Command::new(env!("CARGO_BIN_EXE_chat-server"))
        .args(["--listen", &address, "--set", "database.url=none"])
        .output()
        .expect("runs");
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(4), "{said}");
    assert_eq!(said.trim(), format!("chat-server: {address} is in use by another program"));
}

#[tokio::test]
async fn a_port_that_another_has_on_all_addresses_is_taken_on_each() {
    let all = bind(([0, 0, 0, 0], 0).into()).expect("a free port");
    let address = SocketAddr::from(([127, 0, 0, 1], all.local_addr().expect("bound").port()));
    let output = Command::new(env!("CARGO_BIN_EXE_chat-server"))
        .args(["--listen", &address.to_string(), "--set", "database.url=none"])
        .output();
    let output = output.expect("it runs");
    assert_eq!(output.status.code(), Some(4), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_wrong_configuration_is_one_line_that_names_the_key_and_exit_code_3() {
    let run = |args: &[&str], env: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chat-server"));
        let output = command.args(args).envs(env.iter().copied()).output().expect("runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for (args, env, key) in [
        (&["check", "--set", "limits.conections=5"][..], &[][..], "conections"),
        (&["check"], &[("CHAT_TIMEOUTS__LOGIN", "soon")], "login"),
        (&["check", "--config", "no-such-file.toml"], &[], "no-such-file.toml"),
        (&["check", "--log", "==="], &[], "log.level"),
    ] {
        let (code, said) = run(args, env);
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains(key) && said.trim().lines().count() == 1, "{said}");
    }
    assert_eq!(run(&["--no-such-flag"], &[]).0, Some(2));
    assert_eq!(run(&["check"], &[]).0, Some(0));
}

#[test]
fn the_settings_shown_are_the_settings_in_force() {
    let output = Command::new(env!("CARGO_BIN_EXE_chat-server"))
        .args(["config", "--listen", "[::1]:7000", "--set", "limits.connections=9"])
        .env("CHAT_LIMITS__GUESTS", "3")
        .output()
        .expect("runs");
    let shown: Config =
        toml::from_str(&String::from_utf8_lossy(&output.stdout)).expect("a configuration file");
    assert_eq!((shown.limits.connections, shown.limits.guests), (9, 3));
    assert_eq!(shown.listen, ["[::1]:7000".parse().expect("an address")]);
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_says_goodbye_to_everyone_and_exits_with_0() {
    let server = ServerProcess::start(&[]);
    let client = Client::connect(server.address).await.expect("it listens");
    let (kim, _) = client.log_in("kim", Credential::None).await.expect("free");
    let client = Client::connect(server.address).await.expect("it listens");
    let (_lee, mut to_lee) = client.log_in("lee", Credential::None).await.expect("free");
    kim.broadcast("one last thing").await.expect("said");
    server.interrupt();
    assert_eq!(heard(&mut to_lee).await, "one last thing");
    assert!(matches!(next(&mut to_lee).await, Event::Goodbye(goodbye) if goodbye.retry_ms > 0));
    let (status, log) = tokio::task::spawn_blocking(|| server.ended()).await.expect("no panic");
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains(r#""event":"stopped","cut":0"#), "{log}");
    assert!(!log.contains("one last thing"), "what people say is not logged: {log}");
}

#[cfg(unix)]
#[tokio::test]
async fn without_descriptors_the_server_waits_and_serves_again_when_there_are_some() {
    // Enough for the runtime and a few dozen sockets.
    let shell = format!("ulimit -n 48; exec {} \"$@\"", env!("CARGO_BIN_EXE_chat-server"));
    let server = ServerProcess::spawn(Command::new("sh").args([
        "-c",
        &shell,
        "sh",
        "--log",
        "warn,iocp_chat::host=info",
        // Whoever waits here says nothing for a while.
        "--set",
        "timeouts.login=10m",
    ]));
    let mut sockets = Vec::new();
    for _ in 0..60 {
        sockets.push(TcpStream::connect(server.address).await.expect("the kernel takes it"));
    }
    server.until_logged("accept_failed");
    // The accepted ones are served meanwhile.
    let mut first = Raw::new(sockets.swap_remove(0));
    first.log_in("first").await;
    drop(sockets);
    let again = Client::connect(server.address).await.expect("it accepts again");
    again.log_in("again", Credential::None).await.expect("served");
    server.interrupt();
    let (status, log) = tokio::task::spawn_blocking(|| server.ended()).await.expect("no panic");
    assert_eq!(status.code(), Some(0), "{log}");
    let failures = log.matches("accept_failed").count();
    assert!((1..100).contains(&failures), "it backs off, and says so: {failures} times");
}

/// `chat-server health --address ADDRESS --timeout TIME`: its exit code and what it said.
fn health(address: SocketAddr, time: &str) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_chat-server"))
        .args(["health", "--timeout", time, "--address", &address.to_string()])
        .output()
        .expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn health_is_a_hello_in_time() {
    let server = ServerProcess::start(&[]);
    let (code, said) = health(server.address, "60s");
    assert!(code == Some(0) && said.contains("is well"), "{said}");
    // Connections are taken by the system, and nobody speaks.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
    let (code, said) = health(mute.local_addr().expect("bound"), "300ms");
    assert!(code == Some(1) && said.contains("no hello within 300ms"), "{said}");
    // Nobody listens there, and no other test's server will.
    let (code, said) = health("127.0.0.1:1".parse().expect("an address"), "60s");
    assert!(code == Some(1) && said.lines().count() == 1, "{said}");
}

#[test]
fn health_asks_where_the_settings_listen() {
    let server = ServerProcess::start(&[]);
    let output = Command::new(env!("CARGO_BIN_EXE_chat-server"))
        .args(["health", "--timeout", "60s", "--listen", &format!("0.0.0.0:{}", server.address.port())])
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.starts_with(&format!("127.0.0.1:{} is well", server.address.port())), "{said}");
}
