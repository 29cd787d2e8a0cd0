//! What a query of Prometheus names: metrics, labels it selects by, labels it groups by.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::str::Chars;

/// Of one query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// Each metric, with the labels it is selected by.
    pub metrics: BTreeMap<String, BTreeSet<String>>,
    /// Labels that are grouped or joined by.
    pub grouped: BTreeSet<String>,
    /// Whether series are brought together at all: if not, each keeps its labels.
    pub is_grouped: bool,
}

const WITH_LABELS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
const WORDS: [&str; 8] = ["and", "or", "unless", "bool", "offset", "atan2", "inf", "nan"];
const AGGREGATIONS: [&str; 12] =
    ["sum", "min", "max", "avg", "count", "group", "stddev", "stdvar", "topk", "bottomk", "quantile", "count_values"];

impl Named {
    /// Reads a query. What is no query is not found out here: that is for the judges of Prometheus.
    pub fn of(query: &str) -> Self {
        let (mut named, mut rest) = (Self::default(), query.chars().peekable());
        let mut last = None;
        while let Some(next) = rest.peek().copied() {
            match next {
                '"' | '\'' | '`' => skip_text(&mut rest),
                '[' => skip_past(&mut rest, ']'),
                '{' => {
                    let labels = selected(&mut rest);
                    named.metrics.entry(last.take().unwrap_or_default()).or_default().extend(labels);
                }
                '$' | '0'..='9' | '.' => drop(word(&mut rest)),
                'a'..='z' | 'A'..='Z' | '_' | ':' => last = named.take(&word(&mut rest), &mut rest),
                _ => drop(rest.next()),
            }
        }
        named
    }

    /// The metric, where this word is one.
    fn take(&mut self, word: &str, rest: &mut Peekable<Chars<'_>>) -> Option<String> {
        while rest.next_if(|next| next.is_whitespace()).is_some() {}
        if WITH_LABELS.contains(&word) {
            self.grouped.extend(listed(rest));
            return None;
        }
        let is_aggregation = AGGREGATIONS.contains(&word);
        self.is_grouped |= is_aggregation;
        if is_aggregation || WORDS.contains(&word.to_lowercase().as_str()) || rest.peek() == Some(&'(') {
            return None;
        }
        self.metrics.entry(word.to_owned()).or_default();
        Some(word.to_owned())
    }
}

/// A name, a number, a length of time.
fn word(rest: &mut Peekable<Chars<'_>>) -> String {
    let mut word: String = rest.next().into_iter().collect();
    while let Some(next) = rest.next_if(|next| next.is_ascii_alphanumeric() || matches!(next, '_' | ':' | '.')) {
        word.push(next);
    }
    word
}

fn skip_text(rest: &mut Peekable<Chars<'_>>) {
    let Some(quote) = rest.next() else { return };
    while let Some(next) = rest.next() {
        if next == quote {
            return;
        }
        if next == '\\' {
            rest.next();
        }
    }
}

fn skip_past(rest: &mut Peekable<Chars<'_>>, end: char) {
    while rest.next().is_some_and(|next| next != end) {}
}

/// `{label="value", …}`
fn selected(rest: &mut Peekable<Chars<'_>>) -> BTreeSet<String> {
    let mut labels = BTreeSet::new();
    while let Some(next) = rest.peek().copied() {
        match next {
            '}' => {
                rest.next();
                break;
            }
            '"' | '\'' | '`' => skip_text(rest),
            'a'..='z' | 'A'..='Z' | '_' => drop(labels.insert(word(rest))),
            _ => drop(rest.next()),
        }
    }
    labels
}

/// `(label, …)`, where there is a list.
fn listed(rest: &mut Peekable<Chars<'_>>) -> Vec<String> {
    if rest.next_if_eq(&'(').is_none() {
        return Vec::new();
    }
    let inside: String = rest.by_ref().take_while(|next| *next != ')').collect();
    inside.split(',').map(|label| label.trim().to_owned()).filter(|label| !label.is_empty()).collect()
}

/// The labels a text shows: `{{channel}}`, `{{ $labels.channel }}`.
pub fn shown(text: &str) -> BTreeSet<String> {
    let inside = text.split("{{").skip(1).filter_map(|rest| rest.split("}}").next());
    let label = |inside: &str| {
        let first = inside.split('|').next().unwrap_or_default().trim().to_owned();
        match first.strip_prefix('$') {
            Some(dollar) => dollar.strip_prefix("labels.").map(str::to_owned),
            None => Some(first),
        }
    };
    inside.filter_map(label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(words: &[&str]) -> BTreeSet<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn metrics_and_labels_are_told_from_words_functions_texts_and_times() {
        let named = Named::of(
            "histogram_quantile(0.99, sum by (le, path) (rate(a_seconds_bucket{status=~\"5..|b{c}\", job='x'}[5m]))) \
             / on (path) group_left (d) (max(e:f:g5m offset 1h) or vector(0)) > bool 1e3 and h{i!=\"\\\"j\"}",
        );
        assert_eq!(named.metrics.keys().collect::<Vec<_>>(), ["a_seconds_bucket", "e:f:g5m", "h"]);
        assert_eq!(named.metrics["a_seconds_bucket"], set(&["status", "job"]));
        assert_eq!(named.metrics["h"], set(&["i"]));
        assert_eq!(named.grouped, set(&["le", "path", "d"]));
        assert!(named.is_grouped && !Named::of("a == 0").is_grouped);
    }

    #[test]
    fn labels_that_are_shown_are_seen() {
        assert_eq!(
            shown("{{channel}} of {{ $labels.instance }}: {{ $value | humanize }}"),
            set(&["channel", "instance"])
        );
    }
}
