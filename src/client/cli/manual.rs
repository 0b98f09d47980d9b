//! The commands there are: their names, how they are written, what they do.

use chat_proto::Act;

use super::{
    command::Command,
    request::{Changes, Moderation, Place, Request, RoomOptions, parse_history, split_word},
    words::Lang,
};

/// A command.
pub struct Entry {
    /// What it is called, after the slash, in lower case and NFC.
    pub names: &'static [&'static str],
    /// How to write it.
    pub usage: Usage,
    /// Reads what follows its name; `None` where that is not as the usage says.
    pub read: for<'a> fn(&'a str) -> Option<Command<'a>>,
}

/// How a command is written, and what it does.
#[derive(Debug, PartialEq, Eq)]
pub struct Usage {
    /// In English.
    pub english: [&'static str; 2],
    /// In Korean.
    pub korean: [&'static str; 2],
}

const fn entry(
    names: &'static [&'static str],
    english: [&'static str; 2],
    korean: [&'static str; 2],
    read: for<'a> fn(&'a str) -> Option<Command<'a>>,
) -> Entry {
    Entry { names, usage: Usage { english, korean }, read }
}

/// All of them, in the order of the help.
pub static COMMANDS: &[Entry] = &[
    entry(
        &["w", "whisper", "귓", "귓말"],
        ["/w NAME TEXT", "say TEXT to NAME alone"],
        ["/귓 이름 할말", "한 사람에게만 말하기 (/귓말, /w)"],
        |rest| two_words(rest).map(|(to, text)| Command::Whisper { to, text }),
    ),
    entry(
        &["who", "누구"],
        ["/who", "list who is in the lobby"],
        ["/누구", "로비에 있는 사람 보기 (/who)"],
        |_| Some(Command::Ask(Request::Who)),
    ),
    entry(
        &["history", "기록"],
        ["/history [N] [#ROOM]", "tell the last N lines again; # is the lobby"],
        ["/기록 [개수] [#방]", "지난 말 다시 보기. #은 로비 (/history)"],
        |rest| parse_history(rest).map(Command::Ask),
    ),
    entry(
        &["rooms", "방목록"],
        ["/rooms", "list the rooms"],
        ["/방목록", "방 목록 보기 (/rooms)"],
        |_| Some(Command::Ask(Request::Rooms)),
    ),
    entry(
        &["create", "방만들기"],
        [
            "/create ROOM [PASSWORD] [OPTIONS]",
            "make a room and go in: --hidden --invite-only --persistent --capacity N --topic TEXT",
        ],
        [
            "/방만들기 방 [비밀번호] [옵션]",
            "방을 만들어 들어가기: --hidden --invite-only --persistent --capacity N --topic 주제 (/create)",
        ],
        create,
    ),
    entry(
        &["join", "입장"],
        ["/join ROOM [PASSWORD]", "go into a room; lines go there"],
        ["/입장 방 [비밀번호]", "방에 들어가기. 그냥 한 줄은 그 방에 말합니다 (/join)"],
        |rest| {
            let (name, password) = room_and_rest(rest)?;
            Some(Command::Ask(Request::Join { name, password: password.trim_end() }))
        },
    ),
    entry(
        &["lobby", "로비"],
        ["/lobby", "lines go to the lobby again"],
        ["/로비", "그냥 한 줄을 다시 로비에 말하기 (/lobby)"],
        |_| Some(Command::Lobby),
    ),
    entry(
        &["leave", "퇴장"],
        ["/leave [ROOM]", "leave a room"],
        ["/퇴장 [방]", "방에서 나가기 (/leave)"],
        |rest| Some(Command::Ask(Request::Leave(Place::of(split_word(rest).0)))),
    ),
    entry(
        &["r", "방"],
        ["/r ROOM TEXT", "say TEXT in a room"],
        ["/방 방 할말", "그 방에 말하기 (/r)"],
        |rest| {
            let (room, text) = room_and_rest(rest)?;
            (!text.is_empty()).then_some(Command::SayIn { room, text })
        },
    ),
    entry(
        &["members", "참가자"],
        ["/members [ROOM]", "list who is in a room; # is the lobby"],
        ["/참가자 [방]", "방에 있는 사람 보기. #은 로비 (/members)"],
        |rest| Some(Command::Ask(Request::Members(Place::of(split_word(rest).0)))),
    ),
    entry(
        &["topic", "주제"],
        ["/topic ROOM [TEXT]", "say what a room is about, or ask"],
        ["/주제 방 [주제]", "방의 주제를 정하거나 보기 (/topic)"],
        |rest| match split_word(rest) {
            ("", _) => None,
            (room, "") => Some(Command::Ask(Request::Topic(Place::of(room)))),
            (room, topic) => Some(Command::Ask(Request::SetTopic(Place::of(room), topic.trim_end()))),
        },
    ),
    entry(
        &["set", "방설정"],
        [
            "/set ROOM WHAT=HOW ...",
            "change a room: capacity=N slow=TIME hidden=on invite-only=on persistent=on password=WORD",
        ],
        [
            "/방설정 방 항목=값 ...",
            "방 설정: capacity=N slow=시간 hidden=on invite-only=on persistent=on password=비밀번호 (/set)",
        ],
        |rest| match split_word(rest) {
            ("", _) => None,
            (room, how) => Some(Command::Ask(Request::Set(Place::of(room), Changes::parse(how)?))),
        },
    ),
    entry(
        &["close", "방닫기"],
        ["/close ROOM", "end a room"],
        ["/방닫기 방", "방 없애기 (/close)"],
        |rest| room_and_rest(rest).map(|(room, _)| Command::Ask(Request::Close(Place::Room(room)))),
    ),
    entry(
        &["kick", "추방"],
        ["/kick NAME [#ROOM] [REASON]", "put NAME out of a room; # is the whole server"],
        ["/추방 이름 [#방] [이유]", "방에서 내보내기. #은 서버 전체 (/kick)"],
        |rest| moderate(Act::Kick, rest),
    ),
    entry(
        &["ban", "차단"],
        ["/ban NAME [#ROOM] [TIME] [REASON]", "put NAME out and keep them out, for a time such as 10m"],
        ["/차단 이름 [#방] [시간] [이유]", "내보내고 못 들어오게 하기. 시간은 10m처럼 (/ban)"],
        |rest| moderate(Act::Ban, rest),
    ),
    entry(
        &["unban", "차단해제"],
        ["/unban NAME [#ROOM]", "let NAME come back"],
        ["/차단해제 이름 [#방]", "다시 들어오게 하기 (/unban)"],
        |rest| moderate(Act::Unban, rest),
    ),
    entry(
        &["mute", "발언금지"],
        ["/mute NAME [#ROOM] [TIME] [REASON]", "NAME may not speak, for a time such as 10m"],
        ["/발언금지 이름 [#방] [시간] [이유]", "말하지 못하게 하기. 시간은 10m처럼 (/mute)"],
        |rest| moderate(Act::Mute, rest),
    ),
    entry(
        &["unmute", "발언허용"],
        ["/unmute NAME [#ROOM]", "let NAME speak"],
        ["/발언허용 이름 [#방]", "다시 말하게 하기 (/unmute)"],
        |rest| moderate(Act::Unmute, rest),
    ),
    entry(
        &["invite", "초대"],
        ["/invite NAME [ROOM]", "let NAME into a room"],
        ["/초대 이름 [방]", "방에 초대하기 (/invite)"],
        |rest| moderate(Act::Invite, rest),
    ),
    entry(
        &["uninvite", "초대취소"],
        ["/uninvite NAME [ROOM]", "take an invitation back"],
        ["/초대취소 이름 [방]", "초대를 거두기 (/uninvite)"],
        |rest| moderate(Act::Uninvite, rest),
    ),
    entry(
        &["appoint", "임명"],
        ["/appoint NAME [ROOM]", "NAME keeps order in a room"],
        ["/임명 이름 [방]", "방의 관리자로 임명하기 (/appoint)"],
        |rest| moderate(Act::Appoint, rest),
    ),
    entry(
        &["dismiss", "해임"],
        ["/dismiss NAME [ROOM]", "NAME does not any more"],
        ["/해임 이름 [방]", "방의 관리자에서 해임하기 (/dismiss)"],
        |rest| moderate(Act::Dismiss, rest),
    ),
    entry(
        &["handover", "양도"],
        ["/handover NAME [ROOM]", "a room is NAME's from now on"],
        ["/양도 이름 [방]", "방의 주인을 넘기기 (/handover)"],
        |rest| moderate(Act::HandOver, rest),
    ),
    entry(
        &["keys", "키"],
        ["/keys [NAME]", "show the keys of NAME with the number to compare, or your own"],
        ["/키 [이름]", "상대의 키와 서로 맞춰 볼 번호 보기, 또는 내 키 보기 (/keys)"],
        |rest| Some(Command::Ask(Request::Keys(one_word(rest)))),
    ),
    entry(
        &["verify", "확인"],
        ["/verify NAME", "NAME sees the same number: the keys are verified"],
        ["/확인 이름", "번호가 서로 같으니 키를 확인한 것으로 하기 (/verify)"],
        |rest| one_word(rest).map(|name| Command::Ask(Request::Verify(name))),
    ),
    entry(
        &["trust", "신뢰"],
        ["/trust NAME", "take the keys that NAME has now for theirs"],
        ["/신뢰 이름", "상대의 지금 키를 받아들이기 (/trust)"],
        |rest| one_word(rest).map(|name| Command::Ask(Request::Trust(name))),
    ),
    entry(
        &["revoke", "폐기"],
        ["/revoke KEY", "let nobody seal to another device of yours any more"],
        ["/폐기 키", "내 다른 기기의 키를 없애기 (/revoke)"],
        |rest| one_word(rest).map(|key| Command::Ask(Request::Revoke(key))),
    ),
    entry(
        &["ignore", "무시"],
        ["/ignore [NAME]", "hear nothing of NAME, or list whom you ignore"],
        ["/무시 [이름]", "그 사람의 말을 듣지 않기. 이름 없이: 목록 (/ignore)"],
        |rest| {
            Some(Command::Ask(match split_word(rest).0 {
                "" => Request::Ignored,
                name => Request::Ignore(name, true),
            }))
        },
    ),
    entry(
        &["unignore", "무시해제"],
        ["/unignore NAME", "hear NAME again"],
        ["/무시해제 이름", "다시 듣기 (/unignore)"],
        |rest| one_word(rest).map(|name| Command::Ask(Request::Ignore(name, false))),
    ),
    entry(
        &["away", "자리비움"],
        ["/away", "say that you are away"],
        ["/자리비움", "자리를 비웠다고 알리기 (/away)"],
        |_| Some(Command::Ask(Request::Away(true))),
    ),
    entry(
        &["back", "복귀"],
        ["/back", "say that you are back"],
        ["/복귀", "돌아왔다고 알리기 (/back)"],
        |_| Some(Command::Ask(Request::Away(false))),
    ),
    entry(
        &["announce", "공지"],
        ["/announce TEXT", "say TEXT to everybody, as the server's moderator"],
        ["/공지 할말", "서버 관리자로서 모두에게 알리기 (/announce)"],
        |rest| (!rest.is_empty()).then_some(Command::Ask(Request::Announce(rest))),
    ),
    entry(
        &["freeze", "가입중지"],
        ["/freeze", "let nobody register for now"],
        ["/가입중지", "가입을 잠시 막기 (/freeze)"],
        |_| Some(Command::Ask(Request::Freeze(true))),
    ),
    entry(
        &["thaw", "가입재개"],
        ["/thaw", "let people register again"],
        ["/가입재개", "가입을 다시 받기 (/thaw)"],
        |_| Some(Command::Ask(Request::Freeze(false))),
    ),
    entry(&["quit", "나가기"], ["/quit", "leave"], ["/나가기", "나가기 (/quit)"], |_| {
        Some(Command::Quit)
    }),
    entry(
        &["help", "도움말"],
        ["/help", "list the commands"],
        ["/도움말", "명령 보기 (/help)"],
        |_| Some(Command::Help),
    ),
];

fn two_words(rest: &str) -> Option<(&str, &str)> {
    let (word, text) = split_word(rest);
    (!word.is_empty() && !text.is_empty()).then_some((word, text))
}

fn one_word(rest: &str) -> Option<&str> {
    let word = split_word(rest).0;
    (!word.is_empty()).then_some(word)
}

fn room_and_rest(rest: &str) -> Option<(&str, &str)> {
    let (word, rest) = split_word(rest);
    match Place::of(word) {
        Place::Room(room) => Some((room, rest)),
        Place::Here | Place::Lobby => None,
    }
}

fn create(rest: &str) -> Option<Command<'_>> {
    let (name, rest) = room_and_rest(rest)?;
    let (password, options) = match split_word(rest) {
        (word, options) if !word.starts_with("--") => (word, options),
        _ => ("", rest),
    };
    Some(Command::Ask(Request::Create { name, password, options: RoomOptions::parse(options)? }))
}

fn moderate(act: Act, rest: &str) -> Option<Command<'_>> {
    Moderation::parse(act, rest).map(|asked| Command::Ask(Request::Moderate(asked)))
}

