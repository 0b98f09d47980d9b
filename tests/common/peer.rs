//! The server's end of a connection, for broken servers that a load generator must find out.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use bytes::BytesMut;
use chat_proto::{
    Answer, ClientPacket, Code, HelloAnswer, LOBBY, Limits, List, PacketCodec, Presence, ServerPacket,
    Welcome, limits::SERVER_PACKET_BYTES_MAX,
};
use tokio_util::codec::Decoder;

/// The server's end of a connection.
pub struct Peer {
    socket: TcpStream,
    codec: PacketCodec,
    buffer: BytesMut,
    /// What it calls itself.
    pub name: String,
}

impl Peer {
    /// Greets, and lets in.
    pub fn greet(socket: TcpStream) -> Self {
        socket.set_nodelay(true).expect("a TCP option");
        let codec = PacketCodec::new(SERVER_PACKET_BYTES_MAX);
        let mut peer = Self { socket, codec, buffer: BytesMut::new(), name: String::new() };
        let Some(ClientPacket::Hello(hello)) = peer.receive() else { panic!("a Hello is first") };
        let limits = Limits { chat_per_second: 0, notice_members: 0, ..Limits::DEFAULT };
        let hello = HelloAnswer {
            id: hello.id,
            code: Code::OK,
            version_min: 1,
            version_max: 1,
            features: 0,
            durability: 0,
            ways_in: chat_proto::way_in::GUEST,
            time_ms: 0,
            limits,
        };
        peer.send(&ServerPacket::HelloAnswer(hello).to_bytes());
        let Some(ClientPacket::Login(login)) = peer.receive() else { panic!("a Login is second") };
        login.name.as_str().clone_into(&mut peer.name);
        let welcome = Welcome {
            session: 1,
            name: peer.name.clone(),
            time_ms: 0,
            role: chat_proto::Role::Guest as u16,
            resume_token: None,
            grace_ms: 0,
            conversations: List(vec![Presence { conversation: LOBBY, epoch: 9, seq: 0 }]),
        };
        peer.send(&ServerPacket::LoginAnswer(Answer { id: login.id, outcome: Ok(welcome) }).to_bytes());
        peer
    }

    /// The next packet; `None` when it has gone.
    pub fn receive(&mut self) -> Option<ClientPacket> {
        loop {
            if let Some(frame) = self.codec.decode(&mut self.buffer).expect("packets") {
                return Some(ClientPacket::decode(frame.kind, &frame.body).expect("valid"));
            }
            let mut bytes = [0; 4_096];
            match self.socket.read(&mut bytes) {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.buffer.extend_from_slice(&bytes[..count]),
            }
        }
    }

    /// Sends what is encoded.
    pub fn send(&mut self, bytes: &[u8]) {
        // The run may be over.
        let _ = self.socket.write_all(bytes);
    }
}
