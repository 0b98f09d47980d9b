//! The reading side of one connection: bytes in, whole packets out.

use std::{
    cell::Cell,
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{BufMut, BytesMut};
use chat_proto::{Frame, FrameError, PacketCodec};
use tokio::{io::AsyncRead, time::Instant};
use tokio_util::{codec::Decoder, io::poll_read_buf};

/// Bytes taken from a socket at once, whoever's it is.
const READ_BYTES: u16 = 16 * 1024;

thread_local! {
    /// Where a read lands: lent to the connection that reads, for as long as it works on what came. So a silent
    /// connection holds no buffer, and a busy one allocates none.
    static LENT: Cell<BytesMut> = Cell::new(BytesMut::new());
}

/// Cuts what a socket delivers into packets. Cancel safe: what has arrived of a packet lives in here.
pub struct PacketReader<R> {
    socket: R,
    codec: PacketCodec,
    /// What came and is not cut yet. Waiting for more, it is the beginning of one packet in an allocation of its
    /// own, or nothing in none.
    partial: BytesMut,
    /// Whether `partial` stands in the thread's buffer.
    lent: bool,
    /// Bytes taken at once: never more than the announced limit before login.
    read_bytes: u16,
    /// When the first byte of the packet that is not whole came.
    started: Option<Instant>,
    /// Bytes that came since it was last asked for.
    received: u64,
}

/// What came.
#[derive(Debug)]
pub enum Incoming {
    /// A whole packet.
    Packet(Frame),
    /// The first bytes of a packet, said once for each that does not come whole: its time starts to run.
    Begun,
    /// The peer sends no more; `torn` when it stopped inside a packet.
    Eof {
        /// Whether a packet was begun and not finished.
        torn: bool,
    },
}

impl<R: AsyncRead + Unpin> PacketReader<R> {
    /// A reader that refuses packets above `packet_bytes_max`, and never holds more than that.
    pub fn new(socket: R, packet_bytes_max: u16) -> Self {
        Self {
            socket,
            codec: PacketCodec::new(packet_bytes_max),
            partial: BytesMut::new(),
            lent: false,
            read_bytes: packet_bytes_max,
            started: None,
            received: 0,
        }
    }

    /// Takes larger packets from here on, many at a time.
    pub fn widen(&mut self, packet_bytes_max: u16) {
        self.codec.set_packet_bytes_max(packet_bytes_max);
        self.read_bytes = READ_BYTES;
    }

    /// The next packet.
    pub async fn next(&mut self) -> Result<Incoming, FrameError> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// When the packet that is arriving began.
    pub fn started(&self) -> Option<Instant> {
        self.started
    }

    /// Bytes that came since this was last asked.
    pub fn take_received(&mut self) -> u64 {
        std::mem::take(&mut self.received)
    }

    /// Bytes held, and bytes allocated for them.
    #[cfg(test)]
    fn held(&self) -> (usize, usize) {
        (self.partial.len(), self.partial.capacity())
    }

    /// What has come and was not cut: after an error, how that which is no packet begins.
    pub fn unread(&self) -> &[u8] {
        &self.partial
    }

    /// The socket, to answer on.
    pub fn socket_mut(&mut self) -> &mut R {
        &mut self.socket
    }

    /// The same reader over another part of the same socket.
    pub fn map_socket<T>(self, map: impl FnOnce(R) -> T) -> PacketReader<T> {
        let Self { socket, codec, partial, lent, read_bytes, started, received } = self;
        PacketReader { socket: map(socket), codec, partial, lent, read_bytes, started, received }
    }

    /// The socket, and nothing of what it sent.
    pub fn into_socket(self) -> R {
        self.socket
    }

    /// As [`next`](Self::next), for whoever polls.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, FrameError>> {
        loop {
            if let Some(frame) = self.codec.decode(&mut self.partial)? {
                self.started = None;
                return Poll::Ready(Ok(Incoming::Packet(frame)));
            }
            if !self.partial.is_empty() && self.started.is_none() {
                self.started = Some(Instant::now());
                return Poll::Ready(Ok(Incoming::Begun));
            }
            let filled = self.poll_fill(cx);
            if filled.is_pending() {
                self.give_back();
            }
            let count = ready!(filled)?;
            self.received += count as u64;
            if count == 0 {
                return Poll::Ready(Ok(Incoming::Eof { torn: self.started.is_some() }));
            }
        }
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // Before login at most the rest of one packet, in an allocation of that size.
        let is_wide = self.read_bytes == READ_BYTES;
        let room = usize::from(self.read_bytes) - if is_wide { 0 } else { self.partial.len() };
        if is_wide && !self.lent {
            self.borrow();
        }
        self.partial.reserve(room);
        poll_read_buf(Pin::new(&mut self.socket), cx, &mut (&mut self.partial).limit(room))
    }

    /// Goes on in the thread's buffer. Its last packets are all done with, so it begins at its front again.
    fn borrow(&mut self) {
        let mut buffer = LENT.take();
        buffer.clear();
        buffer.extend_from_slice(&self.partial);
        (self.partial, self.lent) = (buffer, true);
    }

    /// Gives the thread's buffer back, and keeps what has come of a packet.
    fn give_back(&mut self) {
        if !self.lent {
            return;
        }
        // Not even an allocation of no bytes.
        let rest = if self.partial.is_empty() { BytesMut::new() } else { BytesMut::from(&self.partial[..]) };
        LENT.set(std::mem::replace(&mut self.partial, rest));
        self.lent = false;
    }
}

