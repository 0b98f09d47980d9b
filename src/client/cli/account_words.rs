//! What the program says about accounts and passwords, in English and Korean.

use chat_proto::{Code, ErrorCode};

use super::{
    entrance::NoEntry,
    escape::escape,
    password::{NoPassword, VARIABLE},
    words::Lang,
};

impl Lang {
    /// Why nobody came in; `None` where nobody needs to be told.
    #[must_use]
    pub fn no_entry(self, why: &NoEntry) -> Option<String> {
        Some(match why {
            NoEntry::Error(error) => self.error(error),
            NoEntry::Password(NoPassword::Interrupted) | NoEntry::Outside(_) => return None,
            NoEntry::Password(why) => self.no_password(why),
            NoEntry::State(fault) => self.state_fault(fault),
            NoEntry::Trust(why) => self.no_trust(why),
            NoEntry::KnownHosts(file, why) => self.known_hosts_unwritten(file, why),
            NoEntry::GuestsOnly => self
                .pick(
                    "this server takes guests only, and no password",
                    "손님만 받는 서버라 비밀번호를 받지 않습니다",
                )
                .to_owned(),
            NoEntry::NoGuests => self
                .pick(
                    "this server takes no guests; log in with --password, or make an account with --register",
                    "손님을 받지 않는 서버입니다. --password 로 로그인하거나 --register 로 가입하세요",
                )
                .to_owned(),
        })
    }

    fn no_password(self, why: &NoPassword) -> String {
        match why {
            NoPassword::File(name, why) => {
                let name = escape(name);
                self.pick(
                    format!("cannot read the password file {name}: {why}"),
                    format!("비밀번호 파일 {name} 을(를) 읽을 수 없습니다: {why}"),
                )
            }
            NoPassword::Line(name) => {
                let name = escape(name);
                self.pick(
                    format!("the first line of {name} is no password: it must be UTF-8, and not empty"),
                    format!("{name} 의 첫 줄이 비밀번호가 아닙니다. 비어 있지 않은 UTF-8 이어야 합니다"),
                )
            }
            NoPassword::Variable => {
                self.pick(format!("{VARIABLE} is no text"), format!("{VARIABLE} 의 글자가 깨져 있습니다"))
            }
            NoPassword::Terminal(why) => self.pick(
                format!(
                    "no terminal to ask for the password on ({why}); --password-file or {VARIABLE} gives it"
                ),
                format!(
                    "비밀번호를 물어볼 터미널이 없습니다({why}). --password-file 이나 {VARIABLE} 로 주세요"
                ),
            ),
            NoPassword::Nothing => {
                self.pick("no password was typed", "비밀번호를 입력하지 않았습니다").to_owned()
            }
            NoPassword::Different => {
                self.pick("the two passwords differ", "두 비밀번호가 서로 다릅니다").to_owned()
            }
            NoPassword::Interrupted => String::new(),
        }
    }

    /// What may be done about a refusal, after its line; empty where the line says it.
    #[must_use]
    pub fn advice(self, code: Code) -> &'static str {
        match code.error() {
            Some(ErrorCode::PasswordInvalid) => self.pick(
                "; it takes 8 to 128 bytes of text, of which a Korean letter is 3",
                ". 8~128바이트의 글자여야 하고, 한글은 한 글자가 3바이트입니다",
            ),
            Some(ErrorCode::InviteInvalid) => {
                self.pick("; --invite CODE gives one", ". 초대 코드는 --invite 로 줍니다")
            }
            _ => "",
        }
    }

    /// When to try again, after why not now; empty where the server does not say.
    #[must_use]
    pub fn wait(self, retry_ms: u32) -> String {
        match retry_ms.div_ceil(1_000) {
            0 => String::new(),
            seconds => self.pick(format!("; wait {seconds} s"), format!(". {seconds}초 기다리세요")),
        }
    }

    /// Asks for the password of an account.
    #[must_use]
    pub fn ask_password(self, name: &str) -> String {
        self.pick(format!("Password for {name}: "), format!("{name} 비밀번호: "))
    }

    /// As [`ask_password`](Self::ask_password), where one may do without.
    #[must_use]
    pub fn ask_password_or_guest(self, name: &str) -> String {
        self.pick(
            format!("Password for {name} (Enter alone: as a guest): "),
            format!("{name} 비밀번호 (그냥 Enter: 손님으로): "),
        )
    }

    /// Asks for a password that shall be one from now on.
    #[must_use]
    pub fn ask_new_password(self, name: &str) -> String {
        self.pick(format!("New password for {name}: "), format!("{name} 새 비밀번호: "))
    }

    /// Asks for the same again.
    #[must_use]
    pub fn ask_again(self) -> String {
        self.pick("The same again: ", "한 번 더: ").to_owned()
    }

    /// There is an account now.
    #[must_use]
    pub fn registered(self, name: &str) -> String {
        let name = escape(name);
        self.pick(format!("{name} is registered"), format!("{name}, 가입했습니다"))
    }

    /// The password is another now.
    #[must_use]
    pub fn password_changed(self, name: &str) -> String {
        let name = escape(name);
        self.pick(format!("the password of {name} is changed"), format!("{name} 비밀번호를 바꿨습니다"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_in_whole_seconds_and_never_too_short() {
        assert_eq!(Lang::English.wait(0), "");
        assert_eq!(Lang::English.wait(1), "; wait 1 s");
        assert_eq!(Lang::Korean.wait(30_001), ". 31초 기다리세요");
    }
}
