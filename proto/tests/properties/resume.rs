//! Any packet about coming back, and about what was said before.

use chat_proto::{
    Attach, Attached, ClientPacket, History, HistoryEntry, HistoryPage, List, Resume, ResumeToken,
    ServerPacket, Welcome,
};
use proptest::{
    collection, option,
    prelude::{Strategy, any, prop_oneof},
};

use crate::packets::{answer, id, place, wide};

fn token() -> impl Strategy<Value = ResumeToken> {
    any::<[u8; 32]>().prop_map(ResumeToken)
}

pub fn welcome() -> impl Strategy<Value = Welcome> {
    (
        wide(),
        any::<String>(),
        any::<u16>(),
        wide(),
        option::of(token()),
        any::<u32>(),
        collection::vec(place(), 0..64).prop_map(List),
    )
        .prop_map(|(session, name, role, time_ms, resume_token, grace_ms, conversations)| Welcome {
            session,
            name,
            role,
            time_ms,
            resume_token,
            grace_ms,
            conversations,
        })
}

pub fn client_packet_of_resume() -> impl Strategy<Value = ClientPacket> {
    prop_oneof![
        (id(), token()).prop_map(|(id, token)| ClientPacket::Resume(Resume { id, token })),
        (id(), any::<u16>(), collection::vec(place(), 0..100)).prop_map(|(id, last, cursors)| {
            ClientPacket::Attach(Attach { id, last, cursors: List(cursors) })
        }),
        (id(), wide(), any::<u16>(), wide(), wide(), any::<u16>()).prop_map(
            |(id, conversation, direction, epoch, seq, limit)| {
                ClientPacket::History(History { id, conversation, direction, epoch, seq, limit })
            }
        ),
    ]
}

fn history_page() -> impl Strategy<Value = HistoryPage> {
    let entry = (wide(), wide(), wide(), any::<String>(), any::<String>())
        .prop_map(|(epoch, seq, time_ms, sender, text)| HistoryEntry { epoch, seq, time_ms, sender, text });
    (any::<u16>(), wide(), wide(), collection::vec(entry, 0..100))
        .prop_map(|(more, epoch, seq, entries)| HistoryPage { more, epoch, seq, entries: List(entries) })
}

pub fn server_packet_of_resume() -> impl Strategy<Value = ServerPacket> {
    let attached = collection::vec(wide(), 0..100).prop_map(|lost| Attached { lost: List(lost) });
    prop_oneof![
        answer(welcome()).prop_map(ServerPacket::ResumeAnswer),
        answer(attached).prop_map(ServerPacket::AttachAnswer),
        answer(history_page()).prop_map(ServerPacket::HistoryAnswer),
    ]
}
