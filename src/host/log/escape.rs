//! What others wrote, as part of a line of the log that nobody can break, forge or turn around.

use std::fmt::Write as _;

use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{DefaultIgnorableCodePoint, GeneralCategory},
};

/// Adds a JSON string. What acts is escaped, what merely is not English stands as it is.
pub fn push_json(line: &mut String, text: &str) {
    line.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => line.extend(['\\', c]),
            '\n' => line.push_str("\\n"),
            c if acts(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a string cannot fail.
                    let _ = write!(line, "\\u{unit:04x}");
                }
            }
            c => line.push(c),
        }
    }
    line.push('"');
}

/// Adds a value as people read it: quoted where its end would not be seen otherwise.
pub fn push_text(line: &mut String, text: &str) {
    let plain = |c: char| !acts(c) && !c.is_whitespace() && !matches!(c, '"' | '\\' | '=');
    if !text.is_empty() && text.chars().all(plain) {
        return line.push_str(text);
    }
    line.push('"');
    push_words(line, text);
    line.push('"');
}

/// The same without quotes, for words whose end is known otherwise.
pub fn push_words(line: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '"' | '\\' => line.extend(['\\', c]),
            '\n' => line.push_str("\\n"),
            c if acts(c) => {
                // Writing to a string cannot fail.
                let _ = write!(line, "\\u{{{:x}}}", u32::from(c));
            }
            c => line.push(c),
        }
    }
}

/// Whether a character does something other than to be seen: to a terminal, to a line, to the order of those around
/// it, or to be taken for none.
pub fn acts(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    // Format: marks, embeddings, overrides and isolates of bidirectional text, annotations, tags.
    matches!(
        category,
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
    )
    // Joiners, fillers, variation selectors.
    || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> String {
        let mut line = String::new();
        push_text(&mut line, value);
        line
    }

    #[test]
    fn a_value_for_people_is_quoted_only_where_its_end_would_not_be_seen() {
        for (value, shown) in [
            ("kim", "kim"),
            ("이순신", "이순신"),
            ("127.0.0.1:11021", "127.0.0.1:11021"),
            ("", r#""""#),
            ("two words", r#""two words""#),
            ("a=b", r#""a=b""#),
            (r#"say "hi" \"#, r#""say \"hi\" \\""#),
            ("one\nlevel=ERROR", r#""one\nlevel=ERROR""#),
            ("\u{1b}[2J\r\u{7}", r#""\u{1b}[2J\u{d}\u{7}""#),
            ("\u{202e}gpj.exe", r#""\u{202e}gpj.exe""#),
            ("\u{3000}", "\"\u{3000}\""),
            ("k\u{200b}im", r#""k\u{200b}im""#),
            ("kim\u{3164}", r#""kim\u{3164}""#),
        ] {
            assert_eq!(text(value), shown);
        }
    }

    #[test]
    fn no_character_gets_out_of_a_json_string_and_every_one_comes_back() {
        let all: String =
            ('\0'..='\u{ffff}').chain('\u{1f300}'..'\u{1f600}').chain('\u{e0000}'..'\u{e0200}').collect();
        let mut line = String::new();
        push_json(&mut line, &all);
        assert!(!line.chars().any(acts));
        // Those which have tricked people most: zero widths, a soft hyphen, Hangul fillers, variation selectors.
        for unseen in
            "\u{200b}\u{200c}\u{200d}\u{2060}\u{ad}\u{115f}\u{1160}\u{3164}\u{ffa0}\u{fe0f}\u{e0100}".chars()
        {
            assert!(acts(unseen), "{unseen:?}");
        }
        assert!(!"é가漢ع😀\u{301}".chars().any(acts), "what is seen stands as it is");
        assert_eq!(serde_json::from_str::<String>(&line).expect("JSON"), all);
        assert!(!text(&all).chars().any(acts));
    }
}
