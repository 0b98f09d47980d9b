//! What to run: the scenario, how many, how fast, how long.

use std::{net::SocketAddr, time::Duration};

use serde::{Serialize, Serializer};

use super::{room::TEXT_BYTES_MIN, stamp::STAMP_BYTES};
use crate::client::tls::Tls;

/// What is done to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scenario {
    /// Talkers keep lines outstanding; everyone else listens.
    Broadcast,
    /// Talkers speak at a fixed rate, whatever the server does.
    Steady,
    /// Many are logged in; one says a line now and then.
    Idle,
    /// Pairs: one of each keeps whispers to the other outstanding.
    Whisper,
    /// Connections log in, log out, and come again.
    Churn,
    /// As `Broadcast`, while some members never read.
    Stalled,
    /// As `Broadcast`, in many rooms at once.
    Rooms,
    /// As `Broadcast`, in a room, while pairs in rooms of their own speak at a fixed rate.
    Crowded,
    /// All lose their connections at once and come back, while some talk at a fixed rate.
    Reconnect,
}

/// A run. [`Plan::new`] has each scenario's defaults.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// The server.
    pub server: SocketAddr,
    /// How it is spoken to over TLS; `None`: it is not.
    #[serde(serialize_with = "is_there")]
    pub tls: Option<Tls>,
    /// What is done to it.
    pub scenario: Scenario,
    /// Members logged in (the stalled ones and the pairs apart); in `Churn` connections at a time.
    pub clients: usize,
    /// How many of them talk; in `Rooms` of each room.
    pub talkers: usize,
    /// Rooms, all of one size; in `Crowded` of two members each, beside the crowd. 0: there is only the lobby.
    pub rooms: usize,
    /// Lines a second of each talker, on a schedule. 0: as fast as the window lets them. In `Crowded` of the pairs.
    pub rate: f64,
    /// Bytes of each line's text.
    pub size: usize,
    /// Lines a talker may have unanswered.
    pub window: usize,
    /// Members that never read.
    pub stalled: usize,
    /// The time over which the members log in; zero: as fast as the server takes them.
    pub ramp: Duration,
    /// Talking that is not measured, before what is.
    pub warm_up: Duration,
    /// What is measured; in `Reconnect` how long the server's restart is waited for.
    pub duration: Duration,
    /// In `Reconnect`: wait until the server is restarted, and do not cut the connections.
    pub restart: bool,
    /// How long nothing may be heard, while something is still due, before it counts as lost.
    pub patience: Duration,
    /// The server's processes. Empty: found by the socket, when it is on this machine.
    pub server_pids: Vec<u32>,
}

/// Bytes that no server takes as one text: what a packet holds.
const SIZE_MAX: usize = 3_072;

#[expect(clippy::ref_option, reason = "what serde hands over")]
fn is_there<S: Serializer>(tls: &Option<Tls>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bool(tls.is_some())
}

impl Scenario {
    /// All of them, as the command line calls them.
    pub const ALL: [(&str, Self); 9] = [
        ("broadcast", Self::Broadcast),
        ("steady", Self::Steady),
        ("idle", Self::Idle),
        ("whisper", Self::Whisper),
        ("churn", Self::Churn),
        ("stalled", Self::Stalled),
        ("rooms", Self::Rooms),
        ("crowded", Self::Crowded),
        ("reconnect", Self::Reconnect),
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, scenario)| *scenario == self).map_or("", |(name, _)| name)
    }
}

impl Plan {
    /// The defaults of a scenario.
    #[must_use]
    pub fn new(scenario: Scenario, server: SocketAddr) -> Self {
        let (clients, talkers, rooms, rate, window, stalled, seconds) = match scenario {
            Scenario::Broadcast => (1_000, 4, 0, 0.0, 32, 0, 5),
            Scenario::Steady => (1_000, 5, 0, 10.0, 32, 0, 10),
            Scenario::Idle => (1_000, 1, 0, 4.0, 1, 0, 10),
            Scenario::Whisper => (100, 50, 0, 0.0, 32, 0, 5),
            Scenario::Churn => (32, 0, 0, 0.0, 1, 0, 5),
            Scenario::Stalled => (100, 4, 0, 0.0, 32, 1, 15),
            Scenario::Rooms => (1_000, 2, 50, 0.0, 32, 0, 5),
            Scenario::Crowded => (10_000, 4, 50, 10.0, 32, 0, 5),
            Scenario::Reconnect => (1_000, 4, 0, 2.0, 32, 0, 60),
        };
        Self {
            server,
            tls: None,
            scenario,
            clients,
            talkers,
            rooms,
            rate,
            size: 64,
            window,
            stalled,
            ramp: Duration::ZERO,
            warm_up: Duration::from_secs(1),
            duration: Duration::from_secs(seconds),
            restart: false,
            patience: Duration::from_secs(5),
            server_pids: Vec::new(),
        }
    }

    /// Who hears each line that is accepted; in `Crowded` of the crowd's.
    #[must_use]
    pub fn receivers(&self) -> usize {
        match self.scenario {
            Scenario::Whisper => 1,
            Scenario::Rooms => self.clients / self.rooms - 1,
            _ => self.clients - 1,
        }
    }

