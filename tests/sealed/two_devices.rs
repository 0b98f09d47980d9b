//! One person with two devices, and what somebody whispers to them while they are away, by the real programs.

use serde_json::Value;

use crate::programs::{House, whispers};

#[test]
fn a_new_device_does_not_take_what_waits_for_the_old_one() {
    let house = House::new();
    let server = house.serve();
    let seal = ["--require-e2e", "--wait-ack"];
    house.talk(server.address, "lee", &[], "");
    house.talk(server.address, "kim", &seal, "/w lee for the old one\n");
    let new = house.talk(server.address, "lee-new", &[], "");
    assert!(whispers(&new).is_empty(), "{new:?}");
    house.talk(server.address, "kim", &seal, "/keys lee\n/trust lee\n/w lee for both\n");
    let new = house.talk(server.address, "lee-new", &["-C", "1", "-W", "30", "--eof=wait"], "");
    let old = house.talk(server.address, "lee", &["-C", "1", "-W", "30", "--eof=wait"], "");
    for (output, text) in [(&new, "for both"), (&old, "for the old one")] {
        let [whisper] = &whispers(output)[..] else { panic!("one whisper: {output:?}") };
        assert_eq!((&whisper["text"], &whisper["sealed"]), (&Value::from(text), &Value::from(true)));
    }
    house.run(&["ctl", "stop"]);
    server.ended();
}
