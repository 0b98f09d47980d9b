//! The directory of device keys, to which whispers are sealed: what its owners and others do with it.

use chat_proto::{DeviceKey, ErrorCode, KeyEntry, KeysPage, List, NameKey, Refusal, Username, limits};

use super::{AccountDesk, Doorkeeper, accounts::unavailable};
use crate::store::{AccountId, PublishedKey, Publishing, StoreError};

impl Doorkeeper {
    /// Publishes a key of the owner of an account, or does nothing where it is published. [`ErrorCode::RoomLimit`] where
    /// they have too many.
    pub async fn publish_key(&self, account: AccountId, key: &DeviceKey, now: u64) -> Result<(), Refusal> {
        let Some(accounts) = self.accounts() else { return Err(no_accounts()) };
        let published = accounts.store().device_keys().publish(account, key, now, limits::DEVICE_KEYS_MAX);
        match published.await {
            Ok(Publishing::Published) => {
                tracing::info!(
                    event = "key_published",
                    account = account.get(),
                    "another device reads sealed whispers"
                );
                Ok(())
            }
            Ok(Publishing::Known) => Ok(()),
            Ok(Publishing::Full) => Err(Refusal::new(ErrorCode::RoomLimit)),
            // Deleted since.
            Err(StoreError::NotFound) => Err(no_accounts()),
            Err(error) => Err(unavailable(&error)),
        }
    }

    /// Takes a key of the owner of an account away, if it is there.
    pub async fn remove_key(&self, account: AccountId, key: &DeviceKey) -> Result<(), Refusal> {
        let Some(accounts) = self.accounts() else { return Err(no_accounts()) };
        match accounts.store().device_keys().remove(account, key).await {
            Ok(true) => {
                tracing::info!(
                    event = "key_removed",
                    account = account.get(),
                    "a device reads sealed whispers no more"
                );
                Ok(())
            }
            Ok(false) => Ok(()),
            Err(error) => Err(unavailable(&error)),
        }
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
