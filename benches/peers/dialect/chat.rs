//! Our own server's protocol (`proto/PROTOCOL.md`).

use bytes::BytesMut;
use chat_proto::{
    Broadcast, ClientPacket, Credential, Hello, Login, Logout, Pong, RequestId, ServerPacket, Text, Username,
    VERSION, Whisper, kind,
};
use iocp_chat::client::bench::parts::{Broken, Fields, Packets};

use super::{Dialect, Frame, Heard, To, Who};

const HELLO: RequestId = RequestId::MIN;
const LOGIN: RequestId = HELLO.saturating_add(1);
/// Of every line: nobody looks at which of them is answered.
const LINE: RequestId = LOGIN.saturating_add(1);
const LOGOUT: RequestId = LINE.saturating_add(1);

/// A chat-server.
pub struct Chat;

impl Dialect for Chat {
    fn enter(_entry: usize, who: Who<'_>, out: &mut Vec<u8>) {
        let name = Username::parse(who.name).expect("a letter and digits");
        put(&ClientPacket::Hello(Hello { id: HELLO, version: VERSION, features: 0 }), out);
        put(&ClientPacket::Login(Login { id: LOGIN, name, credential: Credential::None }), out);
    }

    fn frame(to: To<'_>, size: usize) -> Frame {
        let text = Text::parse(&"x".repeat(size)).expect("a line of the plan's size");
        let mut before = Vec::new();
        let packet = match to {
            To::Room => ClientPacket::Broadcast(Broadcast { id: LINE, message_id: 0, text }),
            To::One(name) => {
                let to = Username::parse(name).expect("a letter and digits");
                ClientPacket::Whisper(Whisper { id: LINE, message_id: 0, to, text })
            }
        };
        put(&packet, &mut before);
        // The text is a packet's last field.
        before.truncate(before.len() - size);
        Frame { before, after: Vec::new() }
    }

    #[inline]
    fn next(bytes: &[u8]) -> Result<Option<(Heard<'_>, usize)>, Broken> {
        let mut packets = Packets::new(bytes);
        let Some((kind, body)) = packets.next_packet()? else { return Ok(None) };
        let heard = match kind {
            kind::BROADCAST_LINE | kind::WHISPER_LINE => Heard::Line(body.line()?.text),
            kind => other(kind, body)?,
        };
        Ok(Some((heard, bytes.len() - packets.rest().len())))
    }

    fn leave(out: &mut Vec<u8>) {
        put(&ClientPacket::Logout(Logout { id: LOGOUT }), out);
    }

    fn pong(ping: &[u8], out: &mut Vec<u8>) {
        if let Ok(ServerPacket::Ping(ping)) = ServerPacket::decode(kind::PING, ping) {
            put(&ClientPacket::Pong(Pong { payload: ping.payload }), out);
        }
    }
}

fn other(kind: u16, mut body: Fields<'_>) -> Result<Heard<'_>, Broken> {
    match kind {
        kind::HELLO_ANSWER | kind::LOGIN_ANSWER | kind::BROADCAST_ANSWER | kind::WHISPER_ANSWER => {
            let (_id, code) = (body.number()?, body.number()?);
            Ok(match (kind, code) {
                (kind::LOGIN_ANSWER, 0) => Heard::Entered,
                (_, 0) => Heard::Other,
                (kind::HELLO_ANSWER | kind::LOGIN_ANSWER, _) => Heard::Refused(b"no login"),
                _ => Heard::Refused(b"a line was refused"),
            })
        }
        kind::PING => Ok(Heard::Ping(body.0)),
        kind::ERROR => Ok(Heard::Refused(b"a packet was refused")),
        kind::GOODBYE => Ok(Heard::Refused(b"goodbye")),
        _ => Ok(Heard::Other),
    }
}

fn put(packet: &ClientPacket, out: &mut Vec<u8>) {
    let mut bytes = BytesMut::new();
    packet.encode(&mut bytes);
    out.extend_from_slice(&bytes);
}
