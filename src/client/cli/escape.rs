//! What others wrote, made harmless to show: nobody else's text moves the cursor or reorders a line.

use std::fmt::Write;

/// A text as one line that is safe on a terminal. A line break becomes ⏎.
#[must_use]
pub fn escape(text: &str) -> String {
    let bidi_closed = is_bidi_closed(text);
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => safe.push('⏎'),
            '\t' => safe.push('\t'),
            _ if acts(c) || (is_bidi(c) && !bidi_closed) => {
                let _ = write!(safe, "\\u{{{:x}}}", u32::from(c));
            }
            _ => safe.push(c),
        }
    }
    safe
}

/// A name as it is shown where more than itself hangs on it. What no name has, and lines and marks are told by, is shown by its
/// number: a server that is not believed gives people and rooms such names as it likes.
#[must_use]
pub fn escape_name(name: &str) -> String {
    let mut safe = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_whitespace() || acts(c) || is_bidi(c) || MARKS.contains(&c) {
            let _ = write!(safe, "\\u{{{:x}}}", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    safe
}

/// What stands around names and before them.
const MARKS: [char; 6] = ['[', ']', '<', '>', '*', '\\'];

/// Whether a character does something other than to be seen: to a terminal, to a line, or to those around it.
#[must_use]
pub fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{202d}' | '\u{202e}' | '\u{2028}' | '\u{2029}' | '\u{e0000}'..='\u{e007f}')
}

/// Embeddings and isolates: right-to-left text needs them, and they are harmless while each is closed.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202c}' | '\u{2066}'..='\u{2069}')
}

/// Whether every embedding and every isolate is closed, and none is closed that was not opened.
fn is_bidi_closed(text: &str) -> bool {
    let (mut embeddings, mut isolates) = (0_u32, 0_u32);
    for c in text.chars() {
        let (open, step) = match c {
            '\u{202a}' | '\u{202b}' => (&mut embeddings, 1),
            '\u{202c}' => (&mut embeddings, -1),
            '\u{2066}'..='\u{2068}' => (&mut isolates, 1),
            '\u{2069}' => (&mut isolates, -1),
            _ => continue,
        };
        match open.checked_add_signed(step) {
            Some(now) => *open = now,
            None => return false,
        }
    }
    embeddings == 0 && isolates == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_act_on_a_terminal_is_shown_instead() {
        for (text, shown) in [
            ("\u{1b}[2J\u{7}", "\\u{1b}[2J\\u{7}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("a\rb\u{8}\u{7f}\0", "a\\u{d}b\\u{8}\\u{7f}\\u{0}"),
            ("one\ntwo\tthree", "one⏎two\tthree"),
            ("\u{2028}\u{2029}\u{85}", "\\u{2028}\\u{2029}\\u{85}"),
            ("\u{202e}fdp.exe", "\\u{202e}fdp.exe"),
            ("a\u{2066}b", "a\\u{2066}b"),
            ("a\u{202c}b\u{202a}", "a\\u{202c}b\\u{202a}"),
            ("\u{e0041}", "\\u{e0041}"),
        ] {
            assert_eq!(escape(text), shown);
        }
    }

    #[test]
    fn no_name_passes_for_a_line() {
        for (name, shown) in [
            ("lee", "lee"),
            ("김철수.2-_", "김철수.2-_"),
            ("#6", "#6"),
            ("sealed] *lee* hi", "sealed\\u{5d}\\u{20}\\u{2a}lee\\u{2a}\\u{20}hi"),
            ("a>\u{3000}b\\", "a\\u{3e}\\u{3000}b\\u{5c}"),
            ("\u{2067}lee\u{2069}\n", "\\u{2067}lee\\u{2069}\\u{a}"),
        ] {
            assert_eq!(escape_name(name), shown);
        }
    }

    #[test]
    fn every_script_is_shown_as_it_is() {
        for text in [
            "안녕하세요",
            "a\u{2067}שלום\u{2069}b",
            "नमस्ते",
            "👨\u{200d}👩\u{200d}👧 🇰🇷",
            "e\u{301}",
            "\\u{1b}",
        ] {
            assert_eq!(escape(text), text);
        }
    }
}
