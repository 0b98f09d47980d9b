//! A session as it is kept outside of the program, to be gone on with by another.

use std::collections::BTreeMap;

use chat_proto::{Envelope, ErrorCode, Presence, ResumeToken, Text, Username};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    continuation::{Parts, Recipient, Unanswered},
    hex,
    places::Places,
};

/// A session that can be gone on with: who one is, how far one has heard, what one has said and has no answer to.
///
/// Whoever has it is its user, as with a password, until it has been used or has expired. Its form is stable: later
/// versions read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Form", try_from = "Form")]
pub struct Saved(pub(super) Parts);

impl Saved {
    /// The name that the session has.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The rooms it is in whose names are known, by their numbers.
    #[must_use]
    pub fn rooms(&self) -> &BTreeMap<u64, String> {
        &self.0.rooms
    }

    /// A number for a line that no line of the session has had.
    #[must_use]
    pub fn next_message_id(&self) -> u64 {
        self.0.next_message_id
    }

    /// Lines that will be sent again, since nobody knows whether they were said.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.0.unanswered.len()
    }
}

/// How it is written. Numbers of 64 bits are strings, as in the program's JSON.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    #[serde(with = "digits")]
    session: u64,
    name: String,
    #[serde(with = "token")]
    token: ResumeToken,
    cursors: Vec<Cursor>,
    rooms: Vec<Room>,
    unanswered: Vec<Line>,
    #[serde(with = "digits")]
    next_message_id: u64,
}

#[derive(Clone, Serialize, Deserialize)]
struct Cursor {
    #[serde(with = "digits")]
    conversation: u64,
    #[serde(with = "digits")]
    epoch: u64,
    #[serde(with = "digits")]
    seq: u64,
}

#[derive(Clone, Serialize, Deserialize)]
struct Room {
    #[serde(with = "digits")]
    conversation: u64,
    name: String,
}

