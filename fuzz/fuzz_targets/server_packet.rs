//! Two bytes of type, then a body: what a client decodes is what encodes to the same bytes.
#![no_main]

use bytes::BytesMut;
use chat_proto::{ServerPacket, limits::SERVER_PACKET_BYTES_MAX};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((kind, body)) = data.split_first_chunk() else { return };
    if 4 + body.len() > SERVER_PACKET_BYTES_MAX.into() {
        return; // Framing refuses it first.
    }
    if let Ok(packet) = ServerPacket::decode(u16::from_le_bytes(*kind), body) {
        let mut bytes = BytesMut::new();
        packet.encode(&mut bytes);
        assert_eq!(bytes[2..4], *kind);
        assert_eq!(bytes[4..], *body);
    }
});
