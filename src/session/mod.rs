//! Who someone is: names to sessions, logging in, and what a signed-in person may ask for.

mod dispatch;
mod login;
mod names;
mod password_rules;
mod registry;
mod session;

pub use dispatch::Next;
pub use login::Doorkeeper;
pub use names::{NAMES_VERSION, NameForms, NameRules, Skeleton};
pub use password_rules::Password;
pub use registry::SessionRegistry;
pub use session::Session;