#[derive(Clone, Serialize, Deserialize)]
struct Line {
    #[serde(with = "digits")]
    message_id: u64,
    to: To,
    text: String,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum To {
    Lobby,
    Room(#[serde(with = "digits")] u64),
    Person(String),
    Sealed { name: String, envelope: String },
}

impl From<Saved> for Form {
    fn from(Saved(parts): Saved) -> Self {
        let cursor = |Presence { conversation, epoch, seq }| Cursor { conversation, epoch, seq };
        let to = |to| match to {
            Recipient::Lobby => To::Lobby,
            Recipient::Room(room) => To::Room(room),
            Recipient::Person(name) => To::Person(name.as_str().to_owned()),
            Recipient::Sealed(name, envelope) => {
                To::Sealed { name: name.as_str().to_owned(), envelope: hex::write(envelope.as_bytes()) }
            }
        };
        let line = |line: Unanswered| Line {
            message_id: line.message_id,
            to: to(line.to),
            text: line.text.as_str().to_owned(),
        };
        Self {
            session: parts.session,
            name: parts.name,
            token: parts.token,
            cursors: parts.places.iter().map(cursor).collect(),
            rooms: parts.rooms.into_iter().map(|(conversation, name)| Room { conversation, name }).collect(),
            unanswered: parts.unanswered.into_iter().map(line).collect(),
            next_message_id: parts.next_message_id,
        }
    }
}

impl TryFrom<Form> for Saved {
    type Error = &'static str;

    fn try_from(form: Form) -> Result<Self, Self::Error> {
        let cursors: Vec<_> = form
            .cursors
            .into_iter()
            .map(|Cursor { conversation, epoch, seq }| Presence { conversation, epoch, seq })
            .collect();
        let line = |line: Line| {
            let to = match line.to {
                To::Lobby => Recipient::Lobby,
                To::Room(room) => Recipient::Room(room),
                To::Person(name) => Recipient::Person(Username::parse(&name).map_err(ErrorCode::line)?),
                To::Sealed { name, envelope } => {
                    let envelope = hex::read(&envelope).and_then(|bytes| Envelope::new(&bytes));
                    let envelope = envelope.ok_or("an envelope is its bytes in hexadecimal digits")?;
                    Recipient::Sealed(Username::parse(&name).map_err(ErrorCode::line)?, envelope)
                }
            };
            let text = Text::parse(&line.text).map_err(ErrorCode::line)?;
            Ok::<_, &'static str>(Unanswered { message_id: line.message_id, to, text })
        };
        Ok(Self(Parts {
            session: form.session,
            name: form.name,
            token: form.token,
            places: Places::of(&cursors),
            rooms: form.rooms.into_iter().map(|room| (room.conversation, room.name)).collect(),
            unanswered: form.unanswered.into_iter().map(line).collect::<Result<_, _>>()?,
            next_message_id: form.next_message_id,
        }))
    }
}

/// A number as a string: above 2^53 many readers of JSON round it.
mod digits {
    use super::{Deserialize, Deserializer, Serializer};
    use serde::de::Error as _;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub fn serialize<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

mod token {
    use super::{Deserialize, Deserializer, ResumeToken, Serializer, hex};
    use serde::de::Error as _;

    pub fn serialize<S: Serializer>(token: &ResumeToken, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::write(&token.0))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ResumeToken, D::Error> {
        let bytes = hex::read(&String::deserialize(deserializer)?).and_then(|bytes| bytes.try_into().ok());
        bytes.map(ResumeToken).ok_or_else(|| D::Error::custom("a token is 64 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved() -> Saved {
        let text = |text| Text::parse(text).expect("a text");
        let lee = Username::parse("lee").expect("a name");
        let line = |message_id, to, said| Unanswered { message_id, to, text: text(said) };
        let cursors = [
            Presence { conversation: 0, epoch: u64::MAX, seq: 0 },
            Presence { conversation: 5, epoch: 7, seq: u64::MAX },
        ];
        Saved(Parts {
            session: 1 << 60,
            name: "김철수".to_owned(),
            token: ResumeToken(std::array::from_fn(|at| u8::try_from(at * 8).expect("below 256"))),
            places: Places::of(&cursors),
            rooms: [(5, "개발".to_owned())].into(),
            unanswered: vec![
                line(9, Recipient::Lobby, "\"hi\"\n"),
                line(10, Recipient::Room(5), "안녕"),
                line(11, Recipient::Person(lee), "psst"),
            ],
            next_message_id: 12,
        })
    }

    const WRITTEN: &str = concat!(
        r#"{"session":"1152921504606846976","name":"김철수","#,
        r#""token":"0008101820283038404850586068707880889098a0a8b0b8c0c8d0d8e0e8f0f8","#,
        r#""cursors":[{"conversation":"0","epoch":"18446744073709551615","seq":"0"},"#,
        r#"{"conversation":"5","epoch":"7","seq":"18446744073709551615"}],"#,
        r#""rooms":[{"conversation":"5","name":"개발"}],"#,
        r#""unanswered":[{"message_id":"9","to":"lobby","text":"\"hi\"\n"},"#,
        r#"{"message_id":"10","to":{"room":"5"},"text":"안녕"},"#,
        r#"{"message_id":"11","to":{"person":"lee"},"text":"psst"}],"#,
        r#""next_message_id":"12"}"#,
    );

    #[test]
    fn what_is_written_is_read_back_by_this_version_and_by_later_ones() {
        assert_eq!(serde_json::to_string(&saved()).expect("strings and numbers"), WRITTEN);
        assert_eq!(serde_json::from_str::<Saved>(WRITTEN).expect("it was written"), saved());
    }

    #[test]
    fn what_nobody_wrote_is_refused() {
        for (right, wrong) in [
            ("0008", "0"),
            ("0008", "+008"),
            ("\"12\"", "12"),
            ("\"12\"", "\"x\""),
            ("\"lobby\"", "\"garden\""),
            ("\"lee\"", "\"no name\""),
            ("\"안녕\"", "\"\""),
            ("\"rooms\"", "\"halls\""),
        ] {
            let text = WRITTEN.replace(right, wrong);
            assert_ne!(text, WRITTEN);
            assert!(serde_json::from_str::<Saved>(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_token_is_in_no_log() {
        assert!(!format!("{:?}", saved()).contains("16, 24"));
    }
}
