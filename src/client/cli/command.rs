//! What a line of input means.

use chat_proto::Username;

use super::{
    manual::{COMMANDS, Usage},
    request::{Request, split_word},
};

/// One line of input, understood.
#[derive(Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// Say this where lines go.
    Say(&'a str),
    /// Say this to one person.
    Whisper {
        /// To whom.
        to: &'a str,
        /// What.
        text: &'a str,
    },
    /// Say this in a room.
    SayIn {
        /// Which.
        room: &'a str,
        /// What.
        text: &'a str,
    },
    /// Lines go to the lobby from now on.
    Lobby,
    /// Ask this of the server.
    Ask(Request<'a>),
    /// Leave.
    Quit,
    /// Which commands are there?
    Help,
    /// A blank line: nothing.
    Nothing,
    /// A command whose arguments are not as they must be.
    Incomplete(&'static Usage),
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
        let composed = Username::parse(word).map(|word| word.as_str().to_lowercase()).unwrap_or_default();
        match COMMANDS.iter().find(|entry| entry.names.contains(&composed.as_str())) {
            Some(entry) => (entry.read)(rest).unwrap_or(Self::Incomplete(&entry.usage)),
            None => Self::Unknown(word),
        }
    }
}

#[cfg(test)]
mod tests {
    use chat_proto::Act;

    use super::{Command::*, *};
    use crate::client::cli::request::{Changes, Moderation, Place, RoomOptions};

    #[test]
    fn commands_have_english_and_korean_names_in_any_case_and_form() {
        for (line, command) in [
            ("/w lee 안녕  여러분 ", Whisper { to: "lee", text: "안녕  여러분 " }),
            ("/WHISPER  lee\thi", Whisper { to: "lee", text: "hi" }),
            ("/귓 김철수 안녕", Whisper { to: "김철수", text: "안녕" }),
            ("/귓말 lee /who", Whisper { to: "lee", text: "/who" }),
            ("/\u{1100}\u{1171}\u{11ba} lee hi", Whisper { to: "lee", text: "hi" }),
            ("/who", Ask(Request::Who)),
            ("/누구 ", Ask(Request::Who)),
            ("/quit", Quit),
            ("/나가기", Quit),
            ("/Help me", Help),
            ("/도움말", Help),
        ] {
            assert_eq!(Command::parse(line), command, "{line}");
        }
    }

    fn asks(lines: &[&str], request: impl Fn() -> Request<'static>) {
        for line in lines {
            assert_eq!(Command::parse(line), Ask(request()), "{line}");
        }
    }

    #[test]
    fn rooms_are_entered_asked_about_and_left() {
        asks(&["/rooms", "/방목록"], || Request::Rooms);
        asks(&["/join dev", "/JOIN #dev ", "/입장 dev"], || Request::Join { name: "dev", password: "" });
        asks(&["/join dev open  sesame "], || Request::Join { name: "dev", password: "open  sesame" });
        asks(&["/create dev secret --hidden", "/방만들기 #dev secret --hidden"], || Request::Create {
            name: "dev",
            password: "secret",
            options: RoomOptions { flags: 1, ..RoomOptions::default() },
        });
        asks(&["/create dev --topic 계획"], || Request::Create {
            name: "dev",
            password: "",
            options: RoomOptions { topic: "계획", ..RoomOptions::default() },
        });
        asks(&["/leave", "/퇴장"], || Request::Leave(Place::Here));
        asks(&["/leave dev", "/퇴장 #dev"], || Request::Leave(Place::Room("dev")));
        asks(&["/members", "/참가자"], || Request::Members(Place::Here));
        asks(&["/members #"], || Request::Members(Place::Lobby));
        asks(&["/topic dev", "/주제 #dev"], || Request::Topic(Place::Room("dev")));
        asks(&["/topic dev plans for May"], || Request::SetTopic(Place::Room("dev"), "plans for May"));
        asks(&["/close dev", "/방닫기 dev"], || Request::Close(Place::Room("dev")));
        asks(&["/set dev slow=5s", "/방설정 #dev slow=5s"], || {
            Request::Set(Place::Room("dev"), Changes::parse("slow=5s").expect("valid"))
        });
        for line in ["/r dev 안녕 ", "/R #dev 안녕 ", "/방 dev 안녕 "] {
            assert_eq!(Command::parse(line), SayIn { room: "dev", text: "안녕 " }, "{line}");
        }
        assert_eq!([Command::parse("/lobby"), Command::parse("/로비")], [Lobby, Lobby]);
    }

    #[test]
    fn the_past_is_asked_for_in_both_languages() {
        asks(&["/history", "/기록 "], || Request::History { place: Place::Here, lines: 20 });
        asks(&["/history 5 #dev", "/기록 #dev 5"], || Request::History {
            place: Place::Room("dev"),
            lines: 5,
        });
    }

    #[test]
    fn people_are_moderated_and_ignored() {
        for (words, act) in [
            (["kick", "추방"], Act::Kick),
            (["ban", "차단"], Act::Ban),
            (["unban", "차단해제"], Act::Unban),
            (["mute", "발언금지"], Act::Mute),
            (["unmute", "발언허용"], Act::Unmute),
            (["invite", "초대"], Act::Invite),
            (["uninvite", "초대취소"], Act::Uninvite),
            (["appoint", "임명"], Act::Appoint),
            (["dismiss", "해임"], Act::Dismiss),
            (["handover", "양도"], Act::HandOver),
        ] {
            for word in words {
                let place = Place::Room("dev");
                let asked = Moderation { act, name: "lee", place, seconds: 0, reason: "why not" };
                assert_eq!(
                    Command::parse(&format!("/{word} lee #dev why not")),
                    Ask(Request::Moderate(asked))
                );
            }
        }
        asks(&["/ignore lee", "/무시 lee"], || Request::Ignore("lee", true));
        asks(&["/unignore lee", "/무시해제 lee"], || Request::Ignore("lee", false));
        asks(&["/ignore", "/무시 "], || Request::Ignored);
        asks(&["/away", "/자리비움"], || Request::Away(true));
        asks(&["/back", "/복귀"], || Request::Away(false));
        asks(&["/announce 곧 점검", "/공지 곧 점검"], || Request::Announce("곧 점검"));
        asks(&["/freeze", "/가입중지"], || Request::Freeze(true));
        asks(&["/thaw", "/가입재개"], || Request::Freeze(false));
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
        for (line, usage) in [
            ("/w", "/w NAME TEXT"),
            ("/w lee", "/w NAME TEXT"),
            ("/w lee ", "/w NAME TEXT"),
            ("/귓 ", "/w NAME TEXT"),
            ("/r dev", "/r ROOM TEXT"),
            ("/join", "/join ROOM [PASSWORD]"),
            ("/join #", "/join ROOM [PASSWORD]"),
            ("/create dev --capacity", "/create ROOM [PASSWORD] [OPTIONS]"),
            ("/topic", "/topic ROOM [TEXT]"),
            ("/kick", "/kick NAME [#ROOM] [REASON]"),
            ("/ban lee 10", "/ban NAME [#ROOM] [TIME] [REASON]"),
            ("/set dev", "/set ROOM WHAT=HOW ..."),
            ("/history dev", "/history [N] [#ROOM]"),
            ("/close", "/close ROOM"),
            ("/unignore", "/unignore NAME"),
            ("/announce ", "/announce TEXT"),
        ] {
            match Command::parse(line) {
                Incomplete(told) => assert_eq!(told.english[0], usage, "{line}"),
                other => panic!("{line} is {other:?}"),
            }
        }
        assert_eq!(Command::parse("/usr/bin/env x"), Unknown("usr/bin/env"));
        assert_eq!(Command::parse("/"), Unknown(""));
        assert_eq!(Command::parse(" \t"), Nothing);
        assert_eq!(Command::parse(""), Nothing);
    }
}
