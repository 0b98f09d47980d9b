//! Which keys can change while a server runs, and what of new settings is in force then.

use toml::{Table, Value};

use super::{
    Config,
    keys::{keys, split},
};

/// What it takes for a key to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A reload.
    Reload,
    /// A reload, where the number is not above what it was at the start: what holds so many was made for that.
    ReloadUpToStart,
    /// A restart.
    Restart,
}

use Change::{Reload, ReloadUpToStart, Restart};

/// All keys. What Hello announces holds for a connection as long as it lasts: rates and times that are reloaded are
/// those of later ones.
const CHANGES: &[(&str, Change)] = &[
    ("accounts.guests", Reload),
    ("accounts.hashing.at_once", Restart),
    ("accounts.hashing.lanes", Restart),
    ("accounts.hashing.memory_kib", Restart),
    ("accounts.hashing.passes", Restart),
    ("accounts.names", Restart),
    ("accounts.registration", Reload),
    ("accounts.reserved", Restart),
    ("accounts.second_login", Reload),
    ("admin.listen", Restart),
    ("allow_plaintext", Restart),
    ("data", Restart),
    ("database.url", Restart),
    ("database.url_file", Restart),
    ("history.age", Reload),
    ("history.durability", Restart),
    ("history.failing", Restart),
    ("history.keep", Restart),
    ("history.lines", Reload),
    ("limits.connections", ReloadUpToStart),
    ("limits.exempt_addresses", Reload),
    ("limits.guests", Reload),
    ("limits.new_per_address", Reload),
    ("limits.notice_members", Restart),
    ("limits.per_address", Reload),
    ("listen", Restart),
    ("lobby.bytes", Restart),
    ("lobby.lines", Restart),
    ("log.addresses", Restart),
    ("log.console", Restart),
    ("log.file", Restart),
    ("log.format", Restart),
    ("log.keep", Restart),
    ("log.level", Reload),
    ("log.rotate_age", Restart),
    ("log.rotate_bytes", Restart),
    ("mailbox.bytes", Restart),
    ("mailbox.lines", Restart),
    ("rates.chat.burst", Reload),
    ("rates.chat.per_second", Reload),
    ("rates.other.burst", Reload),
    ("rates.other.per_second", Reload),
    ("resume.absent", Restart),
    ("resume.grace", Restart),
    ("resume.ttl", Restart),
    ("rooms.created", Restart),
    ("rooms.exclusive", Restart),
    ("rooms.ignored", Restart),
    ("rooms.joined", Restart),
    ("rooms.log.bytes", Restart),
    ("rooms.log.lines", Restart),
    ("rooms.max", Restart),
    ("rooms.members", Restart),
    ("rooms.owned", Restart),
    ("timeouts.drain", Reload),
    ("timeouts.idle", Reload),
    ("timeouts.login", Reload),
    ("timeouts.packet", Reload),
    ("timeouts.ping_after", Reload),
    ("timeouts.system_shutdown", Reload),
    ("timeouts.write", Reload),
    ("tls.accept_expired", Restart),
    ("tls.certificate", Restart),
    ("tls.client_ca", Restart),
    ("tls.handshake", Restart),
    ("tls.key", Restart),
    ("tls.listen", Restart),
];

impl Change {
    /// As it stands beside what a key is for.
    pub fn note(self) -> &'static str {
        match self {
            Reload => "[reload]",
            ReloadUpToStart => "[reload, up to what it was at the start]",
            Restart => "[restart]",
        }
    }
}

/// What it takes for a key to change; nothing, where it is none.
pub(super) fn change(path: &str) -> Option<Change> {
    CHANGES.iter().find(|(known, _)| *known == path).map(|(_, change)| *change)
}

/// What becomes of new settings: the keys that are not as they were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Those that are in force now.
    pub in_force: Vec<String>,
    /// Those that need a restart.
    pub restart: Vec<String>,
}

