//! A report as one page that stands alone: no script, no font, no picture from anywhere else.

use std::fmt::Write as _;

use super::{
    plot::{Curve, chart},
    report::{Report, Sample},
    table::rows,
};

const STYLE: &str = "\
:root { color-scheme: light dark; --a: #1f6feb; --b: #d29922; --c: #cf222e; --grid: #8884; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 760px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.05rem; margin: 1.6rem 0 .2rem; }
table { border-collapse: collapse; } th { text-align: left; font-weight: 600; white-space: nowrap; }
th, td { padding: .2rem .8rem .2rem 0; vertical-align: top; } td { font-variant-numeric: tabular-nums; }
svg { width: 100%; } svg text { font-size: 11px; fill: currentColor; }
polyline { fill: none; stroke-width: 2; } .grid { stroke: var(--grid); }
polyline.a { stroke: var(--a); } polyline.b { stroke: var(--b); } polyline.c { stroke: var(--c); }
.legend { margin: 0; } .legend span::before { content: '\\25ac  '; }
.legend .a::before { color: var(--a); } .legend .b::before { color: var(--b); } .legend .c::before { color: var(--c); }
.failed { color: var(--c); font-weight: 600; }";

/// The page.
#[must_use]
pub fn page(report: &Report) -> String {
    let title = format!("chat-client bench {}", report.plan.scenario.name());
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>{STYLE}</style></head><body><h1>{title}</h1>"
    );
    for failure in &report.failures {
        let _ = write!(page, "<p class=\"failed\">FAILED: {}</p>", escaped(failure));
    }
    page.push_str("<table>");
    for (key, value) in rows(report) {
        let _ = write!(page, "<tr><th>{key}</th><td>{}</td></tr>", escaped(&value));
    }
    page.push_str("</table>");
    for note in &report.notes {
        let _ = write!(page, "<p>{}</p>", escaped(note));
    }
    let what = if report.log_ins.count > 0 && report.lines == 0 { "log-ins" } else { "deliveries" };
    let curve = |name, class, of: fn(&Sample) -> f64| Curve { name, class, points: points(report, of) };
    let _ = write!(
        page,
        "<h2>Throughput</h2>{}",
        chart(&[curve(what, "a", |sample| sample.per_second)], "a second")
    );
    let times = [
        curve("p50", "a", |sample| sample.latency.p50_ms),
        curve("p99", "b", |sample| sample.latency.p99_ms),
        curve("max", "c", |sample| sample.latency.max_ms),
    ];
    let _ = write!(page, "<h2>Latency</h2>{}", chart(&times, "ms"));
    if report.memory.before.is_some() {
        let memory = [
            curve("PSS", "a", |sample| mib(sample.memory.map_or(0, |memory| memory.pss_kib))),
            curve("RSS", "b", |sample| mib(sample.memory.map_or(0, |memory| memory.rss_kib))),
        ];
        let _ = write!(page, "<h2>Memory of the server</h2>{}", chart(&memory, "MiB"));
        let cpu = [curve("CPU", "a", |sample| sample.server_cpu.unwrap_or_default())];
        let _ = write!(page, "<h2>CPU of the server</h2>{}", chart(&cpu, "processors"));
    }
    page.push_str("</body></html>\n");
    page
}

fn points(report: &Report, of: fn(&Sample) -> f64) -> Vec<(f64, f64)> {
    report.series.iter().map(|sample| (sample.at_s, of(sample))).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// Words from outside are words, and no markup.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
