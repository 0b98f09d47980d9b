//! `chat-server config` and `check`: what there is to set, what is set, and what is wrong with it.

use std::{fs, path::Path, process::Command};

use crate::{Data, Said, finish, process};

#[test]
fn what_is_wrong_in_a_file_is_told_as_compilers_do_and_the_exit_code_says_so() {
    let data = Data::new();
    let file = data.put("chat.toml", b"\xef\xbb\xbf[limits]\r\nconections = 5\r\nguests = 'many'\r\n");
    let name = file.to_str().expect("text");
    let said = data.run(&["check", "--config", name]);
    let expected = format!(
        "{name}:2:1: there is no key `limits.conections`; did you mean `limits.connections`?\n\
         {name}:3:10: `limits.guests` takes a whole number of at least 0\n"
    );
    assert_eq!((said.code, said.err.as_str()), (Some(3), expected.as_str()));
    let said = data.run(&["run", "--config", name]);
    assert_eq!(said.code, Some(3), "what cannot be is not served: {said:?}");
    assert!(said.err.lines().count() == 2 && said.err.lines().all(|line| line.starts_with("chat-server: ")));
}

#[test]
fn two_slips_in_the_defaults_are_told_as_readme_shows_it() {
    let data = Data::new();
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).expect("text");
    let shown: Vec<_> = readme.lines().filter_map(|line| line.strip_prefix("chat.toml:")).collect();
    let slipped = data
        .done(&["config", "default"])
        .replacen("\nconnections = ", "\nconections = ", 1)
        .replacen("\nlevel = \"info\"", "\nlevel = \"inof\"", 1);
    let file = data.put("chat.toml", slipped.as_bytes());
    let name = file.to_str().expect("text");
    let said = data.run(&["check", "--config", name]).err;
    let told: Vec<_> = said.lines().filter_map(|line| line.strip_prefix(&format!("{name}:"))).collect();
    assert!(told.len() == 2 && told == shown, "{said}");
}

#[test]
fn what_is_wrong_together_is_told_where_it_stands_and_nothing_is_valid_that_cannot_start() {
    let data = Data::new();
    for (text, place, what) in [
        ("listen = ['0.0.0.0:1']\n", "1:10", "--allow-plaintext"),
        ("[tls]\nlisten = ['0.0.0.0:1']\n", "2:10", "cert selfsigned"),
        ("[tls]\n\nkey = 'key.pem'\n", "3:7", "`tls.certificate`"),
        ("[database]\nurl = 'postgres://kim:secret@db:port/chat'\n", "2:7", "`database.url`"),
    ] {
        let file = data.put("chat.toml", text.as_bytes());
        let name = file.to_str().expect("text");
        for command in ["check", "run"] {
            let said = data.run(&[command, "--config", name]);
            assert_eq!((said.code, said.err.lines().count()), (Some(3), 1), "{said:?}");
            assert!(said.err.contains(what) && !said.err.contains("secret"), "{said:?}");
            assert_eq!(said.err.starts_with(&format!("{name}:{place}: ")), command == "check", "{said:?}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_variable_of_ours_that_is_no_text_is_refused_and_one_of_others_is_not() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};
    let with = |name: &str| -> Said {
        let value = OsStr::from_bytes(b"/tmp/\xff");
        finish(
            Command::new(process::program()).args(["check", "--set", "database.url=none"]).env(name, value),
            b"",
        )
    };
    let said = with("CHAT_DATA");
    assert!(said.code == Some(3) && said.err.contains("CHAT_DATA"), "{said:?}");
    assert_eq!(with("SOMEBODYS").code, Some(0));
}

#[test]
fn the_defaults_are_a_file_that_is_valid_with_every_kind_of_line_end() {
    let data = Data::new();
    let text = data.done(&["config", "default"]);
    for (name, text) in [("unix.toml", text.clone()), ("dos.toml", text.replace('\n', "\r\n"))] {
        let file = data.put(name, text.as_bytes());
        let checked = data.done(&["check", "--config", file.to_str().expect("text")]);
        assert_eq!(checked, "the configuration is valid\n");
    }
}

#[test]
fn each_setting_in_force_is_shown_with_where_it_comes_from_and_no_password() {
    let data = Data::new();
    let file = data.put("chat.toml", b"[limits]\nconnections = 7\n[timeouts]\nlogin = '7s'\n");
    let shown = |more: &[&str]| -> Said {
        let mut command = Command::new(process::program());
        command
            .args(["config", "effective", "--config"])
            .arg(&file)
            .args(["--set", "timeouts.login=9s"])
            .args(more);
        command
            .env("CHAT_LISTEN", "127.0.0.1:7000")
            .env("CHAT_DATABASE__URL", "postgres://kim:secret@db/chat");
        finish(&mut command, b"")
    };
    let said = shown(&[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for line in [
        "listen = [\"127.0.0.1:7000\"]  # environment CHAT_LISTEN",
        &format!("connections = 7  # {}:2", file.display()),
        "login = \"9s\"  # --set timeouts.login",
        "guests = 1000  # default",
        "url = \"postgres://kim:***@db/chat\"  # environment CHAT_DATABASE__URL",
    ] {
        assert!(said.out.lines().any(|shown| shown == line), "{line}: {}", said.out);
    }
    assert!(shown(&["--show-secrets"]).out.contains("kim:secret@db"));
    let flag_first = shown(&["--listen", "127.0.0.1:7001"]);
    assert!(flag_first.out.contains("listen = [\"127.0.0.1:7001\"]  # --listen"), "{flag_first:?}");
}

#[test]
fn editors_are_told_every_key_and_the_environment_too() {
    let data = Data::new();
    let schema: serde_json::Value = serde_json::from_str(&data.done(&["config", "schema"])).expect("JSON");
    assert_eq!(schema["properties"]["limits"]["properties"]["connections"]["default"], 10_000);
    let environment = data.done(&["config", "env"]);
    assert!(environment.contains("\nCHAT_LIMITS__CONNECTIONS=10000\n"), "{environment}");
}
