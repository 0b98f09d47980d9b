//! The server's TLS as others' programs see it: testssl.sh, and OpenSSL's client.
//!
//! It starts programs, so it is run with `--features external`, which `.ci/run` does after it has installed them.

#[path = "common/folder.rs"]
mod folder;
#[path = "common/process.rs"]
mod process;

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use folder::Folder;
use process::{ServerProcess, program};

/// How long testssl.sh may take: it makes some hundred connections.
const SCAN: &str = "1800";

/// A server with a certificate of its own and further arguments, and where it listens for TLS.
fn serve(folder: &Folder, more: &[&str]) -> (ServerProcess, SocketAddr) {
    let made = Command::new(program())
        .args(["cert", "selfsigned", "--host", "localhost", "--data"])
        .arg(&**folder)
        .output()
        .expect("it runs");
    assert!(made.status.success(), "{made:?}");
    let server = ServerProcess::with_accounts(folder, &[&["--listen-tls", "127.0.0.1:0"], more].concat());
    let address = server.tls.expect("it has a certificate");
    (server, address)
}

fn is_well(address: SocketAddr) {
    let asked = Command::new(program())
        .args(["health", "--timeout", "60s", "--tls", "--address", &address.to_string()])
        .output()
        .expect("it runs");
    assert!(asked.status.success(), "{asked:?}");
}

#[test]
fn testssl_finds_nothing_above_low() {
    let folder = Folder::new("testssl");
    let (_server, address) = serve(&folder, &[]);
    let report = folder.join("report.json");
    let scan = Command::new("timeout")
        .args([SCAN, "testssl", "-p", "-s", "-f", "-U", "--quiet", "--warnings", "off", "--color", "0"])
        .args(["--nodns", "none", "--connect-timeout", "60", "--openssl-timeout", "60", "--jsonfile"])
        .arg(&report)
        .arg(address.to_string())
        .stdin(Stdio::null())
        .output()
        .expect("timeout and testssl are installed");
    let said = String::from_utf8_lossy(&scan.stdout);
    let report = fs::read_to_string(&report).unwrap_or_else(|error| panic!("{error}: {said}"));
    let findings: Vec<serde_json::Value> = serde_json::from_str(&report).expect("a list");
    // What this machine's OpenSSL lacks is not the server's affair.
    let of_the_server = findings.iter().filter(|finding| finding["id"] != "engine_problem");
    let harmless = |finding: &serde_json::Value| {
        finding["severity"]
            .as_str()
            .is_some_and(|severity| ["OK", "INFO", "LOW", "DEBUG"].contains(&severity))
    };
    let bad: Vec<_> = of_the_server.filter(|finding| !harmless(finding)).map(ToString::to_string).collect();
    assert!(bad.is_empty(), "{}\n{said}", bad.join("\n"));
    let found = |id: &str| {
        let finding = findings.iter().find(|finding| finding["id"] == id);
        let finding = finding.unwrap_or_else(|| panic!("nothing of {id} in {report}"));
        finding["finding"].as_str().expect("text").to_owned()
    };
    for (id, says) in [
        ("SSLv2", "not offered"),
        ("SSLv3", "not offered"),
        ("TLS1", "not offered"),
        ("TLS1_1", "not offered"),
        ("TLS1_2", "offered"),
        ("TLS1_3", "offered"),
        ("secure_client_renego", "not vulnerable"),
        ("CRIME_TLS", "not vulnerable"),
        ("ROBOT", "not vulnerable"),
    ] {
        assert!(found(id).contains(says), "{id}: {}", found(id));
    }
    is_well(address);
}

#[test]
fn b114_a_client_that_wants_to_renegotiate_is_refused_and_costs_nothing() {
    let folder = Folder::new("renegotiation");
    // Whoever were let hang would hang for as long.
    let (_server, address) = serve(&folder, &["--set", "timeouts.login=10m", "--set", "tls.handshake=10m"]);
    let began = Instant::now();
    for _ in 0..5 {
        let mut client = Command::new("openssl")
            .args(["s_client", "-tls1_2", "-connect", &address.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("openssl is installed");
        let mut commands = client.stdin.take().expect("piped");
        let lines = BufReader::new(client.stdout.as_mut().expect("piped")).lines();
        let shaken = lines.map_while(Result::ok).any(|line| line.contains("Verify return code"));
        assert!(shaken, "hands are shaken");
        commands.write_all(b"R\n").expect("it listens");
        // With its commands at an end it would go by itself.
        let output = client.wait_with_output().expect("a child");
        drop(commands);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("RENEGOTIATING") && said.contains("no renegotiation"), "{said}");
    }
    assert!(began.elapsed() < Duration::from_mins(5), "{:?}", began.elapsed());
    is_well(address);
}
