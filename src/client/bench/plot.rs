//! Line charts as SVG, written out by hand: a page that needs nothing from anywhere.

use std::fmt::Write as _;

/// One line of a chart.
pub struct Curve<'a> {
    /// What it shows.
    pub name: &'a str,
    /// The style sheet's class that gives its colour.
    pub class: &'a str,
    /// From left to right.
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 220.0;
/// Room for the numbers beside the axes.
const LEFT: f64 = 70.0;
const BOTTOM: f64 = 28.0;
const TOP: f64 = 10.0;
const RIGHT: f64 = 10.0;
/// About as many lines of a grid as this.
const TICKS: f64 = 5.0;

/// A chart over seconds. The y axis begins at 0.
pub fn chart(curves: &[Curve<'_>], unit: &str) -> String {
    let points = || curves.iter().flat_map(|curve| curve.points.iter());
    let x_max = points().map(|point| point.0).fold(0.0, f64::max).max(1e-9);
    let step = nice_step(points().map(|point| point.1).fold(0.0, f64::max).max(1e-9) / TICKS);
    let y_max = (points().map(|point| point.1).fold(0.0, f64::max) / step).ceil().max(1.0) * step;
    let x = |value: f64| LEFT + value / x_max * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - value / y_max * (HEIGHT - BOTTOM - TOP);
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">");
    for tick in ticks(y_max, step) {
        let (at, label) = (y(tick), number(tick));
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            at + 4.0
        );
    }
    for tick in ticks(x_max, nice_step(x_max / TICKS)) {
        let (at, label) = (x(tick), number(tick));
        let _ =
            write!(svg, "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{label} s</text>", HEIGHT - 8.0);
    }
    for curve in curves {
        let _ = write!(svg, "<polyline class=\"{}\" points=\"", curve.class);
        for (at, value) in &curve.points {
            let _ = write!(svg, "{:.1},{:.1} ", x(*at), y(*value));
        }
        let _ = write!(svg, "\"><title>{} ({unit})</title></polyline>", curve.name);
    }
    svg.push_str("</svg><p class=\"legend\">");
    for curve in curves {
        let _ = write!(svg, "<span class=\"{}\">{}</span> ", curve.class, curve.name);
    }
    let _ = write!(svg, "({unit})</p>");
    svg
}

/// 1, 2 or 5 times a power of ten, at least `step`.
fn nice_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let fraction = step / power;
    let nice = [1.0, 2.0, 5.0].into_iter().find(|nice| fraction <= *nice).unwrap_or(10.0);
    nice * power
}

fn ticks(max: f64, step: f64) -> impl Iterator<Item = f64> {
    (0..=20_u8).map(move |tick| f64::from(tick) * step).take_while(move |value| *value <= max * 1.000_001)
}

/// Short: 1.5M, 20k, 0.25.
fn number(value: f64) -> String {
    let (value, suffix) = match value {
        value if value >= 1e6 => (value / 1e6, "M"),
        value if value >= 1e3 => (value / 1e3, "k"),
        value => (value, ""),
    };
    let text = format!("{value:.3}");
    format!("{}{suffix}", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_marked_with_round_numbers() {
        let near = |is: f64, should: f64| assert!((is / should - 1.0).abs() < 1e-9, "{is} is not {should}");
        near(nice_step(0.3), 0.5);
        near(nice_step(1.0), 1.0);
        near(nice_step(2_600.0), 5_000.0);
        near(nice_step(70.0), 100.0);
        for (value, text) in [(0.0, "0"), (0.25, "0.25"), (20_000.0, "20k"), (1_500_000.0, "1.5M")] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn every_point_lies_within_the_chart_even_when_all_are_zero() {
        for points in [vec![], vec![(0.0, 0.0)], vec![(1.0, 3.0), (2.0, 7e9)]] {
            let svg = chart(&[Curve { name: "a", class: "a", points }], "x");
            let drawn =
                svg.split("points=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a line");
            for point in drawn.split_whitespace() {
                let (x, y) = point.split_once(',').expect("a pair");
                let (x, y): (f64, f64) = (x.parse().expect("a number"), y.parse().expect("a number"));
                assert!((0.0..=WIDTH).contains(&x) && (0.0..=HEIGHT).contains(&y), "{point}");
            }
        }
    }
}
