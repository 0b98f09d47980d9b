//! Sealed whispers from the command line at a server that wants to read them, and with files that are not as they were left.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    thread::JoinHandle,
};

use chat_proto::{
    Answer, ClientPacket, DeviceKey, ErrorCode, Line, LineHead, MAILBOX, Role, ServerPacket, WhisperReceipt,
    feature, way_in,
};
use iocp_chat::client::seal::{Identity, safety_number};

use super::{
    fake::{LIMITS, Peer, Ran, Script, refusal, serve_each},
    sealing::{answer_keys, device, hear, keys, let_in, line, names, publish, run, run_at, whisper_of},
};

/// A server of these scripts after a first one, in which kim whispers to lee's first device.
struct House {
    keys: PathBuf,
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl House {
    fn new(name: &str, scripts: Vec<Script>) -> Self {
        let meet_lee: Script = Box::new(|peer| {
            let kim = let_in(peer);
            answer_keys(peer, "lee", &[device(1).public()]);
            assert_eq!(hear(peer, &device(1), &kim), "one");
            peer.farewell();
        });
        let (address, server) = serve_each([meet_lee].into_iter().chain(scripts).collect());
        let house = Self { keys: keys(name), address, server };
        let ran = house.run("--wait-ack", "/w lee one\n");
        assert_eq!(ran.code, Some(0), "{ran:?}");
        house
    }

    fn run(&self, arguments: &str, input: &str) -> Ran {
        run_at(self.address, &self.keys, arguments, input)
    }

    /// All scripts were kept.
    fn close(self) {
        self.server.join().expect("a script was not kept");
    }
}

/// Takes a plain whisper; what it says.
fn hear_plain(peer: &mut Peer) -> String {
    let Some(ClientPacket::Whisper(plain)) = peer.recv() else { panic!("a plain whisper") };
    let outcome = Ok(WhisperReceipt { time_ms: 0, kept: 0 });
    peer.send(&ServerPacket::WhisperAnswer(Answer { id: plain.id, outcome }));
    plain.text.as_str().to_owned()
}

/// Who kim is on this device.
fn own_key(keys: &Path) -> DeviceKey {
    let own: serde_json::Value = serde_json::from_slice(&fs::read(keys).expect("a key")).expect("JSON");
    Identity::of_hex(own["secret"].as_str().expect("digits")).expect("a key").public()
}

#[test]
fn a_number_is_never_without_the_key_of_this_device() {
    let (keys, [in_the_middle, for_lee]) = (keys("hidden"), [8, 9].map(|number| device(number).public()));
    let ran = run(&keys, "", "/keys lee\n", move |peer| {
        publish(peer);
        // As it tells lee, so that both would see one number.
        answer_keys(peer, "kim", &[in_the_middle]);
        answer_keys(peer, "lee", &[for_lee]);
        peer.farewell();
    });
    let [kim, lee] = names();
    let number = |kims: &[DeviceKey]| {
        let kims = kims.iter().copied().collect();
        safety_number((&kim.key(), &kims), (&lee.key(), &[for_lee].into()))
    };
    let [shown, wanted] = [number(&[in_the_middle, own_key(&keys)]), number(&[in_the_middle])];
    let has = |number: &str| number.split(' ').all(|group| ran.stderr.contains(group));
    assert!(has(&shown) && !has(&wanted), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("WARNING: THE SERVER DOES NOT TELL THE KEY OF THIS DEVICE"),
        "{}",
        ran.stderr
    );
}

#[test]
fn only_keys_that_were_shown_are_trusted_and_only_a_number_that_was_shown_is_verified() {
    let shown = device(2).public();
    let both = [shown, device(9).public()];
    let input = "/keys lee\n/trust lee\n/verify lee\n/w lee two\n";
    let script: Script = Box::new(move |peer| {
        let_in(peer);
        answer_keys(peer, "lee", &[shown]);
        // When the number was compared.
        for _ in 0..2 {
            answer_keys(peer, "lee", &both);
        }
        peer.farewell();
    });
    let house = House::new("swapped", vec![script]);
    let ran = house.run("--wait-ack", input);
    house.close();
    assert_eq!(ran.code, Some(6), "{ran:?}");
    for told in [
        "you have not been shown these keys before",
        "there is nothing to verify",
        "line 4 was not said: WARNING: lee HAS OTHER KEYS",
    ] {
        assert!(ran.stderr.contains(told), "{told}: {}", ran.stderr);
    }
    assert!(!ran.stderr.contains("are verified"), "{}", ran.stderr);
}

#[test]
fn a_server_that_takes_sealing_away_is_told_nothing_that_was_sealed_before() {
    let without = |features, role| -> Script {
        Box::new(move |peer| {
            peer.greet_granting(features, way_in::PASSWORD, LIMITS);
            peer.take_login(role);
            assert_eq!(hear_plain(peer), "hi");
            peer.farewell();
        })
    };
    let refusing: Script = Box::new(|peer| {
        peer.greet_granting(feature::SEALED, way_in::PASSWORD, LIMITS);
        peer.take_login(Role::User);
        let Some(ClientPacket::PublishKey(published)) = peer.recv() else { panic!("a key is published") };
        let outcome = Err(refusal(ErrorCode::RoomLimit, 0));
        peer.send(&ServerPacket::PublishKeyAnswer(Answer { id: published.id, outcome }));
        assert_eq!(hear_plain(peer), "hi");
        peer.farewell();
    });
    let wished: Script = Box::new(|peer| {
        peer.greet_granting(0, way_in::PASSWORD, LIMITS);
        peer.take_login(Role::User);
        assert_eq!(hear_plain(peer), "two");
        peer.farewell();
    });
    let scripts = vec![without(0, Role::User), without(feature::SEALED, Role::Guest), refusing, wished];
    let house = House::new("taken_away", scripts);
    for _ in 0..3 {
        let ran = house.run("--wait-ack", "/w lee two\n/w ann hi\n");
        assert_eq!(ran.code, Some(6), "{ran:?}");
        let told = "line 1 was not said: lee had keys, or may have";
        assert!(ran.stderr.contains(told), "{}", ran.stderr);
    }
    let ran = house.run("--wait-ack --no-e2e", "/w lee two\n");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    house.close();
}

/// A script for files that cannot be used: nothing is asked for that could not be opened.
fn unusable(plain: Option<&'static str>) -> Script {
    Box::new(move |peer| {
        assert_eq!(peer.greet_granting(0, way_in::PASSWORD, LIMITS), 0, "what waits is left where it is");
        peer.take_login(Role::User);
        if let Some(text) = plain {
            assert_eq!(hear_plain(peer), text);
        }
        peer.farewell();
    })
}

#[test]
fn with_a_damaged_file_nothing_is_asked_for_and_nothing_said_plainly_that_was_sealed_before() {
    let house = House::new("damaged", vec![unusable(Some("hi")), unusable(None)]);
    let (whole, input) = (fs::read(&house.keys).expect("a key"), "/w lee two\n/w ann hi\n");
    fs::write(&house.keys, &whole[..whole.len() - 2]).expect("ours");
    let ran = house.run("--wait-ack", input);
    assert_eq!(ran.code, Some(6), "{ran:?}");
    assert!(ran.stderr.contains("is no file of keys"), "{}", ran.stderr);
    fs::write(&house.keys, &whole).expect("ours");
    fs::write(house.keys.with_extension("contacts.json"), "{}").expect("ours");
    // Whose keys were known is not known any more.
    let ran = house.run("--wait-ack", input);
    assert_eq!(ran.code, Some(6), "{ran:?}");
    assert_eq!(ran.stderr.matches("was not said").count(), 2, "{}", ran.stderr);
    assert_eq!(fs::read(&house.keys).expect("a key"), whole, "nobody makes another");
    house.close();
}

#[cfg(unix)]
#[test]
fn keys_that_others_can_read_are_not_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let house = House::new("exposed", vec![unusable(None)]);
    fs::set_permissions(&house.keys, fs::Permissions::from_mode(0o640)).expect("ours");
    let ran = house.run("--wait-ack", "/w lee two\n");
    assert!(ran.stderr.contains("can be read by others (chmod 600)"), "{}", ran.stderr);
    house.close();
}

