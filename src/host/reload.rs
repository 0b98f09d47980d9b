//! Changes settings while the server runs: all sources are read again, and what can be in force at once is, or nothing is.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::{Notify, Semaphore},
    task::spawn_blocking,
    time::timeout,
};

use super::exit::Failure;
use crate::{
    config::{Changes, Config, Policy, blend},
    net::Certificates,
    server::Operator,
};

/// How long reading the sources may take: a file may be on a disk that does not answer.
const READ_MAX: Duration = Duration::from_secs(10);

/// Reads the sources that the server was started with, as they are now, and refuses what it would not start with.
pub type Reread = Box<dyn Fn() -> Result<Config, Failure> + Send + Sync>;

/// Has the log say what these directives say from now on; an error leaves it as it was.
pub type SetLevel = Box<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

/// The way to change settings. Cheap to clone.
#[derive(Clone)]
pub struct Reload(Arc<Inner>);

struct Inner {
    reread: Reread,
    operator: Operator,
    set_level: SetLevel,
    certificates: Option<Arc<Certificates>>,
    /// What the server was started with: what needs a restart is as it is here.
    started: Config,
    in_force: Mutex<Config>,
    /// One after the other.
    turn: Semaphore,
    /// Whoever reads: a thread that is given up may be at it still, and there is no second one.
    reading: Arc<Semaphore>,
    asked: Notify,
}

impl Reload {
    /// Of a running server that was started with these settings, and with certificates if it has TLS.
    pub fn new(
        reread: Reread,
        started: &Config,
        operator: &Operator,
        set_level: SetLevel,
        certificates: Option<Arc<Certificates>>,
    ) -> Self {
        Self(Arc::new(Inner {
            reread,
            operator: operator.clone(),
            set_level,
            certificates,
            started: started.clone(),
            in_force: Mutex::new(started.clone()),
            turn: Semaphore::new(1),
            reading: Arc::new(Semaphore::new(1)),
            asked: Notify::new(),
        }))
    }

    /// Has it done by [`when_asked`](Self::when_asked), for those who cannot wait. Asked again before it has begun, it is
    /// done once.
    pub fn ask(&self) {
        self.0.asked.notify_one();
    }

    /// Does it whenever it is [asked](Self::ask) for. May be dropped at any time.
    pub async fn when_asked(self) {
        loop {
            self.0.asked.notified().await;
            // The log says how it went.
            let _ = self.run().await;
        }
    }

    /// Reads all sources again, and puts in force what can be. An error says what is wrong, a fault a line; then everything
    /// is as it was. The log hears both.
    pub async fn run(&self) -> Result<Changes, String> {
        let _turn = self.0.turn.acquire().await.expect("nobody closes it");
        let outcome = match timeout(READ_MAX, self.read()).await {
            Ok(Ok(wanted)) => self.apply(&wanted),
            Ok(Err(why)) => Err(why),
            Err(_) => Err(format!("the sources could not be read within {} s", READ_MAX.as_secs())),
        };
        self.0.operator.note_reload(outcome.is_ok());
        match &outcome {
            Ok(Changes { in_force, restart }) => {
                tracing::info!(event = "config_reloaded", in_force = ?in_force, restart = ?restart, "settings read again");
            }
            Err(why) => {
                let err = why.replace('\n', "; ");
                tracing::error!(event = "config_reload_failed", err, "the settings stay as they are");
            }
        }
        outcome
    }

    /// All sources, read in a thread.
    async fn read(&self) -> Result<Config, String> {
        let theirs = Arc::clone(&self.0);
        let reading = Arc::clone(&theirs.reading).acquire_owned().await.expect("nobody closes it");
        let read = spawn_blocking(move || {
            let _reading = reading;
            (theirs.reread)().map_err(|failure| failure.to_string())
        });
        read.await.unwrap_or_else(|panicked| Err(panicked.to_string()))
    }

