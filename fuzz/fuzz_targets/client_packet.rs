//! Two bytes of type, then a body: what a server decodes is what encodes to the same bytes.
#![no_main]

use bytes::BytesMut;
use chat_proto::ClientPacket;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((kind, body)) = data.split_first_chunk() else { return };
    let kind = u16::from_le_bytes(*kind);
    let packet = match ClientPacket::decode(kind, body) {
        Ok(packet) => packet,
        Err(refused) => {
            assert_eq!(refused.kind, kind);
            return;
        }
    };
    if body.len() > 4_092 {
        return; // Framing refuses it first.
    }
    let mut bytes = BytesMut::new();
    packet.encode(&mut bytes);
    // A name is composed, a remark that shows nothing is none, and the bytes of an unknown credential are not kept: these
    // are stable after one round.
    if matches!(
        packet,
        ClientPacket::Register(_)
            | ClientPacket::ChangePassword(_)
            | ClientPacket::Login(_)
            | ClientPacket::Whisper(_)
            | ClientPacket::SealedWhisper(_)
            | ClientPacket::KeysOf(_)
            | ClientPacket::Ignore(_)
            | ClientPacket::CreateRoom(_)
            | ClientPacket::JoinRoom(_)
            | ClientPacket::SetTopic(_)
            | ClientPacket::Moderate(_)
    ) {
        assert_eq!(ClientPacket::decode(kind, &bytes[4..]), Ok(packet));
    } else {
        assert_eq!(bytes[4..], *body);
    }
});
