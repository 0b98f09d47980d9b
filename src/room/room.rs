//! One conversation: its log, what is being said, and its members.

use std::sync::Arc;

use chat_proto::{
    ErrorCode, Joined, LeaveReason, Left, Line, List, Presence, Receipt, Relation, Role, SystemText, Text,
    Username, WhoEntry, WhoPage, room_flag,
};

use super::{
    Attachment, Charter, Draft, Feed, Log, Membership, Pace, Right, SessionId, Standing, Standpoint,
    Subscriber, keeping::Keeping,
};

/// A conversation and who is in it. Times are milliseconds since 1970 UTC.
pub struct Room {
    log: Arc<Log>,
    /// Lines said since the last publishing.
    draft: Draft,
    /// In the order of their numbers, which is nearly the order they came in.
    members: Vec<Member>,
    pace: Arc<Pace>,
    /// No member that is waited for stands before this line. It may stand still while they move.
    slowest: u64,
    /// Whether there is something to publish.
    pub(super) has_news: bool,
    /// At least so many members, from `next_told` on and after the last from the first, have not been told of the last
    /// that was published. Sooner one is told twice than not at all.
    untold: usize,
    next_told: usize,
    /// What it is and whom it takes.
    pub(super) charter: Charter,
    /// How its lines are kept, if they are.
    pub(super) keeping: Option<Box<Keeping>>,
}

struct Member {
    subscriber: Arc<Subscriber>,
    bit: u32,
    place: Arc<Membership>,
    /// The room has waited for it long enough: not again before it has caught up.
    left_behind: bool,
}

impl Room {
    /// A room without members.
    #[must_use]
    pub fn new(log: Log, pace: Pace, charter: Charter) -> Self {
        Self {
            draft: log.draft(),
            slowest: log.head(),
            members: Vec::new(),
            pace: Arc::new(pace),
            has_news: false,
            untold: 0,
            next_told: 0,
            log: Arc::new(log),
            charter,
            keeping: None,
        }
    }

    /// Has its lines kept from now on; with `holds` nobody reads one before it is stored.
    pub(super) fn keep(&mut self, feed: &Arc<Feed>, holds: bool) {
        self.keeping = Some(Box::new(Keeping::new(feed, &self.log, &self.pace, holds)));
    }

    /// Its number.
    #[must_use]
    pub fn conversation(&self) -> u64 {
        self.log.conversation()
    }

    /// How many are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether nobody is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Who is in it, in the order of their numbers.
    pub fn members(&self) -> impl Iterator<Item = &Arc<Subscriber>> {
        self.members.iter().map(|member| &member.subscriber)
    }

    /// Whether a session is in it.
    #[must_use]
    pub fn has(&self, session: SessionId) -> bool {
        self.find(session).is_ok()
    }

    /// Whether somebody may know that it is there.
    pub(super) fn is_seen_by(&self, one: &Subscriber) -> bool {
        !self.charter.is(room_flag::HIDDEN)
            || self.has(one.id())
            || Standing::on_server(one.role()).may_do(Right::Enter)
    }

    /// What somebody is to it: by being in it, or by their name.
    pub(super) fn standing(&self, one: &Subscriber) -> Standing {
        let relation =
            if self.has(one.id()) { Some(self.charter.relation(one.id())) } else { self.role(one) };
        Standing { role: one.role(), relation }
    }

    /// What somebody who is not in it is to it. A guest is nothing: tomorrow the name is somebody else's.
    pub(super) fn role(&self, one: &Subscriber) -> Option<Relation> {
        if one.role() == Role::Guest { None } else { self.charter.role(&one.name().key()) }
    }

    /// The members of a name: one, and for a moment the session that it replaces.
    pub(super) fn sessions_of(&self, name: &Username) -> Vec<SessionId> {
        self.members().filter(|one| one.name() == name).map(|one| one.id()).collect()
    }

    /// How many lines each member stands behind.
    pub fn lags(&self) -> impl Iterator<Item = (&Arc<Subscriber>, u64)> {
        let head = self.log.head();
        self.members
            .iter()
            .map(move |member| (&member.subscriber, head.saturating_sub(member.place.position())))
    }

    /// Makes `subscriber` a member, and tells the others if `told`. Its place is after the last line there is.
    pub(super) fn join(
        &mut self,
        subscriber: &Arc<Subscriber>,
        bit: u32,
        notice_members: usize,
        time_ms: u64,
    ) -> Result<(Presence, Attachment), ErrorCode> {
        let Err(index) = self.find(subscriber.id()) else { return Err(ErrorCode::AlreadyInRoom) };
        let seq = self.draft.head();
        let place = Arc::new(Membership::new(seq, Arc::clone(&self.pace)));
        let attachment = Attachment { bit, log: Arc::clone(&self.log), member: Arc::clone(&place) };
        let member = Member { subscriber: Arc::clone(subscriber), bit, place, left_behind: false };
        self.members.insert(index, member);
        // Who stands between those who are to be told is told too.
        self.next_told += usize::from(index < self.next_told);
        self.untold += usize::from(self.untold > 0);
        if self.members.len() <= notice_members && !self.is_choked() {
            self.draft.line(time_ms, Some(subscriber.id()), 0, |head, out| {
                Joined { head, name: subscriber.name().as_str() }.encode(out);
            });
            self.has_news = true;
        }
        let presence = Presence { conversation: self.conversation(), epoch: self.log.epoch(), seq };
        Ok((presence, attachment))
    }

