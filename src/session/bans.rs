//! Who is kept out of the whole server, by name or by network, and who may come but say nothing.

use std::{collections::HashMap, iter::successors, net::IpAddr};

use chat_proto::{ErrorCode, NameKey, Remark, Username};
use ipnet::{IpNet, Ipv4Net};
use parking_lot::Mutex;

use super::network;

/// Names that may be banned, networks that may be, and names that may be muted. Full: refused with
/// [`ErrorCode::Overloaded`].
pub const BANS_MAX: usize = 10_000;

/// Whom a ban is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Whoever logs in by this name, whatever their account or address.
    Name(Username),
    /// Whoever connects from there, whatever their name. As [`parse_network`] makes it.
    Network(IpNet),
}

/// How long a ban or a mute lasts, and what there is to say of it. Times are milliseconds since 1970 UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// When it ends; [`FOR_GOOD`](crate::room::FOR_GOOD).
    pub until_ms: u64,
    /// Who set it: a name, or "operator".
    pub by: Box<str>,
    /// Why; perhaps nothing.
    pub reason: Remark,
    /// When it was set.
    pub since_ms: u64,
}

/// What is in force, in memory. What has to outlive the process is stored by whoever sets it, before it is set here,
/// and set here again when the next process starts.
pub struct Bans(Mutex<Table>);

#[derive(Default)]
struct Table {
    names: HashMap<NameKey, (Username, Terms)>,
    networks: HashMap<IpNet, Terms>,
    mutes: HashMap<NameKey, (Username, Terms)>,
}

impl Bans {
    /// Nobody is banned.
    #[must_use]
    pub fn new() -> Self {
        Self(Mutex::default())
    }

    /// Bans somebody, in the place of the ban there was. Refuses with [`ErrorCode::Overloaded`] when there are
    /// [`BANS_MAX`].
    pub fn set(&self, subject: Subject, terms: Terms, now: u64) -> Result<(), ErrorCode> {
        let mut table = self.0.lock();
        match subject {
            Subject::Name(name) => put(&mut table.names, name.key(), (name, terms), now),
            Subject::Network(network) => put(&mut table.networks, network, terms, now),
        }
    }

    /// Lifts a ban. Returns whether there was one.
    pub fn lift(&self, subject: &Subject, now: u64) -> bool {
        let mut table = self.0.lock();
        match subject {
            Subject::Name(name) => table.names.remove(&name.key()).is_some_and(|held| held.is_on(now)),
            Subject::Network(network) => table.networks.remove(network).is_some_and(|held| held.is_on(now)),
        }
    }

    /// Whether somebody of this name is kept out.
    #[must_use]
    pub fn holds_name(&self, key: &NameKey, now: u64) -> bool {
        self.0.lock().names.get(key).is_some_and(|held| held.is_on(now))
    }

    /// Until when somebody is kept out, in milliseconds since 1970 UTC; 0: they are not.
    #[must_use]
    pub fn banned_until(&self, subject: &Subject, now: u64) -> u64 {
        let table = self.0.lock();
        let terms = match subject {
            Subject::Name(name) => table.names.get(&name.key()).map(|(_, terms)| terms),
            Subject::Network(network) => table.networks.get(network),
        };
        terms.filter(|terms| terms.is_on(now)).map_or(0, |terms| terms.until_ms)
    }

    /// Whether somebody from this address is kept out. It costs as many look-ups as an address has bits, however many
    /// networks are banned.
    #[must_use]
    pub fn holds_address(&self, address: IpAddr, now: u64) -> bool {
        let networks = &self.0.lock().networks;
        if networks.is_empty() {
            return false;
        }
        let whole = IpNet::from(address.to_canonical());
        successors(Some(whole), IpNet::supernet)
            .any(|network| networks.get(&network).is_some_and(|held| held.is_on(now)))
    }

    /// Lets somebody say nothing, in the place of the mute there was. Refuses as [`set`](Self::set) does.
    pub fn mute(&self, name: Username, terms: Terms, now: u64) -> Result<(), ErrorCode> {
        put(&mut self.0.lock().mutes, name.key(), (name, terms), now)
    }

    /// Lets somebody speak. Returns whether they could not.
    pub fn unmute(&self, key: &NameKey, now: u64) -> bool {
        self.0.lock().mutes.remove(key).is_some_and(|held| held.is_on(now))
    }

