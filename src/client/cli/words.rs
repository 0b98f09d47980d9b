//! What the program says to its user, in English and Korean.

use std::env;

use chat_proto::{Code, ErrorCode, Refusal};

use super::{encoding::Encoding, escape::escape, korean, manual::Usage};
use crate::client::{Error, ProtocolError};

/// The language of what is written to standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lang {
    /// English, and for whoever asks for anything we do not have.
    English,
    /// Korean.
    Korean,
}

impl Lang {
    /// As the environment asks, by the rules of POSIX.
    #[must_use]
    pub fn from_env() -> Self {
        Self::of(["LC_ALL", "LC_MESSAGES", "LANG"].map(|key| env::var(key).unwrap_or_default()))
    }

    fn of(values: [String; 3]) -> Self {
        let asked = values.into_iter().find(|value| !value.is_empty()).unwrap_or_default();
        match asked.split(['_', '.', '-', '@']).next() {
            Some("ko") => Self::Korean,
            _ => Self::English,
        }
    }

    /// The one of the two that is in this language.
    pub(super) fn pick<T>(self, english: T, korean: T) -> T {
        match self {
            Self::English => english,
            Self::Korean => korean,
        }
    }

    /// A result code, for a person.
    #[must_use]
    pub fn code(self, code: Code) -> String {
        let line = match (self, code.error()) {
            (Self::Korean, Some(error)) => korean::line(error),
            (Self::Korean, None) => "알 수 없는 이유",
            (Self::English, _) => code.line(),
        };
        format!("{line} ({})", code.0)
    }

    /// Why there is no connection, or no longer.
    #[must_use]
    pub fn error(self, error: &Error) -> String {
        match error {
            Error::Refused(refusal) => self.refused(*refusal),
            Error::Closed(goodbye) => {
                self.goodbye(goodbye.code, &goodbye.text) + &self.wait(goodbye.retry_ms)
            }
            Error::Disconnected => self
                .pick("the server closed the connection without a word", "서버가 말없이 연결을 끊었습니다")
                .to_owned(),
            Error::Tls(fault) => self.tls_fault(fault),
            Error::Protocol(ProtocolError::SpeaksTls) => self.speaks_tls().to_owned(),
            Error::Io(why) => self.pick(format!("connection failed: {why}"), format!("연결 실패: {why}")),
            Error::Timeout(what) => {
                self.pick(format!("timed out waiting for {what}"), format!("시간 초과: {what}"))
            }
            Error::Uncertain => self
                .pick(
                    "the connection was lost before the answer came: it may or may not have been done",
                    "답을 받기 전에 연결이 끊겼습니다. 되었을 수도, 안 되었을 수도 있습니다",
                )
                .to_owned(),
            Error::Protocol(why) => {
                self.pick(format!("protocol error: {why}"), format!("프로토콜 오류: {why}"))
            }
        }
    }

    /// The server's last words.
    #[must_use]
    pub fn goodbye(self, code: Code, text: &str) -> String {
        let said = if text.is_empty() { String::new() } else { format!(": {}", escape(text)) };
        if code == Code::OK {
            return self.pick(format!("the server said goodbye{said}"), format!("서버가 작별했습니다{said}"));
        }
        let why = self.code(code);
        self.pick(
            format!("the server said goodbye: {why}{said}"),
            format!("서버가 작별했습니다: {why}{said}"),
        )
    }

    fn refused(self, refusal: Refusal) -> String {
        let why = self.code(refusal.code) + self.advice(refusal.code) + &self.wait(refusal.retry_ms);
        self.pick(format!("refused: {why}"), format!("거절됨: {why}"))
    }

    /// A line that was not taken; `number` is its place in the input.
    #[must_use]
    pub fn line_refused(self, number: u64, refusal: Refusal) -> String {
        let why = self.code(refusal.code) + &self.wait(refusal.retry_ms);
        self.pick(format!("line {number} was refused: {why}"), format!("{number}번째 줄이 거절됨: {why}"))
    }

    /// A line whose answer did not come.
    #[must_use]
    pub fn line_unanswered(self, number: u64) -> String {
        self.pick(
            format!("line {number} was not acknowledged in time"),
            format!("{number}번째 줄이 제때 확인되지 않았습니다"),
        )
    }

