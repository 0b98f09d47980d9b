//! What a line of input means.

use chat_proto::Username;

/// One line of input, understood.
#[derive(Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// Say this to everyone.
    Say(&'a str),
    /// Say this to one person.
    Whisper {
        /// To whom.
        to: &'a str,
        /// What.
        text: &'a str,
    },
    /// Who is here?
    Who,
    /// Leave.
    Quit,
    /// Which commands are there?
    Help,
    /// A blank line: nothing.
    Nothing,
    /// A whisper without a name or a text.
    Incomplete,
    /// No such command.
    Unknown(&'a str),
}

impl<'a> Command<'a> {
    /// Understands a line without its line end.
    #[must_use]
    pub fn parse(line: &'a str) -> Self {
        let Some(command) = line.strip_prefix('/') else {
            return if line.trim().is_empty() { Self::Nothing } else { Self::Say(line) };
        };
        if command.starts_with('/') {
            return Self::Say(command);
        }
        let (word, rest) = split_word(command);
        // Composed like a name: Hangul typed or piped as single letters is the same word.
        let composed = Username::parse(word).map(|word| word.as_str().to_lowercase());
        match composed.as_deref().unwrap_or_default() {
            "w" | "whisper" | "귓" | "귓말" => match split_word(rest) {
                ("", _) | (_, "") => Self::Incomplete,
                (to, text) => Self::Whisper { to, text },
            },
            "who" | "누구" => Self::Who,
            "quit" | "나가기" => Self::Quit,
            "help" | "도움말" => Self::Help,
            _ => Self::Unknown(word),
        }
    }
}

/// A word and what follows the white space after it.
fn split_word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::{Command::*, *};

    #[test]
    fn commands_have_english_and_korean_names_in_any_case_and_form() {
        for (line, command) in [
            ("/w lee 안녕  여러분 ", Whisper { to: "lee", text: "안녕  여러분 " }),
            ("/WHISPER  lee\thi", Whisper { to: "lee", text: "hi" }),
            ("/귓 김철수 안녕", Whisper { to: "김철수", text: "안녕" }),
            ("/귓말 lee /who", Whisper { to: "lee", text: "/who" }),
            ("/\u{1100}\u{1171}\u{11ba} lee hi", Whisper { to: "lee", text: "hi" }),
            ("/who", Who),
            ("/누구 ", Who),
            ("/quit", Quit),
            ("/나가기", Quit),
            ("/Help me", Help),
            ("/도움말", Help),
        ] {
            assert_eq!(Command::parse(line), command, "{line}");
        }
    }

    #[test]
    fn all_else_is_said_as_it_stands() {
        for (line, said) in
            [(" hi ", " hi "), ("//who", "/who"), ("///", "//"), (" /who", " /who"), ("귓 lee", "귓 lee")]
        {
            assert_eq!(Command::parse(line), Say(said), "{line}");
        }
    }

    #[test]
    fn mistakes_are_told_and_never_said() {
        for line in ["/w", "/w lee", "/w lee ", "/귓 "] {
            assert_eq!(Command::parse(line), Incomplete, "{line}");
        }
        assert_eq!(Command::parse("/usr/bin/env x"), Unknown("usr/bin/env"));
        assert_eq!(Command::parse("/"), Unknown(""));
        assert_eq!(Command::parse(" \t"), Nothing);
        assert_eq!(Command::parse(""), Nothing);
    }
}
