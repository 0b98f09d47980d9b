//! Events as text: which stream they belong to, and how they look there.

use super::{escape::escape, words::Lang};
use crate::client::Event;

/// An event, ready to be written.
#[derive(Debug, PartialEq, Eq)]
pub enum Shown {
    /// What somebody said: for standard output.
    Message(String),
    /// For standard error, unless the user wants it quiet.
    Notice(String),
    /// For standard error.
    Warning(String),
    /// Told by whoever ends the program.
    Nothing,
}

/// How text looks.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Whether standard output may have colours.
    pub colour: bool,
    /// The language of notices.
    pub lang: Lang,
}

const CYAN: &str = "36";
const MAGENTA: &str = "35";
const YELLOW: &str = "33";

impl Style {
    /// Shows an event.
    #[must_use]
    pub fn show(self, event: &Event) -> Shown {
        match event {
            // No name can hold these brackets, so that none can pass for another kind of line.
            Event::Broadcast(line) => self.message(CYAN, &format!("<{}>", escape(&line.sender)), &line.text),
            Event::Whisper(line) => self.message(MAGENTA, &format!("*{}*", escape(&line.sender)), &line.text),
            Event::System(system) => self.message(YELLOW, "-!-", &system.text),
            Event::Joined(joined) => Shown::Notice(self.lang.joined(&joined.name)),
            Event::Left(left) => Shown::Notice(self.lang.left(&left.name, left.reason)),
            Event::Missed(missed) => {
                let lines = missed.to.saturating_sub(missed.from).saturating_add(1);
                Shown::Warning(self.lang.missed(lines))
            }
            Event::Error(notice) => Shown::Warning(self.lang.code(notice.code)),
            Event::Goodbye(_) | Event::Disconnected(_) => Shown::Nothing,
        }
    }

    fn message(self, colour: &str, who: &str, text: &str) -> Shown {
        let text = escape(text);
        Shown::Message(if self.colour {
            format!("\u{1b}[{colour}m{who}\u{1b}[0m {text}")
        } else {
            format!("{who} {text}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_proto::{Joined, Left, Line, LineHead, Missed, SystemText};

    const HEAD: LineHead = LineHead { conversation: 1, epoch: 1, seq: 3, time_ms: 0 };

    fn said(sender: &str, text: &str) -> Line<String> {
        Line { head: HEAD, sender: sender.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn the_three_kinds_of_message_cannot_be_mistaken_for_each_other() {
        let style = Style { colour: false, lang: Lang::Korean };
        let message = |text: &str| Shown::Message(text.to_owned());
        assert_eq!(
            style.show(&Event::Broadcast(said("lee", "안녕\n*kim* x"))),
            message("<lee> 안녕⏎*kim* x")
        );
        assert_eq!(style.show(&Event::Whisper(said("l\ne\u{1b}", "hi"))), message("*l⏎e\\u{1b}* hi"));
        let system = Event::System(SystemText { head: HEAD, text: "곧 점검".to_owned() });
        assert_eq!(style.show(&system), message("-!- 곧 점검"));
    }

    #[test]
    fn colour_is_around_the_name_alone() {
        let style = Style { colour: true, lang: Lang::English };
        let shown = style.show(&Event::Broadcast(said("lee", "hi")));
        assert_eq!(shown, Shown::Message("\u{1b}[36m<lee>\u{1b}[0m hi".to_owned()));
    }

    #[test]
    fn what_nobody_said_is_no_message() {
        let style = Style { colour: false, lang: Lang::English };
        let name = || "lee".to_owned();
        let joined = Event::Joined(Joined { head: HEAD, name: name() });
        assert_eq!(style.show(&joined), Shown::Notice("lee joined".to_owned()));
        let left = Event::Left(Left { head: HEAD, name: name(), reason: 1 });
        assert_eq!(style.show(&left), Shown::Notice("lee left (connection lost)".to_owned()));
        let missed = Event::Missed(Missed { conversation: 1, epoch: 1, from: 4, to: 6 });
        assert!(matches!(style.show(&missed), Shown::Warning(text) if text.starts_with("lines missed: 3;")));
    }
}
