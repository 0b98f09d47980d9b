//! What outlives the process: accounts, rooms, sanctions, what was said, who may come back, in SQLite or PostgreSQL.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), iocp_chat::store::StoreError> {
//! use iocp_chat::store::{NameForms, NewAccount, PasswordHash, Place, Role, Store, StoreError};
//!
//! let store = Store::open(&Place::memory()).await?;
//! let name = NameForms { shown: "Kim".into(), key: "kim".into(), skeleton: "kirn".into(), version: 1 };
//! let password = PasswordHash::parse("$argon2id$v=19$m=19456,t=2,p=1$...").expect("a PHC string");
//! let kim = NewAccount { name, password, created_ms: 1_784_974_272_000 };
//! let account = store.accounts().create(&kim, Role::User).await?;
//! assert_eq!(store.accounts().find("kim").await?, Some(account));
//! assert!(matches!(store.accounts().create(&kim, Role::User).await, Err(StoreError::Taken)));
//! store.close().await
//! # }
//! ```

mod account;
mod accounts;
mod admins;
mod archive;
mod archive_tables;
mod audit;
mod clock;
mod database;
mod device_keys;
mod epochs;
mod erase;
mod error;
#[cfg(test)]
mod fault_tests;
mod history;
mod history_pages;
mod ignores;
mod invites;
mod last_logins;
mod letter;
mod line;
mod mailbox_lines;
mod mailboxes;
mod many_rows;
mod names;
mod number;
mod page;
mod pages;
mod place;
mod postgres;
mod resume;
mod resumes;
mod retention;
mod role;
mod room;
mod rooms;
mod rooms_load;
mod sanction;
mod sanctions;
mod schema;
mod session_numbers;
mod sqlite;
mod store;
mod switches;
mod time;
mod token;
mod transfer;
mod whispers;

pub use account::{Account, AccountId, NameForms, NewAccount, PasswordHash};
pub use accounts::{Accounts, PAGE_ACCOUNTS_MAX};
pub use admins::AdminStep;
pub use archive::{ARCHIVE_LINE_BYTES_MAX, ArchiveError};
pub use audit::{Audit, AuditEntry, AuditId, AuditRecord, OPERATOR, PAGE_ENTRIES_MAX};
pub use chat_proto::Role;
pub use database::{ACQUIRE_TIMEOUT, ANSWER_TIMEOUT};
pub use device_keys::{DeviceKeys, PublishedKey, Publishing};
pub use epochs::{EpochEnd, LastEpoch};
pub use erase::Erased;
pub use error::{Cause, StoreError};
pub use history::{History, PAGE_CONVERSATIONS_MAX};
pub use ignores::{IGNORES_READ_MAX, Ignores};
pub use invites::{INVITES_MAX, Invite, InviteId, Invites, NewInvite};
pub use letter::{Keeping, Letter, LetterLimits, SentWhisper, StoredText};
pub use line::{Batch, Cursor, Line, LinePage, NewLine, PageLimit, SentLine, Told, ToldPage};
pub use mailbox_lines::{MailboxCut, NewWhispers};
pub use mailboxes::StoredMailbox;
pub use names::{MISFITS_MAX, Misfit};
pub use page::PAGE_LINES_MAX;
pub use place::{DATABASE_FILE, Place};
pub use resume::{FAMILY_BYTES, Owner, Resumable, StoredResume, TOKEN_HASH_BYTES};
pub use resumes::Resumes;
pub use retention::EPOCHS_KEPT_MAX;
pub use room::{NewRoom, PasswordDigest, Room, RoomChange, RoomRole, RoomSanction, RoomSettings, StoredRoom};
pub use rooms::Rooms;
pub use sanction::{FOR_GOOD, Person, Sanction};
pub use sanctions::{Sanctions, ServerSanction, Subject};
pub use schema::{Migrated, STEPS, Schema, Step};
pub use store::Store;
pub use switches::Switches;
pub use token::InviteToken;
pub use transfer::{IMPORT_LINE_BYTES_MAX, Imported, REFUSED_LINES_MAX, Refusal, TransferError};
pub use whispers::Whispers;
