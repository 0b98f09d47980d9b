//! People with accounts who can come back, on a stage in memory.

use chat_proto::{ErrorCode, ResumeToken};
use iocp_chat::store::AccountId;

use crate::{
    common::stage::{Stage, password},
    peer::Peer,
};

impl Stage {
    /// The owner of an account.
    pub async fn owner(&self, name: &str) -> Peer {
        Peer::log_in_with(&self.server, name, password()).await
    }

    /// The number of an account.
    pub async fn account(&self, name: &str) -> AccountId {
        self.store.accounts().find(name).await.expect("an answer").expect("it is there").id
    }

    /// Why a token lets nobody in.
    pub async fn refused(&self, token: ResumeToken) -> ErrorCode {
        let Err(refusal) = Peer::resume(&self.server, token).await else { panic!("the token is good") };
        refusal.code.error().expect("known")
    }
}
