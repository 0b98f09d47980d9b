//! A TLS connection over a socket.

use std::{
    cell::Cell,
    future::poll_fn,
    io::{self, IoSlice},
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{BufMut, BytesMut};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::io::poll_read_buf;

use super::session::{Session, TlsError};
use crate::{metrics::TransportKind, net::transport::Transport};

/// Plaintext that is encrypted at once: four records. What the socket does not take of it is kept, so this bounds what a
/// connection holds.
const SEAL_BYTES: usize = 64 * 1024;

/// What [`SEAL_BYTES`] have at most when they are records, each with its header, its type and a tag of 16 bytes.
const SEALED_BYTES: usize = SEAL_BYTES + 8 * 32;

thread_local! {
    /// Where records land and where they are made: lent to the connection that reads or writes, for as long as it does.
    static LENT: Cell<Lent> = Cell::new(Lent::default());
}

/// One thread's buffers, each allocated when it is first used.
#[derive(Default)]
struct Lent {
    incoming: BytesMut,
    gathered: Vec<u8>,
    sealed: Vec<u8>,
}

/// A stream to one peer, encrypted. An idle one holds its keys and no buffers.
pub struct TlsStream<S> {
    socket: S,
    session: Box<Session>,
}

impl<S: Transport> TlsStream<S> {
    /// A stream on which hands are to be shaken: see [`shake_hands`](Self::shake_hands).
    pub fn new(socket: S, config: Arc<ServerConfig>) -> Result<Self, TlsError> {
        Ok(Self { socket, session: Box::new(Session::new(config)?) })
    }

    /// Waits until both sides have the same keys. Until then nothing else may be done with it.
    pub async fn shake_hands(&mut self) -> Result<(), TlsError> {
        poll_fn(|cx| self.poll_handshake(cx)).await
    }

    /// The socket, for whoever has nothing more to say over TLS; what was not sent is an alert, tried once.
    pub async fn into_refused(mut self) -> S {
        let _ = poll_fn(|cx| Poll::Ready(self.poll_send(cx))).await;
        self.socket
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TlsError>> {
        loop {
            let sent = self.poll_send(cx)?;
            if !self.session.is_handshaking() {
                // What has not left goes with what is read or written next: the peer may read nothing before that.
                return Poll::Ready(Ok(()));
            }
            ready!(sent);
            if !ready!(self.poll_receive(cx, &mut ReadBuf::new(&mut [])))? {
                return Poll::Ready(Err(TlsError::Truncated));
            }
        }
    }

    /// Sends the records that have not left.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.session.outgoing().is_empty() {
            let sent = ready!(Pin::new(&mut self.socket).poll_write(cx, self.session.outgoing()))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.session.sent(sent);
        }
        Poll::Ready(Ok(()))
    }

    /// Takes what the socket has, once; false at the end of its stream.
    fn poll_receive(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<Result<bool, TlsError>> {
        // Whoever has half a record goes on in an allocation of its own.
        let is_lent = !self.session.has_incoming();
        let mut lent = LENT.take();
        let mut incoming = if is_lent { mem::take(&mut lent.incoming) } else { self.session.take_incoming() };
        let received = self.poll_fill(cx, &mut incoming, into);
        if is_lent {
            if !incoming.is_empty() {
                self.session.keep_incoming(BytesMut::from(&incoming[..]));
                incoming.clear();
            }
            lent.incoming = incoming;
        } else if !incoming.is_empty() {
            self.session.keep_incoming(incoming);
        }
        LENT.set(lent);
        received
    }

    fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        incoming: &mut BytesMut,
        into: &mut ReadBuf<'_>,
    ) -> Poll<Result<bool, TlsError>> {
        let room = self.session.room(incoming);
        if room == 0 {
            return Poll::Ready(Err(TlsError::TooLong));
        }
        make_room(incoming, room);
        let filled = poll_read_buf(Pin::new(&mut self.socket), cx, &mut (&mut *incoming).limit(room));
        if ready!(filled)? == 0 {
            return Poll::Ready(Ok(false));
        }
        self.session.receive(incoming, into)?;
        Poll::Ready(Ok(true))
    }

    /// Encrypts, and sends as much as the socket takes; the rest is kept.
    fn seal_and_send(&mut self, cx: &mut Context<'_>, plain: &[u8], sealed: &mut Vec<u8>) -> io::Result<()> {
        if sealed.is_empty() {
            sealed.resize(SEALED_BYTES, 0);
        }
        let length = self.session.seal(plain, sealed)?;
        let mut rest = &sealed[..length];
        // What was made before it goes before it.
        if self.session.outgoing().is_empty() {
            while !rest.is_empty() {
                match Pin::new(&mut self.socket).poll_write(cx, rest)? {
                    Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Poll::Ready(sent) => rest = &rest[sent..],
                    Poll::Pending => break,
                }
            }
        }
        self.session.outgoing().extend_from_slice(rest);
        Ok(())
    }
}

