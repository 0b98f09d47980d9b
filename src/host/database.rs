//! The database that the settings name: where it is, and opening it, for the server and for its operator.

use std::path::Path;

use chat_proto::Username;

use super::{exit::Failure, folder};
use crate::{
    config::{Config, DatabaseConfig},
    session::{NAMES_VERSION, NameForms},
    store::{self, Migrated, Misfit, Place, Schema, Store, StoreError},
};

/// Whether a command may make a database where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It makes one.
    Make,
    /// It has nothing to do there: most likely the folder is the wrong one.
    Refuse,
}

/// Where the database is; none where accounts are not wanted.
pub fn place(config: &Config) -> Result<Option<Place>, Failure> {
    match config.database.url.as_str() {
        DatabaseConfig::NONE => Ok(None),
        DatabaseConfig::FILE => Ok(Some(Place::in_folder(&folder::data(config)?)?)),
        // What is wrong with a URL is wrong with the settings.
        url => Place::postgres(url)
            .map(Some)
            .map_err(|error| Failure::Config(format!("`database.url`: {error}"))),
    }
}

/// Where the database is, for a command that is about it.
pub fn operators_place(config: &Config, missing: Missing) -> Result<Place, Failure> {
    let place = place(config)?
        .ok_or_else(|| Failure::Config("`database.url` is \"none\": this server has no accounts".into()))?;
    match place.as_file() {
        Some(file) if missing == Missing::Refuse && !file.exists() => {
            Err(Failure::Store(format!("there is no database {place}: is --data right?")))
        }
        _ => Ok(place),
    }
}

/// Opens the database beside whoever has it open. One that is older than this program is left alone: a running
/// server may be as old as it is.
pub async fn open_beside(place: &Place) -> Result<Store, Failure> {
    if place.as_file().is_none_or(Path::exists) {
        let Schema { applied, known } = place.schema().await.map_err(|error| failure(place, &error))?;
        if (1..known).contains(&applied) {
            return Err(Failure::Store(format!(
                "{place} has schema version {applied}, this program has {known}: start the server, or run \
                 `chat-server db migrate`"
            )));
        }
    }
    let store = Store::open(place).await.map_err(|error| failure(place, &error))?;
    let outdated = store.accounts().count_outdated(NAMES_VERSION).await?
        + store.rooms().count_outdated(NAMES_VERSION).await?;
    if outdated > 0 {
        return Err(Failure::Store(format!(
            "{place} has names by older rules: start the server, or run `chat-server db migrate`"
        )));
    }
    Ok(store)
}

/// Opens the database for the server, brought to this program's version, names included.
pub async fn open(place: &Place) -> Result<Store, Failure> {
    let store = Store::open(place).await.map_err(|error| failure(place, &error))?;
    match store.migrated() {
        Migrated { from: 0, .. } => {
            tracing::info!(event = "database_made", database = %place, "made the database");
        }
        Migrated { from, to, backup } if from < to => {
            let backup = backup.as_ref().map(|file| file.display().to_string());
            tracing::info!(event = "database_migrated", from, to, backup, "migrated the database");
        }
        Migrated { .. } => {}
    }
    for Misfit { id, name, collides_with } in renew_names(&store).await? {
        tracing::warn!(
            event = "name_misfit",
            account = id.get(),
            name,
            collides_with,
            "the rules have changed, and this name has no place under them"
        );
    }
    for Misfit { id, name, collides_with } in renew_room_names(&store).await? {
        tracing::warn!(
            event = "room_misfit",
            conversation = id,
            name,
            collides_with,
            "the rules have changed, and this room's name has no place under them"
        );
    }
    Ok(store)
}

/// Makes what names are compared by again, where older rules made it. Returns the names that have no place.
pub async fn renew_names(store: &Store) -> Result<Vec<Misfit>, Failure> {
    let accounts = store.accounts();
    if accounts.count_outdated(NAMES_VERSION).await? == 0 {
        return Ok(Vec::new());
    }
    Ok(accounts.rewrite_names(NAMES_VERSION, forms).await?)
}

/// The same of rooms' names. Returns those that have no place, by the rooms' numbers.
pub async fn renew_room_names(store: &Store) -> Result<Vec<Misfit<u64>>, Failure> {
    let rooms = store.rooms();
    if rooms.count_outdated(NAMES_VERSION).await? == 0 {
        return Ok(Vec::new());
    }
    Ok(rooms.rewrite_names(NAMES_VERSION, forms).await?)
}

/// The forms of a name that is stored: what an operator allows today does not matter.
fn forms(name: &str) -> Option<store::NameForms> {
    let name = Username::parse(name).ok()?;
    Some(NameForms::of(&name).stored(&name))
}

/// What ails which database.
pub fn failure(place: &Place, error: &StoreError) -> Failure {
    Failure::Store(format!("{place}: {error}"))
}

/// Closes it. What is not written is a time that somebody logged in.
pub async fn close(store: &Store) {
    if let Err(error) = store.close().await {
        tracing::warn!(event = "logins_not_written", err = %error, "when people last logged in is not written");
    }
}
