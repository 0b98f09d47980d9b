//! A conversation of sealed whispers by the real programs, and a search for its words in all that the server has.

use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::Value;

use crate::programs::{House, whispers};

/// What is whispered, in no word of which there is a line end.
const SEALED: [&str; 2] = ["canary 카나리아 one, while lee is away", "canary 카나리아 two, to their face"];
/// What all of it has in common.
const CANARY: &str = "canary 카나리아";
/// What is whispered plainly: it is found, so that the search is one.
const PLAIN: &str = "sparrow 참새, for all to read";
const SPARROW: &str = "sparrow 참새";

/// Hands connections on to a server, and keeps all their bytes.
struct Tap {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Tap {
    fn on(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let (address, heard) = (listener.local_addr().expect("bound"), Arc::<Mutex<Vec<u8>>>::default());
        let keep = Arc::clone(&heard);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(server) else { return };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let [from, to] = [from, to].map(|end| end.try_clone().expect("another handle"));
                    let keep = Arc::clone(&keep);
                    thread::spawn(move || hand_on(from, to, &keep));
                }
            }
        });
        Self { address, heard }
    }
}

fn hand_on(mut from: TcpStream, mut to: TcpStream, keep: &Mutex<Vec<u8>>) {
    let mut bytes = [0; 4_096];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        keep.lock().expect("no panic").extend_from_slice(&bytes[..read]);
        if to.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

fn has(bytes: &[u8], words: &str) -> bool {
    bytes.windows(words.len()).any(|piece| piece == words.as_bytes())
}

/// All files below a folder, with what is in them.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut found = Vec::new();
    for path in entries {
        if path.is_dir() {
            found.extend(files(&path));
        } else if let Ok(bytes) = fs::read(&path) {
            found.push((path, bytes));
        }
    }
    found
}

/// All that a process has in memory.
#[cfg(target_os = "linux")]
fn memory(pid: u32) -> Vec<u8> {
    use std::os::unix::fs::FileExt as _;
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("it runs");
    let memory = fs::File::open(format!("/proc/{pid}/mem")).expect("it is our child");
    let mut all = Vec::new();
    for line in
        maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|rights| rights.starts_with("rw")))
    {
        let (from, to) = line.split(' ').next().and_then(|range| range.split_once('-')).expect("a range");
        let [from, to] = [from, to].map(|address| u64::from_str_radix(address, 16).expect("an address"));
        let mut bytes = vec![0; usize::try_from(to - from).expect("it is in memory")];
        // What is not there any more, or is a device's, holds no words.
        if memory.read_exact_at(&mut bytes, from).is_ok() {
            all.extend(bytes);
        }
    }
    all
}

#[test]
fn nothing_that_was_sealed_is_in_what_the_server_has() {
    let house = House::new();
    let server = house.serve();
    let tap = Tap::on(server.address);
    let mut wire = vec![Arc::clone(&tap.heard)];
    // Makes a key, and publishes it.
    house.talk(tap.address, "lee", &[], "");
    let seal = ["--require-e2e", "--wait-ack"];
    house.talk(tap.address, "kim", &seal, &format!("/w lee {}\n", SEALED[0]));
    house.talk(tap.address, "kim", &["--no-e2e", "--wait-ack"], &format!("/w lee {PLAIN}\n"));
    #[cfg(target_os = "linux")]
    let mut remembered = vec![memory(server.pid())];
    let mut stored = files(&house.data());
    house.run(&["ctl", "stop"]);
    let (_, mut log) = server.ended();

    // What waits outlives the server, and is all there is to deliver it from.
    let server = house.serve();
    let tap = Tap::on(server.address);
    wire.push(Arc::clone(&tap.heard));
    let heard = house.client(tap.address, "lee", &["-C", "3", "--eof=wait"]);
    // Said when lee is there, or kept for when lee is: once more the same words either way.
    house.talk(tap.address, "kim", &seal, &format!("/w lee {}\n", SEALED[1]));
    let heard = heard.wait_with_output().expect("it ends");
    let mut texts: Vec<_> =
        whispers(&heard).iter().map(|one| (one["text"].clone(), one["sealed"].clone())).collect();
    texts.sort_by_key(|(text, _)| text.to_string());
    let sealed = |text: &str| (Value::from(text), Value::from(true));
    assert_eq!(texts, [sealed(SEALED[0]), sealed(SEALED[1]), (PLAIN.into(), Value::Null)], "{heard:?}");
    #[cfg(target_os = "linux")]
    remembered.push(memory(server.pid()));
    stored.extend(files(&house.data()));
    house.run(&["ctl", "stop"]);
    log += &server.ended().1;
    stored.extend(files(&house.data()));

    assert!(stored.iter().any(|(_, bytes)| has(bytes, SPARROW)), "what is plain is in the database");
    for (path, bytes) in &stored {
        assert!(!has(bytes, CANARY), "{}", path.display());
    }
    let wire: Vec<u8> = wire.iter().flat_map(|heard| heard.lock().expect("no panic").clone()).collect();
    assert!(has(&wire, SPARROW) && !has(&wire, CANARY), "what is plain is on the wire, and nothing else");
    #[cfg(target_os = "linux")]
    {
        assert!(remembered.iter().any(|memory| has(memory, SPARROW)), "what is plain is in its memory");
        assert!(!remembered.iter().any(|memory| has(memory, CANARY)), "and nothing that was sealed");
    }
    assert!(log.contains("key_published") && !log.contains(CANARY) && !log.contains(SPARROW), "{log}");
    let secrets =
        ["kim", "lee"].map(|name| fs::read(house.folder.join(format!("{name}.json"))).expect("a key"));
    for secret in &secrets {
        let secret: Value = serde_json::from_slice(secret).expect("JSON");
        let secret = secret["secret"].as_str().expect("digits");
        assert!(!log.contains(secret) && !has(&wire, secret));
    }
}
