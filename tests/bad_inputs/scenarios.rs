//! The rows that are more than one connection's bytes: crowds and floods of connections.

use std::time::Duration;

use chat_proto::ServerPacket;
use tokio::{
    task::yield_now,
    time::{Instant, sleep},
};

use super::{
    packets,
    peer::{Event, Peer},
    room_scenarios, slow_readers,
    stage::{Stage, connect, patience, since},
};

/// What is wrong, if anything is.
pub type Outcome = Result<(), String>;

/// Runs the scenario that a row names.
pub async fn run(name: &str, stage: &mut Stage) -> Outcome {
    match name {
        "every_undefined_type_after_login" => every_undefined_type_after_login(stage).await,
        "every_undefined_type_before_login" => every_undefined_type_before_login(stage).await,
        "log_in_and_vanish" => log_in_and_vanish(stage).await,
        "a_guest_takes_nothing" => slow_readers::a_guest_takes_nothing(stage).await,
        "a_reader_takes_nothing" => slow_readers::a_reader_takes_nothing(stage).await,
        "a_reader_is_slow" => slow_readers::a_reader_is_slow(stage).await,
        "connect_and_close" => connect_and_close(stage).await,
        "too_many_at_once" => too_many_at_once(stage).await,
        "a_silent_crowd" => a_silent_crowd(stage).await,
        "fifty_claims_of_one_name" => fifty_claims_of_one_name(stage).await,
        "who_is_in_two_rooms_is_exact" => room_scenarios::who_is_in_two_rooms_is_exact(stage).await,
        "a_hidden_room_answers_as_none" => room_scenarios::a_hidden_room_answers_as_none(stage).await,
        "a_crowd_makes_rooms" => room_scenarios::a_crowd_makes_rooms(stage).await,
        "a_hall_is_walked_and_emptied" => room_scenarios::a_hall_is_walked_and_emptied(stage).await,
        _ => Err("no such scenario".into()),
    }
}

/// Every type number that means something, whoever sends it.
const DEFINED: [u16; 72] = [
    1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010, 2001, 2002, 2003, 2004, 2005, 2006, 2007,
    2008, 2009, 2010, 2011, 2012, 3001, 3002, 3003, 3004, 3005, 3006, 3007, 3008, 3009, 3010, 3011, 3012,
    3013, 3014, 3101, 3103, 3105, 3110, 4001, 4002, 4003, 4004, 4005, 4006, 4007, 4008, 4009, 4010, 4011,
    4012, 4013, 4014, 4015, 4016, 4017, 4018, 5001, 5002, 5003, 5004, 5005, 7001, 7002, 7003, 7004, 7005,
    7007, 7008, 7009, 7010,
];

fn undefined_types() -> Vec<u16> {
    (0..=u16::MAX).filter(|kind| !DEFINED.contains(kind)).collect()
}

async fn every_undefined_type_after_login(stage: &mut Stage) -> Outcome {
    let mut peer = stage.connect(false).await;
    peer.greet().await?;
    peer.log_in("mallory").await?;
    let types = undefined_types();
    let bytes: Vec<u8> = types.iter().flat_map(|kind| packets::packet(*kind, &[])).collect();
    peer.send(&bytes).await;
    for kind in &types {
        expect_refusal(&mut peer, *kind, 1003).await?;
    }
    peer.send(&packets::ping(b"")).await;
    match peer.next().await {
        Some(Event::Packet(ServerPacket::Pong(_))) => {}
        other => return Err(format!("not kept: {other:?}")),
    }
    expect_rejects(stage, &[(1003, types.len() as u64)])?;
    drop(peer);
    stage.all_gone(Duration::from_secs(1)).await
}

async fn every_undefined_type_before_login(stage: &mut Stage) -> Outcome {
    let types = undefined_types();
    for three in types.chunks_exact(3) {
        let mut peer = stage.connect(false).await;
        peer.greet().await?;
        peer.send(&three.iter().flat_map(|kind| packets::packet(*kind, &[])).collect::<Vec<_>>()).await;
        for kind in three {
            expect_refusal(&mut peer, *kind, 1003).await?;
        }
        expect_goodbye(&mut peer, 1003).await?;
    }
    expect_rejects(stage, &[(1003, (types.len() / 3 * 3) as u64)])?;
    stage.all_gone(Duration::from_secs(1)).await
}

async fn log_in_and_vanish(stage: &mut Stage) -> Outcome {
    for time in 0..1_000 {
        let mut peer = stage.connect(false).await;
        if time % 2 == 0 {
            peer.greet().await?;
            peer.log_in("mallory").await?;
        } else {
            peer.send(&[packets::hello(1, 1), packets::login(2, "mallory", None)].concat()).await;
            // As many turns of the server as it may take to come to any point of it.
            for _ in 0..time / 2 % 8 {
                yield_now().await;
            }
        }
        drop(peer);
        stage.all_gone(Duration::from_secs(1)).await?;
    }
    expect_rejects(stage, &[])
}

