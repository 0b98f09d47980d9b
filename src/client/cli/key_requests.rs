//! What commands ask about keys.

use chat_proto::ErrorCode;

use super::{
    asker::Asker,
    chat::Chat,
    sealed_show::json_keys,
    seals::{Report, Seals},
};
use crate::client::Error;

impl Asker<'_> {
    /// Tells somebody's keys, or one's own.
    pub(super) async fn tell_keys(&self, name: Option<&str>) -> Result<(), Error> {
        let seals = self.seals().await?;
        let report = match name {
            Some(name) => seals.report(name).await?,
            None => seals.own_report().await?,
        };
        self.tell_report(seals, &report, name.is_none()).await;
        Ok(())
    }

    /// Somebody's number was compared with theirs.
    pub(super) async fn verify(&self, name: &str) -> Result<(), Error> {
        let Chat { lang, output, .. } = *self.chat();
        if !self.seals().await?.verify(name).await? {
            output.warn(lang.not_verified(name)).await;
            return Err(Error::refused(ErrorCode::NoKeys));
        }
        output.notice(lang.verified(name)).await;
        Ok(())
    }

    /// Somebody's keys are to be taken for theirs.
    pub(super) async fn trust(&self, name: &str) -> Result<(), Error> {
        let Chat { lang, output, .. } = *self.chat();
        let seals = self.seals().await?;
        let (is_done, report) = seals.trust(name).await?;
        self.tell_report(seals, &report, false).await;
        if !is_done {
            output.warn(lang.not_trusted(name)).await;
            return Err(Error::refused(ErrorCode::NoKeys));
        }
        Ok(())
    }

    /// A device of one's own is to be sealed to no more.
    pub(super) async fn revoke(&self, id: &str) -> Result<(), Error> {
        let Chat { lang, output, .. } = *self.chat();
        if !self.seals().await?.revoke(id).await? {
            output.warn(lang.not_revoked(id)).await;
            return Err(Error::refused(ErrorCode::RangeInvalid));
        }
        output.notice(lang.done().to_owned()).await;
        Ok(())
    }

    async fn tell_report(&self, seals: &Seals<'_>, report: &Report, own: bool) {
        let Chat { args, lang, output, .. } = *self.chat();
        if args.json {
            return output.message(json_keys(report)).await;
        }
        let lines =
            if own { lang.own_keys_report(report, seals.own_key()) } else { lang.keys_report(report) };
        for line in lines {
            output.answer(line).await;
        }
    }

    async fn seals(&self) -> Result<&Seals<'_>, Error> {
        let Chat { seals, lang, output, .. } = self.chat();
        match seals {
            Ok(seals) => Ok(seals),
            Err(unsealing) => {
                output.warn(lang.cannot_seal(&unsealing.why)).await;
                Err(Error::refused(ErrorCode::PermissionDenied))
            }
        }
    }
}
