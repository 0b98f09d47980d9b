//! Events as JSON Lines: the schema that `--help` promises.

use std::io;

use chat_proto::{LeaveReason, LineHead, Role, Welcome};
use serde::{Serialize, Serializer};
use serde_json::ser::{CompactFormatter, Formatter};

use super::escape::acts;
use crate::client::Event;

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Record<'a> {
    Welcome {
        #[serde(serialize_with = "as_string")]
        session: u64,
        name: &'a str,
        role: String,
    },
    Broadcast {
        #[serde(flatten)]
        place: Place,
        from: &'a str,
        text: &'a str,
    },
    Whisper {
        #[serde(flatten)]
        place: Place,
        from: &'a str,
        text: &'a str,
    },
    System {
        #[serde(flatten)]
        place: Place,
        text: &'a str,
    },
    Joined {
        #[serde(flatten)]
        place: Place,
        name: &'a str,
    },
    Left {
        #[serde(flatten)]
        place: Place,
        name: &'a str,
        reason: String,
    },
    Missed {
        #[serde(serialize_with = "as_string")]
        conversation: u64,
        #[serde(serialize_with = "as_string")]
        epoch: u64,
        #[serde(serialize_with = "as_string")]
        from_seq: u64,
        #[serde(serialize_with = "as_string")]
        to_seq: u64,
    },
    Error {
        kind: u16,
        id: u32,
        code: u16,
        retry_ms: u32,
    },
    Goodbye {
        code: u16,
        retry_ms: u32,
        text: &'a str,
    },
}

#[derive(Serialize)]
struct Place {
    #[serde(serialize_with = "as_string")]
    conversation: u64,
    #[serde(serialize_with = "as_string")]
    epoch: u64,
    #[serde(serialize_with = "as_string")]
    seq: u64,
    time_ms: u64,
}

/// Above 2^53 many JSON readers round a number.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn as_string<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

/// The event as one line, without its line end; `None` for one that the server did not send.
#[must_use]
pub fn line(event: &Event) -> Option<String> {
    record(event).map(|record| to_line(&record))
}

/// What the login was answered with, as one line in the same way.
#[must_use]
pub fn welcome(welcome: &Welcome) -> String {
    let Welcome { session, name, role, .. } = welcome;
    let role = Role::of_number(*role).map_or_else(|| role.to_string(), |role| role.to_string());
    to_line(&Record::Welcome { session: *session, name, role })
}

fn to_line(record: &Record) -> String {
    let mut line = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut line, Escaping);
    record.serialize(&mut serializer).expect("strings and numbers into memory");
    String::from_utf8(line).expect("JSON is UTF-8")
}

fn record(event: &Event) -> Option<Record<'_>> {
    Some(match event {
        Event::Broadcast(line) => {
            Record::Broadcast { place: place(line.head), from: &line.sender, text: &line.text }
        }
        Event::Whisper(line) => {
            Record::Whisper { place: place(line.head), from: &line.sender, text: &line.text }
        }
        Event::System(system) => Record::System { place: place(system.head), text: &system.text },
        Event::Joined(joined) => Record::Joined { place: place(joined.head), name: &joined.name },
        Event::Left(left) => {
            Record::Left { place: place(left.head), name: &left.name, reason: reason(left.reason) }
        }
        Event::Missed(missed) => Record::Missed {
            conversation: missed.conversation,
            epoch: missed.epoch,
            from_seq: missed.from,
            to_seq: missed.to,
        },
        Event::Error(notice) => {
            Record::Error { kind: notice.kind, id: notice.id, code: notice.code.0, retry_ms: notice.retry_ms }
        }
        Event::Goodbye(goodbye) => {
            Record::Goodbye { code: goodbye.code.0, retry_ms: goodbye.retry_ms, text: &goodbye.text }
        }
        Event::Disconnected(_) => return None,
    })
}

fn place(head: LineHead) -> Place {
    let LineHead { conversation, epoch, seq, time_ms } = head;
    Place { conversation, epoch, seq, time_ms }
}

fn reason(number: u16) -> String {
    match number {
        n if n == LeaveReason::Quit as u16 => "quit".to_owned(),
        n if n == LeaveReason::Lost as u16 => "lost".to_owned(),
        n if n == LeaveReason::Timeout as u16 => "timeout".to_owned(),
        n if n == LeaveReason::Kicked as u16 => "kicked".to_owned(),
        n if n == LeaveReason::Replaced as u16 => "replaced".to_owned(),
        n if n == LeaveReason::Misbehaved as u16 => "misbehaved".to_owned(),
        unknown => unknown.to_string(),
    }
}

