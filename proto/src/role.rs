//! What a person may do on a server, as a number on the wire and a word for people.

use std::{fmt, str::FromStr};

/// What a person may do. The numbers never change meaning; who has a higher one may do more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum Role {
    /// Has no account.
    #[default]
    Guest = 0,
    /// Has an account.
    User = 1,
    /// Keeps order.
    Moderator = 2,
    /// May do everything.
    Admin = 3,
}

impl Role {
    /// All of them, from the least.
    pub const ALL: [Self; 4] = [Self::Guest, Self::User, Self::Moderator, Self::Admin];

    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::User => "user",
            Self::Moderator => "moderator",
            Self::Admin => "admin",
        }
    }

    /// The role of a number; `None` of one that a later version may know.
    #[must_use]
    pub fn of_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|role| *role as u16 == number)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = &'static str;

    /// Reads what [`name`](Self::name) says, but `guest`, which is nobody's role that has an account.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let has_account = |role: &Self| *role != Self::Guest && role.name() == name;
        Self::ALL.into_iter().find(has_account).ok_or("user, moderator or admin")
    }
}
