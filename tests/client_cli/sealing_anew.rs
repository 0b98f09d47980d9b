//! Sealed whispers from the command line, where the server has forgotten a device: one's own, or another's.

use chat_proto::{Answer, ClientPacket, ErrorCode, Role, ServerPacket, feature, way_in};

use super::{
    fake::{LIMITS, refusal},
    fake_resume::{at, lobby},
    sealing::{answer_keys, device, hear, keys, let_in, line, run, run_each, take_key, whisper_of},
};

#[test]
fn a_session_that_goes_on_shows_its_device_once_more() {
    let keys = keys("shown again");
    let features = feature::SEALED | feature::RESUME;
    let (key, published) = std::sync::mpsc::channel();
    let [ran] = run_each(
        &keys,
        [("-C 1 -W 30 --reconnect", "")],
        vec![
            Box::new(move |peer| {
                peer.greet_granting(features, way_in::PASSWORD, LIMITS);
                peer.let_in_lasting_as(Role::User, 1, &[at(0, 5, 0), lobby(2)]);
                let kim = take_key(peer);
                answer_keys(peer, "kim", &[kim]);
                key.send(kim).expect("the next script waits");
            }),
            Box::new(move |peer| {
                peer.greet_granting(features, way_in::PASSWORD, LIMITS);
                peer.let_back_in(1, &[at(0, 5, 0), lobby(2)]);
                let kim = take_key(peer);
                assert_eq!(kim, published.recv().expect("it was published"));
                peer.send(&line(1, whisper_of(&device(1), kim, "what waited for it")));
                answer_keys(peer, "lee", &[device(1).public()]);
                peer.farewell();
            }),
        ],
    );
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "[sealed] *lee* what waited for it\n"), "{ran:?}");
}

#[test]
fn whose_keys_are_gone_is_asked_for_them_anew_before_more_is_said() {
    let keys = keys("asked anew");
    let ran = run(&keys, "--wait-ack", "/w lee one\n/w lee two\n", |peer| {
        let kim = let_in(peer);
        answer_keys(peer, "lee", &[device(1).public(), device(2).public()]);
        let Some(ClientPacket::SealedWhisper(whisper)) = peer.recv() else { panic!("a sealed whisper") };
        let outcome = Err(refusal(ErrorCode::NoKeys, 0));
        peer.send(&ServerPacket::SealedWhisperAnswer(Answer { id: whisper.id, outcome }));
        answer_keys(peer, "lee", &[device(2).public()]);
        assert_eq!(hear(peer, &device(2), &kim), "two");
        peer.farewell();
    });
    assert_eq!(ran.code, Some(6), "the first was not said: {ran:?}");
}
