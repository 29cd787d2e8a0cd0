//! The dashboards, as code: what is asked, drawn as the JSON that Grafana reads.

use serde_json::{Value, json};

mod business;
mod running;

pub use business::BUSINESS;
pub use running::{BUS, OPERATIONS, PROJECTIONS, SAGAS};

/// Where they are kept.
pub const FOLDER: &str = "deploy/grafana/dashboards/";

/// All of them.
pub const ALL: [&Dashboard; 5] = [&BUSINESS, &OPERATIONS, &SAGAS, &PROJECTIONS, &BUS];

/// One page.
#[derive(Debug)]
pub struct Dashboard {
    /// Also its address.
    pub name: &'static str,
    pub title: &'static str,
    /// What may be chosen: a metric, and the label of it that is chosen from.
    pub choices: &'static [(&'static str, &'static str)],
    pub panels: &'static [Panel],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One large figure.
    Figure,
    /// A line for each series, over time.
    Lines,
}

#[derive(Debug)]
pub struct Panel {
    pub title: &'static str,
    /// As Grafana calls it.
    pub unit: &'static str,
    pub form: Form,
    pub queries: &'static [Query],
}

/// What is asked of Prometheus, and what a series of the answer is called.
#[derive(Debug)]
pub struct Query {
    pub asks: &'static str,
    pub legend: &'static str,
}

const fn figure(title: &'static str, unit: &'static str, queries: &'static [Query]) -> Panel {
    Panel { title, unit, form: Form::Figure, queries }
}

const fn lines(title: &'static str, unit: &'static str, queries: &'static [Query]) -> Panel {
    Panel { title, unit, form: Form::Lines, queries }
}

const fn ask(asks: &'static str, legend: &'static str) -> Query {
    Query { asks, legend }
}

/// Columns of the grid, and what a panel takes of them.
const COLUMNS: u32 = 24;
const FIGURE: (u32, u32) = (6, 4);
const LINES: (u32, u32) = (12, 8);

impl Dashboard {
    pub fn path(&self) -> String {
        format!("{FOLDER}{}.json", self.name)
    }

    /// The file, byte for byte.
    pub fn drawn(&self) -> String {
        let mut choices = vec![json!({
            "name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus", "hide": 0
        })];
        choices.extend(self.choices.iter().map(|(metric, label)| choice(metric, label)));
        let dashboard = json!({
            "uid": format!("daybook-{}", self.name),
            "title": format!("Daybook: {}", self.title),
            "tags": ["daybook"],
            "schemaVersion": 39,
            "editable": false,
            "timezone": "utc",
            "refresh": "10s",
            "time": { "from": "now-1h", "to": "now" },
            "templating": { "list": choices },
            "panels": self.placed(),
        });
        format!("{dashboard:#}\n")
    }

    /// From left to right, row by row.
    fn placed(&self) -> Vec<Value> {
        let (mut x, mut y, mut tallest) = (0, 0, 0);
        let mut placed = Vec::new();
        for (n, panel) in self.panels.iter().enumerate() {
            let (wide, high) = match panel.form {
                Form::Figure => FIGURE,
                Form::Lines => LINES,
            };
            if x + wide > COLUMNS || (x > 0 && high != tallest) {
                (x, y) = (0, y + tallest);
            }
            placed.push(panel.drawn(n + 1, json!({ "x": x, "y": y, "w": wide, "h": high })));
            (x, tallest) = (x + wide, high);
        }
        placed
    }
}

impl Panel {
    fn drawn(&self, id: usize, place: Value) -> Value {
        let targets: Vec<Value> = ('A'..).zip(self.queries).map(|(name, query)| query.drawn(name)).collect();
        json!({
            "id": id,
            "title": self.title,
            "type": match self.form { Form::Figure => "stat", Form::Lines => "timeseries" },
            "datasource": source(),
            "gridPos": place,
            "fieldConfig": { "defaults": { "unit": self.unit }, "overrides": [] },
            "targets": targets,
        })
    }
}

impl Query {
    fn drawn(&self, name: char) -> Value {
        json!({ "refId": name.to_string(), "expr": self.asks, "legendFormat": self.legend, "datasource": source() })
    }
}

fn source() -> Value {
    json!({ "type": "prometheus", "uid": "${source}" })
}

fn choice(metric: &str, label: &str) -> Value {
    json!({
        "name": label, "label": label, "type": "query", "datasource": source(), "refresh": 2, "sort": 1,
        "query": format!("label_values({metric}, {label})"),
        "multi": true, "includeAll": true, "allValue": ".*", "current": { "text": "All", "value": "$__all" },
    })
}
