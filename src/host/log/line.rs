//! What is logged, as a line: text for people, a JSON object for machines.

use std::{
    fmt::{self, Write as _},
    net::{IpAddr, SocketAddr},
    time::SystemTime,
};

use ipnet::IpNet;
use tracing::{
    Event, Level,
    field::{Field, Visit},
};

use super::escape::{push_json, push_text, push_words};
use crate::config::{LogAddresses, LogFormat};

/// Characters of a value that are logged; the rest is cut off.
const VALUE_CHARS_MAX: usize = 2_048;
/// The field that has a peer's address.
const PEER: &str = "peer";
/// What targets of this program begin with: they say nothing to people.
const OURS: &str = env!("CARGO_CRATE_NAME");

/// How lines are written.
#[derive(Clone, Copy, Debug)]
pub struct LineFormat {
    /// For whom.
    pub format: LogFormat,
    /// Whether a terminal shows it that takes colour.
    pub colour: bool,
    /// How much of addresses.
    pub addresses: LogAddresses,
}

impl LineFormat {
    /// One line, with its line feed.
    pub fn line(self, event: &Event<'_>, now: SystemTime) -> String {
        let mut fields = Fields { addresses: self.addresses, ..Fields::default() };
        event.record(&mut fields);
        let (time, level) = (humantime::format_rfc3339_millis(now), event.metadata().level());
        // What other crates log by the `log` facade has one target for all, and its own as a field.
        let target = fields.target.as_deref().unwrap_or(event.metadata().target());
        let mut line = String::with_capacity(256);
        match self.format {
            LogFormat::Text => {
                let (begin, end) = if self.colour { (colour(*level), "\x1b[0m") } else { ("", "") };
                // Writing to a string cannot fail.
                let _ = write!(line, "{time} {begin}{level:>5}{end} ");
                fields.push_as_text(&mut line, target);
            }
            LogFormat::Json => {
                let _ = write!(line, r#"{{"ts":"{time}","level":"{level}","target":"#);
                push_json(&mut line, target);
                fields.push_as_json(&mut line);
            }
        }
        line.push('\n');
        line
    }
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG => "\x1b[34m",
        Level::TRACE => "\x1b[35m",
    }
}

/// The fields of an event, the message and the target apart.
#[derive(Default)]
struct Fields {
    message: String,
    target: Option<String>,
    others: Vec<(&'static str, Value)>,
    addresses: LogAddresses,
}

enum Value {
    Text(String),
    /// A number or a truth value, as JSON has it.
    Literal(String),
}

impl Fields {
    fn push_as_text(&self, line: &mut String, target: &str) {
        push_words(line, &self.message);
        for (name, value) in &self.others {
            let _ = write!(line, " {name}=");
            match value {
                Value::Text(text) => push_text(line, text),
                Value::Literal(literal) => line.push_str(literal),
            }
        }
        if !target.starts_with(OURS) {
            line.push_str(" target=");
            push_text(line, target);
        }
    }

    fn push_as_json(&self, line: &mut String) {
        line.push_str(r#","msg":"#);
        push_json(line, &self.message);
        for (name, value) in &self.others {
            line.push(',');
            push_json(line, name);
            line.push(':');
            match value {
                Value::Text(text) => push_json(line, text),
                Value::Literal(literal) => line.push_str(literal),
            }
        }
        line.push('}');
    }

    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::Text(text)) => self.message = text,
            ("log.target", Value::Text(text)) => self.target = Some(text),
            ("log.module_path" | "log.file" | "log.line", _) => {}
            (PEER, Value::Text(text)) if self.addresses == LogAddresses::Truncated => {
                self.others.push((PEER, Value::Text(truncated(&text).unwrap_or(text))));
            }
            (name, value) => self.others.push((name, value)),
        }
    }

    fn put_literal(&mut self, field: &Field, value: impl fmt::Display) {
        self.put(field, Value::Literal(value.to_string()));
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::Text(shortened(value.to_owned())));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Value::Text(shortened(format!("{value:?}"))));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put_literal(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put_literal(field, value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.put_literal(field, value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.put_literal(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put_literal(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.put_literal(field, value);
        } else {
            self.put(field, Value::Text(value.to_string()));
        }
    }
}

fn shortened(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(VALUE_CHARS_MAX) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// The network of an address, with or without a port; `None` of what is no address.
fn truncated(text: &str) -> Option<String> {
    let address =
        text.parse::<SocketAddr>().map(|address| address.ip()).or_else(|_| text.parse::<IpAddr>()).ok()?;
    let address = address.to_canonical();
    let bits = if address.is_ipv4() { 24 } else { 48 };
    Some(IpNet::new(address, bits).ok()?.trunc().to_string())
}
