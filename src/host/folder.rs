//! The data folder, if nobody chose one.

use std::{ffi::OsString, path::PathBuf};

use super::exit::Failure;
use crate::config::{Config, DatabaseConfig};

/// Our folder among those of other programs.
const NAME: &str = "iocp-chat";

/// The folder for what outlives the process: the configured one, or else
///
/// - systemd's, `$STATE_DIRECTORY`, where it gives one;
/// - `$XDG_DATA_HOME/iocp-chat`, or `~/.local/share/iocp-chat`;
/// - on Windows `%LOCALAPPDATA%\iocp-chat`. (A service has one of its own.)
pub fn data(config: &Config) -> Result<PathBuf, Failure> {
    let chosen = config.data.clone().or_else(|| default(|name| std::env::var_os(name)));
    let system = if cfg!(windows) { "LOCALAPPDATA" } else { "XDG_DATA_HOME or HOME" };
    chosen.ok_or_else(|| {
        Failure::Config(format!(
            "no folder to keep accounts in: give one with --data FOLDER ({system} is not set)"
        ))
    })
}

/// The folder for the operator's channel: the same. But where the database is not in it, only one that somebody chose:
/// two such servers of one person would meet in a default one.
pub fn of_channel(config: &Config) -> Option<PathBuf> {
    if config.database.url == DatabaseConfig::FILE {
        return data(config).ok();
    }
    config.data.clone().or_else(|| state(|name| std::env::var_os(name)))
}

/// The folder that systemd gives.
fn state(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // It separates several by colons; the first is the unit's first.
    let folders = variable("STATE_DIRECTORY")?;
    let first = folders.to_str()?.split(':').next()?;
    Some(PathBuf::from(first)).filter(|folder| cfg!(unix) && folder.is_absolute())
}

fn default(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // A relative path in these is to be ignored, says https://specifications.freedesktop.org/basedir/latest/.
    let folder = |name| variable(name).map(PathBuf::from).filter(|folder| folder.is_absolute());
    if cfg!(windows) {
        return folder("LOCALAPPDATA").map(|folder| folder.join(NAME));
    }
    state(&variable)
        .or_else(|| folder("XDG_DATA_HOME").map(|folder| folder.join(NAME)))
        .or_else(|| folder("HOME").map(|home| home.join(".local/share").join(NAME)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Option<PathBuf> {
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        default(find)
    }

    #[cfg(unix)]
    #[test]
    fn what_is_not_set_empty_or_relative_leaves_it_to_the_next() {
        let folder = |path: &str| Some(PathBuf::from(path));
        let home = ("HOME", "/home/kim");
        assert_eq!(with(&[home]), folder("/home/kim/.local/share/iocp-chat"));
        assert_eq!(with(&[home, ("XDG_DATA_HOME", "/data")]), folder("/data/iocp-chat"));
        for no in ["", "data"] {
            assert_eq!(with(&[home, ("XDG_DATA_HOME", no)]), folder("/home/kim/.local/share/iocp-chat"));
        }
        let all =
            [home, ("XDG_DATA_HOME", "/data"), ("STATE_DIRECTORY", "/var/lib/iocp-chat:/var/lib/other")];
        assert_eq!(with(&all), folder("/var/lib/iocp-chat"));
        assert_eq!(with(&[]), None);
    }

    #[test]
    fn a_server_without_a_database_in_a_folder_has_a_channel_only_in_one_that_was_chosen() {
        let mut config = Config::default();
        config.database.url = DatabaseConfig::NONE.into();
        assert_eq!(of_channel(&config), None, "no test runs under systemd");
        config.data = Some("chosen".into());
        assert_eq!(of_channel(&config), Some("chosen".into()));
        config.database.url = DatabaseConfig::FILE.into();
        assert_eq!(of_channel(&config), Some("chosen".into()));
    }

    #[cfg(windows)]
    #[test]
    fn windows_keeps_it_where_a_persons_programs_keep_theirs() {
        let local = ("LOCALAPPDATA", r"C:\Users\kim\AppData\Local");
        assert_eq!(with(&[local, ("HOME", r"C:\h")]), Some(r"C:\Users\kim\AppData\Local\iocp-chat".into()));
        assert_eq!(with(&[("HOME", r"C:\h")]), None);
    }
}
