//! Operations whose cost is counted in instructions, each alone and with the same input every time.
//!
//! `scripts/instructions.sh` counts them under callgrind, and `instructions.toml` says what they may cost. The program
//! itself takes a name and how many times; without them it does each once, and says what there is.

use std::{env, hint::black_box, process::ExitCode, sync::Arc};

use bytes::BytesMut;
use chat_proto::{
    Answer, Broadcast, ClientPacket, Line, LineHead, PacketCodec, Receipt, RequestId, ServerPacket, Text,
    Username, Whisper, Words, limits::CLIENT_PACKET_BYTES_MAX,
};
use iocp_chat::{
    config::{Bounds, RoomsConfig},
    net::Outbound,
    room::{Charter, Control, Directory, Hub, Log, Mailbox, Pace, SessionId, Subscriber},
    session::{NameForms, SessionRegistry},
};
use tokio_util::codec::Decoder;

/// What is done again and again. From the second time on, every time is like the last.
type Operation = Box<dyn FnMut()>;
type Prepare = fn() -> Operation;

/// What there is to count, and what prepares it.
const OPERATIONS: [(&str, Prepare); 13] = [
    ("encode-broadcast", encode_broadcast),
    ("encode-whisper", encode_whisper),
    ("encode-answer", encode_answer),
    ("frame", frame),
    ("decode-broadcast", || decode(&broadcast(TEXT))),
    ("decode-broadcast-korean", || decode(&broadcast(KOREAN_TEXT))),
    ("decode-whisper", || decode(&whisper(NAME, TEXT))),
    ("decode-whisper-korean", || decode(&whisper(KOREAN_NAME, KOREAN_TEXT))),
    ("append", append),
    ("say", say),
    ("gather", || gather(1)),
    ("gather-rooms", || gather(ROOMS)),
    ("whisper", hand_over),
];

/// The most times in one run: each gathering is done by a member of its own.
const TIMES_MAX: usize = 400;

/// Lines said between two gatherings: what four talkers with 32 lines outstanding each keep going.
const LINES: u64 = 128;
/// Those who say them.
const TALKERS: usize = 4;
/// Rooms of a member of several; what is said is said in all of them by turns.
const ROOMS: u64 = 8;
/// Members of the room that is only appended to: every one is told.
const LISTENERS: u64 = 100;

const LOBBY: Bounds = Bounds { lines: 4_096, bytes: 1 << 20 };
const MAILBOX: Bounds = Bounds { lines: 256, bytes: 128 << 10 };
/// Turns after which a room is full, and each line that comes makes one go.
const TURNS_TO_FILL: usize = 40;
/// Whispers after which a mailbox is.
const WHISPERS_TO_FILL: usize = 300;

/// Both names have 7 characters, and both texts 64.
const NAME: &str = "member1";
const KOREAN_NAME: &str = "손님일이삼사오";
const TEXT: &str = "Shall we meet in front of the station at seven, as we did, then?";
const KOREAN_TEXT: &str = "저녁 일곱 시에 역 앞에서 만날까요? 늦으면 먼저 가 계세요. 자리는 제 이름으로 잡아 뒀고 비 오면 차로 갈게요.";

const HEAD: LineHead = LineHead {
    conversation: chat_proto::LOBBY,
    epoch: 0x1234_5678_9abc_def0,
    seq: 100_000,
    time_ms: 1_760_000_000_000,
};
const ID: RequestId = RequestId::new(1_000).expect("not zero");

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let operands: Vec<String> = env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    match &operands[..] {
        [] => {
            for (name, prepare) in OPERATIONS {
                prepare()();
                println!("{name}");
            }
            ExitCode::SUCCESS
        }
        [name, times] => match (OPERATIONS.iter().find(|(known, _)| known == name), times.parse()) {
            (Some((_, prepare)), Ok(times @ 0..=TIMES_MAX)) => {
                let mut operation = prepare();
                (0..times).for_each(|_| operation());
                ExitCode::SUCCESS
            }
            _ => usage(),
        },
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("instructions [NAME TIMES], at most {TIMES_MAX} times");
    ExitCode::from(2)
}

