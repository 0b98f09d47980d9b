//! What commands ask of the server, with their arguments understood.

use chat_proto::{Act, RoomSettings, room_flag};

/// Something that is asked.
#[derive(Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Who is in the lobby?
    Who,
    /// What was said there last?
    History {
        /// Where.
        place: Place<'a>,
        /// How many lines of it are wanted.
        lines: u16,
    },
    /// Which rooms are there?
    Rooms,
    /// Make a room, and let me in.
    Create {
        /// Its name.
        name: &'a str,
        /// Its password, or empty.
        password: &'a str,
        /// How it is.
        options: RoomOptions<'a>,
    },
    /// Let me in.
    Join {
        /// Into which room.
        name: &'a str,
        /// Its password, or empty.
        password: &'a str,
    },
    /// I leave.
    Leave(Place<'a>),
    /// Who is there?
    Members(Place<'a>),
    /// What is it about?
    Topic(Place<'a>),
    /// It shall be about this.
    SetTopic(Place<'a>, &'a str),
    /// It shall be like this.
    Set(Place<'a>, Changes<'a>),
    /// It shall be no more.
    Close(Place<'a>),
    /// This shall happen to somebody.
    Moderate(Moderation<'a>),
    /// Whom do I ignore?
    Ignored,
    /// I ignore somebody from now on, or do not any more.
    Ignore(&'a str, bool),
    /// Which keys has somebody, or have I?
    Keys(Option<&'a str>),
    /// I have compared somebody's number with theirs.
    Verify(&'a str),
    /// Somebody's keys are theirs.
    Trust(&'a str),
    /// The key of a device of mine, which begins like this, is to be used no more.
    Revoke(&'a str),
    /// I am away, or back.
    Away(bool),
    /// Everybody shall hear this.
    Announce(&'a str),
    /// Nobody may register, or may again.
    Freeze(bool),
}

/// Which conversation it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// Where lines go.
    Here,
    /// The lobby; where people are moderated, the whole server.
    Lobby,
    /// The room of this name.
    Room(&'a str),
}

impl<'a> Place<'a> {
    /// `ROOM`, `#ROOM`, `#` for the lobby, or nothing for where lines go.
    #[must_use]
    pub fn of(word: &'a str) -> Self {
        match word.strip_prefix('#').unwrap_or(word) {
            "" if word.is_empty() => Self::Here,
            "" => Self::Lobby,
            room => Self::Room(room),
        }
    }
}

/// What shall happen to whom.
#[derive(Debug, PartialEq, Eq)]
pub struct Moderation<'a> {
    /// What.
    pub act: Act,
    /// To whom.
    pub name: &'a str,
    /// In which room, or on the whole server.
    pub place: Place<'a>,
    /// For how long; 0: for good.
    pub seconds: u32,
    /// Why; perhaps empty.
    pub reason: &'a str,
}

impl<'a> Moderation<'a> {
    /// `NAME [#ROOM] [TIME] [REASON]`, where a time is only for what lasts. A reason that begins with a digit must not
    /// be taken for one that is written wrongly, so such a word is a time or a mistake.
    #[must_use]
    pub fn parse(act: Act, text: &'a str) -> Option<Self> {
        let (name, mut reason) = split_word(text);
        if name.is_empty() || name.starts_with('#') {
            return None;
        }
        let (mut place, mut seconds) = (None, None);
        loop {
            let (word, rest) = split_word(reason);
            if place.is_none() && (word.starts_with('#') || (is_for_rooms(act) && !word.is_empty())) {
                place = Some(Place::of(word));
            } else if act.lasts() && seconds.is_none() && word.starts_with(|c: char| c.is_ascii_digit()) {
                seconds = Some(parse_seconds(word)?);
            } else {
                break;
            }
            reason = rest;
        }
        let (place, seconds) = (place.unwrap_or(Place::Here), seconds.unwrap_or(0));
        Some(Self { act, name, place, seconds, reason: reason.trim_end() })
    }
}

/// Whether an act is about a room always, and never about the whole server: then its room needs no mark.
#[must_use]
pub fn is_for_rooms(act: Act) -> bool {
    matches!(act, Act::Invite | Act::Uninvite | Act::Appoint | Act::Dismiss | Act::HandOver)
}

/// Lines of the past that are told where no number is said, and that may be asked for at once.
const HISTORY_LINES: u16 = 20;
const HISTORY_LINES_MAX: u16 = 500;

/// `[N] [#ROOM]`, in either order.
#[must_use]
pub fn parse_history(text: &str) -> Option<Request<'_>> {
    let (mut place, mut lines) = (None, None);
    for word in text.split_whitespace() {
        if word.starts_with('#') && place.is_none() {
            place = Some(Place::of(word));
        } else if lines.is_none() {
            lines = Some(word.parse().ok().filter(|lines| (1..=HISTORY_LINES_MAX).contains(lines))?);
        } else {
            return None;
        }
    }
    Some(Request::History { place: place.unwrap_or(Place::Here), lines: lines.unwrap_or(HISTORY_LINES) })
}

/// How a new room is.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RoomOptions<'a> {
    /// Bits of [`room_flag`].
    pub flags: u16,
    /// Members it takes; `None`: as many as the server allows.
    pub capacity: Option<u32>,
    /// What it is about; perhaps empty.
    pub topic: &'a str,
}

impl<'a> RoomOptions<'a> {
    /// `--hidden --invite-only --persistent --capacity N --topic TEXT`, the text being the rest of the line.
    #[must_use]
    pub fn parse(mut text: &'a str) -> Option<Self> {
        let mut options = Self::default();
        loop {
            let (word, rest) = split_word(text);
            text = rest;
            match word {
                "" => return Some(options),
                "--hidden" => options.flags |= room_flag::HIDDEN,
                "--invite-only" => options.flags |= room_flag::INVITE_ONLY,
                "--persistent" => options.flags |= room_flag::PERSISTENT,
                "--capacity" => {
                    let (number, rest) = split_word(text);
                    options.capacity = Some(number.parse().ok()?);
                    text = rest;
                }
                "--topic" => {
                    options.topic = text.trim_end();
                    return Some(options);
                }
                _ => return None,
            }
        }
    }
}

/// How a room shall be from now on, as far as it shall be otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes<'a> {
    set: u16,
    unset: u16,
    capacity: Option<u32>,
    slow_s: Option<u32>,
    /// `None` leaves the password, an empty one takes it away.
    pub password: Option<&'a str>,
}

impl<'a> Changes<'a> {
    /// `capacity=N slow=TIME hidden=on invite-only=off persistent=on password=WORD`: at least one of them.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut changes = Self::default();
        for word in text.split_whitespace() {
            let (what, how) = word.split_once('=')?;
            match what {
                "capacity" => changes.capacity = Some(how.parse().ok()?),
                "slow" => changes.slow_s = Some(if how == "off" { 0 } else { parse_seconds(how)? }),
                "password" => changes.password = Some(how),
                "hidden" => changes.turn(room_flag::HIDDEN, how)?,
                "invite-only" => changes.turn(room_flag::INVITE_ONLY, how)?,
                "persistent" => changes.turn(room_flag::PERSISTENT, how)?,
                _ => return None,
            }
        }
        (changes != Self::default()).then_some(changes)
    }

    fn turn(&mut self, flag: u16, how: &str) -> Option<()> {
        let (one, other) = match how {
            "on" => (&mut self.set, &mut self.unset),
            "off" => (&mut self.unset, &mut self.set),
            _ => return None,
        };
        *one |= flag;
        *other &= !flag;
        Some(())
    }

    /// What becomes of these settings.
    #[must_use]
    pub fn apply(self, settings: RoomSettings) -> RoomSettings {
        RoomSettings {
            capacity: self.capacity.unwrap_or(settings.capacity),
            flags: ((settings.flags | self.set) & !self.unset) & room_flag::SETTABLE,
            slow_s: self.slow_s.unwrap_or(settings.slow_s),
        }
    }
}

/// Whole seconds, of a time such as `10m` or `1h30m`; `0`: none.
fn parse_seconds(word: &str) -> Option<u32> {
    if word == "0" {
        return Some(0);
    }
    let time = humantime::parse_duration(word).ok()?;
    (time.subsec_nanos() == 0).then(|| time.as_secs().try_into().ok()).flatten()
}

/// A word and what follows the white space after it.
#[must_use]
pub fn split_word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moderation(act: Act, text: &str) -> Option<(&str, Place<'_>, u32, &str)> {
        Moderation::parse(act, text).map(|asked| (asked.name, asked.place, asked.seconds, asked.reason))
    }

    #[test]
    fn a_room_has_a_mark_wherever_a_reason_could_stand_and_the_mark_alone_is_the_server() {
        let dev = Place::Room("dev");
        for (text, asked) in [
            ("lee", ("lee", Place::Here, 0, "")),
            ("lee #dev flooding  again ", ("lee", dev, 0, "flooding  again")),
            ("lee dev", ("lee", Place::Here, 0, "dev")),
            ("lee # #1 reason", ("lee", Place::Lobby, 0, "#1 reason")),
            ("lee 10m", ("lee", Place::Here, 0, "10m")),
        ] {
            assert_eq!(moderation(Act::Kick, text), Some(asked), "{text}");
        }
        for act in [Act::Invite, Act::Uninvite, Act::Appoint, Act::Dismiss, Act::HandOver] {
            assert_eq!(moderation(act, "lee dev 어서 와"), Some(("lee", dev, 0, "어서 와")));
            assert_eq!(moderation(act, "lee #dev"), Some(("lee", dev, 0, "")));
        }
        for text in ["", "#dev", "#dev lee"] {
            assert_eq!(moderation(Act::Kick, text), None, "{text}");
        }
    }

    #[test]
    fn a_time_stands_on_either_side_of_the_room_and_a_wrong_one_is_a_mistake() {
        let dev = Place::Room("dev");
        for (text, asked) in [
            ("lee #dev 10m spam", ("lee", dev, 600, "spam")),
            ("lee 1h30m #dev 2 times", ("lee", dev, 5_400, "2 times")),
            ("lee 0 2 times", ("lee", Place::Here, 0, "2 times")),
            ("lee 7days", ("lee", Place::Here, 604_800, "")),
            ("lee for good", ("lee", Place::Here, 0, "for good")),
        ] {
            assert_eq!(moderation(Act::Mute, text), Some(asked), "{text}");
        }
        for text in ["lee 10", "lee #dev 3rd time", "lee 1ms", "lee 1000years"] {
            assert_eq!(moderation(Act::Ban, text), None, "{text}");
        }
    }

    #[test]
    fn options_are_read_in_any_order_and_the_topic_is_the_rest() {
        let topic = "plans --hidden of 2027";
        let options = RoomOptions { flags: 7, capacity: Some(50), topic };
        let text = "--persistent --hidden --capacity 50 --invite-only --topic plans --hidden of 2027 ";
        assert_eq!(RoomOptions::parse(text), Some(options));
        assert_eq!(RoomOptions::parse(""), Some(RoomOptions::default()));
        for text in ["--capacity", "--capacity many", "--unknown", "word"] {
            assert_eq!(RoomOptions::parse(text), None, "{text}");
        }
    }

    #[test]
    fn changes_leave_all_else_as_it_was() {
        let was = RoomSettings { capacity: 50, flags: room_flag::HIDDEN | room_flag::PASSWORD, slow_s: 5 };
        let apply = |text| Changes::parse(text).expect(text).apply(was);
        let is = RoomSettings { capacity: 9, flags: room_flag::HIDDEN, slow_s: 5 };
        assert_eq!(apply("capacity=9"), is);
        let is = RoomSettings { capacity: 50, flags: room_flag::PERSISTENT, slow_s: 60 };
        assert_eq!(apply("hidden=off persistent=on slow=1m"), is);
        assert_eq!(apply("slow=off").slow_s, 0);
        assert_eq!(Changes::parse("password=a=b").expect("valid").password, Some("a=b"));
        assert_eq!(Changes::parse("password=").expect("valid").password, Some(""));
        for text in ["", "hidden", "hidden=yes", "colour=red", "slow=5", "capacity=-1"] {
            assert_eq!(Changes::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_past_is_asked_for_by_a_number_and_a_room_in_either_order() {
        let asked = |text| match parse_history(text) {
            Some(Request::History { place, lines }) => Some((place, lines)),
            _ => None,
        };
        assert_eq!(asked(""), Some((Place::Here, 20)));
        assert_eq!(asked("5"), Some((Place::Here, 5)));
        assert_eq!(asked(" #dev "), Some((Place::Room("dev"), 20)));
        assert_eq!([asked("500 #"), asked("# 500")], [Some((Place::Lobby, 500)); 2]);
        for text in ["0", "501", "-1", "dev", "5 6", "#dev #ops"] {
            assert_eq!(asked(text), None, "{text}");
        }
    }

    #[test]
    fn a_mark_before_a_room_may_be_left_out_where_nothing_else_can_stand() {
        assert_eq!(Place::of(""), Place::Here);
        assert_eq!(Place::of("#"), Place::Lobby);
        assert_eq!([Place::of("#개발"), Place::of("개발")], [Place::Room("개발"); 2]);
    }
}