    /// Until when somebody may say nothing, in milliseconds since 1970 UTC; 0: they may.
    #[must_use]
    pub fn muted_until(&self, key: &NameKey, now: u64) -> u64 {
        let table = self.0.lock();
        table.mutes.get(key).filter(|held| held.is_on(now)).map_or(0, |(_, terms)| terms.until_ms)
    }

    /// All bans that are in force, the oldest first.
    #[must_use]
    pub fn list(&self, now: u64) -> Vec<(Subject, Terms)> {
        let table = self.0.lock();
        let names = table.names.values().map(|(name, terms)| (Subject::Name(name.clone()), terms.clone()));
        let networks =
            table.networks.iter().map(|(network, terms)| (Subject::Network(*network), terms.clone()));
        let mut bans: Vec<_> = names.chain(networks).filter(|(_, terms)| terms.is_on(now)).collect();
        drop(table);
        bans.sort_by_key(|(_, terms)| terms.since_ms);
        bans
    }

    /// All mutes that are in force, the oldest first.
    #[must_use]
    pub fn list_mutes(&self, now: u64) -> Vec<(Username, Terms)> {
        let table = self.0.lock();
        let mut mutes: Vec<_> = table.mutes.values().filter(|held| held.is_on(now)).cloned().collect();
        drop(table);
        mutes.sort_by_key(|(_, terms)| terms.since_ms);
        mutes
    }
}

impl Default for Bans {
    fn default() -> Self {
        Self::new()
    }
}

/// A network in CIDR notation (RFC 4632, RFC 4291), or an address: of IPv6 its /64, because one host may have all of
/// it. What IPv6 writes of IPv4 becomes IPv4, and bits beyond the prefix are passed over, so that one network has one
/// form.
#[must_use]
pub fn parse_network(text: &str) -> Option<IpNet> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(match network(address) {
            IpAddr::V4(address) => IpNet::from(IpAddr::V4(address)),
            IpAddr::V6(address) => IpNet::new(address.into(), 64).expect("an IPv6 address has 128 bits"),
        });
    }
    let network = text.parse::<IpNet>().ok()?.trunc();
    let mapped = match network {
        IpNet::V6(network) if network.prefix_len() >= 96 => network.addr().to_ipv4_mapped(),
        _ => None,
    };
    Some(match mapped {
        Some(address) => Ipv4Net::new(address, network.prefix_len() - 96).expect("at most 32").into(),
        None => network,
    })
}

/// What ends by itself.
trait Ends {
    fn is_on(&self, now: u64) -> bool;
}

impl Ends for Terms {
    fn is_on(&self, now: u64) -> bool {
        self.until_ms > now
    }
}

impl Ends for (Username, Terms) {
    fn is_on(&self, now: u64) -> bool {
        self.1.is_on(now)
    }
}

