//! What the program says about rooms and about those who keep order, in English and Korean.

use std::time::Duration;

use chat_proto::{
    Act, LeaveReason, Moderated, Relation, Removed, RoomChanged, RoomEntered, RoomEntry, RoomSettings,
    WhoEntry, room_flag,
};

use super::{
    escape::{escape, escape_name},
    words::Lang,
};

/// Where lines go that went to a room one is no longer in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinesGo {
    /// Where they went before: it was not that room.
    On,
    /// To the lobby, and somebody is there to see it.
    ToLobby,
    /// Nowhere.
    Nowhere,
}

impl Lang {
    /// Somebody came in.
    #[must_use]
    pub fn joined(self, name: &str, room: Option<&str>) -> String {
        let name = escape_name(name);
        match room.map(escape_name) {
            None => self.pick(format!("{name} joined"), format!("{name} 님이 들어왔습니다")),
            Some(room) => {
                self.pick(format!("{name} joined {room}"), format!("{name} 님이 {room} 방에 들어왔습니다"))
            }
        }
    }

    /// Somebody left.
    #[must_use]
    pub fn left(self, name: &str, reason: u16, room: Option<&str>) -> String {
        let (name, why) = (escape_name(name), self.leave_reason(reason));
        match room.map(escape_name) {
            None => self.pick(format!("{name} left{why}"), format!("{name} 님이 나갔습니다{why}")),
            Some(room) => self.pick(
                format!("{name} left {room}{why}"),
                format!("{name} 님이 {room} 방에서 나갔습니다{why}"),
            ),
        }
    }

