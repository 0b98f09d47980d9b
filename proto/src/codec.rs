//! Framing: where one packet ends and the next begins.

use bytes::BytesMut;
use thiserror::Error;
use tokio_util::codec::{Decoder, LengthDelimitedCodec};

/// Bytes of the header: `size: u16 LE`, then `type: u16 LE`.
pub(crate) const HEADER_BYTES: usize = 4;

/// One packet as it came off the wire: its type number and its body, not yet decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The type number of the header.
    pub kind: u16,
    /// What follows the header.
    pub body: BytesMut,
}

/// Why framing is lost: after either of these nothing that follows can be understood.
#[derive(Debug, Error)]
pub enum FrameError {
    /// The size is below the header's own four bytes.
    #[error("packet size below the header's own 4 bytes")]
    Malformed,
    /// The size is above the limit in force; refused at the header, before its body is waited for.
    #[error("packet size above the limit")]
    TooLarge,
    /// The transport failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Cuts a byte stream into [`Frame`]s. Partial packets live in the caller's buffer, never in here: each connection has
/// one of these, of two bytes. What cuts is tokio-util's [`LengthDelimitedCodec`], made for each packet that is whole: it
/// has 80 bytes, and between two packets nothing to remember.
#[derive(Debug)]
pub struct PacketCodec {
    packet_bytes_max: u16,
}

impl PacketCodec {
    /// A codec that refuses packets of more than `packet_bytes_max` bytes, header included.
    #[must_use]
    pub fn new(packet_bytes_max: u16) -> Self {
        Self { packet_bytes_max }
    }

    /// Changes the limit, for packets that have not been cut yet.
    pub fn set_packet_bytes_max(&mut self, bytes: u16) {
        self.packet_bytes_max = bytes;
    }

    fn lengths(&self) -> LengthDelimitedCodec {
        LengthDelimitedCodec::builder()
            .little_endian()
            .length_field_type::<u16>()
            // The size counts the header, and the whole header is skipped: so sizes 0 to 3 underflow and are refused.
            .length_adjustment(-HEADER_BYTES.cast_signed())
            .num_skip(HEADER_BYTES)
            .max_frame_length(self.packet_bytes_max.into())
            .new_codec()
    }
}

impl Decoder for PacketCodec {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        let Some(&[size_low, size_high, kind_low, kind_high]) = src.first_chunk() else { return Ok(None) };
        let size = usize::from(u16::from_le_bytes([size_low, size_high]));
        let is_allowed = (HEADER_BYTES..=self.packet_bytes_max.into()).contains(&size);
        // What is not allowed is refused at its header.
        if is_allowed && src.len() < size {
            return Ok(None);
        }
        let body = self.lengths().decode(src).map_err(|error| match error.kind() {
            std::io::ErrorKind::InvalidInput => FrameError::Malformed,
            _ => FrameError::TooLarge,
        })?;
        Ok(body.map(|body| Frame { kind: u16::from_le_bytes([kind_low, kind_high]), body }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::SERVER_PACKET_BYTES_MAX;

    fn decode(bytes: &[u8], limit: u16) -> Result<Option<Frame>, FrameError> {
        PacketCodec::new(limit).decode(&mut BytesMut::from(bytes))
    }

    #[test]
    fn sizes_below_the_header_are_refused_at_the_header() {
        for size in 0..4 {
            assert!(matches!(decode(&[size, 0, 1, 0], 512), Err(FrameError::Malformed)), "size {size}");
        }
    }

    #[test]
    fn a_size_above_the_limit_is_refused_before_its_body_arrives() {
        assert!(matches!(decode(&[0x01, 0x02, 1, 0], 512), Err(FrameError::TooLarge)));
        assert!(matches!(decode(&[0x00, 0x02, 1, 0], 512), Ok(None)));
    }

    #[test]
    fn the_largest_server_packet_passes() {
        let mut packet = vec![0xfb, 0xff, 0x59, 0x1b];
        packet.resize(SERVER_PACKET_BYTES_MAX.into(), 7);
        let frame = decode(&packet, SERVER_PACKET_BYTES_MAX).expect("legal").expect("whole");
        assert_eq!((frame.kind, frame.body.len()), (7001, 65_527));
    }

    #[test]
    fn packets_torn_at_every_byte_come_out_whole() {
        let stream = [6, 0, 1, 0, 0xaa, 0xbb, 4, 0, 2, 0, 5, 0, 3, 1, 9];
        let mut codec = PacketCodec::new(512);
        let mut buffer = BytesMut::new();
        let mut frames = Vec::new();
        for byte in stream {
            buffer.extend_from_slice(&[byte]);
            while let Some(frame) = codec.decode(&mut buffer).expect("legal") {
                frames.push((frame.kind, frame.body.to_vec()));
            }
        }
        assert_eq!(frames, [(1, vec![0xaa, 0xbb]), (2, vec![]), (259, vec![9])]);
    }
}
