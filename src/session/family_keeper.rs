//! Storing what brings sessions back over a restart, behind what happens: what has piled up, in one go.

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    Changes, FamilyChanges, FamilyId, FamilyRecord, KeptMailbox, STORE_PATIENCE, SteadyClock,
    history_writer::CLOSING_PATIENCE, ledger::person, letters::LETTER_AGE_MAX_MS, unavailable,
};
use crate::{
    room::{SessionId, Whispered},
    store::{Letter, Store, StoreError, StoredMailbox, StoredResume, StoredText},
};

/// When to try again what could not be stored.
const RETRY: Duration = Duration::from_secs(1);
/// How often what has expired is thrown away.
const EXPIRE_EVERY: Duration = Duration::from_hours(1);
/// Guests' sessions that have lapsed and may be come back to: anybody can be a guest, again and again. Full: those that
/// lapsed first are over.
const LAPSED_GUESTS_MAX: u32 = 100_000;
/// A session that is there does not expire: the largest time that is stored.
const NEVER: u64 = i64::MAX as u64;

/// What brings sessions back is written to. Times are milliseconds since 1970 UTC.
pub trait FamilyStore: Clone + Send + Sync + 'static {
    /// Writes changes, each all or not at all. A session that has lapsed is good for `ttl_ms` milliseconds more.
    fn write(
        &self,
        changes: &Changes,
        ttl_ms: u64,
        now: u64,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Throws away what has expired.
    fn expire(&self, now: u64) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Stores changes until `done` is cancelled, and then those that are left. A session that has lapsed is good for
/// `ttl_ms` milliseconds more.
pub async fn keep_families(
    store: impl FamilyStore,
    changes: Arc<FamilyChanges>,
    ttl_ms: u64,
    clock: fn() -> u64,
    done: CancellationToken,
) {
    let clock = SteadyClock::new(clock);
    let mut expiring = interval_at(Instant::now(), EXPIRE_EVERY);
    expiring.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            // First: else what cannot be stored would be tried again without a pause, for as long as it cannot.
            () = done.cancelled() => break,
            () = changes.changed() => {
                if store_all(&store, &changes, ttl_ms, clock.now_ms()).await.is_err() {
                    tokio::select! {
                        () = sleep(RETRY) => {}
                        () = done.cancelled() => {}
                    }
                    changes.wake();
                }
            }
            _ = expiring.tick() => {
                if let Err(error) = store.expire(clock.now_ms()).await {
                    unavailable(&error);
                }
            }
        }
    }
    let ended = Instant::now();
    while store_all(&store, &changes, ttl_ms, clock.now_ms()).await.is_err() {
        if ended.elapsed() >= CLOSING_PATIENCE {
            tracing::error!(
                event = "resume_unstored",
                "some sessions will not be resumed: they could not be stored"
            );
            return;
        }
        sleep(RETRY).await;
    }
}

async fn store_all(
    store: &impl FamilyStore,
    changes: &FamilyChanges,
    ttl_ms: u64,
    now: u64,
) -> Result<(), StoreError> {
    let taken = changes.take();
    let stored = {
        let mut write = pin!(store.write(&taken, ttl_ms, now));
        if let Ok(stored) = timeout(STORE_PATIENCE, &mut write).await {
            stored
        } else {
            changes.tell_failing().await;
            // It may still come about, and until it has ended nothing else can be stored.
            write.await
        }
    };
    match stored {
        Ok(()) => {
            changes.tell_stored(&taken).await;
            Ok(())
        }
        Err(error) => {
            unavailable(&error);
            changes.put_back(taken);
            changes.tell_failing().await;
            Err(error)
        }
    }
}

impl FamilyStore for Store {
    async fn write(&self, changes: &Changes, ttl_ms: u64, now: u64) -> Result<(), StoreError> {
        write(self, changes, ttl_ms, now).await
    }

    async fn expire(&self, now: u64) -> Result<(), StoreError> {
        self.resumes().expire(now, LAPSED_GUESTS_MAX).await?;
        self.whispers().expire(now.saturating_sub(LETTER_AGE_MAX_MS)).await.map(drop)
    }
}

/// In this order: a family before what hangs on it, and the one of an account that stays before the others go.
async fn write(store: &Store, changes: &Changes, ttl_ms: u64, now: u64) -> Result<(), StoreError> {
    let resumes = store.resumes();
    for family in changes.families.iter().filter(|(_, record)| record.is_none()).map(|(family, _)| family) {
        resumes.revoke(family.to_bytes()).await?;
    }
    let records = changes.families.values().flatten();
    let records: Vec<_> = records.map(|record| stored(record, ttl_ms, now)).collect();
    if !records.is_empty() {
        resumes.put(&records).await?;
    }
    for (account, but) in &changes.accounts {
        resumes.revoke_account(*account, but.map(FamilyId::to_bytes)).await?;
    }
    if !changes.begun.is_empty() {
        let begun: Vec<_> = changes.begun.iter().map(|(session, epoch)| (session.0, *epoch)).collect();
        store.whispers().begin_mailboxes(&begun).await?;
    }
    if !changes.mailboxes.is_empty() {
        let mailboxes: Vec<_> =
            changes.mailboxes.iter().map(|(session, kept)| mailbox(*session, kept)).collect();
        store.whispers().put_mailboxes(&mailboxes).await?;
    }
    if !changes.rooms.is_empty() {
        let rooms: Vec<_> = changes.rooms.iter().map(|(session, rooms)| (session.0, rooms.clone())).collect();
        resumes.set_rooms(&rooms).await?;
    }
    Ok(())
}

fn mailbox(session: SessionId, kept: &KeptMailbox) -> StoredMailbox {
    let letter = |one: &Whispered| Letter {
        sender: one.name.as_str().into(),
        session: one.sender.0,
        message_id: (one.message_id != 0).then_some(one.message_id),
        time_ms: one.time_ms,
        text: StoredText::of(&one.text),
    };
    let lines = kept.whispers.iter().map(|one| (one.seq, letter(one))).collect();
    StoredMailbox { session: session.0, epoch: kept.epoch, head: kept.head, lines }
}

fn stored(record: &FamilyRecord, ttl_ms: u64, now: u64) -> StoredResume {
    let FamilyRecord { family, current, previous, whose, here } = record;
    StoredResume {
        family: family.to_bytes(),
        session: whose.session.0,
        account: whose.account,
        person: person(&whose.name),
        token_hash: *current,
        previous_hash: *previous,
        issued_ms: now,
        expires_ms: if *here { NEVER } else { now.saturating_add(ttl_ms) },
        here: *here,
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;
    use crate::store::Place;

    #[tokio::test(start_paused = true)]
    async fn a_stop_while_nothing_can_be_stored_tries_a_few_times_and_is_over() {
        let store = Store::open(&Place::memory()).await.expect("a database");
        store.close().await.expect("closed");
        let (changes, done) = (Arc::new(FamilyChanges::new(None)), CancellationToken::new());
        changes.put_rooms(SessionId(1), vec![2]);
        let keeping = tokio::spawn(keep_families(store.clone(), changes, 1, || 1, done.clone()));
        done.cancel();
        timeout(2 * CLOSING_PATIENCE, keeping).await.expect("it ends").expect("no panic");
        let tried = store.metrics().errors.sum();
        assert!((2..10).contains(&tried), "{tried} attempts");
    }
}
