//! Settings from everywhere, in their order, and those that cannot be.

use std::{fs, path::Path, process, sync::atomic::AtomicU32};

use proptest::{collection, option, prelude::*};

use super::*;

/// A file of a test's own, gone with the test.
struct Text(PathBuf);

impl Text {
    fn new(bytes: impl AsRef<[u8]>) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("chat 설정 {}-{number}.toml", process::id()));
        fs::write(&path, bytes).expect("a new file");
        Self(path)
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn sources(file: Option<&Path>, env: &[(&str, &str)], settings: &[&str]) -> Sources {
    Sources {
        file: file.map(Into::into),
        environment: env.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        flags: settings.iter().map(|text| Flag::set(text).expect("KEY=VALUE")).collect(),
    }
}

fn load(file: Option<&Path>, env: &[(&str, &str)], settings: &[&str]) -> Result<Config, String> {
    let loaded = sources(file, env, settings).load();
    loaded.map(|loaded| loaded.config).map_err(|error| error.to_string())
}

/// What is wrong with a file: LINE:COLUMN: MESSAGE.
fn wrong(bytes: impl AsRef<[u8]>) -> Vec<String> {
    let file = Text::new(bytes);
    let error = sources(Some(&file.0), &[], &[]).load().map(|loaded| loaded.config).expect_err("it is wrong");
    let name = file.0.display().to_string() + ":";
    let line = |line: &str| line.strip_prefix(&name).expect("each says where").trim_start().to_owned();
    error.to_string().lines().map(line).collect()
}

#[test]
fn a_flag_goes_before_the_environment_and_that_before_the_default() {
    let env = [("CHAT_LIMITS__CONNECTIONS", "7"), ("CHAT_TIMEOUTS__LOGIN", "3s"), ("CHAT_USER", "kim")];
    let config = load(None, &env, &["limits.connections=9"]).expect("valid");
    assert_eq!(config.limits.connections, 9);
    assert_eq!(config.timeouts.login, Duration::from_secs(3));
    assert_eq!(config.limits.guests, Config::default().limits.guests);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn of_each_key_the_first_source_that_has_it_wins_whatever_the_others_have(
        set in collection::vec([option::of(1..99_u32), option::of(1..99_u32), option::of(1..99_u32)], 4),
    ) {
        const KEYS: [&str; 4] = ["limits.guests", "limits.per_address", "rates.chat.burst", "lobby.lines"];
        let (mut text, mut env, mut flags) = (String::new(), Vec::new(), Vec::new());
        for (key, [in_file, in_env, in_flags]) in KEYS.iter().zip(&set) {
            text.extend(in_file.map(|value| format!("{key} = {value}\n")));
            env.extend(in_env.map(|value| (sources::variable_of(key), value.to_string())));
            flags.extend(in_flags.map(|value| Flag::set(&format!("{key}={value}")).expect("KEY=VALUE")));
        }
        let file = Text::new(text);
        let sources = Sources { file: Some(file.0.clone()), environment: env, flags };
        let loaded = sources.load().expect("valid");
        let Config { limits, rates, lobby, .. } = &loaded.config;
        let defaults = [1_000, 256, 10, 4_096];
        let found = [limits.guests, limits.per_address as usize, rates.chat.burst as usize, lobby.lines];
        for (n, [in_file, in_env, in_flags]) in set.into_iter().enumerate() {
            let expected = in_flags.or(in_env).or(in_file).map_or(defaults[n], |value| value as usize);
            prop_assert_eq!(found[n], expected, "{}", KEYS[n]);
            let origin = loaded.origin(KEYS[n]).clone();
            let is_right = match (in_flags, in_env, in_file) {
                (Some(_), ..) => origin == Origin::CommandLine(format!("--set {}", KEYS[n])),
                (None, Some(_), _) => matches!(origin, Origin::Environment(_)),
                (None, None, Some(_)) => matches!(origin, Origin::File(_, Some(_))),
                (None, None, None) => origin == Origin::Default,
            };
            prop_assert!(is_right, "{} comes from {origin}", KEYS[n]);
        }
    }
}

