//! The core alone: lines said in a room, and every member gathering them, without sockets or tasks.

use std::sync::Arc;

use chat_proto::{LOBBY, Text, Username};
use criterion::{BatchSize, Criterion, Throughput};
use iocp_chat::{
    config::Bounds,
    net::Outbound,
    room::{Charter, Control, Hub, LOBBY_BIT, Log, Mailbox, Pace, SessionId, Subscriber},
};

/// Lines said between two gatherings: what four talkers with 32 lines outstanding each keep going.
const LINES: u64 = 128;

/// Measures a room of 100 and one of 1,000.
pub fn run() {
    let mut criterion = Criterion::default().without_plots();
    for members in [100, 1_000] {
        let mut group = criterion.benchmark_group("fan-out in memory");
        group.throughput(Throughput::Elements(LINES * members));
        group.bench_function(format!("{members} members, {LINES} lines a turn"), |bencher| {
            let (mut hub, mut outbounds) = room(members);
            let text = Text::parse(&"x".repeat(64)).expect("valid");
            bencher.iter_batched(|| (), |()| turn(&mut hub, &mut outbounds, &text), BatchSize::PerIteration);
        });
        group.finish();
    }
    criterion.final_summary();
}

fn turn(hub: &mut Hub, outbounds: &mut [Outbound], text: &Text) {
    for line in 0..LINES {
        hub.say(LOBBY, SessionId(line % 4 + 1), (text, 0), 0).expect("a member speaks");
    }
    hub.publish();
    for outbound in outbounds {
        outbound.gather(outbound.subscriber().take_ready());
        while outbound.has_pieces() {
            outbound.advance(usize::MAX);
        }
    }
}

fn room(members: u64) -> (Hub, Vec<Outbound>) {
    let bounds = Bounds { lines: 4_096, bytes: 1 << 20 };
    let mut hub = Hub::new(0);
    hub.open(Log::new(LOBBY, 1, bounds), Pace::new(|| {}), Charter::lobby());
    let outbounds = (1..=members).map(|number| {
        let name = Username::parse(&format!("member{number}")).expect("valid");
        let subscriber = Arc::new(Subscriber::new(
            SessionId(number),
            name,
            chat_proto::Role::Guest,
            Mailbox::new(1, bounds),
        ));
        let (_, attachment) = hub.join(LOBBY, &subscriber, LOBBY_BIT, 0).expect("a new member");
        subscriber.tell(Control::Attach(attachment));
        Outbound::new(subscriber)
    });
    let outbounds = outbounds.collect();
    (hub, outbounds)
}
