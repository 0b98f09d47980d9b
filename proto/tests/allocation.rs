//! Decoding reserves what the bytes justify, whatever their lengths and counts claim.

// An allocator can only be counted by being one; that trait is unsafe to implement.
#![allow(unsafe_code)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    fs,
    path::Path,
};

use bytes::BytesMut;
use chat_proto::{ClientPacket, PacketCodec, Remark, RoomPassword, ServerPacket, Text, Username, kind};
use serde_json::Value;
use tokio_util::codec::Decoder as _;

/// What a hostile packet of a few bytes may make the decoder hold at once.
const HOSTILE_PEAK_MAX: usize = 8 * 1024;

/// Bytes that one byte of a client's packet may cost: its text once more, and a little for what is around it.
const CLIENT_FACTOR: usize = 4;

/// Bytes that one byte of an Attach may cost. A cursor takes 3 bytes on the wire and 24 in memory, and a list that grows
/// holds its old and its new half for a moment.
const ATTACH_FACTOR: usize = 24;

/// Bytes that one byte of a server's packet may cost. An ignored person of no name takes 1 byte on the wire and 24 in
/// memory, and a list that grows holds its old and its new half for a moment.
const SERVER_FACTOR: usize = 72;

/// Fields that may stand before one that carries a length: in the answer to a join, before the topic.
const FIELDS_BEFORE_MAX: usize = 11;

/// Reserved for small things whatever the input: an error's words, a parser's first pages.
const CONSTANT: usize = 1024;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator, counting for each thread what it holds and the most it has held.
struct Counting;

impl Counting {
    fn count(change: isize) {
        // Threads allocate after their locals are gone; that is nobody's test.
        let _ = HELD.try_with(|held| {
            held.set(held.get() + change);
            PEAK.with(|peak| peak.set(peak.get().max(held.get())));
        });
    }
}

// SAFETY: every call is the system allocator's own, with the caller's own promises; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::count(layout.size().cast_signed());
        // SAFETY: the caller's promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        Self::count(-layout.size().cast_signed());
        // SAFETY: the caller's promises.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both at once, as when it has to move.
        Self::count(size.cast_signed());
        // SAFETY: the caller's promises.
        let moved = unsafe { System.realloc(place, layout, size) };
        Self::count(-layout.size().cast_signed());
        moved
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The most that `work` held at once, above what was held before it.
fn peak(work: impl FnOnce()) -> usize {
    let before = HELD.get();
    PEAK.set(before);
    work();
    (PEAK.get() - before).unsigned_abs()
}

/// Decodes a body as both sides would, for the most either held.
fn decode_peaks(kind: u16, body: &[u8]) -> (usize, usize) {
    let client = peak(|| drop(ClientPacket::decode(kind, body)));
    let server = peak(|| drop(ServerPacket::decode(kind, body)));
    (client, server)
}

/// Every type there is.
fn kinds() -> Vec<u16> {
    let known = |kind: &u16| ClientPacket::is_request(*kind) || ServerPacket::is_kind(*kind);
    (0..=u16::MAX).filter(known).collect()
}

fn varint(number: u64) -> Vec<u8> {
    let mut bytes = vec![0xfd];
    bytes.extend(number.to_le_bytes());
    match number {
        0..=250 => vec![number.to_le_bytes()[0]],
        251..=0xffff => [&[0xfb], &number.to_le_bytes()[..2]].concat(),
        0x1_0000..=0xffff_ffff => [&[0xfc], &number.to_le_bytes()[..4]].concat(),
        _ => bytes,
    }
}

/// `SplitMix64`: the same bytes in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("below a usize")
    }
}

#[test]
fn the_counter_counts() {
    assert!(peak(|| drop(std::hint::black_box(vec![1_u8; 10_000]))) >= 10_000);
    assert_eq!(peak(|| ()), 0);
}

#[test]
fn a_claimed_length_or_count_reserves_nothing() {
    let claims = [60_000, 65_535, 1 << 16, 500_000, u64::from(u32::MAX), 1 << 32, 1 << 63, u64::MAX];
    for kind in kinds() {
        for claim in claims {
            // Whichever field it is that carries a length, some number of small fields comes before it.
            for before in 0..=FIELDS_BEFORE_MAX {
                for small in [0, 1] {
                    let mut body = vec![1];
                    body.resize(before, small);
                    body.extend(varint(claim));
                    body.extend(b"0123456789");
                    let (client, server) = decode_peaks(kind, &body);
                    assert!(client < HOSTILE_PEAK_MAX, "type {kind}, {claim} after {before}: {client}");
                    assert!(server < HOSTILE_PEAK_MAX, "type {kind}, {claim} after {before}: {server}");
                }
            }
        }
    }
}

