//! A settings file: its bytes as text, and the text as values that know their places.

use std::{collections::HashSet, fs::File, io::Read as _, ops::Range, path::Path, sync::Arc};

use serde::Deserialize as _;
use toml::{
    Spanned, Value,
    de::{DeTable, DeValue, Error, ValueDeserializer},
};

use super::{
    fault::{Fault, Origin, Places, Position},
    keys::{join, keys},
};

/// Bytes of a file. More are no settings.
const FILE_BYTES_MAX: usize = 1024 * 1024;

/// What is wrong with a backslash, for those who meant a path.
pub(super) const BACKSLASH: &str =
    r"in double quotes a backslash begins an escape: write a path in single quotes, as 'C:\chat'";

/// A value that somebody set.
pub(super) struct Entry {
    pub path: String,
    pub value: Value,
    /// Where the key is,
    pub key: Origin,
    /// the value,
    pub origin: Origin,
    /// and the values in it, if it is a list.
    pub parts: Vec<Origin>,
}

/// The entries of a file, or all that is wrong with its form.
pub(super) fn read(path: &Path) -> Result<Vec<Entry>, Vec<Fault>> {
    let path: Arc<Path> = path.into();
    let whole = |message: &str| vec![Fault::new(Origin::File(Arc::clone(&path), None), message)];
    let mut bytes = Vec::new();
    File::open(&path)
        .and_then(|file| file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| whole(&error.to_string()))?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(whole(&format!("a settings file has at most {FILE_BYTES_MAX} bytes")));
    }
    let at = |place: Option<Position>| Origin::File(Arc::clone(&path), place);
    let text = decode(&bytes).map_err(|(place, message)| vec![Fault::new(at(place), message)])?;
    let places = Places::of(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(syntax_faults(text, &places, &errors, |place| at(Some(place))));
    }
    let mut entries = Vec::new();
    flatten(table.into_inner(), "", &|span| at(Some(places.at(span.start))), &mut entries);
    Ok(entries)
}

/// UTF-8, with the mark at its beginning that Notepad writes or without; else where it is not, and what it is.
fn decode(bytes: &[u8]) -> Result<&str, (Option<Position>, &'static str)> {
    const UTF_16: &str = "the file is UTF-16, as `>` of Windows PowerShell writes it: save it as UTF-8 (in Notepad: \
                          Save as, Encoding: UTF-8)";
    const OTHER: &str = "this is not UTF-8: save the file as UTF-8 (in Notepad: Save as, Encoding: UTF-8)";
    let begin = &bytes[..bytes.len().min(2)];
    if matches!(begin, [0xff, 0xfe] | [0xfe, 0xff]) || begin.contains(&0) {
        return Err((None, UTF_16));
    }
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        (Some(Places::of(&valid).at(valid.len())), OTHER)
    })
}

/// One fault a line: what else is wrong there most likely follows from the first.
fn syntax_faults(
    text: &str,
    places: &Places<'_>,
    errors: &[Error],
    at: impl Fn(Position) -> Origin,
) -> Vec<Fault> {
    let mut faults: Vec<Fault> = Vec::new();
    let mut lines = HashSet::new();
    for error in errors {
        let span = error.span().unwrap_or_default();
        let place = places.at(span.start);
        if lines.insert(place.line) {
            faults.push(Fault::new(at(place), &syntax_message(text, error.message(), span)));
        }
    }
    faults
}

fn syntax_message(text: &str, message: &str, span: Range<usize>) -> String {
    // The parser's sentence, without the list of what it would have taken.
    let short = message.split(", expected").next().unwrap_or(message);
    if ["escape", "unicode"].iter().any(|word| short.contains(word)) {
        return BACKSLASH.into();
    }
    if short.starts_with("string values must be quoted")
        && text.get(span.clone()).unwrap_or_default().trim().is_empty()
    {
        return "there is no value".into();
    }
    if short == "duplicate key" {
        return format!("`{}` is set twice", text.get(span).unwrap_or_default());
    }
    short.into()
}

/// The values of a table by their whole keys. Tables that are no section are left as they are.
pub(super) fn flatten(
    table: DeTable<'_>,
    outer: &str,
    at: &dyn Fn(Range<usize>) -> Origin,
    entries: &mut Vec<Entry>,
) {
    for (key, value) in table {
        // In quotes a dot is part of a name, of which there is none.
        let name = if key.get_ref().contains('.') {
            format!("{:?}", key.get_ref())
        } else {
            key.get_ref().to_string()
        };
        let (key_span, path) = (key.span(), join(outer, &name));
        let span = value.span();
        let value = match value.into_inner() {
            DeValue::Table(inner) if keys().section(&path).is_some() => {
                flatten(inner, &path, at, entries);
                continue;
            }
            value => value,
        };
        let parts = value.as_array().into_iter().flatten().map(|part| at(part.span())).collect();
        // A number that is too large is no value of TOML's; as text it is refused by whoever wants a number.
        let large = Value::String(String::new());
        let value =
            Value::deserialize(ValueDeserializer::from(Spanned::new(span.clone(), value))).unwrap_or(large);
        entries.push(Entry { path, value, key: at(key_span), origin: at(span), parts });
    }
}