    fn apply(&self, wanted: &Config) -> Result<Changes, String> {
        let Inner { operator, set_level, certificates, started, in_force, .. } = &*self.0;
        if operator.is_stopping() {
            return Err("the server is stopping".into());
        }
        let before = in_force.lock().clone();
        let (config, changes) = blend(started, &before, wanted)
            .map_err(|message| format!("{message}; this takes a restart, as something in it does"))?;
        if config.log.level != before.log.level {
            set_level(&config.log.level).map_err(|error| format!("`log.level`: {error}"))?;
        }
        // From here on nothing fails.
        if let Some(certificates) = certificates {
            certificates.look_now();
        }
        operator.set_policy(Policy::of(&config));
        *in_force.lock() = config;
        Ok(changes)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{config::Rate, server::Server, stop::StopReason};

    /// What the next reload finds.
    type Found = Arc<Mutex<Result<Config, String>>>;

    struct Stage {
        server: Server,
        reload: Reload,
        found: Found,
        levels: Arc<Mutex<Vec<String>>>,
    }

    fn stage() -> Stage {
        let config = Config::default();
        let server = Server::start(&config, Vec::new(), None).expect("it starts");
        let (found, levels) = (Arc::new(Mutex::new(Ok(config.clone()))), Arc::new(Mutex::new(Vec::new())));
        let (sources, told) = (Arc::clone(&found), Arc::clone(&levels));
        let reread = Box::new(move || sources.lock().clone().map_err(Failure::Config));
        let set_level = Box::new(move |level: &str| match level {
            "error" => Err("no log".into()),
            level => {
                told.lock().push(level.into());
                Ok(())
            }
        });
        let reload = Reload::new(reread, &config, server.operator(), set_level, None);
        Stage { server, reload, found, levels }
    }

    fn faster() -> Config {
        let mut config = Config::default();
        config.rates.chat = Rate { per_second: 50, burst: 100 };
        config.log.level = "debug".into();
        config.lobby.lines = 9;
        config
    }

    #[tokio::test]
    async fn what_can_be_is_in_force_at_once_and_counted() {
        let Stage { server, reload, found, levels } = stage();
        *found.lock() = Ok(faster());
        let changes = reload.run().await.expect("possible");
        assert_eq!(changes.in_force, ["log.level", "rates.chat.burst", "rates.chat.per_second"]);
        assert_eq!(changes.restart, ["lobby.lines"]);
        assert_eq!(server.operator().policy().rates.chat.burst, 100);
        assert_eq!(*levels.lock(), ["debug"]);
        let again = reload.run().await.expect("possible");
        assert_eq!((again.in_force.len(), again.restart.len()), (0, 1));
        assert_eq!(*levels.lock(), ["debug"], "nobody sets what is set");
        let metrics = server.metrics();
        assert_eq!((metrics.config_reloads.get(), metrics.config_reload_failures.get()), (2, 0));
        assert!(metrics.config_reload_time.get() > 1_000_000_000 && metrics.config_reload_success.get() == 1);
    }

    #[tokio::test]
    async fn an_error_anywhere_leaves_everything_as_it_was() {
        let Stage { server, reload, found, levels } = stage();
        let before = server.operator().policy();
        let mut without_log = faster();
        without_log.log.level = "error".into();
        for (wanted, why) in [
            (Err("chat.toml:1:1: no\nchat.toml:2:1: no".into()), "chat.toml:2:1"),
            (Ok(without_log), "log.level"),
        ] {
            *found.lock() = wanted;
            let error = reload.run().await.expect_err("impossible");
            assert!(error.contains(why), "{error}");
            assert_eq!(server.operator().policy(), before);
            assert!(levels.lock().is_empty());
            assert_eq!(server.metrics().config_reload_success.get(), 0);
        }
        assert_eq!(server.metrics().config_reload_failures.get(), 2);
        *found.lock() = Ok(faster());
        reload.run().await.expect("mended");
        assert_eq!(server.metrics().config_reload_success.get(), 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn many_at_once_are_one_after_the_other() {
        let server = Server::start(&Config::default(), Vec::new(), None).expect("it starts");
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let seen = Arc::clone(&most);
        let reread = Box::new(move || {
            seen.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::yield_now();
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(faster())
        });
        let reload = Reload::new(reread, &Config::default(), server.operator(), Box::new(|_| Ok(())), None);
        let tasks: Vec<_> = (0..32)
            .map(|_| {
                let reload = reload.clone();
                tokio::spawn(async move { reload.run().await.expect("possible").in_force.len() })
            })
            .collect();
        let mut changed = 0;
        for task in tasks {
            changed += task.await.expect("no panic");
        }
        assert_eq!((changed, most.load(Ordering::SeqCst)), (3, 1), "one of them has found the change");
    }

    #[tokio::test]
    async fn a_server_that_stops_changes_no_more() {
        let Stage { server, reload, found, levels } = stage();
        let operator = server.operator().clone();
        let before = operator.policy();
        server.stop(StopReason::Terminate).await;
        *found.lock() = Ok(faster());
        let error = reload.run().await.expect_err("it has stopped");
        assert!(error.contains("stopping"), "{error}");
        assert!(operator.policy() == before && levels.lock().is_empty());
    }

    #[tokio::test]
    async fn whoever_asks_often_is_served_once_and_whoever_asks_later_again() {
        let Stage { server, reload, .. } = stage();
        reload.ask();
        reload.ask();
        reload.0.asked.notified().await;
        assert!(timeout(Duration::ZERO, reload.0.asked.notified()).await.is_err(), "two are one");
        reload.ask();
        let task = tokio::spawn(reload.clone().when_asked());
        while server.metrics().config_reloads.get() < 1 {
            tokio::task::yield_now().await;
        }
        reload.ask();
        while server.metrics().config_reloads.get() < 2 {
            tokio::task::yield_now().await;
        }
        task.abort();
    }
}