impl<S: Transport> AsyncRead for TlsStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if into.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if self.session.has_plain() {
            self.session.take_plain(into);
            return Poll::Ready(Ok(()));
        }
        let before = into.filled().len();
        loop {
            if self.session.peer_closed() {
                return Poll::Ready(Ok(()));
            }
            let received = self.poll_receive(cx, into);
            // An answer to what came, as to a KeyUpdate. What the socket does not take goes with the next write.
            if !self.session.outgoing().is_empty() {
                let _ = self.poll_send(cx);
            }
            if !ready!(received)? {
                return Poll::Ready(Err(TlsError::Truncated.into()));
            }
            if into.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: Transport> AsyncWrite for TlsStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, plain: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(plain)])
    }

    /// Takes up to 64 KiB of the slices, as few full records: a record of its own for each would cost more than the rest.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_send(cx))?;
        let mut lent = LENT.take();
        let Lent { gathered, sealed, .. } = &mut lent;
        let plain = gather(slices, gathered);
        let written = self.seal_and_send(cx, plain, sealed).map(|()| plain.len());
        LENT.set(lent);
        Poll::Ready(written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.session.close()?;
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

impl<S: Transport> Transport for TlsStream<S> {
    const KIND: TransportKind = TransportKind::Tls;

    fn abandon(&self) {
        self.socket.abandon();
    }
}

/// Room for so many bytes behind those there are. Those of a connection's own are given no more, whereas `reserve` would
/// double what there is: this is what somebody may hold who has not even shaken hands.
fn make_room(incoming: &mut BytesMut, room: usize) {
    if incoming.is_empty() {
        incoming.reserve(room);
    } else if incoming.capacity() - incoming.len() < room {
        let mut larger = BytesMut::with_capacity(incoming.len() + room);
        larger.extend_from_slice(incoming);
        *incoming = larger;
    }
}

/// The first [`SEAL_BYTES`] of the slices in one: as it is, where it is one already.
fn gather<'a>(slices: &'a [IoSlice<'_>], gathered: &'a mut Vec<u8>) -> &'a [u8] {
    let mut filled = slices.iter().filter(|slice| !slice.is_empty());
    let (first, second) = (filled.next(), filled.next());
    match (first, second) {
        (None, _) => &[],
        (Some(one), None) => &one[..one.len().min(SEAL_BYTES)],
        (Some(one), Some(_)) if one.len() >= SEAL_BYTES => &one[..SEAL_BYTES],
        (Some(_), Some(_)) => {
            gathered.clear();
            for slice in slices {
                let taken = slice.len().min(SEAL_BYTES - gathered.len());
                gathered.extend_from_slice(&slice[..taken]);
            }
            gathered
        }
    }
}

#[cfg(test)]
mod tests {
    use rustls::{crypto::ring, pki_types::PrivatePkcs8KeyDer};
    use tokio::io::AsyncWriteExt;

    use super::{super::session::HANDSHAKE_BYTES_MAX, *};

    #[tokio::test]
    async fn whoever_does_not_end_a_handshake_has_no_more_memory_than_it_may_take() {
        let made = rcgen::generate_simple_self_signed(["localhost".into()]).expect("a certificate");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(
                vec![made.cert.der().clone()],
                PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into(),
            )
            .expect("a pair");
        let (mut peer, socket) = tokio::io::duplex(1 << 20);
        let mut stream = TlsStream::new(socket, Arc::new(config)).expect("a session");
        // The beginning of the longest message that there is, in records of 1,000 bytes.
        let mut message = vec![1, 0, 0xff, 0xff];
        message.resize(60_000, 0);
        let records: Vec<u8> =
            message.chunks(1_000).flat_map(|part| [&[0x16, 3, 1, 3, 0xe8], part].concat()).collect();
        for part in records.chunks(14_000) {
            peer.write_all(part).await.expect("a pipe");
            assert!(poll_fn(|cx| Poll::Ready(stream.poll_handshake(cx).is_pending())).await);
            let incoming = stream.session.take_incoming();
            assert!(incoming.capacity() <= HANDSHAKE_BYTES_MAX, "{} bytes", incoming.capacity());
            stream.session.keep_incoming(incoming);
        }
    }
}