fn encode_broadcast() -> Operation {
    let mut out = BytesMut::with_capacity(1_024);
    Box::new(move || {
        out.clear();
        black_box(Line { head: HEAD, sender: NAME, text: TEXT }).encode_broadcast(black_box(&mut out));
    })
}

fn encode_whisper() -> Operation {
    let mut out = BytesMut::with_capacity(1_024);
    Box::new(move || {
        out.clear();
        black_box(Line { head: HEAD, sender: NAME, text: TEXT }).encode_whisper(black_box(&mut out));
    })
}

/// With the allocation that every answer is.
fn encode_answer() -> Operation {
    let receipt = Receipt { epoch: HEAD.epoch, seq: HEAD.seq, time_ms: HEAD.time_ms };
    let answer = ServerPacket::BroadcastAnswer(Answer { id: ID, outcome: Ok(receipt) });
    Box::new(move || {
        black_box(black_box(&answer).to_bytes());
    })
}

/// Eight packets come in one read, and are cut apart.
fn frame() -> Operation {
    let mut bytes = Vec::new();
    for _ in 0..8 {
        bytes.extend_from_slice(&encoded(&broadcast(TEXT)));
    }
    let mut codec = PacketCodec::new(CLIENT_PACKET_BYTES_MAX);
    Box::new(move || {
        let mut read = BytesMut::from(black_box(&bytes[..]));
        while let Some(frame) = codec.decode(&mut read).expect("packets") {
            black_box(frame);
        }
    })
}

/// The body of one packet, parsed: names and texts too.
fn decode(packet: &ClientPacket) -> Operation {
    let bytes = encoded(packet);
    let mut codec = PacketCodec::new(CLIENT_PACKET_BYTES_MAX);
    let frame = codec.decode(&mut BytesMut::from(&bytes[..])).expect("a packet").expect("whole");
    Box::new(move || {
        let frame = black_box(&frame);
        black_box(ClientPacket::decode(frame.kind, &frame.body)).expect("valid");
    })
}

/// A turn's lines are said in a room and published; as many go.
fn append() -> Operation {
    let (mut hub, members) = members_of(1, LISTENERS);
    let text = Text::parse(TEXT).expect("valid");
    (0..TURNS_TO_FILL).for_each(|_| say_a_turn(&mut hub, 1, &text));
    Box::new(move || {
        say_a_turn(&mut hub, 1, black_box(&text));
        black_box(&members);
    })
}

/// As `append`, and before each line the directory asks whether its speaker may: the way of the server.
fn say() -> Operation {
    let lobby = Log::new(chat_proto::LOBBY, HEAD.epoch, LOBBY);
    let mut directory = Directory::new(0, lobby, RoomsConfig::default(), || {});
    let members: Vec<_> = (1..=LISTENERS).map(|number| Arc::new(subscriber(number))).collect();
    for member in &members {
        directory.enter_lobby(member, HEAD.time_ms);
    }
    let text = Text::parse(TEXT).expect("valid");
    let mut operation = move || {
        for (_, talker) in (0..LINES).zip(members[..TALKERS].iter().cycle()) {
            let said = directory.say(chat_proto::LOBBY, talker, (black_box(&text), 0), HEAD.time_ms);
            said.expect("a member speaks");
        }
        directory.hub_mut().publish();
    };
    (0..TURNS_TO_FILL).for_each(|_| operation());
    Box::new(operation)
}

