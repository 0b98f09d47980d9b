//! What the program says about keys and sealed whispers, in English and Korean.

use chat_proto::{KeyEntry, KeyId};

use super::{
    escape::escape,
    key_files::KeyFault,
    no_seals::NoSeals,
    seals::{Report, Unread, Withheld},
    words::Lang,
};
use crate::client::seal::{OpenFault, Standing};

impl Lang {
    /// Why whispers are not sealed here; empty where nobody need be told.
    #[must_use]
    pub fn no_seals(self, why: &NoSeals) -> String {
        let why = match why {
            NoSeals::Unwanted | NoSeals::NotOffered | NoSeals::Guest => return String::new(),
            NoSeals::Files(fault) => self.key_fault(fault),
            NoSeals::Unpublished(error) => self.pick(
                format!("the key of this device is not published: {}", self.error(error)),
                format!("이 기기의 키를 등록하지 못했습니다: {}", self.error(error)),
            ),
        };
        self.pick(format!("whispers are not sealed: {why}"), format!("귓속말을 봉인하지 않습니다: {why}"))
    }

    /// Why whispers cannot be sealed here, to somebody who wants none but sealed ones.
    #[must_use]
    pub fn cannot_seal(self, why: &NoSeals) -> String {
        let why = match why {
            NoSeals::Unwanted => "--no-e2e".to_owned(),
            NoSeals::NotOffered => {
                self.pick("the server does not offer it", "서버가 지원하지 않습니다").to_owned()
            }
            NoSeals::Guest => self.pick("a guest has no keys", "손님에게는 키가 없습니다").to_owned(),
            why => return self.no_seals(why),
        };
        self.pick(format!("whispers cannot be sealed: {why}"), format!("귓속말을 봉인할 수 없습니다: {why}"))
    }

    fn key_fault(self, fault: &KeyFault) -> String {
        match fault {
            KeyFault::NoFolder => self
                .pick(
                    "no folder for settings; --keys names a file",
                    "설정 폴더가 없습니다. --keys 로 파일을 정하세요",
                )
                .to_owned(),
            KeyFault::Io(file, error) => format!("{file}: {error}"),
            KeyFault::Exposed(file) => self.pick(
                format!("{file} can be read by others (chmod 600)"),
                format!("{file} 파일을 다른 사람이 읽을 수 있습니다 (chmod 600)"),
            ),
            KeyFault::Foreign(file, why) => self.pick(
                format!("{file} is no file of keys: {why}"),
                format!("{file} 파일은 키 파일이 아닙니다: {why}"),
            ),
        }
    }

    /// What is known of others cannot be kept.
    #[must_use]
    pub fn contacts_unwritten(self, why: &str) -> String {
        self.pick(
            format!("whose keys are known is not kept: {why}"),
            format!("알고 있는 키를 저장하지 못했습니다: {why}"),
        )
    }

    /// A whisper that is not said.
    #[must_use]
    pub fn whisper_withheld(self, number: u64, to: &str, why: &Withheld) -> String {
        let to = escape(to);
        let why = match why {
            Withheld::HadKeys(why) => self.pick(
                format!("{to} had keys, or may have, and is whispered to plainly with --no-e2e only ({why})"),
                format!(
                    "{to} 님에게 키가 있었으므로, 봉인하지 않고 말하려면 --no-e2e 가 있어야 합니다 ({why})"
                ),
            ),
            Withheld::Changed(added) => self.keys_changed(&to, added),
            Withheld::Gone => self.pick(
                format!("{to} had keys and has none now; /trust {to} to whisper without"),
                format!("{to} 님의 키가 사라졌습니다. 그래도 말하려면 /신뢰 {to}"),
            ),
            Withheld::Keyless => self.pick(
                format!("{to} has no keys to seal it with (--require-e2e)"),
                format!("{to} 님에게는 봉인할 키가 없습니다 (--require-e2e)"),
            ),
            Withheld::Unable => self
                .pick(
                    "it cannot be sealed here (--require-e2e)",
                    "여기서는 봉인할 수 없습니다 (--require-e2e)",
                )
                .to_owned(),
            Withheld::Fault(fault) => self.pick(
                format!("it cannot be sealed to {to}: {fault}"),
                format!("{to} 님에게 봉인할 수 없습니다: {fault}"),
            ),
        };
        self.pick(
            format!("line {number} was not said: {why}"),
            format!("{number}번째 줄을 말하지 않았습니다: {why}"),
        )
    }