    /// Gives a member's place to the new connection of the same session. Nobody reads there until it is
    /// [attached](Self::attach), and nobody waits for it.
    pub(super) fn succeed(&mut self, new: &Arc<Subscriber>) -> Option<Presence> {
        let index = self.find(new.id()).ok()?;
        let seq = self.draft.head();
        let place = Arc::new(Membership::new(seq, Arc::clone(&self.pace)));
        place.hold();
        let member = &mut self.members[index];
        member.place.end_after(seq);
        member.place = place;
        member.subscriber = Arc::clone(new);
        Some(Presence { conversation: self.conversation(), epoch: self.log.epoch(), seq })
    }

    /// Makes a member of a session that was one, without a word. Returns whether it was not one already.
    pub(super) fn restore(&mut self, one: &Arc<Subscriber>, bit: u32) -> bool {
        let joined = self.join(one, bit, 0, 0);
        if let Ok((_, attachment)) = &joined {
            attachment.member.hold();
        }
        joined.is_ok()
    }

    /// Whether a session is a member by this connection.
    pub(super) fn holds(&self, one: &Arc<Subscriber>) -> bool {
        self.find(one.id()).is_ok_and(|index| Arc::ptr_eq(&self.members[index].subscriber, one))
    }

    /// A member, by the connection by which it is here.
    pub(super) fn member(&self, session: SessionId) -> Option<Arc<Subscriber>> {
        Some(Arc::clone(&self.members[self.find(session).ok()?].subscriber))
    }

    /// Where a member stands.
    pub(super) fn standpoint(&self, session: SessionId) -> Option<Standpoint> {
        let Member { bit, place, .. } = &self.members[self.find(session).ok()?];
        let attachment = Attachment { bit: *bit, log: Arc::clone(&self.log), member: Arc::clone(place) };
        Some(Standpoint { held: place.held_at().is_some(), attachment })
    }

    /// Lets a member whose place is held read on after a line. The attachment is for its writer.
    pub(super) fn attach(&mut self, one: &Arc<Subscriber>, after: Option<u64>) -> Option<Attachment> {
        if !self.holds(one) {
            return None;
        }
        let attachment = self.standpoint(one.id())?.attachment;
        let told = attachment.member.held_at()?;
        let after = after.unwrap_or(told).min(self.draft.head());
        attachment.member.advance(after);
        // It may stand before all others.
        self.slowest = self.slowest.min(after);
        Some(attachment)
    }

    /// Ends a membership: its last line is the last one said before this. Returns its bit.
    pub(super) fn part(
        &mut self,
        session: SessionId,
        reason: LeaveReason,
        notice_members: usize,
        time_ms: u64,
    ) -> Result<u32, ErrorCode> {
        let index = self.find(session).map_err(|_| ErrorCode::NotInRoom)?;
        // What was said before is readable before the writer is told to read to the end.
        self.log.append(&mut self.draft);
        let told = self.members.len() <= notice_members && !self.is_choked();
        let Member { subscriber, bit, place, .. } = self.members.remove(index);
        self.next_told -= usize::from(index < self.next_told);
        place.end_after(self.draft.head());
        if let Some(keeping) = &mut self.keeping {
            keeping.leave(&subscriber, bit, self.draft.head());
        }
        self.charter.leave(&subscriber);
        self.has_news = true;
        if told {
            self.draft.line(time_ms, Some(session), 0, |head, out| {
                Left { head, name: subscriber.name().as_str(), reason: reason as u16 }.encode(out);
            });
        }
        Ok(bit)
    }

    /// Adds a member's line, which its own reads will pass over, by its own number of it, or 0.
    pub(super) fn say(
        &mut self,
        speaker: SessionId,
        (text, message_id): (&Text, u64),
        time_ms: u64,
    ) -> Result<Receipt, ErrorCode> {
        let index = self.find(speaker).map_err(|_| ErrorCode::NotInRoom)?;
        let sender = self.members[index].subscriber.name().as_str();
        let head = self.draft.line(time_ms, Some(speaker), message_id, |head, out| {
            Line { head, sender, text: text.as_str() }.encode_broadcast(out);
        });
        self.has_news = true;
        Ok(Receipt { epoch: head.epoch, seq: head.seq, time_ms })
    }

    /// Adds a line that nobody says, which `passing_over` is not sent.
    pub(super) fn note(
        &mut self,
        passing_over: Option<SessionId>,
        time_ms: u64,
        write: impl FnOnce(&Charter, chat_proto::LineHead, &mut bytes::BytesMut),
    ) {
        let Self { draft, charter, has_news, .. } = self;
        *has_news = true;
        draft.line(time_ms, passing_over, 0, |head, out| write(charter, head, out));
    }

