//! What a server answers, as lines for people: 80 columns at most, and names never cut.

use serde_json::Value;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::args::Verb;

/// Columns of a line.
const COLUMNS: usize = 80;
/// What a name stands behind that has a line of its own.
const INDENT: &str = "        ";

/// The heading of what is watched.
pub const WATCH_HEADING: &str =
    "TIME      STATE    SESSIONS ROOMS LINES/S DELIVERED/S      LAG BEHIND     MEMORY\n";

/// What of a watched record is counted from one to the next.
pub const LINES_PER_SECOND: &str = "messages_per_s";
/// The same, of lines that reach somebody.
pub const DELIVERIES_PER_SECOND: &str = "deliveries_per_s";

/// Records of one answer, under a heading.
pub struct Table {
    heading: &'static str,
    row: fn(&Value) -> String,
    none: &'static str,
    rows: usize,
}

impl Table {
    /// What a command is answered with.
    pub fn of(verb: &Verb) -> Self {
        let (heading, row, none): (_, fn(&Value) -> String, _) = match verb {
            Verb::Sessions => (
                "    ID  ROLE        FOR  ROOMS  STATE  ADDRESS          NAME\n",
                session,
                "nobody is here\n",
            ),
            Verb::Rooms => ("    ID  MEMBERS  CAPACITY  FLAGS  NAME  TOPIC\n", room, "there is no room\n"),
            Verb::Slow { .. } => ("   LINES      ID  WHERE             NAME\n", behind, "nobody is behind\n"),
            Verb::Bans => {
                ("KIND  UNTIL                 BY                WHOM  REASON\n", held, "nobody is\n")
            }
            Verb::Status { .. } => ("", status, ""),
            Verb::Reload => ("", reloaded, ""),
            _ => ("", did, ""),
        };
        Self { heading, row, none, rows: 0 }
    }

    /// One more record.
    pub fn show(&mut self, record: &Value) -> String {
        self.rows += 1;
        let heading = if self.rows == 1 { self.heading } else { "" };
        heading.to_owned() + &(self.row)(record)
    }

    /// What is said if there were none.
    pub fn end(&self) -> String {
        if self.rows == 0 { self.none.into() } else { String::new() }
    }
}

/// One line of what is watched.
pub fn watched(status: &Value) -> String {
    // 2026-07-25T10:11:12Z
    let time = text(status, "time").get(11..19).unwrap_or_default();
    let count =
        |number: &Value, columns| number.as_u64().map_or_else(|| "-".into(), |number| fit(number, columns));
    let lag = status["lag_ms"].as_f64().map_or_else(
        || "-".into(),
        |lag| match lag {
            ..100.0 => format!("{lag:.1} ms"),
            ..99_999.5 => format!("{lag:.0} ms"),
            _ => format!("{:.0} s", lag / 1_000.0),
        },
    );
    let behind = match &status["rooms"] {
        // A server that stops is not asked who is behind, one that hangs does not say.
        Value::Null => "-".into(),
        _ => fit(status["slowest"]["lines"].as_u64().unwrap_or_default(), 6),
    };
    format!(
        "{time:<8}  {:<8} {:>8} {:>5} {:>7} {:>11} {lag:>8} {behind:>6} {:>10}\n",
        text(status, "state"),
        count(&status["sessions"], 8),
        count(&status["rooms"], 5),
        count(&status[LINES_PER_SECOND], 7),
        count(&status[DELIVERIES_PER_SECOND], 11),
        memory(status),
    )
}

