//! Settings as text that can be read back: all defaults with what each key is for, and those in force with where each
//! comes from.

use std::fmt::Write as _;

use toml::{Table, Value};

use super::{
    Config, Loaded,
    fault::Origin,
    keys::{Key, Kind, join, keys, split},
    sources::variable_of,
};

/// Columns of a comment.
const WIDTH: usize = 100;

/// A file that sets every key to its default, each under what it is for.
#[must_use]
pub fn default_toml() -> String {
    let mut out = String::new();
    comment(
        &mut out,
        "Settings of chat-server: every key, and what it is when nobody sets it. The command line (--set \
         limits.connections=500) goes before the environment (CHAT_LIMITS__CONNECTIONS=500), that before this file.",
    );
    comment(
        &mut out,
        "Times are written as \"10s\", \"5m\", \"1h 30m\" or \"7d\", paths in single quotes: 'C:\\chat'.",
    );
    comment(
        &mut out,
        "[reload]: a change is in force after `chat-server ctl reload`; for connections, after they come again. \
         [restart]: only after a restart.",
    );
    for line in lines(&Config::default()) {
        match line {
            Line::Section { path, about } => {
                out.push('\n');
                comment(&mut out, about);
                if let Some(path) = path {
                    let _ = writeln!(out, "[{path}]");
                }
            }
            Line::Key { key, set } => {
                out.push('\n');
                comment(&mut out, &key.about);
                for (word, about) in &key.choices {
                    comment(&mut out, &format!("\"{word}\": {about}"));
                }
                let name = split(&key.path).1;
                let _ = match set {
                    Some(set) => writeln!(out, "{set}"),
                    None if key.kind == Kind::Flag => writeln!(out, "#{name} = true"),
                    None => writeln!(out, "#{name} = ''"),
                };
            }
        }
    }
    out
}

impl Loaded {
    /// The settings in force as a file that sets them all, each with where it comes from. Passwords are shown if
    /// `secrets` says so; else they are not in it, and the file is whole only with them.
    #[must_use]
    pub fn to_toml(&self, secrets: bool) -> String {
        let mut config = self.config.clone();
        if !secrets {
            config.database.url = config.database.shown_url();
        }
        let from_file = config.database.url_file.is_some();
        let mut out = String::new();
        for line in lines(&config) {
            let _ = match line {
                Line::Section { path: Some(path), .. } => writeln!(out, "\n[{path}]"),
                // Both would be one too many.
                Line::Key { key, set: Some(set) } if from_file && key.path == "database.url" => {
                    writeln!(out, "#{set}  # from the file")
                }
                Line::Key { key, set: Some(set) } => writeln!(out, "{set}  # {}", self.shown_origin(key)),
                Line::Section { path: None, .. } | Line::Key { set: None, .. } => Ok(()),
            };
        }
        out.trim_start().to_owned()
    }

    fn shown_origin(&self, key: &Key) -> String {
        let origin = match self.origin(&key.path) {
            Origin::File(path, Some(place)) => format!("{}:{}", path.display(), place.line),
            origin => origin.to_string(),
        };
        // A file's name may have anything in it, and this has to be read back.
        origin.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
    }
}

/// Variables that set every key to its default, each under what it is for.
#[must_use]
pub fn default_environment() -> String {
    let mut out = String::new();
    let defaults = Table::try_from(Config::default()).expect("settings are made of what TOML has");
    for key in keys().all() {
        comment(&mut out, &key.about);
        let sections = split(&key.path).0.split('.').filter(|section| !section.is_empty());
        let section =
            sections.into_iter().try_fold(&defaults, |table, section| table.get(section)?.as_table());
        let set = section.and_then(|section| section.get(split(&key.path).1));
        let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let text = match set {
            Some(Value::Array(values)) => values.iter().map(plain).collect::<Vec<_>>().join(","),
            set => set.map(plain).unwrap_or_default(),
        };
        let unset = if set.is_none() { "#" } else { "" };
        let _ = writeln!(out, "{unset}{}={text}", variable_of(&key.path));
    }
    out
}

