//! All that a database holds as JSON Lines, out of one and into another, SQLite or PostgreSQL.

use std::io::{self, BufRead, Write};

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::{Row as _, any::AnyRow, query};
use thiserror::Error;

use super::{
    Store, StoreError,
    archive_tables::{Kind, TABLES, Table},
    database::{Question, Transaction},
    pages::{Pages, Second},
    schema::STEPS,
    transfer::next_line,
};

/// Bytes of an archive's line, its end included: the longest topic and reason, every character escaped, with room to
/// spare.
pub const ARCHIVE_LINE_BYTES_MAX: u64 = 65_536;

/// First the schema, then the rows, then how many these were: an archive that was cut off is known by that.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Schema(u32),
    Row { table: String, values: Map<String, Value> },
    Rows(u64),
}

/// Why an archive was not written or not read to its end. Nothing of one that was not is in the database.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// It cannot be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The database.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The database to fill has something in it.
    #[error("the database is not empty: it has {0}")]
    NotEmpty(&'static str),
    /// The archive is of another version: the program that made it is older or newer.
    #[error("the archive has schema version {found}, this program has {known}")]
    Version {
        /// The archive's.
        found: u32,
        /// This program's.
        known: u32,
    },
    /// A line of it is no line of an archive, or does not belong where it is.
    #[error("line {number}: {problem}")]
    Line {
        /// Which, from 1.
        number: u64,
        /// Why.
        problem: String,
    },
}

impl Store {
    /// Writes all that the database holds, as it is at one moment: hashes and digests of passwords included, so that
    /// whoever reads it can try passwords on them. Returns how many rows. Numbers of accounts, of invites and of the
    /// audit log's entries are not in it: each database has its own. Nor is who may resume which session, and what was
    /// whispered to them: after a move everybody logs in anew.
    pub async fn export(&self, out: &mut (impl Write + Send)) -> Result<u64, ArchiveError> {
        let mut count = 0;
        write_line(out, &Line::Schema(known()))?;
        let mut snapshot = self.database.snapshot().await?;
        for table in TABLES {
            let mut pages = Pages::by(table.read, table.first());
            while let Some(page) = pages.next(&mut snapshot).await? {
                for row in &page {
                    write_line(out, &Line::Row { table: table.name.into(), values: table.values(row)? })?;
                }
                count += page.len() as u64;
            }
        }
        snapshot.commit().await?;
        write_line(out, &Line::Rows(count))?;
        out.flush()?;
        Ok(count)
    }

    /// Fills a database that is empty with all that another held, or with nothing. Returns how many rows. Keys and
    /// skeletons come with the version of the rules that made them, and are to be rewritten where that is an old one.
    pub async fn import(&self, lines: &mut (impl BufRead + Send)) -> Result<u64, ArchiveError> {
        let mut transaction = self.database.begin().await?;
        for table in TABLES {
            let first = table.first().bind(query(table.read).bind(-1_i64)).bind(1_i64);
            if !transaction.rows(first).await?.is_empty() {
                transaction.rollback().await?;
                return Err(ArchiveError::NotEmpty(table.name));
            }
        }
        let count = import(&mut transaction, lines).await?;
        transaction.commit().await?;
        Ok(count)
    }
}

async fn import(
    transaction: &mut Transaction,
    lines: &mut (impl BufRead + Send),
) -> Result<u64, ArchiveError> {
    let mut number = 0;
    loop {
        let read = next_line(lines, ARCHIVE_LINE_BYTES_MAX)?;
        number += 1;
        let wrong = |problem: String| ArchiveError::Line { number, problem };
        let line = match read {
            Some(Ok(line)) => serde_json::from_slice(&line).map_err(|error| wrong(error.to_string()))?,
            Some(Err(_)) => return Err(wrong(format!("longer than {ARCHIVE_LINE_BYTES_MAX} bytes"))),
            None => return Err(wrong("the archive was cut off before it".into())),
        };
        match line {
            Line::Schema(found) if number == 1 => {
                if found != known() {
                    return Err(ArchiveError::Version { found, known: known() });
                }
            }
            Line::Row { table, values } if number > 1 => {
                let table = TABLES.iter().find(|known| known.name == table);
                let table = table.ok_or_else(|| wrong("there is no such table".into()))?;
                let question = table.bind(&values).map_err(wrong)?;
                match transaction.change(question).await {
                    Err(StoreError::NotFound) => return Err(wrong("it refers to what is not there".into())),
                    Err(StoreError::Taken) => return Err(wrong("another has its name or number".into())),
                    done => done?,
                }
            }
            // The first line and this one are no rows.
            Line::Rows(rows) if rows + 2 == number => return Ok(rows),
            _ => return Err(wrong("it does not belong here".into())),
        }
    }
}

impl Table {
    /// Before all that the second column has.
    fn first(&self) -> Second {
        if self.by_numbers { Second::Number(-1) } else { Second::Text(String::new()) }
    }

    fn values(&self, row: &AnyRow) -> Result<Map<String, Value>, StoreError> {
        let columns = self.columns.iter().enumerate();
        columns.map(|(at, (name, kind))| Ok(((*name).into(), kind.value(row, at + 2)?))).collect()
    }

    fn bind(&self, values: &Map<String, Value>) -> Result<Question<'static>, String> {
        if values.len() != self.columns.len() {
            return Err(format!("{} have {} columns", self.name, self.columns.len()));
        }
        self.columns.iter().try_fold(query(self.insert), |question, (name, kind)| {
            let value = values.get(*name).ok_or_else(|| format!("it has no {name}"))?;
            kind.bind(question, value).ok_or_else(|| format!("{name} is no {kind:?}"))
        })
    }
}

impl Kind {
    fn value(self, row: &AnyRow, at: usize) -> Result<Value, StoreError> {
        Ok(match self {
            Self::Integer | Self::MaybeInteger => row.try_get::<Option<i64>, _>(at)?.into(),
            Self::Text | Self::MaybeText => row.try_get::<Option<String>, _>(at)?.into(),
            Self::Blob | Self::MaybeBlob => {
                row.try_get::<Option<Vec<u8>>, _>(at)?.map(|bytes| HEXLOWER.encode(&bytes)).into()
            }
        })
    }

    fn bind(self, question: Question<'static>, value: &Value) -> Option<Question<'static>> {
        Some(match (self, value) {
            (Self::MaybeInteger, Value::Null) => question.bind(None::<i64>),
            (Self::MaybeText, Value::Null) => question.bind(None::<String>),
            (Self::MaybeBlob, Value::Null) => question.bind(None::<Vec<u8>>),
            (Self::Integer | Self::MaybeInteger, value) => question.bind(value.as_i64()?),
            (Self::Text | Self::MaybeText, value) => question.bind(value.as_str()?.to_owned()),
            (Self::Blob | Self::MaybeBlob, value) => question.bind(bytes(value.as_str()?)?),
        })
    }
}

fn write_line(out: &mut impl Write, line: &Line) -> Result<(), ArchiveError> {
    serde_json::to_writer(&mut *out, line).map_err(io::Error::from)?;
    Ok(out.write_all(b"\n")?)
}

fn known() -> u32 {
    u32::try_from(STEPS.len()).expect("few steps")
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_from_hexadecimal_and_from_nothing_else() {
        let all: Vec<u8> = (0..=u8::MAX).collect();
        assert_eq!(bytes(&HEXLOWER.encode(&all)), Some(all));
        for text in ["0", "0g", "+1", "홍길", "0x00"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }
}
