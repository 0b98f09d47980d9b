//! One metric as it is told: its name, what it means, and its numbers.

use super::{Counter, CounterBy, Distribution, Gauge, Histogram, Label, Labels};

/// One metric, with all there is of it.
#[derive(Clone, Debug)]
pub struct Family {
    /// Its name: `chat_rejects_total`.
    pub name: &'static str,
    /// What it means, in one line.
    pub help: &'static str,
    /// Which kind of number it is.
    pub kind: Kind,
    /// Its numbers.
    pub samples: Vec<Sample>,
}

/// A kind of metric, as Prometheus knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows. Its name ends in `_total`.
    Counter,
    /// It is as it is now.
    Gauge,
    /// How many there were, by how much.
    Histogram,
}

/// One number of a metric.
#[derive(Clone, Debug)]
pub struct Sample {
    /// By what it differs from its neighbours.
    pub labels: Labels,
    /// What it is.
    pub value: Value,
}

/// What a number is.
#[derive(Clone, Debug)]
pub enum Value {
    /// A whole number.
    Count(u64),
    /// A number with a fraction: seconds.
    Real(f64),
    /// How many there were, by how much.
    Distribution(Distribution),
}

impl Kind {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl Family {
    /// A number that only grows.
    #[must_use]
    pub fn counter(name: &'static str, help: &'static str, counter: &Counter) -> Self {
        Self::count(name, help, counter.get())
    }

    /// The same, of a number at hand.
    #[must_use]
    pub fn count(name: &'static str, help: &'static str, count: u64) -> Self {
        Self { name, help, kind: Kind::Counter, samples: vec![Sample::plain(Value::Count(count))] }
    }

    /// A number that only grows, by what it was.
    #[must_use]
    pub fn counter_by<L: Label>(name: &'static str, help: &'static str, counters: &CounterBy<L>) -> Self {
        Self { name, help, kind: Kind::Counter, samples: counters.samples() }
    }

    /// A number as it is now.
    #[must_use]
    pub fn gauge(name: &'static str, help: &'static str, value: u64) -> Self {
        Self { name, help, kind: Kind::Gauge, samples: vec![Sample::plain(Value::Count(value))] }
    }

    /// The same, of a gauge.
    #[must_use]
    pub fn of_gauge(name: &'static str, help: &'static str, gauge: &Gauge) -> Self {
        Self::gauge(name, help, gauge.get())
    }

    /// Numbers as they are now, by a label.
    #[must_use]
    pub fn gauges(
        name: &'static str,
        help: &'static str,
        label: &'static str,
        values: &[(&'static str, u64)],
    ) -> Self {
        let sample = |(word, value): &(&'static str, u64)| Sample {
            labels: vec![(label, (*word).into())],
            value: Value::Count(*value),
        };
        Self { name, help, kind: Kind::Gauge, samples: values.iter().map(sample).collect() }
    }

    /// How many there were, by how much.
    #[must_use]
    pub fn distribution(name: &'static str, help: &'static str, distribution: Distribution) -> Self {
        let samples = vec![Sample::plain(Value::Distribution(distribution))];
        Self { name, help, kind: Kind::Histogram, samples }
    }

    /// The same, of a histogram.
    #[must_use]
    pub fn histogram(name: &'static str, help: &'static str, histogram: &Histogram) -> Self {
        Self::distribution(name, help, histogram.distribution())
    }

    /// The names of its labels.
    #[must_use]
    pub fn label_names(&self) -> Vec<&'static str> {
        self.samples
            .first()
            .map_or_else(Vec::new, |first| first.labels.iter().map(|(name, _)| *name).collect())
    }
}

impl Sample {
    /// The only one of its metric.
    #[must_use]
    pub fn plain(value: Value) -> Self {
        Self { labels: Labels::new(), value }
    }
}
