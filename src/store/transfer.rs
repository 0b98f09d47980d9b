//! Accounts as JSON Lines, out of one database and into another.

use std::io::{self, BufRead, Read as _, Write};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    Account, Accounts, NameForms, NewAccount, PasswordHash, Role, StoreError,
    accounts::{PAGE_ACCOUNTS_MAX, Past, insert},
    role,
};

/// Bytes of a line to import, its end included. Ours have about 300.
pub const IMPORT_LINE_BYTES_MAX: u64 = 4_096;
/// Refused lines that a report lists; the others are counted.
pub const REFUSED_LINES_MAX: usize = 1_000;
/// Lines that are imported together. Others who write wait that long.
const BATCH_LINES: usize = 200;

/// An account on one line. Key and skeleton are not in it: they are made anew, by the rules there are then.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountLine {
    name: String,
    password: String,
    #[serde(with = "role")]
    role: Role,
    #[serde(default)]
    disabled: bool,
    created_ms: u64,
    #[serde(default)]
    last_login_ms: Option<u64>,
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Accounts that were made.
    pub added: u64,
    /// Lines that made none.
    pub refused: u64,
    /// The first [`REFUSED_LINES_MAX`] of these: their numbers, from 1, and why.
    pub refusals: Vec<(u64, Refusal)>,
}

/// Why a line makes no account.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// It is no JSON object with the fields of an account, or not in UTF-8.
    #[error("no account: {0}")]
    NotAnAccount(String),
    /// It is longer than [`IMPORT_LINE_BYTES_MAX`].
    #[error("longer than {IMPORT_LINE_BYTES_MAX} bytes")]
    TooLong,
    /// The rules have no such name.
    #[error("{0:?} is no name here")]
    Name(String),
    /// The password is not hashed.
    #[error("the password of {0:?} is no PHC string")]
    Password(String),
    /// Another account, in the database or on an earlier line, has the name or one that looks like it.
    #[error("the name {0:?} is taken")]
    Taken(String),
}

/// Why an export or import ended early.
#[derive(Debug, Error)]
pub enum TransferError {
    /// The lines cannot be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The database. What was imported before stays; imported again, those lines are refused as taken.
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Writes every account as a line, oldest first, with its password's hash: whoever reads the file can try
    /// passwords on it. Returns how many. Accounts made meanwhile are in it, those deleted may be.
    pub async fn export(&self, out: &mut (impl Write + Send)) -> Result<u64, TransferError> {
        let mut count = 0;
        let mut after = None;
        loop {
            let page = self.list(after, PAGE_ACCOUNTS_MAX).await?;
            for account in &page {
                serde_json::to_writer(&mut *out, &AccountLine::from(account)).map_err(io::Error::from)?;
                out.write_all(b"\n")?;
            }
            count += page.len() as u64;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
        }
        out.flush()?;
        Ok(count)
    }

    /// Makes an account of every line that can be one, `forms` making its name's forms, none for what is no name. A
    /// line that cannot is passed over and reported. Blank lines and a byte order mark are nothing.
    pub async fn import(
        &self,
        lines: &mut (impl BufRead + Send),
        forms: impl Fn(&str) -> Option<NameForms> + Send + Sync,
    ) -> Result<Imported, TransferError> {
        let mut imported = Imported::default();
        let mut number = 0;
        loop {
            let mut batch = Vec::new();
            let mut read = 0;
            while read < BATCH_LINES
                && let Some(line) = next_line(lines, IMPORT_LINE_BYTES_MAX)?
            {
                read += 1;
                number += 1;
                match line.and_then(|line| parse(&line, number, &forms)) {
                    Ok(Some((new, past))) => batch.push((number, new, past)),
                    Ok(None) => {}
                    Err(refusal) => imported.refuse(number, refusal),
                }
            }
            self.insert_all(batch, &mut imported).await?;
            if read < BATCH_LINES {
                return Ok(imported);
            }
        }
    }

    async fn insert_all(
        &self,
        batch: Vec<(u64, NewAccount, Past)>,
        imported: &mut Imported,
    ) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        let mut added = 0;
        for (number, new, past) in batch {
            match insert(&mut transaction, &new, past).await {
                Ok(_) => added += 1,
                Err(StoreError::Taken) => imported.refuse(number, Refusal::Taken(new.name.shown)),
                Err(error) => return Err(error),
            }
        }
        transaction.commit().await?;
        imported.added += added;
        Ok(())
    }
}

impl Imported {
    fn refuse(&mut self, number: u64, refusal: Refusal) {
        self.refused += 1;
        if self.refusals.len() < REFUSED_LINES_MAX {
            self.refusals.push((number, refusal));
        }
    }
}

impl From<&Account> for AccountLine {
    fn from(account: &Account) -> Self {
        Self {
            name: account.name.clone(),
            password: account.password.as_str().into(),
            role: account.role,
            disabled: account.disabled,
            created_ms: account.created_ms,
            last_login_ms: account.last_login_ms,
        }
    }
}

/// The next line, or none at the end. Of one that is longer than `limit`, its end included, no more is kept.
pub(super) fn next_line(
    lines: &mut impl BufRead,
    limit: u64,
) -> io::Result<Option<Result<Vec<u8>, Refusal>>> {
    let mut line = Vec::new();
    if lines.by_ref().take(limit).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') && line.len() as u64 == limit {
        lines.skip_until(b'\n')?;
        return Ok(Some(Err(Refusal::TooLong)));
    }
    Ok(Some(Ok(line)))
}

/// What a line says, if it says something.
fn parse(
    line: &[u8],
    number: u64,
    forms: impl Fn(&str) -> Option<NameForms>,
) -> Result<Option<(NewAccount, Past)>, Refusal> {
    let mark: &[u8] = if number == 1 { "\u{feff}".as_bytes() } else { b"" };
    let line = line.strip_prefix(mark).unwrap_or(line).trim_ascii();
    if line.is_empty() {
        return Ok(None);
    }
    let AccountLine { name, password, role, disabled, created_ms, last_login_ms } =
        serde_json::from_slice(line).map_err(|error| Refusal::NotAnAccount(error.to_string()))?;
    let Some(password) = PasswordHash::parse(&password) else { return Err(Refusal::Password(name)) };
    let Some(forms) = forms(&name) else { return Err(Refusal::Name(name)) };
    let new = NewAccount { name: forms, password, created_ms };
    Ok(Some((new, Past { role, disabled, last_login_ms })))
}
