//! Which names a server takes, and what a name is compared by.

#[cfg(test)]
mod look_alike_tests;
mod reserved;
mod script;
mod skeleton;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use chat_proto::{ErrorCode, NameKey, Username};

pub use skeleton::Skeleton;

use crate::{config::NamePolicy, store};

/// Stored beside every stored [`NameForms`]. It changes whenever they may: with each version of Unicode's tables and
/// with each change of how forms are made. What was stored under another version is made anew from the shown name.
pub const NAMES_VERSION: u32 = 1;

/// What must not be there twice: of two names, neither the keys nor the skeletons may be equal.
///
/// Names of equal keys are one name and have equal skeletons. Names of equal skeletons and different keys are two
/// names that can be mistaken for each other: whoever has the second one is an impostor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NameForms {
    /// By which a name is found.
    pub key: NameKey,
    /// By which its look-alikes are.
    pub skeleton: Skeleton,
}

impl NameForms {
    /// The forms of a name that need not be judged: one that was taken before, or is only looked for.
    #[must_use]
    pub fn of(name: &Username) -> Self {
        let key = name.key();
        Self { skeleton: Skeleton::of(&key), key }
    }

    /// As they are stored, with the name as it is shown.
    #[must_use]
    pub fn stored(&self, shown: &Username) -> store::NameForms {
        store::NameForms {
            shown: shown.as_str().into(),
            key: self.key.as_str().into(),
            skeleton: self.skeleton.as_str().into(),
            version: NAMES_VERSION,
        }
    }
}

/// Which names a server takes, from its settings.
#[derive(Clone, Debug)]
pub struct NameRules {
    policy: NamePolicy,
    /// Without `_`, `-` and `.`, which do not make "ad.min" another word.
    reserved: HashSet<String>,
}

impl NameRules {
    /// The rules of a policy, with names to reserve besides the built-in ones.
    #[must_use]
    pub fn new(policy: NamePolicy, reserved: &[Username]) -> Self {
        let built_in =
            reserved::NAMES.iter().map(|name| Username::parse(name).expect("reserved names are names"));
        let reserved = built_in
            .chain(reserved.iter().cloned())
            .map(|name| NameForms::of(&name).skeleton.without_separators())
            .collect();
        Self { policy, reserved }
    }

    /// The forms of a name that anybody may take, if nobody has it or one that looks like it; else
    /// [`ErrorCode::NameInvalid`]: its writing is not allowed here, or it is reserved or looks like a reserved name.
    ///
    /// Whether it is in use is better asked before ([`NameForms::of`]): then "аlice" with a Cyrillic а is refused
    /// as a look-alike where there is an "alice", and as mixed writing where there is none.
    pub fn judge(&self, name: &Username) -> Result<NameForms, ErrorCode> {
        let forms = self.judge_reserved(name)?;
        if self.reserved.contains(&forms.skeleton.without_separators()) {
            return Err(ErrorCode::NameInvalid);
        }
        Ok(forms)
    }

    /// As [`Self::judge`], but for an operator, who may give a reserved name away.
    pub fn judge_reserved(&self, name: &Username) -> Result<NameForms, ErrorCode> {
        let forms = NameForms::of(name);
        if script::is_allowed(self.policy, name, &forms.key) {
            Ok(forms)
        } else {
            Err(ErrorCode::NameInvalid)
        }
    }
}
