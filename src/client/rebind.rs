//! How a link goes from one connection to the next, and what it says on each.

use std::{mem::take, time::Duration};

use chat_proto::{Attach, ClientPacket, ErrorCode, Limits, ResumeToken, SetPresence, Welcome};
use tokio::time::Instant;

use super::{
    Error, Event, Pace, ProtocolError, Saved,
    continuation::Unanswered,
    lasting::Lasting,
    link::{Link, Reply, Standing, State, Waits},
};

impl Link {
    /// Whether the session outlives its connections.
    pub(super) fn lasts(&self) -> bool {
        self.state.lock().lasting.is_some()
    }

    /// Waits while there is no connection. May be dropped and called again.
    pub(super) async fn connected(&self) {
        self.while_so(|state| state.standing == Standing::Between).await;
    }

    /// When the next line that waits may be sent; `None` while none waits.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.state.lock().due
    }

    /// Sends the lines whose time has come.
    pub(super) fn send_due(&self) {
        let mut state = self.state.lock();
        let refused = state.send_due(Instant::now());
        let all = state.due.is_none();
        drop(state);
        for _ in 0..refused {
            self.give_back();
        }
        self.unsent.notify_one();
        if all {
            self.turned.notify_waiters();
        }
    }

    /// Returns when no line waits to be sent.
    pub(super) async fn all_sent(&self) {
        self.while_so(State::lines_wait).await;
    }

    /// Returns when every line is answered.
    pub(super) async fn all_answered(&self) {
        self.while_so(State::lines_are_unanswered).await;
    }

    /// Whether the server has been asked if it is there, and has not said a word since.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.state.lock().in_doubt
    }

    /// Returns when it has, or the connection is given up.
    pub(super) async fn no_doubt(&self) {
        self.while_so(|state| state.in_doubt).await;
    }

    /// The server has said something.
    pub(super) fn is_heard_of(&self) {
        let doubted = take(&mut self.state.lock().in_doubt);
        if doubted {
            self.turned.notify_waiters();
        }
    }

    /// Waits while it is so, and all is not over. May be dropped and called again.
    async fn while_so(&self, is_so: fn(&State) -> bool) {
        loop {
            // From here on nothing is missed.
            let turned = self.turned.notified();
            let wait = is_so(&self.state.lock());
            if !wait || self.over.is_cancelled() {
                return;
            }
            turned.await;
        }
    }

    /// The connection is lost. What was asked on it will not be answered; what was said will be said again.
    pub(super) fn lose(&self) {
        let mut state = self.state.lock();
        state.standing = Standing::Between;
        state.in_doubt = false;
        state.outbox.clear();
        state.due = None;
        let unanswered = take(&mut state.unanswered);
        state.lasting().continuation.connection_lost();
        drop(state);
        self.turned.notify_waiters();
        for reply in unanswered.into_values().filter_map(|asked| asked.waits.caller()) {
            self.give_back();
            // Its caller may have stopped waiting.
            let _ = reply.send(Err(Error::Uncertain));
        }
    }

    /// What to resume with.
    pub(super) fn token(&self) -> Option<ResumeToken> {
        self.state.lock().lasting().continuation.token()
    }

    /// The session's token is of no use any more.
    pub(super) fn forget_token(&self) {
        self.state.lock().lasting().continuation.forget_token();
    }

    /// The session was resumed. Nothing may be sent before its new token is kept.
    pub(super) fn resumed(&self, welcome: &Welcome) -> Result<(), ProtocolError> {
        self.state.lock().lasting().continuation.resumed(welcome)
    }

    /// The session could not be resumed, and is another one.
    pub(super) fn restarted(&self, welcome: Welcome) {
        let (anew, waiting) = self.state.lock().lasting().restarted(welcome);
        for reply in waiting {
            let _ = reply.send(Err(Error::Uncertain));
        }
        for _ in &anew.uncertain {
            self.give_back();
        }
        self.tell(Event::Restarted(anew), 0).expect("a new start contradicts nothing");
    }

    /// There is a connection again. `resumed`: its first packets say up to where each conversation was heard.
    pub(super) fn connect(&self, limits: &Limits, resumed: bool) {
        let (mut state, now) = (self.state.lock(), Instant::now());
        state.standing = Standing::Connected(now);
        state.packet_bytes = limits.client_packet_bytes;
        state.pace = Pace::new(limits.chat_per_second, limits.chat_burst, now);
        if resumed {
            state.attach();
            // The session may have used up its rate on the last connection.
            state.pace.fall_behind(now, Duration::ZERO);
        }
        state.say_again_that_one_is_away();
        state.wait_in_line(now);
        drop(state);
        self.turned.notify_waiters();
        self.unsent.notify_one();
        self.due.notify_one();
    }

    /// What another program would go on with.
    pub(super) fn saved(&self) -> Option<Saved> {
        self.state.lock().lasting.as_ref().and_then(Lasting::saved)
    }
}