fn status(status: &Value) -> String {
    let guests = if is(status, "guests") { "with and without an account" } else { "with an account" };
    let registration = match (is(status, "frozen"), is(status, "registration")) {
        (true, _) => "frozen",
        (false, true) => "open, with an invite at least",
        (false, false) => "closed",
    };
    let (uptime, logins) = (age(number(status, "uptime_s")), number(status, "logins"));
    let (accepted, refused) = (number(status, "accepted"), number(status, "refused"));
    let (missed, cut) = (number(status, "missed"), number(status, "cut"));
    let listen = status["listen"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let names = ["listens on"].into_iter().chain(std::iter::repeat(""));
    let mut shown =
        entry("version", &format!("{}, process {}", text(status, "version"), number(status, "process")));
    shown.extend(names.zip(listen).map(|(name, address)| entry(name, address)));
    for (name, value) in [
        ("since", format!("{} ({uptime})", text(status, "since"))),
        ("state", text(status, "state").into()),
        ("people come", guests.into()),
        ("registration", registration.into()),
        ("sessions", number(status, "sessions").to_string()),
        ("connections", number(status, "connections").to_string()),
        ("rooms", status["rooms"].as_u64().map_or_else(|| "unknown".into(), |rooms| rooms.to_string())),
    ] {
        shown += &entry(name, &value);
    }
    shown += &match &status["slowest"] {
        Value::Null if status["rooms"].is_null() => entry("slowest", "unknown"),
        Value::Null => entry("slowest", "nobody is behind"),
        behind => {
            let head = format!("{:<12}  behind by {}:", "slowest", number(behind, "lines"));
            line(&head, text(behind, "name"), "")
        }
    };
    shown += &entry("memory", &memory(status));
    shown += &entry("until now", &format!("{accepted} connections, {logins} logins, {refused} refusals"));
    let (messages, deliveries) = (number(status, "messages"), number(status, "deliveries"));
    shown += &entry("", &format!("{messages} lines sent, {deliveries} delivered"));
    shown + &entry("", &format!("{missed} lines missed, {cut} connections cut"))
}

fn entry(name: &str, value: &str) -> String {
    cut_line(&format!("{name:<12}  {value}"))
}

fn session(session: &Value) -> String {
    let state = match (is(session, "away"), is(session, "muted")) {
        (false, false) => "",
        (true, false) => "away",
        (false, true) => "muted",
        (true, true) => "both",
    };
    let head = format!(
        "{:>6}  {:<9}  {:>4}  {:>5}  {state:<5}  {:<15}",
        number(session, "session"),
        text(session, "role"),
        age(number(session, "since_s")),
        session["rooms"].as_array().map_or(0, Vec::len),
        text(session, "address"),
    );
    line(&head, text(session, "name"), "")
}

fn room(room: &Value) -> String {
    let flags = [("hidden", 'h'), ("invite_only", 'i'), ("persistent", 'p'), ("password", 'w')];
    let flags: String = flags.iter().filter(|(name, _)| is(room, name)).map(|(_, letter)| letter).collect();
    let capacity = match number(room, "capacity") {
        // The lobby takes everybody.
        0 => "-".into(),
        capacity => capacity.to_string(),
    };
    let (number, members) = (number(room, "room"), number(room, "members"));
    let head = format!("{number:>6}  {members:>7}  {capacity:>8}  {flags:<5}");
    line(&head, named(text(room, "name")), text(room, "topic"))
}

fn behind(behind: &Value) -> String {
    let place = cut(named(text(behind, "room_name")), 16);
    let fill = " ".repeat(16 - place.width());
    let (lines, session) = (number(behind, "lines"), number(behind, "session"));
    line(&format!("{lines:>8}  {session:>6}  {place}{fill}"), text(behind, "name"), "")
}

fn held(held: &Value) -> String {
    let by = cut(text(held, "by"), 16);
    let fill = " ".repeat(16 - by.width());
    let until = held["until"].as_str().unwrap_or("for good");
    line(&format!("{:<4}  {until:<20}  {by}{fill}", text(held, "kind")), whom(held), text(held, "reason"))
}

/// Which keys have changed, a line each.
fn reloaded(record: &Value) -> String {
    let keys = |list| record[list].as_array().into_iter().flatten().filter_map(Value::as_str);
    let rows = |heading, list| {
        let lines: String = keys(list).map(|key| cut_line(&format!("  {key}"))).collect();
        if lines.is_empty() { lines } else { format!("{heading}\n{lines}") }
    };
    let shown = rows("in force now:", "in_force") + &rows("needs a restart:", "restart");
    if shown.is_empty() { "nothing has changed\n".into() } else { shown }
}

/// What was done, as a sentence.
fn did(record: &Value) -> String {
    let name = whom(record);
    let time = match record["seconds"].as_u64() {
        None => "for good".into(),
        Some(seconds) => {
            format!("for {}", humantime::format_duration(std::time::Duration::from_secs(seconds)))
        }
    };
    let sessions = |key| match number(record, key) {
        1 => "1 session".into(),
        more => format!("{more} sessions"),
    };
    let changed = is(record, "changed");
    let said = match text(record, "did") {
        "kick" => format!("{name} is put out"),
        "ban" => format!("{name} is banned {time}; {} put out", sessions("put_out")),
        "unban" if changed => format!("{name} may come in again"),
        "unban" => format!("{name} was not banned"),
        "mute" => format!("{name} is mute {time}"),
        "unmute" if changed => format!("{name} may speak again"),
        "unmute" => format!("{name} was not mute"),
        "announce" => "announced".into(),
        "freeze" => "nobody registers until `thaw`".into(),
        "thaw" => "people register as configured".into(),
        "drain" => format!("nobody else comes in; {} here", sessions("sessions")),
        "reopen_log" => match record["file"].as_str() {
            Some(file) => format!("the log goes on in {file}"),
            None => "the log goes to no file".into(),
        },
        "open" => format!("people come in; {} here", sessions("sessions")),
        other => other.into(),
    };
    said + "\n"
}

/// A line that ends in a name, whole, and what there is room for behind it. Where they do not fit together, the name
/// has a line of its own.
fn line(head: &str, name: &str, rest: &str) -> String {
    let together = head.width() + 2 + name.width() <= COLUMNS;
    let line = if together { format!("{head}  {name}") } else { format!("{INDENT}{name}") };
    let line = if rest.is_empty() { line } else { format!("{line}  {rest}") };
    if together { cut_line(&line) } else { format!("{}\n{}", head.trim_end(), cut_line(&line)) }
}

fn cut_line(line: &str) -> String {
    cut(line.trim_end(), COLUMNS) + "\n"
}

/// What fits into so many columns.
fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.into();
    }
    let mut left = columns - 1;
    let mut kept = String::new();
    for c in text.chars() {
        let Some(rest) = left.checked_sub(c.width().unwrap_or_default()) else { break };
        left = rest;
        kept.push(c);
    }
    kept + "…"
}

