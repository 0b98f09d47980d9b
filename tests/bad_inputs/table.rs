//! The table of `tests/bad_inputs.toml`: what its rows may say.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

use super::packets;

/// The file, section by section.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// For each type a client sends, a body that is right: by its number.
    pub bodies: BTreeMap<String, String>,
    pub framing: Vec<Row>,
    pub bodies_and_types: Vec<Row>,
    pub states: Vec<Row>,
    pub texts: Vec<Row>,
    pub names: Vec<Row>,
    /// What needs accounts: rows that name their tests.
    pub authentication: Vec<Row>,
    pub rooms: Vec<Row>,
    pub floods: Vec<Row>,
    pub resume: Vec<Row>,
    /// What needs a certificate: rows that name their tests.
    pub tls: Vec<Row>,
}

/// One row: what is sent, in which state, and what comes of it.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    pub id: String,
    pub input: String,
    /// The states it is tried in.
    #[serde(default = "authenticated")]
    pub state: OneOrMany<State>,
    /// One thing that is sent ...
    #[serde(default)]
    pub steps: Vec<Step>,
    /// ... or several, each on a connection of its own, ...
    #[serde(default)]
    pub cases: Vec<Vec<Step>>,
    /// ... which may be all the same but for a text that is said, ...
    #[serde(default)]
    pub texts: Vec<Piece>,
    /// ... a name to log in with, ...
    #[serde(default)]
    pub names: Vec<Piece>,
    /// ... raw bytes, as hex, ...
    #[serde(default)]
    pub hex: Vec<String>,
    /// ... or a packet, as "type: body in hex".
    #[serde(default)]
    pub packets: Vec<String>,
    /// Derived from `bodies`, for the types listed in `types`, or for all.
    pub derive: Option<Derive>,
    #[serde(default)]
    pub types: Vec<u16>,
    /// A function of `scenarios.rs` instead: what is not one connection's doing.
    pub scenario: Option<String>,
    /// Another test that runs this row: its file, and the test's name.
    pub covered_by: Option<[String; 2]>,

    /// What each packet is answered with, in order; 0 is success. The last one may be told by the Goodbye alone.
    #[serde(default)]
    pub code: OneOrMany<Codes>,
    /// Instead: one code, which of these may depend on the bytes.
    #[serde(default)]
    pub one_of: Vec<u16>,
    /// The answers may come in another order.
    #[serde(default)]
    pub any_order: bool,
    pub conn: Option<Conn>,
    /// When the connection ends, counted from its start: within a second of it. Else: at once.
    #[serde(default, with = "humantime_serde")]
    pub at: Option<Duration>,
    /// What the others hear of it. Else: the texts said if all codes are 0, or nothing.
    pub heard: Option<Vec<Piece>>,
    /// The most that the server may take of it.
    pub read_max: Option<usize>,

    /// How the bytes arrive.
    #[serde(default = "three_ways")]
    pub ways: Vec<Way>,
    /// The pause after each byte, where the way is `bytes`.
    #[serde(default, with = "humantime_serde")]
    pub pace: Duration,
    /// Run over loopback sockets too, where no time is waited for.
    #[serde(default)]
    pub sockets: bool,
    /// Settings of the server, as `key=value`.
    #[serde(default)]
    pub config: Vec<String>,
    /// The name of somebody who is there.
    #[serde(default = "walter")]
    pub witness: String,
    /// The name of somebody who was there.
    pub departed: Option<String>,
    /// Rooms that the witness has made and is in, numbered from 2 on.
    #[serde(default)]
    pub made: Vec<Made>,
    /// Whom the witness ignores.
    #[serde(default)]
    pub ignored: Vec<String>,
    /// Why the answer differs from what one might expect.
    pub why: Option<String>,
}

/// A room that is there, and whom it knows.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Made {
    pub name: String,
    #[serde(default)]
    pub password: String,
    #[serde(default = "a_hundred")]
    pub capacity: u32,
    #[serde(default)]
    pub flags: u16,
    #[serde(default)]
    pub slow_s: u32,
    pub banned: Option<String>,
    pub muted: Option<String>,
    pub invited: Option<String>,
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Connected,
    Greeted,
    Authenticated,
}

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Conn {
    /// It goes on.
    Kept,
    /// A Goodbye with the last code, then the end of the stream, and the place is free within a second.
    Closed,
    /// As `closed`, but with 3001: the refusals have added up.
    Score,
    /// The end of the stream, without a Goodbye.
    Silent,
    /// The peer does not listen any more.
    Gone,
}

/// How bytes arrive.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    Whole,
    Bytes,
    /// Cut in two at a random point.
    Cut,
    /// Cut in two, 20 ms apart, at every point there is.
    Everywhere,
}

/// How bad bodies come from right ones.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Derive {
    /// Every beginning of the type's body that is not all of it.
    Short,
    /// The bodies of all other types.
    Crossed,
    /// The type's body and one byte more.
    Long,
}

/// One thing or a list of them.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