impl Lang {
    /// How a command is written, and what it does.
    #[must_use]
    pub fn usage(self, usage: &'static Usage) -> [&'static str; 2] {
        self.pick(usage.english, usage.korean)
    }

    /// All commands, a line each.
    pub fn help(self) -> impl Iterator<Item = String> {
        let first = self.pick(
            ["a line", "say it where lines go: to the lobby, or to the room you went into last"],
            ["그냥 한 줄", "로비에, 또는 마지막으로 들어간 방에 말하기"],
        );
        let last = self.pick(["//TEXT", "say /TEXT"], ["//할말", "빗금으로 시작하는 말 하기"]);
        let commands = COMMANDS.iter().map(move |entry| self.usage(&entry.usage));
        [first].into_iter().chain(commands).chain([last]).map(|[write, does]| {
            let gap = COLUMNS.saturating_sub(columns(write)).max(2);
            format!("{write}{:gap$}{does}", "")
        })
    }
}

/// Columns that the help leaves for how a command is written.
const COLUMNS: usize = 36;

/// Columns of a terminal that a text of the table takes: Hangul two, all else in it one.
fn columns(text: &str) -> usize {
    text.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::client::cli::help::LONG_ABOUT;

    #[test]
    fn no_two_commands_have_the_same_name_and_each_has_one_in_both_languages() {
        let mut seen = HashSet::new();
        for entry in COMMANDS {
            assert!(entry.names.iter().all(|name| seen.insert(*name)), "{:?}", entry.names);
            assert!(entry.names[0].is_ascii() && !entry.names[entry.names.len() - 1].is_ascii());
            for (usage, name) in [(entry.usage.english, entry.names[0]), (entry.usage.korean, "")] {
                assert!(usage[0].starts_with(&format!("/{name}")), "{}", usage[0]);
            }
        }
    }

    #[test]
    fn the_manual_has_every_command_in_both_languages() {
        for entry in COMMANDS {
            for name in entry.names {
                assert!(LONG_ABOUT.contains(&format!("/{name}")), "{name}");
            }
        }
    }

    #[test]
    fn what_commands_do_stands_in_one_column() {
        for lang in [Lang::English, Lang::Korean] {
            for (line, [write, does]) in
                lang.help().skip(1).zip(COMMANDS.iter().map(|entry| lang.usage(&entry.usage)))
            {
                assert!(line.starts_with(write) && line.ends_with(does), "{line}");
                assert_eq!(columns(&line) - columns(does), COLUMNS, "{line}");
            }
        }
    }
}
