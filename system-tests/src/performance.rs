//! The page of all figures: what benches found, beside its limits, aims and baselines.

use serde::{Deserialize, Serialize};

use crate::report::Measured;

pub mod check;
pub mod growth;
mod headlines;
pub mod machine;
pub mod page;
mod plot;
#[cfg(test)]
mod tests;

pub use growth::Growth;
pub use machine::Machine;

/// Where it is kept.
pub const KEPT: &str = "docs/performance.json";
/// And what is made of it.
pub const PAGE: &str = "docs/performance.md";
pub const PLOT: &str = "docs/growth.svg";

/// All that was measured, and where.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Performance {
    pub machine: Machine,
    pub commit: String,
    /// The day, as `2026-01-31`.
    pub date: String,
    pub benches: Vec<Bench>,
    /// The short forms, of the same run: what a later short run is held against.
    pub short: Vec<Bench>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub growth: Option<Growth>,
}

/// One of the benches: what it found, or why it found nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bench {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_run: Option<String>,
    pub figures: Vec<Measured>,
}

impl Bench {
    /// Reads what a bench has written.
    ///
    /// # Errors
    /// It is no list of figures.
    pub fn found(name: &str, written: &str) -> Result<Self, String> {
        let figures: Vec<Measured> = serde_json::from_str(written).map_err(|reason| format!("{name}: {reason}"))?;
        Ok(Self { name: name.to_owned(), not_run: None, figures })
    }

    pub fn not_run(name: &str, why: &str) -> Self {
        Self { name: name.to_owned(), not_run: Some(why.to_owned()), figures: Vec::new() }
    }

    pub fn figure(&self, name: &str) -> Option<&Measured> {
        self.figures.iter().find(|figure| figure.name == name)
    }
}

/// A number as people read it: three digits count, thousands apart.
pub(crate) fn number(value: f64) -> String {
    let decimals = match value.abs() {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut apart = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            apart.push(',');
        }
        apart.push(digit);
    }
    if rest.is_empty() { format!("{sign}{apart}") } else { format!("{sign}{apart}.{rest}") }
}
