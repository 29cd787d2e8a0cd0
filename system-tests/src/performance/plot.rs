//! The plot of growth, drawn by hand: two panels over the length of the log.

use std::fmt::Write as _;

use super::growth::{LATENCIES, Point, RATES, Series};
use super::number;

const WIDTH: f64 = 720.0;
const PANEL: f64 = 240.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 44.0;
const GAP: f64 = 76.0;

/// Readable on light and on dark.
const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#24292f}.axis{stroke:#57606a}.grid{stroke:#d0d7de}\
    .one{stroke:#0969da;fill:#0969da}.two{stroke:#bc4c00;fill:#bc4c00}.line{fill:none;stroke-width:2}.word{stroke:none}\
    @media(prefers-color-scheme:dark){text{fill:#e6edf3}.axis{stroke:#9198a1}.grid{stroke:#3d444d}\
    .one{stroke:#58a6ff;fill:#58a6ff}.two{stroke:#ffa657;fill:#ffa657}.line{fill:none}.word{stroke:none}}";

/// Decades of one axis.
struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    /// Whole decades around all values there are.
    fn around(values: impl Iterator<Item = f64>) -> Option<Self> {
        let logs: Vec<f64> = values.filter(|value| *value > 0.0).map(f64::log10).collect();
        let low = logs.iter().copied().reduce(f64::min)?.floor();
        let high = logs.iter().copied().reduce(f64::max)?.ceil();
        Some(Self { low, high: if high > low { high } else { low + 1.0 } })
    }

    /// Between 0 and 1.
    fn place(&self, value: f64) -> f64 {
        (value.log10() - self.low) / (self.high - self.low)
    }

    fn decades(&self) -> impl Iterator<Item = f64> {
        let (low, high) = (self.low, self.high);
        (0..=20_u8).map(move |n| low + f64::from(n)).take_while(move |decade| *decade <= high + 1e-9)
    }
}

/// The whole drawing; nothing where there is nothing to draw.
pub(super) fn svg(points: &[Point]) -> Option<String> {
    let height = TOP + 2.0 * PANEL + 2.0 * GAP;
    let mut drawing = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"Rates and latencies over the length of the log\"><style>{STYLE}</style>\n"
    );
    panel(&mut drawing, points, &RATES, ("a second", TOP))?;
    panel(&mut drawing, points, &LATENCIES, ("milliseconds", TOP + PANEL + GAP))?;
    drawing.push_str("</svg>\n");
    Some(drawing)
}

fn panel(drawing: &mut String, points: &[Point], series: &[Series], (unit, top): (&str, f64)) -> Option<()> {
    let across = Scale::around(points.iter().map(events))?;
    let up = Scale::around(series.iter().flat_map(|series| points.iter().map(series.of)))?;
    let (right, bottom) = (WIDTH - RIGHT, top + PANEL);
    let x = |value: f64| LEFT + across.place(value) * (right - LEFT);
    let y = |value: f64| bottom - up.place(value) * PANEL;
    // Writing into memory does not fail.
    let mut add = |text: String| writeln!(drawing, "{text}").unwrap_or_default();
    for decade in up.decades() {
        let (at, label) = (y(10_f64.powf(decade)), number(10_f64.powf(decade)));
        add(format!("<line class=\"grid\" x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\"/>"));
        add(format!("<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>", LEFT - 8.0, at + 4.0));
    }
    for decade in across.decades() {
        let (at, label) = (x(10_f64.powf(decade)), number(10_f64.powf(decade)));
        add(format!("<line class=\"grid\" x1=\"{at:.1}\" y1=\"{top}\" x2=\"{at:.1}\" y2=\"{bottom}\"/>"));
        add(format!("<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>", bottom + 18.0));
    }
    add(format!("<line class=\"axis\" x1=\"{LEFT}\" y1=\"{top}\" x2=\"{LEFT}\" y2=\"{bottom}\"/>"));
    add(format!("<line class=\"axis\" x1=\"{LEFT}\" y1=\"{bottom}\" x2=\"{right}\" y2=\"{bottom}\"/>"));
    let middle = (LEFT + right) / 2.0;
    add(format!("<text x=\"{middle}\" y=\"{:.1}\" text-anchor=\"middle\">events in the log</text>", bottom + 38.0));
    add(format!("<text x=\"{LEFT}\" y=\"{:.1}\">{unit}</text>", top - 28.0));
    let mut word_at = LEFT + 110.0;
    for Series { name, class, of } in series {
        let places: Vec<(f64, f64)> =
            points.iter().filter(|point| of(point) > 0.0).map(|point| (x(events(point)), y(of(point)))).collect();
        let line: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        add(format!("<polyline class=\"{class} line\" points=\"{}\"/>", line.join(" ")));
        for (x, y) in &places {
            add(format!("<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>"));
        }
        add(format!("<circle class=\"{class}\" cx=\"{word_at}\" cy=\"{:.1}\" r=\"4\"/>", top - 32.0));
        add(format!("<text class=\"word\" x=\"{:.1}\" y=\"{:.1}\">{name}</text>", word_at + 10.0, top - 28.0));
        word_at += 230.0;
    }
    Some(())
}

fn events(point: &Point) -> f64 {
    // Far below 2^53: the conversion is exact.
    f64::from(u32::try_from(point.events_count).unwrap_or(u32::MAX))
}