#[cfg(test)]
mod tests {
    use chat_proto::limits::GUEST_PACKET_BYTES_MAX;
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn before_login_no_more_is_held_than_a_packet_may_have() {
        let (mut peer, socket) = tokio::io::duplex(64 * 1024);
        let mut reader = PacketReader::new(socket, GUEST_PACKET_BYTES_MAX);
        // Many whole packets, then one that stays one byte short of the limit.
        let mut sent = [5, 0, 0xd1, 7, 9].repeat(300);
        sent.extend([0x00, 0x02, 0xd1, 7]);
        sent.extend([7; 507]);
        peer.write_all(&sent).await.expect("room in the pipe");
        drop(peer);
        let mut packets = 0;
        loop {
            match reader.next().await.expect("legal") {
                Incoming::Packet(frame) => {
                    assert_eq!(frame.body[..], [9]);
                    packets += 1;
                }
                Incoming::Begun => {}
                Incoming::Eof { torn } => break assert!(torn),
            }
            assert!(reader.held().1 <= GUEST_PACKET_BYTES_MAX.into(), "held {:?}", reader.held());
        }
        assert_eq!(packets, 300);
    }

    #[tokio::test]
    async fn a_silent_connection_holds_no_buffer() {
        let (mut peer, socket) = tokio::io::duplex(1024);
        let mut reader = PacketReader::new(socket, GUEST_PACKET_BYTES_MAX);
        reader.widen(4096);
        peer.write_all(&[5, 0, 1, 0, 9]).await.expect("room in the pipe");
        assert!(matches!(reader.next().await, Ok(Incoming::Packet(_))));
        assert!(futures_pending(&mut reader).await);
        assert_eq!(reader.held(), (0, 0));
    }

    #[tokio::test]
    async fn a_packet_that_waits_for_its_rest_keeps_what_has_come_and_leaves_the_buffer_to_others() {
        let (mut one, socket) = tokio::io::duplex(64 * 1024);
        let mut first = PacketReader::new(socket, GUEST_PACKET_BYTES_MAX);
        first.widen(4096);
        let (mut other, socket) = tokio::io::duplex(64 * 1024);
        let mut second = PacketReader::new(socket, GUEST_PACKET_BYTES_MAX);
        second.widen(4096);
        one.write_all(&[5, 0, 1, 0, 9, 7, 0, 2, 0, 1]).await.expect("room in the pipe");
        let Ok(Incoming::Packet(held)) = first.next().await else { panic!("a whole packet") };
        // Read into while the first reader still works on what it has.
        other.write_all(&[6, 0, 3, 0, 8, 8]).await.expect("room in the pipe");
        let Ok(Incoming::Packet(frame)) = second.next().await else { panic!("a whole packet") };
        assert_eq!((&held.body[..], &frame.body[..]), (&[9][..], &[8, 8][..]));
        assert!(matches!(first.next().await, Ok(Incoming::Begun)));
        assert!(futures_pending(&mut first).await && futures_pending(&mut second).await);
        assert_eq!((first.held().0, second.held()), (5, (0, 0)));
        assert!(first.held().1 < 64, "held {:?}", first.held());
        one.write_all(&[2, 3]).await.expect("room in the pipe");
        let Ok(Incoming::Packet(frame)) = first.next().await else { panic!("a whole packet") };
        assert_eq!((frame.kind, &frame.body[..]), (2, &[1, 2, 3][..]));
    }

    async fn futures_pending<R: AsyncRead + Unpin>(reader: &mut PacketReader<R>) -> bool {
        poll_fn(|cx| Poll::Ready(reader.poll_next(cx).is_pending())).await
    }
}
