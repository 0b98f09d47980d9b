//! Who may connect: how many in all, how many from one address, how many that have not said who they are.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use lru::LruCache;
use parking_lot::Mutex;
use thiserror::Error;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{config::Live, session::network};

/// Addresses whose recent connections are remembered. Full: the one heard of longest ago is forgotten.
const RECENT_ADDRESSES_MAX: usize = 65_536;

/// The span in which [`LimitConfig::new_per_address`](crate::config::LimitConfig) connections may be made.
const RECENT: Duration = Duration::from_secs(10);

/// Why a connection is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// All connections are in use.
    #[error("the server is full")]
    Full,
    /// The address has as many as it may.
    #[error("too many connections from this address")]
    Crowded,
    /// The address connects too often: not worth an answer.
    #[error("too many new connections from this address")]
    Flood,
    /// Nobody is let in from there.
    #[error("the address is banned")]
    Banned,
    /// Nobody else is let in.
    #[error("the server is draining")]
    Draining,
}

/// Counts connections, and takes them back when their [`Ticket`]s are dropped.
pub struct Admission {
    live: Live,
    state: Mutex<State>,
}

struct State {
    connections: usize,
    addresses: HashMap<IpAddr, u32>,
    recent: LruCache<IpAddr, Recent>,
    /// In the order they came.
    guests: BTreeMap<u64, CancellationToken>,
    /// Numbers given so far.
    numbers: u64,
}

struct Recent {
    since: Instant,
    count: u32,
}

/// One connection's place.
pub struct Ticket {
    admission: Arc<Admission>,
    address: Option<IpAddr>,
    number: u64,
    /// What says that it must go, until it has logged in.
    guest: Option<CancellationToken>,
}

impl Admission {
    /// Nobody is connected yet. Limits that are lowered put nobody out: they bind whoever comes next.
    #[must_use]
    pub fn new(live: Live) -> Self {
        let state = State {
            connections: 0,
            addresses: HashMap::new(),
            recent: LruCache::unbounded(),
            guests: BTreeMap::new(),
            numbers: 0,
        };
        Self { live, state: Mutex::new(state) }
    }

    /// Lets a connection in, perhaps at the cost of the oldest that has not logged in.
    pub fn admit(self: &Arc<Self>, ip: IpAddr, now: Instant) -> Result<Ticket, Refused> {
        let (policy, ip) = (self.live.now(), ip.to_canonical());
        let limits = &policy.limits;
        let address = (!limits.exempt_addresses.contains(&ip)).then(|| network(ip));
        let mut state = self.state.lock();
        if state.connections >= limits.connections {
            return Err(Refused::Full);
        }
        if let Some(address) = address {
            if state.comes_too_often(address, limits.new_per_address, now) {
                return Err(Refused::Flood);
            }
            let count = state.addresses.entry(address).or_insert(0);
            if *count >= limits.per_address {
                return Err(Refused::Crowded);
            }
            *count += 1;
        }
        state.connections += 1;
        let evicted = CancellationToken::new();
        state.numbers += 1;
        let number = state.numbers;
        state.guests.insert(number, evicted.clone());
        if state.guests.len() > limits.guests
            && let Some((_, oldest)) = state.guests.pop_first()
        {
            oldest.cancel();
        }
        Ok(Ticket { admission: Arc::clone(self), address, number, guest: Some(evicted) })
    }

    /// Connections there are.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.state.lock().connections
    }

    /// Of these, those that have not logged in.
    #[must_use]
    pub fn guests(&self) -> usize {
        self.state.lock().guests.len()
    }

    /// Entries of the tables kept for addresses: those with connections, and those remembered.
    #[must_use]
    pub fn addresses(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.addresses.len(), state.recent.len())
    }
}

impl State {
    fn comes_too_often(&mut self, address: IpAddr, max: u32, now: Instant) -> bool {
        let recent = self.recent.get_or_insert_mut(address, || Recent { since: now, count: 0 });
        if now - recent.since >= RECENT {
            *recent = Recent { since: now, count: 0 };
        }
        recent.count = recent.count.saturating_add(1);
        let too_often = recent.count > max;
        if self.recent.len() > RECENT_ADDRESSES_MAX {
            self.recent.pop_lru();
        }
        too_often
    }
}

impl Ticket {
    /// The number of the connection, from 1 on, which no other has had. The log has it.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Cancelled when the place is needed for somebody who came later; never, once the peer has logged in.
    #[must_use]
    pub fn evicted(&self) -> CancellationToken {
        self.guest.clone().unwrap_or_default()
    }