    /// Adds a line from the operator.
    pub(super) fn announce(&mut self, text: &Text, time_ms: u64) {
        self.note(None, time_ms, |_, head, out| SystemText { head, text: text.as_str() }.encode(out));
    }

    /// One page of the members. A page after another repeats nobody and passes over nobody who stays, whoever else
    /// comes and goes.
    pub(super) fn who(&self, after: u64, limit: u16) -> WhoPage {
        let rest = &self.members[self.members.partition_point(|member| member.id().0 <= after)..];
        let page = &rest[..rest.len().min(limit.into())];
        let next = if page.len() < rest.len() { page.last().map_or(0, |member| member.id().0) } else { 0 };
        let entry = |member: &Member| WhoEntry {
            name: member.subscriber.name().as_str().into(),
            state: member.subscriber.state(),
            relation: self.charter.relation(member.id()) as u16,
        };
        WhoPage { members: self.count(), next, entries: List(page.iter().map(entry).collect()) }
    }

    /// Makes everything said readable, or has it stored first. Everybody has to be told of what is readable.
    pub(super) fn append(&mut self) {
        self.has_news = false;
        self.log.append(&mut self.draft);
        if let Some(keeping) = &self.keeping {
            keeping.mark();
            if keeping.holds() {
                return;
            }
        }
        self.untold = self.members.len();
    }

    /// Everybody has to be told that there is more to read.
    pub(super) fn tell_all(&mut self) {
        self.untold = self.members.len();
    }

    /// The room is no more. Returns whether something waits for its last lines to be stored.
    pub(super) fn end(&mut self) -> bool {
        self.log.append(&mut self.draft);
        let Some(keeping) = &self.keeping else { return false };
        keeping.end();
        keeping.is_awaited()
    }

    /// Where its lines come to an end so far.
    pub(super) fn place(&self) -> Presence {
        Presence { conversation: self.conversation(), epoch: self.log.epoch(), seq: self.draft.head() }
    }

    /// Its lines, and the last of them that may be read.
    pub(super) fn past(&self) -> (Arc<Log>, u64) {
        let holds = self.keeping.as_ref().is_some_and(|keeping| keeping.holds());
        (Arc::clone(&self.log), if holds { self.log.readable() } else { self.draft.head() })
    }

    /// Whether so much waits to be stored that notices are not worth a line.
    fn is_choked(&self) -> bool {
        self.keeping.as_ref().is_some_and(|keeping| keeping.holds()) && self.log.is_choked()
    }

    /// Whether somebody has not been told of what was published.
    pub(super) fn is_telling(&self) -> bool {
        self.untold > 0
    }

    /// Wakes up to `most` members who have not been told. Returns how many.
    pub(super) fn tell(&mut self, most: usize) -> usize {
        let count = self.untold.min(most).min(self.members.len());
        let (before, from) = self.members.split_at(self.next_told);
        for member in from.iter().chain(before).take(count) {
            member.subscriber.mark(member.bit);
        }
        self.next_told = (self.next_told + count).checked_rem(self.members.len()).unwrap_or(0);
        self.untold = self.untold.min(self.members.len()) - count;
        count
    }

    /// Members, as the wire counts them.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.members.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn is_batch(&self) -> bool {
        self.log.is_batch(&self.draft)
    }

    pub(super) fn is_ahead(&mut self) -> bool {
        let (half, readable) = self.log.half_and_readable();
        if self.slowest >= half {
            return false;
        }
        // Nobody can have taken what may not be read yet.
        let due = half.min(readable);
        // Asked before looking, so that whoever passes the line meanwhile is either seen or tells.
        self.pace.await_line(half);
        self.slowest = u64::MAX;
        for member in &mut self.members {
            let position = member.place.position();
            member.left_behind &= position < due;
            if !member.left_behind {
                self.slowest = self.slowest.min(position);
            }
        }
        if let Some(keeping) = &mut self.keeping {
            self.slowest = self.slowest.min(keeping.position(half, readable));
        }
        // Whoever joins from here on stands at the end.
        self.slowest = self.slowest.min(self.draft.head());
        let ahead = self.slowest < half;
        if !ahead {
            self.pace.await_line(0);
        }
        ahead
    }

    pub(super) fn leave_behind(&mut self) {
        let (half, readable) = self.log.half_and_readable();
        let due = half.min(readable);
        self.pace.await_line(0);
        for member in self.members.iter_mut().filter(|member| member.place.position() < due) {
            member.left_behind = true;
        }
        if let Some(keeping) = &mut self.keeping {
            keeping.leave_behind(half);
        }
    }

    /// Whether more than half of what the log keeps waits to be stored: what adds no line need not wait for that.
    pub(super) fn waits_for_store(&self) -> bool {
        let (half, readable) = self.log.half_and_readable();
        readable < half
    }

    fn find(&self, session: SessionId) -> Result<usize, usize> {
        self.members.binary_search_by_key(&session, Member::id)
    }
}

impl Member {
    fn id(&self) -> SessionId {
        self.subscriber.id()
    }
}