    /// Somebody has keys that are not known.
    #[must_use]
    pub fn keys_changed(self, name: &str, added: &[KeyId]) -> String {
        let (name, added) = (escape(name), list(added));
        self.pick(
            format!(
                "WARNING: {name} HAS OTHER KEYS ({added}): a new device, or somebody else who reads along. Compare the \
                 number of /keys {name} with theirs, then /trust {name}"
            ),
            format!(
                "경고: {name} 님의 키가 바뀌었습니다 ({added}). 새 기기일 수도, 엿보는 사람일 수도 있습니다. \
                 /키 {name} 의 번호를 서로 맞춰 본 뒤 /신뢰 {name}"
            ),
        )
    }

    /// Devices of one's own account that this one does not know.
    #[must_use]
    pub fn own_keys_changed(self, me: &str, added: &[KeyId]) -> String {
        let (me, added) = (escape(me), list(added));
        self.pick(
            format!(
                "WARNING: YOUR ACCOUNT HAS OTHER KEYS ({added}). If they are your devices': /trust {me}. If not: /revoke \
                 KEY, and change your password"
            ),
            format!(
                "경고: 내 계정에 모르는 키가 있습니다 ({added}). 내 기기라면 /신뢰 {me}, 아니라면 /폐기 키, 그리고 \
                 비밀번호를 바꾸세요"
            ),
        )
    }

    /// Devices of one's own account, when they are met first.
    #[must_use]
    pub fn own_other_keys(self, others: usize) -> String {
        self.pick(
            format!(
                "your account has {others} more devices with keys, which read along; /keys lists them, /revoke KEY takes one out"
            ),
            format!(
                "내 계정에 키가 있는 기기가 {others}개 더 있고 함께 읽을 수 있습니다. /키 로 보고 /폐기 키 로 없앱니다"
            ),
        )
    }

    /// Nobody is told the key of this device.
    #[must_use]
    pub fn own_key_missing(self, own: KeyId) -> String {
        self.pick(
            format!("WARNING: THE SERVER DOES NOT TELL THE KEY OF THIS DEVICE ({own}): nobody seals to it"),
            format!(
                "경고: 서버가 이 기기의 키를 알려 주지 않습니다 ({own}). 아무도 이 기기로 봉인하지 않습니다"
            ),
        )
    }

    /// There was no key here before.
    #[must_use]
    pub fn key_made(self, file: &str) -> String {
        self.pick(
            format!("a key was made for this device: {file}"),
            format!("이 기기의 키를 만들었습니다: {file}"),
        )
    }

    /// Whispers to somebody are sealed from now on.
    #[must_use]
    pub fn whispers_are_sealed(self, to: &str) -> String {
        let to = escape(to);
        self.pick(
            format!("whispers to {to} are sealed; /keys {to} shows the number to compare"),
            format!("{to} 님에게 하는 귓속말은 봉인됩니다. /키 {to} 로 서로 맞춰 볼 번호를 봅니다"),
        )
    }

    /// Whispers to somebody are not.
    #[must_use]
    pub fn whispers_are_plain(self, to: &str) -> String {
        let to = escape(to);
        self.pick(
            format!("whispers to {to} are not sealed: {to} has no keys"),
            format!("{to} 님에게 하는 귓속말은 봉인되지 않습니다. 키가 없습니다"),
        )
    }

    /// A sealed whisper that is not opened.
    #[must_use]
    pub fn unread(self, sender: &str, why: Unread) -> String {
        let (sender, why) = (escape(sender), self.why_unread(why));
        self.pick(
            format!("a sealed whisper from {sender} cannot be opened: {why}"),
            format!("{sender} 님의 봉인된 귓속말을 열 수 없습니다: {why}"),
        )
    }

