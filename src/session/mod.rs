//! Who someone is: names to sessions, accounts, logging in, and what a signed-in person may ask for.

mod accounts;
mod dispatch;
mod hashing;
mod login;
mod names;
mod password_rules;
mod rate_limit;
mod registry;
mod session;
mod throttle;

pub use accounts::AccountDesk;
pub use dispatch::Next;
pub use hashing::{Busy, Hasher, Verdict};
pub use login::Doorkeeper;
pub use names::{NAMES_VERSION, NameForms, NameRules, Skeleton};
pub use password_rules::Password;
pub use rate_limit::TokenBucket;
pub use registry::SessionRegistry;
pub use session::Session;
pub use throttle::{Throttle, network};
