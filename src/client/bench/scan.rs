//! Reading a server's packets where they lie in the read buffer, without an allocation or a copy.
//!
//! The library's codec is made for hostile peers; this one is made to cost less than the server that is
//! measured. It reads the same bytes: the tests hold it to what `chat-proto` writes.

/// The bytes are no packets of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

/// The whole packets at the beginning of some bytes.
pub struct Packets<'a> {
    rest: &'a [u8],
}

impl<'a> Packets<'a> {
    /// Those at the beginning of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next packet: its type and its body. `None` when what is left is not a whole one.
    pub fn next_packet(&mut self) -> Result<Option<(u16, Fields<'a>)>, Broken> {
        let Some(&[low, high, kind_low, kind_high]) = self.rest.first_chunk() else { return Ok(None) };
        let size = usize::from(u16::from_le_bytes([low, high]));
        if size < 4 {
            return Err(Broken);
        }
        let Some((packet, rest)) = self.rest.split_at_checked(size) else { return Ok(None) };
        self.rest = rest;
        Ok(Some((u16::from_le_bytes([kind_low, kind_high]), Fields(&packet[4..]))))
    }

    /// What is not a whole packet yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

/// A body, read field by field.
#[derive(Clone, Copy)]
pub struct Fields<'a>(pub &'a [u8]);

/// What a line begins with, and its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard<'a> {
    /// Where it was said.
    pub conversation: u64,
    /// The conversation's epoch.
    pub epoch: u64,
    /// Its place in the conversation.
    pub seq: u64,
    /// What was said, as it came.
    pub text: &'a [u8],
}

impl<'a> Fields<'a> {
    /// A varint of section 2 of `PROTOCOL.md`.
    #[inline]
    pub fn number(&mut self) -> Result<u64, Broken> {
        let (&first, rest) = self.0.split_first().ok_or(Broken)?;
        match first {
            0..=250 => {
                self.0 = rest;
                Ok(first.into())
            }
            251 => self.wide(rest, |bytes: [u8; 2]| u16::from_le_bytes(bytes).into()),
            252 => self.wide(rest, |bytes: [u8; 4]| u32::from_le_bytes(bytes).into()),
            253 => self.wide(rest, u64::from_le_bytes),
            _ => Err(Broken),
        }
    }

    #[inline]
    fn wide<const N: usize>(
        &mut self,
        rest: &'a [u8],
        value: impl Fn([u8; N]) -> u64,
    ) -> Result<u64, Broken> {
        let (bytes, rest) = rest.split_first_chunk().ok_or(Broken)?;
        self.0 = rest;
        Ok(value(*bytes))
    }

    /// A string or bytes.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], Broken> {
        let count = usize::try_from(self.number()?).map_err(|_| Broken)?;
        let (bytes, rest) = self.0.split_at_checked(count).ok_or(Broken)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// A `BroadcastLine` or a `WhisperLine`.
    #[inline]
    pub fn line(mut self) -> Result<Heard<'a>, Broken> {
        let (conversation, epoch, seq) = self.place()?;
        let _time = self.number()?;
        let _sender = self.bytes()?;
        let text = self.bytes()?;
        if self.0.is_empty() { Ok(Heard { conversation, epoch, seq, text }) } else { Err(Broken) }
    }

    /// The place that every line begins with: conversation, epoch, sequence number.
    #[inline]
    pub fn place(&mut self) -> Result<(u64, u64, u64), Broken> {
        Ok((self.number()?, self.number()?, self.number()?))
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use chat_proto::{Line, LineHead, kind};

    use super::*;

    fn encoded(seq: u64) -> BytesMut {
        let head = LineHead { conversation: 1, epoch: 1 << 40, seq, time_ms: 1_790_000_000_123 };
        let mut out = BytesMut::new();
        Line { head, sender: "kim", text: "hello" }.encode_broadcast(&mut out);
        out
    }

    #[test]
    fn lines_are_read_as_the_server_writes_them() {
        for seq in [1, 250, 251, 65_535, 65_536, u64::from(u32::MAX), 1 << 32] {
            let bytes = encoded(seq);
            let mut packets = Packets::new(&bytes);
            let (kind, body) = packets.next_packet().expect("a packet").expect("whole");
            assert_eq!(kind, kind::BROADCAST_LINE);
            let heard = Heard { conversation: 1, epoch: 1 << 40, seq, text: b"hello" };
            assert_eq!(body.line(), Ok(heard));
            assert!(packets.rest().is_empty());
        }
    }

    #[test]
    fn a_packet_that_is_not_whole_is_left_where_it_is() {
        let mut bytes = encoded(7);
        let whole = bytes.len();
        bytes.extend_from_slice(&encoded(8));
        for end in whole..2 * whole {
            let mut packets = Packets::new(&bytes[..end]);
            assert!(packets.next_packet().expect("a packet").is_some());
            assert!(packets.next_packet().expect("no fault").is_none(), "cut at {end}");
            assert_eq!(packets.rest(), &bytes[whole..end]);
        }
    }

    #[test]
    fn what_is_no_packet_is_told() {
        assert!(Packets::new(&[3, 0, 1, 0]).next_packet().is_err());
        let bytes = encoded(7);
        for end in 4..bytes.len() {
            assert!(Fields(&bytes[4..end]).line().is_err(), "cut at {end}");
        }
        assert_eq!(Fields(&[254]).number(), Err(Broken));
    }
}
