//! Client hellos made by hand: of versions and with offers that no library makes any more.

/// A `ClientHello` (RFC 8446, 4.1.2; RFC 5246, 7.4.1.2).
#[derive(Clone)]
pub struct Hello {
    /// The version of the record.
    pub record: u16,
    /// The version it says it speaks, at the old place.
    pub version: u16,
    pub suites: Vec<u16>,
    /// Type and content; none at all where this is empty, as before there were any.
    pub extensions: Vec<(u16, Vec<u8>)>,
}

pub const SERVER_NAME: u16 = 0;
pub const GROUPS: u16 = 10;
pub const SIGNATURES: u16 = 13;

impl Hello {
    /// One of TLS 1.2 that a server takes.
    pub fn tls12(suites: &[u16]) -> Self {
        Self {
            record: 0x0301,
            version: 0x0303,
            suites: suites.to_vec(),
            extensions: vec![
                (GROUPS, list16(&[0x001d, 0x0017])),
                (SIGNATURES, list16(&[0x0403, 0x0804, 0x0401])),
            ],
        }
    }

    /// With one extension more.
    pub fn with(mut self, kind: u16, content: Vec<u8>) -> Self {
        self.extensions.push((kind, content));
        self
    }

    /// The message of the handshake.
    pub fn message(&self) -> Vec<u8> {
        let mut body = self.version.to_be_bytes().to_vec();
        body.extend([7; 32]);
        body.push(0);
        body.extend(list16(&self.suites));
        body.extend([1, 0]);
        if !self.extensions.is_empty() {
            let each = self
                .extensions
                .iter()
                .map(|(kind, content)| [&kind.to_be_bytes()[..], &length(content.len()), content].concat());
            let all = each.collect::<Vec<_>>().concat();
            body.extend(length(all.len()));
            body.extend(all);
        }
        message(1, &body)
    }

    /// All of it, in one record.
    pub fn bytes(&self) -> Vec<u8> {
        record(0x16, self.record, &self.message())
    }
}

/// A message of the handshake.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("short").to_be_bytes();
    [&[kind, length[1], length[2], length[3]], body].concat()
}

/// A record.
pub fn record(kind: u8, version: u16, content: &[u8]) -> Vec<u8> {
    [&[kind], &version.to_be_bytes()[..], &length(content.len()), content].concat()
}

/// The `server_name` extension with one name (RFC 6066).
pub fn server_name(name: &[u8]) -> Vec<u8> {
    let entry = [&[0], &length(name.len())[..], name].concat();
    [&length(entry.len())[..], &entry].concat()
}

fn list16(numbers: &[u16]) -> Vec<u8> {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
    [&length(bytes.len())[..], &bytes].concat()
}

fn length(bytes: usize) -> [u8; 2] {
    u16::try_from(bytes).expect("below 64 KiB").to_be_bytes()
}
