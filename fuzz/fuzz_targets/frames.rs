//! One byte of seed, then a stream: it is cut into the same packets whole and in any pieces.
#![no_main]

use bytes::BytesMut;
use chat_proto::{Frame, FrameError, PacketCodec, limits::GUEST_PACKET_BYTES_MAX};
use libfuzzer_sys::fuzz_target;
use tokio_util::codec::Decoder as _;

fuzz_target!(|data: &[u8]| {
    let Some((&seed, stream)) = data.split_first() else { return };
    let whole = cut([stream]);
    assert_eq!(cut(stream.chunks(1)), whole);
    // Pieces of sizes that the seed makes: 1 to 16, a step further each time.
    let mut rest = stream;
    let mut step = usize::from(seed);
    let pieces = std::iter::from_fn(|| {
        step = step.wrapping_mul(5).wrapping_add(3);
        let piece;
        (piece, rest) = rest.split_at(rest.len().min(1 + (step >> 2) % 16));
        (!piece.is_empty()).then_some(piece)
    });
    assert_eq!(cut(pieces), whole);

    // What came out is what went in, up to where it ended.
    let mut bytes = Vec::new();
    for Frame { kind, body } in &whole.0 {
        bytes.extend(u16::try_from(4 + body.len()).expect("within the limit").to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(body);
    }
    assert!(stream.starts_with(&bytes));
});

/// The packets, and whether the stream ended at a size: too large (true), or too small.
fn cut<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Frame>, Option<bool>) {
    let mut codec = PacketCodec::new(GUEST_PACKET_BYTES_MAX);
    let mut buffer = BytesMut::new();
    let mut frames = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match codec.decode(&mut buffer) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(matches!(error, FrameError::TooLarge))),
            }
        }
    }
    (frames, None)
}
