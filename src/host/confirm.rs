//! Asking an operator whether they mean it.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use super::exit::Failure;

/// Asks a question on the terminal; true for yes.
pub fn confirm(question: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::CommandLine(
            "there is no terminal to ask whether this is meant: say --yes".into(),
        ));
    }
    eprint!("{question} [y/N] ");
    let mut answer = String::new();
    io::stderr()
        .flush()
        .and_then(|()| io::stdin().lock().read_line(&mut answer))
        .map_err(|error| Failure::running("the terminal", error))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
