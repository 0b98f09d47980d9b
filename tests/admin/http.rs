//! The admin's HTTP of a running server: what it tells, who gets nothing, and `chat-server health` that asks it.

use std::{
    io::Write as _,
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::{
    Data, Said,
    page::{exchange, get, read_all, status},
    process::ServerProcess,
};

const ANY_PORT: &str = "admin.listen=127.0.0.1:0";

fn server() -> ServerProcess {
    ServerProcess::start(&["--set", ANY_PORT])
}

fn health(args: &[&str]) -> Said {
    Data::new().run(&[&["health", "--timeout", "60s"], args].concat())
}

#[test]
fn a_page_is_told_once_for_a_connection_and_its_head_alone_to_whoever_wants_that() {
    let server = server();
    let (status, page) = get(&server.admin, "/metrics");
    assert!(status == 200 && page.ends_with('\n'), "{page}");
    let resident = page.lines().find_map(|line| line.strip_prefix("process_resident_memory_bytes "));
    assert!(resident.expect("told here").parse::<u64>().expect("a number") > 1 << 20);
    let ask = |method: &str| {
        let request = format!("{method} /healthz/live HTTP/1.1\r\nHost: {}\r\n\r\n", server.admin);
        exchange(&server.admin, request.repeat(3).as_bytes())
    };
    let (got, head) = (ask("GET"), ask("HEAD"));
    assert_eq!(got.matches("HTTP/1.1").count(), 1, "{got}");
    assert!(got.ends_with("\r\n\r\n{\"live\":true}\n"), "{got}");
    assert!(head.ends_with("\r\n\r\n") && head.contains("content-length: 14\r\n"), "{head}");
    for field in ["connection: close", "cache-control: no-store", "content-type: application/json"] {
        assert!(got.contains(field) && head.contains(field), "{field}: {got}{head}");
    }
}

#[test]
fn what_is_no_request_for_a_page_here_is_told_so_and_closed() {
    let server = server();
    let request = |start: &str, rest: &str| format!("{start}\r\n{rest}\r\n").into_bytes();
    let host = "Host: localhost\r\n";
    for (bytes, expected) in [
        (request("POST /metrics HTTP/1.1", host), 405),
        (request("GET /nothing HTTP/1.1", host), 404),
        (request("GET /metrics HTTP/1.1", "Host: rebound.example\r\n"), 421),
        (request("GET /metrics HTTP/1.1", ""), 400),
        (request("GET /metrics HTTP/1.0", host), 200),
        (request("GET http://rebound.example/metrics HTTP/1.1", host), 421),
        (request("GET /metrics HTTP/1.1", "Host: localhost\r\nHost: localhost\r\n"), 400),
        (request("GET /metrics HTTP/1.1", "Host: localhost@rebound.example\r\n"), 421),
        (request("OPTIONS * HTTP/1.1", host), 404),
        (request("CONNECT localhost:80 HTTP/1.1", host), 404),
        (request("TRACE /metrics HTTP/1.1", host), 405),
        (request("GET /metrics HTTP/9.9", host), 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(), 400),
        (request("GET /metrics HTTP/1.1", &format!("{host}{}", "A: b\r\n".repeat(100))), 431),
        (request("GET /metrics HTTP/1.1", &format!("{host}A: {}\r\n", "b".repeat(9_000))), 431),
    ] {
        let said = exchange(&server.admin, &bytes);
        assert_eq!(
            status(&said),
            expected,
            "{:?}: {said}",
            String::from_utf8_lossy(&bytes[..40.min(bytes.len())])
        );
    }
    // A body is nothing that is read.
    let body =
        [request("GET /healthz/live HTTP/1.1", &format!("{host}Content-Length: 5\r\n")), b"hello".to_vec()];
    assert_eq!(status(&exchange(&server.admin, &body.concat())), 200);
}

#[test]
fn whoever_says_nothing_is_closed_and_keeps_nobody_out() {
    let server = server();
    let silent = |_| {
        let mut stream = TcpStream::connect(&server.admin).expect("it listens");
        // Those that went for others are closed.
        let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost:");
        stream
    };
    let _others: Vec<_> = (0..99).map(silent).collect();
    let begun = Instant::now();
    let mut last = silent(99);
    assert_eq!(get(&server.admin, "/healthz/ready").0, 200);
    // Sixteen at a time, for five seconds each, they would keep whoever asks waiting for half a minute.
    assert!(begun.elapsed() < Duration::from_secs(20), "after {:?}", begun.elapsed());
    last.set_read_timeout(Some(Duration::from_secs(60))).expect("not zero");
    read_all(&mut last);
    assert!((4..60).contains(&begun.elapsed().as_secs()), "after {:?}", begun.elapsed());
}

#[test]
fn whoever_is_slow_with_head_or_body_or_does_not_read_is_closed_in_time() {
    let server = server();
    let begun = Instant::now();
    let connect = || TcpStream::connect(&server.admin).expect("it listens");
    let head = format!("GET /metrics HTTP/1.1\r\nHost: {}\r\nX: ", server.admin);
    let mut dribbling = connect();
    // A byte now and then is no progress.
    for byte in head.bytes() {
        if dribbling.write_all(&[byte]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    dribbling.set_read_timeout(Some(Duration::from_secs(60))).expect("not zero");
    read_all(&mut dribbling);
    assert!((4..60).contains(&begun.elapsed().as_secs()), "after {:?}", begun.elapsed());

    let owing =
        format!("POST /metrics HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000000\r\n\r\n", server.admin);
    let begun = Instant::now();
    assert_eq!(status(&exchange(&server.admin, owing.as_bytes())), 405);
    // Then it is closed: a body that was waited for would take the ten seconds that a connection has.
    assert!(begun.elapsed() < Duration::from_secs(10), "after {:?}", begun.elapsed());
    let asking = format!("GET /metrics HTTP/1.1\r\nHost: {}\r\n\r\n", server.admin);
    let mut unread = connect();
    unread.write_all(asking.as_bytes()).expect("room");
    assert_eq!(get(&server.admin, "/healthz/live").0, 200);
}

#[test]
fn a_second_server_runs_without_and_has_the_port_when_it_is_free() {
    // Of another address than other tests have, which would have the port as soon as it is free.
    let mut first = ServerProcess::start(&["--set", "admin.listen=127.0.0.2:0"]);
    let listen = format!("admin.listen={}", first.admin);
    let second = ServerProcess::start(&["--set", &listen]);
    assert_eq!(second.admin, "taken");
    let address = first.admin.clone();
    first.kill();
    drop(first);
    let begun = Instant::now();
    while TcpStream::connect(&address).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(200), "it is tried again");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(get(&address, "/healthz/live").0, 200);
    let mut second = second;
    second.kill();
    let (_, log) = second.ended();
    assert!(log.contains("admin_unavailable") && log.contains("admin_available"), "{log}");
}

#[test]
fn health_says_in_one_line_and_by_its_exit_code_what_the_admins_pages_say() {
    let data = Data::new();
    let args = ["--set", "database.url=none", "--set", ANY_PORT];
    let server = ServerProcess::with_accounts(&data.folder, &args);
    for (flag, word) in [("--live", "live"), ("--ready", "ready")] {
        let said = health(&[flag, "--address", &server.admin]);
        assert_eq!((said.code, said.out), (Some(0), format!("{} is {word}\n", server.admin)));
    }
    data.done(&["ctl", "drain"]);
    assert_eq!(health(&["--live", "--address", &server.admin]).code, Some(0));
    let said = health(&["--ready", "--address", &server.admin]);
    let why = format!("chat-server: {} is not ready: draining\n", server.admin);
    assert_eq!((said.code, said.err), (Some(1), why));
    // The chat's own port has no pages.
    let said = health(&["--live", "--address", &server.address.to_string()]);
    assert!(said.code == Some(1) && said.err.lines().count() == 1, "{said:?}");
    let free = "127.0.0.1:1";
    let said = health(&["--live", "--address", free]);
    assert!(said.code == Some(1) && said.err.starts_with("chat-server: 127.0.0.1:1: "), "{said:?}");
    let said = health(&["--ready", "--set", "admin.listen=none"]);
    assert!(said.code == Some(3) && said.err.contains("admin.listen"), "{said:?}");
    assert_eq!(health(&["--ready", "--live"]).code, Some(2));
    // A container's runtime may have closed the pipe, or its log's disk may be full.
    #[cfg(target_os = "linux")]
    for (sink, code) in [("/dev/full", Some(1)), ("closed", Some(0))] {
        let mut command = std::process::Command::new(crate::process::program());
        command.args(["health", "--timeout", "60s", "--live", "--address", &server.admin]);
        if sink == "closed" {
            let (reader, writer) = std::io::pipe().expect("a pipe");
            drop(reader);
            command.stdout(writer);
        } else {
            command.stdout(std::fs::File::options().write(true).open(sink).expect("Linux has it"));
        }
        assert_eq!(command.status().expect("it runs").code(), code, "{sink}");
    }
}

#[test]
fn a_server_that_shall_not_tells_nothing() {
    let server = ServerProcess::start(&["--set", "admin.listen=none"]);
    assert_eq!(server.admin, "none");
}
