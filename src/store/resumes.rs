//! Who may come back to which session: by tokens of which no more than a hash is kept.

use std::{collections::BTreeMap, sync::Arc};

use sqlx::query;

use super::{
    AccountId, FAMILY_BYTES, Resumable, StoreError, StoredResume,
    database::{Database, Question, Transaction},
    number,
    pages::{Pages, Second},
    resume::family_in,
    retention::STEP_ROWS,
    session_numbers,
    time::stored,
};

/// One whose account is gone is not stored.
const PUT: &str = "INSERT INTO resumes (family, session, account, name, name_key, token_hash, previous_hash, \
                   issued_ms, expires_ms, here) SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10 \
                   WHERE $3 IS NULL OR EXISTS (SELECT 1 FROM accounts WHERE id = $3) \
                   ON CONFLICT (family) DO UPDATE SET session = excluded.session, account = excluded.account, \
                   name = excluded.name, name_key = excluded.name_key, token_hash = excluded.token_hash, \
                   previous_hash = excluded.previous_hash, issued_ms = excluded.issued_ms, \
                   expires_ms = excluded.expires_ms, here = excluded.here";

/// The columns that [`Resumable::from_row`] reads.
macro_rules! columns {
    () => {
        "session, family, account, resumes.name AS name, resumes.name_key AS name_key, token_hash, previous_hash, \
         issued_ms, expires_ms, here, role, disabled FROM resumes LEFT JOIN accounts ON accounts.id = account "
    };
}
const FIND: &str = concat!("SELECT ", columns!(), "WHERE family = $1");
const HERE: &str = concat!(
    "SELECT session, 0, ",
    columns!(),
    "WHERE here = 1 AND (session, 0) > ($1, $2) ORDER BY 1 LIMIT $3"
);
const ROOMS_OF: &str = "SELECT conversation FROM resume_rooms WHERE session = $1 ORDER BY conversation";
const ROOMS_HERE: &str = "SELECT session, conversation FROM resume_rooms WHERE (session, conversation) > ($1, $2) \
                          AND EXISTS (SELECT 1 FROM resumes \
                          WHERE resumes.session = resume_rooms.session AND here = 1) ORDER BY 1, 2 LIMIT $3";
const SET_HERE: &str = "UPDATE resumes SET here = $2 WHERE session = $1";
const LEAVE_ROOMS: &str = "DELETE FROM resume_rooms WHERE session = $1";
/// Of a session that is not known it adds nothing.
const ENTER_ROOM: &str = "INSERT INTO resume_rooms (session, conversation) \
                          SELECT session, $2 FROM resumes WHERE session = $1 ON CONFLICT DO NOTHING";
const REVOKE: &str = "DELETE FROM resumes WHERE family = $1";
const REVOKE_ACCOUNT: &str = "DELETE FROM resumes WHERE account = $1 AND family <> $2 RETURNING family";
const EXPIRE: &str = "DELETE FROM resumes WHERE family IN \
                      (SELECT family FROM resumes WHERE expires_ms <= $1 ORDER BY expires_ms LIMIT $2)";
const FORGET_GUESTS: &str = "DELETE FROM resumes WHERE family IN \
                             (SELECT family FROM resumes WHERE here = 0 AND account IS NULL \
                              ORDER BY expires_ms DESC LIMIT $2 OFFSET $1)";

/// The sessions that may be resumed. Cheap to clone. They go with the account they are of, and with each go its rooms
/// and its [mailbox](super::Whispers).
#[derive(Clone)]
pub struct Resumes {
    pub(super) database: Arc<Database>,
}

impl Resumes {
    /// Stores them, all or none, in place of what was stored of their families. One whose account is gone by now is
    /// passed over. Returns how many were stored. [`StoreError::Taken`]: a session has another family already.
    pub async fn put(&self, resumes: &[StoredResume]) -> Result<u64, StoreError> {
        let mut transaction = self.database.begin().await?;
        let done = put(&mut transaction, resumes).await;
        transaction.settle(done).await
    }

    /// The session of a family, whether it has expired or not.
    pub async fn find(&self, family: [u8; FAMILY_BYTES]) -> Result<Option<Resumable>, StoreError> {
        let rows = self.database.rows(query(FIND).bind(family.to_vec())).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let mut found = Resumable::from_row(row)?;
        let rooms = query(ROOMS_OF).bind(number::stored(found.resume.session)?);
        let rooms = self.database.rows(rooms).await?;
        found.rooms =
            rooms.iter().map(|row| number::in_column(row, "conversation")).collect::<Result<_, _>>()?;
        Ok(Some(found))
    }

