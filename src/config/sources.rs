//! Settings from everywhere: the command line goes before the environment, that before the file, that before the default.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
};

use toml::{
    Spanned, Table, Value,
    de::{DeTable, DeValue},
};

use super::{
    Config, ConfigError,
    changes::put,
    fault::{Fault, Origin, named},
    file::{self, BACKSLASH, Entry},
    keys::{Key, Kind, keys},
    suggest::{suggest, suggest_variable},
};

/// A variable of this form sets a key: `CHAT_LIMITS__CONNECTIONS` is `limits.connections`.
const VARIABLE_PREFIX: &str = "CHAT_";
/// What stands between a section and its key in a variable's name.
const VARIABLE_SEPARATOR: &str = "__";
/// Keys that have a short variable, as they have a short flag; keys outside sections have them all.
const SHORT_VARIABLES: [(&str, &str); 2] = [("CHAT_LISTEN_TLS", "tls.listen"), ("CHAT_LOG", "log.level")];

/// Keys that hold a secret, each with the key that names a file with it.
const SECRETS: &[(&str, &str)] = &[("database.url", "database.url_file")];
/// Bytes of a secret in a file.
const SECRET_BYTES_MAX: u64 = 4_096;

/// Where settings come from. Each [load](Self::load) reads the file anew.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file, if there is one.
    pub file: Option<PathBuf>,
    /// The variables, as they were when the program started.
    pub environment: Vec<(String, String)>,
    /// What the command line sets: the last goes before the others.
    pub flags: Vec<Flag>,
}

/// What the command line sets.
#[derive(Clone, Debug)]
pub struct Flag {
    /// The flag, as it is told: `--listen`, `--set limits.connections`.
    pub name: String,
    /// The key.
    pub path: String,
    /// To what.
    pub text: String,
}

/// Settings, checked, and where each comes from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    origins: BTreeMap<String, Origin>,
}

impl Loaded {
    /// Where a key's value comes from.
    #[must_use]
    pub fn origin(&self, path: &str) -> &Origin {
        self.origins.get(path).unwrap_or(&Origin::Default)
    }

    /// What is wrong with the settings together, with where the first of the keys stands that it names in backticks and
    /// somebody has set.
    #[must_use]
    pub fn located(&self, message: &str) -> String {
        let origin = named(message).find_map(|path| self.origins.get(path));
        origin.map_or_else(|| message.into(), |origin| format!("{origin}: {message}"))
    }
}

/// The key that a variable sets; `None` of a variable that is no setting.
#[must_use]
pub fn key_of_variable(name: &str) -> Option<String> {
    let name = as_we_write(name);
    if let Some((_, path)) = SHORT_VARIABLES.iter().find(|(short, _)| *short == name) {
        return Some((*path).into());
    }
    let path = name.strip_prefix(VARIABLE_PREFIX)?.to_lowercase();
    let is_ours = || keys().find(&path).is_some() || keys().section(&path).is_some();
    (path.contains(VARIABLE_SEPARATOR) || is_ours()).then(|| path.replace(VARIABLE_SEPARATOR, "."))
}

/// Windows does not tell one case from the other.
fn as_we_write(variable: &str) -> String {
    if cfg!(windows) { variable.to_uppercase() } else { variable.to_owned() }
}

/// All variables that set something.
fn variables() -> Vec<String> {
    let short = SHORT_VARIABLES.iter().map(|(short, _)| (*short).to_owned());
    keys().all().map(|key| variable_of(&key.path)).chain(short).collect()
}

/// The variable that sets a key.
pub(super) fn variable_of(path: &str) -> String {
    VARIABLE_PREFIX.to_owned() + &path.to_uppercase().replace('.', VARIABLE_SEPARATOR)
}

impl Sources {
    /// Reads them all. Either everything in them can be, or nothing is taken and all that is wrong is told.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        let mut layers = Layers::default();
        if let Some(path) = &self.file {
            let entries = file::read(path).map_err(ConfigError::new)?;
            for entry in entries {
                layers.put(entry);
            }
        }
        let mut environment: Vec<_> = self.environment.iter().collect();
        // So that the whole of a section goes before a key in it, wherever they stand.
        environment.sort();
        for (name, text) in environment {
            let origin = Origin::Environment(name.clone());
            if let Some(path) = key_of_variable(name) {
                layers.put_text(&path, text, &origin);
            } else if let Some(meant) = suggest_variable(&as_we_write(name), &variables()) {
                let message = format!("there is no such setting; did you mean {meant}?");
                layers.faults.push(Fault::new(origin, &message));
            }
        }
        for Flag { name, path, text } in &self.flags {
            layers.put_text(path, text, &Origin::CommandLine(name.clone()));
        }
        layers.finish()
    }
}

