//! Runs the table of hostile inputs, `bad_inputs.toml`: every row in memory, some over sockets too.

#[path = "bad_inputs/cases.rs"]
mod cases;
#[path = "bad_inputs/packets.rs"]
mod packets;
#[path = "bad_inputs/peer.rs"]
mod peer;
#[path = "bad_inputs/play.rs"]
mod play;
#[path = "bad_inputs/room_scenarios.rs"]
mod room_scenarios;
#[path = "bad_inputs/scenarios.rs"]
mod scenarios;
#[path = "bad_inputs/slow_readers.rs"]
mod slow_readers;
#[path = "bad_inputs/stage.rs"]
mod stage;
#[path = "bad_inputs/table.rs"]
mod table;
#[path = "bad_inputs/tls.rs"]
mod tls;

use std::{collections::BTreeSet, fs, path::Path};

use cases::{Act, Case};
use chat_proto::{ClientPacket, ErrorCode};
use play::{Take, play};
use rand::{SeedableRng, rngs::StdRng};
use stage::{Link, Stage, check_panics_and_log, observe};
use table::{Row, Table, Way};

/// Set to a number, it repeats a failed run's random cuts.
const SEED_VARIABLE: &str = "CHAT_TEST_SEED";

/// Failures that are shown.
const SHOWN_MAX: usize = 30;

#[tokio::test(start_paused = true)]
async fn bytes_that_are_no_packets_get_exactly_their_answer() {
    run(|table| &table.framing).await;
}

#[tokio::test(start_paused = true)]
async fn packets_that_do_not_decode_get_exactly_their_answer() {
    run(|table| &table.bodies_and_types).await;
}

#[tokio::test(start_paused = true)]
async fn packets_out_of_their_state_get_exactly_their_answer() {
    run(|table| &table.states).await;
}

#[tokio::test(start_paused = true)]
async fn hostile_texts_get_exactly_their_answer() {
    run(|table| &table.texts).await;
}

#[tokio::test(start_paused = true)]
async fn hostile_names_get_exactly_their_answer() {
    run(|table| &table.names).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_of_rooms_gets_exactly_its_answer() {
    run(|table| &table.rooms).await;
}

#[tokio::test(start_paused = true)]
async fn floods_and_silence_get_exactly_their_answer() {
    run(|table| &table.floods).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_shown_to_come_back_gets_exactly_its_answer() {
    run(|table| &table.resume).await;
}

#[tokio::test]
async fn the_same_rows_get_the_same_answers_over_sockets() {
    let (table, mut run) = (Table::load(), Run::new());
    for row in table.sections().into_iter().flatten().filter(|row| row.sockets) {
        run.row(&table, row, Link::Sockets).await;
    }
    assert!(run.rows >= 10, "{} rows are no sample", run.rows);
    run.finish();
}

#[tokio::test(start_paused = true)]
async fn the_same_rows_get_the_same_answers_over_tls() {
    let (table, mut run) = (Table::load(), Run::new());
    for row in table.sections().into_iter().flatten() {
        // A scenario is about crowds, or about sockets.
        if row.covered_by.is_none() && row.scenario.is_none() {
            // How bytes arrive is the records' affair, so one way will do for most.
            let ways = if row.sockets { row.ways.clone() } else { row.ways[..1].to_vec() };
            run.row(&table, &Row { ways, ..row.clone() }, Link::Tls).await;
        }
    }
    assert!(run.rows >= 100, "{} rows are not the table", run.rows);
    run.finish();
}

#[test]
fn every_row_is_run_here_or_by_the_test_it_names() {
    let table = Table::load();
    let mut rows = BTreeSet::new();
    for row in table.sections().into_iter().flatten() {
        assert!(rows.insert((&row.id, &row.input)), "{} stands there twice: {}", row.id, row.input);
        assert!(
            row.id.starts_with("B-") && row.why.as_ref().is_none_or(|why| why.ends_with('.')),
            "{}",
            row.id
        );
        if let Some([file, test]) = &row.covered_by {
            let code = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file))
                .expect("the file is there");
            let (before, _) = code.split_once(&format!("fn {test}(")).unwrap_or_else(|| {
                panic!("{}: {file} has no {test}", row.id);
            });
            let attributes = before.rsplit("\n\n").next().unwrap_or_default();
            assert!(attributes.contains("test]") || attributes.contains("test("), "{test} is no test");
        } else {
            assert!(
                row.scenario.is_some() || row.conn.is_some(),
                "{} does not say what becomes of it",
                row.id
            );
        }
    }
}

#[test]
fn every_type_that_a_client_sends_has_a_body_from_which_bad_ones_come() {
    let table = Table::load();
    let unknown = [ErrorCode::UnknownType, ErrorCode::WrongDirection];
    let sent = (0..=u16::MAX).filter(|kind| match ClientPacket::decode(*kind, &[]) {
        Ok(_) => true,
        Err(rejection) => !unknown.contains(&rejection.code),
    });
    assert_eq!(sent.collect::<BTreeSet<_>>(), table.kinds().into_iter().collect());
    for kind in table.kinds() {
        ClientPacket::decode(kind, &table.body(kind)).unwrap_or_else(|wrong| panic!("{wrong}"));
    }
}

