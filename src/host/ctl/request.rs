//! What is asked through the channel, as lines of JSON.

use serde::{Deserialize, Serialize};

/// Bytes of one request: the longest announcement, with everything in it escaped.
pub const REQUEST_BYTES_MAX: usize = 16 * 1024;
/// Bytes of one line of an answer: a session in all the rooms that one may be in.
pub const RECORD_BYTES_MAX: usize = 16 * 1024;

/// What is asked: `{"do":"kick","name":"lee","reason":"flooding"}`. Nothing in it is checked yet but its form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// How the server is.
    Status,
    /// Who is here.
    Sessions,
    /// Which rooms there are.
    Rooms,
    /// Who reads slowest.
    Slow {
        /// How many of them.
        most: usize,
    },
    /// Who is banned, and who is mute.
    Bans,
    /// Somebody goes.
    Kick {
        /// Who.
        name: String,
        /// Why.
        reason: String,
    },
    /// Somebody stays out.
    Ban {
        /// Who.
        whom: Whom,
        /// How long, in seconds; 0: for good.
        seconds: u32,
        /// Why.
        reason: String,
    },
    /// Somebody may come in again.
    Unban {
        /// Who.
        whom: Whom,
    },
    /// Somebody says nothing.
    Mute {
        /// Who.
        name: String,
        /// How long, in seconds; 0: for good.
        seconds: u32,
        /// Why.
        reason: String,
    },
    /// Somebody may speak again.
    Unmute {
        /// Who.
        name: String,
    },
    /// Everybody hears something.
    Announce {
        /// What.
        text: String,
    },
    /// Nobody registers, or as configured again.
    Freeze {
        /// Which.
        on: bool,
    },
    /// Nobody else comes in, or everybody again.
    Drain {
        /// Which.
        on: bool,
    },
    /// The settings are read again, and what can be in force at once is.
    Reload,
    /// The server stops. The channel closes when it has.
    Stop,
    /// The log goes on in a new file of the same name.
    ReopenLog,
}

/// Whom a ban is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whom {
    /// A person.
    Name(String),
    /// A network in CIDR notation, or an address.
    Network(String),
}

/// The last line of an answer, after its records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum End {
    /// It is done.
    Done,
    /// It is not.
    Refused {
        /// The number of the protocol's error code; 0: none of them says it.
        code: u16,
        /// A plain line.
        text: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_written_as_it_is_documented() {
        let whom = Whom::Network("10.0.0.0/8".into());
        let ban = Request::Ban { whom, seconds: 60, reason: "시끄러움".into() };
        let text = r#"{"do":"ban","whom":{"network":"10.0.0.0/8"},"seconds":60,"reason":"시끄러움"}"#;
        assert_eq!(serde_json::to_string(&ban).expect("JSON"), text);
        assert_eq!(serde_json::from_str::<Request>(text).expect("its own"), ban);
        assert_eq!(serde_json::to_string(&Request::Status).expect("JSON"), r#"{"do":"status"}"#);
        assert_eq!(serde_json::to_string(&End::Done).expect("JSON"), r#"{"end":"done"}"#);
    }

    #[test]
    fn what_is_no_request_is_refused_by_name() {
        for (text, named) in [
            (r#"{"do":"explode"}"#, "explode"),
            (r#"{"do":"kick","name":"lee"}"#, "reason"),
            (r#"{"do":"kick","name":"lee","reason":"","force":true}"#, "force"),
            (r#"{"do":"freeze","on":"yes"}"#, "yes"),
            (r#"{"do":"mute","name":"lee","seconds":-1,"reason":""}"#, "-1"),
        ] {
            let error = serde_json::from_str::<Request>(text).expect_err(text).to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
