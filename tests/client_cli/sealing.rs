//! Sealed whispers from the command line: when they are sealed, what is said of it, and what is not said at all.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use chat_proto::{
    Answer, ClientPacket, DeviceKey, Envelope, KeyEntry, KeysPage, LineHead, List, MAILBOX, Role, SealedLine,
    ServerPacket, Text, Username, WhisperReceipt, feature, way_in,
};
use iocp_chat::client::seal::{Identity, Names, Said, Sealed, safety_number, seal};
use rand::{SeedableRng as _, rngs::StdRng};

use super::fake::{LIMITS, Peer, Ran, Script, client, feed, serve_each};

/// Somebody's device, the same each time.
pub fn device(number: u64) -> Identity {
    Identity::new(&mut StdRng::seed_from_u64(number))
}

/// A file of keys of this test's own, which is not there yet.
pub fn keys(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("client_cli_{name}.keys.json"));
    for extension in ["json", "contacts.json", "lock"] {
        let _ = fs::remove_file(path.with_extension(extension));
    }
    path
}

/// Runs kim's client, logged in to an account, with these keys.
pub fn run(
    keys: &Path,
    arguments: &str,
    input: &str,
    script: impl FnOnce(&mut Peer) + Send + 'static,
) -> Ran {
    let [ran] = run_each(keys, [(arguments, input)], vec![Box::new(script)]);
    ran
}

/// Runs it again and again, at one server.
pub fn run_each<const RUNS: usize>(
    keys: &Path,
    runs: [(&str, &str); RUNS],
    scripts: Vec<Script>,
) -> [Ran; RUNS] {
    let (address, server) = serve_each(scripts);
    let ran = runs.map(|(arguments, input)| run_at(address, keys, arguments, input));
    server.join().unwrap_or_else(|_| panic!("the script was not kept: {ran:?}"));
    ran
}

/// Runs it once, at this server.
pub fn run_at(address: SocketAddr, keys: &Path, arguments: &str, input: &str) -> Ran {
    let mut command = client(address, arguments);
    command.env("CHAT_PASSWORD", "correct horse").arg("--keys").arg(keys);
    feed(command.spawn().expect("it starts"), input.as_bytes())
}

/// Lets kim in, and takes the key; what it is.
pub fn let_in(peer: &mut Peer) -> DeviceKey {
    let key = publish(peer);
    answer_keys(peer, "kim", &[key]);
    key
}

/// As [`let_in`], up to where kim asks what other devices there are.
pub fn publish(peer: &mut Peer) -> DeviceKey {
    peer.greet_granting(feature::SEALED, way_in::PASSWORD, LIMITS);
    peer.take_login(Role::User);
    take_key(peer)
}

/// Takes the key of a device.
pub fn take_key(peer: &mut Peer) -> DeviceKey {
    let Some(ClientPacket::PublishKey(published)) = peer.recv() else { panic!("a key is published") };
    peer.send(&ServerPacket::PublishKeyAnswer(Answer { id: published.id, outcome: Ok(()) }));
    published.key
}

/// Answers whoever asks for somebody's keys.
pub fn answer_keys(peer: &mut Peer, name: &str, keys: &[DeviceKey]) {
    let Some(ClientPacket::KeysOf(asked)) = peer.recv() else { panic!("keys are asked for") };
    assert_eq!(asked.name.as_str(), name);
    let entries = keys.iter().map(|key| KeyEntry { key: *key, time_ms: 1_700_000_000_000 }).collect();
    let outcome = Ok(KeysPage { entries: List(entries) });
    peer.send(&ServerPacket::KeysOfAnswer(Answer { id: asked.id, outcome }));
}

/// Takes a sealed whisper for lee, and opens it.
pub fn hear(peer: &mut Peer, lee: &Identity, kim: &DeviceKey) -> String {
    let Some(ClientPacket::SealedWhisper(whisper)) = peer.recv() else { panic!("a sealed whisper") };
    let outcome = Ok(WhisperReceipt { time_ms: 0, kept: 0 });
    peer.send(&ServerPacket::SealedWhisperAnswer(Answer { id: whisper.id, outcome }));
    let [kim_name, lee_name] = names();
    let names = Names { sender: &kim_name.key(), recipient: &lee_name.key() };
    let sealed = Sealed::parse(&whisper.text).expect("a form");
    sealed.open(lee, kim, names).expect("it is for lee, from kim").said.text.as_str().to_owned()
}

pub fn names() -> [Username; 2] {
    ["kim", "lee"].map(|name| Username::parse(name).expect("a name"))
}

/// What lee says to kim alone.
pub fn whisper_of(lee: &Identity, kim: DeviceKey, text: &str) -> Envelope {
    let [kim_name, lee_name] = names();
    let names = Names { sender: &lee_name.key(), recipient: &kim_name.key() };
    let said = Said { time_ms: 1_700_000_000_000, text: Text::parse(text).expect("a text") };
    seal(lee, names, &[kim], &said, &mut rand::rng()).expect("sealed")
}

