//! What a delivery costs: the core in memory by criterion, the whole server over loopback by its own CPU time.
//!
//! `cargo bench --bench fanout` runs both; `cargo bench --bench fanout -- memory` or `-- loopback` one of them.

mod loopback;
mod memory;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let wants = |part: &str| wanted.is_empty() || wanted.iter().any(|want| part.starts_with(want.as_str()));
    if wants("memory") {
        memory::run();
    }
    if wants("loopback") {
        loopback::run();
    }
}
