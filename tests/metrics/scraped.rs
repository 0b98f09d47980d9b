//! The numbers of a server at one moment, as Prometheus reads them.

use std::{collections::BTreeMap, time::Duration};

use iocp_chat::{
    metrics::text,
    server::{OfHost, Server},
};

/// The whole numbers of a server, by name and labels as they are written. Sums of times are none.
#[derive(Debug)]
pub struct Scraped(BTreeMap<String, u64>);

impl Scraped {
    /// Those of now.
    pub async fn of(server: &Server) -> Self {
        let text = text(server.operator().scrape(OfHost::default()).await);
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let samples = samples.filter_map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            Some((name.to_owned(), value.parse().ok()?))
        });
        Self(samples.collect())
    }

    /// Those of now, once every connection has ended.
    pub async fn when_gone(server: &Server) -> Self {
        while server.connections() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Self::of(server).await
    }

    /// One of them.
    pub fn get(&self, name: &str) -> u64 {
        *self.0.get(name).unwrap_or_else(|| panic!("no {name}"))
    }

    /// Which of the numbers of these metrics have grown since, and by how much, in the order of their names.
    pub fn moved_since<'a>(&'a self, before: &Self, metrics: &[&str]) -> Vec<(&'a str, u64)> {
        let ours = |name: &str| metrics.iter().any(|metric| name.split('{').next() == Some(metric));
        let numbers = self.0.iter().filter(|(name, _)| ours(name));
        let moved = numbers.map(|(name, value)| (name.as_str(), value - before.get(name)));
        moved.filter(|(_, by)| *by > 0).collect()
    }
}