async fn connect_and_close(stage: &mut Stage) -> Outcome {
    // As the row sets it; two of them are the canaries.
    const ADMITTED: u64 = 50 - 2;
    let mut silent = 0;
    // No more than a busy machine has seen within the ten seconds that count.
    for number in 0..100 {
        let mut peer = stage.connect(false).await;
        match peer.greet().await {
            Ok(()) if number < ADMITTED => {}
            // Not a byte came.
            Err(error) if number >= ADMITTED && error.contains("End(") => silent += 1,
            other => return Err(format!("connection {number}: {other:?}")),
        }
    }
    expect_rejects(stage, &[(1205, silent)])?;
    stage.all_gone(Duration::from_secs(5)).await
}

async fn too_many_at_once(stage: &mut Stage) -> Outcome {
    // As the row sets it, four; two of them are the canaries.
    for _ in 0..3 {
        stage.count_from_here();
        let mut allowed = Vec::new();
        for _ in 0..2 {
            let mut peer = stage.connect(false).await;
            peer.greet().await?;
            allowed.push(peer);
        }
        expect_goodbye(&mut stage.connect(false).await, 1205).await?;
        expect_rejects(stage, &[(1205, 1)])?;
        drop(allowed);
        stage.all_gone(Duration::from_secs(5)).await?;
    }
    Ok(())
}

async fn a_silent_crowd(stage: &mut Stage) -> Outcome {
    const CROWD: usize = 10_000;
    let mut crowd = Vec::new();
    for _ in 0..CROWD / 500 {
        for _ in 0..500 {
            crowd.push(connect(&stage.server, stage.link, 64, false).await);
        }
        let came = Instant::now();
        let mut somebody = stage.connect(false).await;
        somebody.greet().await?;
        somebody.log_in("somebody").await?;
        if since(came) > Duration::from_secs(1) {
            return Err(format!("a login took {:?}", since(came)));
        }
        drop(somebody);
        sleep(Duration::from_millis(100)).await;
    }
    sleep(Duration::from_secs(1)).await;
    let left = stage.server.connections() - 2;
    // A tenth of all connections; one place may have been made for somebody.
    if !(999..=1_000).contains(&left) {
        return Err(format!("{left} of the crowd are left"));
    }
    expect_rejects(stage, &[(1204, (CROWD - left) as u64)])?;
    let mut oldest = Peer::new(crowd.swap_remove(0), patience(), false);
    expect_goodbye(&mut oldest, 1204).await?;
    drop((oldest, crowd));
    stage.all_gone(Duration::from_secs(1)).await
}

/// From an ASCII character to its full-width form.
const FULL_WIDTH: u32 = 0xfee0;

async fn fifty_claims_of_one_name(stage: &mut Stage) -> Outcome {
    let mut peers = Vec::new();
    for spelling in 0..50_u32 {
        let mut peer = stage.connect(false).await;
        peer.greet().await?;
        let letter = |(at, c): (usize, char)| match (spelling >> at & 1, at % 2) {
            (1, 0) => c.to_ascii_uppercase(),
            (1, _) => char::from_u32(u32::from(c) + FULL_WIDTH).expect("a full-width letter"),
            _ => c,
        };
        peers.push((peer, "konstantin".chars().enumerate().map(letter).collect::<String>()));
    }
    for (peer, name) in &mut peers {
        peer.send(&packets::login(2, name, None)).await;
    }
    let mut won = 0;
    for (peer, name) in &mut peers {
        match peer.next().await {
            Some(Event::Packet(ServerPacket::LoginAnswer(answer))) => {
                won += u32::from(answer.outcome.is_ok());
            }
            other => return Err(format!("{name}: {other:?}")),
        }
    }
    if won != 1 || stage.server.sessions() != 3 {
        return Err(format!("{won} claims were granted"));
    }
    expect_rejects(stage, &[(1301, 49)])?;
    drop(peers);
    stage.all_gone(Duration::from_secs(1)).await
}

async fn expect_refusal(peer: &mut Peer, kind: u16, code: u16) -> Outcome {
    match peer.next().await {
        Some(Event::Packet(ServerPacket::Error(notice))) if (notice.kind, notice.code.0) == (kind, code) => {
            Ok(())
        }
        other => Err(format!("type {kind}: {other:?}")),
    }
}

async fn expect_goodbye(peer: &mut Peer, code: u16) -> Outcome {
    match (peer.next().await, peer.next().await) {
        (Some(Event::Packet(ServerPacket::Goodbye(goodbye))), Some(Event::End(_)))
            if goodbye.code.0 == code =>
        {
            Ok(())
        }
        other => Err(format!("no goodbye with {code}: {other:?}")),
    }
}

pub fn expect_rejects(stage: &Stage, expected: &[(u16, u64)]) -> Outcome {
    let rejects = stage.rejects();
    if rejects == expected { Ok(()) } else { Err(format!("counted {rejects:?}, not {expected:?}")) }
}
