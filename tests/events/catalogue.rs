//! The catalogue of events, docs/EVENTS.md, against the source that logs them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// What a line for machines has of its own, and no event may have as a field.
const RESERVED: [&str; 6] = ["ts", "level", "target", "msg", "message", "error"];

/// An event, at all places where it is logged.
#[derive(Debug, Default, PartialEq, Eq)]
struct Logged {
    levels: BTreeSet<String>,
    fields: BTreeSet<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The code of the server, without its tests.
fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("the sources") {
        let path = entry.expect("readable").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() {
            sources(&path, found);
        } else if !name.ends_with("tests.rs") {
            let code = fs::read_to_string(&path).expect("text");
            let code = code.split("#[cfg(test)]\nmod tests {").next().expect("there is a first").to_owned();
            found.push((path.display().to_string(), code));
        }
    }
}

/// What stands between the brackets of each `tracing::level!(...)`, with its level.
fn calls(code: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for level in ["trace", "debug", "info", "warn", "error"] {
        let call = format!("tracing::{level}!(");
        for (at, _) in code.match_indices(&call) {
            found.push((level.to_owned(), arguments(&code[at + call.len()..])));
        }
    }
    found
}

/// The arguments up to the bracket that closes the call.
fn arguments(code: &str) -> Vec<String> {
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    let mut arguments = vec![String::new()];
    for c in code.chars() {
        let plain = !quoted && !escaped;
        match c {
            '"' if !escaped => quoted = !quoted,
            '(' | '[' | '{' if plain => depth += 1,
            ')' if plain && depth == 0 => break,
            ')' | ']' | '}' if plain => depth -= 1,
            ',' if plain && depth == 0 => {
                arguments.push(String::new());
                continue;
            }
            _ => {}
        }
        escaped = quoted && c == '\\' && !escaped;
        arguments.last_mut().expect("there is one").push(c);
    }
    let trimmed = arguments.iter().map(|argument| argument.trim().to_owned());
    trimmed.filter(|argument| !argument.is_empty()).collect()
}

/// The events in the source.
fn logged() -> BTreeMap<String, Logged> {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    let mut events = BTreeMap::<String, Logged>::new();
    for (path, code) in files {
        for (level, mut arguments) in calls(&code) {
            let message = arguments.pop().expect("it has arguments");
            assert!(
                message.starts_with('"') && !message.contains('{'),
                "{path}: an event ends in words that are always the same, not in {message}"
            );
            let first = arguments
                .first()
                .and_then(|first| first.strip_prefix("event = \""))
                .map(|name| name.trim_end_matches('"'));
            let event = first.unwrap_or_else(|| panic!("{path}: begins with no event: {arguments:?}"));
            let logged = events.entry(event.to_owned()).or_default();
            logged.levels.insert(level);
            for argument in &arguments[1..] {
                let name = argument.split_once(" = ").map_or(&**argument, |(name, _)| name);
                let name = name.trim_start_matches(['%', '?']).rsplit('.').next().expect("there is a last");
                assert!(!RESERVED.contains(&name), "{path}: {event} has a field {name}: errors are `err`");
                logged.fields.insert(name.to_owned());
            }
        }
    }
    events
}

/// The rows of the catalogue: event, and what is said of it.
fn catalogue() -> BTreeMap<String, [String; 5]> {
    let mut rows = BTreeMap::new();
    for line in read("docs/EVENTS.md").lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        if let [event, rest @ ..] = &cells[..]
            && let Ok(rest) = <[String; 5]>::try_from(rest.to_vec())
        {
            let twice = rows.insert(event.trim_matches('`').to_owned(), rest);
            assert!(twice.is_none(), "{event} is there twice");
        }
    }
    assert!(rows.len() > 20, "the catalogue has another form: {rows:?}");
    rows
}

