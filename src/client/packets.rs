//! The reading half of a connection: bytes in, server packets out.

use std::{mem::replace, time::Duration};

use bytes::BytesMut;
use chat_proto::{Malformed, PacketCodec, ServerPacket, limits::SERVER_PACKET_BYTES_MAX};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::timeout,
};
use tokio_util::codec::Decoder;

use super::{Error, ProtocolError};

/// How a TLS server tells that it was not spoken to in TLS: an alert (RFC 8446, sections 5.1 and 6). No packet of ours
/// begins like that.
const TLS_ALERT: [u8; 5] = [21, 3, 3, 0, 2];
/// Bytes the buffer has room for before each read.
const READ_BYTES: usize = 8 * 1024;

pub(super) struct Packets {
    io: Box<dyn AsyncRead + Send + Unpin>,
    codec: PacketCodec,
    /// Something has come.
    is_begun: bool,
    buffer: BytesMut,
    silence: Option<Duration>,
    /// How often in a row the server has been silent for so long.
    silences: u32,
}

impl Packets {
    pub(super) fn new(io: Box<dyn AsyncRead + Send + Unpin>) -> Self {
        let codec = PacketCodec::new(SERVER_PACKET_BYTES_MAX);
        Self { io, codec, is_begun: false, buffer: BytesMut::new(), silence: None, silences: 0 }
    }

    /// From now on it is an error that the server sends nothing for this long. It may be read on from then.
    pub(super) fn set_silence_max(&mut self, silence: Duration) {
        self.silence = Some(silence);
    }

    /// The next packet of a known type, and its bytes on the wire. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Result<(ServerPacket, usize), Error> {
        loop {
            while let Some(frame) = self.codec.decode(&mut self.buffer)? {
                match ServerPacket::decode(frame.kind, &frame.body) {
                    Ok(packet) => return Ok((packet, frame.body.len())),
                    // A later server may tell more than this client knows of.
                    Err(Malformed::UnknownType) => {}
                    Err(fault) => return Err(ProtocolError::Malformed { kind: frame.kind, fault }.into()),
                }
            }
            self.read().await?;
        }
    }

    /// How often in a row that has been so.
    pub(super) fn silences(&self) -> u32 {
        self.silences
    }

    async fn read(&mut self) -> Result<(), Error> {
        self.buffer.reserve(READ_BYTES);
        let read = self.io.read_buf(&mut self.buffer);
        let bytes = match self.silence {
            Some(silence) => {
                let Ok(read) = timeout(silence, read).await else {
                    self.silences += 1;
                    return Err(Error::Timeout("the silent server"));
                };
                read
            }
            None => read.await,
        }?;
        self.silences = 0;
        if bytes == 0 {
            return Err(Error::Disconnected);
        }
        let is_first = !replace(&mut self.is_begun, true);
        if is_first && self.buffer.starts_with(&TLS_ALERT) {
            return Err(ProtocolError::SpeaksTls.into());
        }
        Ok(())
    }
}
