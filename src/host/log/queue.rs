//! A bounded queue of log lines, and the thread that writes them: whoever logs waits for no disk and no console.

use std::{cell::Cell, io, mem, sync::Arc, thread, time::Duration};

use parking_lot::{Condvar, Mutex};

/// Bytes of lines that are not yet written. Full: what is logged meanwhile is dropped, and counted.
pub const QUEUE_BYTES_MAX: usize = 1024 * 1024;
/// Bytes more for the lines of those who write: what is lost is told, though others fill whatever room there is.
const OWN_BYTES_MAX: usize = 16 * 1024;

thread_local! {
    /// Whether this thread writes what is in a queue.
    static WRITES: Cell<bool> = const { Cell::new(false) };
}

/// Where lines go.
pub trait Output: Send + 'static {
    /// Writes some whole lines, from the first on, and returns how many bytes they are.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize>;

    /// Goes on in a new file of the same name, if it is a file. After an error it goes on as before.
    fn reopen(&mut self) -> io::Result<()>;
}

/// Lines on their way. Dropped, its thread ends when it has written them.
pub struct Queue(Arc<Shared>);

struct Shared {
    /// For the operator: where the lines go.
    to: String,
    bytes_max: usize,
    state: Mutex<State>,
    /// The thread has something to do.
    work: Condvar,
    /// The thread has done something.
    done: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    /// Bytes that the thread has taken and not yet written.
    writing: usize,
    /// Lines that were not written, since the start.
    dropped: u64,
    /// How often it was asked to open the output anew,
    asked: u64,
    /// and how often of that it has tried.
    tried: u64,
    /// Why the last try failed.
    failure: Option<String>,
    closed: bool,
}

impl Queue {
    /// Starts the thread. `bytes_max`: as [`QUEUE_BYTES_MAX`].
    pub fn start(to: String, bytes_max: usize, output: impl Output) -> io::Result<Self> {
        let (state, work, done) = Default::default();
        let shared = Arc::new(Shared { to, bytes_max, state, work, done });
        let theirs = Arc::clone(&shared);
        thread::Builder::new().name("log".into()).spawn(move || theirs.write_all(output))?;
        Ok(Self(shared))
    }

    /// Takes a line, which ends in a line feed, or drops it.
    pub fn push(&self, line: &str) {
        let bytes_max = self.0.bytes_max + if WRITES.get() { OWN_BYTES_MAX } else { 0 };
        let mut state = self.0.state.lock();
        if state.writing + state.lines.len() + line.len() > bytes_max {
            state.dropped += 1;
            return;
        }
        state.lines.extend_from_slice(line.as_bytes());
        drop(state);
        self.0.work.notify_one();
    }

    /// Lines that were not written, since the start.
    pub fn dropped(&self) -> u64 {
        self.0.state.lock().dropped
    }

    /// Has the output opened anew, behind what was logged before.
    pub fn ask_to_reopen(&self) -> u64 {
        let mut state = self.0.state.lock();
        state.asked += 1;
        let asked = state.asked;
        drop(state);
        self.0.work.notify_one();
        asked
    }

    /// The same, and waits for it, so long at most.
    pub fn reopen(&self, patience: Duration) -> io::Result<()> {
        let asked = self.ask_to_reopen();
        let mut state = self.0.state.lock();
        if self.0.done.wait_while_for(&mut state, |state| state.tried < asked, patience).timed_out() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it takes no lines"));
        }
        state.failure.clone().map_or(Ok(()), |failure| Err(io::Error::other(failure)))
    }

    /// Waits until all is written, so long at most.
    pub fn flush(&self, patience: Duration) {
        let mut state = self.0.state.lock();
        let unwritten = |state: &mut State| state.writing > 0 || !state.lines.is_empty();
        self.0.done.wait_while_for(&mut state, unwritten, patience);
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.0.state.lock().closed = true;
        self.0.work.notify_one();
    }
}