pub fn line(seq: u64, envelope: Envelope) -> ServerPacket {
    let head = LineHead { conversation: MAILBOX, epoch: 5, seq, time_ms: 1_700_000_000_000 };
    ServerPacket::SealedLine(SealedLine { head, sender: "lee".to_owned(), envelope })
}

#[test]
fn a_whisper_to_somebody_with_keys_is_sealed_and_one_to_somebody_without_is_not() {
    let keys = keys("both");
    let ran = run(&keys, "--wait-ack", "/w lee 안녕\n/w lee again\n/w ann hi\n", |peer| {
        let kim = let_in(peer);
        answer_keys(peer, "lee", &[device(1).public()]);
        assert_eq!(hear(peer, &device(1), &kim), "안녕");
        assert_eq!(hear(peer, &device(1), &kim), "again", "and nothing is asked again so soon");
        answer_keys(peer, "ann", &[]);
        let Some(ClientPacket::Whisper(plain)) = peer.recv() else { panic!("a plain whisper") };
        assert_eq!(plain.text.as_str(), "hi");
        let outcome = Ok(WhisperReceipt { time_ms: 0, kept: 0 });
        peer.send(&ServerPacket::WhisperAnswer(Answer { id: plain.id, outcome }));
        peer.farewell();
    });
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("* whispers to lee are sealed; /keys lee shows the number to compare\n"));
    assert!(ran.stderr.contains("* whispers to ann are not sealed: ann has no keys\n"), "{}", ran.stderr);
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        for file in [keys.clone(), keys.with_extension("contacts.json")] {
            assert_eq!(fs::metadata(&file).expect("written").mode() & 0o777, 0o600, "{}", file.display());
        }
    }
}

#[test]
fn other_keys_than_are_known_are_not_sealed_to_before_they_are_trusted() {
    let keys = keys("changed");
    let runs = [("--wait-ack", "/w lee one\n"), ("--wait-ack", "/w lee two\n/trust lee\n/w lee three\n")];
    let [first, second] = run_each(
        &keys,
        runs,
        vec![
            Box::new(|peer| {
                let kim = let_in(peer);
                answer_keys(peer, "lee", &[device(1).public()]);
                assert_eq!(hear(peer, &device(1), &kim), "one");
                peer.farewell();
            }),
            Box::new(|peer| {
                let kim = let_in(peer);
                answer_keys(peer, "lee", &[device(2).public()]);
                // That is for the trust.
                answer_keys(peer, "lee", &[device(2).public()]);
                assert_eq!(hear(peer, &device(2), &kim), "three");
                peer.farewell();
            }),
        ],
    );
    assert_eq!(first.code, Some(0), "{first:?}");
    assert_eq!(second.code, Some(6), "one was not said: {second:?}");
    assert!(second.stderr.contains("line 1 was not said: WARNING: lee HAS OTHER KEYS"), "{}", second.stderr);
}

#[test]
fn somebody_whose_keys_are_gone_is_not_whispered_to_in_the_clear() {
    let keys = keys("gone");
    let runs = [("--wait-ack", "/w lee one\n"), ("--wait-ack", "/w lee two\n")];
    let [_, ran] = run_each(
        &keys,
        runs,
        vec![
            Box::new(|peer| {
                let kim = let_in(peer);
                answer_keys(peer, "lee", &[device(1).public()]);
                hear(peer, &device(1), &kim);
                peer.farewell();
            }),
            Box::new(|peer| {
                let_in(peer);
                answer_keys(peer, "lee", &[]);
                peer.farewell();
            }),
        ],
    );
    assert_eq!(ran.code, Some(6));
    assert!(ran.stderr.contains("line 1 was not said: lee had keys and has none now"), "{}", ran.stderr);
}

#[test]
fn who_wants_sealed_whispers_only_says_no_other() {
    let keys = keys("required");
    let ran = run(&keys, "--wait-ack --require-e2e", "/w ann hi\n", |peer| {
        let_in(peer);
        answer_keys(peer, "ann", &[]);
        peer.farewell();
    });
    assert_eq!(ran.code, Some(6));
    assert!(ran.stderr.contains("line 1 was not said: ann has no keys to seal it with"), "{}", ran.stderr);
    let guest = run(&keys, "--wait-ack --require-e2e", "/w ann hi\n", |peer| {
        peer.greet_granting(0, way_in::PASSWORD, LIMITS);
        peer.take_login(Role::User);
        peer.farewell();
    });
    assert_eq!(guest.code, Some(6));
    let told = "chat-client: whispers cannot be sealed: the server does not offer it\n";
    assert!(guest.stderr.contains(told), "{}", guest.stderr);
}

