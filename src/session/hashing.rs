//! Hashing passwords: slow on purpose, away from the tasks that chat, and only so many at a time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version,
    password_hash::phc::PasswordHash as Phc,
};
use thiserror::Error;
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

use super::Password;
use crate::{
    config::HashingConfig,
    metrics::{Histogram, LATENCY_SECONDS},
    store::PasswordHash,
};

/// Log-ins that wait for their turn to be hashed. Full: [`Busy`].
pub const WAITING_MAX: usize = 64;
/// How long one of them waits. Longer: [`Busy`].
pub const WAIT_MAX: Duration = Duration::from_secs(2);
/// Memory of a stored hash that is still checked, in KiB: what somebody imports must not take the machine's.
const MEMORY_KIB_MAX: u32 = 1024 * 1024;

/// Too many passwords wait to be hashed: try again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("too many passwords wait to be hashed")]
pub struct Busy;

/// What checking a password came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is not the one, or there is none to compare it with.
    Wrong,
    /// It is the one. With a new hash to store, where the stored one is weaker than new ones are.
    Right(Option<PasswordHash>),
}

/// Hashes with argon2id (RFC 9106), by default as OWASP's Password Storage Cheat Sheet has it.
///
/// A hash takes about 20 ms and 19 MiB, so a bounded number runs at once, on Tokio's threads for blocking work. The
/// right to run moves into the work: whoever hangs up meanwhile does not make room for one more.
pub struct Hasher {
    argon: Argon2<'static>,
    running: Arc<Semaphore>,
    places: Semaphore,
    places_max: usize,
    /// Compared with where there is nothing to compare with, so that this takes as long.
    nobodys: PasswordHash,
    counts: Arc<Counts>,
}

/// What a test, and an operator, may want to know.
struct Counts {
    runs: AtomicUsize,
    running: AtomicUsize,
    running_most: AtomicUsize,
    seconds: Histogram,
}

impl Default for Counts {
    fn default() -> Self {
        let (runs, running, running_most) = Default::default();
        Self { runs, running, running_most, seconds: Histogram::new(LATENCY_SECONDS) }
    }
}

impl Hasher {
    /// Hashes by these settings.
    ///
    /// # Panics
    /// When argon2 does not take them: [`Config`](crate::config::Config) has checked that it does.
    #[must_use]
    pub fn new(config: &HashingConfig) -> Self {
        let params = Params::new(config.memory_kib, config.passes, config.lanes, None);
        let params = params.expect("the configuration has been checked");
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let at_once = match config.at_once {
            0 => std::thread::available_parallelism().map_or(1, Into::into),
            at_once => at_once,
        };
        Self {
            nobodys: hash(&argon, &rand::random::<[u8; 16]>()),
            argon,
            running: Arc::new(Semaphore::new(at_once)),
            places: Semaphore::new(at_once + WAITING_MAX),
            places_max: at_once + WAITING_MAX,
            counts: Arc::default(),
        }
    }

    /// Hashes a password that somebody sets.
    pub async fn hash(&self, password: Password) -> Result<PasswordHash, Busy> {
        self.run(move |argon| hash(argon, password.as_bytes())).await
    }

    /// Checks a password that somebody shows. It costs the same whatever is missing: what was typed may have the form
    /// of no password, and there may be none stored.
    pub async fn check(
        &self,
        shown: Option<Password>,
        stored: Option<PasswordHash>,
    ) -> Result<Verdict, Busy> {
        let against = stored.clone().unwrap_or_else(|| self.nobodys.clone());
        self.run(move |argon| {
            let typed: &[u8] = shown.as_ref().map_or(b"", Password::as_bytes);
            let Some(weak) = verify(argon, typed, &against).filter(|_| shown.is_some() && stored.is_some())
            else {
                return Verdict::Wrong;
            };
            Verdict::Right(weak.then(|| hash(argon, typed)))
        })
        .await
    }

    /// Passwords hashed or checked since the start.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.counts.runs.load(Ordering::Relaxed)
    }

    /// The most that ever ran at once.
    #[must_use]
    pub fn running_most(&self) -> usize {
        self.counts.running_most.load(Ordering::Relaxed)
    }

    /// Passwords that are hashed now, or wait for it.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.places_max - self.places.available_permits()
    }

    /// How long each took, without its waiting.
    #[must_use]
    pub fn seconds(&self) -> &Histogram {
        &self.counts.seconds
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Argon2<'static>) -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let _place = self.places.try_acquire().map_err(|_| Busy)?;
        let turn = timeout(WAIT_MAX, Arc::clone(&self.running).acquire_owned()).await.map_err(|_| Busy)?;
        let turn = turn.expect("nobody closes it");
        let (argon, counts) = (self.argon.clone(), Arc::clone(&self.counts));
        let done = spawn_blocking(move || {
            let _turn = turn;
            counts.runs.fetch_add(1, Ordering::Relaxed);
            let running = counts.running.fetch_add(1, Ordering::Relaxed) + 1;
            counts.running_most.fetch_max(running, Ordering::Relaxed);
            let began = Instant::now();
            let done = work(&argon);
            counts.seconds.observe(began.elapsed());
            counts.running.fetch_sub(1, Ordering::Relaxed);
            done
        });
        Ok(done.await.expect("hashing does not panic"))
    }
}

