//! The terminal: line editing and history, while messages appear above the line being typed.

use std::{
    io::{self, IsTerminal, Write},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use rustyline::{Config, DefaultEditor, ExternalPrinter, Prompt, error::ReadlineError};
use tokio_util::sync::CancellationToken;

use super::{
    escape::escape,
    input::{Input, is_about_text},
};

/// Printed above the line to have the prompt painted again: up, and down again.
const WAKE: &str = "\x1b[A\n";
/// The editor begins this before it paints, and is stopped while it does.
const END_OF_SYNCHRONIZED_UPDATE: &[u8] = b"\x1b[?2026l";
/// How long the rest of a key may take that begins with Esc, in milliseconds. Without a limit nothing is shown, and
/// nothing stops the editor, until another key comes.
const KEY_SEQUENCE_MS: u16 = 500;
/// How long the editor may take to stop. It may be waiting for a stopped terminal.
const STOP: Duration = Duration::from_secs(1);

/// Whether somebody sits there, typing and reading.
#[must_use]
pub fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Whether standard output may have colours; on Windows, also makes it understand them.
#[must_use]
pub fn takes_colour() -> bool {
    io::stdout().is_terminal()
        && !anstyle_query::no_color()
        && anstyle_query::term_supports_color()
        && anstyle_query::windows::enable_ansi_colors() != Some(false)
}

/// How long a new prompt may wait for what the last line does. It shows where the next one goes.
const PROMPT_WAIT: Duration = Duration::from_secs(1);

/// What the prompt shows, told by whoever knows where lines go.
#[derive(Default)]
pub struct PromptState {
    now: Mutex<Prompted>,
    done: Condvar,
}

#[derive(Default)]
struct Prompted {
    /// The room that lines go to; empty for the lobby.
    room: String,
    /// Lines that have been dealt with.
    lines: u64,
}

impl PromptState {
    /// Lines go to this room from now on; empty: to the lobby.
    pub fn set_room(&self, name: &str) {
        self.now.lock().room = escape(name);
    }

    /// As many lines have been dealt with.
    pub fn set_done(&self, lines: u64) {
        self.now.lock().lines = lines;
        self.done.notify_one();
    }

    fn wait_for(&self, lines: u64) {
        let deadline = Instant::now() + PROMPT_WAIT;
        self.done.wait_while_until(&mut self.now.lock(), |now| now.lines < lines, deadline);
    }

    fn text(&self) -> String {
        format!("{}> ", self.now.lock().room)
    }
}

/// Somebody types lines, in a thread of their own.
pub struct LineEditor {
    printer: Box<dyn FnMut(String) -> rustyline::Result<()> + Send>,
    closing: Arc<AtomicBool>,
    /// Nothing ever comes; it is disconnected when the thread has ended.
    ended: mpsc::Receiver<()>,
}

impl LineEditor {
    /// Starts editing. Fails on a terminal that cannot do it.
    pub fn start(
        mut take: impl FnMut(Input) -> bool + Send + 'static,
        state: Arc<PromptState>,
        interrupted: CancellationToken,
    ) -> rustyline::Result<Self> {
        let config = Config::builder().auto_add_history(true).keyseq_timeout(Some(KEY_SEQUENCE_MS)).build();
        let mut editor = DefaultEditor::with_config(config)?;
        let mut printer = editor.create_external_printer()?;
        let closing = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&closing);
        let (ends, ended) = mpsc::channel();
        thread::Builder::new().name("editor".to_owned()).spawn(move || {
            let _ends: mpsc::Sender<()> = ends;
            // Unwinds when the prompt says so, which puts the terminal right on its way.
            let readline = || {
                let prompt = StoppingPrompt { text: state.text(), closing: Arc::clone(&stop) };
                catch_unwind(AssertUnwindSafe(|| editor.readline(&prompt))).ok()
            };
            let mut lines = 0;
            let take = |input| {
                lines += 1;
                // A command may change where lines go.
                let is_command = matches!(&input, Input::Line(line) if line.starts_with('/'));
                let taken = take(input);
                if taken && is_command {
                    state.wait_for(lines);
                }
                taken
            };
            read_edited(readline, take, &interrupted);
        })?;
        Ok(Self { printer: Box::new(move |line| printer.print(line)), closing, ended })
    }

    /// Writes a line, its line end included, above the one being typed.
    pub fn print_above(&mut self, line: String) -> rustyline::Result<()> {
        (self.printer)(line)
    }

    /// Stops editing, once everything printed before is there, and puts the terminal right.
    pub fn close(mut self) {
        self.closing.store(true, Ordering::Release);
        let woken = self.print_above(WAKE.to_owned());
        // It says nothing more, it only ends.
        let _ = self.ended.recv_timeout(STOP);
        let mut stdout = io::stdout();
        let _ = woken.map(|()| stdout.write_all(END_OF_SYNCHRONIZED_UPDATE).and_then(|()| stdout.flush()));
    }
}

