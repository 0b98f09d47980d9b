//! Names under new rules: when Unicode's tables change, every key and skeleton is made again.

use sqlx::{Row as _, query};

use super::{
    AccountId, Accounts, NameForms, Rooms, StoreError,
    accounts::count_in,
    database::{Database, Transaction},
};

/// Misfits that one rewriting reports. There may be more: put these in order, and rewrite again.
pub const MISFITS_MAX: usize = 1_000;
/// Names that one transaction rewrites.
const PAGE_NAMES: usize = 500;

/// The statements for a table of names.
struct Named {
    count: &'static str,
    list: &'static str,
    /// It looks first: an error would end PostgreSQL's transaction.
    rewrite: &'static str,
    holder: &'static str,
}

const ACCOUNTS: Named = Named {
    count: "SELECT count(*) FROM accounts WHERE names_version < $1",
    list: "SELECT id, name FROM accounts WHERE names_version < $1 AND id > $2 ORDER BY id LIMIT $3",
    rewrite: "UPDATE accounts SET name_key = $2, skeleton = $3, names_version = $4 \
              WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM accounts AS other \
              WHERE other.id <> $1 AND (other.name_key = $2 OR other.skeleton = $3))",
    holder: "SELECT name FROM accounts WHERE id <> $1 AND (name_key = $2 OR skeleton = $3) ORDER BY id LIMIT 1",
};

const ROOMS: Named = Named {
    count: "SELECT count(*) FROM rooms WHERE names_version < $1",
    list: "SELECT conversation, name FROM rooms WHERE names_version < $1 AND conversation > $2 \
           ORDER BY conversation LIMIT $3",
    rewrite: "UPDATE rooms SET name_key = $2, skeleton = $3, names_version = $4 \
              WHERE conversation = $1 AND NOT EXISTS (SELECT 1 FROM rooms AS other \
              WHERE other.conversation <> $1 AND (other.name_key = $2 OR other.skeleton = $3))",
    holder: "SELECT name FROM rooms WHERE conversation <> $1 AND (name_key = $2 OR skeleton = $3) \
             ORDER BY conversation LIMIT 1",
};

/// What has a name that has no place under the new rules: an account, or a room by its number. It keeps its old key
/// and skeleton.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit<Id = AccountId> {
    /// The account, or the room's number.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// The one whose name is now the same or looks it. None: the rules have no such names any more.
    pub collides_with: Option<String>,
}

impl Accounts {
    /// Accounts whose key and skeleton are from rules older than `version`.
    pub async fn count_outdated(&self, version: u32) -> Result<u64, StoreError> {
        ACCOUNTS.count_outdated(&self.database, version).await
    }

    /// Makes key and skeleton of every name from rules older than `version` again, by `forms`, which has none for a
    /// name that the rules do not have any more. Returns what stays as it was, for a person to decide.
    ///
    /// It works in small transactions, beside those who log in. Cut off, it goes on from there the next time. If
    /// somebody registers at that very moment the name that another is rewritten to, it ends with
    /// [`StoreError::Taken`]: try again.
    pub async fn rewrite_names(
        &self,
        version: u32,
        forms: impl Fn(&str) -> Option<NameForms> + Send + Sync,
    ) -> Result<Vec<Misfit>, StoreError> {
        let misfits = ACCOUNTS.rewrite_names(&self.database, version, &forms).await?;
        Ok(misfits.into_iter().map(|misfit| misfit.with_id(AccountId)).collect())
    }
}

impl Rooms {
    /// Rooms whose key and skeleton are from rules older than `version`.
    pub async fn count_outdated(&self, version: u32) -> Result<u64, StoreError> {
        ROOMS.count_outdated(&self.database, version).await
    }

    /// As [`Accounts::rewrite_names`], for the names of rooms.
    pub async fn rewrite_names(
        &self,
        version: u32,
        forms: impl Fn(&str) -> Option<NameForms> + Send + Sync,
    ) -> Result<Vec<Misfit<u64>>, StoreError> {
        let misfits = ROOMS.rewrite_names(&self.database, version, &forms).await?;
        Ok(misfits.into_iter().map(|misfit| misfit.with_id(i64::cast_unsigned)).collect())
    }
}

impl Misfit<i64> {
    fn with_id<Id>(self, id: impl FnOnce(i64) -> Id) -> Misfit<Id> {
        Misfit { id: id(self.id), name: self.name, collides_with: self.collides_with }
    }
}

impl Named {
    async fn count_outdated(&self, database: &Database, version: u32) -> Result<u64, StoreError> {
        count_in(&database.rows(query(self.count).bind(i64::from(version))).await?)
    }

    async fn rewrite_names(
        &self,
        database: &Database,
        version: u32,
        forms: &(impl Fn(&str) -> Option<NameForms> + Send + Sync),
    ) -> Result<Vec<Misfit<i64>>, StoreError> {
        // A name may want a key that another is about to leave, so it goes round until nothing changes.
        loop {
            let mut misfits = Vec::new();
            let changed = self.rewrite_round(database, version, forms, &mut misfits).await?;
            if changed == 0 || misfits.is_empty() {
                return Ok(misfits);
            }
        }
    }

    /// How many it could rewrite.
    async fn rewrite_round(
        &self,
        database: &Database,
        version: u32,
        forms: &(impl Fn(&str) -> Option<NameForms> + Send + Sync),
        misfits: &mut Vec<Misfit<i64>>,
    ) -> Result<u64, StoreError> {
        let limit = i64::try_from(PAGE_NAMES).expect("a few");
        let mut changed = 0;
        let mut after = -1;
        loop {
            let mut transaction = database.begin().await?;
            let page = query(self.list).bind(i64::from(version)).bind(after).bind(limit);
            let page = transaction.rows(page).await?;
            for row in &page {
                after = row.try_get(0)?;
                let name: String = row.try_get("name")?;
                match self.rewrite(&mut transaction, version, after, name, forms).await? {
                    None => changed += 1,
                    Some(misfit) if misfits.len() < MISFITS_MAX => misfits.push(misfit),
                    Some(_) => {}
                }
            }
            transaction.commit().await?;
            if page.len() < PAGE_NAMES {
                return Ok(changed);
            }
        }
    }

    async fn rewrite(
        &self,
        transaction: &mut Transaction,
        version: u32,
        id: i64,
        name: String,
        forms: &(impl Fn(&str) -> Option<NameForms> + Send + Sync),
    ) -> Result<Option<Misfit<i64>>, StoreError> {
        let Some(NameForms { key, skeleton, .. }) = forms(&name) else {
            return Ok(Some(Misfit { id, name, collides_with: None }));
        };
        let question =
            query(self.rewrite).bind(id).bind(key.as_str()).bind(skeleton.as_str()).bind(i64::from(version));
        if transaction.run(question).await? > 0 {
            return Ok(None);
        }
        let holders = transaction.rows(query(self.holder).bind(id).bind(key).bind(skeleton)).await?;
        let collides_with = holders.first().map(|row| row.try_get("name")).transpose()?;
        Ok(Some(Misfit { id, name, collides_with }))
    }
}