#[test]
fn a_lost_file_is_followed_by_another_key_which_is_told() {
    let told: Script = Box::new(|peer| {
        let new = publish(peer);
        answer_keys(peer, "kim", &[new]);
        peer.farewell();
    });
    let house = House::new("lost", vec![told]);
    let before = own_key(&house.keys);
    fs::remove_file(&house.keys).expect("ours");
    let ran = house.run("", "");
    assert_ne!(own_key(&house.keys), before);
    assert!(ran.stderr.contains("* a key was made for this device: "), "{}", ran.stderr);
    assert!(!ran.stderr.contains("WARNING"), "it is nobody else's: {}", ran.stderr);
    house.close();
}

#[test]
fn a_plain_whisper_in_the_name_of_somebody_who_seals_says_that_it_is_not_sealed() {
    let keys = keys("not_sealed");
    let plain = |seq, sender: &str| {
        let head = LineHead { conversation: MAILBOX, epoch: 5, seq, time_ms: 0 };
        let (sender, text) = (sender.to_owned(), "hi".to_owned());
        ServerPacket::WhisperLine(Line { head, sender, text })
    };
    let ran = run(&keys, "-C 3 -W 300", "", move |peer| {
        let kim = let_in(peer);
        peer.send(&line(1, whisper_of(&device(1), kim, "sealed")));
        answer_keys(peer, "lee", &[device(1).public()]);
        peer.send(&plain(2, "lee"));
        peer.send(&plain(3, "ann"));
        peer.farewell();
    });
    assert_eq!(ran.stdout, "[sealed] *lee* sealed\n[NOT SEALED] *lee* hi\n*ann* hi\n", "{ran:?}");
}

#[test]
fn a_whisper_whose_senders_keys_are_not_told_is_not_called_a_strangers() {
    let keys = keys("untold");
    let ran = run(&keys, "-C 1 -W 300", "", |peer| {
        let kim = let_in(peer);
        peer.send(&line(1, whisper_of(&device(1), kim, "hi")));
        let Some(ClientPacket::KeysOf(asked)) = peer.recv() else { panic!("keys are asked for") };
        let outcome = Err(refusal(ErrorCode::StorageUnavailable, 0));
        peer.send(&ServerPacket::KeysOfAnswer(Answer { id: asked.id, outcome }));
        peer.farewell();
    });
    assert!(ran.stderr.contains("the server does not tell its sender's keys now"), "{}", ran.stderr);
}
