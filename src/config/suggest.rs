//! What somebody may have meant who wrote a key that there is not.

use strsim::{jaro_winkler, normalized_damerau_levenshtein};

use super::keys::{keys, split};

/// From here on two names of one section are alike.
const NAMES_ALIKE: f64 = 0.82;
/// From here on two whole paths are.
const PATHS_ALIKE: f64 = 0.72;
/// From here on the names of two variables are. Others begin with the same word: those of the client, and those that a
/// cluster makes for a service of that name.
const VARIABLES_ALIKE: f64 = 0.8;

/// The key or section that is most likely meant.
pub(super) fn suggest(path: &str) -> Option<&'static str> {
    let path = path.to_lowercase().replace('-', "_");
    let scored = keys().paths().filter_map(|known| Some((score(&path, known)?, known)));
    scored.max_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, known)| known)
}

/// The variable of these that is most likely meant by one that is none of them; nothing, where that is somebody else's.
pub(super) fn suggest_variable<'v>(name: &str, variables: &'v [String]) -> Option<&'v str> {
    // One underscore for two is the most likely slip.
    let folded = |name: &str| name.replace("__", "_");
    let (prefix, wrong) = name.split_once('_')?;
    let scored = variables.iter().filter_map(|known| {
        let rest = known.strip_prefix(prefix)?.strip_prefix('_')?;
        Some((normalized_damerau_levenshtein(&folded(wrong), &folded(rest)), known))
    });
    let (score, meant) = scored.max_by(|(one, _), (other, _)| one.total_cmp(other))?;
    (score >= VARIABLES_ALIKE).then_some(meant)
}

/// How alike two paths are, if they are.
fn score(wrong: &str, known: &str) -> Option<f64> {
    if wrong == known {
        return Some(2.0);
    }
    let ((outer, name), (known_outer, known_name)) = (split(wrong), split(known));
    let names = jaro_winkler(name, known_name);
    if outer == known_outer && names >= NAMES_ALIKE {
        return Some(names);
    }
    let paths = normalized_damerau_levenshtein(wrong, known);
    if paths >= PATHS_ALIKE {
        return Some(paths);
    }
    // The right name in the wrong section, if only one has it.
    let is_only = || keys().paths().filter(|path| split(path).1 == name).count() == 1;
    (name == known_name && is_only()).then_some(PATHS_ALIKE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognized_and_what_is_like_nothing_is_not() {
        for (wrong, meant) in [
            ("limits.conections", Some("limits.connections")),
            ("limits.per-address", Some("limits.per_address")),
            ("Limits.Guests", Some("limits.guests")),
            ("limit", Some("limits")),
            ("limit.connections", Some("limits.connections")),
            ("connections", Some("limits.connections")),
            ("timeouts.burst", None),
            ("rates.chat.burts", Some("rates.chat.burst")),
            ("rates.chatt.burst", Some("rates.chat.burst")),
            ("log.levle", Some("log.level")),
            ("acounts.registration", Some("accounts.registration")),
            ("listen_on", Some("listen")),
            ("nosuch", None),
            ("limits.foo", None),
            ("", None),
        ] {
            assert_eq!(suggest(wrong), meant, "{wrong}");
        }
    }

    #[test]
    fn a_variable_that_is_mistyped_is_told_from_one_of_another_program() {
        let variables =
            ["CHAT_LIMITS__CONNECTIONS", "CHAT_LISTEN", "CHAT_LISTEN_TLS", "CHAT_LOG", "CHAT_TLS__KEY"];
        let variables = variables.map(str::to_owned);
        for (wrong, meant) in [
            ("CHAT_LIMITS_CONNECTIONS", Some("CHAT_LIMITS__CONNECTIONS")),
            ("CHAT_LISTEN_TSL", Some("CHAT_LISTEN_TLS")),
            ("CHAT_LISTNE", Some("CHAT_LISTEN")),
            ("CHAT_TLS_KEY", Some("CHAT_TLS__KEY")),
            ("CHAT_KEYS", None),
            ("CHAT_PORT", None),
            ("CHAT_SERVICE_HOST", None),
            ("CHATS_LISTEN", None),
            ("LISTEN", None),
            ("PATH", None),
        ] {
            assert_eq!(suggest_variable(wrong, &variables), meant, "{wrong}");
        }
    }
}
