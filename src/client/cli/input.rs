//! Standard input as lines, whatever bytes it has.

use std::io::{self, BufRead, ErrorKind, Read};

use super::encoding::Encoding;

/// Bytes of one line that are kept. More than that is no text of any kind, and is skipped to the line's end.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// Lines in a row that cannot be read. More than that is a reader that only repeats itself.
const UNREADABLE_MAX: u32 = 1_000;

/// What came from standard input, or from the line editor.
#[derive(Debug, PartialEq, Eq)]
pub enum Input {
    /// A line without its line end.
    Line(String),
    /// A line that had bytes which are not of this encoding, now U+FFFD.
    Mended(String, Encoding),
    /// A line that is too long for anything, and is not kept.
    TooLong,
    /// A line that is no text and is lost, and why; the next may be read.
    Unreadable(String),
    /// Nothing can be read any more.
    Broken(String),
}

/// Whether a failed read is about one line: half of a surrogate pair that was typed or pasted into a console of
/// Windows is not given to us, and is gone.
#[must_use]
pub fn is_about_text(error: &io::Error) -> bool {
    error.kind() == ErrorKind::InvalidData
}

/// Reads lines until the end, or until `take` wants no more.
pub fn read_lines(mut reader: impl BufRead, encoding: Encoding, mut take: impl FnMut(Input) -> bool) {
    let (mut first, mut unreadable) = (true, 0);
    loop {
        let input = match read_line(&mut reader) {
            Ok(None) => return,
            Ok(Some(bytes)) => {
                unreadable = 0;
                to_input(&bytes, encoding, first)
            }
            Err(error) if is_about_text(&error) && unreadable < UNREADABLE_MAX => {
                unreadable += 1;
                Input::Unreadable(error.to_string())
            }
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

fn to_input(bytes: &[u8], encoding: Encoding, first: bool) -> Input {
    if bytes.len() > LINE_BYTES_MAX {
        return Input::TooLong;
    }
    let mark = "\u{feff}".as_bytes();
    let has_mark = first && encoding == Encoding::UTF_8 && bytes.starts_with(mark);
    let (text, whole) = encoding.decode(if has_mark { &bytes[mark.len()..] } else { bytes });
    let text = text.into_owned();
    if whole { Input::Line(text) } else { Input::Mended(text, encoding) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Vec<Input> {
        lines_in(Encoding::UTF_8, bytes)
    }

    fn lines_in(encoding: Encoding, bytes: &[u8]) -> Vec<Input> {
        // One byte at a time: characters and line ends are torn everywhere.
        all_lines(encoding, io::BufReader::with_capacity(1, bytes))
    }

    fn all_lines(encoding: Encoding, reader: impl BufRead) -> Vec<Input> {
        let mut inputs = Vec::new();
        read_lines(reader, encoding, |input| {
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
    fn bytes_of_another_encoding_are_mended_and_said_to_be() {
        let mended = |text: &str, encoding| Input::Mended(text.to_owned(), encoding);
        let cp949 = b"\xb0\xa1\nok";
        assert_eq!(lines(cp949), [mended("\u{fffd}\u{fffd}", Encoding::UTF_8), line("ok")]);
        assert_eq!(
            lines_in(Encoding::CP949, b"\xb0\xa1 \xff\r\nok \xb0\n\xb0\xa1"),
            [mended("가 \u{fffd}", Encoding::CP949), mended("ok \u{fffd}", Encoding::CP949), line("가")]
        );
    }

    #[test]
    fn cp949_is_read_however_its_characters_are_torn() {
        let text = "김철수: 똠방각하\r\n\\|@^ 한글\n";
        let bytes = Encoding::CP949.encode(text);
        assert_eq!(lines_in(Encoding::CP949, &bytes), [line("김철수: 똠방각하"), line("\\|@^ 한글")]);
    }

    /// A console: each read is a line, or fails.
    struct Console<I>(I, &'static [u8]);

    impl<I: Iterator<Item = Result<&'static [u8], ErrorKind>>> BufRead for Console<I> {
        fn fill_buf(&mut self) -> io::Result<&[u8]> {
            if self.1.is_empty() {
                self.1 = self.0.next().unwrap_or(Ok(b""))?;
            }
            Ok(self.1)
        }

        fn consume(&mut self, bytes: usize) {
            self.1 = &self.1[bytes..];
        }
    }

    impl<I: Iterator<Item = Result<&'static [u8], ErrorKind>>> Read for Console<I> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let bytes = self.fill_buf()?.read(into)?;
            self.consume(bytes);
            Ok(bytes)
        }
    }

    fn on_console(reads: impl IntoIterator<Item = Result<&'static [u8], ErrorKind>>) -> Vec<Input> {
        all_lines(Encoding::UTF_8, Console(reads.into_iter(), b""))
    }

    #[test]
    fn half_a_surrogate_pair_costs_its_own_line_and_no_more() {
        let lost = || Input::Unreadable(io::Error::from(ErrorKind::InvalidData).to_string());
        let broken = || Err(ErrorKind::InvalidData);
        assert_eq!(
            on_console([Ok(b"one\n".as_slice()), broken(), Ok(b"two\n"), Ok(b"torn"), broken(), Ok(b"end")]),
            [line("one"), lost(), line("two"), lost(), line("end")]
        );
    }

    #[test]
    fn a_reader_that_only_fails_is_given_up() {
        let inputs = on_console(std::iter::repeat(Err(ErrorKind::InvalidData)));
        assert_eq!(inputs.len(), UNREADABLE_MAX as usize + 1);
        assert!(matches!(inputs.last(), Some(Input::Broken(_))));
        let inputs = on_console([Ok(b"one\n".as_slice()), Err(ErrorKind::BrokenPipe), Ok(b"two\n")]);
        assert!(matches!(&inputs[..], [Input::Line(_), Input::Broken(_)]));
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
        read_lines(&b"1\n2\n3\n"[..], Encoding::UTF_8, |_| {
            taken += 1;
            taken < 2
        });
        assert_eq!(taken, 2);
    }
}
