//! What the program says about a connection that is lost and found, in English and Korean.

use std::time::{Duration, UNIX_EPOCH};

use chat_proto::HistoryEntry;

use super::{escape::escape, state::StateFault, words::Lang};
use crate::client::{Error, Restarted, Resumed};

impl Lang {
    /// The connection is lost, and another will be tried.
    #[must_use]
    pub fn reconnecting(self, why: &Error, wait: Duration) -> String {
        let why = self.error(why);
        if wait.is_zero() {
            return self.pick(format!("{why}; reconnecting"), format!("{why}. 다시 연결합니다"));
        }
        // Less than a second is shown as one: nobody counts it.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.pick(
            format!("{why}; reconnecting in {seconds} s"),
            format!("{why}. {seconds}초 뒤에 다시 연결합니다"),
        )
    }

    /// The session goes on.
    #[must_use]
    pub fn resumed(self, back: &Resumed) -> String {
        match back.behind {
            Some(0) => {
                self.pick("back; you missed nothing", "다시 연결되었습니다. 놓친 줄은 없습니다").to_owned()
            }
            Some(1) => self.pick(
                "back; at most 1 line you missed follows".to_owned(),
                "다시 연결되었습니다. 놓친 줄이 많아야 1개 이어집니다".to_owned(),
            ),
            Some(lines) => self.pick(
                format!("back; up to {lines} lines you missed follow"),
                format!("다시 연결되었습니다. 놓친 줄이 많아야 {lines}개 이어집니다"),
            ),
            None => self
                .pick("back; the lines you missed follow", "다시 연결되었습니다. 놓친 줄이 이어집니다")
                .to_owned(),
        }
    }

    /// One is not in a room any more.
    #[must_use]
    pub fn lost_room(self, room: &str) -> String {
        let room = escape(room);
        self.pick(format!("you are no longer in {room}"), format!("이제 {room} 방에 있지 않습니다"))
    }

    /// One is in a room, by a request whose answer was lost.
    #[must_use]
    pub fn found_room(self, room: &str) -> String {
        let room = escape(room);
        self.pick(format!("you are in {room}"), format!("{room} 방에 들어와 있습니다"))
    }

    /// The session is another one.
    #[must_use]
    pub fn restarted(self, anew: &Restarted) -> String {
        let name = escape(&anew.welcome.name);
        self.pick(
            format!("{name} is logged in anew; what was said meanwhile is told by /history"),
            format!("{name}, 새로 로그인했습니다. 그동안의 말은 /기록 으로 봅니다"),
        )
    }

    /// A line of the session that is lost.
    #[must_use]
    pub fn uncertain(self, text: &str) -> String {
        let text = escape(text);
        self.pick(
            format!("this line may or may not have been said: {text}"),
            format!("이 줄은 전해졌을 수도, 아닐 수도 있습니다: {text}"),
        )
    }

    /// The state cannot be written.
    #[must_use]
    pub fn state_unwritten(self, why: &str) -> String {
        self.pick(format!("cannot keep the session: {why}"), format!("세션을 저장할 수 없습니다: {why}"))
    }

    /// The state cannot be gone on with.
    #[must_use]
    pub fn state_fault(self, fault: &StateFault) -> String {
        match fault {
            StateFault::Unreadable(file, error) => self.pick(
                format!("cannot read {file}: {error}"),
                format!("{file} 을(를) 읽을 수 없습니다: {error}"),
            ),
            StateFault::Foreign(file, why) => self.pick(
                format!("{file} is no session of this program's: {why}"),
                format!("{file} 은(는) 이 프로그램의 세션 파일이 아닙니다: {why}"),
            ),
            StateFault::Another(file, whose) => {
                let whose = escape(whose);
                self.pick(
                    format!("{file} is another session: {whose}"),
                    format!("{file} 은(는) 다른 세션입니다: {whose}"),
                )
            }
        }
    }

    /// Nothing is kept of the past.
    #[must_use]
    pub fn no_history(self) -> &'static str {
        self.pick("nothing is kept of what was said here", "남아 있는 기록이 없습니다")
    }

    /// There is a session in the file, and no coming back to it.
    #[must_use]
    pub fn session_is_over(self) -> &'static str {
        self.pick(
            "the session that was kept is over; logging in",
            "저장된 세션은 끝났습니다. 새로 로그인합니다",
        )
    }
}

/// The last moment of the year 9999: a clock beyond it is none.
const TIME_MS_MAX: u64 = 253_402_300_799_999;

/// A line of the past, with the time at which it was said.
#[must_use]
pub fn said_then(entry: &HistoryEntry) -> String {
    let time = UNIX_EPOCH + Duration::from_millis(entry.time_ms.min(TIME_MS_MAX));
    let who = if entry.sender.is_empty() { "-!-".to_owned() } else { format!("<{}>", escape(&entry.sender)) };
    format!("{} {who} {}", humantime::format_rfc3339_seconds(time), escape(&entry.text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_is_told_with_its_time_and_nothing_in_it_acts_on_a_terminal() {
        let entry = |time_ms, sender: &str| HistoryEntry {
            epoch: 1,
            seq: 1,
            time_ms,
            sender: sender.to_owned(),
            text: "안녕\u{7}".to_owned(),
        };
        assert_eq!(said_then(&entry(1_700_000_000_999, "lee")), "2023-11-14T22:13:20Z <lee> 안녕\\u{7}");
        assert_eq!(said_then(&entry(u64::MAX, "")), "9999-12-31T23:59:59Z -!- 안녕\\u{7}");
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds_and_none_is_not() {
        let tell = |millis| Lang::English.reconnecting(&Error::Disconnected, Duration::from_millis(millis));
        let why = "the server closed the connection without a word";
        assert_eq!(tell(0), format!("{why}; reconnecting"));
        assert_eq!(tell(400), format!("{why}; reconnecting in 1 s"));
        assert_eq!(tell(3_000), format!("{why}; reconnecting in 3 s"));
        let korean = Lang::Korean.reconnecting(&Error::Disconnected, Duration::from_millis(3_400));
        assert_eq!(korean, "서버가 말없이 연결을 끊었습니다. 4초 뒤에 다시 연결합니다");
    }

    #[test]
    fn how_much_was_missed_is_told_as_far_as_it_is_known() {
        let told = |behind| Lang::English.resumed(&Resumed { behind, ..Resumed::default() });
        assert_eq!(told(Some(0)), "back; you missed nothing");
        assert_eq!(told(Some(1)), "back; at most 1 line you missed follows");
        assert_eq!(told(Some(12)), "back; up to 12 lines you missed follow");
        assert_eq!(told(None), "back; the lines you missed follow");
    }
}
