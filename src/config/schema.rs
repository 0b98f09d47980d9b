//! The settings as a JSON Schema, which editors check a file with and the other files here ask for the keys there are.

use std::{borrow::Cow, sync::LazyLock};

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde_json::{Map, Value, json};

use super::{Config, changes::change};

/// How a time is written: "10s", "1h 30m".
pub struct Time;

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": r"^(0|([0-9]+ ?[A-Za-zµ]+ ?)+)$", "format": TIME })
    }
}

/// Marks a time until the schema is finished.
const TIME: &str = "time of humantime";

/// The schema (draft 7) of a settings file: types, descriptions, defaults, choices. Unknown keys are refused.
#[must_use]
pub fn schema() -> &'static Value {
    static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
        let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
        let mut schema = settings.into_generator().into_root_schema_for::<Config>().to_value();
        let defaults = serde_json::to_value(Config::default()).expect("settings are made of what JSON has");
        finish(&mut schema, Some(&defaults), "");
        schema["title"] = "Settings of chat-server".into();
        schema
    });
    &SCHEMA
}

/// Makes of what the types say what a file may say: every key has a default, and TOML has no null.
fn finish(schema: &mut Value, default: Option<&Value>, path: &str) {
    let Value::Object(fields) = schema else { return };
    fields.remove("required");
    without_null(fields);
    number_range(fields);
    if let Some(Value::String(text)) = fields.get_mut("description") {
        *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(change) = change(path) {
            *text = format!("{text} {}", change.note());
        }
    }
    if let Some(Value::Object(keys)) = fields.get_mut("properties") {
        for (key, schema) in keys {
            let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            finish(schema, default.and_then(|default| default.get(key)), &inner);
        }
    } else if let Some(default) = default {
        fields.insert("default".into(), default.clone());
    }
}

/// `null` is how the types say that a key may be left out, which all may.
fn without_null(fields: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = fields.get("type") {
        let other = types.iter().find(|kind| *kind != "null").cloned();
        fields.insert("type".into(), other.unwrap_or(Value::Null));
    }
    let is_null = |schema: &Value| schema["type"] == "null";
    if let Some(Value::Array(forms)) = fields.get("anyOf")
        && forms.iter().any(is_null)
        && let Some(Value::Object(form)) = forms.iter().find(|form| !is_null(form)).cloned()
    {
        fields.remove("anyOf");
        for (key, value) in form {
            fields.entry(key).or_insert(value);
        }
    }
}

/// Rust's types say how wide a number is; everybody else reads from where to where it goes.
fn number_range(fields: &mut Map<String, Value>) {
    let Some(Value::String(format)) = fields.get("format") else { return };
    let bits = match format.as_str() {
        "uint8" => 8,
        "uint16" => 16,
        "uint32" => 32,
        // TOML's numbers have a sign.
        "uint64" | "uint" => 63,
        // Addresses, of either kind: no format that others know is for both.
        "ip" | TIME => {
            fields.remove("format");
            return;
        }
        _ => return,
    };
    fields.remove("format");
    fields.insert("minimum".into(), 0.into());
    fields.insert("maximum".into(), json!((1_u64 << bits) - 1));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_says_what_a_key_takes_what_it_does_and_what_it_is_when_nobody_sets_it() {
        let keys = &schema()["properties"];
        let connections = &keys["limits"]["properties"]["connections"];
        assert_eq!(connections["type"], "integer");
        assert_eq!(connections["default"], 10_000);
        assert!(
            connections["description"].as_str().is_some_and(|text| text.starts_with("Connections in all."))
        );
        assert_eq!(keys["rates"]["properties"]["chat"]["properties"]["burst"]["maximum"], u32::MAX);
        assert_eq!(keys["timeouts"]["properties"]["idle"]["default"], "1m 15s");
        let choices = keys["accounts"]["properties"]["names"]["oneOf"].as_array().expect("choices");
        assert!(
            choices.iter().any(|choice| choice["const"] == "korean" && choice["description"].is_string())
        );
        assert_eq!(keys["accounts"]["properties"]["guests"]["type"], "boolean");
    }

    #[test]
    fn an_editor_takes_no_key_that_the_server_refuses_and_misses_none_that_it_does_not() {
        fn walk(schema: &Value) {
            assert!(schema.get("required").is_none() && schema.get("$ref").is_none(), "{schema}");
            if let Some(keys) = schema.get("properties") {
                assert_eq!(schema["additionalProperties"], false, "{schema}");
                keys.as_object().expect("keys").values().for_each(walk);
            }
        }
        walk(schema());
    }
}
