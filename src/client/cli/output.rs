//! Standard output and standard error: who writes what to which, in one order, from one thread.

use std::{
    cell::Cell,
    io::{self, IsTerminal, Write},
    thread,
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{encoding::Encoding, terminal::LineEditor};

/// Lines that wait to be written. Full: nothing more is taken from the server, which is braked in its turn.
const LINES_MAX: usize = 64;

/// How long the last lines may take to be written.
const LAST_LINES: Duration = Duration::from_secs(1);

/// How much goes to standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Warnings and what was asked for.
    Quiet,
    /// Notices too.
    Normal,
    /// Details too.
    Verbose,
}

/// How the two streams are written.
#[derive(Clone, Copy, Debug)]
pub struct Encodings {
    /// Standard output.
    pub out: Encoding,
    /// Standard error.
    pub err: Encoding,
}

/// The program's mouth. A thread of its own does the writing, so that a reader who takes nothing holds up no
/// timer and no Ctrl-C.
pub struct Output {
    lines: mpsc::Sender<Order>,
    level: Level,
    reader_gone: CancellationToken,
    written: oneshot::Receiver<()>,
    /// How long a line may wait to be taken by the thread; `None`: as long as it takes.
    patience: Cell<Option<Duration>>,
}

enum Order {
    Message(String),
    Aside(String),
    Edit(StartEditor),
    Plain,
}

/// Has somebody edit lines; none where that cannot be.
pub type StartEditor = Box<dyn FnOnce() -> Option<LineEditor> + Send>;

impl Output {
    /// Starts the writing thread.
    pub fn start(level: Level, encodings: Encodings) -> io::Result<Self> {
        let (lines, orders) = mpsc::channel(LINES_MAX);
        let (done, written) = oneshot::channel();
        let reader_gone = CancellationToken::new();
        let gone = reader_gone.clone();
        thread::Builder::new().name("output".to_owned()).spawn(move || {
            write_all(orders, encodings, &gone);
            let _ = done.send(());
        })?;
        Ok(Self { lines, level, reader_gone, written, patience: Cell::new(None) })
    }

    /// Something received: to standard output.
    pub async fn message(&self, text: String) {
        self.order(Order::Message(text)).await;
    }

    /// Something that was asked for: to standard error, always.
    pub async fn answer(&self, text: String) {
        self.order(Order::Aside(text)).await;
    }

    /// Something that went wrong.
    pub async fn warn(&self, text: String) {
        self.order(Order::Aside(format!("chat-client: {text}"))).await;
    }

    /// Something that happened.
    pub async fn notice(&self, text: String) {
        if self.level >= Level::Normal {
            self.order(Order::Aside(format!("* {text}"))).await;
        }
    }

    /// Something for the curious.
    pub async fn detail(&self, text: String) {
        if self.level >= Level::Verbose {
            self.order(Order::Aside(format!("* {text}"))).await;
        }
    }

    /// From now on there is a line being typed, and lines are written above it. It begins when all before is written: what
    /// is written into it tears it, and its prompt is gone.
    pub async fn edit(&self, start: StartEditor) {
        self.order(Order::Edit(start)).await;
    }

    /// From now on there is none, and the terminal is right again.
    pub async fn plain(&self) {
        self.order(Order::Plain).await;
    }

    /// Returns when nobody reads standard output any more.
    pub async fn reader_gone(&self) {
        self.reader_gone.cancelled().await;
    }

    /// The program is about to end: from now on a reader who takes nothing is not waited for.
    pub fn hurry(&self) {
        self.patience.set(Some(LAST_LINES));
    }

    /// Writes what is left; gives up on a reader who takes nothing.
    pub async fn finish(self) {
        drop(self.lines);
        let _ = timeout(self.patience.get().unwrap_or(LAST_LINES), self.written).await;
    }

    async fn order(&self, order: Order) {
        // The thread ends only after this sender is dropped, so that sending fails by time alone.
        let sent = match self.patience.get() {
            None => self.lines.send(order).await.is_ok(),
            Some(patience) => self.lines.send_timeout(order, patience).await.is_ok(),
        };
        if !sent {
            self.patience.set(Some(Duration::ZERO));
        }
    }
}

fn write_all(mut orders: mpsc::Receiver<Order>, encodings: Encodings, reader_gone: &CancellationToken) {
    let stderr_is_terminal = io::stderr().is_terminal();
    let mut editor: Option<LineEditor> = None;
    while let Some(order) = orders.blocking_recv() {
        let (mut text, is_message) = match order {
            Order::Message(text) => (text, true),
            Order::Aside(text) => (text, false),
            Order::Edit(start) => {
                editor = start();
                continue;
            }
            Order::Plain => {
                if let Some(editor) = editor.take() {
                    editor.close();
                }
                continue;
            }
        };
        text.push('\n');
        match &mut editor {
            Some(editor) if is_message || stderr_is_terminal => {
                if editor.print_above(text).is_err() {
                    reader_gone.cancel();
                }
            }
            _ if is_message => {
                if !reader_gone.is_cancelled() && write(io::stdout(), encodings.out, &text).is_err() {
                    reader_gone.cancel();
                }
            }
            // Nobody is left to tell.
            _ => drop(write(io::stderr(), encodings.err, &text)),
        }
    }
}

/// Whole lines only: each is on its way before the next is taken, in a pipe too. And a console of Windows, which
/// takes nothing but whole characters, never gets a torn one.
pub fn write(mut out: impl Write, encoding: Encoding, line: &str) -> io::Result<()> {
    out.write_all(&encoding.encode(line))?;
    out.flush()
}