fn hash(argon: &Argon2<'_>, password: &[u8]) -> PasswordHash {
    let phc = argon.hash_password(password).expect("the system has random bytes, and passwords are short");
    PasswordHash::parse(&phc.to_string()).expect("what argon2 makes is a PHC string")
}

/// Whether the password is the stored one and, if so, whether a new hash of it would be stronger.
fn verify(argon: &Argon2<'_>, password: &[u8], stored: &PasswordHash) -> Option<bool> {
    let stored = Phc::new(stored.as_str()).ok()?;
    let params = Params::try_from(&stored).ok().filter(|params| params.m_cost() <= MEMORY_KIB_MAX)?;
    argon.verify_password(password, &stored).ok()?;
    let cost = |params: &Params| (u64::from(params.m_cost()) * u64::from(params.t_cost()), params.m_cost());
    Some(cost(&params) < cost(argon.params()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher(passes: u32, at_once: usize) -> Hasher {
        Hasher::new(&HashingConfig { memory_kib: 64, passes, lanes: 1, at_once })
    }

    fn password(typed: &str) -> Password {
        Password::parse(typed.as_bytes()).expect("a password")
    }

    #[tokio::test]
    async fn the_right_password_is_right_in_both_normal_forms_and_nothing_else_is() {
        let hasher = hasher(1, 1);
        let stored = Some(hasher.hash(password("caf\u{e9} crème")).await.expect("idle"));
        let check = |shown| hasher.check(shown, stored.clone());
        assert_eq!(check(Some(password("cafe\u{301} crème"))).await, Ok(Verdict::Right(None)));
        assert_eq!(check(Some(password("cafe creme"))).await, Ok(Verdict::Wrong));
        assert_eq!(check(None).await, Ok(Verdict::Wrong));
        assert_eq!(hasher.check(Some(password("cafe creme")), None).await, Ok(Verdict::Wrong));
        assert_eq!(hasher.check(None, None).await, Ok(Verdict::Wrong));
        assert_eq!(hasher.runs(), 6, "each costs one run, whatever is missing");
        assert_eq!((hasher.seconds().distribution().count(), hasher.waiting()), (6, 0));
    }

    #[tokio::test]
    async fn a_hash_weaker_than_new_ones_are_is_replaced_when_its_password_is_shown() {
        let old = hasher(1, 1).hash(password("long enough")).await.expect("idle");
        let hasher = hasher(2, 1);
        let Ok(Verdict::Right(Some(new))) =
            hasher.check(Some(password("long enough")), Some(old.clone())).await
        else {
            panic!("right, and weak")
        };
        assert_eq!(hasher.check(Some(password("long enough")), Some(new)).await, Ok(Verdict::Right(None)));
        assert_eq!(hasher.check(Some(password("quite wrong")), Some(old)).await, Ok(Verdict::Wrong));
    }

    #[tokio::test]
    async fn a_stored_hash_that_would_take_the_machines_memory_is_not_checked() {
        let huge =
            "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQxMjM0$MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE";
        let huge = PasswordHash::parse(huge).expect("a PHC string");
        let verdict = hasher(1, 1).check(Some(password("long enough")), Some(huge)).await;
        assert_eq!(verdict, Ok(Verdict::Wrong));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_hangs_up_does_not_make_room_for_one_more() {
        let hasher = Arc::new(hasher(40, 2));
        let mut tasks = Vec::new();
        for number in 0..200 {
            let hasher = Arc::clone(&hasher);
            tasks.push(tokio::spawn(async move { hasher.hash(password("long enough")).await.is_ok() }));
            if number % 2 == 0 {
                tokio::task::yield_now().await;
                tasks.pop().expect("just pushed").abort();
            }
        }
        for task in tasks {
            let _ = task.await;
        }
        // Those who hung up may have left work that still runs.
        let _all = hasher.running.acquire_many(2).await.expect("open");
        assert!(hasher.running_most() <= 2, "{} ran at once", hasher.running_most());
        assert_eq!(
            (hasher.running.available_permits(), hasher.counts.running.load(Ordering::Relaxed)),
            (0, 0)
        );
    }

    #[tokio::test]
    async fn the_line_is_bounded() {
        let hasher = hasher(1, 1);
        let _all = hasher.running.acquire().await.expect("open");
        let mut waiting = Vec::new();
        for _ in 0..=WAITING_MAX {
            let mut one = Box::pin(hasher.hash(password("long enough")));
            let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(one.as_mut().poll(cx))).await;
            assert!(polled.is_pending());
            waiting.push(one);
        }
        assert_eq!(hasher.waiting(), 1 + WAITING_MAX);
        assert_eq!(hasher.hash(password("long enough")).await, Err(Busy));
        drop(waiting);
        assert_eq!(hasher.places.available_permits(), 1 + WAITING_MAX);
    }
}