fn named(room: &str) -> &str {
    if room.is_empty() { "(lobby)" } else { room }
}

fn whom(record: &Value) -> &str {
    record["name"].as_str().unwrap_or_else(|| text(record, "network"))
}

/// A time in its largest unit.
fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// How much memory, in ten columns at most.
#[expect(clippy::cast_precision_loss, reason = "it is shown with one decimal")]
fn memory(status: &Value) -> String {
    let Some(bytes) = status["memory_bytes"].as_u64() else { return "unknown".into() };
    let mut amount = bytes as f64 / f64::from(1 << 20);
    for unit in ["MiB", "GiB", "TiB", "PiB"] {
        if amount < 9_999.95 {
            return format!("{amount:.1} {unit}");
        }
        amount /= 1_024.0;
    }
    format!("{amount:.1} EiB")
}

/// A number in so many columns, four at least: one that is longer in thousands, millions and so on, rounded down.
fn fit(mut number: u64, columns: usize) -> String {
    let mut shown = number.to_string();
    for unit in ['k', 'M', 'G', 'T', 'P', 'E'] {
        if shown.len() <= columns {
            break;
        }
        number /= 1_000;
        shown = format!("{number}{unit}");
    }
    shown
}

fn text<'a>(record: &'a Value, key: &str) -> &'a str {
    record[key].as_str().unwrap_or_default()
}

fn number(record: &Value, key: &str) -> u64 {
    record[key].as_u64().unwrap_or_default()
}