    /// All who log in.
    #[must_use]
    pub fn connections(&self) -> usize {
        let pairs = if self.scenario == Scenario::Crowded { self.rooms } else { 0 };
        self.clients + self.stalled + 2 * pairs
    }

    /// Says what cannot be, naming the option.
    pub fn check(&self) -> Result<(), String> {
        let wrong = |why: &str| Err(why.to_owned());
        if self.clients == 0 || self.window == 0 {
            return wrong("--clients and --window must be at least 1");
        }
        if !self.rate.is_finite() || self.rate < 0.0 {
            return wrong("--rate must be 0 or more");
        }
        if self.duration.is_zero() {
            return wrong("--duration must be more than 0");
        }
        if !(STAMP_BYTES..=SIZE_MAX).contains(&self.size) {
            return Err(format!("--size must be {STAMP_BYTES} to {SIZE_MAX}"));
        }
        if matches!(self.scenario, Scenario::Rooms | Scenario::Crowded) {
            self.check_rooms()?;
        } else if self.rooms > 0 {
            return wrong("--rooms is for rooms and crowded");
        }
        if self.restart && self.scenario != Scenario::Reconnect {
            return wrong("--restart is for reconnect");
        }
        match self.scenario {
            Scenario::Churn if self.rate > 0.0 => {
                wrong("--rate says nothing of churn: it goes as fast as it can")
            }
            Scenario::Churn => Ok(()),
            Scenario::Whisper if self.talkers * 2 > self.clients || self.talkers == 0 => {
                wrong("whisper needs --talkers of 1 to half of --clients: each has a listener of its own")
            }
            Scenario::Steady | Scenario::Idle | Scenario::Crowded | Scenario::Reconnect
                if self.rate == 0.0 =>
            {
                wrong("--rate must be above 0 here")
            }
            _ if self.clients < 2 => wrong("--clients must be at least 2: nobody hears themselves"),
            _ if self.talkers == 0 || self.talkers > self.clients => {
                wrong("--talkers must be 1 to --clients")
            }
            _ => Ok(()),
        }
    }

    fn check_rooms(&self) -> Result<(), String> {
        let wrong = |why: &str| Err(why.to_owned());
        if self.rooms == 0 {
            return wrong("--rooms must be at least 1");
        }
        if self.stalled > 0 {
            return wrong("--stalled says nothing of rooms");
        }
        if self.size < TEXT_BYTES_MIN {
            return Err(format!("--size must be at least {TEXT_BYTES_MIN} in rooms: a line tells its room"));
        }
        if self.scenario == Scenario::Crowded {
            return Ok(());
        }
        let members = self.clients / self.rooms;
        if members < 2 || !self.clients.is_multiple_of(self.rooms) {
            return wrong("--clients must be a multiple of --rooms, two or more in each");
        }
        if self.talkers > members {
            return wrong("--talkers must be 1 to the members of a room");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(scenario: Scenario) -> Plan {
        Plan::new(scenario, ([127, 0, 0, 1], 1).into())
    }

    #[test]
    fn every_scenario_can_be_run_as_it_is() {
        for (name, scenario) in Scenario::ALL {
            assert_eq!(plan(scenario).check(), Ok(()), "{name}");
            assert_eq!(scenario.name(), name);
        }
    }

    #[test]
    fn what_cannot_be_measured_is_refused_by_option() {
        type Spoil = fn(&mut Plan);
        let wrong: [(&str, Spoil); 6] = [
            ("--clients", |plan| plan.clients = 0),
            ("--clients", |plan| plan.clients = 1),
            ("--talkers", |plan| plan.talkers = 0),
            ("--size", |plan| plan.size = 7),
            ("--rate", |plan| plan.rate = f64::NAN),
            ("--duration", |plan| plan.duration = Duration::ZERO),
        ];
        for (option, spoil) in wrong {
            let mut plan = plan(Scenario::Broadcast);
            plan.talkers = 1;
            spoil(&mut plan);
            assert!(plan.check().expect_err(option).contains(option));
        }
        assert!(Plan { talkers: 51, ..plan(Scenario::Whisper) }.check().is_err());
        assert!(Plan { rooms: 1, ..plan(Scenario::Broadcast) }.check().is_err());
    }

    #[test]
    fn rooms_that_cannot_be_are_refused_by_option() {
        type Spoil = fn(&mut Plan);
        let wrong: [(&str, Spoil); 6] = [
            ("--rooms", |plan| plan.rooms = 0),
            ("--rooms", |plan| plan.rooms = 3),
            ("--rooms", |plan| plan.rooms = plan.clients),
            ("--talkers", |plan| plan.talkers = 21),
            ("--size", |plan| plan.size = 15),
            ("--stalled", |plan| plan.stalled = 1),
        ];
        for (option, spoil) in wrong {
            let mut plan = plan(Scenario::Rooms);
            spoil(&mut plan);
            assert!(plan.check().expect_err(option).contains(option));
        }
        assert!(Plan { rate: 0.0, ..plan(Scenario::Crowded) }.check().is_err());
    }
}
