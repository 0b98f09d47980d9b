//! What holds for every packet and every byte string: decoding undoes encoding, and nothing panics.

use bytes::BytesMut;
use chat_proto::{
    Answer, Broadcast, ChangePassword, ClientPacket, Code, Credential, ErrorNotice, Goodbye, Hello,
    HelloAnswer, Joined, Left, Limits, Line, LineHead, List, Login, Logout, Missed, PacketCodec, Ping,
    PingPayload, Pong, Presence, Receipt, Refusal, Register, Registered, RequestId, ServerPacket, SystemText,
    Text, Username, Welcome, Whisper, WhisperReceipt, Who, WhoEntry, WhoPage, limits,
};
use proptest::{
    array, collection, option,
    prelude::{Just, ProptestConfig, Strategy, any, prop_oneof},
    prop_assert, prop_assert_eq, proptest,
};
use tokio_util::codec::Decoder as _;

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
    let entries = vec![WhoEntry { name: String::new(), state: 0 }; 32_000];
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

/// Whether different bytes are different packets: composing brings names together, and the bytes of a credential of
/// an unknown kind are not kept.
fn has_one_form(packet: &ClientPacket) -> bool {
    !matches!(
        packet,
        ClientPacket::Register(_)
            | ClientPacket::ChangePassword(_)
            | ClientPacket::Login(_)
            | ClientPacket::Whisper(_)
    )
}

fn only_frame(mut bytes: BytesMut, limit: u16) -> chat_proto::Frame {
    let frame = PacketCodec::new(limit).decode(&mut bytes).expect("well framed").expect("whole");
    assert!(bytes.is_empty(), "one packet");
    frame
}

fn any_kind() -> impl Strategy<Value = u16> {
    prop_oneof![
        1 => any::<u16>(),
        20 => proptest::sample::select(vec![
            1001, 1002, 1003, 1004, 2001, 2002, 2003, 2004, 2005, 2006, 3001, 3002, 3005, 3006, 3101, 3103, 3110,
            4001, 4002, 5001, 5002, 7001, 7002, 7003, 7004, 7005,
        ]),
    ]
}

/// Numbers around the edges of the varint's forms, and any.
fn wide() -> impl Strategy<Value = u64> {
    let edges = vec![0, 1, 250, 251, 65_535, 65_536, u64::from(u32::MAX), 1 << 32, u64::MAX];
    prop_oneof![proptest::sample::select(edges), any::<u64>()]
}

fn id() -> impl Strategy<Value = RequestId> {
    prop_oneof![1..=300_u32, 1..=u32::MAX].prop_map(|id| RequestId::new(id).expect("not 0"))
}

fn name() -> impl Strategy<Value = Username> {
    let wild = "\\PC{1,32}".prop_filter_map("no name", |name| Username::parse(&name).ok());
    let tame = "[a-zA-Z0-9가-힣א-ת_.-]{1,32}".prop_map(|name| Username::parse(&name).expect("a name"));
    prop_oneof![1 => wild, 9 => tame]
}

fn text() -> impl Strategy<Value = Text> {
    let wild = "\\PC{1,100}".prop_filter_map("no text", |text| Text::parse(&text).ok());
    let long = "[a-z가-힣😀\n\t]{0,1023}a".prop_filter_map("too long", |text| Text::parse(&text).ok());
    prop_oneof![wild, long]
}

fn credential() -> impl Strategy<Value = Credential> {
    prop_oneof![
        Just(Credential::None),
        collection::vec(any::<u8>(), 1..=usize::from(limits::CREDENTIAL_BYTES_MAX))
            .prop_map(|password| Credential::Password(password.into())),
        (2..=u16::MAX).prop_map(Credential::Other),
    ]
}

fn invite() -> impl Strategy<Value = Box<str>> {
    prop_oneof!["[0-9A-HJKMNP-TV-Z]{16}", "\\PC{0,16}"].prop_filter_map("too long", |code| {
        (code.len() <= limits::INVITE_BYTES_MAX.into()).then(|| code.into())
    })
}

fn payload() -> impl Strategy<Value = PingPayload> {
    collection::vec(any::<u8>(), 0..=64).prop_map(|bytes| PingPayload::new(&bytes).expect("at most 64"))
}

fn client_packet() -> impl Strategy<Value = ClientPacket> {
    prop_oneof![
        (id(), any::<u16>(), wide()).prop_map(|(id, version, features)| ClientPacket::Hello(Hello {
            id,
            version,
            features
        })),
        (id(), name(), credential(), invite()).prop_map(|(id, name, credential, invite)| {
            ClientPacket::Register(Register { id, name, credential, invite })
        }),
        (id(), credential(), credential()).prop_map(|(id, current, new)| {
            ClientPacket::ChangePassword(ChangePassword { id, current, new })
        }),
        (id(), name(), credential()).prop_map(|(id, name, credential)| ClientPacket::Login(Login {
            id,
            name,
            credential
        })),
        id().prop_map(|id| ClientPacket::Logout(Logout { id })),
        (id(), wide(), text()).prop_map(|(id, message_id, text)| ClientPacket::Broadcast(Broadcast {
            id,
            message_id,
            text
        })),
        (id(), wide(), name(), text()).prop_map(|(id, message_id, to, text)| ClientPacket::Whisper(
            Whisper { id, message_id, to, text }
        )),
        (id(), wide(), wide(), any::<u16>()).prop_map(|(id, conversation, after, limit)| {
            ClientPacket::Who(Who { id, conversation, after, limit })
        }),
        payload().prop_map(|payload| ClientPacket::Ping(Ping { payload })),
        payload().prop_map(|payload| ClientPacket::Pong(Pong { payload })),
    ]
}