#[test]
fn what_is_shown_as_effective_sets_the_same_again_and_says_where_it_comes_from() {
    let file = Text::new("[limits]\r\nguests = 3\r\n");
    let settings = [
        "rates.chat.per_second=0",
        "listen=[\"[::1]:5\"]",
        "accounts.names=korean",
        "accounts.reserved=[\"사장\"]",
    ];
    let loaded = sources(Some(&file.0), &[("CHAT_LOG", "warn")], &settings).load().expect("valid");
    assert_eq!(loaded.config.accounts.names, NamePolicy::Korean);
    let shown = loaded.to_toml(false);
    assert_eq!(loaded.config, toml::from_str(&shown).expect("its own output"));
    for line in [
        "listen = [\"[::1]:5\"]  # --set listen".to_owned(),
        format!("guests = 3  # {}:2", file.0.display()),
        "level = \"warn\"  # environment CHAT_LOG".to_owned(),
        "connections = 10000  # default".to_owned(),
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
    }
}

#[test]
fn a_variable_is_a_list_with_commas_or_a_section_or_a_string_that_looks_like_a_number() {
    let env = [
        ("CHAT_LISTEN", "127.0.0.1:1, [::1]:2"),
        ("CHAT_RATES__CHAT", "{per_second=20,burst=40}"),
        ("CHAT_RATES__CHAT__BURST", "50"),
        ("CHAT_DATA", "2026-11-26"),
        ("CHAT_LOG", "warn"),
        ("CHAT_LOG__LEVEL", "debug"),
    ];
    let config = load(None, &env, &[]).expect("valid");
    assert_eq!(config.listen.len(), 2);
    assert_eq!(config.rates.chat, Rate { per_second: 20, burst: 50 });
    assert_eq!(config.data, Some("2026-11-26".into()));
    assert_eq!(config.log.level, "debug", "the longer name is the more exact");
}

#[test]
fn an_unknown_key_is_refused_by_name_wherever_it_stands() {
    for (env, settings, meant) in [
        (&[("CHAT_LIMITS__CONECTIONS", "7")][..], &[][..], "CHAT_LIMITS__CONNECTIONS"),
        (&[], &["limits.conections=7"], "`limits.connections`"),
        (&[], &["limits={conections=7}"], "`limits.connections`"),
    ] {
        let error = load(None, env, settings).expect_err("no such key");
        assert!(error.contains("conections") && error.contains(&format!("did you mean {meant}?")), "{error}");
    }
    assert!(load(None, &[], &["nosuch=1"]).expect_err("no such key").contains("nosuch"));
    assert!(Flag::set("listen").expect_err("no value").to_string().contains("KEY=VALUE"));
    let quoted = wrong("\"limits.connections\" = 5\n");
    assert_eq!(quoted, ["1:1: there is no key `\"limits.connections\"`; did you mean `limits.connections`?"]);
    let tables = wrong("[[limits]]\nconnections = 5\n");
    assert_eq!(tables, ["1:3: `limits` is a section: its keys stand below [limits]"]);
    let inner = wrong("[limits.more]\n[rates]\nchat = { per_second = 1, brust = 2 }\n");
    assert_eq!(
        inner,
        [
            "1:9: there is no key `limits.more`",
            "3:26: there is no key `rates.chat.brust`; did you mean `rates.chat.burst`?"
        ]
    );
}

