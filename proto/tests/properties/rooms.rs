//! Any packet about rooms, presence, ignoring and keeping order.

use chat_proto::{
    Announce, ClientPacket, CloseRoom, CreateRoom, FreezeRegistration, Ignore, Ignored, IgnoredEntry,
    IgnoredPage, JoinRoom, LeaveRoom, List, Moderate, Moderated, Remark, Removed, RoomChanged, RoomChat,
    RoomEntered, RoomEntry, RoomLeft, RoomName, RoomPassword, RoomSettings, Rooms, RoomsPage, ServerPacket,
    SetPresence, SetRoom, SetTopic,
};
use proptest::{
    collection, option,
    prelude::{Just, Strategy, any, prop_oneof},
};

use crate::packets::{answer, formed, head, id, name, place, receipt, text, wide};

fn room_name() -> impl Strategy<Value = RoomName> {
    formed(RoomName::parse)
}

fn remark() -> impl Strategy<Value = Remark> {
    let wild = "\\PC{0,40}".prop_filter_map("no remark", |remark| Remark::parse(&remark).ok());
    let long = "[a-z가-힣]{0,128}".prop_filter_map("too long", |remark| Remark::parse(&remark).ok());
    prop_oneof![wild, long]
}

fn password() -> impl Strategy<Value = RoomPassword> {
    let wild = ".{0,16}".prop_filter_map("too long", |password| RoomPassword::new(&password));
    prop_oneof![wild, "[ -~]{0,64}".prop_map(|password| RoomPassword::new(&password).expect("at most 64"))]
}

fn settings() -> impl Strategy<Value = RoomSettings> {
    (any::<u32>(), any::<u16>(), any::<u32>()).prop_map(|(capacity, flags, slow_s)| RoomSettings {
        capacity,
        flags,
        slow_s,
    })
}

pub fn client_packet_of_rooms() -> impl Strategy<Value = ClientPacket> {
    let of_people = prop_oneof![
        (id(), any::<u16>()).prop_map(|(id, state)| ClientPacket::SetPresence(SetPresence { id, state })),
        (id(), name(), any::<u16>()).prop_map(|(id, name, on)| ClientPacket::Ignore(Ignore { id, name, on })),
        id().prop_map(|id| ClientPacket::Ignored(Ignored { id })),
        (id(), wide(), any::<u16>(), name(), any::<u32>(), remark()).prop_map(
            |(id, conversation, act, name, seconds, reason)| {
                ClientPacket::Moderate(Moderate { id, conversation, act, name, seconds, reason })
            }
        ),
        (id(), text()).prop_map(|(id, text)| ClientPacket::Announce(Announce { id, text })),
        (id(), any::<u16>())
            .prop_map(|(id, on)| ClientPacket::FreezeRegistration(FreezeRegistration { id, on })),
    ];
    let of_rooms = prop_oneof![
        (id(), wide(), wide(), text()).prop_map(|(id, message_id, conversation, text)| {
            ClientPacket::RoomChat(RoomChat { id, message_id, conversation, text })
        }),
        (id(), room_name(), password(), settings(), remark()).prop_map(
            |(id, name, password, settings, topic)| {
                ClientPacket::CreateRoom(CreateRoom { id, name, password, settings, topic })
            }
        ),
        (id(), room_name(), password()).prop_map(|(id, name, password)| ClientPacket::JoinRoom(JoinRoom {
            id,
            name,
            password
        })),
        (id(), wide()).prop_map(|(id, conversation)| ClientPacket::LeaveRoom(LeaveRoom { id, conversation })),
        (id(), wide(), any::<u16>()).prop_map(|(id, after, limit)| ClientPacket::Rooms(Rooms {
            id,
            after,
            limit
        })),
        (id(), wide(), remark()).prop_map(|(id, conversation, topic)| {
            ClientPacket::SetTopic(SetTopic { id, conversation, topic })
        }),
        (id(), wide(), settings(), option::of(password())).prop_map(
            |(id, conversation, settings, password)| {
                ClientPacket::SetRoom(SetRoom { id, conversation, settings, password })
            }
        ),
        (id(), wide()).prop_map(|(id, conversation)| ClientPacket::CloseRoom(CloseRoom { id, conversation })),
    ];
    prop_oneof![6 => of_people, 8 => of_rooms]
}

fn entered() -> impl Strategy<Value = RoomEntered> {
    (place(), any::<String>(), any::<u16>(), any::<u32>(), settings(), any::<String>()).prop_map(
        |(place, name, relation, members, settings, topic)| RoomEntered {
            place,
            name,
            relation,
            members,
            settings,
            topic,
        },
    )
}

fn rooms_page() -> impl Strategy<Value = RoomsPage> {
    let entry = (wide(), any::<String>(), any::<u32>(), settings(), any::<String>()).prop_map(
        |(conversation, name, members, settings, topic)| RoomEntry {
            conversation,
            name,
            members,
            settings,
            topic,
        },
    );
    (wide(), collection::vec(entry, 0..100))
        .prop_map(|(next, entries)| RoomsPage { next, entries: List(entries) })
}

fn ignored_page() -> impl Strategy<Value = IgnoredPage> {
    let entry = any::<String>().prop_map(|name| IgnoredEntry { name });
    collection::vec(entry, 0..100).prop_map(|entries| IgnoredPage { entries: List(entries) })
}

pub fn server_packet_of_rooms() -> impl Strategy<Value = ServerPacket> {
    let places = || collection::vec(place(), 0..4).prop_map(List);
    let said = || any::<String>();
    let done = || answer(Just(()));
    let answers = prop_oneof![
        done().prop_map(ServerPacket::SetPresenceAnswer),
        answer(receipt()).prop_map(ServerPacket::RoomChatAnswer),
        done().prop_map(ServerPacket::IgnoreAnswer),
        answer(ignored_page()).prop_map(ServerPacket::IgnoredAnswer),
        answer(entered()).prop_map(ServerPacket::CreateRoomAnswer),
        answer(entered()).prop_map(ServerPacket::JoinRoomAnswer),
        answer(places().prop_map(|entered| RoomLeft { entered })).prop_map(ServerPacket::LeaveRoomAnswer),
        answer(rooms_page()).prop_map(ServerPacket::RoomsAnswer),
        done().prop_map(ServerPacket::SetTopicAnswer),
        done().prop_map(ServerPacket::SetRoomAnswer),
        done().prop_map(ServerPacket::ModerateAnswer),
        done().prop_map(ServerPacket::CloseRoomAnswer),
        done().prop_map(ServerPacket::AnnounceAnswer),
        done().prop_map(ServerPacket::FreezeRegistrationAnswer),
    ];
    let notices = prop_oneof![
        (head(), said(), settings(), said()).prop_map(|(head, by, settings, topic)| {
            ServerPacket::RoomChanged(RoomChanged { head, by, settings, topic })
        }),
        (wide(), any::<u16>(), said(), said(), places()).prop_map(
            |(conversation, reason, by, text, entered)| {
                ServerPacket::Removed(Removed { conversation, reason, by, text, entered })
            }
        ),
        (wide(), said(), any::<u16>(), said(), any::<u32>(), said()).prop_map(
            |(conversation, room, act, by, seconds, text)| {
                ServerPacket::Moderated(Moderated { conversation, room, act, by, seconds, text })
            }
        ),
    ];
    prop_oneof![14 => answers, 3 => notices]
}