#[test]
fn every_vector_costs_a_small_multiple_of_its_bytes() {
    for side in ["client", "server"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("vectors/{side}.json"));
        let file = fs::read_to_string(file).expect("a file of vectors");
        let file: Value = serde_json::from_str(&file).expect("JSON");
        for vector in ["valid", "invalid"].iter().flat_map(|part| file[part].as_array().expect("vectors")) {
            let hex = vector["hex"].as_str().expect("hex");
            let bytes: Vec<u8> = (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"))
                .collect();
            assert_modest(u16::from_le_bytes([bytes[2], bytes[3]]), &bytes[4..]);
        }
    }
}

#[test]
fn random_bytes_cost_a_small_multiple_of_themselves() {
    let mut random = Random(2026);
    let kinds = kinds();
    for round in 0..40_000 {
        let length = random.below(if round % 100 == 0 { 65_000 } else { 300 });
        let below = [256, 4][random.below(2)];
        let body: Vec<u8> =
            (0..length).map(|_| u8::try_from(random.below(below)).expect("below 256")).collect();
        assert_modest(kinds[random.below(kinds.len())], &body);
    }
}

#[test]
fn a_page_of_as_many_entries_as_fit_costs_a_small_multiple_of_its_bytes() {
    let page = |kind, before: &[u8], count: u16, entry: usize| {
        let mut body = before.to_vec();
        body.push(0xfb);
        body.extend(count.to_le_bytes());
        body.resize(body.len() + usize::from(count) * entry, 0);
        assert!(ClientPacket::decode(kind, &body).is_ok() || ServerPacket::decode(kind, &body).is_ok());
        assert_modest(kind, &body);
    };
    page(kind::ATTACH, &[1, 0], 1_360, 3);
    page(kind::ATTACH_ANSWER, &[1, 0], 65_500, 1);
    page(kind::RESUME_ANSWER, &[1, 0, 0, 0, 0, 0, 0, 0], 21_800, 3);
    page(kind::HISTORY_ANSWER, &[1, 0, 0, 0, 0], 13_000, 5);
    page(kind::WHO_ANSWER, &[1, 0, 0, 0], 21_800, 3);
    page(kind::IGNORED_ANSWER, &[1, 0], 65_500, 1);
    page(kind::ROOMS_ANSWER, &[1, 0, 0], 9_300, 7);
    page(kind::LEAVE_ROOM_ANSWER, &[1, 0], 21_800, 3);
    page(kind::REMOVED, &[0, 0, 0, 0], 21_800, 3);
}

#[test]
fn names_and_texts_that_are_too_long_cost_nothing_in_proportion() {
    let long = "\u{1e9b}\u{323}".repeat(10_000);
    assert!(peak(|| drop(Username::parse(&long))) < CONSTANT);
    assert!(peak(|| drop(Text::parse(&long))) < CONSTANT);
    assert!(peak(|| drop(Remark::parse(&long))) < CONSTANT);
    assert!(peak(|| drop(RoomPassword::new(&long))) < CONSTANT);
    let longest = "\u{fb2c}".repeat(128);
    assert!(peak(|| drop(Username::parse(&longest))) < CLIENT_FACTOR * longest.len() + CONSTANT);
}

#[test]
fn a_refused_size_reserves_nothing() {
    for size in [0_u16, 3, 513, u16::MAX] {
        let mut buffer = BytesMut::with_capacity(64);
        buffer.extend_from_slice(&size.to_le_bytes());
        buffer.extend_from_slice(&[0xd1, 0x07, 1, 2]);
        let mut codec = PacketCodec::new(512);
        assert!(peak(|| drop(codec.decode(&mut buffer).expect_err("refused"))) < CONSTANT, "size {size}");
    }
}

fn assert_modest(kind: u16, body: &[u8]) {
    let (client, server) = decode_peaks(kind, body);
    let length = body.len();
    let factor = if kind == kind::ATTACH { ATTACH_FACTOR } else { CLIENT_FACTOR };
    assert!(client <= factor * length + CONSTANT, "type {kind}, {length} bytes: {client} held");
    assert!(server <= SERVER_FACTOR * length + CONSTANT, "type {kind}, {length} bytes: {server} held");
}