fn put<K: std::hash::Hash + Eq, V: Ends>(
    table: &mut HashMap<K, V>,
    key: K,
    value: V,
    now: u64,
) -> Result<(), ErrorCode> {
    if table.len() >= BANS_MAX && !table.contains_key(&key) {
        table.retain(|_, held| held.is_on(now));
        if table.len() >= BANS_MAX {
            return Err(ErrorCode::Overloaded);
        }
    }
    table.insert(key, value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::FOR_GOOD;

    fn terms(until_ms: u64) -> Terms {
        Terms { until_ms, by: "operator".into(), reason: Remark::default(), since_ms: 0 }
    }

    fn named(name: &str) -> Subject {
        Subject::Name(Username::parse(name).expect("a name"))
    }

    fn net(text: &str) -> Subject {
        Subject::Network(parse_network(text).unwrap_or_else(|| panic!("{text} is a network")))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn holds(bans: &Bans, name: &str, now: u64) -> bool {
        bans.holds_name(&Username::parse(name).expect("a name").key(), now)
    }

    #[test]
    fn a_name_is_banned_in_every_spelling_that_is_the_same_name() {
        let bans = Bans::new();
        bans.set(named("Kim"), terms(FOR_GOOD), 0).expect("room");
        assert!(holds(&bans, "kim", 0) && holds(&bans, "ＫＩＭ", u64::MAX - 1));
        assert!(!holds(&bans, "kimi", 0));
        assert!(bans.lift(&named("kIM"), 0));
        assert!(!holds(&bans, "kim", 0));
        assert!(!bans.lift(&named("kim"), 0), "there is none any more");
    }

    #[test]
    fn a_ban_ends_by_itself_and_a_new_one_takes_its_place() {
        let bans = Bans::new();
        bans.set(named("kim"), terms(100), 0).expect("room");
        bans.set(net("10.0.0.0/8"), terms(100), 0).expect("room");
        assert!(holds(&bans, "kim", 99) && bans.holds_address(ip("10.1.2.3"), 99));
        assert!(!holds(&bans, "kim", 100) && !bans.holds_address(ip("10.1.2.3"), 100));
        assert_eq!((bans.list(99).len(), bans.list(100).len()), (2, 0));
        bans.set(named("kim"), terms(300), 100).expect("room");
        assert!(holds(&bans, "kim", 299));
        assert!(!bans.lift(&named("kim"), 300), "it had ended");
    }

    #[test]
    fn a_network_holds_the_addresses_of_its_prefix_and_no_others() {
        let bans = Bans::new();
        for network in ["10.0.0.0/8", "192.0.2.128/25", "203.0.113.7", "2001:db8:1::/48", "2001:db8:2::1"] {
            bans.set(net(network), terms(FOR_GOOD), 0).expect("room");
        }
        for inside in [
            "10.255.0.1",
            "192.0.2.200",
            "203.0.113.7",
            "2001:db8:1:ffff::9",
            "2001:db8:2::ffff:1",
            "::ffff:10.0.0.1",
        ] {
            assert!(bans.holds_address(ip(inside), 0), "{inside}");
        }
        for outside in [
            "11.0.0.1",
            "192.0.2.127",
            "203.0.113.8",
            "2001:db8:3::1",
            "2001:db8:2:1::1",
            "::10.0.0.1",
            "::1",
        ] {
            assert!(!bans.holds_address(ip(outside), 0), "{outside}");
        }
        assert!(bans.lift(&net("10.9.9.9/8"), 0), "bits beyond the prefix do not count");
        assert!(!bans.holds_address(ip("10.255.0.1"), 0));
    }

    #[test]
    fn ipv4_written_as_ipv6_is_ipv4() {
        let bans = Bans::new();
        assert_eq!(net("::ffff:198.51.100.0/120"), net("198.51.100.0/24"));
        assert_eq!(net("::ffff:198.51.100.9"), net("198.51.100.9/32"));
        bans.set(net("::ffff:198.51.100.0/120"), terms(FOR_GOOD), 0).expect("room");
        assert!(
            bans.holds_address(ip("198.51.100.9"), 0) && bans.holds_address(ip("::ffff:198.51.100.9"), 0)
        );
        bans.set(net("0.0.0.0/0"), terms(FOR_GOOD), 0).expect("room");
        assert!(bans.holds_address(ip("127.0.0.1"), 0) && !bans.holds_address(ip("2001:db8::1"), 0));
    }

    #[test]
    fn what_is_no_network_is_none() {
        for text in ["", "kim", "10.0.0", "10.0.0.0/33", "10.0.0.0/-1", "::/129", "10.0.0.0/8 ", "[::1]"] {
            assert_eq!(parse_network(text), None, "{text}");
        }
    }

    #[test]
    fn the_table_is_bounded_and_what_has_ended_makes_room() {
        let bans = Bans::new();
        for number in 0..BANS_MAX {
            let until = if number == 7 { 50 } else { FOR_GOOD };
            bans.set(named(&format!("n{number}")), terms(until), 0).expect("room");
        }
        assert_eq!(bans.set(named("more"), terms(FOR_GOOD), 0), Err(ErrorCode::Overloaded));
        bans.set(named("n3"), terms(FOR_GOOD), 0).expect("it is in there");
        bans.set(net("10.0.0.1"), terms(FOR_GOOD), 0).expect("networks have room of their own");
        bans.set(named("more"), terms(FOR_GOOD), 50).expect("one has ended");
        assert!(holds(&bans, "more", 50));
    }

    #[test]
    fn a_mute_is_no_ban() {
        let (bans, kim) = (Bans::new(), Username::parse("Kim").expect("a name"));
        bans.mute(kim.clone(), terms(100), 0).expect("room");
        assert_eq!((bans.muted_until(&kim.key(), 99), bans.muted_until(&kim.key(), 100)), (100, 0));
        assert!(!holds(&bans, "kim", 0));
        assert_eq!(bans.list_mutes(0).len(), 1);
        assert!(bans.unmute(&kim.key(), 0) && !bans.unmute(&kim.key(), 0));
    }
}
