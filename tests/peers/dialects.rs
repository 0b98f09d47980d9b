//! What each server sends, heard wherever it is torn; what each client must say.

use bytes::BytesMut;
use chat_proto::{
    Answer, ClientPacket, Code, Line, LineHead, Ping, PingPayload, Receipt, Refusal, RequestId, ServerPacket,
};
use iocp_chat::client::bench::parts::{Broken, Packets};

use crate::dialect::{Chat, Dialect, Frame, Heard, Irc, Mqtt, Nats, Redis, To, Who};

const LISTENER: Who<'_> = Who { name: "m17", listens: true };

/// All that `bytes` hold; they hold nothing else, and cut anywhere they come to the same.
fn heard<D: Dialect>(bytes: &[u8]) -> Vec<Heard<'_>> {
    let in_two = |cut: usize| {
        let (mut all, mut at) = (Vec::new(), 0);
        for end in [cut, bytes.len()] {
            while let Some((heard, used)) = D::next(&bytes[at..end]).expect("the protocol") {
                all.push(heard);
                at += used;
            }
        }
        assert_eq!(at, bytes.len(), "cut at {cut}");
        all
    };
    let whole = in_two(0);
    for cut in 1..bytes.len() {
        assert_eq!(in_two(cut), whole, "cut at {cut}");
    }
    whole
}

fn entry<D: Dialect>(entry: usize, who: Who<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    D::enter(entry, who, &mut out);
    out
}

fn said<D: Dialect>(to: To<'_>, text: &[u8]) -> Vec<u8> {
    let Frame { before, after } = D::frame(to, text.len());
    [&before[..], text, &after].concat()
}

#[test]
fn what_our_server_sends_is_heard_wherever_it_is_torn() {
    let mut bytes = BytesMut::new();
    let answer = |outcome| ServerPacket::BroadcastAnswer(Answer { id: RequestId::MIN, outcome });
    answer(Ok(Receipt { epoch: 9, seq: 7, time_ms: 1 })).encode(&mut bytes);
    let head = LineHead { conversation: 1, epoch: 9, seq: 300, time_ms: 1_790_000_000_123 };
    Line { head, sender: "m3", text: "hello" }.encode_broadcast(&mut bytes);
    let payload = PingPayload::new(b"now").expect("short");
    ServerPacket::Ping(Ping { payload }).encode(&mut bytes);
    answer(Err(Refusal { code: Code(3001), retry_ms: 9 })).encode(&mut bytes);
    let refused = Heard::Refused(b"a line was refused");
    let wanted = [Heard::Other, Heard::Line(b"hello"), Heard::Ping(b"\x03now"), refused];
    assert_eq!(heard::<Chat>(&bytes), wanted);
}

#[test]
fn a_line_for_our_server_stands_in_the_packet_that_the_protocol_crate_reads() {
    for to in [To::Room, To::One(LISTENER.name)] {
        let packet = said::<Chat>(to, b"hello");
        let (kind, body) = Packets::new(&packet).next_packet().expect("a packet").expect("whole");
        let text = match ClientPacket::decode(kind, body.0).expect("valid") {
            ClientPacket::Broadcast(said) => said.text,
            ClientPacket::Whisper(said) if said.to.as_str() == "m17" => said.text,
            other => panic!("{other:?}"),
        };
        assert_eq!(text.as_str(), "hello");
    }
}

#[test]
fn what_redis_sends_is_heard_wherever_it_is_torn() {
    let bytes = b"*3\r\n$9\r\nsubscribe\r\n$4\r\nroom\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$3\r\nm17\r\n:2\r\n\
        *3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n$7\r\nhel\r\nlo\r\n:996\r\n+PONG\r\n+OK\r\n-ERR no\r\n";
    let wanted = [
        Heard::Other,
        Heard::Entered,
        Heard::Line(b"hel\r\nlo"),
        Heard::Other,
        Heard::Entered,
        Heard::Other,
        Heard::Refused(b"ERR no"),
    ];
    assert_eq!(heard::<Redis>(bytes), wanted);
    for bytes in [&b"HTTP/1.1 400\r\n"[..], b"*3\r\n+no\r\n", b"*9\r\n", b"*1\r\n$2\r\nabc\r\n"] {
        assert_eq!(Redis::next(bytes), Err(Broken));
    }
}

#[test]
fn who_listens_to_redis_subscribes_and_who_talks_publishes() {
    let subscribe = b"*3\r\n$9\r\nSUBSCRIBE\r\n$4\r\nroom\r\n$3\r\nm17\r\n";
    assert_eq!(entry::<Redis>(0, LISTENER), subscribe);
    assert_eq!(entry::<Redis>(0, Who { listens: false, ..LISTENER }), b"*1\r\n$4\r\nPING\r\n");
    let publish = b"*3\r\n$7\r\nPUBLISH\r\n$3\r\nm17\r\n$5\r\nhello\r\n";
    assert_eq!(said::<Redis>(To::One("m17"), b"hello"), publish);
}

#[test]
fn what_nats_sends_is_heard_wherever_it_is_torn() {
    let bytes = b"INFO {\"max_payload\":1048576} \r\nPONG\r\nMSG room 1 7\r\nhel\r\nlo\r\nPING\r\n+OK\r\n\
        MSG m17 2 0\r\n\r\n-ERR 'Slow Consumer'\r\n";
    let wanted = [
        Heard::Other,
        Heard::Entered,
        Heard::Line(b"hel\r\nlo"),
        Heard::Ping(b""),
        Heard::Other,
        Heard::Line(b""),
        Heard::Refused(b"-ERR 'Slow Consumer'"),
    ];
    assert_eq!(heard::<Nats>(bytes), wanted);
    for bytes in [&b"HELLO\r\n"[..], b"MSG room 1 x\r\n", b"MSG room 1 2\r\nabc\r\n"] {
        assert_eq!(Nats::next(bytes), Err(Broken));
    }
}