fn is(record: &Value, key: &str) -> bool {
    record[key].as_bool().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The longest name, which is twice as wide as it is long.
    fn wide() -> String {
        "가".repeat(32)
    }

    fn all() -> Vec<String> {
        let address = "2001:db8:1111:2222:3333:4444:5555:6666";
        let topic = "a topic of several words ".repeat(5);
        let mut shown = Vec::new();
        for name in ["kim".to_owned(), wide()] {
            for address in ["127.0.0.1", address] {
                shown.push(session(&json!({
                    "session": 999_999, "name": name, "role": "moderator", "address": address, "since_s": 86_399,
                    "rooms": [1, 2], "away": true, "muted": true,
                })));
            }
            shown.push(room(&json!({
                "room": 7, "name": name, "members": 10_000, "capacity": 10_000, "hidden": true, "invite_only": true,
                "persistent": true, "password": true, "topic": topic,
            })));
            shown.push(behind(&json!({ "session": 1, "name": name, "room_name": wide(), "lines": 4_096 })));
            shown.push(held(&json!({
                "kind": "mute", "name": name, "by": wide(), "until": "2026-07-25T10:11:12Z", "reason": topic,
            })));
        }
        shown.push(held(&json!({ "kind": "ban", "network": format!("{address}/128"), "by": "operator" })));
        let listen = vec![format!("[{address}]:11021"); 4];
        shown.push(status(&json!({ "slowest": { "name": wide(), "lines": 1 }, "listen": listen })));
        shown.push(status(&json!({ "memory_bytes": u64::MAX, "rooms": u64::MAX, "sessions": u64::MAX })));
        shown
    }

    #[test]
    fn each_line_of_what_is_watched_ends_in_column_80_however_large_its_numbers() {
        let mut numbers = vec![0, 7, u64::MAX];
        numbers.extend((1..20).flat_map(|digits| [10_u64.pow(digits) - 1, 10_u64.pow(digits)]));
        for number in numbers {
            for lag in [0.0, 0.04, 99.94, 99.96, 1_234.5, 99_999.4, 99_999.6, 9_999_999.0] {
                let line = watched(&json!({
                    "time": "2026-07-25T10:11:12Z", "state": "draining", "memory_bytes": number, "lag_ms": lag,
                    "sessions": number, "rooms": number, LINES_PER_SECOND: number,
                    DELIVERIES_PER_SECOND: number, "slowest": { "lines": number },
                }));
                let line = line.strip_suffix('\n').expect("a line");
                assert_eq!(line.width(), COLUMNS, "{line}");
                assert_eq!(line.split_whitespace().count(), 11, "a column each, and two units: {line}");
            }
        }
        let unknown = watched(&json!({ "time": "2026-07-25T10:11:12Z", "state": "stopping", "sessions": 3 }));
        let expected = "10:11:12  stopping        3     -       -           -        -      -    unknown\n";
        assert_eq!(unknown, expected);
        assert_eq!((WATCH_HEADING.trim_end().width(), unknown.trim_end().width()), (COLUMNS, COLUMNS));
        assert_eq!([fit(99_999, 5), fit(100_000, 5), fit(1_999_999, 5)], ["99999", "100k", "1999k"]);
        assert_eq!([fit(u64::MAX, 5), fit(12_345_678, 4)], ["18E", "12M"]);
        let memory = |bytes: u64| memory(&json!({ "memory_bytes": bytes }));
        assert_eq!([memory(9_999 << 20), memory(10_000 << 20)], ["9999.0 MiB", "9.8 GiB"]);
    }

    #[test]
    fn no_line_has_more_than_80_columns_and_no_name_is_cut() {
        for text in all() {
            assert!(text.ends_with('\n'), "{text}");
            for line in text.lines() {
                assert!(line.width() <= COLUMNS, "{line}");
                assert_eq!(line, line.trim_end());
            }
        }
        assert_eq!(all().iter().filter(|text| text.contains(&wide())).count(), 6);
    }

    #[test]
    fn a_name_that_does_not_fit_has_a_line_of_its_own_with_what_follows_it() {
        let head = "x".repeat(40);
        assert_eq!(line(&head, "kim", "words"), format!("{head}  kim  words\n"));
        assert_eq!(line(&head, &wide(), "many words"), format!("{head}\n{INDENT}{}  many …\n", wide()));
        assert_eq!(cut("가나다", 6), "가나다");
        assert_eq!((cut("가나다", 5), cut("가나다", 4)), ("가나…".into(), "가…".into()));
    }

    #[test]
    fn headings_stand_over_what_they_name() {
        let shown = Table::of(&Verb::Sessions).show(&json!({
            "session": 7, "name": "kim", "role": "user", "address": "127.0.0.1", "since_s": 61, "rooms": [1],
        }));
        assert_eq!(
            shown,
            "    ID  ROLE        FOR  ROOMS  STATE  ADDRESS          NAME\n     7  user         1m      1         \
             127.0.0.1        kim\n"
        );
        let none = Table::of(&Verb::Slow { most: 1 });
        assert_eq!(none.end(), "nobody is behind\n");
    }
}