    /// A line of which nobody knows whether it was said.
    #[must_use]
    pub fn line_uncertain(self, number: u64) -> String {
        self.pick(
            format!(
                "line {number} may or may not have been said: the connection was lost before the answer came"
            ),
            format!("{number}번째 줄은 전해졌을 수도, 아닐 수도 있습니다. 답을 받기 전에 연결이 끊겼습니다"),
        )
    }

    /// A line that had bytes other than those of its encoding.
    #[must_use]
    pub fn line_mended(self, number: u64, encoding: Encoding) -> String {
        self.pick(
            format!("line {number} is not {encoding}; what could not be read is sent as U+FFFD"),
            format!("{number}번째 줄: {encoding} 문자가 아닌 부분은 U+FFFD로 보냅니다"),
        )
    }

    /// A line that is lost.
    #[must_use]
    pub fn line_unreadable(self, number: u64, why: &str) -> String {
        self.pick(
            format!("line {number} is no text, and is lost: {why}"),
            format!("{number}번째 줄은 글자가 깨져 읽지 못했습니다: {why}"),
        )
    }

    /// A command that does not exist.
    #[must_use]
    pub fn unknown_command(self, number: u64, word: &str) -> String {
        let word = escape(word);
        self.pick(
            format!("line {number}: there is no command /{word}; /help lists them, // says a line with a slash"),
            format!("{number}번째 줄: /{word} 명령이 없습니다. /도움말 을 보세요. 빗금으로 시작하는 말은 // 로 씁니다"),
        )
    }

    /// A command whose arguments are not as they must be, and how it is written.
    #[must_use]
    pub fn incomplete(self, number: u64, usage: &'static Usage) -> String {
        let [write, _] = self.usage(usage);
        self.pick(format!("line {number}: write {write}"), format!("{number}번째 줄: {write} 로 쓰세요"))
    }

    /// Lines that were not acknowledged, at the end.
    #[must_use]
    pub fn unacknowledged(self, lines: u64) -> String {
        self.pick(format!("lines not acknowledged: {lines}"), format!("확인되지 않은 줄: {lines}"))
    }

    /// Standard input failed.
    #[must_use]
    pub fn input_broken(self, why: &str) -> String {
        self.pick(format!("cannot read the input: {why}"), format!("입력을 읽을 수 없습니다: {why}"))
    }

    /// The login succeeded.
    #[must_use]
    pub fn welcome(self, name: &str, server: &str) -> String {
        let name = escape(name);
        self.pick(format!("{name} is logged in at {server}"), format!("{name}, {server} 에 로그인했습니다"))
    }

    /// `-W` ran out.
    #[must_use]
    pub fn time_is_up(self) -> String {
        self.pick("the time of -W is up", "-W 시간이 다 되었습니다").to_owned()
    }

    /// Heads a list of members.
    #[must_use]
    pub fn here(self, members: u32) -> String {
        self.pick(format!("{members} here:"), format!("{members}명 접속 중:"))
    }

    /// Members beyond those listed.
    #[must_use]
    pub fn and_more(self, members: u32) -> String {
        self.pick(format!("and {members} more"), format!("그 밖에 {members}명"))
    }

    /// The word for a member who is not simply here; empty for one who is.
    #[must_use]
    pub fn state(self, state: u16) -> &'static str {
        match state {
            0 => "",
            1 => self.pick("away", "자리 비움"),
            2 => self.pick("reconnecting", "다시 연결 중"),
            _ => "?",
        }
    }
}

/// Whether a refusal is about the moment, so that the same line will be taken later.
#[must_use]
pub fn is_momentary(refusal: Refusal) -> bool {
    matches!(refusal.code.error(), Some(ErrorCode::RateLimited | ErrorCode::Overloaded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_that_is_set_decides_the_language() {
        let lang = |values: [&str; 3]| Lang::of(values.map(str::to_owned));
        assert_eq!(lang(["", "", "ko_KR.UTF-8"]), Lang::Korean);
        assert_eq!(lang(["ko", "", "en_US.UTF-8"]), Lang::Korean);
        assert_eq!(lang(["C.UTF-8", "", "ko_KR.UTF-8"]), Lang::English);
        assert_eq!(lang(["", "", "kok_IN"]), Lang::English);
        assert_eq!(lang(["", "", ""]), Lang::English);
    }

    #[test]
    fn what_a_server_says_last_is_escaped() {
        let said = Lang::English.goodbye(ErrorCode::ShuttingDown.into(), "\u{1b}[2Jbye");
        assert_eq!(said, "the server said goodbye: the server is shutting down (5001): \\u{1b}[2Jbye");
    }
}