#[test]
fn a_panic_a_secret_and_a_raw_byte_in_the_log_are_seen() {
    let _log = observe();
    let logged = |text: &str| {
        tracing::debug!("something harmless");
        stage::log_raw(text);
        check_panics_and_log(&["what was said".into()])
    };
    assert_eq!(logged("nothing"), Ok(()));
    for text in ["\u{1b}[2J", "a\rb", "\u{9b}2J", "\u{202e}", stage::SECRET, "of what was said"] {
        assert!(logged(text).is_err(), "{text:?}");
    }
    assert!(check_panics_and_log(&[]).is_err(), "no log at all");
    std::panic::catch_unwind(|| panic!("on purpose")).expect_err("it panics");
    assert!(logged("nothing").is_err());
}

/// Runs a section in memory, in no time.
async fn run(section: impl Fn(&Table) -> &[Row]) {
    let (table, mut run) = (Table::load(), Run::new());
    for row in section(&table) {
        // A scenario over sockets is run with the other sockets.
        if row.covered_by.is_none() && !(row.sockets && row.scenario.is_some()) {
            run.row(&table, row, Link::Memory).await;
        }
    }
    run.finish();
}

/// A run through some rows, which goes on after a failure.
struct Run {
    seed: u64,
    rng: StdRng,
    failures: Vec<String>,
    rows: usize,
    _log: tracing::subscriber::DefaultGuard,
}

impl Run {
    fn new() -> Self {
        let seed = match std::env::var(SEED_VARIABLE) {
            Ok(seed) => seed.parse().expect("a seed is a number"),
            Err(_) => rand::random(),
        };
        Self { seed, rng: StdRng::seed_from_u64(seed), failures: Vec::new(), rows: 0, _log: observe() }
    }

    async fn row(&mut self, table: &Table, row: &Row, link: Link) {
        self.rows += 1;
        if let Some(name) = &row.scenario {
            if let Err(error) = scenario(name, row, link).await {
                self.failures.push(format!("{} ({}), {link:?}: {error}", row.id, row.input));
            }
            return;
        }
        let cases = row.cases(table, &mut self.rng);
        for &state in row.state.as_slice() {
            for &way in &row.ways {
                let takes: Vec<_> = cases
                    .iter()
                    .flat_map(|case| cuts(case, way).map(move |cut| Take { row, case, state, way, cut }))
                    .collect();
                // In real time the canaries would be too fast after some cases: each has a server of its own.
                let at_once = if link.is_in_memory() && !row.makes_rooms() { takes.len() } else { 1 };
                for takes in takes.chunks(at_once) {
                    self.takes(takes, link).await;
                }
            }
        }
    }

    async fn takes(&mut self, takes: &[Take<'_>], link: Link) {
        let row = takes[0].row;
        let mut stage = match set(row, link).await {
            Ok(stage) => stage,
            Err(error) => return self.failures.push(format!("{} ({}): {error}", row.id, row.input)),
        };
        for take in takes {
            if let Err(error) = play(&mut stage, *take, &mut self.rng).await {
                let Take { case, state, way, .. } = take;
                let what = format!("{} ({}), {state:?}, {way:?}, {link:?}", row.id, row.input);
                self.failures.push(format!("{what}: {}: {error}", case.label));
                // What follows would fail for the same reason.
                return;
            }
        }
        // Sockets that were reset may be seen by the canaries' server later than by us.
        if let Err(error) = stage.strike().await {
            self.failures.push(format!("{} ({}): {error}", row.id, row.input));
        }
    }

    fn finish(self) {
        let shown = self.failures.len().min(SHOWN_MAX);
        assert!(
            self.failures.is_empty(),
            "{} of {} rows; {SEED_VARIABLE}={} repeats it:\n{}",
            self.failures.len(),
            self.rows,
            self.seed,
            self.failures[..shown].join("\n")
        );
    }
}

async fn set(row: &Row, link: Link) -> Result<Stage, String> {
    let mut stage = Stage::set(link, row).await?;
    if let Some(name) = &row.departed {
        stage.pass_through(name).await?;
    }
    Ok(stage)
}

async fn scenario(name: &str, row: &Row, link: Link) -> Result<(), String> {
    let mut stage = set(row, link).await?;
    scenarios::run(name, &mut stage).await?;
    stage.talk().await?;
    if row.is_about_rooms() {
        stage.check_rooms().await?;
    }
    stage.strike().await?;
    check_panics_and_log(&[])
}

/// The points at which a case is cut: all of them where the way says so.
fn cuts(case: &Case, way: Way) -> std::ops::RangeInclusive<usize> {
    match case.acts.first() {
        Some(Act::Send(bytes)) if way == Way::Everywhere => 0..=bytes.len(),
        _ => 0..=0,
    }
}