/// The settings so far, by key, each tried alone; and what is wrong.
#[derive(Default)]
struct Layers {
    settings: BTreeMap<String, (Value, Origin)>,
    faults: Vec<Fault>,
}

impl Layers {
    fn put(&mut self, entry: Entry) {
        let Entry { path, value, key, origin, parts } = entry;
        let Some(known) = keys().find(&path) else {
            self.faults.push(unknown(&path, key));
            return;
        };
        match refusal(known, &value, &parts) {
            Some((part, message)) => self.faults.push(Fault::new(part.unwrap_or(origin), &message)),
            None => drop(self.settings.insert(path, (value, origin))),
        }
    }

    /// What a variable or a flag sets, which may be a section.
    fn put_text(&mut self, path: &str, text: &str, origin: &Origin) {
        let value = match keys().find(path).map(|key| key.kind) {
            Some(Kind::Text) => parsed(text).filter(Value::is_str).unwrap_or_else(|| text.into()),
            Some(Kind::List) => parsed(text).filter(Value::is_array).unwrap_or_else(|| listed(text)),
            _ => parsed(text).unwrap_or_else(|| text.into()),
        };
        if let (Value::Table(_), Some(_)) = (&value, keys().section(path)) {
            let table = format!("value = {text}");
            let table = DeTable::parse(&table).map(Spanned::into_inner).unwrap_or_default();
            let mut entries = Vec::new();
            for (_, inner) in table {
                if let DeValue::Table(inner) = inner.into_inner() {
                    file::flatten(inner, path, &|_| origin.clone(), &mut entries);
                }
            }
            for entry in entries {
                self.put(entry);
            }
            return;
        }
        let entry = Entry {
            path: path.into(),
            value,
            key: origin.clone(),
            origin: origin.clone(),
            parts: Vec::new(),
        };
        self.put(entry);
    }

    fn finish(mut self) -> Result<Loaded, ConfigError> {
        for (secret, file) in SECRETS {
            self.read_secret(secret, file);
        }
        loop {
            let config = self.config();
            let Err(message) = config.check() else {
                if self.faults.is_empty() {
                    let origins = self.settings.into_iter().map(|(path, (_, origin))| (path, origin));
                    return Ok(Loaded { config, origins: origins.collect() });
                }
                return Err(ConfigError::new(self.faults));
            };
            // What is wrong together is told where the first of the keys stands that the message names and somebody
            // has set. Without that key there may be something else to tell.
            let Some(origin) = named(&message).find_map(|path| self.unset(path)) else {
                self.faults.push(Fault::new(Origin::Default, &message));
                return Err(ConfigError::new(self.faults));
            };
            self.faults.push(Fault::new(origin, &message));
        }
    }

    /// Forgets a key, or all of a section. Where it was set, if it was.
    fn unset(&mut self, path: &str) -> Option<Origin> {
        let is_below =
            |key: &str| key.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        let found: Vec<_> = self.settings.keys().filter(|key| is_below(key)).cloned().collect();
        let origins = found.iter().filter_map(|key| self.settings.remove(key)).map(|(_, origin)| origin);
        origins.min()
    }

    fn config(&self) -> Config {
        let mut table = defaults();
        for (path, (value, _)) in &self.settings {
            put(&mut table, path, Some(value.clone()));
        }
        table.try_into().expect("each value was tried alone, and none depends on another")
    }

