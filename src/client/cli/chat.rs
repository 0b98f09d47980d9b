//! A session from its welcome to its end: talks, listens, and leaves.

use std::{
    convert::Infallible, future::pending, io, num::NonZeroU64, pin::Pin, sync::Arc, thread, time::Duration,
};

use tokio::{
    sync::{Notify, mpsc},
    time::{sleep, timeout},
};

use chat_proto::{ErrorCode, LeaveReason, unix_ms};

use super::{
    args::{Args, Eof},
    asker::Asker,
    encoding::Encoding,
    exit::Exit,
    input::{Input, read_lines},
    json,
    no_seals::Unsealing,
    output::Output,
    outside::{Outside, signalled},
    password::Password,
    request::RoomOptions,
    rooms::{Rooms, Target},
    route::Route,
    seals::Seals,
    show::{Shown, Style},
    state::StateFile,
    talk::{End, PATIENCE, Talker, Tally},
    terminal::{self, LineEditor},
    words::Lang,
};
use crate::client::{Error, Event, Events, Restarted, Resumed, Session};

/// Lines read ahead of what is sent. Full: the input waits.
const INPUTS_MAX: usize = 64;
/// How long after a change the session is kept. Many changes are kept together.
const KEEP_AFTER: Duration = Duration::from_millis(200);
/// How long it may take to learn what a room is called that one is in already.
const NAMING: Duration = Duration::from_secs(30);
/// How long a logout may take when there is time for it.
const LEAVE: Duration = Duration::from_secs(5);
/// How long a logout may take when the user wants to be gone.
const LEAVE_AT_ONCE: Duration = Duration::from_secs(1);

/// All that a conversation on a terminal or in a pipe needs.
pub struct Chat<'a> {
    pub args: &'a Args,
    pub route: &'a Route,
    pub lang: Lang,
    pub output: &'a Output,
    pub outside: &'a Outside,
    pub session: &'a Session,
    pub tally: &'a Tally,
    pub rooms: &'a Rooms,
    /// What seals and opens whispers, or why nothing does.
    pub seals: &'a Result<Seals<'a>, Unsealing>,
    /// The password of the room that the arguments name.
    pub room_password: Option<Password>,
    /// Where the session is kept, if it is.
    pub state: Option<&'a StateFile>,
    pub signals: &'a Signals,
    /// A number for lines that this user has not used before, nor any after it.
    pub first_message_id: u64,
}

/// What happens to a session beside what is said.
#[derive(Default)]
pub struct Signals {
    /// Something that is kept has changed.
    pub changed: Notify,
    /// The session is another one.
    anew: Notify,
    /// The session goes on over another connection.
    resumed: Notify,
}

enum Ending {
    /// All is said.
    Said(End),
    /// The room that the arguments name cannot be gone into.
    NoRoom(Error),
    /// `-C` messages were received, or nobody reads them any more.
    Enough,
    /// The connection ended.
    Over(Error),
    /// The user or the time wants it.
    Outside(Exit),
}

