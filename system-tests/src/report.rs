//! What a bench found: a table for people, a list of figures for the page of all benches.

use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

type Problem = Box<dyn std::error::Error + Send + Sync>;

/// A measured figure: its name in the JSON, what it is, its value, and the aim it is held to, if any.
pub struct Figure {
    pub name: &'static str,
    pub about: &'static str,
    pub value: f64,
    pub aim: Option<Aim>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aim {
    AtLeast(f64),
    AtMost(f64),
}

impl Aim {
    pub fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(aim) => value >= aim,
            Self::AtMost(aim) => value <= aim,
        }
    }
}

/// A figure as it is written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    pub name: String,
    pub about: String,
    pub value: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aim: Option<Aim>,
}

impl Figure {
    pub const fn new(name: &'static str, about: &'static str, value: f64, aim: Option<Aim>) -> Self {
        Self { name, about, value, aim }
    }

    fn measured(&self) -> Measured {
        let value = (self.value * 1_000.0).round() / 1_000.0;
        Measured { name: self.name.to_owned(), about: self.about.to_owned(), value, aim: self.aim }
    }

    fn verdict(&self) -> String {
        match &self.aim {
            None => String::new(),
            Some(Aim::AtLeast(aim)) if self.value >= *aim => format!(">= {aim}  ok"),
            Some(Aim::AtLeast(aim)) => format!(">= {aim}  MISSED"),
            Some(Aim::AtMost(aim)) if self.value <= *aim => format!("<= {aim}  ok"),
            Some(Aim::AtMost(aim)) => format!("<= {aim}  MISSED"),
        }
    }
}

/// Prints one line at once, so that long work shows progress.
///
/// # Errors
/// Where nobody reads on.
pub fn line(text: &str) -> Result<(), Problem> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}

/// Prints the table and writes the list.
///
/// # Errors
/// Where it cannot be printed or written.
pub fn write(figures: &[Figure], path: &Path) -> Result<(), Problem> {
    line("")?;
    for figure in figures {
        line(&format!("{:<28} {:>12.3}   {:<18} {}", figure.name, figure.value, figure.verdict(), figure.about))?;
    }
    let (found, unknown): (Vec<&Figure>, Vec<&Figure>) = figures.iter().partition(|figure| figure.value.is_finite());
    for figure in unknown {
        line(&format!("{} is no number, and is not written down", figure.name))?;
    }
    let measured: Vec<Measured> = found.into_iter().map(Figure::measured).collect();
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, serde_json::to_string_pretty(&measured)? + "\n")?;
    line(&format!("\nwritten to {}", path.display()))
}

/// The one in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
