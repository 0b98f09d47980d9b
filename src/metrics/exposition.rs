//! Metrics as Prometheus reads them: its text format, version 0.0.4.

use std::fmt;

pub use prometheus_client::encoding::prometheus_text::CONTENT_TYPE;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, prometheus_text},
    metrics::MetricType,
    registry::Registry,
};

use super::{Family, Kind, Sample, Value};

/// What the encoder puts behind a counter's name.
const TOTAL: &str = "_total";

/// All of them as one text.
///
/// # Panics
/// Never: writing to memory does not fail.
#[must_use]
pub fn text(families: Vec<Family>) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Families(families)));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry).expect("memory takes what is written");
    text
}

#[derive(Debug)]
struct Families(Vec<Family>);

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        for Family { name, help, kind, samples } in &self.0 {
            let (name, kind) = match kind {
                Kind::Counter => (name.strip_suffix(TOTAL).unwrap_or(name), MetricType::Counter),
                Kind::Gauge => (*name, MetricType::Gauge),
                Kind::Histogram => (*name, MetricType::Histogram),
            };
            let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
            for Sample { labels, value } in samples {
                if labels.is_empty() {
                    encode(&mut metric, kind, value)?;
                } else {
                    let labels: Vec<_> = labels.iter().map(|(name, value)| (*name, &**value)).collect();
                    encode(&mut metric.encode_family(&labels)?, kind, value)?;
                }
            }
        }
        Ok(())
    }
}

fn encode(metric: &mut MetricEncoder, kind: MetricType, value: &Value) -> fmt::Result {
    match (value, kind) {
        (Value::Count(count), MetricType::Counter) => {
            metric.encode_counter::<NoLabelSet, _, f64>(count, None)
        }
        (Value::Real(real), MetricType::Counter) => metric.encode_counter::<NoLabelSet, _, f64>(real, None),
        (Value::Count(count), _) => metric.encode_gauge(count),
        (Value::Real(real), _) => metric.encode_gauge(real),
        (Value::Distribution(told), _) => {
            metric.encode_histogram::<NoLabelSet>(told.sum, told.count(), &told.buckets, None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Distribution, Labels};

    #[test]
    fn each_kind_is_told_under_its_own_name_with_its_labels() {
        let labels: Labels = vec![("code", "1001".into()), ("name", "a \"b\" \\ c\n".into())];
        let rejects = Family {
            samples: vec![Sample { labels, value: Value::Count(7) }],
            ..Family::count("chat_rejects_total", "Refused.", 0)
        };
        let sizes = Distribution { buckets: vec![(0.5, 2), (f64::INFINITY, 1)], sum: 3.5 };
        let told = text(vec![
            rejects,
            Family::gauge("chat_rooms", "Rooms.", 3),
            Family::distribution("chat_turn_seconds", "A turn.", sizes),
        ]);
        let expected = "\
# HELP chat_rejects_total Refused.
# TYPE chat_rejects_total counter
chat_rejects_total{code=\"1001\",name=\"a \\\"b\\\" \\\\ c\\n\"} 7
# HELP chat_rooms Rooms.
# TYPE chat_rooms gauge
chat_rooms 3
# HELP chat_turn_seconds A turn.
# TYPE chat_turn_seconds histogram
chat_turn_seconds_bucket{le=\"0.5\"} 2
chat_turn_seconds_bucket{le=\"+Inf\"} 3
chat_turn_seconds_sum 3.5
chat_turn_seconds_count 3
";
        assert_eq!(told, expected);
    }
}
