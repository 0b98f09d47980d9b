//! The first admin: on a server without accounts, an invite for whoever can read what the server says.

use chat_proto::Role;

use crate::store::{Invite, NewInvite, Store, StoreError};

/// A line with an invite for the first admin, if the server has no account yet and no operator's invite for an admin.
///
/// It is good once, until the next start: by then nobody knows its code any more, or who does should not.
pub async fn invite(store: &Store) -> Result<Option<String>, StoreError> {
    revoke(store).await?;
    let now_ms = super::now_ms();
    let operators = |invite: &Invite| {
        let Invite { role, uses_left, expires_ms, .. } = *invite;
        role == Role::Admin && uses_left > 0 && expires_ms.is_none_or(|end| end > now_ms)
    };
    if store.accounts().count().await? > 0 || store.invites().list().await?.iter().any(operators) {
        return Ok(None);
    }
    let new = NewInvite { role: Role::Admin, uses: 1, created_ms: now_ms, expires_ms: None };
    let code = store.invites().create(&new).await?.grouped();
    Ok(Some(format!(
        "there are no accounts yet: the first admin is made, once, by `chat-client -u NAME --register --invite {code}`"
    )))
}

/// Makes the invites of earlier starts void. They never expire, and an operator's invite for an admin always does
/// (`invite create`), which tells the two apart.
pub async fn revoke(store: &Store) -> Result<(), StoreError> {
    for Invite { id, role, expires_ms, .. } in store.invites().list().await? {
        if role == Role::Admin && expires_ms.is_none() {
            match store.invites().revoke(id).await {
                // Used at this moment, or void by somebody else.
                Ok(()) | Err(StoreError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}
