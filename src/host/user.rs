//! `chat-server user`: makes, changes, lists and deletes accounts, beside a running server or without one.

use std::{fmt::Write as _, path::PathBuf};

use chat_proto::{Role, Username};
use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    args::Settings,
    confirm::confirm,
    ctl::{self, PutOut},
    database::{self, Missing},
    exit::Failure,
    first_admin,
    password::PasswordArgs,
    transfer,
};
use crate::{
    config::Config,
    session::{Busy, Hasher, NameForms, NameRules, Password},
    store::{Account, AdminStep, NewAccount, PAGE_ACCOUNTS_MAX, PasswordHash, Store, StoreError},
};

/// What to do with accounts.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub struct UserArgs {
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Beside a running server, whose password is changed, who is disabled or deleted is put out of it. Another \
role is there at the next log-in.

Examples:
  chat-server user add kim --role admin             asks for the password
  chat-server user add lee --password-file lee.txt
  chat-server user list --json
  chat-server user export - | ssh other chat-server user import -
  chat-server --data /var/lib/iocp-chat user list   of a service: its data folder, with its rights

Exit codes: 0 done, 1 refused or failed, 2 wrong command line, 3 wrong configuration,
5 the data store failed";

#[derive(Subcommand)]
enum Verb {
    /// Make an account. An operator may also give away a reserved name.
    Add {
        /// What its owner is called.
        name: String,
        /// user, moderator or admin.
        #[arg(long, default_value = "user")]
        role: Role,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Give an account another password.
    Passwd {
        /// Whose.
        name: String,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// List the accounts, the oldest first.
    List {
        /// As JSON, an object a line.
        #[arg(long)]
        json: bool,
    },
    /// Keep somebody out, until `enable`.
    Disable {
        /// Whom.
        name: String,
        /// Even the last admin.
        #[arg(long)]
        force: bool,
    },
    /// Let somebody in again.
    Enable {
        /// Whom.
        name: String,
    },
    /// Set what somebody may do.
    Role {
        /// Who.
        name: String,
        /// user, moderator or admin.
        role: Role,
        /// Even of the last admin.
        #[arg(long)]
        force: bool,
    },
    /// Delete an account. Its name is free then.
    Delete {
        /// Whose.
        name: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// Even the last admin's.
        #[arg(long)]
        force: bool,
    },
    /// Write all accounts to a new file, a line of JSON each, with the hashes of their passwords.
    Export {
        /// The file; `-`: standard output.
        file: PathBuf,
    },
    /// Make the accounts of such a file. Lines that cannot be are told and passed over; the exit code is then 1.
    Import {
        /// The file; `-`: standard input.
        file: PathBuf,
    },
}

/// Does what the command line says.
pub async fn run(args: &UserArgs, settings: &Settings) -> Result<(), Failure> {
    let config = settings.load()?;
    let missing = match args.verb {
        Verb::Add { .. } | Verb::Import { .. } => Missing::Make,
        _ => Missing::Refuse,
    };
    let place = database::operators_place(&config, missing)?;
    // Before the database is open: a person may take their time.
    let password = match &args.verb {
        Verb::Add { name, password, .. } => {
            parse(name)?;
            Some(password.get()?)
        }
        Verb::Passwd { password, .. } => Some(password.get()?),
        _ => None,
    };
    let store = database::open_beside(&place).await?;
    let done = Users { config: &config, store: &store }.act(&args.verb, password).await;
    let closed = store.close().await;
    done?;
    Ok(closed?)
}

struct Users<'a> {
    config: &'a Config,
    store: &'a Store,
}

impl Users<'_> {
    async fn act(&self, verb: &Verb, password: Option<Password>) -> Result<(), Failure> {
        let accounts = self.store.accounts();
        match verb {
            Verb::Add { name, role, .. } => {
                let name = parse(name)?;
                let hash = self.hash(password).await?;
                self.add(&name, *role, hash).await?;
                self.there_is(*role).await?;
                say(&format!("added {name}, {role}"))
            }
            Verb::Passwd { name, .. } => {
                let account = self.find(name).await?;
                accounts.set_password(account.id, &self.hash(password).await?).await?;
                self.store.resumes().revoke_account(account.id, None).await?;
                say(&format!("{} has another password", account.name))?;
                self.put_out(&account, "your password was changed").await
            }
            Verb::List { json } => self.list(*json).await,
            Verb::Disable { name, force } => {
                let account = self.find(name).await?;
                if *force {
                    accounts.set_disabled(account.id, true).await?;
                } else {
                    self.keep_an_admin(&account, AdminStep::Disable).await?;
                }
                // Once enabled again, who was logged in shows the password.
                self.store.resumes().revoke_account(account.id, None).await?;
                say(&format!("{} is disabled", account.name))?;
                self.put_out(&account, "your account is disabled").await
            }
            Verb::Enable { name } => {
                let account = self.find(name).await?;
                accounts.set_disabled(account.id, false).await?;
                say(&format!("{} is enabled", account.name))
            }
            Verb::Role { name, role, force } => {
                let account = self.find(name).await?;
                if *force {
                    accounts.set_role(account.id, *role).await?;
                } else {
                    self.keep_an_admin(&account, AdminStep::Role(*role)).await?;
                }
                self.there_is(*role).await?;
                say(&format!("{} has the role {role}", account.name))
            }
            Verb::Delete { name, yes, force } => {
                let account = self.find(name).await?;
                if !yes && !confirmed(&account)? {
                    return Err(Failure::Runtime("nothing is deleted".into()));
                }
                if *force {
                    accounts.delete(account.id).await?;
                } else {
                    self.keep_an_admin(&account, AdminStep::Delete).await?;
                }
                say(&format!("{} is deleted", account.name))?;
                self.put_out(&account, "your account was deleted").await
            }
            Verb::Export { file } => transfer::export(accounts, file).await,
            Verb::Import { file } => transfer::import(accounts, file, &self.rules()).await,
        }
    }