/// Takes edited lines until the end, until `take` wants no more, or until there is no editor any more.
fn read_edited(
    mut readline: impl FnMut() -> Option<rustyline::Result<String>>,
    mut take: impl FnMut(Input) -> bool,
    interrupted: &CancellationToken,
) {
    while let Some(read) = readline() {
        let input = match read {
            Ok(line) => Input::Line(line),
            Err(ReadlineError::Eof) => return,
            // A key here, not a signal.
            Err(ReadlineError::Interrupted) => return interrupted.cancel(),
            // The key is used up, so that this does not go round for ever.
            Err(error) if is_broken_key(&error) => Input::Unreadable(error.to_string()),
            Err(error) => {
                take(Input::Broken(error.to_string()));
                return;
            }
        };
        if !take(input) {
            return;
        }
    }
}

/// Whether a key was no character: on Windows half of a surrogate pair, elsewhere a byte that is not UTF-8. What was
/// typed on its line is lost with it.
fn is_broken_key(error: &ReadlineError) -> bool {
    match error {
        ReadlineError::Io(error) => is_about_text(error),
        #[cfg(windows)]
        ReadlineError::Decode(_) => true,
        _ => false,
    }
}

/// A prompt that stops its editor. The editor waits for keys and offers no way to end that from outside; but it
/// asks for its prompt, in its own thread, each time something is printed above it.
struct StoppingPrompt {
    text: String,
    closing: Arc<AtomicBool>,
}

impl Prompt for StoppingPrompt {
    fn raw(&self) -> &str {
        if self.closing.load(Ordering::Acquire) {
            // No panic: nothing went wrong, and no hook is called.
            resume_unwind(Box::new("the line editor is closed"));
        }
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(reads: Vec<rustyline::Result<String>>) -> Vec<Input> {
        let (mut reads, mut inputs) = (reads.into_iter(), Vec::new());
        let take = |input| {
            inputs.push(input);
            true
        };
        read_edited(|| reads.next(), take, &CancellationToken::new());
        inputs
    }

    fn line(text: &str) -> Input {
        Input::Line(text.to_owned())
    }

    #[test]
    fn a_key_that_is_no_character_costs_its_line_and_no_more() {
        let broken = io::Error::new(io::ErrorKind::InvalidData, "no text");
        let reads = vec![Ok("one".to_owned()), Err(broken.into()), Ok("two".to_owned())];
        assert_eq!(inputs(reads), [line("one"), Input::Unreadable("no text".to_owned()), line("two")]);
    }

    #[cfg(windows)]
    #[test]
    fn half_a_surrogate_pair_is_such_a_key() {
        let half = char::decode_utf16([0xd83d]).next().expect("one").expect_err("half");
        let reads = vec![Err(ReadlineError::Decode(half)), Ok("two".to_owned())];
        assert!(matches!(&inputs(reads)[..], [Input::Unreadable(_), Input::Line(_)]));
    }

    #[test]
    fn an_editor_that_fails_otherwise_is_given_up() {
        let gone = io::Error::new(io::ErrorKind::NotConnected, "gone");
        let reads = vec![Err(gone.into()), Ok("never read".to_owned())];
        assert_eq!(inputs(reads), [Input::Broken("gone".to_owned())]);
    }
}