    fn why_unread(self, why: Unread) -> &'static str {
        match why {
            Unread::NoKeys => self.pick("there are no keys here", "여기에는 키가 없습니다"),
            Unread::UnknownKey => self.pick("its sender has no such key", "보낸 사람에게 그런 키가 없습니다"),
            Unread::Untold => self.pick(
                "the server does not tell its sender's keys now",
                "서버가 지금 보낸 사람의 키를 알려 주지 않습니다",
            ),
            Unread::Fault(OpenFault::Form) => self.pick("it is of an unknown form", "알 수 없는 형식입니다"),
            Unread::Fault(OpenFault::NotForUs) => {
                self.pick("it was sealed to other devices", "다른 기기에 봉인된 것입니다")
            }
            Unread::Fault(OpenFault::Forged) => {
                self.pick("it is FORGED, or damaged", "위조되었거나 손상되었습니다")
            }
            Unread::Fault(OpenFault::Content) => {
                self.pick("there is no text in it", "글이 들어 있지 않습니다")
            }
        }
    }

    /// What is known of somebody's keys, in lines.
    #[must_use]
    pub fn keys_report(self, report: &Report) -> Vec<String> {
        let name = escape(report.name.as_str());
        let mut lines = vec![match &report.standing {
            Standing::Keyless => {
                self.pick(format!("{name} has no keys"), format!("{name} 님에게는 키가 없습니다"))
            }
            Standing::Gone => self
                .pick(format!("{name} had keys and has none now"), format!("{name} 님의 키가 사라졌습니다")),
            Standing::Changed { added } => {
                self.keys_changed(report.name.as_str(), &added.iter().map(KeyId::of).collect::<Vec<_>>())
            }
            Standing::New | Standing::Known if report.verified => self
                .pick(format!("the keys of {name} are verified"), format!("{name} 님의 키는 확인되었습니다")),
            Standing::New | Standing::Known => self.pick(
                format!("the keys of {name} are not verified"),
                format!("{name} 님의 키는 확인되지 않았습니다"),
            ),
        }];
        if let Some(number) = &report.number {
            lines.extend(two_rows(number));
            let [then, korean_then] = match report.standing {
                Standing::Changed { .. } => ["/trust", "/신뢰"],
                _ => ["/verify", "/확인"],
            };
            lines.push(self.pick(
                format!("  if {name} sees the same number, {then} {name}"),
                format!("  {name} 님에게도 같은 번호가 보이면 {korean_then} {name}"),
            ));
        }
        lines.extend(report.entries.iter().map(device));
        lines
    }

    /// One's own keys, in lines.
    #[must_use]
    pub fn own_keys_report(self, report: &Report, own: KeyId) -> Vec<String> {
        let mark = self.pick(" this device", " 이 기기");
        let line = |entry: &KeyEntry| {
            let this = if KeyId::of(&entry.key) == own { mark } else { "" };
            format!("{}{this}", device(entry))
        };
        let head = self.pick("keys of your devices:", "내 기기의 키:").to_owned();
        [head].into_iter().chain(report.entries.iter().map(line)).collect()
    }

    /// Somebody's keys are verified.
    #[must_use]
    pub fn verified(self, name: &str) -> String {
        let name = escape(name);
        self.pick(format!("the keys of {name} are verified"), format!("{name} 님의 키를 확인했습니다"))
    }

    /// They cannot be.
    #[must_use]
    pub fn not_verified(self, name: &str) -> String {
        let name = escape(name);
        self.pick(
            format!("there is nothing to verify: see /keys {name}"),
            format!("확인할 것이 없습니다. /키 {name} 을 보세요"),
        )
    }

    /// They are not taken for theirs.
    #[must_use]
    pub fn not_trusted(self, name: &str) -> String {
        let name = escape(name);
        self.pick(
            format!("you have not been shown these keys before: if they are right, /trust {name} once more"),
            format!("처음 보는 키입니다. 맞다면 다시 한번 /신뢰 {name}"),
        )
    }

    /// A key is not taken out.
    #[must_use]
    pub fn not_revoked(self, id: &str) -> String {
        let id = escape(id);
        self.pick(
            format!("{id} is not the key of one other device of yours; /keys lists them"),
            format!("{id} 은(는) 내 다른 기기 하나의 키가 아닙니다. /키 로 볼 수 있습니다"),
        )
    }
}

/// Six groups in a row, which fits wherever it is read aloud.
fn two_rows(number: &str) -> [String; 2] {
    let groups: Vec<_> = number.split(' ').collect();
    let (upper, lower) = groups.split_at(groups.len() / 2);
    [upper, lower].map(|row| format!("    {}", row.join(" ")))
}

fn device(entry: &KeyEntry) -> String {
    let since = std::time::UNIX_EPOCH
        .checked_add(std::time::Duration::from_millis(entry.time_ms))
        .filter(|_| entry.time_ms < FAR_MS)
        .map_or_else(|| "?".to_owned(), |since| humantime::format_rfc3339_seconds(since).to_string());
    format!("  {} {since}", KeyId::of(&entry.key))
}

/// The year 9999: what comes after it has no form.
const FAR_MS: u64 = 253_370_764_800_000;

fn list(ids: &[KeyId]) -> String {
    let ids: Vec<_> = ids.iter().map(KeyId::to_string).collect();
    ids.join(", ")
}
