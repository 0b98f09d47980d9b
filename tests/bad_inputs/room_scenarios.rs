//! The rows about rooms that are more than one connection's bytes: crowds in them, and what they hide.

use std::time::Duration;

use chat_proto::{ServerPacket, WhoPage};
use tokio::time::Instant;

use super::{
    packets,
    peer::Peer,
    scenarios::{Outcome, expect_rejects},
    stage::{Stage, since},
};

/// An ordinary room.
const OPEN: packets::Settings = (100, 0, 0);

async fn somebody(stage: &Stage, name: &str) -> Result<Peer, String> {
    let mut peer = stage.connect(false).await;
    peer.greet().await?;
    peer.log_in(name).await?;
    Ok(peer)
}

/// The code of an answer about rooms, 0 for success.
fn code(answer: ServerPacket) -> Result<u16, String> {
    let refusal = match answer {
        ServerPacket::CreateRoomAnswer(answer) | ServerPacket::JoinRoomAnswer(answer) => answer.outcome.err(),
        ServerPacket::LeaveRoomAnswer(answer) => answer.outcome.err(),
        other => return Err(format!("no answer about a room: {other:?}")),
    };
    Ok(refusal.map_or(0, |refusal| refusal.code.0))
}

async fn done(peer: &mut Peer, request: &[u8]) -> Outcome {
    match code(peer.ask(request).await?)? {
        0 => Ok(()),
        code => Err(format!("refused with {code}: {request:02x?}")),
    }
}

async fn page(peer: &mut Peer, room: u64, after: u64) -> Result<WhoPage, String> {
    match peer.ask(&packets::who(9, room, after, 200)).await? {
        ServerPacket::WhoAnswer(answer) => answer.outcome.map_err(|refusal| format!("{refusal:?}")),
        other => Err(format!("no page: {other:?}")),
    }
}

/// Everybody in a room, page after page, and on how many pages.
async fn walk(peer: &mut Peer, room: u64) -> Result<(Vec<String>, usize), String> {
    let (mut names, mut after) = (Vec::new(), 0);
    for pages in 1.. {
        let page = page(peer, room, after).await?;
        if page.entries.0.len() > 200 {
            return Err(format!("a page of {}", page.entries.0.len()));
        }
        names.extend(page.entries.0.into_iter().map(|entry| entry.name));
        after = page.next;
        if after == 0 {
            return Ok((names, pages));
        }
    }
    unreachable!("pages end")
}

/// The witness has made two rooms, 2 and 3.
pub async fn who_is_in_two_rooms_is_exact(stage: &mut Stage) -> Outcome {
    let (mut mallory, mut olga) = (somebody(stage, "mallory").await?, somebody(stage, "olga").await?);
    let expect = async |peer: &mut Peer, room: u64, names: &[&str]| match walk(peer, room).await?.0 {
        found if found == names => Ok(()),
        found => Err(format!("in room {room} are {found:?}, not {names:?}")),
    };
    for _ in 0..3 {
        done(&mut mallory, &packets::join_room(9, "one", "")).await?;
        done(&mut mallory, &packets::join_room(9, "two", "")).await?;
        done(&mut olga, &packets::join_room(9, "TWO", "")).await?;
        expect(&mut mallory, 2, &["walter", "mallory"]).await?;
        expect(&mut olga, 3, &["walter", "mallory", "olga"]).await?;
        done(&mut mallory, &packets::leave_room(9, 3)).await?;
        expect(&mut mallory, 2, &["walter", "mallory"]).await?;
        expect(&mut olga, 3, &["walter", "olga"]).await?;
        done(&mut mallory, &packets::leave_room(9, 2)).await?;
        done(&mut olga, &packets::leave_room(9, 3)).await?;
    }
    expect_rejects(stage, &[])?;
    drop((mallory, olga));
    stage.all_gone(Duration::from_secs(1)).await
}

