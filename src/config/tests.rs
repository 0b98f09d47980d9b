//! Settings from everywhere, in their order, and those that cannot be.

use super::*;

fn load(file: Option<&Path>, env: &[(&str, &str)], settings: &[&str]) -> Result<Config, String> {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let settings: Vec<String> = settings.iter().map(|text| (*text).to_owned()).collect();
    Config::load(file, env, &settings).map_err(|error| error.to_string())
}

#[test]
fn a_flag_goes_before_the_environment_and_that_before_the_default() {
    let env = [("CHAT_LIMITS__CONNECTIONS", "7"), ("CHAT_TIMEOUTS__LOGIN", "3s"), ("CHAT_USER", "kim")];
    let config = load(None, &env, &["limits.connections=9"]).expect("valid");
    assert_eq!(config.limits.connections, 9);
    assert_eq!(config.timeouts.login, Duration::from_secs(3));
    assert_eq!(config.limits.guests, Config::default().limits.guests);
}

#[test]
fn what_is_shown_as_effective_sets_the_same_again() {
    let settings = [
        "rates.chat.per_second=0",
        "listen=[\"[::1]:5\"]",
        "accounts.names=korean",
        "accounts.reserved=[\"사장\"]",
    ];
    let config = load(None, &[], &settings).expect("valid");
    assert_eq!(config.accounts.names, NamePolicy::Korean);
    let again: Config = toml::from_str(&config.to_toml()).expect("its own output");
    assert_eq!(config, again);
}

#[test]
fn an_unknown_key_is_refused_by_name_wherever_it_stands() {
    for (env, settings) in
        [(&[("CHAT_LIMITS__CONECTIONS", "7")][..], &[][..]), (&[], &["limits.conections=7"])]
    {
        let error = load(None, env, settings).expect_err("no such key");
        assert!(error.contains("conections") && error.contains("connections"), "{error}");
    }
    assert!(load(None, &[], &["nosuch=1"]).expect_err("no such key").contains("nosuch"));
    assert!(load(None, &[], &["listen"]).expect_err("no value").contains("KEY=VALUE"));
}

#[test]
fn lines_are_stored_before_they_are_answered_only_where_they_are_kept() {
    for without in ["history.keep=false", "database.url=none"] {
        let error = load(None, &[], &[without, "history.durability=full"]).expect_err(without);
        assert!(error.contains("history.durability"), "{error}");
        assert!(!load(None, &[], &[without]).expect("valid").keeps_history());
    }
    assert!(load(None, &[], &["history.durability=full"]).expect("valid").keeps_history());
}

#[test]
fn a_server_listens_somewhere() {
    assert!(load(None, &[], &["listen=[]"]).is_ok(), "for TLS alone");
    let error = load(None, &[], &["listen=[]", "tls.listen=[]"]).expect_err("nowhere");
    assert!(error.contains("listen"), "{error}");
}

#[test]
fn values_that_cannot_be_are_refused_by_key() {
    for (setting, key) in [
        ("limits.connections=0", "limits.connections"),
        ("limits.connections=-1", "connections"),
        ("limits.connections=many", "connections"),
        ("timeouts.idle=30s", "timeouts.idle"),
        ("timeouts.ping_after=0s", "timeouts.ping_after"),
        ("timeouts.login=soon", "login"),
        ("tls.handshake=0s", "tls.handshake"),
        ("log.format=xml", "format"),
        ("log.rotate_bytes=4095", "log.rotate_bytes"),
        ("log.rotate_age=10ms", "log.rotate_age"),
        ("log.keep=1001", "log.keep"),
        ("log.addresses=none", "addresses"),
        ("accounts.names=latin1", "names"),
        ("accounts.reserved=[\"boss\", \"big boss\"]", "big boss"),
        ("history.lines=0", "history.lines"),
        ("history.age=0s", "history.age"),
        ("history.durability=disk", "durability"),
        ("history.failing=ignore", "failing"),
    ] {
        let error = load(None, &[], &[setting]).expect_err(setting);
        assert!(error.contains(key), "{setting}: {error}");
    }
}