#[test]
fn a_variable_that_is_mistyped_is_not_passed_over() {
    for (wrong, meant) in [
        ("CHAT_LIMITS_CONNECTIONS", "CHAT_LIMITS__CONNECTIONS"),
        ("CHAT_LISTEN_TSL", "CHAT_LISTEN_TLS"),
        ("CHAT_ALOW_PLAINTEXT", "CHAT_ALLOW_PLAINTEXT"),
        ("CHAT_DATABASE_URL", "CHAT_DATABASE__URL"),
    ] {
        let error = load(None, &[(wrong, "secret")], &[]).expect_err(wrong);
        assert_eq!(error, format!("environment {wrong}: there is no such setting; did you mean {meant}?"));
    }
    let error = load(None, &[("CHAT_DATABASE", "secret")], &[]).expect_err("a section");
    assert!(error.starts_with("environment CHAT_DATABASE: `database` is a section"), "{error}");
    let of_others =
        ["CONFIG", "USER", "PASSWORD", "KEYS", "INVITE", "PIN", "CA", "KNOWN_HOSTS", "PORT", "SERVICE_HOST"];
    for name in of_others {
        assert!(load(None, &[(&format!("CHAT_{name}"), "x")], &[]).is_ok(), "{name}");
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once_each_where_it_stands() {
    let text = "lisen = []\n\n[limits]\nconections = 5\nguests = 'many'\nper_address = 0\n\
                exempt_addresses = ['::1', 'home']\n  [timeouts]\nidle = '10s'\n[log]\nformat='xml'\nlevel = '=='\n\
                [nosuch]\na = 1\nb = 2\n[rooms]\nlog = 5\n[lobby]\nlines = -1\nbytes = 99999999999999999999\n";
    let found = wrong(text);
    let expected = [
        "1:1: there is no key `lisen`; did you mean `listen`?",
        "4:1: there is no key `limits.conections`; did you mean `limits.connections`?",
        "5:10: `limits.guests` takes a whole number of at least 0",
        "6:15: `limits.per_address` must be at least 1",
        "7:28: `limits.exempt_addresses`: invalid IP address syntax",
        "9:8: `timeouts.idle` must be longer than `timeouts.ping_after`",
        "11:8: `log.format`: unknown variant `xml`, expected `text` or `json`",
        "12:9: `log.level`: invalid filter directive: \"==\"",
        "13:2: there is no key `nosuch`",
        "17:1: `rooms.log` is a section: its keys stand below [rooms.log]",
        "19:9: `lobby.lines` takes a whole number of at least 0",
        "20:9: `lobby.bytes` takes a whole number of at least 0",
    ];
    assert_eq!(found, expected, "{found:#?}");
}

#[test]
fn what_is_not_toml_is_told_line_by_line() {
    let found = wrong("a = \r\n[limits]\r\nguests = 5\r\nguests = 6\r\nper_address = 1 1\r\n");
    assert_eq!(found.len(), 3, "{found:#?}");
    assert_eq!(found[0], "1:5: there is no value");
    assert_eq!(found[1], "4:1: `guests` is set twice");
    assert!(found[2].starts_with("5:15: "), "{found:#?}");
}

#[test]
fn a_path_of_windows_in_double_quotes_is_told_how_it_is_written() {
    for text in [r#"data = "C:\Users\kim""#, r#"data = "C:\chat""#, r#"data = "C:\temp""#, r#"data = "C:\x""#]
    {
        let found = wrong(format!("\n{text}\n"));
        assert!(found[0].starts_with("2:"), "{found:?}");
        assert!(found.len() == 1 && found[0].contains("single quotes"), "{text}: {found:?}");
    }
    let file = Text::new("data = 'C:\\Users\\kim'\n");
    let config = load(Some(&file.0), &[], &[]).expect("valid");
    assert_eq!(config.data, Some(r"C:\Users\kim".into()));
}

#[test]
fn what_notepad_writes_is_read_and_what_it_should_not_write_is_told() {
    let notepad = Text::new("\u{feff}# 설정\r\n[limits]\r\nguests = 3\r\n");
    assert_eq!(load(Some(&notepad.0), &[], &[]).expect("valid").limits.guests, 3);
    let as_notepad = default_toml().replace('\n', "\r\n");
    let defaults = Text::new(format!("\u{feff}{as_notepad}"));
    assert_eq!(load(Some(&defaults.0), &[], &[]).expect("valid"), Config::default());
    let utf_16 = |mark: &[u8], bytes: fn(u16) -> [u8; 2]| {
        [mark.to_vec(), "[limits]\r\n".encode_utf16().flat_map(bytes).collect()].concat()
    };
    for bytes in [
        utf_16(&[0xff, 0xfe], u16::to_le_bytes),
        utf_16(&[0xfe, 0xff], u16::to_be_bytes),
        utf_16(&[], u16::to_le_bytes),
        utf_16(&[], u16::to_be_bytes),
    ] {
        let found = wrong(bytes);
        assert!(found.len() == 1 && found[0].contains("UTF-16") && found[0].contains("UTF-8"), "{found:?}");
    }
    let cp949 = wrong(b"[limits]\n# \xbc\xb3\xc1\xa4\n");
    assert!(cp949.len() == 1 && cp949[0].starts_with("2:3: ") && cp949[0].contains("UTF-8"), "{cp949:?}");
    // In a byte order mark's shadow columns are right too.
    assert!(wrong("\u{feff}lisen = []")[0].starts_with("1:1: "));
}

#[test]
fn a_file_that_cannot_be_read_or_is_none_of_ours_is_told_by_name() {
    let missing = load(Some(Path::new("no such.toml")), &[], &[]).expect_err("there is none");
    assert!(missing.starts_with("no such.toml: "), "{missing}");
    let large = wrong(vec![b'#'; 1024 * 1024 + 1]);
    assert!(large[0].contains("at most"), "{large:?}");
    let folder = std::env::temp_dir();
    let error = load(Some(&folder), &[], &[]).expect_err("a folder");
    assert!(error.starts_with(&folder.display().to_string()) && error.lines().count() == 1, "{error}");
    let secret =
        load(None, &[], &[&format!("database.url_file={}", folder.display())]).expect_err("a folder");
    assert!(secret.starts_with("--set database.url_file: ") && secret.lines().count() == 1, "{secret}");
}

#[test]
fn a_secret_comes_from_the_first_line_of_a_file_and_from_one_place_alone() {
    let secret = Text::new("\u{feff}postgres://kim:p@ss@db/chat\r\nnot this\r\n");
    let path = secret.0.to_str().expect("text");
    let env = [("CHAT_DATABASE__URL_FILE", path)];
    let loaded = sources(None, &env, &[]).load().expect("valid");
    assert_eq!(loaded.config.database.url, "postgres://kim:p@ss@db/chat");
    for shown in [loaded.to_toml(false), loaded.to_toml(true)] {
        let again = Text::new(&shown);
        assert_eq!(load(Some(&again.0), &[], &[]).expect("its own output"), loaded.config, "{shown}");
    }
    assert!(!loaded.to_toml(false).contains("p@ss"));
    let both = load(None, &env, &["database.url=postgres://db"]).expect_err("one is enough");
    assert!(both.contains("database.url_file") && both.contains("--set database.url"), "{both}");
    assert!(!both.contains("postgres://"), "{both}");
    for (text, why) in [("", "empty"), ("\nx", "empty"), ("mysql://kim:p@ss@db", "postgres://")] {
        let secret = Text::new(text);
        let set = format!("database.url_file={}", secret.0.display());
        let error = load(None, &[], &[&set]).expect_err("no URL");
        assert!(error.starts_with("--set database.url_file: ") && error.contains(why), "{error}");
        assert!(!error.contains("p@ss"), "{error}");
    }
    let error = load(None, &[], &["database.url_file=/no/such"]).expect_err("no file");
    assert!(error.contains("/no/such"), "{error}");
}

#[test]
fn no_error_repeats_what_may_be_a_secret() {
    for set in ["database.url=mysql://kim:p@ss@db", "database.url=\"p@ss", "database.url=p@ss\u{7}"] {
        let error = load(None, &[], &[set]).expect_err(set);
        assert!(error.contains("database.url") && !error.contains("p@ss"), "{error}");
    }
    for set in ["database.url postgres://kim:p@ss@db?a=b", "database.url:postgres://kim:p@ss@db", "p@ss"] {
        let error = Flag::set(set).expect_err(set).to_string();
        assert!(error.contains("KEY=VALUE") && !error.contains("ss@db") && !error.contains("@ss"), "{error}");
    }
    let found = wrong("[database]\nurl = \"postgres://kim:p@ss\\word@db\"\n");
    assert!(found.len() == 1 && !found[0].contains("p@ss"), "{found:?}");
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
        ("limits.connections=10000001", "limits.connections"),
        ("resume.absent=10000001", "resume.absent"),
        ("resume.grace=50d", "resume.grace"),
        ("resume.ttl=50d", "resume.ttl"),
        ("accounts.hashing.at_once=1025", "accounts.hashing.at_once"),
        ("timeouts.login=50d", "timeouts.login"),
        ("timeouts.packet=50d", "timeouts.packet"),
        ("timeouts.write=50d", "timeouts.write"),
        ("timeouts.drain=300000000000years", "timeouts.drain"),
        ("timeouts.system_shutdown=50d", "timeouts.system_shutdown"),
        ("tls.handshake=50d", "tls.handshake"),
        ("data=", "`data`"),
        ("tls.certificate=", "tls.certificate"),
        ("tls.key=''", "tls.key"),
        ("timeouts.idle=30s", "timeouts.idle"),
        ("timeouts.ping_after=99s", "timeouts.idle"),
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
        ("accounts.hashing.passes=1", "accounts.hashing"),
        ("history.lines=0", "history.lines"),
        ("history.age=0s", "history.age"),
        ("history.durability=disk", "durability"),
        ("history.failing=ignore", "failing"),
        ("admin.listen=0.0.0.0:11090", "admin.listen"),
        ("admin.listen=[::]:11090", "admin.listen"),
        ("admin.listen=192.0.2.1:11090", "admin.listen"),
        ("admin.listen=[::ffff:127.0.0.1]:11090", "admin.listen"),
        ("admin.listen=localhost:11090", "admin.listen"),
        ("admin.listen=127.0.0.1", "admin.listen"),
        ("admin.listen=", "admin.listen"),
    ] {
        let error = load(None, &[], &[setting]).expect_err(setting);
        assert!(error.contains(key), "{setting}: {error}");
        assert!(error.starts_with("--set ") && error.lines().count() == 1, "{error}");
    }
}