    /// Takes a secret from the file that is named for it.
    fn read_secret(&mut self, secret: &str, file: &str) {
        let Some((Value::String(path), origin)) = self.settings.get(file).cloned() else { return };
        if let Some((_, other)) = self.settings.get(secret) {
            let message =
                format!("`{file}` and `{secret}` are both set, the latter at {other}: one is enough");
            self.faults.push(Fault::new(origin, &message));
            return;
        }
        let read = first_line(Path::new(&path)).map_err(|error| format!("`{file}`: {path}: {error}"));
        let valid = read.and_then(|text| {
            let value = Value::String(text);
            match keys().find(secret).and_then(|key| refusal(key, &value, &[])) {
                Some((_, message)) => Err(format!("`{file}`: {path}: {message}")),
                None => Ok(value),
            }
        });
        match valid {
            Ok(value) => drop(self.settings.insert(secret.into(), (value, origin))),
            Err(message) => self.faults.push(Fault::new(origin, &message)),
        }
    }
}

fn defaults() -> Table {
    Table::try_from(Config::default()).expect("settings are made of what TOML has")
}

fn unknown(path: &str, origin: Origin) -> Fault {
    if keys().section(path).is_some() {
        return Fault::new(origin, &format!("`{path}` is a section: its keys stand below [{path}]"));
    }
    let meant = suggest(path).map(|meant| match origin {
        Origin::Environment(_) => format!("; did you mean {}?", variable_of(meant)),
        _ => format!("; did you mean `{meant}`?"),
    });
    Fault::new(origin, &format!("there is no key `{path}`{}", meant.unwrap_or_default()))
}

/// Why a key does not take a value, and which part of it is wrong.
fn refusal(key: &Key, value: &Value, parts: &[Origin]) -> Option<(Option<Origin>, String)> {
    let path = &key.path;
    if !key.kind.takes(value) {
        return Some((None, format!("`{path}` takes {}", key.kind.name())));
    }
    if value.as_str().is_some_and(|text| text.contains(char::is_control)) {
        return Some((None, format!("`{path}` has a control character: {BACKSLASH}")));
    }
    let try_alone = |value: Value| {
        let mut table = defaults();
        put(&mut table, path, Some(value));
        let tried: Result<Config, toml::de::Error> = table.try_into();
        tried.err().map(|error| format!("`{path}`: {}", error.message()))
    };
    for (part, origin) in value.as_array().into_iter().flatten().zip(parts) {
        if let Some(message) = try_alone(Value::Array(vec![part.clone()])) {
            return Some((Some(origin.clone()), message));
        }
    }
    try_alone(value.clone()).map(|message| (None, message))
}

/// A text as TOML reads it as a value, if it does.
fn parsed(text: &str) -> Option<Value> {
    let mut table = format!("value = {text}").parse::<Table>().ok()?;
    table.remove("value").filter(|_| table.is_empty())
}

/// A list as it is written without TOML: with commas.
fn listed(text: &str) -> Value {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().into()
}

/// The first line of a file, without spaces around it.
fn first_line(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    let mut reader = BufReader::new(file.take(SECRET_BYTES_MAX + 1));
    reader.read_until(b'\n', &mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > SECRET_BYTES_MAX {
        return Err(format!("its first line has more than {SECRET_BYTES_MAX} bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8")?;
    let line = text.trim_start_matches('\u{feff}').trim();
    if line.is_empty() { Err("its first line is empty".into()) } else { Ok(line.into()) }
}

impl Config {
    /// The defaults, under the file, under the environment, under the command line's settings
    /// (`limits.connections=5`).
    pub fn load(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
        settings: &[String],
    ) -> Result<Self, ConfigError> {
        let flags = settings.iter().map(|text| Flag::set(text)).collect::<Result<_, _>>()?;
        let sources = Sources { file: file.map(Into::into), environment: environment.collect(), flags };
        sources.load().map(|loaded| loaded.config)
    }
}

impl Flag {
    /// What `--set` is given: `limits.connections=5`.
    pub fn set(text: &str) -> Result<Self, ConfigError> {
        let of_key = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        let key = text.trim_start();
        let (path, rest) = key.split_at(key.find(|c| !of_key(c)).unwrap_or(key.len()));
        // Without what follows: it may be a secret.
        let name = format!("--set {path}");
        match rest.trim_start().strip_prefix('=') {
            Some(value) => Ok(Self { name, path: path.into(), text: value.trim().into() }),
            None => Err(ConfigError::new(vec![Fault::new(
                Origin::CommandLine(name),
                "expected KEY=VALUE, as limits.connections=500",
            )])),
        }
    }
}
