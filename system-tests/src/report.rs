//! What a bench found: a table for people, a flat object for `bench-check`.

use std::io::Write;
use std::path::Path;

type Problem = Box<dyn std::error::Error + Send + Sync>;

/// A measured figure: its name in the JSON, what it is, its value, and the aim it is held to, if any.
pub struct Figure {
    pub name: &'static str,
    pub about: &'static str,
    pub value: f64,
    pub aim: Option<Aim>,
}

pub enum Aim {
    AtLeast(f64),
    AtMost(f64),
}

impl Figure {
    pub const fn new(name: &'static str, about: &'static str, value: f64, aim: Option<Aim>) -> Self {
        Self { name, about, value, aim }
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

/// Prints the table and writes the object.
///
/// # Errors
/// Where it cannot be printed or written.
pub fn write(figures: &[Figure], path: &Path) -> Result<(), Problem> {
    line("")?;
    for figure in figures {
        line(&format!("{:<28} {:>12.3}   {:<18} {}", figure.name, figure.value, figure.verdict(), figure.about))?;
    }
    let rounded = |value: f64| serde_json::Value::from((value * 1_000.0).round() / 1_000.0);
    let object: serde_json::Map<String, serde_json::Value> =
        figures.iter().map(|figure| (figure.name.to_owned(), rounded(figure.value))).collect();
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, serde_json::to_string_pretty(&object)? + "\n")?;
    line(&format!("\nwritten to {}", path.display()))
}

/// The one in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