impl Shared {
    /// The thread. What it says itself goes through the log like everything else, and finds room that is kept for it.
    fn write_all(&self, mut output: impl Output) {
        WRITES.set(true);
        let (mut lines, mut failing, mut told, mut tried) = (Vec::new(), false, 0, 0);
        while let Some(asked) = self.take(&mut lines) {
            let outcome = write(&mut output, &lines);
            let dropped = self.note_written(outcome.as_ref().map_or_else(|(lost, _)| *lost, |()| 0));
            match outcome {
                Err((_, error)) if !failing => {
                    failing = true;
                    tracing::error!(event = "log_failing", log = self.to, err = %error, "the log cannot be written");
                }
                Ok(()) if !lines.is_empty() => {
                    failing = false;
                    if dropped > told {
                        let lines = dropped - mem::replace(&mut told, dropped);
                        tracing::warn!(
                            event = "log_lines_dropped",
                            log = self.to,
                            lines,
                            "lines are missing here"
                        );
                    }
                }
                _ => {}
            }
            lines.clear();
            if asked > tried {
                self.note_tried(asked, output.reopen());
                tried = asked;
            }
        }
    }

    /// Waits for lines, or until the output is to be opened anew. Returns how often that was asked; `None`: the queue is
    /// gone, and there are no more lines.
    fn take(&self, lines: &mut Vec<u8>) -> Option<u64> {
        let mut state = self.state.lock();
        while state.lines.is_empty() && state.tried == state.asked {
            if state.closed {
                return None;
            }
            self.work.wait(&mut state);
        }
        mem::swap(&mut state.lines, lines);
        state.writing = lines.len();
        Some(state.asked)
    }

    fn note_written(&self, lost: u64) -> u64 {
        let mut state = self.state.lock();
        state.writing = 0;
        state.dropped += lost;
        self.done.notify_all();
        state.dropped
    }

    fn note_tried(&self, asked: u64, outcome: io::Result<()>) {
        match &outcome {
            Ok(()) => tracing::info!(event = "log_reopened", log = self.to, "the log goes on here"),
            Err(error) => {
                tracing::warn!(event = "log_not_reopened", log = self.to, err = %error, "the log goes on where it was");
            }
        }
        let mut state = self.state.lock();
        state.tried = asked;
        state.failure = outcome.err().map(|error| error.to_string());
        self.done.notify_all();
    }
}