fn answer<T: std::fmt::Debug>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Answer<T>> {
    let refusal =
        (1..=u16::MAX, any::<u32>()).prop_map(|(code, retry_ms)| Refusal { code: Code(code), retry_ms });
    (id(), prop_oneof![value.prop_map(Ok), refusal.prop_map(Err)])
        .prop_map(|(id, outcome)| Answer { id, outcome })
}

fn head() -> impl Strategy<Value = LineHead> {
    (wide(), wide(), wide(), wide()).prop_map(|(conversation, epoch, seq, time_ms)| LineHead {
        conversation,
        epoch,
        seq,
        time_ms,
    })
}

fn limits_of_a_server() -> impl Strategy<Value = Limits> {
    (array::uniform16(any::<u16>()), array::uniform10(any::<u32>())).prop_map(|(small, large)| Limits {
        guest_packet_bytes: small[0],
        client_packet_bytes: small[1],
        server_packet_bytes: small[2],
        text_chars: small[3],
        text_bytes: small[4],
        name_chars: small[5],
        name_bytes: small[6],
        ping_bytes: small[7],
        page_entries: small[8],
        requests_outstanding: small[9],
        notice_members: large[0],
        chat_per_second: large[1],
        chat_burst: large[2],
        other_per_second: large[3],
        other_burst: large[4],
        login_ms: large[5],
        packet_ms: large[6],
        ping_after_ms: large[7],
        idle_ms: large[8],
        write_ms: large[9],
        guest_packets: small[10],
        guest_refusals: small[11],
        refusal_score: small[12],
        credential_bytes: small[13],
        password_bytes_min: small[14],
        password_bytes_max: small[15],
    })
}

fn session_packet() -> impl Strategy<Value = ServerPacket> {
    let hello = (id(), any::<[u16; 5]>(), wide(), wide(), limits_of_a_server()).prop_map(
        |(id, [code, version_min, version_max, durability, ways_in], features, time_ms, limits)| {
            let code = Code(code);
            HelloAnswer { id, code, version_min, version_max, features, durability, ways_in, time_ms, limits }
        },
    );
    let presence =
        (wide(), wide(), wide()).prop_map(|(conversation, epoch, seq)| Presence { conversation, epoch, seq });
    let registered = (any::<String>(), any::<u16>()).prop_map(|(name, role)| Registered { name, role });
    let welcome =
        (
            wide(),
            any::<String>(),
            any::<u16>(),
            wide(),
            option::of(any::<[u8; 32]>()),
            any::<u32>(),
            collection::vec(presence, 0..64).prop_map(List),
        )
            .prop_map(|(session, name, role, time_ms, resume_token, grace_ms, conversations)| {
                Welcome { session, name, role, time_ms, resume_token, grace_ms, conversations }
            });
    let receipt = (wide(), wide(), wide()).prop_map(|(epoch, seq, time_ms)| Receipt { epoch, seq, time_ms });
    let entry = (any::<String>(), any::<u16>()).prop_map(|(name, state)| WhoEntry { name, state });
    let page = (any::<u32>(), wide(), collection::vec(entry, 0..200).prop_map(List))
        .prop_map(|(members, next, entries)| WhoPage { members, next, entries });
    prop_oneof![
        hello.prop_map(ServerPacket::HelloAnswer),
        answer(registered).prop_map(ServerPacket::RegisterAnswer),
        answer(Just(())).prop_map(ServerPacket::ChangePasswordAnswer),
        answer(welcome).prop_map(ServerPacket::LoginAnswer),
        answer(Just(())).prop_map(ServerPacket::LogoutAnswer),
        answer(receipt).prop_map(ServerPacket::BroadcastAnswer),
        answer(wide().prop_map(|time_ms| WhisperReceipt { time_ms })).prop_map(ServerPacket::WhisperAnswer),
        answer(page).prop_map(ServerPacket::WhoAnswer),
        (any::<u16>(), any::<u32>(), any::<u16>(), any::<u32>()).prop_map(|(kind, id, code, retry_ms)| {
            ServerPacket::Error(ErrorNotice { kind, id, code: Code(code), retry_ms })
        }),
        (any::<u16>(), any::<u32>(), any::<String>()).prop_map(|(code, retry_ms, text)| {
            ServerPacket::Goodbye(Goodbye { code: Code(code), retry_ms, text })
        }),
    ]
}

fn server_packet() -> impl Strategy<Value = ServerPacket> {
    let said = || any::<String>();
    let line = || (head(), said(), said()).prop_map(|(head, sender, text)| Line { head, sender, text });
    prop_oneof![
        8 => session_packet(),
        1 => line().prop_map(ServerPacket::BroadcastLine),
        1 => line().prop_map(ServerPacket::WhisperLine),
        1 => array::uniform4(wide()).prop_map(|[conversation, epoch, from, to]| {
            ServerPacket::Missed(Missed { conversation, epoch, from, to })
        }),
        1 => (head(), said()).prop_map(|(head, name)| ServerPacket::Joined(Joined { head, name })),
        1 => (head(), said(), any::<u16>())
            .prop_map(|(head, name, reason)| ServerPacket::Left(Left { head, name, reason })),
        1 => (head(), said()).prop_map(|(head, text)| ServerPacket::SystemText(SystemText { head, text })),
        1 => payload().prop_map(|payload| ServerPacket::Ping(Ping { payload })),
        1 => payload().prop_map(|payload| ServerPacket::Pong(Pong { payload })),
    ]
}
