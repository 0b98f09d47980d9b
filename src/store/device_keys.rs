//! The public keys of each account's devices, to which whispers are sealed.

use std::sync::Arc;

use chat_proto::{DeviceKey, KeyId};
use sqlx::{Row as _, any::AnyRow, query};

use super::{
    AccountId, StoreError,
    accounts::count_in,
    database::{Database, Transaction},
    time::{from_stored, stored},
};

/// Locks the account's row: of two devices that publish at once, the second waits, and counts the first.
const LOCK: &str = "UPDATE accounts SET role = role WHERE id = $1";
const COUNT_OTHERS: &str = "SELECT count(*) FROM device_keys WHERE account = $1 AND key <> $2";
/// A key that is there keeps its time.
const PUBLISH: &str =
    "INSERT INTO device_keys (account, key, published_ms) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const REMOVE: &str = "DELETE FROM device_keys WHERE account = $1 AND key = $2";
const OF_ACCOUNT: &str = "SELECT key FROM device_keys WHERE account = $1";
const OF: &str = "SELECT key, published_ms FROM device_keys \
                  WHERE account = (SELECT id FROM accounts WHERE name_key = $1) ORDER BY id";

/// The keys. Cheap to clone. They go with the account.
#[derive(Clone)]
pub struct DeviceKeys {
    pub(super) database: Arc<Database>,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishedKey {
    /// The key.
    pub key: DeviceKey,
    /// Since when it is there: milliseconds since 1970 UTC.
    pub published_ms: u64,
}

/// What became of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publishing {
    /// It is there.
    Published,
    /// It was there already.
    Known,
    /// It is one too many.
    Full,
}

impl DeviceKeys {
    /// Publishes a key of an account, as one of at most `keys_max`. [`StoreError::NotFound`]: there is no such account.
    pub async fn publish(
        &self,
        account: AccountId,
        key: &DeviceKey,
        now_ms: u64,
        keys_max: u16,
    ) -> Result<Publishing, StoreError> {
        let mut transaction = self.database.begin().await?;
        let done = publish(&mut transaction, account, key, now_ms, keys_max).await;
        transaction.settle(done).await
    }

    /// Takes a key away; whether it was there.
    pub async fn remove(&self, account: AccountId, key: &DeviceKey) -> Result<bool, StoreError> {
        let removed = self.database.run(query(REMOVE).bind(account.0).bind(key.0.to_vec())).await?;
        Ok(removed > 0)
    }

    /// The keys of the account whose name has this key, the oldest first; none of an account that is not there.
    pub async fn of(&self, name_key: &str) -> Result<Vec<PublishedKey>, StoreError> {
        let rows = self.database.rows(query(OF).bind(name_key)).await?;
        rows.iter().map(PublishedKey::from_row).collect()
    }
}

impl PublishedKey {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self { key: key_of(row)?, published_ms: from_stored(row.try_get("published_ms")?) })
    }
}

fn key_of(row: &AnyRow) -> Result<DeviceKey, StoreError> {
    let key: Vec<u8> = row.try_get("key")?;
    let key = key.try_into().map_err(|_| StoreError::Corrupt("a device key that is not 32 bytes".into()))?;
    Ok(DeviceKey(key))
}

/// Which devices an account has keys of.
pub(super) async fn ids_of(
    transaction: &mut Transaction,
    account: AccountId,
) -> Result<Vec<KeyId>, StoreError> {
    let rows = transaction.rows(query(OF_ACCOUNT).bind(account.0)).await?;
    rows.iter().map(|row| key_of(row).map(|key| KeyId::of(&key))).collect()
}

async fn publish(
    transaction: &mut Transaction,
    account: AccountId,
    key: &DeviceKey,
    now_ms: u64,
    keys_max: u16,
) -> Result<Publishing, StoreError> {
    transaction.change(query(LOCK).bind(account.0)).await?;
    let others = transaction.rows(query(COUNT_OTHERS).bind(account.0).bind(key.0.to_vec())).await?;
    if count_in(&others)? >= keys_max.into() {
        return Ok(Publishing::Full);
    }
    let question = query(PUBLISH).bind(account.0).bind(key.0.to_vec()).bind(stored(now_ms));
    let made = transaction.run(question).await? > 0;
    Ok(if made { Publishing::Published } else { Publishing::Known })
}
