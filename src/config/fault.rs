//! What is wrong with settings, and where each value comes from.

use std::{
    fmt::{self, Display, Formatter},
    path::Path,
    sync::Arc,
};

use thiserror::Error;

/// Faults that are told. There may be more: those are counted.
const FAULTS_MAX: usize = 32;
/// Characters that are told of one fault: it may repeat what somebody else wrote.
const MESSAGE_MAX: usize = 300;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The file, and where in it; without a place, it is about the whole file.
    File(Arc<Path>, Option<Position>),
    /// A variable, by its name.
    Environment(String),
    /// The command line: `--listen`, `--set limits.connections`.
    CommandLine(String),
}

/// A place in a text, as editors count: both begin with 1, a column is a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in it.
    pub column: usize,
}

/// Finds places in a text, of which there may be as many as it has bytes.
pub(super) struct Places<'t> {
    text: &'t str,
    /// Where each line begins.
    lines: Vec<usize>,
}

impl<'t> Places<'t> {
    pub fn of(text: &'t str) -> Self {
        let lines = text.match_indices('\n').map(|(end, _)| end + 1);
        Self { text, lines: [0].into_iter().chain(lines).collect() }
    }

    /// The place of a byte.
    pub fn at(&self, byte: usize) -> Position {
        let byte = self.text.floor_char_boundary(byte);
        let line = self.lines.partition_point(|begin| *begin <= byte);
        let begin = self.lines[line - 1];
        Position { line, column: self.text[begin..byte].chars().count() + 1 }
    }
}

impl Display for Origin {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, None) => write!(f, "{}", path.display()),
            Self::File(path, Some(Position { line, column })) => {
                write!(f, "{}:{line}:{column}", path.display())
            }
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::CommandLine(flag) => f.write_str(flag),
        }
    }
}

/// One thing that is wrong with settings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Where.
    pub origin: Origin,
    /// What is wrong, naming the key. Of bounded length, without control characters, and without secrets.
    pub message: String,
}

impl Fault {
    pub(super) fn new(origin: Origin, message: &str) -> Self {
        let shown = |c: char| if c.is_control() { c.escape_default().collect() } else { String::from(c) };
        let mut characters = message.chars();
        let mut message: String = characters.by_ref().take(MESSAGE_MAX).map(shown).collect();
        if characters.next().is_some() {
            message.push('…');
        }
        Self { origin, message }
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.message)
    }
}

/// Settings that cannot be: all that is wrong with them, a line each, those of the file first and in its order.
#[derive(Clone, Debug, Error)]
#[error("{}", lines(.faults))]
pub struct ConfigError {
    faults: Vec<Fault>,
}

impl ConfigError {
    pub(super) fn new(mut faults: Vec<Fault>) -> Self {
        faults.sort();
        faults.dedup();
        Self { faults }
    }

    /// What is wrong: at least one thing.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

/// The keys that a message names, in backticks; other words stand there too.
pub(super) fn named(message: &str) -> impl Iterator<Item = &str> {
    message.split('`').skip(1).step_by(2)
}

fn lines(faults: &[Fault]) -> String {
    let mut lines: Vec<_> = faults.iter().take(FAULTS_MAX).map(ToString::to_string).collect();
    if faults.len() > FAULTS_MAX {
        lines.push(format!("and {} more", faults.len() - FAULTS_MAX));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_counted_as_editors_do() {
        let text = "a = 1\r\n이름 = 'é'\r\n";
        let places = Places::of(text);
        let at = |needle| {
            let Position { line, column } = places.at(text.find(needle).expect("it is there"));
            (line, column)
        };
        assert_eq!((at("a"), at("1"), at("이"), at("'é")), ((1, 1), (1, 5), (2, 1), (2, 6)));
        assert_eq!(places.at(text.len()), Position { line: 3, column: 1 });
        assert_eq!(places.at(8), Position { line: 2, column: 1 }, "inside a character");
        assert_eq!(Places::of("").at(0), Position { line: 1, column: 1 });
    }

    #[test]
    fn what_others_wrote_cannot_fill_or_forge_a_log() {
        let fault = Fault::new(Origin::Default, &("\x1b[2J\n".to_owned() + &"x".repeat(MESSAGE_MAX)));
        assert!(fault.message.starts_with("\\u{1b}[2J\\nx") && fault.message.ends_with("x…"), "{fault}");
        let many = (0..FAULTS_MAX + 3).map(|n| Fault::new(Origin::Environment(format!("{n:03}")), "no"));
        let told = ConfigError::new(many.collect()).to_string();
        assert_eq!(told.lines().count(), FAULTS_MAX + 1);
        assert!(told.ends_with("and 3 more"), "{told}");
    }
}
