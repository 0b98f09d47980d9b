//! Names under new rules: when Unicode's tables change, every key and skeleton is made again.

use sqlx::{Row as _, query};

use super::{
    AccountId, Accounts, NameForms, StoreError,
    accounts::{PAGE_ACCOUNTS_MAX, count_in},
    database::Transaction,
};

/// Misfits that one rewriting reports. There may be more: put these in order, and rewrite again.
pub const MISFITS_MAX: usize = 1_000;

const COUNT: &str = "SELECT count(*) FROM accounts WHERE names_version < $1";
const LIST: &str = "SELECT id, name FROM accounts WHERE names_version < $1 AND id > $2 ORDER BY id LIMIT $3";
/// It looks first: an error would end PostgreSQL's transaction.
const REWRITE: &str = "UPDATE accounts SET name_key = $2, skeleton = $3, names_version = $4 \
                       WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM accounts AS other \
                       WHERE other.id <> $1 AND (other.name_key = $2 OR other.skeleton = $3))";
const HOLDER: &str =
    "SELECT name FROM accounts WHERE id <> $1 AND (name_key = $2 OR skeleton = $3) ORDER BY id LIMIT 1";

/// An account whose name has no place under the new rules. It keeps its old key and skeleton.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// The account.
    pub id: AccountId,
    /// Its name.
    pub name: String,
    /// The account whose name is now the same or looks it. None: the rules have no such names any more.
    pub collides_with: Option<String>,
}

impl Accounts {
    /// Accounts whose key and skeleton are from rules older than `version`.
    pub async fn count_outdated(&self, version: u32) -> Result<u64, StoreError> {
        count_in(&self.database.rows(query(COUNT).bind(i64::from(version))).await?)
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
        // A name may want a key that another is about to leave, so it goes round until nothing changes.
        loop {
            let mut misfits = Vec::new();
            let changed = self.rewrite_round(version, &forms, &mut misfits).await?;
            if changed == 0 || misfits.is_empty() {
                return Ok(misfits);
            }
        }
    }

    /// How many it could rewrite.
    async fn rewrite_round(
        &self,
        version: u32,
        forms: &(impl Fn(&str) -> Option<NameForms> + Send + Sync),
        misfits: &mut Vec<Misfit>,
    ) -> Result<u64, StoreError> {
        let mut changed = 0;
        let mut after = 0;
        loop {
            let mut transaction = self.database.begin().await?;
            let page = query(LIST).bind(i64::from(version)).bind(after).bind(i64::from(PAGE_ACCOUNTS_MAX));
            let page = transaction.rows(page).await?;
            for row in &page {
                after = row.try_get("id")?;
                let name: String = row.try_get("name")?;
                match rewrite(&mut transaction, version, AccountId(after), name, forms).await? {
                    None => changed += 1,
                    Some(misfit) if misfits.len() < MISFITS_MAX => misfits.push(misfit),
                    Some(_) => {}
                }
            }
            transaction.commit().await?;
            if page.len() < PAGE_ACCOUNTS_MAX as usize {
                return Ok(changed);
            }
        }
    }
}

async fn rewrite(
    transaction: &mut Transaction,
    version: u32,
    id: AccountId,
    name: String,
    forms: &(impl Fn(&str) -> Option<NameForms> + Send + Sync),
) -> Result<Option<Misfit>, StoreError> {
    let Some(NameForms { key, skeleton, .. }) = forms(&name) else {
        return Ok(Some(Misfit { id, name, collides_with: None }));
    };
    let question =
        query(REWRITE).bind(id.0).bind(key.as_str()).bind(skeleton.as_str()).bind(i64::from(version));
    if transaction.run(question).await? > 0 {
        return Ok(None);
    }
    let holders = transaction.rows(query(HOLDER).bind(id.0).bind(key).bind(skeleton)).await?;
    let collides_with = holders.first().map(|row| row.try_get("name")).transpose()?;
    Ok(Some(Misfit { id, name, collides_with }))
}
