//! Who someone is: names to sessions, accounts, logging in, and what a signed-in person may ask for.

mod accounts;
mod bans;
mod dispatch;
mod hashing;
mod ledger;
mod login;
mod moderation;
mod names;
mod password_rules;
mod rate_limit;
mod recall;
mod registry;
mod room_requests;
mod sanctions;
mod session;
mod throttle;

pub use accounts::AccountDesk;
use accounts::unavailable;
pub use bans::{BANS_MAX, Bans, Subject, Terms, parse_network};
pub use dispatch::{Next, Slow};
pub use hashing::{Busy, Hasher, Verdict};
pub use ledger::{LEDGER_ENTRIES, keep};
pub use login::Doorkeeper;
pub use moderation::{Actor, Order};
pub use names::{NAMES_VERSION, NameForms, NameRules, Skeleton};
pub use password_rules::Password;
pub use rate_limit::{TokenBucket, refused_for};
pub use recall::Recalled;
pub use registry::SessionRegistry;
pub use session::Session;
pub use throttle::{Throttle, network};
