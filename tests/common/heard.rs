//! What is logged in a test's own thread: each event with its level and its fields.
#![allow(dead_code, reason = "each test target uses its own part of it")]

use std::{
    fmt,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use serde_json::{Map, Value};
use tokio::time::{sleep, timeout};
use tracing::{
    Dispatch, Event, Subscriber,
    field::{Field, Visit},
    subscriber::{DefaultGuard, NoSubscriber},
};
use tracing_subscriber::{
    Layer, Registry,
    layer::{Context, SubscriberExt as _},
};

/// One more subscriber of this process, which hears nothing. Where there is one alone, tracing asks for an event that is new
/// to it only the thread in which it happens, whether anybody listens: another test's, which would say no for all of them.
static NOBODY: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::new()));

/// The server's events, from now on until it is dropped.
pub struct Heard {
    events: Events,
    _guard: DefaultGuard,
}

#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<Value>>>);

impl Heard {
    /// Those of this thread: of a test whose server runs in it.
    pub fn here() -> Self {
        LazyLock::force(&NOBODY);
        let events = Events::default();
        let guard = tracing::subscriber::set_default(Registry::default().with(events.clone()));
        Self { events, _guard: guard }
    }

    /// All of one name so far, each with its `level`.
    pub fn all(&self, event: &str) -> Vec<Value> {
        let events = self.events.0.lock().expect("whole");
        events.iter().filter(|heard| heard["event"] == event).cloned().collect()
    }

    /// How many there were of one name.
    pub fn count(&self, event: &str) -> usize {
        self.all(event).len()
    }

    /// The only one of its name.
    #[track_caller]
    pub fn only(&self, event: &str) -> Value {
        let mut all = self.all(event);
        assert_eq!(all.len(), 1, "{event}: {all:?}");
        all.remove(0)
    }

    /// The first of its name, once there is one.
    pub async fn until(&self, event: &str) -> Value {
        let heard = async {
            loop {
                if let Some(first) = self.all(event).into_iter().next() {
                    return first;
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_mins(5), heard).await.unwrap_or_else(|_| panic!("no {event}"))
    }
}

impl<S: Subscriber> Layer<S> for Events {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields(Map::new());
        event.record(&mut fields);
        fields.0.insert("level".into(), event.metadata().level().as_str().into());
        self.0.lock().expect("whole").push(Value::Object(fields.0));
    }
}

struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.0.insert(field.name().into(), u64::try_from(value).expect("it is no age of the world").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().into(), format!("{value:?}").into());
    }
}
