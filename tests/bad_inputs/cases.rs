//! From a row of the table to what each of its connections does.

use std::time::Duration;

use rand::{RngExt, rngs::StdRng};

use super::{
    packets::{self, packet},
    table::{Derive, Ending, Piece, Row, Step, Table},
};

/// What a client does, in bytes and time.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    Send(Vec<u8>),
    Wait(Duration),
    End(Ending),
}

/// One connection's doing.
pub struct Case {
    pub label: String,
    pub acts: Vec<Act>,
    /// What it says, in order.
    pub texts: Vec<String>,
    /// The payloads of its pings.
    pub pings: Vec<Vec<u8>>,
}

impl Row {
    /// What is sent, each on a connection of its own.
    pub fn cases(&self, table: &Table, rng: &mut StdRng) -> Vec<Case> {
        let step = |step: Step| vec![step];
        let mut cases = self.cases.clone();
        if !self.steps.is_empty() || self.is_silence() {
            cases.push(self.steps.clone());
        }
        cases.extend(
            self.texts
                .iter()
                .flat_map(Piece::strings)
                .map(|text| step(Step { say: Some(Piece::Plain(text)), ..Step::default() })),
        );
        cases.extend(
            self.names
                .iter()
                .flat_map(Piece::strings)
                .map(|name| step(Step { login: Some(name), ..Step::default() })),
        );
        cases.extend(self.hex.iter().map(|hex| step(Step { hex: Some(hex.clone()), ..Step::default() })));
        cases.extend(
            self.packets.iter().map(|text| step(Step { packet: Some(text.clone()), ..Step::default() })),
        );
        let mut cases: Vec<Case> = cases.iter().map(|steps| Case::of(steps, rng)).collect();
        cases.extend(self.derived(table).into_iter().map(|bytes| Case {
            label: format!("{bytes:02x?}"),
            acts: vec![Act::Send(bytes)],
            texts: Vec::new(),
            pings: Vec::new(),
        }));
        assert!(!cases.is_empty(), "{} sends nothing", self.id);
        cases
    }

    /// Whether rooms are to be as before when it is over.
    pub fn is_about_rooms(&self) -> bool {
        !self.made.is_empty() || self.makes_rooms()
    }

    /// Whether what it sends takes a number of a room: then each take has a server of its own, where that is known.
    pub fn makes_rooms(&self) -> bool {
        self.cases.iter().chain([&self.steps]).flatten().any(|step| step.create.is_some())
    }

    /// Whether sending nothing is what it is about.
    fn is_silence(&self) -> bool {
        self.at.is_some() && self.cases.is_empty() && self.packets.is_empty() && self.hex.is_empty()
    }

    fn derived(&self, table: &Table) -> Vec<Vec<u8>> {
        let Some(derive) = self.derive else { return Vec::new() };
        let mut derived = Vec::new();
        let kinds = if self.types.is_empty() { table.kinds() } else { self.types.clone() };
        for kind in kinds {
            let right = table.body(kind);
            match derive {
                Derive::Short => derived.extend((0..right.len()).map(|len| packet(kind, &right[..len]))),
                Derive::Long => derived.push(packet(kind, &[&right[..], &[0]].concat())),
                Derive::Crossed => {
                    let others =
                        table.bodies.values().map(|body| packets::hex(body)).filter(|body| *body != right);
                    derived.extend(others.map(|body| packet(kind, &body)));
                }
            }
        }
        derived
    }
}

impl Case {
    fn of(steps: &[Step], rng: &mut StdRng) -> Self {
        let mut case = Self { label: String::new(), acts: Vec::new(), texts: Vec::new(), pings: Vec::new() };
        let mut id = 10;
        for step in steps {
            for _ in 0..step.times.unwrap_or(1) {
                id += 1;
                case.take(step, id, rng);
                if let Some(pause) = step.every {
                    case.acts.push(Act::Wait(pause));
                }
            }
        }
        case.label = match &case.acts[..] {
            [Act::Send(bytes), ..] => format!("{:02x?}", &bytes[..bytes.len().min(48)]),
            _ => String::new(),
        };
        case
    }

    fn take(&mut self, step: &Step, id: u32, rng: &mut StdRng) {
        let bytes = match step {
            Step { hex: Some(hex), .. } => packets::hex(hex),
            Step { packet: Some(text), .. } => {
                let (kind, body) = text.split_once(':').expect("a packet is written type: body");
                packet(kind.parse().expect("a type number"), &packets::hex(body))
            }
            Step { zeros: Some(count), .. } => vec![0; *count],
            Step { random: Some(count), .. } => {
                let mut bytes = vec![0; *count];
                rng.fill(&mut bytes[..]);
                bytes
            }
            Step { hello: Some(version), .. } => packets::hello(id, *version),
            Step { login: Some(name), password, .. } => packets::login(id, name, password.as_deref()),
            Step { say: Some(text), place: Some(room), .. } => packets::room_chat(id, *room, self.says(text)),
            Step { say: Some(text), .. } => packets::broadcast(id, self.says(text)),
            Step { whisper: Some(text), to: Some(to), .. } => {
                packets::whisper(id, &numbered(to, id), self.says(text))
            }
            Step { ignore: Some(name), on, .. } => packets::ignore(id, &numbered(name, id), on.unwrap_or(1)),
            Step { who: Some(limit), place, .. } => {
                packets::who(id, place.unwrap_or(1), step.after.unwrap_or(0), *limit)
            }
            Step { create: Some(name), password, .. } => {
                let (name, topic) = (numbered(name, id), step.topic.as_ref().map(|topic| self.says(topic)));
                let password = password.as_deref().unwrap_or_default();
                packets::create_room(id, &name, password, step.settings(), topic.unwrap_or_default())
            }
            Step { join: Some(name), password, .. } => {
                packets::join_room(id, name, password.as_deref().unwrap_or_default())
            }
            Step { leave: Some(room), .. } => packets::leave_room(id, *room),
            Step { rooms: Some(limit), .. } => packets::rooms(id, step.after.unwrap_or(0), *limit),
            Step { topic: Some(topic), place: Some(room), .. } => {
                packets::set_topic(id, *room, self.says(topic))
            }
            Step { set_room: Some(room), password, .. } => {
                packets::set_room(id, *room, step.settings(), password.as_deref())
            }
            Step { moderate: Some(act), to: Some(name), place, seconds, .. } => {
                packets::moderate(id, place.unwrap_or(1), *act as u16, name, seconds.unwrap_or(0), "")
            }
            Step { close: Some(room), .. } => packets::close_room(id, *room),
            Step { ping: Some(len), .. } => {
                let payload: Vec<u8> =
                    (0..*len).map(|at| u8::try_from(at % 256).expect("below 256")).collect();
                let bytes = packets::ping(&payload);
                self.pings.push(payload);
                bytes
            }
            Step { wait: Some(pause), .. } => return self.acts.push(Act::Wait(*pause)),
            Step { end: Some(ending), .. } => return self.acts.push(Act::End(*ending)),
            _ => panic!("a step does one thing"),
        };
        if let Some(Act::Send(before)) = self.acts.last_mut() {
            before.extend(bytes);
        } else {
            self.acts.push(Act::Send(bytes));
        }
    }

    fn says(&mut self, piece: &Piece) -> &str {
        let text = piece.strings().swap_remove(0);
        self.texts.push(text);
        self.texts.last().expect("just said")
    }
}

/// A name that is another each time it is used, where it has a `{}`.
fn numbered(name: &str, number: u32) -> String {
    name.replace("{}", &number.to_string())
}
