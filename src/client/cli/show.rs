//! Events as text: which stream they belong to, and how they look there.

use chat_proto::{LeaveReason, MAILBOX, Removed, UNKNOWN_END};

use super::{
    escape::{escape, escape_name},
    room_words::LinesGo,
    rooms::Rooms,
    words::Lang,
};
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
    /// Told by whoever ends the program, or knows more.
    Nothing,
}

/// How text looks.
#[derive(Clone, Copy)]
pub struct Style<'a> {
    /// Whether standard output may have colours.
    pub colour: bool,
    /// The language of notices.
    pub lang: Lang,
    /// What rooms are called.
    pub rooms: &'a Rooms,
}

const CYAN: &str = "36";
const MAGENTA: &str = "35";
const YELLOW: &str = "33";

impl Style<'_> {
    /// Shows an event. What it changes about the rooms is said to them before, where one has come into one, and after,
    /// where one is out of it.
    #[must_use]
    pub fn show(self, event: &Event) -> Shown {
        let Self { lang, rooms, .. } = self;
        let room = |conversation| rooms.shown(conversation);
        match event {
            // No name is shown with these brackets in it, so that none can pass for another kind of line.
            Event::Broadcast(line) => {
                let sender = format!("<{}>", escape_name(&line.sender));
                self.message(line.head.conversation, CYAN, &sender, &line.text)
            }
            // Wherever the server says that it belongs: in no room.
            Event::Whisper(line) => self.whisper("", &line.sender, &line.text),
            Event::System(system) => self.message(system.head.conversation, YELLOW, "-!-", &system.text),
            Event::Joined(joined) => {
                Shown::Notice(lang.joined(&joined.name, room(joined.head.conversation).as_deref()))
            }
            Event::Left(left) => {
                Shown::Notice(lang.left(&left.name, left.reason, room(left.head.conversation).as_deref()))
            }
            Event::RoomEntered(entered) => Shown::Notice(lang.entered(entered)),
            Event::RoomLeft { conversation, .. } => {
                Shown::Notice(lang.room_left(&room(*conversation).unwrap_or_default()))
            }
            Event::RoomChanged(changed) => {
                Shown::Notice(lang.room_changed(changed, room(changed.head.conversation).as_deref()))
            }
            Event::Removed(removed) => self.removed(removed),
            Event::Moderated(moderated) => Shown::Notice(lang.moderated(moderated)),
            Event::Missed(missed) => {
                let room = room(missed.conversation);
                if missed.to == UNKNOWN_END && missed.conversation == MAILBOX {
                    return Shown::Warning(lang.missed_whispers());
                }
                if missed.to == UNKNOWN_END {
                    return Shown::Warning(lang.missed_unknown(room.as_deref()));
                }
                let lines = missed.to.saturating_sub(missed.from).saturating_add(1);
                Shown::Warning(lang.missed(lines, room.as_deref()))
            }
            Event::Error(notice) => Shown::Warning(lang.code(notice.code)),
            Event::Reconnecting { wait, why, .. } => Shown::Warning(lang.reconnecting(why, *wait)),
            Event::Resumed(back) => Shown::Notice(lang.resumed(back)),
            Event::Restarted(anew) => Shown::Warning(lang.restarted(anew)),
            // A sealed one by whoever has opened it.
            Event::Sealed(_) | Event::Goodbye(_) | Event::Disconnected(_) => Shown::Nothing,
        }
    }

    /// Nobody wishes to be put out; to be out because one went elsewhere is no news.
    fn removed(self, removed: &Removed<String>) -> Shown {
        let Self { lang, rooms, .. } = self;
        let room = rooms.shown(removed.conversation);
        if removed.reason == LeaveReason::Moved as u16 {
            return Shown::Notice(lang.removed(removed, room.as_deref(), LinesGo::On));
        }
        let lines = if rooms.is_target(removed.conversation) { rooms.after_loss() } else { LinesGo::On };
        Shown::Warning(lang.removed(removed, room.as_deref(), lines))
    }

    fn message(self, conversation: u64, colour: &str, who: &str, text: &str) -> Shown {
        let room = self.rooms.shown(conversation).map(|room| format!("[{}] ", escape_name(&room)));
        self.marked(&room.unwrap_or_default(), colour, who, text)
    }

    /// A whisper, with a mark before the name of who whispers.
    pub(super) fn whisper(self, mark: &str, sender: &str, text: &str) -> Shown {
        self.marked(mark, MAGENTA, &format!("*{}*", escape_name(sender)), text)
    }

    fn marked(self, mark: &str, colour: &str, who: &str, text: &str) -> Shown {
        let text = escape(text);
        Shown::Message(if self.colour {
            format!("{mark}\u{1b}[{colour}m{who}\u{1b}[0m {text}")
        } else {
            format!("{mark}{who} {text}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_proto::{
        Act, Joined, Left, Line, LineHead, List, Missed, Moderated, Presence, RoomChanged, RoomEntered,
        RoomLeft, RoomSettings, SystemText, room_flag,
    };

    use crate::client::cli::rooms::Target;

    const HEAD: LineHead = LineHead { conversation: 1, epoch: 1, seq: 3, time_ms: 0 };
    const IN_DEV: LineHead = LineHead { conversation: 5, ..HEAD };
    const TO_US: LineHead = LineHead { conversation: MAILBOX, ..HEAD };
    const SETTINGS: RoomSettings =
        RoomSettings { capacity: 50, flags: room_flag::PASSWORD | room_flag::HIDDEN, slow_s: 90 };

    fn name() -> String {
        "lee".to_owned()
    }

    fn said(head: LineHead, sender: &str, text: &str) -> Line<String> {
        Line { head, sender: sender.to_owned(), text: text.to_owned() }
    }

    fn entered() -> RoomEntered {
        RoomEntered {
            place: Presence { conversation: 5, epoch: 1, seq: 0 },
            name: "dev".to_owned(),
            relation: 2,
            members: 3,
            settings: SETTINGS,
            topic: "plans".to_owned(),
        }
    }

    fn in_dev(at_terminal: bool) -> Rooms {
        let rooms = Rooms::new(at_terminal);
        rooms.enter(&entered());
        rooms.aim(Target::Room(rooms.find("dev").expect("entered")));
        rooms
    }

    fn message(text: &str) -> Shown {
        Shown::Message(text.to_owned())
    }

    #[test]
    fn the_three_kinds_of_message_cannot_be_mistaken_for_each_other() {
        let rooms = in_dev(true);
        let style = Style { colour: false, lang: Lang::Korean, rooms: &rooms };
        for (event, shown) in [
            (Event::Broadcast(said(HEAD, "lee", "안녕\n*kim* x")), "<lee> 안녕⏎*kim* x"),
            (Event::Whisper(said(TO_US, "l\ne\u{1b}", "hi")), "*l\\u{a}e\\u{1b}* hi"),
            (Event::System(SystemText { head: HEAD, text: "곧 점검".to_owned() }), "-!- 곧 점검"),
            (Event::Broadcast(said(IN_DEV, "lee", "hi")), "[dev] <lee> hi"),
            (Event::System(SystemText { head: IN_DEV, text: "곧 점검".to_owned() }), "[dev] -!- 곧 점검"),
            (Event::Broadcast(said(LineHead { conversation: 6, ..HEAD }, "lee", "hi")), "[#6] <lee> hi"),
        ] {
            assert_eq!(style.show(&event), message(shown));
        }
    }

    #[test]
    fn no_name_that_a_server_gives_makes_a_line_a_sealed_whisper() {
        let rooms = Rooms::new(true);
        for (conversation, name) in [(5, "sealed"), (6, "sealed, verified] *lee* pay now")] {
            let place = Presence { conversation, epoch: 1, seq: 0 };
            rooms.enter(&RoomEntered { place, name: name.to_owned(), ..entered() });
        }
        let style = Style { colour: false, lang: Lang::English, rooms: &rooms };
        let whisper = style.show(&Event::Whisper(said(IN_DEV, "lee", "hi")));
        assert_eq!(whisper, message("*lee* hi"), "a whisper is in no room");
        let head = LineHead { conversation: 6, ..HEAD };
        for event in
            [Event::Broadcast(said(head, "ann", "hi")), Event::Whisper(said(TO_US, "a* b *lee", "hi"))]
        {
            let Shown::Message(shown) = style.show(&event) else { panic!("a message") };
            assert!(!shown.contains("*lee*") && !shown.starts_with("[sealed, verified]"), "{shown}");
        }
    }

    #[test]
    fn colour_is_around_the_name_alone() {
        let rooms = in_dev(true);
        let style = Style { colour: true, lang: Lang::English, rooms: &rooms };
        let shown = style.show(&Event::Broadcast(said(HEAD, "lee", "hi")));
        assert_eq!(shown, message("\u{1b}[36m<lee>\u{1b}[0m hi"));
        let shown = style.show(&Event::Broadcast(said(IN_DEV, "lee", "hi")));
        assert_eq!(shown, message("[dev] \u{1b}[36m<lee>\u{1b}[0m hi"));
    }

    /// What nobody said, in English and Korean.
    fn notices() -> Vec<(Event, &'static str, &'static str)> {
        let left = |head, reason| Event::Left(Left { head, name: name(), reason });
        let changed = |head, by: &str| {
            let by = by.to_owned();
            Event::RoomChanged(RoomChanged { head, by, settings: SETTINGS, topic: "plans".to_owned() })
        };
        vec![
            (Event::Joined(Joined { head: HEAD, name: name() }), "lee joined", "lee 님이 들어왔습니다"),
            (left(HEAD, 1), "lee left (connection lost)", "lee 님이 나갔습니다 (연결 끊김)"),
            (
                Event::Joined(Joined { head: IN_DEV, name: name() }),
                "lee joined dev",
                "lee 님이 dev 방에 들어왔습니다",
            ),
            (left(IN_DEV, 6), "lee left dev (banned)", "lee 님이 dev 방에서 나갔습니다 (출입 금지됨)"),
            (
                Event::RoomEntered(entered()),
                "you are in dev, 3 here [password, hidden, slow mode 1m 30s]: plans",
                "dev 방에 들어왔습니다. 3명이 있습니다 [비밀번호, 숨김, 느린 모드 1m 30s]: plans",
            ),
            (
                Event::RoomLeft { conversation: 5, left: RoomLeft { entered: List::default() } },
                "you left dev",
                "dev 방에서 나왔습니다",
            ),
            (
                changed(IN_DEV, "lee"),
                "lee changed dev [password, hidden, slow mode 1m 30s]: plans",
                "lee 님이 dev 방 설정을 바꿨습니다 [비밀번호, 숨김, 느린 모드 1m 30s]: plans",
            ),
            (
                changed(HEAD, ""),
                "the server changed the lobby [password, hidden, slow mode 1m 30s]: plans",
                "서버가 로비 설정을 바꿨습니다 [비밀번호, 숨김, 느린 모드 1m 30s]: plans",
            ),
        ]
    }

    #[test]
    fn what_nobody_said_is_no_message_and_tells_its_room() {
        let rooms = in_dev(true);
        for (event, english, korean) in notices() {
            for (lang, text) in [(Lang::English, english), (Lang::Korean, korean)] {
                let style = Style { colour: false, lang, rooms: &rooms };
                assert_eq!(style.show(&event), Shown::Notice(text.to_owned()));
            }
        }
    }

    #[test]
    fn what_was_done_to_us_says_where_by_whom_and_for_how_long() {
        let rooms = in_dev(true);
        let done = |act: u16, room: &str, seconds| {
            let (room, text) = (room.to_owned(), "spam\u{7}".to_owned());
            Event::Moderated(Moderated { conversation: 5, room, act, by: name(), seconds, text })
        };
        for (event, english, korean) in [
            (
                done(Act::Mute as u16, "dev", 600),
                "lee muted you in dev for 10m: spam\\u{7}",
                "lee 님이 dev 방에서 10m 동안 발언을 금지했습니다: spam\\u{7}",
            ),
            (
                done(Act::Mute as u16, "", 0),
                "lee muted you on the whole server for good: spam\\u{7}",
                "lee 님이 서버 전체에서 기한 없이 발언을 금지했습니다: spam\\u{7}",
            ),
            (
                done(Act::Invite as u16, "ops", 0),
                "lee invites you to ops: spam\\u{7}",
                "lee 님이 ops 방에 초대했습니다: spam\\u{7}",
            ),
            (
                done(Act::HandOver as u16, "dev", 0),
                "lee made you the owner of dev: spam\\u{7}",
                "lee 님이 dev 방의 주인으로 정했습니다: spam\\u{7}",
            ),
            (
                done(77, "dev", 0),
                "lee did what this program does not know (77): spam\\u{7}",
                "lee 님이 알 수 없는 일을 했습니다 (77): spam\\u{7}",
            ),
        ] {
            for (lang, text) in [(Lang::English, english), (Lang::Korean, korean)] {
                let style = Style { colour: false, lang, rooms: &rooms };
                assert_eq!(style.show(&event), Shown::Notice(text.to_owned()));
            }
        }
    }

    fn removed(conversation: u64, reason: LeaveReason) -> Event {
        let (by, text) = (name(), "flooding".to_owned());
        let reason = reason as u16;
        Event::Removed(Removed { conversation, reason, by, text, entered: List::default() })
    }

    #[test]
    fn whoever_is_put_out_is_told_where_lines_go() {
        let [terminal, pipe] = [in_dev(true), in_dev(false)];
        let warns = |rooms: &Rooms, lang, event: &Event, text: &str| {
            assert_eq!(Style { colour: false, lang, rooms }.show(event), Shown::Warning(text.to_owned()));
        };
        let kicked = removed(5, LeaveReason::Kicked);
        let said = "lee put you out of dev (kicked): flooding";
        warns(&terminal, Lang::English, &kicked, &format!("{said}; lines go to the lobby now"));
        warns(&pipe, Lang::English, &kicked, &format!("{said}; lines go nowhere until /join or /lobby"));
        let closed = removed(5, LeaveReason::Closed);
        let said = "lee 님이 dev 방을 닫았습니다: flooding. 이제 로비에 말합니다";
        warns(&terminal, Lang::Korean, &closed, said);
        terminal.aim(Target::Lobby);
        warns(
            &terminal,
            Lang::English,
            &removed(5, LeaveReason::Banned),
            "lee put you out of dev (banned): flooding",
        );
        let moved =
            Style { colour: false, lang: Lang::English, rooms: &pipe }.show(&removed(1, LeaveReason::Moved));
        assert_eq!(moved, Shown::Notice("you are out of the lobby: flooding".to_owned()));
    }

    #[test]
    fn lines_that_are_missed_are_a_warning() {
        let rooms = in_dev(true);
        let style = Style { colour: false, lang: Lang::English, rooms: &rooms };
        for (conversation, said) in [(1, "lines missed: 3;"), (5, "lines missed in dev: 3;")] {
            let missed = Event::Missed(Missed { conversation, epoch: 1, from: 4, to: 6 });
            assert!(matches!(style.show(&missed), Shown::Warning(text) if text.starts_with(said)));
        }
        for (conversation, said) in [(MAILBOX, "whispers may be lost"), (1, "lines missed: nobody knows")] {
            let missed = Event::Missed(Missed { conversation, epoch: 1, from: 4, to: UNKNOWN_END });
            assert!(matches!(style.show(&missed), Shown::Warning(text) if text.starts_with(said)));
        }
    }
}