    /// Puts somebody out of the server that runs, as whoever is signed in is asked for no password.
    async fn put_out(&self, account: &Account, why: &str) -> Result<(), Failure> {
        match ctl::put_out(self.config, &account.name, why).await {
            Ok(PutOut::Done) => say(&format!("{} was signed in, and is put out", account.name)),
            Ok(PutOut::NotHere) => Ok(()),
            Ok(PutOut::NoChannel) => {
                eprintln!(
                    "chat-server: warning: {} may still be signed in: {}",
                    account.name,
                    ctl::NO_CHANNEL
                );
                Ok(())
            }
            Err(failure) => {
                Err(Failure::Runtime(format!("{} may still be signed in: {failure}", account.name)))
            }
        }
    }

    fn rules(&self) -> NameRules {
        NameRules::new(self.config.accounts.names, &self.config.accounts.reserved)
    }

    async fn add(&self, name: &Username, role: Role, password: PasswordHash) -> Result<(), Failure> {
        // Whether somebody has it goes first: the impostor of a name is told so, whatever else is wrong with it.
        let forms = NameForms::of(name);
        let holder = self.store.accounts().holder(forms.key.as_str(), forms.skeleton.as_str()).await?;
        if let Some(holder) = holder {
            return Err(Failure::Runtime(format!(
                "{name} is the name of {0}, or looks like {0}",
                holder.name
            )));
        }
        let forms = self.rules().judge_reserved(name).map_err(|_| {
            let policy = serde_json::to_value(self.config.accounts.names).unwrap_or_default();
            Failure::Runtime(format!("{name} is no name where `accounts.names` is {policy}"))
        })?;
        let new = NewAccount { name: forms.stored(name), password, created_ms: super::now_ms() };
        match self.store.accounts().create(&new, role).await {
            Ok(_) => Ok(()),
            Err(StoreError::Taken) => Err(Failure::Runtime(format!("somebody has just taken {name}"))),
            Err(error) => Err(error.into()),
        }
    }

    async fn hash(&self, password: Option<Password>) -> Result<PasswordHash, Failure> {
        let password = password.expect("a command that sets one has asked for it");
        let hashed = Hasher::new(&self.config.accounts.hashing).hash(password).await;
        hashed.map_err(|busy: Busy| Failure::Runtime(busy.to_string()))
    }

    async fn find(&self, name: &str) -> Result<Account, Failure> {
        let name = parse(name)?;
        let found = self.store.accounts().find(name.key().as_str()).await?;
        found.ok_or_else(|| Failure::Runtime(format!("nobody is called {name}")))
    }

    /// Where there is an admin, the invite for the first one is void: others may have read what the server said.
    async fn there_is(&self, role: Role) -> Result<(), Failure> {
        if role == Role::Admin {
            first_admin::revoke(self.store).await?;
        }
        Ok(())
    }

    async fn keep_an_admin(&self, account: &Account, step: AdminStep) -> Result<(), Failure> {
        if self.store.accounts().keep_an_admin(account.id, step).await? {
            return Ok(());
        }
        Err(Failure::Runtime(format!(
            "{} is the last admin who can log in: make another first, or say --force",
            account.name
        )))
    }

    async fn list(&self, json: bool) -> Result<(), Failure> {
        if !json {
            super::print("    ID  ROLE       STATE     MADE                  LAST LOGIN            NAME\n")?;
        }
        let mut after = None;
        loop {
            let page = self.store.accounts().list(after, PAGE_ACCOUNTS_MAX).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.id);
            let mut text = String::new();
            for account in &page {
                let line = if json { as_json(account) } else { as_line(account) };
                writeln!(text, "{line}").expect("a string takes everything");
            }
            super::print(&text)?;
        }
    }
}

fn parse(name: &str) -> Result<Username, Failure> {
    Username::parse(name).map_err(|_| {
        Failure::Runtime(format!(
            "{name:?} is no name: 1 to 32 letters, digits, '_', '-' or '.', and 96 bytes at most"
        ))
    })
}

fn say(text: &str) -> Result<(), Failure> {
    super::print(&format!("{text}\n"))
}

fn as_json(account: &Account) -> String {
    json!({
        "id": account.id.get(),
        "name": account.name,
        "role": account.role.name(),
        "disabled": account.disabled,
        "created": super::shown_time(account.created_ms),
        "last_login": account.last_login_ms.map(super::shown_time),
    })
    .to_string()
}

/// The name is last: it is as wide as it likes.
fn as_line(account: &Account) -> String {
    format!(
        "{:>6}  {:<9}  {:<8}  {:<20}  {:<20}  {}",
        account.id.get(),
        account.role.name(),
        if account.disabled { "disabled" } else { "enabled" },
        super::shown_time(account.created_ms),
        account.last_login_ms.map_or_else(|| "never".into(), super::shown_time),
        account.name
    )
}

fn confirmed(account: &Account) -> Result<bool, Failure> {
    confirm(&format!(
        "Delete {} ({}, made {})?",
        account.name,
        account.role,
        super::shown_time(account.created_ms)
    ))
}
