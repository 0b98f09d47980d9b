//! What the scripted server knows of rooms.

use chat_proto::{
    Answer, ClientPacket, ErrorCode, Line, LineHead, List, Moderate, Presence, Receipt, Remark, Removed,
    RequestId, RoomEntered, RoomEntry, RoomLeft, RoomSettings, RoomsPage, ServerPacket, Username,
};

use super::fake::{HEAD, Peer, refusal};

pub const SETTINGS: RoomSettings = RoomSettings { capacity: 50, flags: 0, slow_s: 0 };

pub fn entered(conversation: u64, name: &str) -> RoomEntered {
    RoomEntered {
        place: Presence { conversation, epoch: 5, seq: 2 },
        name: name.to_owned(),
        relation: 0,
        members: 3,
        settings: SETTINGS,
        topic: String::new(),
    }
}

pub fn entry(conversation: u64, name: &str) -> RoomEntry {
    let (members, settings, topic) = (3, SETTINGS, String::new());
    RoomEntry { conversation, name: name.to_owned(), members, settings, topic }
}

/// Where the next line of a room stands.
pub fn head(conversation: u64) -> LineHead {
    LineHead { conversation, ..HEAD }
}

pub fn room_line(conversation: u64, sender: &str, text: &str) -> ServerPacket {
    let (sender, text) = (sender.to_owned(), text.to_owned());
    ServerPacket::BroadcastLine(Line { head: head(conversation), sender, text })
}

/// Put out by lee, for flooding.
pub fn removed(conversation: u64, reason: u16) -> ServerPacket {
    let (by, text, entered) = ("lee".to_owned(), "flooding".to_owned(), List::default());
    ServerPacket::Removed(Removed { conversation, reason, by, text, entered })
}

impl Peer {
    /// Takes a request to come in; returns its id and the password.
    pub fn recv_join(&mut self, name: &str) -> (RequestId, String) {
        match self.recv() {
            Some(ClientPacket::JoinRoom(join)) if join.name.as_str() == name => {
                (join.id, join.password.as_str().to_owned())
            }
            other => panic!("{other:?} is not a JoinRoom of {name}"),
        }
    }

    pub fn refuse_join(&mut self, name: &str, code: ErrorCode) {
        let (id, _) = self.recv_join(name);
        self.send(&ServerPacket::JoinRoomAnswer(Answer { id, outcome: Err(refusal(code, 0)) }));
    }

    /// Takes such a request, and lets them in.
    pub fn let_in(&mut self, conversation: u64, name: &str) {
        let (id, _) = self.recv_join(name);
        self.send(&ServerPacket::JoinRoomAnswer(Answer { id, outcome: Ok(entered(conversation, name)) }));
    }

    /// Takes a line for a room, and acknowledges it.
    pub fn hear_in(&mut self, conversation: u64) -> String {
        match self.recv() {
            Some(ClientPacket::RoomChat(said)) if said.conversation == conversation => {
                let outcome = Ok(Receipt { epoch: 5, seq: 9, time_ms: 0 });
                self.send(&ServerPacket::RoomChatAnswer(Answer { id: said.id, outcome }));
                said.text.as_str().to_owned()
            }
            other => panic!("{other:?} is not said in {conversation}"),
        }
    }

    /// Takes the wish to leave, and lets them go.
    pub fn let_go(&mut self, conversation: u64) {
        match self.recv() {
            Some(ClientPacket::LeaveRoom(leave)) if leave.conversation == conversation => {
                let outcome = Ok(RoomLeft { entered: List::default() });
                self.send(&ServerPacket::LeaveRoomAnswer(Answer { id: leave.id, outcome }));
            }
            other => panic!("{other:?} does not leave {conversation}"),
        }
    }

    /// Takes the question for the rooms after one, and answers it.
    pub fn list_rooms(&mut self, after: u64, next: u64, entries: Vec<RoomEntry>) {
        match self.recv() {
            Some(ClientPacket::Rooms(rooms)) if rooms.after == after => {
                let outcome = Ok(RoomsPage { next, entries: List(entries) });
                self.send(&ServerPacket::RoomsAnswer(Answer { id: rooms.id, outcome }));
            }
            other => panic!("{other:?} does not ask for the rooms after {after}"),
        }
    }

    /// Takes an act of moderation, and answers it.
    pub fn moderate(&mut self, code: Option<ErrorCode>) -> Moderate<Username, Remark> {
        let Some(ClientPacket::Moderate(asked)) = self.recv() else { panic!("a Moderate is next") };
        let outcome = code.map_or(Ok(()), |code| Err(refusal(code, 0)));
        self.send(&ServerPacket::ModerateAnswer(Answer { id: asked.id, outcome }));
        asked
    }
}