/// The witness has made a hidden room with a password, 2, one for the invited, 3, and is in both.
pub async fn a_hidden_room_answers_as_none(stage: &mut Stage) -> Outcome {
    let mut mallory = somebody(stage, "mallory").await?;
    // By its number, what only the invited may come into is seen by all.
    let hidden = [by_name("cellar"), by_name("salons"), by_number(2)].concat();
    let missing = [by_name("attics"), by_name("attics"), by_number(8)].concat();
    for (hidden, missing) in hidden.iter().zip(&missing) {
        let (one, none) = (mallory.ask(hidden).await?, mallory.ask(missing).await?);
        if one != none {
            return Err(format!("{one:?} where none is {none:?}: {hidden:02x?}"));
        }
    }
    match mallory.ask(&packets::rooms(9, 0, 200)).await? {
        ServerPacket::RoomsAnswer(answer) => {
            let entries = answer.outcome.map_err(|refusal| format!("{refusal:?}"))?.entries.0;
            if entries.iter().any(|room| room.conversation == 2) {
                return Err("the hidden room is listed".into());
            }
        }
        other => return Err(format!("no rooms: {other:?}")),
    }
    // Else all this would be true of a room that is not there.
    done(&mut mallory, &packets::join_room(9, "cellar", "key")).await?;
    drop(mallory);
    stage.all_gone(Duration::from_secs(1)).await
}

/// What may be asked of a room by its name.
fn by_name(name: &str) -> Vec<Vec<u8>> {
    ["", "wrong"].into_iter().map(|password| packets::join_room(9, name, password)).collect()
}

/// What may be asked of a room by its number.
fn by_number(room: u64) -> Vec<Vec<u8>> {
    let mut requests = vec![
        packets::room_chat(9, room, "hello?"),
        packets::who(9, room, 0, 200),
        packets::leave_room(9, room),
        packets::set_topic(9, room, "mine"),
        packets::set_room(9, room, OPEN, None),
        packets::close_room(9, room),
    ];
    for name in ["walter", "mallory", "nobody"] {
        requests.extend((1..=10).map(|act| packets::moderate(9, room, act, name, 0, "")));
    }
    requests
}

/// A server takes 20 rooms, as the row sets it.
pub async fn a_crowd_makes_rooms(stage: &mut Stage) -> Outcome {
    let (mut crowd, mut made, mut refused) = (Vec::new(), 0, 0);
    for number in 0..30 {
        crowd.push(somebody(stage, &format!("maker{number}")).await?);
    }
    for (number, peer) in crowd.iter_mut().enumerate() {
        for room in 0..3 {
            let request = packets::create_room(9, &format!("flood{number}-{room}"), "", OPEN, "");
            match code(peer.ask(&request).await?)? {
                0 => made += 1,
                2007 => refused += 1,
                code => return Err(format!("{code}, which is about something else")),
            }
        }
    }
    if (made, refused) != (20, 70) {
        return Err(format!("{made} rooms were made and {refused} refused"));
    }
    expect_rejects(stage, &[(2007, 70)])?;
    drop(crowd);
    stage.all_gone(Duration::from_secs(1)).await
}

/// The witness has made a hall, 2. In debug builds a thousand are what a test has the time for.
pub async fn a_hall_is_walked_and_emptied(stage: &mut Stage) -> Outcome {
    const CROWD: usize = 1_000;
    let mut crowd = Vec::new();
    for number in 0..CROWD {
        let mut peer = somebody(stage, &format!("guest{number}")).await?;
        done(&mut peer, &packets::join_room(9, "hall", "")).await?;
        crowd.push(peer);
    }
    let (mut names, pages) = walk(&mut crowd[0], 2).await?;
    names.sort_unstable();
    names.dedup();
    if (names.len(), pages) != (CROWD + 1, CROWD / 200 + 1) {
        return Err(format!("{} members on {pages} pages", names.len()));
    }
    // One line, and everybody hears it, once.
    let mut speaker = crowd.pop().ok_or("a crowd")?;
    let began = Instant::now();
    speaker.send(&packets::room_chat(9, 2, "one line")).await;
    for peer in &mut crowd {
        peer.hear("one line").await?;
    }
    if since(began) > Duration::from_millis(100) {
        return Err(format!("a line to all took {:?}", since(began)));
    }
    // Everybody goes at once, and the lobby talks on.
    drop((crowd, speaker));
    stage.talk().await?;
    if since(began) > Duration::from_millis(200) {
        return Err(format!("the lobby waited until {:?}", since(began)));
    }
    expect_rejects(stage, &[])?;
    stage.all_gone(Duration::from_secs(1)).await
}