    /// Why somebody left, in brackets; empty where it needs no word.
    fn leave_reason(self, reason: u16) -> &'static str {
        let (english, korean) = match reason {
            n if n == LeaveReason::Quit as u16 => ("", ""),
            n if n == LeaveReason::Lost as u16 => (" (connection lost)", " (연결 끊김)"),
            n if n == LeaveReason::Timeout as u16 => (" (timed out)", " (시간 초과)"),
            n if n == LeaveReason::Kicked as u16 => (" (kicked)", " (추방됨)"),
            n if n == LeaveReason::Replaced as u16 => (" (logged in elsewhere)", " (다른 곳에서 로그인)"),
            n if n == LeaveReason::Banned as u16 => (" (banned)", " (출입 금지됨)"),
            n if n == LeaveReason::Closed as u16 => (" (the room is closed)", " (방이 닫힘)"),
            n if n == LeaveReason::Moved as u16 => (" (went elsewhere)", " (다른 곳으로 이동)"),
            _ => (" (cut off)", " (차단됨)"),
        };
        self.pick(english, korean)
    }

    /// Lines that will not come.
    #[must_use]
    pub fn missed(self, lines: u64, room: Option<&str>) -> String {
        let (english, korean) = match room.map(escape_name) {
            None => (String::new(), String::new()),
            Some(room) => (format!(" in {room}"), format!("{room} 방에서 ")),
        };
        self.pick(
            format!("lines missed{english}: {lines}; they came faster than they were read"),
            format!("{korean}놓친 줄: {lines}. 읽는 것보다 빨리 왔습니다"),
        )
    }

    /// Lines that will not come, nobody knows how many: the server broke down.
    #[must_use]
    pub fn missed_unknown(self, room: Option<&str>) -> String {
        let (english, korean) = match room.map(escape_name) {
            None => (String::new(), String::new()),
            Some(room) => (format!(" in {room}"), format!("{room} 방에서 ")),
        };
        self.pick(
            format!("lines missed{english}: nobody knows how many; the server broke down"),
            format!("{korean}놓친 줄이 있을 수 있습니다. 서버가 갑자기 멈췄습니다"),
        )
    }

    /// Whispers that may be lost: the server broke down, and they were in its memory.
    #[must_use]
    pub fn missed_whispers(self) -> String {
        let english = "whispers may be lost: the server broke down";
        self.pick(english, "귓속말을 놓쳤을 수 있습니다. 서버가 갑자기 멈췄습니다").to_owned()
    }

    /// One is in a room now.
    #[must_use]
    pub fn entered(self, entered: &RoomEntered) -> String {
        let (name, members) = (escape_name(&entered.name), entered.members);
        let what = self.like(entered.settings, &entered.topic);
        self.pick(
            format!("you are in {name}, {members} here{what}"),
            format!("{name} 방에 들어왔습니다. {members}명이 있습니다{what}"),
        )
    }

    /// One is not any more, as one wished.
    #[must_use]
    pub fn room_left(self, room: &str) -> String {
        let room = escape_name(room);
        self.pick(format!("you left {room}"), format!("{room} 방에서 나왔습니다"))
    }

    /// Lines go there from now on.
    #[must_use]
    pub fn lines_go_to_lobby(self) -> &'static str {
        self.pick("lines go to the lobby", "이제 로비에 말합니다")
    }

    /// A room is like this now; `None` for the lobby.
    #[must_use]
    pub fn room_changed(self, changed: &RoomChanged<String>, room: Option<&str>) -> String {
        let (by, what) = (self.by(&changed.by), self.like(changed.settings, &changed.topic));
        let (english, korean) = match room.map(escape_name) {
            None => ("the lobby".to_owned(), "로비".to_owned()),
            Some(room) => (room.clone(), format!("{room} 방")),
        };
        self.pick(format!("{by} changed {english}{what}"), format!("{by} {korean} 설정을 바꿨습니다{what}"))
    }

    /// One is no longer in a conversation; `None` for the lobby.
    #[must_use]
    pub fn removed(self, removed: &Removed<String>, room: Option<&str>, lines: LinesGo) -> String {
        let room = match room.map(escape_name) {
            None => self.pick("the lobby", "로비").to_owned(),
            Some(room) => self.pick(room.clone(), format!("{room} 방")),
        };
        let by = self.by(&removed.by);
        let what = match removed.reason {
            n if n == LeaveReason::Moved as u16 => {
                self.pick(format!("you are out of {room}"), format!("{room}에서 나왔습니다"))
            }
            n if n == LeaveReason::Closed as u16 => {
                self.pick(format!("{by} closed {room}"), format!("{by} {room}을 닫았습니다"))
            }
            reason => {
                let why = self.leave_reason(reason);
                self.pick(
                    format!("{by} put you out of {room}{why}"),
                    format!("{by} {room}에서 내보냈습니다{why}"),
                )
            }
        };
        let then = match lines {
            LinesGo::On => "",
            LinesGo::ToLobby => self.pick("; lines go to the lobby now", ". 이제 로비에 말합니다"),
            LinesGo::Nowhere => self.pick(
                "; lines go nowhere until /join or /lobby",
                ". /입장 이나 /로비 전에는 아무 데도 말하지 않습니다",
            ),
        };
        what + &words(&removed.text) + then
    }

    /// Somebody has done this to us.
    #[must_use]
    pub fn moderated(self, moderated: &Moderated<String>) -> String {
        let Moderated { act, by, seconds, text, .. } = moderated;
        let room = (!moderated.room.is_empty()).then_some(moderated.room.as_str());
        let (by, words) = (self.by(by), words(text));
        let Some(act) = Act::of_number(*act) else {
            let (english, korean) = ("did what this program does not know", "알 수 없는 일을 했습니다");
            return self
                .pick(format!("{by} {english} ({act}){words}"), format!("{by} {korean} ({act}){words}"));
        };
        let (place, time) = (self.place_of(act, room), self.for_time(act, *seconds));
        let (english, korean) = match act {
            Act::Kick => ("kicked you", "추방했습니다"),
            Act::Ban => ("banned you", "출입을 금지했습니다"),
            Act::Unban => ("lets you come back", "다시 들어오게 했습니다"),
            Act::Mute => ("muted you", "발언을 금지했습니다"),
            Act::Unmute => ("lets you speak", "다시 말하게 했습니다"),
            Act::Invite => ("invites you", "초대했습니다"),
            Act::Uninvite => ("took back your invitation", "들어올 초대를 거뒀습니다"),
            Act::Appoint => ("made you a moderator", "관리자로 임명했습니다"),
            Act::Dismiss => ("dismissed you as a moderator", "관리자에서 해임했습니다"),
            Act::HandOver => ("made you the owner", "주인으로 정했습니다"),
        };
        self.pick(format!("{by} {english}{place}{time}{words}"), format!("{by}{place}{time} {korean}{words}"))
    }

    /// We have done this to somebody.
    #[must_use]
    pub fn moderated_by_me(self, act: Act, name: &str, room: Option<&str>, seconds: u32) -> String {
        let (name, place, time) = (escape_name(name), self.place_of(act, room), self.for_time(act, seconds));
        let (english, korean) = match act {
            Act::Kick => ("is kicked", "추방했습니다"),
            Act::Ban => ("is banned", "출입을 금지했습니다"),
            Act::Unban => ("may come back", "다시 들어오게 했습니다"),
            Act::Mute => ("is muted", "발언을 금지했습니다"),
            Act::Unmute => ("may speak", "다시 말하게 했습니다"),
            Act::Invite => ("is invited", "초대했습니다"),
            Act::Uninvite => ("is no longer invited", "들어올 초대를 거뒀습니다"),
            Act::Appoint => ("is a moderator", "관리자로 임명했습니다"),
            Act::Dismiss => ("is no longer a moderator", "관리자에서 해임했습니다"),
            Act::HandOver => ("is the owner", "주인으로 정했습니다"),
        };
        self.pick(format!("{name} {english}{place}{time}"), format!("{name} 님을{place}{time} {korean}"))
    }

    /// Of which room an act is, or that it is the whole server.
    fn place_of(self, act: Act, room: Option<&str>) -> String {
        let (before, after) = match act {
            Act::Kick | Act::Ban => ("from", "에서"),
            Act::Mute | Act::Unmute => ("in", "에서"),
            Act::Unban | Act::Invite | Act::Uninvite => ("to", "에"),
            Act::Appoint | Act::Dismiss | Act::HandOver => ("of", "의"),
        };
        match room.map(escape_name) {
            None if before == "in" => self.pick(" on the whole server", " 서버 전체에서").to_owned(),
            None => self.pick(format!(" {before} the whole server"), format!(" 서버 전체{after}")),
            Some(room) => self.pick(format!(" {before} {room}"), format!(" {room} 방{after}")),
        }
    }

    fn for_time(self, act: Act, seconds: u32) -> String {
        match seconds {
            _ if !act.lasts() => String::new(),
            0 => self.pick(" for good", " 기한 없이").to_owned(),
            seconds => {
                let time = humantime::format_duration(Duration::from_secs(seconds.into()));
                self.pick(format!(" for {time}"), format!(" {time} 동안"))
            }
        }
    }

    /// Who did it, as the subject of what follows.
    fn by(self, name: &str) -> String {
        if name.is_empty() {
            return self.pick("the server", "서버가").to_owned();
        }
        let name = escape_name(name);
        self.pick(name.clone(), format!("{name} 님이"))
    }

    /// What a room is like, after its name: its settings, and its topic if it has one.
    fn like(self, settings: RoomSettings, topic: &str) -> String {
        let settings = self.settings(settings);
        let topic = if topic.is_empty() { String::new() } else { format!(": {}", escape(topic)) };
        if settings.is_empty() { topic } else { format!(" [{settings}]{topic}") }
    }

    fn settings(self, settings: RoomSettings) -> String {
        let flag = |flag, english: &'static str, korean: &'static str| {
            (settings.flags & flag != 0).then(|| self.pick(english, korean).to_owned())
        };
        let slow = (settings.slow_s > 0).then(|| {
            let time = humantime::format_duration(Duration::from_secs(settings.slow_s.into()));
            self.pick(format!("slow mode {time}"), format!("느린 모드 {time}"))
        });
        let all = [
            flag(room_flag::PASSWORD, "password", "비밀번호"),
            flag(room_flag::INVITE_ONLY, "invite-only", "초대만"),
            flag(room_flag::HIDDEN, "hidden", "숨김"),
            flag(room_flag::PERSISTENT, "persistent", "유지"),
            slow,
        ];
        all.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// A room of a list.
    #[must_use]
    pub fn room_entry(self, entry: &RoomEntry) -> String {
        let RoomEntry { name, members, settings, topic, .. } = entry;
        format!("{} {members}/{}{}", escape_name(name), settings.capacity, self.like(*settings, topic))
    }

    /// There are none.
    #[must_use]
    pub fn no_rooms(self) -> &'static str {
        self.pick("there are no rooms", "방이 없습니다")
    }

    /// There are more than are told.
    #[must_use]
    pub fn more_rooms(self) -> &'static str {
        self.pick("and more", "그 밖에도 있습니다")
    }

    /// Whom one ignores.
    #[must_use]
    pub fn ignored(self, names: &[String]) -> String {
        if names.is_empty() {
            return self.pick("you ignore nobody", "무시하는 사람이 없습니다").to_owned();
        }
        let names = names.join(", ");
        self.pick(format!("you ignore {names}"), format!("무시하는 사람: {names}"))
    }

    /// What follows a member's name: what they are to the room, and whether they are there.
    #[must_use]
    pub fn standing(self, entry: &WhoEntry) -> String {
        let relation = match entry.relation {
            n if n == Relation::Member as u16 => "",
            n if n == Relation::Moderator as u16 => self.pick("moderator", "관리자"),
            n if n == Relation::Owner as u16 => self.pick("owner", "주인"),
            _ => "?",
        };
        let words: Vec<_> =
            [relation, self.state(entry.state)].into_iter().filter(|word| !word.is_empty()).collect();
        if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) }
    }

    /// Something asked for is done.
    #[must_use]
    pub fn done(self) -> &'static str {
        self.pick("done", "됐습니다")
    }

    /// `-r` did not get in.
    #[must_use]
    pub fn not_in_room(self, room: &str, why: &str) -> String {
        let room = escape_name(room);
        self.pick(format!("cannot go into {room}: {why}"), format!("{room} 방에 들어갈 수 없습니다: {why}"))
    }

    /// A line that was meant for a room one is not in.
    #[must_use]
    pub fn line_lost(self, number: u64, room: &str, lines: LinesGo) -> String {
        let room = escape_name(room);
        let then = match lines {
            LinesGo::ToLobby => self.pick("; the next go to the lobby", ". 다음 줄부터 로비에 말합니다"),
            LinesGo::On | LinesGo::Nowhere => "",
        };
        self.pick(
            format!("line {number} was not said: you are not in {room}{then}"),
            format!("{number}번째 줄은 말하지 않았습니다. {room} 방에 있지 않습니다{then}"),
        )
    }
}

/// Somebody's words after what they did.
fn words(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {}", escape(text)) }
}