/// Writes all of it, or says how many lines are lost, and why.
fn write(output: &mut impl Output, mut lines: &[u8]) -> Result<(), (u64, io::Error)> {
    while !lines.is_empty() {
        match output.write(lines) {
            Ok(written) => lines = &lines[written..],
            Err(error) => {
                return Err((lines.split_inclusive(|byte| *byte == b'\n').count() as u64, error));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    /// Writes only when it is let, and fails when it is told to.
    struct Gate {
        turns: Receiver<io::Result<()>>,
        written: Arc<Mutex<String>>,
        began: SyncSender<()>,
    }

    impl Output for Gate {
        fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
            let _ = self.began.send(());
            self.turns.recv().expect("the test goes on")?;
            *self.written.lock() += str::from_utf8(lines).expect("text");
            Ok(lines.len())
        }

        fn reopen(&mut self) -> io::Result<()> {
            *self.written.lock() += "(anew)\n";
            self.turns.recv().expect("the test goes on")
        }
    }

    struct Stage {
        queue: Queue,
        turns: SyncSender<io::Result<()>>,
        began: Receiver<()>,
        written: Arc<Mutex<String>>,
    }

    impl Stage {
        fn new(bytes_max: usize) -> Self {
            let (turns, theirs) = sync_channel(9);
            let (sender, began) = sync_channel(9);
            let written = Arc::<Mutex<String>>::default();
            let gate = Gate { turns: theirs, written: Arc::clone(&written), began: sender };
            Self {
                queue: Queue::start("test".into(), bytes_max, gate).expect("a thread"),
                turns,
                began,
                written,
            }
        }

        fn let_one(&self, outcome: io::Result<()>) {
            self.turns.send(outcome).expect("the thread runs");
        }

        fn written(&self) -> String {
            self.written.lock().clone()
        }
    }

    #[test]
    fn an_output_that_hangs_costs_lines_which_are_counted_and_nobody_time() {
        let stage = Stage::new(26);
        stage.queue.push("first\n");
        stage.began.recv().expect("it is being written");
        for line in ["123456789\n", "123456789\n", "lost\n", "\n"] {
            stage.queue.push(line);
        }
        assert_eq!(stage.queue.dropped(), 2);
        assert_eq!(stage.written(), "", "it hangs");
        stage.queue.flush(Duration::from_millis(1));
        stage.let_one(Ok(()));
        stage.let_one(Ok(()));
        stage.queue.flush(LONG);
        assert_eq!(stage.written(), "first\n123456789\n123456789\n");
        stage.queue.push("room again\n");
        stage.let_one(Ok(()));
        stage.queue.flush(LONG);
        assert!(stage.written().ends_with("room again\n"));
        assert_eq!(stage.queue.dropped(), 2);
    }

    #[test]
    fn whoever_writes_finds_room_to_say_what_is_lost_where_others_find_none() {
        let stage = Stage::new(12);
        stage.queue.push("first\n");
        stage.began.recv().expect("it is being written");
        stage.queue.push("123456789\n");
        thread::scope(|scope| {
            scope.spawn(|| {
                WRITES.set(true);
                stage.queue.push("1 line is lost\n");
                stage.queue.push(&"x".repeat(OWN_BYTES_MAX));
            });
        });
        assert_eq!(stage.queue.dropped(), 2, "that of the others, and one that is no line of the log's");
        stage.let_one(Ok(()));
        stage.let_one(Ok(()));
        stage.queue.flush(LONG);
        assert_eq!(stage.written(), "first\n1 line is lost\n");
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_too() {
        let stage = Stage::new(100);
        stage.queue.push("one\n");
        stage.began.recv().expect("it is being written");
        stage.queue.push("two\n");
        stage.queue.push("three\n");
        stage.let_one(Ok(()));
        stage.let_one(Err(io::ErrorKind::StorageFull.into()));
        stage.queue.flush(LONG);
        assert_eq!((stage.queue.dropped(), &*stage.written()), (2, "one\n"));
        stage.queue.push("four\n");
        stage.let_one(Ok(()));
        stage.queue.flush(LONG);
        assert_eq!((stage.queue.dropped(), &*stage.written()), (2, "one\nfour\n"));
    }

    #[test]
    fn what_was_logged_before_it_is_opened_anew_is_written_before() {
        let stage = Stage::new(100);
        stage.queue.push("before\n");
        stage.let_one(Ok(()));
        stage.let_one(Ok(()));
        stage.queue.reopen(LONG).expect("opened");
        stage.queue.push("after\n");
        stage.let_one(Ok(()));
        stage.queue.flush(LONG);
        assert_eq!(stage.written(), "before\n(anew)\nafter\n");
        stage.let_one(Err(io::Error::other("no such folder")));
        assert_eq!(stage.queue.reopen(LONG).expect_err("told").to_string(), "no such folder");
    }

    #[test]
    fn nobody_waits_for_an_output_that_hangs_to_be_opened_anew() {
        let stage = Stage::new(100);
        stage.queue.push("first\n");
        stage.began.recv().expect("it is being written");
        let error = stage.queue.reopen(Duration::from_millis(1)).expect_err("it hangs");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        stage.let_one(Ok(()));
        stage.let_one(Ok(()));
        stage.let_one(Ok(()));
        stage.queue.reopen(LONG).expect("it goes on");
    }

    #[test]
    fn a_queue_that_is_dropped_is_written_to_its_end() {
        let stage = Stage::new(100);
        stage.queue.push("last words\n");
        stage.let_one(Ok(()));
        drop(stage.queue);
        // Its end of the channel goes with the thread.
        while stage.began.recv().is_ok() {}
        assert_eq!(*stage.written.lock(), "last words\n");
    }
}