/// Compact, and with everything escaped that would act on a terminal: serde escapes only what JSON must.
struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut plain = 0;
        for (at, c) in fragment.char_indices().filter(|(_, c)| acts(*c)) {
            CompactFormatter.write_string_fragment(out, &fragment[plain..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            plain = at + c.len_utf8();
        }
        CompactFormatter.write_string_fragment(out, &fragment[plain..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_proto::{ErrorCode, ErrorNotice, Goodbye, Joined, Left, Line, Missed, SystemText};

    const HEAD: LineHead = LineHead { conversation: 1, epoch: u64::MAX, seq: 3, time_ms: 1_700_000_000_000 };

    fn said(text: &str) -> Line<String> {
        Line { head: HEAD, sender: "김철수".to_owned(), text: text.to_owned() }
    }

    #[test]
    fn every_event_has_its_documented_form() {
        let name = || "lee".to_owned();
        let place = r#""conversation":"1","epoch":"18446744073709551615","seq":"3","time_ms":1700000000000"#;
        for (event, rest) in [
            (
                Event::Broadcast(said("안녕 \"x\"")),
                format!(r#"broadcast",{place},"from":"김철수","text":"안녕 \"x\"""#),
            ),
            (Event::Whisper(said("hi")), format!(r#"whisper",{place},"from":"김철수","text":"hi""#)),
            (
                Event::System(SystemText { head: HEAD, text: name() }),
                format!(r#"system",{place},"text":"lee""#),
            ),
            (Event::Joined(Joined { head: HEAD, name: name() }), format!(r#"joined",{place},"name":"lee""#)),
            (
                Event::Left(Left { head: HEAD, name: name(), reason: 5 }),
                format!(r#"left",{place},"name":"lee","reason":"misbehaved""#),
            ),
            (
                Event::Left(Left { head: HEAD, name: name(), reason: 77 }),
                format!(r#"left",{place},"name":"lee","reason":"77""#),
            ),
            (
                Event::Missed(Missed { conversation: 1, epoch: 2, from: 3, to: 4 }),
                r#"missed","conversation":"1","epoch":"2","from_seq":"3","to_seq":"4""#.to_owned(),
            ),
            (
                Event::Error(ErrorNotice {
                    kind: 7002,
                    id: 0,
                    code: ErrorCode::RateLimited.into(),
                    retry_ms: 5,
                }),
                r#"error","kind":7002,"id":0,"code":3001,"retry_ms":5"#.to_owned(),
            ),
            (
                Event::Goodbye(Goodbye { code: ErrorCode::ShuttingDown.into(), retry_ms: 9, text: name() }),
                r#"goodbye","code":5001,"retry_ms":9,"text":"lee""#.to_owned(),
            ),
        ] {
            assert_eq!(line(&event).expect("sent by a server"), format!(r#"{{"type":"{rest}}}"#));
        }
    }

    #[test]
    fn a_role_of_a_later_version_is_its_number() {
        let of = |role| {
            let (name, conversations) = ("김철수".to_owned(), chat_proto::List(Vec::new()));
            let (session, time_ms, resume_token, grace_ms) = (u64::MAX, 0, None, 0);
            welcome(&Welcome { session, name, time_ms, role, resume_token, grace_ms, conversations })
        };
        let start = r#"{"type":"welcome","session":"18446744073709551615","name":"김철수","role":""#;
        assert_eq!(of(Role::Guest as u16), format!("{start}guest\"}}"));
        assert_eq!(of(77), format!("{start}77\"}}"));
    }

    #[test]
    fn what_would_act_on_a_terminal_is_escaped_and_reads_back_as_it_was() {
        let text = "a\u{1b}[2J\u{7f}\u{9b}\u{85}\u{202e}\u{2028}\u{e0041}\n\t\\ 안녕 👍";
        let json = line(&Event::Broadcast(said(text))).expect("sent by a server");
        assert!(
            json.contains(r#""a\u001b[2J\u007f\u009b\u0085\u202e\u2028\udb40\udc41\n\t\\ 안녕 👍""#),
            "{json}"
        );
        let value: serde_json::Value = serde_json::from_str(&json).expect("valid");
        assert_eq!(value["text"], text);
    }
}
