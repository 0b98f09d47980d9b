//! What somebody may have meant who wrote a key that there is not.

use strsim::{jaro_winkler, normalized_damerau_levenshtein};

use super::keys::{keys, split};

/// From here on two names of one section are alike.
const NAMES_ALIKE: f64 = 0.82;
/// From here on two whole paths are.
const PATHS_ALIKE: f64 = 0.72;

/// The key or section that is most likely meant.
pub(super) fn suggest(path: &str) -> Option<&'static str> {
    let path = path.to_lowercase().replace('-', "_");
    let scored = keys().paths().filter_map(|known| Some((score(&path, known)?, known)));
    scored.max_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, known)| known)
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
}
