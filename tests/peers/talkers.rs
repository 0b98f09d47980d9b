//! Which lines are due, and what their texts say.

use iocp_chat::client::bench::parts::{Pace, Schedule};

use crate::{
    dialect::Frame,
    load::{
        talker::Talker,
        text::{self, Said},
    },
};

const SIZE: usize = 64;
/// With what stands around it.
const FRAMED: usize = SIZE + 2;

fn talker(pace: Pace, window: usize) -> Talker {
    let frame = Frame { before: b"<".to_vec(), after: b">".to_vec() };
    Talker::new(7, [0, 1], pace, frame, SIZE, window)
}

fn said(out: &[u8]) -> Vec<Said> {
    let texts =
        out.chunks(FRAMED).map(|line| line.strip_prefix(b"<").and_then(|line| line.strip_suffix(b">")));
    texts.map(|text| text.and_then(text::read).expect("a line")).collect()
}

#[test]
fn a_text_says_who_said_it_which_of_theirs_it_is_and_when_it_was_due() {
    for (talker, number) in [(0, 1), (4_095, 1), (3, (1 << 36) - 1)] {
        let said = Said { talker, number, due: 1_234_567_890_123 };
        let mut out = Vec::new();
        text::put(said, SIZE, &mut out);
        assert_eq!((text::read(&out), out.len()), (Some(said), SIZE));
        assert!(out.iter().all(u8::is_ascii_graphic), "no space and no end of a line in it");
    }
    assert_eq!(text::read(b"0123456789"), None);
}

#[test]
fn a_closed_loop_talks_until_its_listener_is_a_window_behind() {
    let mut talker = talker(Pace::Window, 3);
    let mut out = Vec::new();
    talker.talk(0, 5, &mut out);
    assert_eq!((talker.sent(), talker.due(0)), (3, None));
    assert_eq!(talker.due(1), Some(0));
    talker.talk(2, 9, &mut out);
    assert_eq!(talker.sent(), 5);
    assert_eq!(said(&out)[4], Said { talker: 7, number: 5, due: 9 });
}

#[test]
fn an_open_loop_counts_from_when_lines_were_due() {
    let mut talker = talker(Pace::Open(Schedule::new(0, 1_000.0, 0, 1)), 32);
    let mut out = Vec::new();
    talker.talk(0, 2_500_000, &mut out);
    let due: Vec<u64> = said(&out).iter().map(|said| said.due).collect();
    assert_eq!(due, [0, 1_000_000, 2_000_000, 2_500_000]);
    assert_eq!(talker.due(0), Some(4_000_000));
}
