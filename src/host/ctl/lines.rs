//! One end of the channel: whole lines each way, of bounded length.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

/// A stream as lines.
pub struct Lines<S>(BufReader<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Lines<S> {
    /// The lines of a stream.
    pub fn new(stream: S) -> Self {
        Self(BufReader::new(stream))
    }

    /// The next line, without its end; `None` when the other side has closed. A line of more than `bytes_max` bytes,
    /// or without an end, is an error whose text says so. Dropped while it waits, it loses what it has read.
    pub async fn read(&mut self, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let read = (&mut self.0).take(bytes_max as u64 + 1).read_until(b'\n', &mut line).await;
        match read {
            // A pipe whose other end is closed.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            read => drop(read?),
        }
        if line.is_empty() {
            return Ok(None);
        }
        if line.pop_if(|last| *last == b'\n').is_some() {
            return Ok(Some(line));
        }
        Err(io::Error::other(if line.len() > bytes_max {
            format!("a line has more than {bytes_max} bytes")
        } else {
            "the last line has no end".into()
        }))
    }

    /// Writes whole lines, each with its end.
    pub async fn write(&mut self, lines: &str) -> io::Result<()> {
        self.0.write_all(lines.as_bytes()).await?;
        self.0.flush().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn reads(bytes: &[u8]) -> Vec<Result<Option<String>, String>> {
        let (mut near, far) = tokio::io::duplex(1024);
        near.write_all(bytes).await.expect("it fits");
        drop(near);
        let mut lines = Lines::new(far);
        let mut found = Vec::new();
        loop {
            let read = lines.read(8).await;
            let read = read.map(|line| line.map(|line| String::from_utf8_lossy(&line).into_owned()));
            let last = !matches!(read, Ok(Some(_)));
            found.push(read.map_err(|error| error.to_string()));
            if last {
                return found;
            }
        }
    }

    #[tokio::test]
    async fn a_line_is_whole_or_an_error_that_says_what_is_wrong() {
        let line = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(reads(b"").await, [Ok(None)]);
        assert_eq!(reads(b"one\n\n12345678\n").await, [line("one"), line(""), line("12345678"), Ok(None)]);
        assert_eq!(reads(b"123456789\n").await, [Err("a line has more than 8 bytes".to_owned())]);
        assert_eq!(reads(b"one\nhalf").await, [line("one"), Err("the last line has no end".to_owned())]);
    }
}
