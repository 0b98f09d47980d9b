//! Somebody who can come back: packets in and out, and what a client keeps to do so.

use std::{net::IpAddr, time::Duration};

use chat_proto::{
    Act, Answer, Attach, Attached, Broadcast, ClientPacket, CreateRoom, Credential, Hello, JoinRoom, LOBBY,
    LeaveRoom, Line, List, Login, Logout, MAILBOX, Missed, Moderate, Presence, Receipt, Refusal, Remark,
    Resume, ResumeToken, RoomChat, RoomName, RoomPassword, RoomSettings, ServerPacket, Text, Username,
    VERSION, Welcome, Whisper, WhisperReceipt, Who, WhoEntry, feature,
};
use iocp_chat::{config::Config, server::Server};
use tokio::{io::DuplexStream, time::timeout};

use crate::common::{Raw, id, quiet};

/// Bytes that a pipe holds.
const PIPE: usize = 64 * 1024;

/// As [`quiet`], and whoever says nothing stays.
pub fn patient() -> Config {
    let mut config = quiet();
    config.timeouts.ping_after = Duration::from_hours(1);
    config.timeouts.idle = Duration::from_hours(2);
    config
}

/// A connection that asks for the feature.
pub struct Peer {
    pub raw: Raw<DuplexStream>,
    pub welcome: Welcome,
    next_id: u32,
    /// What came while an answer was waited for.
    heard: std::collections::VecDeque<ServerPacket>,
}

impl Peer {
    /// Connects and greets.
    pub async fn greet(server: &Server, features: u64) -> Raw<DuplexStream> {
        Self::greet_from(server, IpAddr::from([127, 0, 0, 1]), features).await
    }

    pub async fn greet_from(server: &Server, from: IpAddr, features: u64) -> Raw<DuplexStream> {
        let mut raw = Raw::new(server.connect_in_memory_from(from, PIPE));
        let hello = Hello { id: id(1), version: VERSION, features };
        raw.send(&[ClientPacket::Hello(hello)]).await;
        match raw.receive().await {
            Some(ServerPacket::HelloAnswer(answer)) => assert_eq!(answer.features, features & 1),
            other => panic!("{other:?}"),
        }
        raw
    }

    /// A new session.
    pub async fn log_in(server: &Server, name: &str) -> Self {
        Self::log_in_with(server, name, Credential::None).await
    }

    /// A new session, of an account if there is a password.
    pub async fn log_in_with(server: &Server, name: &str, credential: Credential) -> Self {
        let mut raw = Self::greet(server, feature::RESUME).await;
        let name = Username::parse(name).expect("a name");
        raw.send(&[ClientPacket::Login(Login { id: id(2), name, credential })]).await;
        match raw.receive().await {
            Some(ServerPacket::LoginAnswer(Answer { outcome, .. })) => Self::of(raw, outcome.expect("free")),
            other => panic!("{other:?}"),
        }
    }

    /// A session that goes on.
    pub async fn resume(server: &Server, token: ResumeToken) -> Result<Self, Refusal> {
        Self::resume_over(Self::greet(server, feature::RESUME).await, token).await
    }

    pub async fn resume_over(mut raw: Raw<DuplexStream>, token: ResumeToken) -> Result<Self, Refusal> {
        raw.send(&[ClientPacket::Resume(Resume { id: id(2), token })]).await;
        match raw.receive().await {
            Some(ServerPacket::ResumeAnswer(Answer { outcome, .. })) => Ok(Self::of(raw, outcome?)),
            // Another has taken it over meanwhile.
            Some(ServerPacket::Goodbye(goodbye)) => Err(Refusal { code: goodbye.code, retry_ms: 0 }),
            other => panic!("{other:?}"),
        }
    }

    fn of(raw: Raw<DuplexStream>, welcome: Welcome) -> Self {
        Self { raw, welcome, next_id: 3, heard: std::collections::VecDeque::new() }
    }