/// Settings in force, made to what of others can be while the server runs. An error where that is nothing whole: a key
/// that can change goes together with one that cannot.
pub fn blend(started: &Config, in_force: &Config, wanted: &Config) -> Result<(Config, Changes), String> {
    let [started, mut table, mut wanted] = [started, in_force, wanted]
        .map(|config| Table::try_from(config).expect("settings are made of what TOML has"));
    let mut changes = Changes::default();
    for key in keys().all() {
        let (path, new) = (key.path.as_str(), take(&mut wanted, &key.path));
        if get(&table, path) == new.as_ref() {
            continue;
        }
        let is_live = match change(path) {
            Some(Reload) => true,
            Some(ReloadUpToStart) => number(new.as_ref()) <= number(get(&started, path)),
            Some(Restart) | None => false,
        };
        if is_live {
            changes.in_force.push(path.into());
            put(&mut table, path, new);
        } else {
            changes.restart.push(path.into());
        }
    }
    let config: Config = table.try_into().expect("each value was one of settings");
    config.check()?;
    Ok((config, changes))
}

fn number(value: Option<&Value>) -> i64 {
    value.and_then(Value::as_integer).unwrap_or(i64::MAX)
}

fn get<'t>(table: &'t Table, path: &str) -> Option<&'t Value> {
    let (outer, name) = split(path);
    let sections = outer.split('.').filter(|section| !section.is_empty());
    sections.into_iter().try_fold(table, |table, section| table.get(section)?.as_table())?.get(name)
}

fn take(table: &mut Table, path: &str) -> Option<Value> {
    section_of(table, path).remove(split(path).1)
}

/// Sets a key of a table, making the sections it stands in; or unsets it.
pub(super) fn put(table: &mut Table, path: &str, value: Option<Value>) {
    let (section, name) = (section_of(table, path), split(path).1);
    match value {
        Some(value) => drop(section.insert(name.into(), value)),
        None => drop(section.remove(name)),
    }
}

