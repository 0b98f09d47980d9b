//! What a service tells the Windows Event Log: a few events with numbers that never change their meaning.

use std::{
    fmt::{self, Write as _},
    io,
    sync::Arc,
};

use tracing::field::{Field, Visit};
use tracing_subscriber::{Layer, layer::Context};
use winreg::{RegKey, enums::HKEY_LOCAL_MACHINE};

use crate::platform::{EventKind, EventSource};

/// Where sources of the Application log are registered.
const SOURCES: &str = r"SYSTEM\CurrentControlSet\Services\EventLog\Application";
/// A program of Windows whose events 1 to 1,000 have one text each: the one they are given. So an event reads well
/// wherever it is looked at, and the Event Log holds no file of ours open, which an update would have to replace.
const MESSAGE_FILE: &str = r"%SystemRoot%\System32\EventCreate.exe";
/// Errors, warnings and information.
const TYPES_SUPPORTED: u32 = 7;

/// The service could not start, or had to stop.
pub const FAILED: u32 = 10;

/// The name a logged event has, its number here, and how much it matters. What is not here is in the log file
/// alone. docs/EVENTS.md says what each means.
const EVENTS: [(&str, u32, EventKind); 9] = [
    ("started", 1, EventKind::Information),
    ("stopping", 2, EventKind::Information),
    ("stopped", 3, EventKind::Information),
    ("panic", 20, EventKind::Error),
    ("history_failing", 21, EventKind::Error),
    ("history_works", 22, EventKind::Information),
    ("history_incomplete", 23, EventKind::Error),
    ("log_failing", 24, EventKind::Error),
    ("log_not_rotated", 25, EventKind::Warning),
];

/// Registers a name whose events are shown with their text. A name that is somebody else's source is left alone.
pub fn register(name: &str) -> io::Result<()> {
    let sources = RegKey::predef(HKEY_LOCAL_MACHINE).create_subkey(SOURCES)?.0;
    if sources.open_subkey(name).is_ok() && !is_ours(&sources, name) {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "another program's event source has this name",
        ));
    }
    let key = sources.create_subkey(name)?.0;
    let bytes = MESSAGE_FILE.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let file = winreg::RegValue { bytes: bytes.into(), vtype: winreg::enums::RegType::REG_EXPAND_SZ };
    key.set_raw_value("EventMessageFile", &file)?;
    key.set_value("TypesSupported", &TYPES_SUPPORTED)
}

/// Takes the name back, if it is ours.
pub fn unregister(name: &str) -> io::Result<()> {
    let sources = RegKey::predef(HKEY_LOCAL_MACHINE).create_subkey(SOURCES)?.0;
    if is_ours(&sources, name) { sources.delete_subkey_all(name) } else { Ok(()) }
}

fn is_ours(sources: &RegKey, name: &str) -> bool {
    let file = sources.open_subkey(name).and_then(|key| key.get_value::<String, _>("EventMessageFile"));
    file.is_ok_and(|file| file == MESSAGE_FILE)
}

/// The way to the Event Log. All of it is best effort: without the right to write there are no events, and the
/// server runs all the same.
#[derive(Clone)]
pub struct EventLayer(Option<Arc<EventSource>>);

impl EventLayer {
    /// Events under this name.
    pub fn open(name: &str) -> Self {
        Self(EventSource::open(name).ok().map(Arc::new))
    }

    /// Writes one event.
    pub fn report(&self, kind: EventKind, id: u32, text: &str) {
        if let Some(source) = &self.0 {
            let _ = source.report(kind, id, text);
        }
    }
}

impl<S: tracing::Subscriber> Layer<S> for EventLayer {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut text = EventText::default();
        event.record(&mut text);
        if let Some((_, id, kind)) = EVENTS.iter().find(|(name, ..)| *name == text.event) {
            self.report(*kind, *id, &format!("{}.{}", text.message, text.fields));
        }
    }
}

/// A logged event as a person reads it: the message, and a line for each field.
#[derive(Default)]
struct EventText {
    event: String,
    message: String,
    fields: String,
}

impl Visit for EventText {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "event" {
            value.clone_into(&mut self.event);
        } else {
            self.record_debug(field, &format_args!("{value}"));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, "\r\n{name}: {value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_one_event_and_has_a_text() {
        let mut ids: Vec<_> = EVENTS.iter().map(|(_, id, _)| *id).chain([FAILED]).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), EVENTS.len() + 1);
        assert!(ids.iter().all(|id| (1..=1_000).contains(id)), "EventCreate.exe has texts for these");
    }

    #[test]
    fn every_event_of_the_table_is_logged_somewhere() {
        fn all(folder: &std::path::Path, code: &mut String) {
            for entry in std::fs::read_dir(folder).expect("the sources") {
                let path = entry.expect("readable").path();
                if path.is_dir() {
                    all(&path, code);
                } else {
                    *code += &std::fs::read_to_string(path).expect("text");
                }
            }
        }
        let mut code = String::new();
        all(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut code);
        for (name, ..) in EVENTS {
            assert!(code.contains(&format!("event = \"{name}\"")), "{name}");
        }
    }

    #[test]
    fn an_event_reads_as_a_sentence_and_its_fields() {
        struct Catch(std::sync::mpsc::SyncSender<EventText>);
        impl<S: tracing::Subscriber> Layer<S> for Catch {
            fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
                let mut text = EventText::default();
                event.record(&mut text);
                self.0.send(text).expect("taken");
            }
        }
        use tracing_subscriber::layer::SubscriberExt;
        let (sender, texts) = std::sync::mpsc::sync_channel(1);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(Catch(sender)), || {
            tracing::info!(event = "stopped", cut = 3, "stopped");
        });
        let text = texts.recv().expect("sent");
        assert_eq!((&*text.event, &*text.message, &*text.fields), ("stopped", "stopped", "\r\ncut: 3"));
    }
}
