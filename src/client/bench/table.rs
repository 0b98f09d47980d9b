//! A report for people at a terminal.

use std::fmt::Write as _;

use super::{
    latency::Percentiles,
    plan::Scenario,
    process::Executable,
    report::{CheckReport, Report},
};

/// The report as lines of text.
#[must_use]
pub fn table(report: &Report) -> String {
    let mut out = String::new();
    for (key, value) in rows(report) {
        let _ = writeln!(out, "{key:<14} {value}");
    }
    for note in &report.notes {
        let _ = writeln!(out, "note: {note}");
    }
    match (report.failures.is_empty(), report.check.accepted) {
        (true, 0) => out.push_str("every log-in was answered\n"),
        (true, _) => out.push_str("every line came once and in order\n"),
        (false, _) => {}
    }
    for failure in &report.failures {
        let _ = writeln!(out, "FAILED: {failure}");
    }
    out
}

/// What the table says, name by name.
pub(super) fn rows(report: &Report) -> Vec<(&'static str, String)> {
    let (plan, check) = (&report.plan, &report.check);
    let mut rows = vec![("scenario", scenario(report)), ("log-ins", log_ins(report))];
    if report.check.accepted > 0 {
        rows.push((
            "lines",
            format!("{} in {:.1} s, {} bytes each", report.lines, report.seconds, plan.size),
        ));
        let each = format!("{:.0}/s", report.deliveries_per_second);
        rows.push(("deliveries", format!("{}, {each}", report.deliveries)));
        rows.push(("delivery ms", times(&report.delivery)));
        rows.push(("answer ms", times(&report.answer)));
        rows.extend(report.last_delivery.map(|last| ("last ms", times(&last))));
    }
    rows.extend(cpu(report));
    rows.extend(memory(report));
    if check.accepted > 0 {
        rows.push(("checked", checked(check)));
    }
    if let Some(back) = &report.back {
        let all = back.all_s.map_or_else(|| "not all".to_owned(), |seconds| format!("all in {seconds:.2} s"));
        let (sessions, anew, attempts) = (back.sessions, back.anew, back.attempts);
        rows.push(("back", format!("{sessions}, {all}, {attempts} attempts; {anew} began again")));
        rows.push(("back ms", times(&back.times)));
    }
    if let Some(pairs) = &report.pairs {
        rows.push(("pairs alone ms", times(&pairs.alone)));
        rows.push(("pairs ms", times(&pairs.crowded)));
        rows.push(("pairs checked", checked(&pairs.check)));
    }
    if let Some(stalled) = &report.stalled {
        let (members, cut, lines) = (stalled.members, stalled.cut, stalled.lines);
        rows.push((
            "stalled",
            format!("{members}: {cut} cut, {lines} lines had, told of {} missed", stalled.missed),
        ));
    }
    rows.push(("subject", subject(report)));
    rows
}

fn checked(check: &CheckReport) -> String {
    format!(
        "{} of {} deliveries: {} lost, {} doubled, {} reordered, {} missed; {} lines refused",
        check.delivered,
        check.expected,
        check.lost,
        check.doubled,
        check.reordered,
        check.missed,
        check.refused
    )
}

fn scenario(report: &Report) -> String {
    let plan = &report.plan;
    let name = plan.scenario.name();
    let rooms =
        if plan.scenario == Scenario::Rooms { format!(" in {} rooms", plan.rooms) } else { String::new() };
    let tls = if plan.tls.is_some() { " over TLS" } else { "" };
    let who = format!("{name}: {} members{rooms} at {}{tls}", plan.clients, plan.server);
    let each = if plan.scenario == Scenario::Rooms { "of each " } else { "" };
    match (plan.talkers, plan.rate) {
        (talkers, rate) if plan.scenario == Scenario::Crowded => format!(
            "{who} in one room, {talkers} talk with {} lines outstanding each; beside them {} pairs, \
             who talk at {rate} lines/s each",
            plan.window, plan.rooms
        ),
        (0, _) => who,
        (talkers, 0.0) => format!("{who}, {talkers} {each}talk with {} lines outstanding each", plan.window),
        (talkers, rate) => format!("{who}, {talkers} {each}talk at {rate} lines/s each"),
    }
}

fn log_ins(report: &Report) -> String {
    let log_ins = &report.log_ins;
    let cpu = log_ins.server_us.map(|us| format!(", server {us:.0} us each")).unwrap_or_default();
    let p99 = log_ins.latency.p99_ms;
    format!("{}, {:.0}/s, p99 {p99:.2} ms{cpu}", log_ins.count, log_ins.per_second)
}

fn times(it: &Percentiles) -> String {
    format!(
        "p50 {:.3}  p90 {:.3}  p99 {:.3}  p99.9 {:.3}  max {:.3}",
        it.p50_ms, it.p90_ms, it.p99_ms, it.p999_ms, it.max_ms
    )
}

fn cpu(report: &Report) -> Vec<(&'static str, String)> {
    let sides = [
        ("server CPU", report.cpu.server, report.cpu.server_us_per_delivery),
        ("generator CPU", report.cpu.generator, report.cpu.generator_us_per_delivery),
    ];
    let row = |(name, cpu, each): (_, Option<super::Cpu>, Option<f64>)| {
        let cpu = cpu?;
        let each = each.map(|us| format!("{us:.4} us a delivery; ")).unwrap_or_default();
        Some((name, format!("{each}user {:.2} s, system {:.2} s", cpu.user_s, cpu.system_s)))
    };
    sides.into_iter().filter_map(row).collect()
}

fn memory(report: &Report) -> Option<(&'static str, String)> {
    let memory = &report.memory;
    let (before, logged_in) = memory.before.zip(memory.logged_in)?;
    let peak = memory.peak_pss_kib.unwrap_or(logged_in.pss_kib);
    let each = memory.pss_kib_per_member.unwrap_or_default();
    Some((
        "server memory",
        format!(
            "PSS {} KiB, with members {}, peak {peak}: {each:.2} KiB a member; RSS {} KiB",
            before.pss_kib, logged_in.pss_kib, logged_in.rss_kib
        ),
    ))
}

fn subject(report: &Report) -> String {
    let subject = &report.subject;
    let name = |one: &Executable| format!("{} {}", one.name, one.sha256);
    let servers: Vec<String> = subject.server.iter().map(name).collect();
    let server = if servers.is_empty() { "unknown".to_owned() } else { servers.join(", ") };
    let client = subject.client.as_ref().map_or_else(|| "unknown".to_owned(), name);
    let commit = subject.client_commit.map(|commit| format!(", {commit}")).unwrap_or_default();
    let (version, machine) = (subject.client_version, &subject.machine);
    format!(
        "server {server}; generator {client} ({version}{commit}); {machine}, {} processors",
        subject.processors
    )
}