#[test]
fn who_listens_to_nats_subscribes_to_the_room_and_to_a_subject_of_its_own() {
    let connect = b"CONNECT {\"verbose\":false,\"pedantic\":false,\"echo\":false}\r\n";
    let subscribe = b"SUB room 1\r\nSUB m17 2\r\nPING\r\n";
    assert_eq!(entry::<Nats>(0, LISTENER), [&connect[..], subscribe].concat());
    assert_eq!(said::<Nats>(To::Room, b"hello"), b"PUB room 5\r\nhello\r\n");
}

#[test]
fn what_an_irc_server_sends_is_heard_wherever_it_is_torn() {
    let bytes = b":irc.test NOTICE * :*** Looking up\r\n:irc.test 001 m17 :Welcome\r\n\
        :irc.test 422 m17 :no MOTD\r\n:m17!m17@127.0.0.1 JOIN #room\r\n:irc.test 366 m17 #room :End\r\n\
        :m3!~m3@127.0.0.1 PRIVMSG #room :hel :lo\r\n:m3!m3@127.0.0.1 PRIVMSG m17 ::x\r\nPING :irc.test\r\n\
        :irc.test 433 * m17 :in use\r\nERROR :Closing link\r\n";
    let wanted = [
        Heard::Other,
        Heard::Entered,
        Heard::Other,
        Heard::Other,
        Heard::Entered,
        Heard::Line(b"hel :lo"),
        Heard::Line(b":x"),
        Heard::Ping(b":irc.test"),
        Heard::Refused(b"* m17 :in use"),
        Heard::Refused(b":Closing link"),
    ];
    assert_eq!(heard::<Irc>(bytes), wanted);
}

#[test]
fn a_member_of_an_irc_server_registers_joins_and_speaks() {
    assert_eq!(entry::<Irc>(0, LISTENER), b"NICK m17\r\nUSER m17 0 * :m17\r\n");
    assert_eq!(entry::<Irc>(1, LISTENER), b"JOIN #room\r\n");
    assert_eq!(said::<Irc>(To::Room, b"hello"), b"PRIVMSG #room :hello\r\n");
    assert_eq!(said::<Irc>(To::One("m4"), b"hello"), b"PRIVMSG m4 :hello\r\n");
}

/// A `PUBLISH` as a broker forwards it, with a property that is passed over.
fn forwarded(text: &[u8]) -> Vec<u8> {
    let size = u8::try_from(10 + text.len()).expect("at most two bytes of size");
    let size = if size < 128 { vec![size] } else { vec![size, 1] };
    [b"\x30", &size[..], b"\0\x04room\x03\x23\0\x01", text].concat()
}

#[test]
fn what_an_mqtt_broker_sends_is_heard_wherever_it_is_torn() {
    let long = [b'x'; 200];
    let bytes = [
        b"\x20\x03\0\0\0\x90\x05\0\x01\0\0\0".to_vec(),
        forwarded(b"hello"),
        forwarded(&long),
        b"\x20\x03\0\x87\0\x90\x05\0\x01\0\0\x80\xe0\x01\x8e".to_vec(),
    ]
    .concat();
    let wanted = [
        Heard::Other,
        Heard::Entered,
        Heard::Line(b"hello"),
        Heard::Line(&long),
        Heard::Refused(b"CONNACK with a failure"),
        Heard::Refused(b"SUBACK with a failure"),
        Heard::Refused(b"DISCONNECT"),
    ];
    assert_eq!(heard::<Mqtt>(&bytes), wanted);
    for bytes in [&b"\x30\xff\xff\xff\xff"[..], b"\x30\x01\0", b"\x30\x03\0\x09x", b"\x90\x01\0"] {
        assert_eq!(Mqtt::next(bytes), Err(Broken));
    }
}

#[test]
fn a_member_of_an_mqtt_broker_subscribes_without_its_own_lines() {
    let connect = b"\x10\x10\0\x04MQTT\x05\x02\0\0\0\0\x03m17";
    let subscribe = b"\x82\x10\0\x01\0\0\x04room\x04\0\x03m17\x04";
    assert_eq!(entry::<Mqtt>(0, LISTENER), [&connect[..], subscribe].concat());
}

#[test]
fn an_mqtt_line_of_any_size_is_heard_as_it_is_said() {
    for size in [0, 63, 64, 119, 120, 16_375, 16_376] {
        let text = vec![b'x'; size];
        let packet = said::<Mqtt>(To::Room, &text);
        assert_eq!(Mqtt::next(&packet), Ok(Some((Heard::Line(&text), packet.len()))));
    }
}

#[test]
fn who_asks_whether_we_are_there_hears_that_we_are() {
    let pong = |pong: fn(&[u8], &mut Vec<u8>), ping: &[u8]| {
        let mut out = Vec::new();
        pong(ping, &mut out);
        out
    };
    assert_eq!(pong(Irc::pong, b":irc.test"), b"PONG :irc.test\r\n");
    assert_eq!(pong(Nats::pong, b""), b"PONG\r\n");
    let packet = pong(Chat::pong, b"\x03now");
    let (kind, body) = Packets::new(&packet).next_packet().expect("a packet").expect("whole");
    let Ok(ClientPacket::Pong(pong)) = ClientPacket::decode(kind, body.0) else { panic!("{packet:?}") };
    assert_eq!(pong.payload.as_bytes(), b"now");
}
