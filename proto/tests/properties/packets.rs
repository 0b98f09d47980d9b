//! Any packet: what the properties are tried on.

use chat_proto::{
    Answer, Broadcast, ChangePassword, ClientPacket, Code, Credential, ErrorCode, ErrorNotice, Goodbye,
    Hello, HelloAnswer, Joined, Left, Limits, Line, LineHead, List, Login, Logout, Missed, Ping, PingPayload,
    Pong, Presence, Receipt, Refusal, Register, Registered, RequestId, ServerPacket, SystemText, Text,
    Username, Whisper, WhisperReceipt, Who, WhoEntry, WhoPage, limits,
};
use proptest::{
    array, collection,
    prelude::{Just, Strategy, any, prop_oneof},
};

use crate::{
    resume::{client_packet_of_resume, server_packet_of_resume, welcome},
    rooms::{client_packet_of_rooms, server_packet_of_rooms},
    sealed::{client_packet_of_sealed, server_packet_of_sealed},
};

/// Numbers around the edges of the varint's forms, and any.
pub fn wide() -> impl Strategy<Value = u64> {
    let edges = vec![0, 1, 250, 251, 65_535, 65_536, u64::from(u32::MAX), 1 << 32, u64::MAX];
    prop_oneof![proptest::sample::select(edges), any::<u64>()]
}

pub fn id() -> impl Strategy<Value = RequestId> {
    prop_oneof![1..=300_u32, 1..=u32::MAX].prop_map(|id| RequestId::new(id).expect("not 0"))
}

/// What has the form of a name: of a person, or of a room.
pub fn formed<N: std::fmt::Debug>(parse: fn(&str) -> Result<N, ErrorCode>) -> impl Strategy<Value = N> {
    let wild = "\\PC{1,32}".prop_filter_map("no name", move |name| parse(&name).ok());
    let tame = "[a-zA-Z0-9가-힣א-ת_.-]{1,32}".prop_map(move |name| parse(&name).expect("a name"));
    prop_oneof![1 => wild, 9 => tame]
}

pub fn name() -> impl Strategy<Value = Username> {
    formed(Username::parse)
}

pub fn text() -> impl Strategy<Value = Text> {
    let wild = "\\PC{1,100}".prop_filter_map("no text", |text| Text::parse(&text).ok());
    let long = "[a-z가-힣😀\n\t]{0,1023}a".prop_filter_map("too long", |text| Text::parse(&text).ok());
    prop_oneof![wild, long]
}

pub fn credential() -> impl Strategy<Value = Credential> {
    prop_oneof![
        Just(Credential::None),
        collection::vec(any::<u8>(), 1..=usize::from(limits::CREDENTIAL_BYTES_MAX))
            .prop_map(|password| Credential::Password(password.into())),
        (2..=u16::MAX).prop_map(Credential::Other),
    ]
}

pub fn invite() -> impl Strategy<Value = Box<str>> {
    prop_oneof!["[0-9A-HJKMNP-TV-Z]{16}", "\\PC{0,16}"].prop_filter_map("too long", |code| {
        (code.len() <= limits::INVITE_BYTES_MAX.into()).then(|| code.into())
    })
}

fn payload() -> impl Strategy<Value = PingPayload> {
    collection::vec(any::<u8>(), 0..=64).prop_map(|bytes| PingPayload::new(&bytes).expect("at most 64"))
}

pub fn client_packet() -> impl Strategy<Value = ClientPacket> {
    let session = prop_oneof![
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
    ];
    // Boxed, because all of it in one value is more than a test's stack holds.
    prop_oneof![
        10 => session.boxed(),
        14 => client_packet_of_rooms().boxed(),
        3 => client_packet_of_resume().boxed(),
        4 => client_packet_of_sealed().boxed(),
    ]
}

pub fn answer<T: std::fmt::Debug>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Answer<T>> {
    let refusal =
        (1..=u16::MAX, any::<u32>()).prop_map(|(code, retry_ms)| Refusal { code: Code(code), retry_ms });
    (id(), prop_oneof![value.prop_map(Ok), refusal.prop_map(Err)])
        .prop_map(|(id, outcome)| Answer { id, outcome })
}