impl Chat<'_> {
    /// Runs until there is a reason to end, and ends in the way that fits it.
    pub async fn run(&self, events: Events) -> io::Result<Exit> {
        self.tell_welcome().await;
        let (inputs, mut lines) = mpsc::channel(INPUTS_MAX);
        self.start_input(inputs).await?;
        // Before anything is asked: no room may be entered unheard.
        events.tell_own_rooms();
        let mut listening = Box::pin(self.listen(events));
        let ending = tokio::select! {
            biased;
            exit = self.outside.ends() => Ending::Outside(exit),
            () = self.output.reader_gone() => Ending::Enough,
            // First, so that an answer counts that came just before the end.
            talked = self.talk(&mut lines) => talked.map_or_else(Ending::NoRoom, Ending::Said),
            ending = &mut listening => ending,
            never = self.keep() => match never {},
            never = self.rejoin() => match never {},
            never = self.show_device() => match never {},
        };
        // An editor that waits to hand over a line shall not wait for ever.
        drop(lines);
        let is_over = matches!(ending, Ending::Said(End::Quit));
        let exit = self.leave(ending, listening).await;
        match (self.state, self.session.saved()) {
            (Some(state), _) if is_over => state.remove(),
            (Some(state), Some(saved)) => state.save(saved).await,
            _ => {}
        }
        self.tell_of_state().await;
        Ok(exit)
    }

    /// Keeps the session, a little after each change.
    async fn keep(&self) -> Infallible {
        let Some(state) = self.state else { return pending().await };
        loop {
            self.signals.changed.notified().await;
            sleep(KEEP_AFTER).await;
            if let Some(saved) = self.session.saved() {
                state.save(saved).await;
            }
            self.tell_of_state().await;
        }
    }

    async fn tell_of_state(&self) {
        if let Some(why) = self.state.and_then(StateFile::failure) {
            self.output.warn(self.lang.state_unwritten(&why)).await;
        }
    }

    /// Publishes this device's key and goes into the room that the arguments name again, whenever the session is another
    /// one: the server may be as well.
    async fn rejoin(&self) -> Infallible {
        loop {
            self.signals.anew.notified().await;
            self.publish_again().await;
            self.tell_own_keys().await;
            if let Err(error) = self.go_in().await {
                self.tell_no_room(&error).await;
            }
        }
    }

    /// Publishes this device's key whenever the session goes on: the server may not know any more where it is read.
    async fn show_device(&self) -> Infallible {
        loop {
            self.signals.resumed.notified().await;
            self.publish_again().await;
        }
    }

    async fn tell_welcome(&self) {
        let (server, welcome) = (self.session.server(), self.session.welcome());
        self.output.notice(self.lang.welcome(&welcome.name, &self.route.server.to_string())).await;
        if let Some(agreement) = self.route.agreement() {
            let (version, cipher, key) = (agreement.version(), agreement.cipher(), agreement.key);
            self.output.detail(format!("{version}, {cipher}, {key}")).await;
            if self.args.json {
                self.output.message(json::tls(&agreement)).await;
            }
        }
        if self.args.json {
            self.output.message(json::welcome(welcome)).await;
        }
        self.output.detail(format!("session {}, {:?}", welcome.session, server.limits)).await;
    }

    async fn start_input(&self, inputs: mpsc::Sender<Input>) -> io::Result<()> {
        let encoding = self.args.encoding.of_stream(&io::stdin());
        if !terminal::is_interactive() {
            return read_plainly(inputs, encoding);
        }
        let (prompt, interrupted) = (Arc::clone(&self.rooms.prompt), self.outside.interrupted.clone());
        let start = move || {
            let lines = inputs.clone();
            let take = move |input| lines.blocking_send(input).is_ok();
            let editor = LineEditor::start(take, prompt, interrupted);
            // A terminal that can do nothing still has lines. Without a thread for them they end at once.
            editor.inspect_err(|_| drop(read_plainly(inputs, encoding))).ok()
        };
        self.output.edit(Box::new(start)).await;
        Ok(())
    }

    async fn talk(&self, lines: &mut mpsc::Receiver<Input>) -> Result<End, Error> {
        self.tell_seals().await;
        match self.go_in().await {
            Err(error @ (Error::Refused(_) | Error::Timeout(_))) => return Err(error),
            // The connection is over, and the events tell why.
            Err(_) => pending().await,
            Ok(()) => {}
        }
        let mut talker = Talker::new(self, self.first_message_id);
        let end = talker.talk(lines).await;
        if end == End::Input && self.state.is_some() {
            // Lines of the last run may be unanswered still.
            let answered = self.session.all_answered();
            if self.args.wait_ack {
                answered.await;
            } else {
                let _ = timeout(PATIENCE, answered).await;
            }
        }
        if end == End::Input && self.args.eof() == Eof::Wait {
            pending::<()>().await;
        }
        Ok(end)
    }

    /// Into the room that the arguments name.
    async fn go_in(&self) -> Result<(), Error> {
        let Some(name) = &self.args.room else { return Ok(()) };
        let (name, mut asker) = (name.as_str(), Asker::new(self));
        let password = self.room_password.as_ref().map_or("", Password::as_str);
        let mut joined = asker.join(name, password).await;
        while let Err(Error::Uncertain) = joined {
            joined = asker.join(name, password).await;
            if is_refused(&joined, ErrorCode::AlreadyInRoom) {
                // So the first one did it, and the resume has told so.
                let room = timeout(NAMING, self.rooms.knows_name(name)).await;
                joined = room.map(|room| self.rooms.aim(Target::Room(room))).or(joined);
            }
        }
        if !self.args.create || !is_refused(&joined, ErrorCode::RoomNotFound) {
            return joined;
        }
        let created = asker.create(name, password, &RoomOptions::default()).await;
        // Somebody else may have made it between the two.
        if is_refused(&created, ErrorCode::NameTaken) { asker.join(name, password).await } else { created }
    }

    async fn listen(&self, mut events: Events) -> Ending {
        let style = Style { colour: terminal::takes_colour(), lang: self.lang, rooms: self.rooms };
        let mut wanted = self.args.count.map(NonZeroU64::get);
        while let Some(event) = events.next().await {
            if let Event::RoomEntered(entered) = &event {
                self.rooms.enter(entered);
            }
            self.show(style, &event).await;
            events.settle();
            self.signals.changed.notify_one();
            match event {
                Event::Broadcast(_) | Event::Whisper(_) | Event::Sealed(_) | Event::System(_) => {
                    wanted = wanted.map(|wanted| wanted - 1);
                    if wanted == Some(0) {
                        return Ending::Enough;
                    }
                }
                Event::Goodbye(goodbye) => return Ending::Over(Error::Closed(goodbye)),
                Event::Disconnected(error) => return Ending::Over(error),
                Event::RoomLeft { conversation, .. } => self.rooms.leave(conversation),
                Event::Removed(removed) if removed.reason == LeaveReason::Moved as u16 => {
                    self.rooms.leave(removed.conversation);
                }
                Event::Resumed(back) => self.come_back(&back).await,
                Event::Restarted(anew) => self.start_anew(&anew).await,
                Event::Removed(removed) => self.rooms.lose(removed.conversation),
                Event::Joined(_)
                | Event::Left(_)
                | Event::RoomEntered(_)
                | Event::RoomChanged(_)
                | Event::Moderated(_)
                | Event::Missed(_)
                | Event::Error(_)
                | Event::Reconnecting { .. } => {}
            }
        }
        Ending::Enough
    }

    /// What has become of rooms while there was no connection.
    async fn come_back(&self, back: &Resumed) {
        self.signals.resumed.notify_one();
        for conversation in back.lost.iter().copied() {
            let room = self.rooms.shown(conversation).unwrap_or_default();
            self.rooms.lose(conversation);
            if !self.args.json {
                self.output.warn(self.lang.lost_room(&room)).await;
            }
        }
        for place in &back.entered {
            // The list of rooms tells what it is called.
            let page = self.session.rooms(place.conversation.saturating_sub(1)).await;
            let entry = page.ok().and_then(|page| page.entries.0.into_iter().next());
            if let Some(entry) = entry.filter(|entry| entry.conversation == place.conversation) {
                self.rooms.remember(entry.conversation, &entry.name);
                self.output.notice(self.lang.found_room(&entry.name)).await;
            }
        }
    }

    async fn start_anew(&self, anew: &Restarted) {
        if !self.args.json {
            for (_, room) in &anew.rooms {
                self.output.warn(self.lang.lost_room(room)).await;
            }
            for line in &anew.uncertain {
                self.output.warn(self.lang.uncertain(line.text.as_str())).await;
            }
        }
        self.rooms.lose_all();
        self.signals.anew.notify_one();
    }

    async fn show(&self, style: Style<'_>, event: &Event) {
        match event {
            Event::Sealed(line) => self.show_sealed(style, line).await,
            _ if self.args.json => {
                if let Some(line) = json::line(event, self.rooms) {
                    self.output.message(line).await;
                }
            }
            Event::Whisper(line) => self.show_plain_whisper(style, line).await,
            _ => self.tell(style.show(event)).await,
        }
    }

    /// Writes what is shown to where it belongs.
    pub(super) async fn tell(&self, shown: Shown) {
        match shown {
            Shown::Message(text) => self.output.message(text).await,
            Shown::Notice(text) => self.output.notice(text).await,
            Shown::Warning(text) => self.output.warn(text).await,
            Shown::Nothing => {}
        }
    }

    async fn leave(&self, ending: Ending, listening: Pin<Box<impl Future<Output = Ending>>>) -> Exit {
        match ending {
            // Whoever keeps the session comes back to it.
            Ending::Said(End::Input) if self.state.is_some() => {
                drop(listening);
                self.break_off(Exit::Done).await
            }
            Ending::Said(_) => {
                // What was said before the goodbye is still shown.
                let leaving = async {
                    self.output.plain().await;
                    tokio::join!(self.session.log_out(), listening)
                };
                let cut_short = tokio::select! {
                    biased;
                    exit = self.outside.ends() => Some(exit),
                    _ = timeout(LEAVE, leaving) => None,
                };
                match cut_short {
                    Some(exit) => self.break_off(exit).await,
                    None => Exit::Done,
                }
            }
            Ending::NoRoom(error) => {
                drop(listening);
                self.tell_no_room(&error).await;
                self.break_off((&error).into()).await
            }
            Ending::Enough => {
                drop(listening);
                self.break_off(Exit::Done).await
            }
            Ending::Outside(exit) => {
                drop(listening);
                self.break_off(exit).await
            }
            Ending::Over(error) => {
                self.end_output().await;
                self.output.warn(self.lang.error(&error)).await;
                Exit::from(&error)
            }
        }
    }

    async fn tell_no_room(&self, error: &Error) {
        let Self { args, lang, .. } = self;
        let room = args.room.as_ref().map_or("", |room| room.as_str());
        let why = match error {
            Error::Refused(refusal) => lang.code(refusal.code) + &lang.wait(refusal.retry_ms),
            error => lang.error(error),
        };
        self.output.warn(lang.not_in_room(room, &why)).await;
    }

    async fn end_output(&self) {
        self.output.hurry();
        self.output.plain().await;
    }

    /// A short farewell; another Ctrl-C makes it shorter. Where the session is kept there is none.
    async fn break_off(&self, exit: Exit) -> Exit {
        self.end_output().await;
        if self.state.is_some() {
            return exit;
        }
        tokio::select! {
            _ = timeout(LEAVE_AT_ONCE, self.session.log_out()) => {}
            () = signalled() => {}
        }
        exit
    }
}

/// Has lines read as they stand.
fn read_plainly(inputs: mpsc::Sender<Input>, encoding: Encoding) -> io::Result<()> {
    let take = move |input| inputs.blocking_send(input).is_ok();
    let read = move || read_lines(io::stdin().lock(), encoding, take);
    thread::Builder::new().name("input".to_owned()).spawn(read).map(drop)
}

fn is_refused(outcome: &Result<(), Error>, code: ErrorCode) -> bool {
    matches!(outcome, Err(Error::Refused(refusal)) if refusal.code == code.into())
}

/// Numbers for lines that no earlier run of this program has used: a server may one day tell a line that is sent
/// again by its number.
#[must_use]
pub fn first_message_id() -> u64 {
    unix_ms() << 20 | 1
}
