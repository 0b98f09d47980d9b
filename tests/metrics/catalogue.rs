//! `docs/METRICS.md` and what a server tells are the same list.

use std::{collections::BTreeMap, fs};

use iocp_chat::server::OfHost;

use crate::common::{quiet, serve};

/// Kind and labels, by name.
type Catalogue = BTreeMap<String, (String, Vec<String>)>;

/// The rows of the table: `name`, kind, `label`s, meaning.
fn documented() -> Catalogue {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/METRICS.md");
    let page = fs::read_to_string(path).expect("it is there");
    let rows = page.lines().filter(|line| line.starts_with("| `chat_") || line.starts_with("| `process_"));
    let rows = rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let [_, name, kind, labels, meaning, _] = cells[..] else { panic!("four cells: {row}") };
        assert!(!meaning.is_empty(), "{row}");
        let labels = labels.split(", ").filter(|label| !label.is_empty()).map(bare).collect();
        (bare(name), (kind.to_owned(), labels))
    });
    rows.collect()
}

fn bare(quoted: &str) -> String {
    quoted.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')).expect("in quotes").to_owned()
}

#[tokio::test]
async fn every_metric_is_documented_and_every_documented_one_is_there() {
    let server = serve(&quiet());
    let families = server.operator().scrape(OfHost::default()).await;
    let told: Catalogue = families
        .iter()
        .map(|family| {
            let labels = family.label_names().into_iter().map(Into::into).collect();
            (family.name.to_owned(), (family.kind.word().to_owned(), labels))
        })
        .collect();
    assert_eq!(told.len(), families.len(), "a name is there twice");
    let mut documented = documented();
    if cfg!(windows) {
        documented.remove("process_max_fds");
    }
    for (name, what) in &told {
        assert_eq!(documented.get(name), Some(what), "{name} is not documented as it is");
    }
    for name in documented.keys() {
        assert!(told.contains_key(name), "{name} is documented and not there");
    }
}

#[tokio::test]
async fn all_numbers_of_a_metric_have_the_same_labels() {
    let server = serve(&quiet());
    let families = server.operator().scrape(OfHost::default()).await;
    assert!(families.len() > 40, "{}", families.len());
    for family in families {
        let names = family.label_names();
        for sample in &family.samples {
            assert!(sample.labels.iter().map(|(name, _)| *name).eq(names.iter().copied()), "{}", family.name);
        }
        assert!(!family.samples.is_empty(), "{}", family.name);
    }
}
