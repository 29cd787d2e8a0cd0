//! The page that is read by Prometheus: each family once, with its help and its type.

use std::fmt::{Display, Write as _};

use crate::decimal::decimal;
use crate::histogram::{Histogram, Observed};

/// Text of the exposition format 0.0.4.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A family under way: its series follow one another.
#[derive(Debug)]
pub struct Family<'p> {
    text: &'p mut String,
    name: &'static str,
}

type Labels<'l> = &'l [(&'l str, &'l str)];

impl Page {
    /// Begins a family. Where no series follow, it is there all the same.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let kind = kind.name();
        write_line(&mut self.text, format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        Family { text: &mut self.text, name }
    }

    /// What was written elsewhere, in the same form.
    pub fn append(&mut self, text: &str) {
        self.text.push_str(text);
    }

    pub fn into_text(self) -> String {
        self.text
    }
}

impl Family<'_> {
    pub fn series(&mut self, labels: Labels<'_>, value: impl Display) -> &mut Self {
        self.line("", labels, None, value);
        self
    }

    pub fn histogram(&mut self, labels: Labels<'_>, histogram: &Histogram) -> &mut Self {
        let Observed { upto, count, sum, decimals } = histogram.observed();
        for (bound, count) in upto {
            self.line("_bucket", labels, Some(&decimal(bound, decimals)), count);
        }
        self.line("_bucket", labels, Some("+Inf"), count);
        self.line("_sum", labels, None, decimal(sum, decimals));
        self.line("_count", labels, None, count);
        self
    }

    fn line(&mut self, ending: &str, labels: Labels<'_>, upto: Option<&str>, value: impl Display) {
        self.text.push_str(self.name);
        self.text.push_str(ending);
        let has_labels = !labels.is_empty() || upto.is_some();
        let labels = labels.iter().copied().chain(upto.map(|upto| ("le", upto)));
        for (n, (name, value)) in labels.enumerate() {
            self.text.push(if n == 0 { '{' } else { ',' });
            write_line(self.text, format_args!("{name}=\"{}\"", escaped(value)));
        }
        if has_labels {
            self.text.push('}');
        }
        write_line(self.text, format_args!(" {value}\n"));
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Writing into memory does not fail.
fn write_line(text: &mut String, words: std::fmt::Arguments<'_>) {
    text.write_fmt(words).unwrap_or_default();
}