    /// What brings it back.
    pub fn token(&self) -> ResumeToken {
        self.welcome.resume_token.expect("it was asked for")
    }

    /// Where it stood in a conversation when it was welcomed.
    pub fn place(&self, conversation: u64) -> Presence {
        let mut places = self.welcome.conversations.0.iter();
        *places.find(|place| place.conversation == conversation).expect("it is in it")
    }

    pub fn lobby(&self) -> Presence {
        self.place(LOBBY)
    }

    pub fn mailbox(&self) -> Presence {
        self.place(MAILBOX)
    }

    /// The next packet; what was passed over while an answer was waited for comes first.
    pub async fn next(&mut self) -> Option<ServerPacket> {
        match self.heard.pop_front() {
            Some(packet) => Some(packet),
            None => self.raw.receive().await,
        }
    }

    /// The words of the next packet.
    pub async fn told(&mut self) -> String {
        match self.next().await {
            Some(ServerPacket::BroadcastLine(Line { head, sender, text })) => {
                format!("{}/{} {sender}: {text}", head.conversation, head.seq)
            }
            Some(ServerPacket::WhisperLine(Line { head, sender, text })) => {
                format!("*{} {sender}: {text}", head.seq)
            }
            Some(ServerPacket::Missed(Missed { conversation, from, to, .. })) => {
                format!("{conversation} missed {from} to {to}")
            }
            Some(ServerPacket::Joined(joined)) => format!("{} + {}", joined.head.conversation, joined.name),
            Some(ServerPacket::Left(left)) => {
                format!("{} - {} {}", left.head.conversation, left.name, left.reason)
            }
            Some(ServerPacket::Removed(removed)) => format!("out of {}", removed.conversation),
            Some(ServerPacket::Goodbye(goodbye)) => format!("goodbye {}", goodbye.code.0),
            Some(other) => format!("{other:?}"),
            None => "the end".into(),
        }
    }

    /// Asks, and returns the answer.
    pub async fn ask(&mut self, request: impl FnOnce(chat_proto::RequestId) -> ClientPacket) -> ServerPacket {
        let number = self.next_id;
        self.next_id += 1;
        self.raw.send(&[request(id(number))]).await;
        loop {
            let packet = self.raw.receive().await.expect("an answer");
            match packet {
                ServerPacket::BroadcastLine(_)
                | ServerPacket::WhisperLine(_)
                | ServerPacket::Joined(_)
                | ServerPacket::Left(_)
                | ServerPacket::Missed(_)
                | ServerPacket::SystemText(_)
                | ServerPacket::RoomChanged(_)
                | ServerPacket::Removed(_)
                | ServerPacket::Moderated(_) => self.heard.push_back(packet),
                answer => return answer,
            }
        }
    }

    pub async fn say(&mut self, message_id: u64, text: &str) -> Result<Receipt, Refusal> {
        let text = Text::parse(text).expect("a text");
        match self.ask(|id| ClientPacket::Broadcast(Broadcast { id, message_id, text })).await {
            ServerPacket::BroadcastAnswer(answer) => answer.outcome,
            other => panic!("{other:?}"),
        }
    }

    pub async fn say_in(
        &mut self,
        conversation: u64,
        message_id: u64,
        text: &str,
    ) -> Result<Receipt, Refusal> {
        let text = Text::parse(text).expect("a text");
        let request = |id| ClientPacket::RoomChat(RoomChat { id, message_id, conversation, text });
        match self.ask(request).await {
            ServerPacket::RoomChatAnswer(answer) => answer.outcome,
            other => panic!("{other:?}"),
        }
    }

    pub async fn whisper(
        &mut self,
        message_id: u64,
        to: &str,
        text: &str,
    ) -> Result<WhisperReceipt, Refusal> {
        let (to, text) = (Username::parse(to).expect("a name"), Text::parse(text).expect("a text"));
        match self.ask(|id| ClientPacket::Whisper(Whisper { id, message_id, to, text })).await {
            ServerPacket::WhisperAnswer(answer) => answer.outcome,
            other => panic!("{other:?}"),
        }
    }