#[test]
fn every_event_is_in_the_catalogue_with_its_level_and_its_fields_and_no_other() {
    let (logged, catalogue) = (logged(), catalogue());
    for (event, found) in &logged {
        let [level, _, fields, ..] =
            catalogue.get(event).unwrap_or_else(|| panic!("docs/EVENTS.md has no {event}: {found:?}"));
        let fields: BTreeSet<_> = fields.split_whitespace().map(ToOwned::to_owned).collect();
        assert_eq!((&found.levels, &found.fields), (&[level.clone()].into(), &fields), "{event}");
    }
    for (event, [.., means, _]) in &catalogue {
        assert!(logged.contains_key(event), "nothing logs {event}");
        assert!(!means.is_empty(), "{event} means nothing");
    }
}

/// What no test can have happen on every system: a task of the server's own has panicked, Windows does not take its
/// status or says of a connection that it had ended before it was accepted (as Wine does of tests/tls/handshakes.rs).
const EXCEPTIONS: [&str; 7] = [
    "fan_out_failed",
    "gone_before_accept",
    "history_failed",
    "ledger_failed",
    "mailboxes_failed",
    "resume_failed",
    "service_status_failed",
];

#[test]
fn every_event_happens_in_a_test_that_asks_for_it_by_name() {
    let mut tests = String::new();
    collect(&root().join("tests"), &mut tests, &|code| code);
    collect(&root().join("src"), &mut tests, &|code| {
        // Of the code that is tested nothing counts.
        code.split_once("#[cfg(test)]\nmod tests {").map_or("", |(_, tests)| tests)
    });
    for event in catalogue().keys() {
        let forms = [format!("\"{event}\""), format!("event={event}")];
        let named = forms.iter().any(|form| tests.contains(form));
        assert_ne!(
            named,
            EXCEPTIONS.contains(&&**event),
            "{event}: named in a test, or an exception, and not both"
        );
    }
}

/// The text of all files but this one, as far as `part` takes it.
fn collect(folder: &Path, text: &mut String, part: &dyn Fn(&str) -> &str) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            collect(&path, text, part);
        } else if path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("events/catalogue.rs")
        {
            *text += part(&fs::read_to_string(&path).expect("text"));
        }
    }
}

#[test]
fn the_event_log_of_windows_has_the_numbers_of_the_catalogue() {
    let code = read("src/host/service/event_log.rs");
    let table = code.split("const EVENTS").nth(1).and_then(|rest| rest.split("];").next()).expect("a table");
    let mut numbers = BTreeMap::from([("failed".to_owned(), (number_of_failed(&code), "error"))]);
    for row in table.lines().filter_map(|line| line.trim().strip_prefix("(\"")) {
        let [name, number, kind] = row.splitn(3, ", ").collect::<Vec<_>>()[..] else { panic!("{row}") };
        let level = match kind {
            "EventKind::Information)," => "info",
            "EventKind::Warning)," => "warn",
            _ => "error",
        };
        numbers.insert(name.trim_end_matches('"').to_owned(), (number.to_owned(), level));
    }
    let rows = catalogue();
    let listed: BTreeMap<_, _> = rows
        .iter()
        .filter(|(_, [_, number, ..])| !number.is_empty())
        .map(|(event, [level, number, ..])| (event.clone(), (number.clone(), &**level)))
        .collect();
    assert_eq!(listed, numbers);
}

fn number_of_failed(code: &str) -> String {
    let (_, rest) = code.split_once("pub const FAILED: u32 = ").expect("it has a number");
    rest.chars().take_while(char::is_ascii_digit).collect()
}

#[test]
fn the_scan_sees_what_a_call_says() {
    let code = r#"tracing::warn!(event = "a", %one, two = f(1, "x, )"), ?three, self.four, "it, \") is");"#;
    let (level, arguments) = calls(code).remove(0);
    assert_eq!(level, "warn");
    assert_eq!(
        arguments,
        ["event = \"a\"", "%one", "two = f(1, \"x, )\")", "?three", "self.four", "\"it, \\\") is\""]
    );
}
