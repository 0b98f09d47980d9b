//! Any packet about sealed whispers and the keys for them.

use chat_proto::{
    ClientPacket, DeviceKey, Envelope, KeyEntry, KeysOf, KeysPage, List, PublishKey, RemoveKey, SealedLine,
    ServerPacket, Whisper, limits,
};
use proptest::{
    collection,
    prelude::{Just, Strategy, any, prop_oneof},
};

use crate::packets::{answer, head, id, name, whispered, wide};

fn key() -> impl Strategy<Value = DeviceKey> {
    any::<[u8; 32]>().prop_map(DeviceKey)
}

fn envelope() -> impl Strategy<Value = Envelope> {
    collection::vec(any::<u8>(), 1..=usize::from(limits::SEALED_BYTES_MAX))
        .prop_map(|bytes| Envelope::new(&bytes).expect("as many as fit"))
}

pub fn client_packet_of_sealed() -> impl Strategy<Value = ClientPacket> {
    prop_oneof![
        (id(), key()).prop_map(|(id, key)| ClientPacket::PublishKey(PublishKey { id, key })),
        (id(), key()).prop_map(|(id, key)| ClientPacket::RemoveKey(RemoveKey { id, key })),
        (id(), name()).prop_map(|(id, name)| ClientPacket::KeysOf(KeysOf { id, name })),
        (id(), wide(), name(), envelope()).prop_map(|(id, message_id, to, text)| {
            ClientPacket::SealedWhisper(Whisper { id, message_id, to, text })
        }),
    ]
}

pub fn server_packet_of_sealed() -> impl Strategy<Value = ServerPacket> {
    let entry = (key(), wide()).prop_map(|(key, time_ms)| KeyEntry { key, time_ms });
    let page = collection::vec(entry, 0..=8).prop_map(|entries| KeysPage { entries: List(entries) });
    prop_oneof![
        answer(Just(())).prop_map(ServerPacket::PublishKeyAnswer),
        answer(Just(())).prop_map(ServerPacket::RemoveKeyAnswer),
        answer(page).prop_map(ServerPacket::KeysOfAnswer),
        answer(whispered()).prop_map(ServerPacket::SealedWhisperAnswer),
        (head(), any::<String>(), envelope()).prop_map(|(head, sender, envelope)| {
            ServerPacket::SealedLine(SealedLine { head, sender, envelope })
        }),
    ]
}
