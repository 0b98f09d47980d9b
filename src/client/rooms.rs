//! What a session asks of rooms, and of people in them.

use chat_proto::{
    Act, Announce, ClientPacket, CloseRoom, CreateRoom, ErrorCode, FreezeRegistration, Ignore, Ignored,
    IgnoredPage, JoinRoom, LeaveRoom, Moderate, Receipt, Remark, RoomEntered, RoomLeft, RoomName,
    RoomPassword, RoomSettings, Rooms, RoomsPage, SetPresence, SetRoom, SetTopic, Text, Username,
};

use super::{
    Error, Pending, RoomPages, Session,
    continuation::Recipient,
    pending::Outcome,
    session::{done, receipt},
};

impl Session {
    /// Makes a room, with this session in it as its owner. An empty password is none; one of more than 64 bytes is
    /// refused with 1303 before it is sent.
    pub async fn create_room(
        &self,
        name: &str,
        password: &str,
        settings: RoomSettings,
        topic: &str,
    ) -> Result<RoomEntered, Error> {
        let (name, password) = (room_name(name)?, room_password(password)?);
        let topic = Remark::parse(topic).map_err(Error::refused)?;
        let request = |id| ClientPacket::CreateRoom(CreateRoom { id, name, password, settings, topic });
        self.answered(self.send(request, entered)).await
    }

    /// Goes into a room.
    pub async fn join_room(&self, name: &str, password: &str) -> Result<RoomEntered, Error> {
        let (name, password) = (room_name(name)?, room_password(password)?);
        let request = |id| ClientPacket::JoinRoom(JoinRoom { id, name, password });
        self.answered(self.send(request, entered)).await
    }

    /// Leaves a room, whose last line has been told when this returns.
    pub async fn leave_room(&self, conversation: u64) -> Result<RoomLeft, Error> {
        let request = |id| ClientPacket::LeaveRoom(LeaveRoom { id, conversation });
        let left = |outcome| match outcome {
            Outcome::RoomLeft(left) => Some(left),
            _ => None,
        };
        self.answered(self.send(request, left)).await
    }

    /// Says a line to everyone else in a room.
    pub async fn room_chat(&self, conversation: u64, text: &str) -> Result<Receipt, Error> {
        self.answered(self.send_room_chat(0, conversation, text)).await
    }

    /// As [`send_broadcast`](Self::send_broadcast), to a room.
    pub async fn send_room_chat(
        &self,
        message_id: u64,
        conversation: u64,
        text: &str,
    ) -> Result<Pending<Receipt>, Error> {
        self.say(Recipient::Room(conversation), message_id, text, |outcome| receipt(&outcome)).await
    }

    /// The page of rooms after another: 0 for the first, else the last page's `next`.
    pub async fn rooms(&self, after: u64) -> Result<RoomsPage, Error> {
        let limit = self.server().limits.page_entries;
        let request = |id| ClientPacket::Rooms(Rooms { id, after, limit });
        let page = |outcome| match outcome {
            Outcome::RoomsPage(page) => Some(page),
            _ => None,
        };
        self.answered(self.send(request, page)).await
    }

    /// Walks all pages of the rooms there are, at the server's pace.
    #[must_use]
    pub fn all_rooms(&self) -> RoomPages {
        RoomPages::new(self.clone())
    }

    /// Says what a room is about.
    pub async fn set_topic(&self, conversation: u64, topic: &str) -> Result<(), Error> {
        let topic = Remark::parse(topic).map_err(Error::refused)?;
        self.do_it(|id| ClientPacket::SetTopic(SetTopic { id, conversation, topic })).await
    }

    /// Changes how a room is. `None` leaves its password, an empty one takes it away.
    pub async fn set_room(
        &self,
        conversation: u64,
        settings: RoomSettings,
        password: Option<&str>,
    ) -> Result<(), Error> {
        let password = password.map(room_password).transpose()?;
        self.do_it(|id| ClientPacket::SetRoom(SetRoom { id, conversation, settings, password })).await
    }

    /// Does something to a person, in a room or, in the lobby, on the whole server. `seconds` are for acts that last;
    /// 0 is for good.
    pub async fn moderate(
        &self,
        conversation: u64,
        act: Act,
        name: &str,
        seconds: u32,
        reason: &str,
    ) -> Result<(), Error> {
        let name = Username::parse(name).map_err(Error::refused)?;
        let (act, reason) = (act as u16, Remark::parse(reason).map_err(Error::refused)?);
        self.do_it(|id| ClientPacket::Moderate(Moderate { id, conversation, act, name, seconds, reason }))
            .await
    }

    /// Ends a room.
    pub async fn close_room(&self, conversation: u64) -> Result<(), Error> {
        self.do_it(|id| ClientPacket::CloseRoom(CloseRoom { id, conversation })).await
    }

    /// Says that one is away, or back.
    pub async fn set_away(&self, away: bool) -> Result<(), Error> {
        self.do_it(|id| ClientPacket::SetPresence(SetPresence { id, state: away.into() })).await
    }

    /// Hears nothing of a person from now on, or does again.
    pub async fn ignore(&self, name: &str, on: bool) -> Result<(), Error> {
        let name = Username::parse(name).map_err(Error::refused)?;
        self.do_it(|id| ClientPacket::Ignore(Ignore { id, name, on: on.into() })).await
    }

    /// Whom one ignores.
    pub async fn ignored(&self) -> Result<IgnoredPage, Error> {
        let page = |outcome| match outcome {
            Outcome::Ignored(page) => Some(page),
            _ => None,
        };
        self.answered(self.send(|id| ClientPacket::Ignored(Ignored { id }), page)).await
    }

    /// Says something to everybody.
    pub async fn announce(&self, text: &str) -> Result<(), Error> {
        let text = Text::parse(text).map_err(Error::refused)?;
        self.do_it(|id| ClientPacket::Announce(Announce { id, text })).await
    }

    /// Lets nobody register for now, or as configured again.
    pub async fn freeze_registration(&self, on: bool) -> Result<(), Error> {
        self.do_it(|id| ClientPacket::FreezeRegistration(FreezeRegistration { id, on: on.into() })).await
    }

    async fn do_it(&self, request: impl FnOnce(chat_proto::RequestId) -> ClientPacket) -> Result<(), Error> {
        self.answered(self.send(request, |outcome| done(&outcome))).await
    }
}

fn entered(outcome: Outcome) -> Option<RoomEntered> {
    match outcome {
        Outcome::RoomEntered(entered) => Some(entered),
        _ => None,
    }
}

fn room_name(name: &str) -> Result<RoomName, Error> {
    RoomName::parse(name).map_err(Error::refused)
}

fn room_password(password: &str) -> Result<RoomPassword, Error> {
    RoomPassword::new(password).ok_or(Error::refused(ErrorCode::PasswordInvalid))
}
