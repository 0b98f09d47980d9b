//! What the scripted server knows of sessions that outlive their connections.

use chat_proto::{
    Answer, Attached, ClientPacket, ErrorCode, Line, List, Presence, RequestId, ResumeToken, Role,
    ServerPacket, Welcome, feature, way_in,
};

use super::fake::{HEAD, LIMITS, Peer, refusal};

pub fn at(conversation: u64, epoch: u64, seq: u64) -> Presence {
    Presence { conversation, epoch, seq }
}

/// The lobby after line 3, where [`HEAD`] stands, is where the next of these comes.
pub fn lobby(seq: u64) -> Presence {
    at(1, HEAD.epoch, seq)
}

pub fn line_at(seq: u64, text: &str) -> ServerPacket {
    let (sender, text) = ("lee".to_owned(), text.to_owned());
    ServerPacket::BroadcastLine(Line { head: chat_proto::LineHead { seq, ..HEAD }, sender, text })
}

fn welcome(role: Role, token: u8, conversations: &[Presence]) -> Welcome {
    Welcome {
        session: 7,
        name: "kim".to_owned(),
        time_ms: 0,
        role: role as u16,
        resume_token: Some(ResumeToken([token; 32])),
        grace_ms: 120_000,
        conversations: List(conversations.to_vec()),
    }
}

impl Peer {
    /// Greets somebody whose session is to last, and lets them have it.
    pub fn greet_lasting(&mut self) {
        let asked = self.greet_granting(feature::RESUME, way_in::GUEST, LIMITS);
        assert_eq!(asked, feature::RESUME | feature::SEALED);
    }

    /// Greets, and takes a login, which is answered with this token.
    pub fn let_in_lasting(&mut self, token: u8, conversations: &[Presence]) {
        self.let_in_lasting_as(Role::Guest, token, conversations);
    }

    /// The same of somebody who may do this.
    pub fn let_in_lasting_as(&mut self, role: Role, token: u8, conversations: &[Presence]) {
        let Some(ClientPacket::Login(login)) = self.recv() else { panic!("a Login is next") };
        let outcome = Ok(welcome(role, token, conversations));
        self.send(&ServerPacket::LoginAnswer(Answer { id: login.id, outcome }));
    }

    fn recv_resume(&mut self, token: u8) -> RequestId {
        let Some(ClientPacket::Resume(resume)) = self.recv() else { panic!("a Resume is next") };
        assert_eq!(resume.token, ResumeToken([token; 32]));
        resume.id
    }

    /// Takes this token, and gives the next; returns the cursors that come then.
    pub fn let_back_in(&mut self, token: u8, conversations: &[Presence]) -> Vec<Presence> {
        let id = self.recv_resume(token);
        let outcome = Ok(welcome(Role::Guest, token + 1, conversations));
        self.send(&ServerPacket::ResumeAnswer(Answer { id, outcome }));
        let Some(ClientPacket::Attach(attach)) = self.recv() else { panic!("an Attach is next") };
        let outcome = Ok(Attached { lost: List::default() });
        self.send(&ServerPacket::AttachAnswer(Answer { id: attach.id, outcome }));
        attach.cursors.0
    }

    /// Does not take this token.
    pub fn refuse_resume(&mut self, token: u8) {
        let id = self.recv_resume(token);
        let outcome = Err(refusal(ErrorCode::ResumeInvalid, 0));
        self.send(&ServerPacket::ResumeAnswer(Answer { id, outcome }));
    }

    /// Takes a broadcast; returns its id, its number, its text.
    pub fn recv_numbered(&mut self) -> (RequestId, u64, String) {
        match self.recv() {
            Some(ClientPacket::Broadcast(said)) => (said.id, said.message_id, said.text.as_str().to_owned()),
            other => panic!("{other:?} is not a broadcast"),
        }
    }
}