impl State {
    fn lasting(&mut self) -> &mut Lasting {
        self.lasting.as_mut().expect("only a session that lasts is without a connection")
    }

    /// Says a line, at once where no other waits and its time has come. Returns how many lines are answered by that.
    pub(super) fn say(&mut self, line: Unanswered, reply: Reply) -> Result<usize, Error> {
        let Some(lasting) = &mut self.lasting else {
            return self.ask(|id| line.packet(id), reply).map(|()| 0);
        };
        if let Some(end) = &self.end {
            return Err(end.clone());
        }
        let Unanswered { message_id, to, text } = line;
        let said = lasting.continuation.say(message_id, to, text);
        lasting.wait(said.ok_or(Error::refused(ErrorCode::RangeInvalid))?, reply);
        let now = Instant::now();
        self.wait_in_line(now);
        Ok(self.send_due(now))
    }

    fn lines_wait(&self) -> bool {
        self.lasting.as_ref().is_some_and(|lasting| lasting.continuation.unsent().is_some())
    }

    fn lines_are_unanswered(&self) -> bool {
        self.lasting.as_ref().is_some_and(|lasting| lasting.continuation.unanswered() > 0)
    }

    /// Decides when the next line may be sent, where that is not decided yet.
    fn wait_in_line(&mut self, now: Instant) {
        if matches!(self.standing, Standing::Connected(_)) && self.due.is_none() && self.lines_wait() {
            self.due = Some(now + self.pace.take(now));
        }
    }

    /// Sends the lines whose time has come. Returns how many of them this server does not take, though the last one would
    /// have: they are too large.
    fn send_due(&mut self, now: Instant) -> usize {
        let mut too_large = 0;
        while self.due.is_some_and(|due| due <= now) {
            self.due = None;
            if let Some(line) = self.lasting().continuation.send() {
                let (id, message_id) = (self.free_id(), line.message_id);
                if self.put(&line.packet(id), id, Waits::Line(message_id)).is_err() {
                    too_large += 1;
                    if let (Some(reply), _) = self.lasting().conclude(message_id) {
                        let _ = reply.send(Err(Error::refused(ErrorCode::FrameTooLarge)));
                    }
                }
            }
            self.wait_in_line(now);
        }
        too_large
    }

    /// The server forgets that with the connection.
    fn say_again_that_one_is_away(&mut self) {
        if self.presence != 0 {
            let (id, state) = (self.free_id(), self.presence);
            let put = self.put(&ClientPacket::SetPresence(SetPresence { id, state }), id, Waits::Nobody);
            debug_assert!(put.is_ok(), "a dozen bytes always fit");
        }
    }

    fn attach(&mut self) {
        let packet_bytes = self.packet_bytes;
        let cursors = self.lasting().continuation.attach(packet_bytes);
        let packets = cursors.len();
        for (number, cursors) in (1..).zip(cursors) {
            let id = self.free_id();
            let attach = Attach { id, last: (number == packets).into(), cursors };
            let put = self.put(&ClientPacket::Attach(attach), id, Waits::Attach);
            debug_assert!(put.is_ok(), "cursors are split so that they fit");
        }
    }
}
