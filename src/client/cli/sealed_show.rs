//! How sealed whispers and keys look, as text and as JSON.

use chat_proto::{KeyId, Line, SealedLine};

use super::{
    json,
    json_record::{Key, Record, Seal},
    rooms::Rooms,
    seals::{Report, Trust, Unread, Unsealed},
    show::{Shown, Style},
};
use crate::client::seal::{OpenFault, Seen, Standing};

impl Style<'_> {
    /// Shows a whisper in plain words; `is_expected_sealed`: its sender's are sealed otherwise.
    #[must_use]
    pub fn show_plain_whisper(self, line: &Line<String>, is_expected_sealed: bool) -> Shown {
        self.whisper(if is_expected_sealed { "[NOT SEALED] " } else { "" }, &line.sender, &line.text)
    }

    /// Shows a sealed whisper. What it is stands before the name, where no text and no name can claim it.
    #[must_use]
    pub fn show_sealed(self, line: &SealedLine<String>, unsealed: &Unsealed) -> Shown {
        match unsealed {
            Unsealed::Read { text, trust, seen } => {
                let trust = match trust {
                    Trust::Verified => ", verified",
                    Trust::Known => "",
                    Trust::NewKey => ", NEW KEY",
                };
                let seen = match seen {
                    Seen::Never => "",
                    Seen::Before => ", REPEAT",
                    Seen::PerhapsBefore => ", perhaps a repeat",
                };
                self.whisper(&format!("[sealed{trust}{seen}] "), &line.sender, text.as_str())
            }
            Unsealed::Unread(why) => Shown::Warning(self.lang.unread(&line.sender, *why)),
        }
    }
}

/// A sealed whisper as one line of JSON.
#[must_use]
pub fn json_line(line: &SealedLine<String>, unsealed: &Unsealed, rooms: &Rooms) -> String {
    let (place, from) = (json::place(line.head, rooms), line.sender.as_str());
    json::to_line(&match unsealed {
        Unsealed::Read { text, trust, seen } => Record::Whisper {
            place,
            from,
            text: text.as_str(),
            seal: Some(Seal {
                sealed: true,
                verified: *trust == Trust::Verified,
                new_key: *trust == Trust::NewKey,
                repeat: *seen != Seen::Never,
            }),
        },
        Unsealed::Unread(why) => Record::Unread { place, from, why: name_of(*why) },
    })
}

/// What is known of somebody's keys, as one line of JSON.
#[must_use]
pub fn json_keys(report: &Report) -> String {
    json::to_line(&Record::Keys {
        name: report.name.as_str(),
        standing: match report.standing {
            Standing::Keyless => "none",
            Standing::New => "new",
            Standing::Known => "known",
            Standing::Changed { .. } => "changed",
            Standing::Gone => "gone",
        },
        verified: report.verified,
        number: report.number.as_deref(),
        keys: report
            .entries
            .iter()
            .map(|entry| Key { key: KeyId::of(&entry.key).to_string(), time_ms: entry.time_ms })
            .collect(),
    })
}

fn name_of(why: Unread) -> &'static str {
    match why {
        Unread::NoKeys => "no_keys",
        Unread::UnknownKey => "unknown_key",
        Unread::Untold => "untold",
        Unread::Fault(OpenFault::Form) => "form",
        Unread::Fault(OpenFault::NotForUs) => "not_for_us",
        Unread::Fault(OpenFault::Forged) => "forged",
        Unread::Fault(OpenFault::Content) => "content",
    }
}

#[cfg(test)]
mod tests {
    use chat_proto::{Envelope, LineHead, MAILBOX, Text};

    use super::*;
    use crate::client::cli::words::Lang;

    fn line() -> SealedLine<String> {
        let head = LineHead { conversation: MAILBOX, epoch: 2, seq: 3, time_ms: 4 };
        let envelope = Envelope::new(&[1]).expect("a byte");
        SealedLine { head, sender: "l\u{1b}ee".to_owned(), envelope }
    }

    fn read(trust: Trust, seen: Seen) -> Unsealed {
        Unsealed::Read { text: Text::parse("hi\n*kim* x").expect("a text"), trust, seen }
    }

    #[test]
    fn what_was_sealed_says_so_before_the_name() {
        let rooms = Rooms::new(false);
        for (unsealed, shown) in [
            (read(Trust::Known, Seen::Never), "[sealed] *l\\u{1b}ee* hi⏎*kim* x"),
            (read(Trust::Verified, Seen::Never), "[sealed, verified] *l\\u{1b}ee* hi⏎*kim* x"),
            (read(Trust::NewKey, Seen::Before), "[sealed, NEW KEY, REPEAT] *l\\u{1b}ee* hi⏎*kim* x"),
        ] {
            for lang in [Lang::English, Lang::Korean] {
                let style = Style { colour: false, lang, rooms: &rooms };
                assert_eq!(style.show_sealed(&line(), &unsealed), Shown::Message(shown.to_owned()));
            }
        }
        let style = Style { colour: false, lang: Lang::English, rooms: &rooms };
        let unread = style.show_sealed(&line(), &Unsealed::Unread(Unread::Fault(OpenFault::Forged)));
        let said = "a sealed whisper from l\\u{1b}ee cannot be opened: it is FORGED, or damaged";
        assert_eq!(unread, Shown::Warning(said.to_owned()));
    }

    #[test]
    fn programs_are_told_the_same() {
        let rooms = Rooms::new(false);
        let place = r#""conversation":"0","epoch":"2","seq":"3","time_ms":4,"from":"l\u001bee""#;
        assert_eq!(
            json_line(&line(), &read(Trust::Verified, Seen::PerhapsBefore), &rooms),
            format!(
                r#"{{"type":"whisper",{place},"text":"hi\n*kim* x","sealed":true,"verified":true,"new_key":false,"repeat":true}}"#
            )
        );
        assert_eq!(
            json_line(&line(), &Unsealed::Unread(Unread::UnknownKey), &rooms),
            format!(r#"{{"type":"unread",{place},"why":"unknown_key"}}"#)
        );
    }
}
