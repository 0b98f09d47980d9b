//! What a conversation tells of keys and of sealed whispers.

use chat_proto::SealedLine;

use super::{
    chat::Chat,
    sealed_show::json_line,
    seals::{Trust, Unread, Unsealed},
    show::Style,
};
use crate::client::seal::{KeyId, Standing};

impl Chat<'_> {
    /// What there is to know of sealing before anything is said.
    pub(super) async fn tell_seals(&self) {
        let Self { args, lang, output, .. } = *self;
        let seals = match self.seals {
            Ok(seals) => seals,
            Err(why) => {
                let told = if args.require_e2e { lang.cannot_seal(why) } else { lang.no_seals(why) };
                if !told.is_empty() {
                    output.warn(told).await;
                }
                return;
            }
        };
        output.detail(format!("key of this device: {}", seals.own_key())).await;
        let Ok(own) = seals.own_report().await else { return };
        match &own.standing {
            Standing::Changed { added } => {
                let added: Vec<_> = added.iter().map(KeyId::of).collect();
                output.warn(lang.own_keys_changed(own.name.as_str(), &added)).await;
            }
            Standing::New if own.entries.len() > 1 => {
                output.notice(lang.own_other_keys(own.entries.len() - 1)).await;
            }
            _ => {}
        }
        self.tell_of_contacts().await;
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
}
