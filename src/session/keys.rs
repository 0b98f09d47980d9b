//! The directory of device keys, to which whispers are sealed: what its owners and others do with it.

use std::sync::Arc;

use chat_proto::{DeviceKey, ErrorCode, KeyEntry, KeysPage, List, NameKey, Refusal, Username, limits};

use super::{AccountDesk, Doorkeeper, accounts::unavailable};
use crate::{
    room::Subscriber,
    store::{AccountId, PublishedKey, Publishing, StoreError},
};

impl Doorkeeper {
    /// Publishes a key of the owner of an account, or leaves it where it is published, and hands over to their session what
    /// has been kept for its device. [`ErrorCode::RoomLimit`] where they have too many.
    pub async fn publish_key(
        &self,
        account: AccountId,
        session: &Arc<Subscriber>,
        key: &DeviceKey,
        now: u64,
    ) -> Result<(), Refusal> {
        let Some(accounts) = self.accounts() else { return Err(no_accounts()) };
        let published = accounts.store().device_keys().publish(account, key, now, limits::DEVICE_KEYS_MAX);
        match published.await {
            Ok(Publishing::Published) => {
                tracing::info!(
                    event = "key_published",
                    account = account.get(),
                    "another device reads sealed whispers"
                );
            }
            Ok(Publishing::Known) => {}
            Ok(Publishing::Full) => return Err(Refusal::new(ErrorCode::RoomLimit)),
            // Deleted since.
            Err(StoreError::NotFound) => return Err(no_accounts()),
            Err(error) => return Err(unavailable(&error)),
        }
        session.show_device(key);
        // What cannot be read now is handed over with what is kept next.
        if self.hand_over_letters(account, session, now).await.is_ok() {
            session.catch_up();
        }
        Ok(())
    }

    /// Takes a key of the owner of an account away, if it is there, and hands over to their session what was sealed to none
    /// but its device: it would wait for nobody.
    pub async fn remove_key(
        &self,
        account: AccountId,
        session: &Arc<Subscriber>,
        key: &DeviceKey,
        now: u64,
    ) -> Result<(), Refusal> {
        let Some(accounts) = self.accounts() else { return Err(no_accounts()) };
        let removed = accounts.store().device_keys().remove(account, key).await;
        if removed.map_err(|error| unavailable(&error))? {
            tracing::info!(
                event = "key_removed",
                account = account.get(),
                "a device reads sealed whispers no more"
            );
        }
        session.hide_device(key);
        // As above.
        let _ = self.hand_over_letters(account, session, now).await;
        Ok(())
    }

    /// The keys that somebody has published: none of whom nobody knows.
    pub async fn keys_of(&self, name: &Username) -> Result<KeysPage, Refusal> {
        let keys = match self.accounts() {
            Some(accounts) => accounts.keys_of(&name.key()).await?,
            None => Vec::new(),
        };
        let entry = |PublishedKey { key, published_ms }| KeyEntry { key, time_ms: published_ms };
        Ok(KeysPage { entries: List(keys.into_iter().map(entry).collect()) })
    }
}

impl AccountDesk {
    /// The keys that the owner of the account of this name has published.
    pub(super) async fn keys_of(&self, key: &NameKey) -> Result<Vec<PublishedKey>, Refusal> {
        self.store().device_keys().of(key.as_str()).await.map_err(|error| unavailable(&error))
    }
}

fn no_accounts() -> Refusal {
    Refusal::new(ErrorCode::PermissionDenied)
}
