//! The server's side of the channel: who is connected, how long they may take, how many they are.

use std::{collections::VecDeque, io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    answer::{answer, refused},
    lines::Lines,
    local::Listener,
    request::{REQUEST_BYTES_MAX, Request},
};
use crate::{
    config::Config,
    host::{folder, log::LogControl, reload::Reload},
    server::Operator,
};

/// Connections at once. When there are more, the one that has been there longest goes, unless something is being done
/// for it: whoever asks at once is answered, however many others say nothing.
const CONNECTIONS_MAX: usize = 8;
/// How long a request may take to come, and each part of an answer to be taken.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause after a failed accept.
const BACK_OFF: Duration = Duration::from_millis(250);

/// What whoever asks may reach.
#[derive(Clone)]
pub struct Reach {
    /// The server.
    pub operator: Operator,
    /// Its log.
    pub log: LogControl,
    /// The way to change its settings.
    pub reload: Reload,
}

/// The channel of a running server. Dropped, it closes soon; [closed](Self::close), it has.
pub struct Channel {
    address: String,
    stop: DropGuard,
    task: JoinHandle<()>,
}

impl Channel {
    /// Listens, if there is a folder to listen in. A server that cannot be reached this way serves all the same, and
    /// its log says so. Must be called within a Tokio runtime.
    pub fn open(config: &Config, operator: &Operator, log: &LogControl, reload: &Reload) -> Option<Self> {
        let folder = folder::of_channel(config)?;
        match Listener::open(&folder) {
            Ok(listener) => {
                let (address, stop) = (listener.to_string(), CancellationToken::new());
                let reach = Reach { operator: operator.clone(), log: log.clone(), reload: reload.clone() };
                let task = tokio::spawn(listen(listener, reach, stop.clone()));
                Some(Self { address, stop: stop.drop_guard(), task })
            }
            Err(error) => {
                let reason = match error.kind() {
                    io::ErrorKind::AddrInUse => "another server has the channel of this folder".into(),
                    _ => error.to_string(),
                };
                let folder = folder.display();
                tracing::warn!(event = "ctl_unavailable", %folder, reason, "`chat-server ctl` will not reach this server");
                None
            }
        }
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Closes it, and with it whoever waits for the server to have stopped.
    pub async fn close(self) {
        drop(self.stop);
        // It has no way to fail but a panic, which is logged where it happens.
        let _ = self.task.await;
    }
}

async fn listen(mut listener: Listener, reach: Reach, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    let mut places = VecDeque::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok(stream) = accepted else {
            sleep(BACK_OFF).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        places.retain(|place: &CancellationToken| !place.is_cancelled());
        while connections.len() >= CONNECTIONS_MAX {
            if let Some(longest) = places.pop_front() {
                longest.cancel();
            }
            connections.join_next().await;
        }
        let place = CancellationToken::new();
        places.push_back(place.clone());
        connections.spawn(serve(stream, reach.clone(), place));
    }
}

/// Serves one connection until it closes, says what cannot be, or is too slow, or its place is needed.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: S, reach: Reach, place: CancellationToken) {
    let _given_back = place.clone().drop_guard();
    let mut lines = Lines::new(stream);
    loop {
        let read = tokio::select! {
            () = place.cancelled() => return,
            read = timeout(PATIENCE, lines.read(REQUEST_BYTES_MAX)) => read,
        };
        let request = match read {
            Ok(Ok(None)) => return,
            Ok(Ok(Some(line))) => serde_json::from_slice::<Request>(&line).map_err(|error| error.to_string()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("nothing was asked within {} s", PATIENCE.as_secs())),
        };
        let request = match request {
            Ok(request) => request,
            Err(why) => {
                // Told in one try: whoever sends this is most likely no `ctl`.
                let _ = timeout(PATIENCE, lines.write(&refused(0, &why))).await;
                return;
            }
        };
        let stops = request == Request::Stop;
        let mut out = Out { lines: &mut lines, place: &place };
        if answer(request, &reach, &mut out).await.is_err() {
            return;
        }
        if stops {
            reach.operator.stop();
            // Open until the server has stopped, so that whoever asked can wait for that.
            return place.cancelled().await;
        }
    }
}

/// Where an answer goes, which may be taken away and has not for ever.
pub struct Out<'a, S> {
    lines: &'a mut Lines<S>,
    place: &'a CancellationToken,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Out<'_, S> {
    /// Writes whole lines.
    pub async fn write(&mut self, lines: &str) -> io::Result<()> {
        tokio::select! {
            () = self.place.cancelled() => Err(io::ErrorKind::ConnectionAborted.into()),
            written = timeout(PATIENCE, self.lines.write(lines)) => written?,
        }
    }
}
