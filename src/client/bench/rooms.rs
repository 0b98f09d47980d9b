//! How the members come into rooms, all of one size, and where each room ends.

use std::{collections::BTreeMap, io, time::Duration};

use chat_proto::{
    ClientPacket, Code, CreateRoom, ErrorCode, JoinRoom, LOBBY, Limits, Remark, RoomPassword, RoomSettings,
};

use super::{
    Error,
    member::{ENTER, Member},
    plan::Plan,
    swarm::{LOG_IN_PATIENCE, Swarm},
};

/// Lets all members in: the first of each room makes it, then the others come. They take turns, so that the first
/// members of all are the first of each room.
pub fn enter(plan: &Plan, swarm: &mut Swarm) -> Result<(), Error> {
    let members = u32::try_from(plan.clients / plan.rooms).unwrap_or(u32::MAX);
    if let Some(limits) = &swarm.tally.limits {
        check_limits(limits, members).map_err(Error::Plan)?;
    }
    let settings = RoomSettings { capacity: members, flags: 0, slow_s: 0 };
    for number in 0..plan.clients {
        if number == plan.rooms {
            wait_for(swarm, plan.rooms)?;
        }
        let name = swarm.room_name(number % plan.rooms);
        let password = RoomPassword::new("").expect("it is short");
        let request = if number < plan.rooms {
            let topic = Remark::default();
            ClientPacket::CreateRoom(CreateRoom { id: ENTER, name, password, settings, topic })
        } else {
            ClientPacket::JoinRoom(JoinRoom { id: ENTER, name, password })
        };
        swarm.members[number].ask(&request, &mut swarm.tally);
    }
    wait_for(swarm, plan.clients)
}

/// The highest line of each conversation that any of its members knows of.
pub fn ends(members: &[Member], lobby: u64) -> BTreeMap<u64, u64> {
    let mut ends = BTreeMap::from([(LOBBY, lobby)]);
    for room in members.iter().filter_map(Member::room) {
        let end = ends.entry(room.conversation()).or_default();
        *end = room.end().max(*end);
    }
    ends
}

fn check_limits(limits: &Limits, members: u32) -> Result<(), String> {
    if members > limits.room_members {
        let most = limits.room_members;
        return Err(format!(
            "the server's rooms have at most {most} members; start it with --set rooms.members={members}"
        ));
    }
    if limits.rooms_created == 0 || limits.rooms_owned == 0 {
        let wanted = "--set rooms.created=1 --set rooms.owned=1";
        return Err(format!("the server lets nobody make a room; start it with {wanted}"));
    }
    Ok(())
}

fn wait_for(swarm: &mut Swarm, count: usize) -> Result<(), Error> {
    let mut progress = (swarm.tally.entered, swarm.clock.now());
    loop {
        if let Some(code) = swarm.tally.kept_out {
            return Err(Error::Plan(refusal(code)));
        }
        if swarm.tally.check.cut > 0 {
            return Err(swarm.refused());
        }
        if swarm.tally.entered >= count as u64 {
            return Ok(());
        }
        swarm.poll(Duration::from_millis(5))?;
        if swarm.tally.entered > progress.0 {
            progress = (swarm.tally.entered, swarm.clock.now());
        } else if swarm.clock.now() - progress.1 > LOG_IN_PATIENCE {
            return Err(Error::Network(io::ErrorKind::TimedOut.into()));
        }
    }
}

/// Which limit stops the run, and what lifts it.
fn refusal(code: Code) -> String {
    let remedy = match code.error() {
        Some(ErrorCode::RoomLimit) => "; start it with higher rooms.max and rooms.joined",
        Some(ErrorCode::RateLimited) => "; start it with --set rates.other.per_second=0",
        _ => "",
    };
    format!("the server refused a room: {} ({}){remedy}", code.line(), code.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_would_stop_the_run_is_named_before_it_begins() {
        assert_eq!(check_limits(&Limits::DEFAULT, 10_000), Ok(()));
        let limited = [
            (Limits { room_members: 19, ..Limits::DEFAULT }, "rooms.members=20"),
            (Limits { rooms_created: 0, ..Limits::DEFAULT }, "rooms.created=1"),
            (Limits { rooms_owned: 0, ..Limits::DEFAULT }, "rooms.owned=1"),
        ];
        for (limits, named) in limited {
            assert!(check_limits(&limits, 20).expect_err(named).contains(named));
        }
    }

    #[test]
    fn a_refusal_names_the_setting_that_lifts_it() {
        assert!(refusal(ErrorCode::RoomLimit.into()).contains("rooms.max"));
        assert!(refusal(ErrorCode::RateLimited.into()).contains("rates.other.per_second=0"));
        assert!(refusal(ErrorCode::NameTaken.into()).contains("1301"));
    }
}