fn section_of<'t>(table: &'t mut Table, path: &str) -> &'t mut Table {
    let sections = split(path).0.split('.').filter(|section| !section.is_empty());
    sections.into_iter().fold(table, |table, section| {
        let inner = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
        inner.as_table_mut().expect("a section is a table")
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Policy;

    /// Of each key another value than the default, which is possible alone.
    const OTHERS: &str = r#"
        listen = ["127.0.0.1:1"]
        data = "elsewhere"
        limits = { connections = 9, guests = 9, per_address = 9, new_per_address = 9, exempt_addresses = [],
                   notice_members = 9 }
        timeouts = { login = "9s", packet = "9s", ping_after = "9s", idle = "99s", write = "9s", drain = "9s",
                     system_shutdown = "9s" }
        rates = { chat = { per_second = 9, burst = 9 }, other = { per_second = 9, burst = 9 } }
        lobby = { lines = 9, bytes = 9 }
        mailbox = { lines = 9, bytes = 9 }
        resume = { grace = "9s", ttl = "9s", absent = 9 }
        history = { keep = false, durability = "full", failing = "forget", lines = 9, age = "9s" }
        log = { level = "debug", format = "json", console = false, file = "chat.log", rotate_bytes = 9999,
                rotate_age = "9s", keep = 9, addresses = "truncated" }
        allow_plaintext = true
        admin = { listen = "none" }
        tls = { listen = [], certificate = "c", key = "k", client_ca = "ca", handshake = "9s", accept_expired = true }
        database = { url = "postgres://db", url_file = "secret" }

        [rooms]
        max = 9
        members = 9
        joined = 9
        owned = 9
        created = 9
        exclusive = true
        ignored = 9
        log = { lines = 9, bytes = 9 }

        [accounts]
        names = "ascii"
        reserved = ["boss"]
        registration = "closed"
        guests = true
        second_login = "refused"
        hashing = { memory_kib = 20_000, passes = 3, lanes = 2, at_once = 1 }
    "#;

    #[test]
    fn no_key_is_forgotten_and_none_is_made_up() {
        let keys: Vec<_> = keys().all().map(|key| key.path.as_str()).collect();
        let table: Vec<_> = CHANGES.iter().map(|(path, _)| *path).collect();
        assert_eq!(table, keys, "in the order of the alphabet");
    }

    #[test]
    fn each_key_is_in_force_or_needs_a_restart_as_the_table_says() {
        let started = Config::default();
        let others: Config = toml::from_str(OTHERS).expect("every key");
        for (path, change) in CHANGES {
            let (mut table, mut other) =
                (Table::try_from(&started).expect("TOML"), Table::try_from(&others).expect("TOML"));
            let value = take(&mut other, path);
            assert_ne!(get(&table, path), value.as_ref(), "{path} is not different");
            put(&mut table, path, value);
            let wanted: Config = table.try_into().expect("settings");
            let (blended, changes) = blend(&started, &started, &wanted).expect("alone they can be");
            let is_live = *change != Restart;
            assert_eq!(blended == wanted, is_live, "{path}");
            assert_eq!(changes.in_force.iter().any(|changed| changed == path), is_live, "{path}");
            assert_eq!(changes.restart.iter().any(|changed| changed == path), !is_live, "{path}");
            assert_eq!(changes.in_force.len() + changes.restart.len(), 1);
        }
    }

    #[test]
    fn what_is_told_to_be_in_force_is_what_the_server_looks_at() {
        let others: Config = toml::from_str(OTHERS).expect("every key");
        for (path, change) in CHANGES {
            // The log has that one, and `limits.notice_members` stands among limits of which the rest may change.
            if ["log.level", "limits.notice_members"].contains(path) {
                continue;
            }
            let [mut table, mut other] =
                [&Config::default(), &others].map(|config| Table::try_from(config).expect("TOML"));
            put(&mut table, path, take(&mut other, path));
            let changed: Config = table.try_into().expect("settings");
            let is_other = Policy::of(&changed) != Policy::of(&Config::default());
            assert_eq!(is_other, *change != Restart, "{path}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_whose_name_is_no_text_is_one_like_any_other() {
        use std::{ffi::OsString, os::unix::ffi::OsStringExt as _};
        let mut config =
            Config { data: Some(OsString::from_vec(vec![b'd', 0xff]).into()), ..Config::default() };
        assert!(config.to_toml().contains("data = \"d\u{fffd}\""), "{}", config.to_toml());
        let started = config.clone();
        assert_eq!(blend(&started, &started, &config).expect("possible").1, Changes::default());
        config.limits.guests = 5;
        let (in_force, changes) = blend(&started, &started, &config).expect("possible");
        assert_eq!((in_force.limits.guests, changes.in_force), (5, vec!["limits.guests".to_owned()]));
    }

    #[test]
    fn what_was_made_for_a_number_takes_less_and_not_more() {
        let started = Config::default();
        let with = |connections| {
            let mut config = started.clone();
            config.limits.connections = connections;
            config
        };
        let (fewer, changes) = blend(&started, &started, &with(10)).expect("possible");
        assert_eq!((fewer.limits.connections, changes.in_force.len()), (10, 1));
        let (again, changes) = blend(&started, &fewer, &with(10_000)).expect("possible");
        assert_eq!((again.limits.connections, changes.in_force.len()), (10_000, 1));
        let (more, changes) = blend(&started, &fewer, &with(10_001)).expect("possible");
        assert_eq!((more.limits.connections, changes.restart), (10, vec!["limits.connections".to_owned()]));
    }

    #[test]
    fn what_waits_for_a_restart_is_told_each_time_and_nothing_is_told_of_the_same() {
        let (started, mut wanted) = (Config::default(), Config::default());
        wanted.resume.grace = Duration::ZERO;
        wanted.timeouts.idle = Duration::from_secs(99);
        let (in_force, changes) = blend(&started, &started, &wanted).expect("possible");
        assert_eq!((changes.in_force.len(), changes.restart.len()), (1, 1));
        let (_, changes) = blend(&started, &in_force, &wanted).expect("possible");
        assert_eq!((changes.in_force.len(), changes.restart.len()), (0, 1));
        let (_, changes) = blend(&started, &in_force, &in_force).expect("possible");
        assert_eq!(changes, Changes::default());
    }
}
