//! A session as the room floor knows it: a number, a name, and the ways to reach its writer.

use std::{
    collections::HashMap,
    fmt,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use bytes::BytesMut;
use chat_proto::{NameKey, Role, ServerPacket, Username};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::{
    Attachment, Control, Devices, Ignored, Mailbox, MessageIds, ReadySet, Slot, control::ControlQueue,
};

/// Requests a session may have unanswered. Full: its reader waits, and so does its socket.
pub const SLOTS_MAX: u16 = 64;

/// The ready set's bit for whispers.
pub const MAILBOX_BIT: u32 = 0;
/// The ready set's bit for the lobby; further rooms take the bits up to 62.
pub const LOBBY_BIT: u32 = 1;
/// Rooms that a session may be in at once, beside the lobby: bits that are left.
pub const ROOMS_MAX: u16 = 61;
/// The ready set's bit for the control queue.
pub const CONTROL_BIT: u32 = 63;

/// A session's number, never used twice while the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A session, as everyone but its own connection sees it. One that is resumed has another for its new connection, its
/// successor, which has the same number, name, mailbox and numbers of lines.
pub struct Subscriber {
    id: SessionId,
    name: Username,
    role: Role,
    mailbox: Mailbox,
    message_ids: MessageIds,
    /// The session's first, which has what all of them share.
    first: Option<Arc<Self>>,
    /// Its client has yet to say from where it reads on.
    resumed: bool,
    /// Where its client reads sealed whispers; `None`: it does not, nor may send any.
    pub(super) devices: Option<Box<Mutex<Devices>>>,
    /// Another connection may go on with the session.
    resumable: AtomicBool,
    ready: ReadySet,
    slots: Semaphore,
    control: ControlQueue,
    /// Until when a moderator of the server lets them say nothing, in milliseconds since 1970 UTC.
    muted_until: AtomicU64,
    away: AtomicBool,
    /// Put out of the server: what it still asks is not done.
    gone: AtomicBool,
    /// Another connection goes on with the session.
    succeeded: AtomicBool,
    /// The session is over, by whichever connection.
    over: AtomicBool,
    /// No connection takes anything for now.
    absent: AtomicBool,
    /// Where it comes from. As one kind of address, which takes two words and not three.
    address: Ipv6Addr,
    /// When it came, in milliseconds since 1970 UTC.
    since_ms: u64,
    ignored: Mutex<Option<Arc<HashMap<NameKey, Username>>>>,
}

impl Subscriber {
    /// A session that nobody reaches yet.
    #[must_use]
    pub fn new(id: SessionId, name: Username, role: Role, mailbox: Mailbox) -> Self {
        Self {
            id,
            name,
            role,
            mailbox,
            message_ids: MessageIds::default(),
            first: None,
            resumed: false,
            devices: None,
            resumable: AtomicBool::new(false),
            ready: ReadySet::new(),
            slots: Semaphore::new(SLOTS_MAX.into()),
            control: ControlQueue::default(),
            muted_until: AtomicU64::new(0),
            away: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            succeeded: AtomicBool::new(false),
            over: AtomicBool::new(false),
            absent: AtomicBool::new(false),
            address: Ipv6Addr::UNSPECIFIED,
            since_ms: 0,
            ignored: Mutex::new(None),
        }
    }

    /// The session of somebody who comes from this address at this time, in milliseconds since 1970 UTC.
    #[must_use]
    pub fn coming_from(self, address: IpAddr, since_ms: u64) -> Self {
        let address = match address {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        Self { address, since_ms, ..self }
    }

    /// The same session on another connection, from this address. It is nobody's until it has taken this one's place.
    #[must_use]
    pub fn successor(self: &Arc<Self>, address: IpAddr, since_ms: u64) -> Self {
        let first = self.first.as_ref().unwrap_or(self);
        let shared = Mailbox::new(0, first.mailbox.bounds());
        let next = Self::new(self.id, self.name.clone(), self.role, shared).coming_from(address, since_ms);
        next.muted_until.store(self.muted_until(), Ordering::Relaxed);
        next.away.store(self.away.load(Ordering::Relaxed), Ordering::Relaxed);
        let next = next.coming_back();
        next.set_resumable();
        Self {
            first: Some(Arc::clone(first)),
            devices: self.devices.as_ref().map(|devices| Box::new(Mutex::new(devices.lock().clone()))),
            ignored: Mutex::new(self.ignored.lock().clone()),
            ..next
        }
    }

    /// The session of somebody who has been here before, and has yet to say from where it reads on. It is
    /// [absent](Self::is_absent) until it has been welcomed.
    #[must_use]
    pub fn coming_back(self) -> Self {
        Self { resumed: true, absent: AtomicBool::new(true), ..self }
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Its name, as shown.
    #[must_use]
    pub fn name(&self) -> &Username {
        &self.name
    }

    /// What it may do.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// Where it comes from; unspecified if nobody said so.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address.to_canonical()
    }

    /// When it came, in milliseconds since 1970 UTC; 0 if nobody said so.
    #[must_use]
    pub fn since_ms(&self) -> u64 {
        self.since_ms
    }

    /// Until when it may say nothing to anybody, in milliseconds since 1970 UTC; 0: it may.
    #[must_use]
    pub fn muted_until(&self) -> u64 {
        self.muted_until.load(Ordering::Relaxed)
    }

    /// Lets it say nothing to anybody until then.
    pub fn mute_until(&self, end: u64) {
        self.muted_until.store(end, Ordering::Relaxed);
    }

    /// Whether somebody is at it, as the wire tells it: 0 here, 1 away, 2 reconnecting.
    #[must_use]
    pub fn state(&self) -> u16 {
        if self.is_absent() { 2 } else { self.away.load(Ordering::Relaxed).into() }
    }

    /// Says whether somebody is at it.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }

    /// Does nothing more that it asks: it was put out of the server, or another session has its place.
    pub fn put_out(&self) {
        self.gone.store(true, Ordering::Release);
    }

    /// Whether nothing more is done that it asks.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Another connection goes on with the session: nothing more is done that this one asks, and its end is no end.
    pub fn succeed(&self) {
        self.succeeded.store(true, Ordering::Release);
        self.put_out();
    }

    /// Whether another connection goes on with the session.
    #[must_use]
    pub fn is_succeeded(&self) -> bool {
        self.succeeded.load(Ordering::Acquire)
    }

    /// Another connection may go on with the session.
    pub fn set_resumable(&self) {
        self.resumable.store(true, Ordering::Relaxed);
    }

    /// Whether another connection may go on with the session.
    #[must_use]
    pub fn is_resumable(&self) -> bool {
        self.resumable.load(Ordering::Relaxed)
    }

    /// Whether its client has been here before, and reads on from where it says.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// Whether it goes on with a session that another connection began.
    #[must_use]
    pub fn is_successor(&self) -> bool {
        self.first.is_some()
    }

    /// Its connection is lost, and another may come. Until then it is sent nothing, and no log wakes it.
    pub fn set_absent(&self) {
        self.absent.store(true, Ordering::Release);
    }

    /// It is welcome again: from now on it is sent what there is.
    pub fn set_present(&self) {
        self.absent.store(false, Ordering::Release);
    }

    /// Ends the session, by whichever connection it goes on.
    pub fn end(&self) {
        self.shared().over.store(true, Ordering::Release);
    }

    /// Whether the session has been ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.shared().over.load(Ordering::Acquire)
    }

    /// What has what all connections of the session share.
    fn shared(&self) -> &Self {
        self.first.as_deref().unwrap_or(self)
    }

    /// Whether it has no connection.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.absent.load(Ordering::Acquire)
    }

    /// What the session has said by numbers of its own.
    #[must_use]
    pub fn message_ids(&self) -> &MessageIds {
        &self.shared().message_ids
    }

    /// Whom it ignores.
    #[must_use]
    pub fn ignored(&self) -> Arc<HashMap<NameKey, Username>> {
        self.ignored.lock().clone().unwrap_or_default()
    }

    /// Passes over these people's lines and whispers from now on.
    pub fn ignore(&self, names: HashMap<NameKey, Username>) {
        let names = Arc::new(names);
        *self.ignored.lock() = (!names.is_empty()).then(|| Arc::clone(&names));
        self.tell(Control::Ignore(Ignored::new(names)));
    }

    /// Its private log.
    #[must_use]
    pub fn mailbox(&self) -> &Mailbox {
        &self.shared().mailbox
    }

    /// The right to one more unanswered request; `None` while all are in use.
    #[must_use]
    pub fn try_slot(self: &Arc<Self>) -> Option<Slot> {
        self.slots.try_acquire().ok()?.forget();
        Some(Slot::of(self))
    }

    /// Waits until one more request may be unanswered.
    pub async fn slot(self: &Arc<Self>) -> Slot {
        self.slots.acquire().await.expect("nobody closes it").forget();
        Slot::of(self)
    }

    /// Waits until every request has been answered, and the writer has taken the answers.
    pub async fn settled(&self) {
        let _all = self.slots.acquire_many(SLOTS_MAX.into()).await.expect("nobody closes it");
    }

    /// Whether nothing of somebody arrives.
    #[must_use]
    pub fn ignores(&self, name: &Username) -> bool {
        self.ignored.lock().as_ref().is_some_and(|names| names.contains_key(&name.key()))
    }

    /// Tells the writer something that answers no request. The caller bounds how often.
    pub fn tell(&self, control: Control) {
        self.control.push(control);
        self.ready.mark(CONTROL_BIT);
    }

    /// Sends a packet that answers no request. The caller bounds how often.
    pub fn send(&self, packet: &ServerPacket) {
        self.write(0, |out| packet.encode(out));
    }

    /// Says that the log behind `bit` has news.
    pub fn mark(&self, bit: u32) {
        // Whoever comes back finds them all as if they had been marked.
        if !self.is_absent() {
            self.ready.mark(bit);
        }
    }

    /// For the writer: which logs have news. Waits while none has.
    pub fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<u64> {
        self.ready.poll_take(cx)
    }

    /// For the writer: which logs have news, perhaps none.
    #[must_use]
    pub fn take_ready(&self) -> u64 {
        self.ready.take()
    }

    /// For the writer: what it is told next.
    #[must_use]
    pub fn next_control(&self) -> Option<Control> {
        let (control, slots) = self.control.pop()?;
        if slots > 0 {
            self.slots.add_permits(slots);
        }
        Some(control)
    }

    /// A request needs no answer any more.
    pub(super) fn give_back(&self, slots: usize) {
        self.slots.add_permits(slots);
    }

    /// Queues the packet that `write` appends, behind its neighbours in the same piece: what is answered together
    /// leaves together.
    pub(super) fn write(&self, slots: usize, write: impl FnOnce(&mut BytesMut)) {
        // Answers are bounded by their slots; what nobody has asked for is for whoever is there.
        if slots == 0 && self.is_absent() {
            return;
        }
        self.control.write(slots, write);
        self.ready.mark(CONTROL_BIT);
    }

    /// Keeps a place for an answer that is still to be decided, among what the writer is told.
    pub(super) fn reserve(&self) {
        self.control.reserve();
    }

    /// Queues packets in the first place that is kept, and what is read after them.
    pub(super) fn fill(&self, packets: BytesMut, attachment: Option<Attachment>) {
        self.control.fill(packets, attachment);
        self.ready.mark(CONTROL_BIT);
    }

    /// Nothing comes in the first place that is kept.
    pub(super) fn give_up(&self) {
        self.control.give_up();
        self.give_back(1);
        self.ready.mark(CONTROL_BIT);
    }
}