    /// All that are here, by session.
    pub async fn load_here(&self) -> Result<Vec<Resumable>, StoreError> {
        let mut here = BTreeMap::new();
        let mut snapshot = self.database.snapshot().await?;
        let mut pages = Pages::by(HERE, Second::Number(-1));
        while let Some(page) = pages.next(&mut snapshot).await? {
            for row in &page {
                let found = Resumable::from_row(row)?;
                here.insert(found.resume.session, found);
            }
        }
        let mut pages = Pages::by(ROOMS_HERE, Second::Number(-1));
        while let Some(page) = pages.next(&mut snapshot).await? {
            for row in &page {
                if let Some(found) = here.get_mut(&number::in_column(row, "session")?) {
                    found.rooms.push(number::in_column(row, "conversation")?);
                }
            }
        }
        snapshot.commit().await?;
        Ok(here.into_values().collect())
    }

    /// Says of sessions whether they are here, of all or of none. Those that are not known are passed over.
    pub async fn set_here(&self, sessions: &[(u64, bool)]) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        for (session, here) in sessions {
            let question = query(SET_HERE).bind(number::stored(*session)?).bind(i64::from(*here));
            transaction.run(question).await?;
        }
        transaction.commit().await
    }

    /// Says of sessions which rooms they are in, in place of what was said before, of all or of none. Those that are
    /// not known are passed over.
    pub async fn set_rooms(&self, rooms: &[(u64, Vec<u64>)]) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        for (session, rooms) in rooms {
            let session = number::stored(*session)?;
            transaction.run(query(LEAVE_ROOMS).bind(session)).await?;
            for room in rooms {
                transaction.run(query(ENTER_ROOM).bind(session).bind(number::stored(*room)?)).await?;
            }
        }
        transaction.commit().await
    }

    /// Nobody resumes with a token of this family any more; also where there is none.
    pub async fn revoke(&self, family: [u8; FAMILY_BYTES]) -> Result<(), StoreError> {
        self.database.run(query(REVOKE).bind(family.to_vec())).await.map(drop)
    }

    /// Nobody resumes a session of this account any more, but for one. Returns whose tokens are void now.
    pub async fn revoke_account(
        &self,
        account: AccountId,
        except: Option<[u8; FAMILY_BYTES]>,
    ) -> Result<Vec<[u8; FAMILY_BYTES]>, StoreError> {
        // No family is empty.
        let except = except.map(|family| family.to_vec()).unwrap_or_default();
        let mut transaction = self.database.begin().await?;
        let rows = transaction.rows(query(REVOKE_ACCOUNT).bind(account.0).bind(except)).await?;
        transaction.commit().await?;
        rows.iter().map(family_in).collect()
    }

    /// Forgets those that have expired, and of guests' that are not here all but the `guests_max` that expire last, in
    /// small transactions. Returns how many.
    pub async fn expire(&self, now_ms: u64, guests_max: u32) -> Result<u64, StoreError> {
        let mut expired = 0;
        for (question, from) in [(EXPIRE, stored(now_ms)), (FORGET_GUESTS, guests_max.into())] {
            loop {
                let step = self.database.run(query(question).bind(from).bind(STEP_ROWS)).await?;
                expired += step;
                if step < STEP_ROWS.cast_unsigned() {
                    break;
                }
            }
        }
        Ok(expired)
    }
}

async fn put(transaction: &mut Transaction, resumes: &[StoredResume]) -> Result<u64, StoreError> {
    let mut stored = 0;
    for resume in resumes {
        stored += transaction.run(resume.bind(query(PUT))?).await?;
    }
    session_numbers::note(transaction, resumes.iter().map(|resume| resume.session)).await?;
    Ok(stored)
}

impl StoredResume {
    /// Its columns, in the order of its fields.
    fn bind(&self, question: Question<'static>) -> Result<Question<'static>, StoreError> {
        Ok(question
            .bind(self.family.to_vec())
            .bind(number::stored(self.session)?)
            .bind(self.account.map(|account| account.0))
            .bind(self.person.shown.clone())
            .bind(self.person.key.clone())
            .bind(self.token_hash.to_vec())
            .bind(self.previous_hash.map(|hash| hash.to_vec()))
            .bind(stored(self.issued_ms))
            .bind(stored(self.expires_ms))
            .bind(i64::from(self.here)))
    }
}
