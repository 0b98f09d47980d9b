//! What a conversation tells of keys and of sealed whispers.

use chat_proto::{KeyId, Line, SealedLine};

use super::{
    chat::Chat,
    no_seals::{NoSeals, Unsealing},
    sealed_show::json_line,
    seals::{Trust, Unread, Unsealed},
    show::Style,
};
use crate::client::seal::Standing;

impl Chat<'_> {
    /// What there is to know of sealing before anything is said.
    pub(super) async fn tell_seals(&self) {
        let Self { args, lang, output, .. } = *self;
        let seals = match self.seals {
            Ok(seals) => seals,
            Err(Unsealing { why, .. }) => {
                let told = if args.require_e2e { lang.cannot_seal(why) } else { lang.no_seals(why) };
                if !told.is_empty() {
                    output.warn(told).await;
                }
                return;
            }
        };
        output.detail(format!("key of this device: {}", seals.own_key())).await;
        if let Some(file) = seals.files.made() {
            output.notice(lang.key_made(&file)).await;
        }
        self.tell_own_keys().await;
        self.tell_of_contacts().await;
    }

    /// This device's key is published once more, and with it what is sealed to it is asked for.
    pub(super) async fn publish_again(&self) {
        let Ok(seals) = self.seals else { return };
        if let Err(error) = seals.publish().await {
            self.output.warn(self.lang.no_seals(&NoSeals::Unpublished(error))).await;
        }
    }

    /// What has become of one's own keys.
    pub(super) async fn tell_own_keys(&self) {
        let Self { lang, output, .. } = *self;
        let Ok(seals) = self.seals else { return };
        let Ok(own) = seals.own_report().await else { return };
        if !own.has(seals.own_key()) {
            output.warn(lang.own_key_missing(seals.own_key())).await;
        }
        match &own.standing {
            Standing::Changed { added } => {
                let added: Vec<_> = added.iter().map(KeyId::of).collect();
                output.warn(lang.own_keys_changed(own.name.as_str(), &added)).await;
            }
            Standing::New if own.entries.len() > 1 => {
                output.warn(lang.own_other_keys(own.entries.len() - 1)).await;
            }
            _ => {}
        }
    }

    /// What is known of others could not be kept.
    pub(super) async fn tell_of_contacts(&self) {
        if let Some(why) = self.seals.as_ref().ok().and_then(|seals| seals.files.failure()) {
            self.output.warn(self.lang.contacts_unwritten(&why)).await;
        }
    }

    /// Opens a whisper, and shows it.
    pub(super) async fn show_sealed(&self, style: Style<'_>, line: &SealedLine<String>) {
        let unsealed = match self.seals {
            Ok(seals) => seals.unseal(line).await,
            Err(_) => Unsealed::Unread(Unread::NoKeys),
        };
        if let (Unsealed::Read { trust: Trust::NewKey, .. }, Ok(seals)) = (&unsealed, self.seals)
            && let Some(added) = seals.untold_keys(&line.sender)
        {
            self.output.warn(self.lang.keys_changed(&line.sender, &added)).await;
        }
        if self.args.json {
            self.output.message(json_line(line, &unsealed, self.rooms)).await;
        } else {
            self.tell(style.show_sealed(line, &unsealed)).await;
        }
        self.tell_of_contacts().await;
    }

    /// Shows a whisper in plain words. Of somebody whose keys are known it is told that it was not sealed: it is what a
    /// server would say in their name.
    pub(super) async fn show_plain_whisper(&self, style: Style<'_>, line: &Line<String>) {
        let seals = match self.seals {
            Ok(seals) => seals.knows(&line.sender),
            Err(unsealing) => unsealing.knows(&line.sender),
        };
        self.tell(style.show_plain_whisper(line, seals)).await;
    }
}
