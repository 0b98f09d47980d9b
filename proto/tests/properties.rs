//! What holds for every packet and every byte string: decoding undoes encoding, and nothing panics.

#[path = "properties/packets.rs"]
mod packets;
#[path = "properties/resume.rs"]
mod resume;
#[path = "properties/rooms.rs"]
mod rooms;
#[path = "properties/sealed.rs"]
mod sealed;

use bytes::BytesMut;
use chat_proto::{
    Answer, ClientPacket, Credential, LineHead, List, Login, PacketCodec, Register, Remark, RequestId,
    Resume, ResumeToken, RoomName, ServerPacket, SystemText, Text, Username, WhoEntry, WhoPage, limits,
};
use proptest::{
    collection,
    prelude::{ProptestConfig, Strategy, any, prop_oneof},
    prop_assert, prop_assert_eq, proptest,
};
use tokio_util::codec::Decoder as _;

use packets::{client_packet, credential, invite, name, server_packet};

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_client_packet_is_decoded_from_its_own_bytes(packet in client_packet()) {
        let mut bytes = BytesMut::new();
        packet.encode(&mut bytes);
        let frame = only_frame(bytes, limits::CLIENT_PACKET_BYTES_MAX);
        prop_assert_eq!(frame.kind, packet.request().0);
        prop_assert_eq!(ClientPacket::decode(frame.kind, &frame.body), Ok(packet));
    }

    #[test]
    fn a_server_packet_is_decoded_from_its_own_bytes(packet in server_packet()) {
        let mut bytes = BytesMut::new();
        packet.encode(&mut bytes);
        let frame = only_frame(bytes, limits::SERVER_PACKET_BYTES_MAX);
        prop_assert_eq!(ServerPacket::decode(frame.kind, &frame.body), Ok(packet));
    }

    #[test]
    fn a_login_fits_before_login(name in name(), credential in credential()) {
        let mut bytes = BytesMut::new();
        ClientPacket::Login(Login { id: RequestId::MAX, name, credential }).encode(&mut bytes);
        prop_assert!(bytes.len() <= limits::GUEST_PACKET_BYTES_MAX.into());
    }

    #[test]
    fn a_registration_fits_before_login(name in name(), credential in credential(), invite in invite()) {
        let mut bytes = BytesMut::new();
        let register = Register { id: RequestId::MAX, name, credential, invite };
        ClientPacket::Register(register).encode(&mut bytes);
        prop_assert!(bytes.len() <= limits::GUEST_PACKET_BYTES_MAX.into());
    }

    #[test]
    fn a_resume_fits_before_login(token in any::<[u8; 32]>()) {
        let mut bytes = BytesMut::new();
        ClientPacket::Resume(Resume { id: RequestId::MAX, token: ResumeToken(token) }).encode(&mut bytes);
        prop_assert_eq!(bytes.len(), 41);
        prop_assert!(bytes.len() <= limits::GUEST_PACKET_BYTES_MAX.into());
    }

    #[test]
    fn any_bytes_decode_to_what_encodes_to_them_or_are_refused(
        (kind, body) in (any_kind(), collection::vec(any::<u8>(), 0..200)),
    ) {
        holds_of(kind, &body);
    }

    #[test]
    fn small_numbers_decode_to_what_encodes_to_them_or_are_refused(
        (kind, body) in (any_kind(), collection::vec(0_u8..5, 0..40)),
    ) {
        holds_of(kind, &body);
    }

    #[test]
    fn a_client_packet_with_a_byte_changed_is_another_packet_or_refused(
        packet in client_packet(), at in any::<proptest::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = BytesMut::new();
        packet.encode(&mut bytes);
        let frame = only_frame(bytes, limits::CLIENT_PACKET_BYTES_MAX);
        let mut body = frame.body.to_vec();
        let at = at.index(body.len());
        let changed = body[at] != byte;
        body[at] = byte;
        if let Ok(other) = ClientPacket::decode(frame.kind, &body) {
            prop_assert!(!has_one_form(&packet) || (other != packet) == changed);
        }
        holds_of(frame.kind, &body);
    }

    #[test]
    fn every_prefix_of_a_server_packet_is_refused(packet in server_packet()) {
        let mut bytes = BytesMut::new();
        packet.encode(&mut bytes);
        let frame = only_frame(bytes, limits::SERVER_PACKET_BYTES_MAX);
        for end in (0..frame.body.len()).take(200) {
            prop_assert!(ServerPacket::decode(frame.kind, &frame.body[..end]).is_err(), "cut at {}", end);
        }
    }

    #[test]
    fn a_name_that_was_taken_is_taken_again_unchanged(raw in "\\PC{0,40}") {
        if let Ok(name) = Username::parse(&raw) {
            prop_assert_eq!(Username::parse(name.as_str()), Ok(name.clone()));
            prop_assert_eq!(name.key(), Username::parse(&raw).expect("it was taken").key());
        }
    }

    #[test]
    fn a_key_that_is_a_name_has_itself_as_key(raw in "[\\p{L}\\p{M}\\p{Nd}]{1,8}") {
        if let Ok(name) = Username::parse(&raw) {
            // Folding may make it too long for a name.
            if let Ok(again) = Username::parse(name.key().as_str()) {
                prop_assert_eq!(again.key(), name.key());
            }
        }
    }

    #[test]
    fn a_text_that_is_taken_is_unchanged(raw in any::<String>()) {
        if let Ok(text) = Text::parse(&raw) {
            prop_assert_eq!(text.as_str(), raw);
        }
    }

    #[test]
    fn a_remark_that_is_taken_is_unchanged_or_shows_nothing(raw in prop_oneof![any::<String>(), "\\s{0,9}.{0,130}"]) {
        if let Ok(remark) = Remark::parse(&raw) {
            prop_assert_eq!(Remark::parse(remark.as_str()), Ok(remark.clone()));
            prop_assert_eq!(!remark.as_str().is_empty(), Text::parse(&raw).is_ok());
            prop_assert!(remark.as_str() == raw || remark.as_str().is_empty());
        }
    }

    #[test]
    fn a_room_has_the_names_that_people_have(raw in "\\PC{0,40}") {
        let (room, person) = (RoomName::parse(&raw), Username::parse(&raw));
        prop_assert_eq!(room.is_ok(), person.is_ok());
        if let (Ok(room), Ok(person)) = (room, person) {
            prop_assert_eq!((room.as_str(), room.key()), (person.as_str(), person.key()));
        }
    }
}

