//! All that a device knows about keys and whispers of others, as it is kept.

use std::collections::BTreeMap;

use chat_proto::{DeviceKey, Username};
use serde::{Deserialize, Serialize};

use super::{Contact, Contacts, Repeats};
use crate::client::hex;

/// What the program writes, and reads.
const VERSION: u16 = 1;

/// The contacts of each server, and the whispers that have been opened. Its form is stable: later versions read it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Form", try_from = "Form")]
pub struct Book {
    servers: BTreeMap<String, Contacts>,
    /// Whispers that have been opened.
    pub repeats: Repeats,
}

impl Book {
    /// Whose keys are known on a server.
    pub fn contacts(&mut self, server: &str) -> &mut Contacts {
        if !self.servers.contains_key(server) {
            self.servers.insert(server.to_owned(), Contacts::default());
        }
        self.servers.get_mut(server).expect("it is there")
    }

    /// Forgets servers where nobody is known.
    pub fn tidy(&mut self) {
        self.servers.retain(|_, contacts| contacts.iter().next().is_some());
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    version: u16,
    servers: BTreeMap<String, Vec<Person>>,
    opened_floor_ms: u64,
    opened: Vec<Opened>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Person {
    name: String,
    keys: Vec<String>,
    verified: bool,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Opened {
    time_ms: u64,
    nonce: String,
}

impl From<Book> for Form {
    fn from(Book { servers, repeats }: Book) -> Self {
        let person = |contact: &Contact| Person {
            name: contact.name.as_str().to_owned(),
            keys: contact.keys.iter().map(|key| hex::write(&key.0)).collect(),
            verified: contact.verified,
        };
        let people = |(server, contacts): (&String, &Contacts)| {
            let people: Vec<_> = contacts.iter().map(person).collect();
            (!people.is_empty()).then(|| (server.clone(), people))
        };
        let opened =
            |(time_ms, nonce): &(u64, [u8; 16])| Opened { time_ms: *time_ms, nonce: hex::write(nonce) };
        Self {
            version: VERSION,
            servers: servers.iter().filter_map(people).collect(),
            opened_floor_ms: repeats.floor(),
            opened: repeats.opened().map(opened).collect(),
        }
    }
}

impl TryFrom<Form> for Book {
    type Error = String;

    fn try_from(form: Form) -> Result<Self, String> {
        if form.version != VERSION {
            return Err(format!("version {}", form.version));
        }
        let key = |text: &String| {
            let bytes = hex::read(text).and_then(|bytes| bytes.try_into().ok());
            bytes.map(DeviceKey).ok_or_else(|| "a key is 64 hexadecimal digits".to_owned())
        };
        let contact = |person: &Person| {
            let name = Username::parse(&person.name).map_err(|why| why.line().to_owned())?;
            let keys = person.keys.iter().map(key).collect::<Result<_, _>>()?;
            Ok::<_, String>(Contact { name, keys, verified: person.verified })
        };
        let contacts = |(server, people): (&String, &Vec<Person>)| {
            let people: Vec<_> = people.iter().map(contact).collect::<Result<_, _>>()?;
            Ok::<_, String>((server.clone(), Contacts::of(people)))
        };
        let opened = |one: &Opened| {
            let nonce = hex::read(&one.nonce).and_then(|bytes| bytes.try_into().ok());
            Ok::<_, String>((one.time_ms, nonce.ok_or("a nonce is 32 hexadecimal digits")?))
        };
        let opened: Vec<_> = form.opened.iter().map(opened).collect::<Result<_, _>>()?;
        let servers = form.servers.iter().map(contacts).collect::<Result<_, _>>()?;
        let mut book = Self { servers, repeats: Repeats::of(form.opened_floor_ms, opened) };
        book.tidy();
        Ok(book)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: &str = concat!(
        r#"{"version":1,"servers":{"example.org:11021":[{"name":"김철수","keys":["#,
        r#""0101010101010101010101010101010101010101010101010101010101010101"],"verified":true}]},"#,
        r#""opened_floor_ms":0,"opened":[{"time_ms":7,"nonce":"09090909090909090909090909090909"}]}"#,
    );

    fn book() -> Book {
        let (mut book, kim) = (Book::default(), Username::parse("김철수").expect("a name"));
        let contacts = book.contacts("example.org:11021");
        contacts.meet(&kim, &[DeviceKey([1; 32])].into());
        contacts.verify(&kim.key());
        book.repeats.see(7, [9; 16], 7);
        book
    }

    #[test]
    fn what_is_written_is_read_back_by_this_version_and_by_later_ones() {
        assert_eq!(serde_json::to_string(&book()).expect("strings and numbers"), WRITTEN);
        assert_eq!(serde_json::from_str::<Book>(WRITTEN).expect("it was written"), book());
    }

    #[test]
    fn to_look_for_somebody_changes_nothing() {
        let mut looked = book();
        let nobody = Username::parse("nobody").expect("a name").key();
        assert!(looked.contacts("elsewhere:11021").get(&nobody).is_none());
        looked.tidy();
        assert_eq!(looked, book());
        let with_nobody = WRITTEN.replacen("\"servers\":{", "\"servers\":{\"elsewhere:11021\":[],", 1);
        assert_eq!(serde_json::from_str::<Book>(&with_nobody).expect("a file"), book());
    }

    #[test]
    fn what_nobody_wrote_is_refused() {
        for (right, wrong) in [
            ("\"version\":1", "\"version\":2"),
            ("0101", "01"),
            ("0909", "09"),
            ("김철수", "no name"),
            ("\"verified\"", "\"checked\""),
        ] {
            let text = WRITTEN.replacen(right, wrong, 1);
            assert_ne!(text, WRITTEN);
            assert!(serde_json::from_str::<Book>(&text).is_err(), "{text}");
        }
    }
}
