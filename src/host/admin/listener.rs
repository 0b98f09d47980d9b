//! Who is connected to the admin's HTTP, how long they may take, how many they are.

use std::{collections::VecDeque, convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinHandle, JoinSet},
    time::{sleep, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::answer::answer;
use crate::{
    config::AdminConfig,
    net::bind,
    server::{OfHost, Operator},
};

/// Connections at once. When there are more, the one that has been there longest goes: whoever asks at once is
/// answered, however many others say nothing.
const CONNECTIONS_MAX: usize = 16;
/// How long the head of a request may take to come.
const HEAD_PATIENCE: Duration = Duration::from_secs(5);
/// How long a connection may take in all, for its one request.
const CONNECTION_PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a head, and of what is written at once: the least that hyper takes.
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// Fields of a head.
const HEAD_FIELDS_MAX: usize = 32;
/// The pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(250);
/// The pauses before an address is tried again that something else has: the first, and the longest.
const TRY_AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// What only the program knows, asked at each scrape.
type AskHost = Arc<dyn Fn() -> OfHost + Send + Sync>;

/// The admin's HTTP of a running server. Dropped, it closes soon; [closed](Self::close), it has.
pub struct Admin {
    address: String,
    stop: DropGuard,
    task: JoinHandle<()>,
}

impl Admin {
    /// Listens, if that is configured. If the address is not to be had, the server runs on, its log says so, and it is
    /// tried again. Must be called within a Tokio runtime.
    pub fn open(
        config: &AdminConfig,
        operator: &Operator,
        host: impl Fn() -> OfHost + Send + Sync + 'static,
    ) -> Option<Self> {
        let wanted = config.address()?;
        let listener = bind(wanted);
        let address = match &listener {
            // The port may have been left to the system.
            Ok(listener) => listener.local_addr().unwrap_or(wanted).to_string(),
            Err(error) => {
                unavailable(wanted, error);
                "taken".into()
            }
        };
        let stop = CancellationToken::new();
        let task = run(wanted, listener.ok(), operator.clone(), Arc::new(host), stop.clone());
        Some(Self { address, stop: stop.drop_guard(), task: tokio::spawn(task) })
    }

    /// Where it listens, or "taken".
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Closes it.
    pub async fn close(self) {
        drop(self.stop);
        // It has no way to fail but a panic, which is logged where it happens.
        let _ = self.task.await;
    }
}

fn unavailable(address: SocketAddr, error: &io::Error) {
    tracing::warn!(event = "admin_unavailable", %address, err = %error, "metrics and health cannot be told there");
}

/// Serves until it is told to stop.
async fn run(
    address: SocketAddr,
    listener: Option<TcpListener>,
    operator: Operator,
    host: AskHost,
    stop: CancellationToken,
) {
    let serve = async {
        let listener = match listener {
            Some(listener) => listener,
            None => bind_later(address).await,
        };
        listen(listener, &operator, &host).await;
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = serve => {}
    }
}

async fn bind_later(address: SocketAddr) -> TcpListener {
    let (mut pause, longest) = TRY_AGAIN;
    loop {
        sleep(pause).await;
        if let Ok(listener) = bind(address) {
            tracing::info!(event = "admin_available", %address, "metrics and health are told there");
            return listener;
        }
        pause = longest.min(2 * pause);
    }
}

async fn listen(listener: TcpListener, operator: &Operator, host: &AskHost) {
    let mut connections = JoinSet::new();
    let mut places: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        places.retain(|place| !place.is_finished());
        while connections.len() >= CONNECTIONS_MAX {
            if let Some(longest) = places.pop_front() {
                longest.abort();
            }
            connections.join_next().await;
        }
        places.push_back(connections.spawn(serve(stream, operator.clone(), Arc::clone(host))));
    }
}

/// Answers one request: a connection that is kept would be the one to go when there are many.
async fn serve(stream: TcpStream, operator: Operator, host: AskHost) {
    let answer = service_fn(|request| {
        let (operator, host) = (&operator, &host);
        async move { Ok::<_, Infallible>(answer(&request, operator, host()).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEAD_FIELDS_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answer);
    // Whoever asks wrongly has been told so, and whoever is too slow has not asked.
    let _ = timeout(CONNECTION_PATIENCE, connection).await;
}