pub fn head() -> impl Strategy<Value = LineHead> {
    (wide(), wide(), wide(), wide()).prop_map(|(conversation, epoch, seq, time_ms)| LineHead {
        conversation,
        epoch,
        seq,
        time_ms,
    })
}

pub fn place() -> impl Strategy<Value = Presence> {
    (wide(), wide(), wide()).prop_map(|(conversation, epoch, seq)| Presence { conversation, epoch, seq })
}

pub fn receipt() -> impl Strategy<Value = Receipt> {
    (wide(), wide(), wide()).prop_map(|(epoch, seq, time_ms)| Receipt { epoch, seq, time_ms })
}

pub fn whispered() -> impl Strategy<Value = WhisperReceipt> {
    (wide(), any::<u16>()).prop_map(|(time_ms, kept)| WhisperReceipt { time_ms, kept })
}

fn limits_of_a_server() -> impl Strategy<Value = Limits> {
    (array::uniform26(any::<u16>()), array::uniform12(any::<u32>())).prop_map(|(small, large)| Limits {
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
        remark_chars: small[16],
        remark_bytes: small[17],
        room_password_bytes: small[18],
        room_members: large[10],
        rooms_joined: small[19],
        rooms_owned: small[20],
        rooms_created: small[21],
        ignored: small[22],
        history_entries: small[23],
        resume_ms: large[11],
        device_keys: small[24],
        sealed_bytes: small[25],
    })
}

fn session_packet() -> impl Strategy<Value = ServerPacket> {
    let hello = (id(), any::<[u16; 5]>(), wide(), wide(), limits_of_a_server()).prop_map(
        |(id, [code, version_min, version_max, durability, ways_in], features, time_ms, limits)| {
            let code = Code(code);
            HelloAnswer { id, code, version_min, version_max, features, durability, ways_in, time_ms, limits }
        },
    );
    let registered = (any::<String>(), any::<u16>()).prop_map(|(name, role)| Registered { name, role });
    let entry = (any::<String>(), any::<u16>(), any::<u16>()).prop_map(|(name, state, relation)| WhoEntry {
        name,
        state,
        relation,
    });
    let page = (any::<u32>(), wide(), collection::vec(entry, 0..200).prop_map(List))
        .prop_map(|(members, next, entries)| WhoPage { members, next, entries });
    prop_oneof![
        hello.prop_map(ServerPacket::HelloAnswer),
        answer(registered).prop_map(ServerPacket::RegisterAnswer),
        answer(Just(())).prop_map(ServerPacket::ChangePasswordAnswer),
        answer(welcome()).prop_map(ServerPacket::LoginAnswer),
        answer(Just(())).prop_map(ServerPacket::LogoutAnswer),
        answer(receipt()).prop_map(ServerPacket::BroadcastAnswer),
        answer(whispered()).prop_map(ServerPacket::WhisperAnswer),
        answer(page).prop_map(ServerPacket::WhoAnswer),
        (any::<u16>(), any::<u32>(), any::<u16>(), any::<u32>()).prop_map(|(kind, id, code, retry_ms)| {
            ServerPacket::Error(ErrorNotice { kind, id, code: Code(code), retry_ms })
        }),
        (any::<u16>(), any::<u32>(), any::<String>()).prop_map(|(code, retry_ms, text)| {
            ServerPacket::Goodbye(Goodbye { code: Code(code), retry_ms, text })
        }),
    ]
}

pub fn server_packet() -> impl Strategy<Value = ServerPacket> {
    let said = || any::<String>();
    let line = || (head(), said(), said()).prop_map(|(head, sender, text)| Line { head, sender, text });
    prop_oneof![
        8 => session_packet().boxed(),
        16 => server_packet_of_rooms().boxed(),
        3 => server_packet_of_resume().boxed(),
        5 => server_packet_of_sealed().boxed(),
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
