//! Switches stay as they are set.

use super::{actions, entry, open};
use crate::fresh;

#[tokio::test]
async fn registration_is_open_until_it_is_frozen_and_stays_so_after_a_restart() {
    let fresh = fresh().await;
    let store = open(&fresh).await;
    assert!(!store.switches().registration_frozen().await.expect("an answer"));
    for _ in 0..2 {
        store.switches().set_registration_frozen(true, &entry("freeze")).await.expect("set");
    }
    store.close().await.expect("closed");

    let store = open(&fresh).await;
    assert!(store.switches().registration_frozen().await.expect("an answer"));
    store.switches().set_registration_frozen(false, &entry("thaw")).await.expect("set");
    assert!(!store.switches().registration_frozen().await.expect("an answer"));
    assert_eq!(actions(&store).await, ["freeze", "freeze", "thaw"]);
    store.close().await.expect("closed");
}