/// A code, perhaps several times.
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
pub enum Codes {
    Once(u16),
    Times { code: u16, times: usize },
}

/// A piece of text: as it stands, repeated, or each of a range of characters between `before` and `after`.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub enum Piece {
    Plain(String),
    Repeated(Repeated),
    Range(Range),
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeated {
    #[serde(default)]
    before: String,
    of: String,
    times: usize,
    #[serde(default)]
    after: String,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    #[serde(default)]
    before: String,
    from: char,
    to: char,
    #[serde(default)]
    after: String,
}

/// One step: exactly one thing to do, perhaps several times.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub hex: Option<String>,
    pub packet: Option<String>,
    pub zeros: Option<usize>,
    pub random: Option<usize>,
    /// A version.
    pub hello: Option<u16>,
    pub login: Option<String>,
    pub password: Option<String>,
    pub say: Option<Piece>,
    pub whisper: Option<Piece>,
    pub to: Option<String>,
    /// The room that a line or a request is about; else the lobby.
    #[serde(rename = "in")]
    pub place: Option<u64>,
    /// A limit.
    pub who: Option<u16>,
    /// A limit.
    pub rooms: Option<u16>,
    pub after: Option<u64>,
    /// A name, in which `{}` is another number each time.
    pub create: Option<String>,
    pub capacity: Option<u32>,
    pub flags: Option<u16>,
    pub slow_s: Option<u32>,
    /// Of a room that is made, or `in` one that is there.
    pub topic: Option<Piece>,
    pub join: Option<String>,
    /// A room's number.
    pub leave: Option<u64>,
    /// A room's number.
    pub set_room: Option<u64>,
    /// A room's number.
    pub close: Option<u64>,
    pub moderate: Option<Moderation>,
    pub seconds: Option<u32>,
    pub ignore: Option<String>,
    pub on: Option<u16>,
    /// Payload bytes.
    pub ping: Option<usize>,
    #[serde(default, with = "humantime_serde")]
    pub wait: Option<Duration>,
    pub end: Option<Ending>,
    pub times: Option<usize>,
    /// The pause after each time.
    #[serde(default, with = "humantime_serde")]
    pub every: Option<Duration>,
}

/// What may be done to a person, by its number.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Moderation {
    Kick = 1,
    Ban = 2,
    Unban = 3,
    Mute = 4,
    Unmute = 5,
    Invite = 6,
    Uninvite = 7,
    Appoint = 8,
    Dismiss = 9,
    HandOver = 10,
}

/// How a client stops.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// It sends no more, but reads.
    Half,
    /// It closes.
    Drop,
    /// It resets the connection (in memory: closes).
    Reset,
}

impl Table {
    pub fn load() -> Self {
        toml::from_str(include_str!("../bad_inputs.toml")).unwrap_or_else(|error| panic!("{error}"))
    }

    pub fn sections(&self) -> [&[Row]; 10] {
        [
            &self.framing,
            &self.bodies_and_types,
            &self.states,
            &self.texts,
            &self.names,
            &self.authentication,
            &self.rooms,
            &self.floods,
            &self.resume,
            &self.tls,
        ]
    }

    /// A body that is right.
    pub fn body(&self, kind: u16) -> Vec<u8> {
        packets::hex(self.bodies.get(&kind.to_string()).unwrap_or_else(|| panic!("no body for {kind}")))
    }

    /// The types that have one.
    pub fn kinds(&self) -> Vec<u16> {
        self.bodies.keys().map(|kind| kind.parse().expect("a type number")).collect()
    }
}

impl Row {
    /// The codes in order; `None` where [`Row::one_of`] has them.
    pub fn codes(&self) -> Option<Vec<u16>> {
        self.one_of.is_empty().then(|| {
            let repeat = |codes: &Codes| match *codes {
                Codes::Once(code) => vec![code],
                Codes::Times { code, times } => vec![code; times],
            };
            self.code.as_slice().iter().flat_map(repeat).collect()
        })
    }
}

impl Step {
    pub fn settings(&self) -> packets::Settings {
        (self.capacity.unwrap_or(100), self.flags.unwrap_or(0), self.slow_s.unwrap_or(0))
    }
}

impl Piece {
    /// The texts it stands for.
    pub fn strings(&self) -> Vec<String> {
        match self {
            Self::Plain(text) => vec![text.clone()],
            Self::Repeated(Repeated { before, of, times, after }) => {
                vec![format!("{before}{}{after}", of.repeat(*times))]
            }
            Self::Range(Range { before, from, to, after }) => {
                (*from..=*to).map(|c| format!("{before}{c}{after}")).collect()
            }
        }
    }
}

impl<T> OneOrMany<T> {
    pub fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

fn authenticated() -> OneOrMany<State> {
    OneOrMany::One(State::Authenticated)
}

fn three_ways() -> Vec<Way> {
    vec![Way::Whole, Way::Bytes, Way::Cut]
}

fn a_hundred() -> u32 {
    100
}

fn walter() -> String {
    "walter".into()
}
