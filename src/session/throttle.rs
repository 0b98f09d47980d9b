//! How often somebody may fail to log in, or make an account: from one address, and for one name from one address.

use std::{
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use chat_proto::NameKey;
use lru::LruCache;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::TokenBucket;

/// Addresses, and names with addresses, that are remembered. Full: the one heard of longest ago is forgotten.
const REMEMBERED_MAX: usize = 65_536;

/// Failed log-ins of one name from one address: five at once, then one in 12 s. So a guesser is slow, and an owner
/// who comes from elsewhere is not kept out.
const NAME: Allowance = Allowance { burst: 5, token: Duration::from_secs(12) };
/// Failed log-ins from one address, whatever the names: 20 at once, then one in 3 s.
const ADDRESS: Allowance = Allowance { burst: 20, token: Duration::from_secs(3) };
/// Accounts made from one address: five at once, then one a minute.
const REGISTRATION: Allowance = Allowance { burst: 5, token: Duration::from_secs(60) };

#[derive(Clone, Copy)]
struct Allowance {
    burst: u32,
    token: Duration,
}

/// What is counted. An attempt counts when it begins, so that many at once are no way around it, and is taken back
/// when it succeeds.
pub struct Throttle {
    names: Buckets<(NameKey, IpAddr)>,
    addresses: Buckets<IpAddr>,
    registrations: Buckets<IpAddr>,
}

impl Throttle {
    /// Nobody has failed yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            names: Buckets::new(NAME),
            addresses: Buckets::new(ADDRESS),
            registrations: Buckets::new(REGISTRATION),
        }
    }

    /// Begins an attempt to log in, or says after how long one may.
    pub fn try_name(&self, key: &NameKey, from: IpAddr, now: Instant) -> Result<(), Duration> {
        let from = network(from);
        self.addresses.take(&from, now)?;
        let taken = self.names.take(&(key.clone(), from), now);
        if taken.is_err() {
            self.addresses.put_back(&from);
        }
        taken
    }

    /// The attempt succeeded, or came to nothing by no fault of the peer.
    pub fn forgive_name(&self, key: &NameKey, from: IpAddr) {
        let from = network(from);
        self.addresses.put_back(&from);
        self.names.put_back(&(key.clone(), from));
    }

    /// Begins an attempt to come in without a name, by an invitation or a token: it counts as one to log in.
    pub fn try_address(&self, from: IpAddr, now: Instant) -> Result<(), Duration> {
        self.addresses.take(&network(from), now)
    }

    /// It was good.
    pub fn forgive_address(&self, from: IpAddr) {
        self.addresses.put_back(&network(from));
    }

    /// Begins to make an account.
    pub fn try_registration(&self, from: IpAddr, now: Instant) -> Result<(), Duration> {
        self.registrations.take(&network(from), now)
    }

    /// No account was made.
    pub fn forgive_registration(&self, from: IpAddr) {
        self.registrations.put_back(&network(from));
    }

    /// Entries remembered: names with addresses, addresses, addresses of registrations.
    #[must_use]
    pub fn remembered(&self) -> (usize, usize, usize) {
        (self.names.len(), self.addresses.len(), self.registrations.len())
    }
}

impl Default for Throttle {
    fn default() -> Self {
        Self::new()
    }
}

/// What counts as one address: a whole IPv6 /64, because one host may have all of it.
#[must_use]
pub fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

struct Buckets<K: Eq + Hash> {
    allowance: Allowance,
    buckets: Mutex<LruCache<K, TokenBucket>>,
}

impl<K: Eq + Hash + Clone> Buckets<K> {
    fn new(allowance: Allowance) -> Self {
        Self { allowance, buckets: Mutex::new(LruCache::unbounded()) }
    }

    fn take(&self, key: &K, now: Instant) -> Result<(), Duration> {
        let Allowance { burst, token } = self.allowance;
        let mut buckets = self.buckets.lock();
        let bucket = buckets.get_or_insert_mut_ref(key, || TokenBucket::slow(token, burst, now));
        let taken = bucket.take(now);
        if buckets.len() > REMEMBERED_MAX {
            buckets.pop_lru();
        }
        taken
    }

    fn put_back(&self, key: &K) {
        if let Some(bucket) = self.buckets.lock().get_mut(key) {
            bucket.put_back();
        }
    }

    fn len(&self) -> usize {
        self.buckets.lock().len()
    }
}

#[cfg(test)]
mod tests {
    use chat_proto::Username;

    use super::*;

    fn key(name: &str) -> NameKey {
        Username::parse(name).expect("valid").key()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_guesser_is_slow_and_the_owner_who_comes_from_elsewhere_is_not_kept_out() {
        let (throttle, now) = (Throttle::new(), Instant::now());
        let attempts =
            (0..6).map(|_| throttle.try_name(&key("kim"), ip("10.0.0.1"), now)).collect::<Vec<_>>();
        assert!(attempts[..5].iter().all(Result::is_ok));
        assert_eq!(attempts[5], Err(Duration::from_secs(12)));
        assert_eq!(throttle.try_name(&key("kim"), ip("10.0.0.2"), now), Ok(()));
        assert_eq!(throttle.try_name(&key("lee"), ip("10.0.0.1"), now), Ok(()));
        let later = now + Duration::from_secs(12);
        assert_eq!(throttle.try_name(&key("kim"), ip("10.0.0.1"), later), Ok(()));
    }

    #[test]
    fn an_address_has_its_own_allowance_whatever_the_names_and_a_v6_network_is_one() {
        let (throttle, now) = (Throttle::new(), Instant::now());
        for number in 0..20 {
            let from = ip(&format!("2001:db8::{number:x}"));
            assert_eq!(throttle.try_name(&key(&format!("n{number}")), from, now), Ok(()));
        }
        let from = ip("2001:db8::ffff");
        assert_eq!(throttle.try_name(&key("n21"), from, now), Err(Duration::from_secs(3)));
        assert_eq!(throttle.try_address(from, now), Err(Duration::from_secs(3)));
        assert_eq!(throttle.try_name(&key("n21"), ip("2001:db8:0:1::1"), now), Ok(()));
    }

    #[test]
    fn what_succeeds_does_not_count() {
        let (throttle, now) = (Throttle::new(), Instant::now());
        let (kim, from) = (key("kim"), ip("10.0.0.1"));
        for _ in 0..1_000 {
            throttle.try_name(&kim, from, now).expect("each before it was taken back");
            throttle.forgive_name(&kim, from);
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (throttle, now) = (Throttle::new(), Instant::now());
        for number in 0..70_000_u32 {
            let from = IpAddr::V4((0x0a00_0000 + number).into());
            assert_eq!(throttle.try_name(&key("kim"), from, now), Ok(()));
        }
        assert_eq!(throttle.remembered(), (REMEMBERED_MAX, REMEMBERED_MAX, 0));
    }
}