    /// The peer has logged in: it is no guest any more.
    pub fn logged_in(&mut self) {
        if self.guest.take().is_some() {
            self.admission.state.lock().guests.remove(&self.number);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.admission.state.lock();
        state.connections -= 1;
        if self.guest.is_some() {
            state.guests.remove(&self.number);
        }
        if let Some(address) = self.address
            && let Some(count) = state.addresses.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                state.addresses.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, LimitConfig, Policy};

    fn admission(
        connections: usize,
        guests: usize,
        per_address: u32,
        new_per_address: u32,
    ) -> Arc<Admission> {
        let mut policy = Policy::of(&Config::default());
        policy.limits = LimitConfig { connections, guests, per_address, new_per_address, ..policy.limits };
        Arc::new(Admission::new(Live::new(policy)))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn every_place_comes_back_when_its_ticket_is_dropped() {
        let admission = admission(3, 3, 2, 100);
        let now = Instant::now();
        for _ in 0..10 {
            let tickets: Vec<_> = (1..4)
                .map(|n| admission.admit(ip(&format!("10.0.0.{n}")), now).expect("there is room"))
                .collect();
            assert_eq!(admission.admit(ip("10.0.0.9"), now).err(), Some(Refused::Full));
            drop(tickets);
        }
        assert_eq!((admission.connections(), admission.addresses().0), (0, 0));
    }

    #[test]
    fn an_address_has_its_own_limits_and_a_v6_network_is_one_address() {
        let admission = admission(100, 100, 2, 5);
        let now = Instant::now();
        let _first = admission.admit(ip("2001:db8::1"), now).expect("first");
        let second = admission.admit(ip("2001:db8::2"), now).expect("second");
        assert_eq!(admission.admit(ip("2001:db8::3"), now).err(), Some(Refused::Crowded));
        drop(second);
        drop(admission.admit(ip("2001:db8::4"), now).expect("a place came back"));
        drop(admission.admit(ip("2001:db8::4"), now).expect("the fifth within 10 s"));
        assert_eq!(admission.admit(ip("2001:db8::5"), now).err(), Some(Refused::Flood));
        assert!(admission.admit(ip("2001:db8:0:1::1"), now).is_ok(), "another network");
        assert!(admission.admit(ip("2001:db8::5"), now + RECENT).is_ok(), "10 s later");
    }

    #[test]
    fn limits_that_change_bind_whoever_comes_next_and_put_nobody_out() {
        let admission = admission(10, 10, 10, 100);
        let now = Instant::now();
        let mut tickets: Vec<_> =
            (0..5).map(|_| admission.admit(ip("10.0.0.1"), now).expect("room")).collect();
        let set = |change: fn(&mut LimitConfig)| {
            let mut policy = Policy::clone(&admission.live.now());
            change(&mut policy.limits);
            admission.live.replace(policy);
        };
        set(|limits| limits.per_address = 3);
        assert_eq!(admission.admit(ip("10.0.0.1"), now).err(), Some(Refused::Crowded));
        assert!(tickets.iter().all(|ticket| !ticket.evicted().is_cancelled()), "who is here stays");
        set(|limits| limits.connections = 5);
        assert_eq!(admission.admit(ip("10.0.0.2"), now).err(), Some(Refused::Full));
        tickets.truncate(2);
        tickets.push(admission.admit(ip("10.0.0.1"), now).expect("fewer than three are left"));
        set(|limits| limits.exempt_addresses = vec!["10.0.0.1".parse().expect("an address")]);
        tickets.push(admission.admit(ip("10.0.0.1"), now).expect("exempt now"));
        // Who came under the old limits gives back what they took under those.
        set(|limits| limits.exempt_addresses.clear());
        drop(tickets);
        assert_eq!((admission.connections(), admission.addresses().0), (0, 0));
    }

    #[test]
    fn an_exempt_address_is_bound_by_the_total_only() {
        let admission = admission(50, 50, 1, 1);
        let now = Instant::now();
        let tickets: Vec<_> =
            (0..50).map(|_| admission.admit(ip("127.0.0.1"), now).expect("exempt")).collect();
        assert_eq!(admission.admit(ip("::ffff:127.0.0.1"), now).err(), Some(Refused::Full));
        drop(tickets);
    }

    #[test]
    fn the_oldest_guest_makes_room_and_the_logged_in_stay() {
        let admission = admission(100, 2, 100, 100);
        let now = Instant::now();
        let mut tickets: Vec<_> =
            (0..2).map(|_| admission.admit(ip("10.0.0.1"), now).expect("room")).collect();
        tickets[0].logged_in();
        tickets.push(admission.admit(ip("10.0.0.1"), now).expect("room"));
        tickets.push(admission.admit(ip("10.0.0.1"), now).expect("room"));
        let evicted: Vec<_> = tickets.iter().map(|ticket| ticket.evicted().is_cancelled()).collect();
        assert_eq!(evicted, [false, true, false, false]);
    }

    #[test]
    fn the_table_of_recent_addresses_is_bounded() {
        let admission = admission(10, 10, 10, 10);
        let now = Instant::now();
        for n in 0..70_000_u32 {
            drop(admission.admit(IpAddr::V4((0x0a00_0000 + n).into()), now));
        }
        assert_eq!(admission.addresses(), (0, RECENT_ADDRESSES_MAX));
    }
}
