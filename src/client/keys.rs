//! What a session asks about keys, and the whispers that it seals.

use chat_proto::{
    ClientPacket, DeviceKey, Envelope, KeyEntry, KeysOf, PublishKey, RemoveKey, Username, WhisperReceipt,
};

use super::{
    Error, Pending, Session,
    continuation::Recipient,
    pending::Outcome,
    session::{done, whisper_receipt},
};

impl Session {
    /// Publishes the key of this device, which may be published already. Only the owner of an account can, on a connection
    /// that was granted [`SEALED`](chat_proto::feature::SEALED).
    pub async fn publish_key(&self, key: DeviceKey) -> Result<(), Error> {
        let request = |id| ClientPacket::PublishKey(PublishKey { id, key });
        self.answered(self.send(request, |outcome| done(&outcome))).await
    }

    /// Takes a key of one's account out of the directory.
    pub async fn remove_key(&self, key: DeviceKey) -> Result<(), Error> {
        let request = |id| ClientPacket::RemoveKey(RemoveKey { id, key });
        self.answered(self.send(request, |outcome| done(&outcome))).await
    }

    /// The keys that somebody has published, as the server says: the oldest first, none of whom has none.
    pub async fn keys_of(&self, name: &str) -> Result<Vec<KeyEntry>, Error> {
        let name = Username::parse(name).map_err(Error::refused)?;
        let request = |id| ClientPacket::KeysOf(KeysOf { id, name });
        let keys = |outcome| match outcome {
            Outcome::Keys(page) => Some(page),
            _ => None,
        };
        Ok(self.answered(self.send(request, keys)).await?.entries.0)
    }

    /// As [`send_whisper`](Self::send_whisper), in an [envelope](super::seal) that says `text` to `to` alone. The text
    /// itself is not sent: it is what an [uncertain](super::Restarted::uncertain) line is told by.
    pub async fn send_sealed(
        &self,
        message_id: u64,
        to: &str,
        text: &str,
        envelope: Envelope,
    ) -> Result<Pending<WhisperReceipt>, Error> {
        let to = Username::parse(to).map_err(Error::refused)?;
        self.say(Recipient::Sealed(to, envelope), message_id, text, |outcome| whisper_receipt(&outcome)).await
    }
}
