//! Standard input as lines, whatever bytes it has.

use std::io::{self, BufRead, Read};

/// Bytes of one line that are kept. More than that is no text of any kind, and is skipped to the line's end.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// What came from standard input, or from the line editor.
#[derive(Debug, PartialEq, Eq)]
pub enum Input {
    /// A line without its line end.
    Line(String),
    /// A line that had bytes which are not UTF-8, each now U+FFFD.
    Mended(String),
    /// A line that is too long for anything, and is not kept.
    TooLong,
    /// Nothing can be read any more.
    Broken(String),
}

/// Reads lines until the end, or until `take` wants no more.
pub fn read_lines(mut reader: impl BufRead, mut take: impl FnMut(Input) -> bool) {
    let mut first = true;
    loop {
        let input = match read_line(&mut reader) {
            Ok(None) => return,
            Ok(Some(bytes)) if bytes.len() > LINE_BYTES_MAX => Input::TooLong,
            Ok(Some(bytes)) => to_text(&bytes, first),
            Err(error) => {
                take(Input::Broken(error.to_string()));
                return;
            }
        };
        first = false;
        if !take(input) {
            return;
        }
    }
}

/// The bytes of a line, without its line end; of a too long one only more than `LINE_BYTES_MAX` of them.
fn read_line(reader: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    // Room for a line end beside the longest line.
    let bytes = reader.by_ref().take(LINE_BYTES_MAX as u64 + 2).read_until(b'\n', &mut line)?;
    if bytes == 0 {
        return Ok(None);
    }
    if line.pop_if(|byte| *byte == b'\n').is_some() {
        line.pop_if(|byte| *byte == b'\r');
    } else if line.len() > LINE_BYTES_MAX {
        reader.skip_until(b'\n')?;
    }
    Ok(Some(line))
}

fn to_text(bytes: &[u8], first: bool) -> Input {
    let bytes = if first { bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes) } else { bytes };
    match str::from_utf8(bytes) {
        Ok(text) => Input::Line(text.to_owned()),
        Err(_) => Input::Mended(String::from_utf8_lossy(bytes).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Vec<Input> {
        let mut inputs = Vec::new();
        // One byte at a time: characters and line ends are torn everywhere.
        read_lines(io::BufReader::with_capacity(1, bytes), |input| {
            inputs.push(input);
            true
        });
        inputs
    }

    fn line(text: &str) -> Input {
        Input::Line(text.to_owned())
    }

    #[test]
    fn lines_end_as_on_windows_or_as_elsewhere_and_the_last_needs_no_end() {
        assert_eq!(
            lines("안녕\r\nhi\n\na\rb\r\r\nend".as_bytes()),
            [line("안녕"), line("hi"), line(""), line("a\rb\r"), line("end")]
        );
        assert_eq!(lines(b""), []);
    }

    #[test]
    fn a_byte_order_mark_is_removed_where_it_is_one() {
        assert_eq!(lines("\u{feff}hi\n\u{feff}x\n".as_bytes()), [line("hi"), line("\u{feff}x")]);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_mended_and_said_to_be() {
        let cp949 = [0xb0, 0xa1, b'\n', b'o', b'k'];
        assert_eq!(lines(&cp949), [Input::Mended("\u{fffd}\u{fffd}".to_owned()), line("ok")]);
    }

    #[test]
    fn a_line_without_end_takes_no_memory_without_end() {
        let mut bytes = vec![b'x'; 3 * LINE_BYTES_MAX];
        bytes.extend_from_slice(b"\nnext");
        assert_eq!(lines(&bytes), [Input::TooLong, line("next")]);
        let longest = "x".repeat(LINE_BYTES_MAX);
        assert_eq!(lines(format!("{longest}\r\nnext").as_bytes()), [line(&longest), line("next")]);
    }

    #[test]
    fn whoever_takes_lines_may_have_enough() {
        let mut taken = 0;
        read_lines(&b"1\n2\n3\n"[..], |_| {
            taken += 1;
            taken < 2
        });
        assert_eq!(taken, 2);
    }
}