#[test]
fn who_wants_none_asks_for_nothing_and_makes_no_key() {
    let keys = keys("unwanted");
    let ran = run(&keys, "--no-e2e --wait-ack", "/w ann hi\n", |peer| {
        assert_eq!(peer.greet_granting(0, way_in::PASSWORD, LIMITS), 0);
        peer.take_login(Role::User);
        let Some(ClientPacket::Whisper(plain)) = peer.recv() else { panic!("a plain whisper") };
        let outcome = Ok(WhisperReceipt { time_ms: 0, kept: 0 });
        peer.send(&ServerPacket::WhisperAnswer(Answer { id: plain.id, outcome }));
        peer.farewell();
    });
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(!keys.exists());
}

#[test]
fn what_is_heard_says_that_it_was_sealed_and_a_repeat_and_a_forgery_say_so_too() {
    let keys = keys("heard");
    let (hand_over, handed) = std::sync::mpsc::channel();
    let [ran, again] = run_each(
        &keys,
        [("-C 4 -W 300", ""), ("-C 1 -W 300 --json", "")],
        vec![
            Box::new(move |peer| {
                let kim = let_in(peer);
                let envelope = whisper_of(&device(1), kim, "안녕");
                peer.send(&line(1, envelope.clone()));
                answer_keys(peer, "lee", &[device(1).public()]);
                peer.send(&line(2, envelope.clone()));
                let mut forged = envelope.as_bytes().to_vec();
                *forged.last_mut().expect("bytes") ^= 1;
                peer.send(&line(3, Envelope::new(&forged).expect("as long")));
                // By somebody who is not lee, whatever the server says.
                peer.send(&line(4, whisper_of(&device(9), kim, "I am lee")));
                peer.farewell();
                hand_over.send(envelope).expect("it is waited for");
            }),
            Box::new(move |peer| {
                let_in(peer);
                // What the last run has opened is known, and so is the key.
                peer.send(&line(1, handed.recv().expect("handed over")));
                peer.farewell();
            }),
        ],
    );
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.stdout, "[sealed] *lee* 안녕\n[sealed, REPEAT] *lee* 안녕\n");
    for told in
        ["cannot be opened: it is FORGED, or damaged\n", "cannot be opened: its sender has no such key\n"]
    {
        assert!(ran.stderr.contains(told), "{}", ran.stderr);
    }
    let record = again.stdout.lines().last().expect("a record");
    let rest = r#""from":"lee","text":"안녕","sealed":true,"verified":false,"new_key":false,"repeat":true}"#;
    assert!(
        record.starts_with(r#"{"type":"whisper","conversation":"0""#) && record.ends_with(rest),
        "{record}"
    );
}

#[test]
fn both_see_the_same_number_and_who_has_compared_it_is_told_so_ever_after() {
    let keys = keys("number");
    let ran = run(&keys, "-C 1 -W 300", "/keys lee\n/verify lee\n", |peer| {
        let kim = let_in(peer);
        for _ in 0..2 {
            answer_keys(peer, "lee", &[device(1).public()]);
        }
        peer.send(&line(1, whisper_of(&device(1), kim, "the same")));
        peer.farewell();
    });
    assert_eq!(ran.stdout, "[sealed, verified] *lee* the same\n", "{ran:?}");
    assert!(ran.stderr.contains("* the keys of lee are verified\n"), "{}", ran.stderr);
    let own: serde_json::Value = serde_json::from_slice(&fs::read(&keys).expect("a key")).expect("JSON");
    let own = Identity::of_hex(own["secret"].as_str().expect("digits")).expect("a key");
    let [kim, lee] = names();
    let number =
        safety_number((&lee.key(), &[device(1).public()].into()), (&kim.key(), &[own.public()].into()));
    for group in number.split(' ') {
        assert!(ran.stderr.contains(group), "{number}: {}", ran.stderr);
    }
}

#[test]
fn a_device_of_ones_own_that_is_not_known_is_told_loudly_and_can_be_taken_out() {
    let (keys, id, stranger) = (keys("own"), "9".repeat(16), DeviceKey([0x99; 32]));
    let revoking = format!("/revoke {id}\n");
    let [_, ran] = run_each(
        &keys,
        [("", ""), ("--wait-ack", &revoking)],
        vec![
            Box::new(|peer| {
                let_in(peer);
                peer.farewell();
            }),
            Box::new(move |peer| {
                let own = publish(peer);
                for _ in 0..2 {
                    answer_keys(peer, "kim", &[own, stranger]);
                }
                let Some(ClientPacket::RemoveKey(removed)) = peer.recv() else { panic!("a key is removed") };
                assert_eq!(removed.key, stranger);
                peer.send(&ServerPacket::RemoveKeyAnswer(Answer { id: removed.id, outcome: Ok(()) }));
                answer_keys(peer, "kim", &[own]);
                peer.farewell();
            }),
        ],
    );
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains(&format!("WARNING: YOUR ACCOUNT HAS OTHER KEYS ({id})")), "{}", ran.stderr);
}