/// One listener takes what a turn has said, however many rooms it was said in, and sends it.
fn gather(rooms: u64) -> Operation {
    // The talkers, who pass over their own lines, come first here, and would be the last to gather.
    let (mut hub, mut members) = members_of(rooms, (TALKERS + TIMES_MAX) as u64);
    let text = Text::parse(TEXT).expect("valid");
    // Everybody has gathered before, so that what only a first time needs is there.
    say_a_turn(&mut hub, rooms, &text);
    members.iter_mut().for_each(gather_all);
    say_a_turn(&mut hub, rooms, &text);
    let mut gone = Vec::with_capacity(TIMES_MAX);
    Box::new(move || {
        let mut listener = members.pop().expect("no more times than members");
        gather_all(black_box(&mut listener));
        // Leaving is not part of it.
        gone.push(listener);
    })
}

/// A whisper finds whom it is for, and their writer takes it and sends it.
fn hand_over() -> Operation {
    let (_, mut members) = members_of(1, 1);
    let mut recipient = members.pop().expect("one");
    let registry = SessionRegistry::new();
    registry.claim(&NameForms::of(recipient.subscriber().name()), recipient.subscriber()).expect("free");
    let (to, from) = (recipient.subscriber().name().clone(), Username::parse("member2").expect("valid"));
    let text = Words::Plain(Text::parse(TEXT).expect("valid"));
    let mut operation = move || {
        let found = registry.find(&black_box(&to).key()).expect("signed in");
        found.whisper((SessionId(2), &from), 0, black_box(&text), HEAD.time_ms).expect("open");
        gather_all(&mut recipient);
    };
    (0..WHISPERS_TO_FILL).for_each(|_| operation());
    Box::new(operation)
}

/// Rooms, and people who are in all of them.
fn members_of(rooms: u64, members: u64) -> (Hub, Vec<Outbound>) {
    let mut hub = Hub::new(0);
    for room in 1..=rooms {
        hub.open(Log::new(room, HEAD.epoch, LOBBY), Pace::new(|| {}), Charter::lobby());
    }
    let outbounds = (1..=members).map(|number| {
        let subscriber = Arc::new(subscriber(number));
        for room in 1..=rooms {
            // The lobby has bit 1, and the rooms after it have the next.
            let bit = u32::try_from(room).expect("a few rooms");
            let (_, attachment) = hub.join(room, &subscriber, bit, HEAD.time_ms).expect("a new member");
            subscriber.tell(Control::Attach(attachment));
        }
        Outbound::new(subscriber)
    });
    let outbounds = outbounds.collect();
    (hub, outbounds)
}

fn subscriber(number: u64) -> Subscriber {
    let name = Username::parse(&format!("member{number}")).expect("valid");
    let mailbox = Mailbox::new(HEAD.epoch, MAILBOX);
    Subscriber::new(SessionId(number), name, chat_proto::Role::Guest, mailbox)
}

fn say_a_turn(hub: &mut Hub, rooms: u64, text: &Text) {
    for line in 0..LINES {
        let talker = SessionId(line / rooms % TALKERS as u64 + 1);
        hub.say(line % rooms + 1, talker, (text, 0), HEAD.time_ms).expect("a member speaks");
    }
    hub.publish();
}

fn gather_all(outbound: &mut Outbound) {
    outbound.gather(outbound.subscriber().take_ready());
    while outbound.has_pieces() {
        outbound.advance(usize::MAX);
        outbound.gather(outbound.subscriber().take_ready());
    }
}

fn broadcast(text: &str) -> ClientPacket {
    let text = Text::parse(text).expect("valid");
    ClientPacket::Broadcast(Broadcast { id: ID, message_id: 0, text })
}

fn whisper(to: &str, text: &str) -> ClientPacket {
    let (to, text) = (Username::parse(to).expect("valid"), Text::parse(text).expect("valid"));
    ClientPacket::Whisper(Whisper { id: ID, message_id: 0, to, text })
}

fn encoded(packet: &ClientPacket) -> BytesMut {
    let mut out = BytesMut::new();
    packet.encode(&mut out);
    out
}