#[test]
fn the_largest_registration_fits_before_login() {
    let name = Username::parse(&"\u{ac00}".repeat(limits::NAME_CHARS_MAX.into())).expect("a name");
    let credential = Credential::Password([1; limits::CREDENTIAL_BYTES_MAX as usize].into());
    let invite = "Z".repeat(limits::INVITE_BYTES_MAX.into()).into();
    let mut bytes = BytesMut::new();
    ClientPacket::Register(Register { id: RequestId::MAX, name, credential, invite }).encode(&mut bytes);
    assert_eq!(bytes.len(), 511);
    assert!(bytes.len() <= limits::GUEST_PACKET_BYTES_MAX.into());
}

#[test]
fn a_token_is_in_no_log() {
    let token = ResumeToken([0xab; 32]);
    let packet = ClientPacket::Resume(Resume { id: RequestId::MIN, token });
    for shown in [format!("{packet:?}"), format!("{packet:#?}")] {
        assert!(!shown.contains("ab") && !shown.contains("171"), "{shown}");
    }
}

#[test]
fn the_largest_packet_of_a_server_is_decoded() {
    let place = LineHead { conversation: 1, epoch: 1, seq: 1, time_ms: 1 };
    for text_bytes in [65_510, 65_519] {
        let text = "a".repeat(text_bytes);
        let packet = ServerPacket::SystemText(SystemText { head: place, text });
        let mut bytes = BytesMut::new();
        packet.encode(&mut bytes);
        let frame = only_frame(bytes, limits::SERVER_PACKET_BYTES_MAX);
        assert_eq!(ServerPacket::decode(frame.kind, &frame.body), Ok(packet));
    }
}

#[test]
fn a_list_of_many_small_entries_is_decoded() {
    let entries = vec![WhoEntry { name: String::new(), state: 0, relation: 0 }; 21_800];
    let page = WhoPage { members: 0, next: 0, entries: List(entries) };
    let packet = ServerPacket::WhoAnswer(Answer { id: RequestId::MIN, outcome: Ok(page) });
    let mut bytes = BytesMut::new();
    packet.encode(&mut bytes);
    let frame = only_frame(bytes, limits::SERVER_PACKET_BYTES_MAX);
    assert_eq!(ServerPacket::decode(frame.kind, &frame.body), Ok(packet));
}

/// Whatever decodes, in either direction, encodes to the same bytes; names at least to a stable form.
fn holds_of(kind: u16, body: &[u8]) {
    if let Ok(packet) = ClientPacket::decode(kind, body) {
        let mut bytes = BytesMut::new();
        packet.encode(&mut bytes);
        if has_one_form(&packet) {
            assert_eq!(bytes[4..], *body);
        } else {
            assert_eq!(ClientPacket::decode(kind, &bytes[4..]), Ok(packet));
        }
    }
    if let Ok(packet) = ServerPacket::decode(kind, body) {
        let mut bytes = BytesMut::new();
        packet.encode(&mut bytes);
        assert_eq!(bytes[4..], *body);
    }
}

/// Whether different bytes are different packets: composing brings names together, what shows nothing is no remark,
/// and the bytes of a credential of an unknown kind are not kept.
fn has_one_form(packet: &ClientPacket) -> bool {
    !matches!(
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
    )
}

fn only_frame(mut bytes: BytesMut, limit: u16) -> chat_proto::Frame {
    let frame = PacketCodec::new(limit).decode(&mut bytes).expect("well framed").expect("whole");
    assert!(bytes.is_empty(), "one packet");
    frame
}

fn any_kind() -> impl Strategy<Value = u16> {
    let known = |kind: &u16| ClientPacket::is_request(*kind) || ServerPacket::is_kind(*kind);
    prop_oneof![
        1 => any::<u16>(),
        20 => proptest::sample::select((0..=u16::MAX).filter(known).collect::<Vec<_>>()),
    ]
}