/// A line of a settings file.
enum Line {
    /// A section begins. Without a path it has no keys of its own.
    Section { path: Option<&'static str>, about: &'static str },
    /// A key, and what sets it, if anything does.
    Key { key: &'static Key, set: Option<String> },
}

/// All keys, in the order in which the settings have them; those that are not set at the end of their section.
fn lines(config: &Config) -> Vec<Line> {
    let text = toml::to_string(config).expect("settings are made of what TOML has");
    let (mut lines, mut section) = (Vec::new(), String::new());
    let mut begun = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(path) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            end_section(&mut lines, &section);
            path.clone_into(&mut section);
            for end in path.match_indices('.').map(|(end, _)| end).chain([path.len()]) {
                let outer = &path[..end];
                if begun.iter().all(|begun| begun != outer) {
                    begun.push(outer.to_owned());
                    let (known, about) =
                        keys().section_entry(outer).expect("the settings are made of sections");
                    lines.push(Line::Section { path: (end == path.len()).then_some(known), about });
                }
            }
        } else {
            let name = line.split(' ').next().unwrap_or_default();
            let key = keys().find(&join(&section, name)).expect("the settings are made of keys");
            lines.push(Line::Key { key, set: Some(line.to_owned()) });
        }
    }
    end_section(&mut lines, &section);
    lines
}

fn end_section(lines: &mut Vec<Line>, section: &str) {
    let set = |path: &str| lines.iter().any(|line| matches!(line, Line::Key { key, .. } if key.path == path));
    let unset = keys().all().filter(|key| split(&key.path).0 == section && !set(&key.path));
    let unset: Vec<_> = unset.map(|key| Line::Key { key, set: None }).collect();
    lines.extend(unset);
}

fn comment(out: &mut String, text: &str) {
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(out, "{line}");
            line = "#".into();
        }
        line.push(' ');
        line.push_str(word);
    }
    let _ = writeln!(out, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{DatabaseConfig, Sources};

    #[test]
    fn the_defaults_as_a_file_name_every_key_and_are_the_defaults_again() {
        let text = default_toml();
        assert_eq!(toml::from_str::<Config>(&text).expect("a file"), Config::default());
        for key in keys().all() {
            let (section, name) = split(&key.path);
            let of_section = match section {
                "" => text.split("\n[").next().unwrap_or_default(),
                section => text.split(&format!("\n[{section}]\n")).nth(1).unwrap_or_default(),
            };
            let of_section = of_section.split("\n[").next().unwrap_or_default();
            let line = of_section
                .lines()
                .find(|line| line.trim_start_matches('#').starts_with(&format!("{name} = ")));
            assert!(line.is_some(), "{} is not in it", key.path);
        }
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH && line == line.trim_end(), "{line}");
        }
        assert!(text.contains("\n# Connections in all. [reload, up to"), "{text}");
        assert!(text.contains("\n# How fast one session may be"), "a section without keys of its own");
        assert!(text.contains("\n# \"korean\": "), "the choices");
    }

    #[test]
    fn variables_for_every_key_set_the_defaults() {
        let text = default_environment();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let environment: Vec<_> = lines
            .map(|line| line.split_once('=').expect("a variable"))
            .map(|(k, v)| (k.into(), v.into()))
            .collect();
        let loaded = Sources { environment, ..Sources::default() }.load().expect("valid");
        assert_eq!(loaded.config, Config::default());
        for key in keys().all() {
            assert!(text.contains(&format!("{}=", variable_of(&key.path))), "{}", key.path);
        }
    }

    #[test]
    fn what_hides_a_password_does_not_set_one() {
        assert!(Config::default().database.url == DatabaseConfig::FILE);
        let environment = vec![("CHAT_DATABASE__URL".into(), "postgres://kim:secret@db/chat".into())];
        let loaded = Sources { environment, ..Sources::default() }.load().expect("valid");
        let shown = loaded.to_toml(false);
        assert!(
            shown.contains("url = \"postgres://kim:***@db/chat\"  # environment CHAT_DATABASE__URL"),
            "{shown}"
        );
        assert!(!shown.contains("secret") && loaded.to_toml(true).contains("secret"));
        let again: Config = toml::from_str(&shown).expect("a file");
        assert!(again.check().expect_err("no password").contains("database.url"));
    }
}