    /// Reads on after these, and all else from the resume on.
    pub async fn attach(&mut self, cursors: &[Presence]) -> Vec<u64> {
        let cursors = List(cursors.to_vec());
        match self.ask(|id| ClientPacket::Attach(Attach { id, last: 1, cursors })).await {
            ServerPacket::AttachAnswer(Answer { outcome: Ok(Attached { lost }), .. }) => lost.0,
            other => panic!("{other:?}"),
        }
    }

    /// Makes a room.
    pub async fn create(&mut self, name: &str, settings: RoomSettings) -> Presence {
        let (name, password) = (RoomName::parse(name).expect("a name"), RoomPassword::default());
        let topic = Remark::default();
        let request = |id| ClientPacket::CreateRoom(CreateRoom { id, name, password, settings, topic });
        match self.ask(request).await {
            ServerPacket::CreateRoomAnswer(Answer { outcome: Ok(entered), .. }) => entered.place,
            other => panic!("{other:?}"),
        }
    }

    /// Comes into a room.
    pub async fn join(&mut self, name: &str) -> Presence {
        let (name, password) = (RoomName::parse(name).expect("a name"), RoomPassword::default());
        match self.ask(|id| ClientPacket::JoinRoom(JoinRoom { id, name, password })).await {
            ServerPacket::JoinRoomAnswer(Answer { outcome: Ok(entered), .. }) => entered.place,
            other => panic!("{other:?}"),
        }
    }

    /// Leaves a room.
    pub async fn leave(&mut self, conversation: u64) {
        match self.ask(|id| ClientPacket::LeaveRoom(LeaveRoom { id, conversation })).await {
            ServerPacket::LeaveRoomAnswer(Answer { outcome: Ok(_), .. }) => {}
            other => panic!("{other:?}"),
        }
    }

    /// Puts somebody out of a room.
    pub async fn kick(&mut self, conversation: u64, name: &str) {
        let (name, reason) = (Username::parse(name).expect("a name"), Remark::default());
        let act = Act::Kick as u16;
        let request =
            |id| ClientPacket::Moderate(Moderate { id, conversation, act, name, seconds: 0, reason });
        match self.ask(request).await {
            ServerPacket::ModerateAnswer(Answer { outcome: Ok(()), .. }) => {}
            other => panic!("{other:?}"),
        }
    }

    /// Whether it was in a conversation when it was welcomed.
    pub fn was_in(&self, conversation: u64) -> bool {
        self.welcome.conversations.0.iter().any(|place| place.conversation == conversation)
    }

    pub async fn who(&mut self) -> Vec<(String, u16)> {
        let request = |id| ClientPacket::Who(Who { id, conversation: LOBBY, after: 0, limit: 200 });
        match self.ask(request).await {
            ServerPacket::WhoAnswer(Answer { outcome: Ok(page), .. }) => {
                page.entries.0.into_iter().map(|WhoEntry { name, state, .. }| (name, state)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    pub async fn log_out(mut self) {
        let answer = self.ask(|id| ClientPacket::Logout(Logout { id })).await;
        assert!(matches!(answer, ServerPacket::LogoutAnswer(_)), "{answer:?}");
        assert_eq!(self.told().await, "goodbye 0");
    }

    /// The words of the next packet; `None` if none comes for a while.
    pub async fn told_or_silent(&mut self) -> Option<String> {
        timeout(Duration::from_secs(1), self.told()).await.ok()
    }

    /// Nothing has come, and nothing does for a while.
    pub async fn hears_nothing(&mut self) {
        assert!(self.heard.is_empty(), "{:?}", self.heard);
        let silence = timeout(Duration::from_secs(1), self.raw.receive()).await;
        assert!(silence.is_err(), "{silence:?}");
    }
}
