//! The second state of a connection: somebody signed in, reading and writing at once.

use std::{sync::Arc, time::Duration};

use chat_proto::{ErrorCode, limits::CLIENT_PACKET_BYTES_MAX};
use tokio::{
    io::{ReadHalf, WriteHalf},
    time::timeout,
};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{
    End, Outbound,
    desk::Desk,
    farewell::{About, Farewell},
    packet_reader::PacketReader,
    shared::Shared,
    transport::Transport,
    writer::Writer,
};
use crate::{config::Policy, room::Inbox, session::Session};

/// How long a polite end waits for what was asked before it to be answered and sent.
const WIND_DOWN: Duration = Duration::from_millis(250);

/// A connection that is logged in.
pub struct Member<S> {
    desk: Desk<ReadHalf<S>>,
    writer: Writer<WriteHalf<S>>,
    about: About,
}

impl<S: Transport> Member<S> {
    /// A guest who has just logged in, and what they have sent beyond their login.
    pub fn new(
        mut reader: PacketReader<S>,
        session: Session,
        shared: Arc<Shared>,
        policy: Arc<Policy>,
        mut about: About,
    ) -> Self {
        let subscriber = Arc::clone(session.subscriber());
        about.session = Some(Arc::clone(&subscriber));
        let (conn, peer, session_id) = (about.conn, about.peer, session.id().0);
        let transport = S::KIND.word();
        tracing::info!(event = "session_start", conn, %peer, transport, session = session_id, user = %subscriber.name(), "logged in");
        shared.metrics.logins.add(1);
        reader.widen(CLIENT_PACKET_BYTES_MAX);
        let mut write_half = None;
        let reader = reader.map_socket(|socket| {
            let (read, write) = tokio::io::split(socket);
            write_half = Some(write);
            read
        });
        let write_half = write_half.expect("the socket has just been split");
        Self {
            writer: Writer::new(
                write_half,
                Outbound::unanswered(subscriber),
                policy.timeouts.write,
                Arc::clone(&shared.metrics),
            ),
            desk: Desk::new(reader, session, shared, policy),
            about,
        }
    }

    /// Serves the session to its end. A block and no `async fn`, as [`Desk::serve`].
    pub fn serve(&mut self, inbox: Inbox, reading: TaskTrackerToken) -> impl Future<Output = End> {
        let stop = self.desk.shared().stop.clone();
        async move {
            let end = tokio::select! {
                // Each of them is the end of this, and until then all are polled.
                biased;
                end = self.desk.serve(&inbox) => end,
                end = self.writer.run() => end,
                () = stop.cancelled() => End::Stopping,
            };
            drop((inbox, reading));
            if matches!(end, End::Stopping) { Box::pin(self.stop()).await } else { end }
        }
    }

    /// Reads no more, and writes on until all that was read anywhere is in the logs.
    async fn stop(&mut self) -> End {
        self.desk.session_mut().forgo_departure();
        let quiet = self.desk.shared().quiet.clone();
        tokio::select! {
            // As above.
            biased;
            end = self.writer.run() => end,
            () = quiet.cancelled() => match self.writer.drain().await {
                Ok(()) => End::Stopping,
                Err(end) => end,
            },
        }
    }

    /// Ends the session first, so that nobody talks to it any more, then sends what it still has coming. One that can
    /// go on by another connection is returned, if only this one is lost.
    pub async fn leave(self: Box<Self>, end: End) -> (Box<Farewell<S>>, Option<Session>) {
        let Self { desk, mut writer, mut about } = *self;
        let (read_half, session) = desk.close();
        let subscriber = Arc::clone(session.subscriber());
        let mut kept = None;
        match &end {
            end if end.is_loss() && session.family().is_some() => kept = Some(session),
            End::Stopping => drop(session),
            end => session.leave(end.leave_reason()),
        }
        let sent = timeout(WIND_DOWN, async {
            match &end {
                End::Torn | End::Broken(_) => Err(()),
                End::Closed(..) | End::Refused(ErrorCode::SlowConsumer) => writer.cut().await.map_err(drop),
                End::Stopping => writer.drain().await.map_err(drop),
                End::Eof | End::LoggedOut | End::Refused(_) => {
                    tokio::select! {
                        biased;
                        _ = writer.run() => return Err(()),
                        () = subscriber.settled() => {}
                    }
                    writer.drain().await.map_err(drop)
                }
            }
        });
        let whole = matches!(sent.await, Ok(Ok(())));
        // Somebody ended the session just now, and told the connection that has ended.
        if let Some(reason) = writer.closed()
            && let Some(session) = kept.take()
        {
            session.leave(reason);
        }
        about.missed = writer.missed();
        writer.hold();
        let socket = read_half.unsplit(writer.into_socket());
        let farewell =
            if whole { Farewell::new(socket, end, about) } else { Farewell::torn(socket, end, about) };
        (Box::new(farewell), kept)
    }
}
