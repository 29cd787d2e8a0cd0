//! A page of metrics read as strictly as the judges of Prometheus read it, and asked.

use std::collections::{BTreeMap, BTreeSet};

/// A page that is well formed.
#[derive(Debug, Default)]
pub struct Exposition {
    types: BTreeMap<String, String>,
    series: BTreeMap<Series, f64>,
}

type Labels = Vec<(String, String)>;
/// A name with its labels in order.
type Series = (String, Labels);

/// Bounds with their counts.
type Buckets = Vec<(f64, f64)>;

/// Units that have a base unit, and words that say what the type says.
const NOT_IN_NAMES: [&str; 12] = [
    "ms",
    "milliseconds",
    "microseconds",
    "nanoseconds",
    "minutes",
    "hours",
    "kilobytes",
    "megabytes",
    "percent",
    "gauge",
    "counter",
    "histogram",
];

impl Exposition {
    /// Reads a page.
    ///
    /// # Errors
    /// Everything that is amiss with it.
    pub fn read(text: &str) -> Result<Self, Vec<String>> {
        let (mut page, mut amiss, mut helped) = (Self::default(), Vec::new(), BTreeMap::new());
        let mut current = String::new();
        if !text.ends_with('\n') {
            amiss.push("the last line has no end".to_owned());
        }
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap_or((rest, ""));
                if help.trim().is_empty() || helped.insert(name.to_owned(), help.to_owned()).is_some() {
                    amiss.push(format!("{name}: helped twice, or by nothing"));
                }
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap_or((rest, ""));
                current = name.to_owned();
                if !helped.contains_key(name) || page.types.insert(name.to_owned(), kind.to_owned()).is_some() {
                    amiss.push(format!("{name}: typed twice, or without help"));
                }
                amiss.extend(name_amiss(name, kind));
            } else {
                amiss.extend(page.take(line, &current).err());
            }
        }
        amiss.extend(page.histograms_amiss());
        if amiss.is_empty() { Ok(page) } else { Err(amiss) }
    }

    fn take(&mut self, line: &str, current: &str) -> Result<(), String> {
        let (head, value) = line.rsplit_once(' ').ok_or_else(|| format!("no value: {line}"))?;
        let (name, labels) = match head.split_once('{') {
            Some((name, labels)) => (name, read_labels(labels).ok_or_else(|| format!("labels amiss: {line}"))?),
            None => (head, Vec::new()),
        };
        let is_histogram = self.types.get(current).is_some_and(|kind| kind == "histogram");
        let endings = if is_histogram { &["_bucket", "_sum", "_count"][..] } else { &[""] };
        if !endings.iter().any(|ending| name.strip_suffix(ending) == Some(current)) {
            return Err(format!("{name} stands under {current}"));
        }
        let value: f64 = value.parse().map_err(|_no_number| format!("no number: {line}"))?;
        match self.series.insert((name.to_owned(), labels), value) {
            None => Ok(()),
            Some(_) => Err(format!("twice: {head}")),
        }
    }

    /// Buckets that do not grow, or do not come to the count.
    fn histograms_amiss(&self) -> Vec<String> {
        let mut amiss = Vec::new();
        for (name, _kind) in self.types.iter().filter(|(_name, kind)| *kind == "histogram") {
            let mut buckets: BTreeMap<Labels, Buckets> = BTreeMap::new();
            for ((series, labels), value) in &self.series {
                if *series != format!("{name}_bucket") {
                    continue;
                }
                let bound = labels.iter().find(|(label, _value)| label == "le");
                let bound = bound.and_then(|(_label, bound)| bound.replace("+Inf", "inf").parse().ok());
                let rest = labels.iter().filter(|(label, _value)| label != "le").cloned().collect();
                buckets.entry(rest).or_default().push((bound.unwrap_or(f64::NAN), *value));
            }
            for (labels, mut buckets) in buckets {
                buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
                let is_growing = buckets.windows(2).all(|pair| matches!(pair, [one, other] if one.1 <= other.1));
                let last = buckets.last().map(|(_bound, count)| *count);
                let of = |ending: &str| self.series.get(&(format!("{name}{ending}"), labels.clone())).copied();
                let ends = buckets.last().is_some_and(|(bound, _count)| bound.is_infinite());
                if !is_growing || !ends || last != of("_count") || of("_sum").is_none() {
                    amiss.push(format!("{name}{labels:?}: buckets that cannot be"));
                }
            }
        }
        amiss
    }

    /// The sum of all series of this name that have these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |known: &[(String, String)]| {
            labels.iter().all(|(label, value)| known.iter().any(|(name, is)| name == label && is == value))
        };
        self.series.iter().filter(|((known, with), _)| known == name && has(with)).map(|(_series, value)| value).sum()
    }

    /// The names of the labels that series of this name have.
    pub fn labels(&self, name: &str) -> BTreeSet<&str> {
        let of_name = self.series.keys().filter(|(known, _labels)| known == name);
        of_name.flat_map(|(_name, labels)| labels).map(|(label, _value)| label.as_str()).collect()
    }

    pub fn has(&self, name: &str) -> bool {
        self.series.keys().any(|(known, _labels)| known == name)
    }

    /// How many series there are.
    pub fn series_count(&self) -> usize {
        self.series.len()
    }
}

fn name_amiss(name: &str, kind: &str) -> Vec<String> {
    let mut amiss = Vec::new();
    if !name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')) {
        amiss.push(format!("{name}: no name of a metric"));
    }
    if !["counter", "gauge", "histogram"].contains(&kind) {
        amiss.push(format!("{name}: no type {kind}"));
    }
    if (kind == "counter") != name.ends_with("_total") {
        amiss.push(format!("{name}: a {kind}, and its name says otherwise"));
    }
    if ["_count", "_sum", "_bucket"].iter().any(|ending| name.ends_with(ending)) {
        amiss.push(format!("{name}: an ending that belongs to histograms"));
    }
    amiss.extend(name.split('_').filter(|part| NOT_IN_NAMES.contains(part)).map(|part| format!("{name}: {part}")));
    amiss
}

/// What stands between the braces, in order of the names.
fn read_labels(text: &str) -> Option<Labels> {
    let mut rest = text.strip_suffix('}')?;
    let mut labels = Vec::new();
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"")?;
        let is_name = !name.is_empty() && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        let end = closing_quote(after)?;
        let value = after.get(..end)?;
        rest = after.get(end.checked_add(1)?..)?;
        rest = rest.strip_prefix(',').unwrap_or(rest);
        if !is_name || name.starts_with("__") || labels.iter().any(|(known, _value)| known == name) {
            return None;
        }
        labels.push((name.to_owned(), value.to_owned()));
    }
    labels.sort_unstable();
    Some(labels)
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.char_indices().find_map(|(at, letter)| match letter {
        '"' if !is_escaped => Some(at),
        '\\' => {
            is_escaped = !is_escaped;
            None
        }
        _ => {
            is_escaped = false;
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# HELP a_total A\n# TYPE a_total counter\na_total{b=\"c,\\\"d\\\"\"} 1\na_total{b=\"e\"} 2\n\
        # HELP t_seconds T\n# TYPE t_seconds histogram\nt_seconds_bucket{le=\"1\"} 1\nt_seconds_bucket{le=\"+Inf\"} 2\n\
        t_seconds_sum 3.5\nt_seconds_count 2\n";

    #[test]
    fn a_clean_page_is_read_and_can_be_asked() {
        let page = Exposition::read(GOOD).unwrap();
        assert_eq!(page.sum("a_total", &[]), 3.0);
        assert_eq!(page.sum("a_total", &[("b", "e")]), 2.0);
        assert_eq!(page.labels("t_seconds_bucket").into_iter().collect::<Vec<_>>(), ["le"]);
        assert!(page.has("t_seconds_sum") && !page.has("t_seconds"));
    }

    #[test]
    fn whatever_is_amiss_is_seen() {
        for (good, bad) in [
            ("# HELP a_total A\n", ""),
            ("# HELP a_total A\n", "# HELP a_total \n"),
            ("# TYPE a_total counter\n", "# TYPE a_total gauge\n"),
            ("# TYPE a_total counter\n", "# TYPE a_total counter\n# TYPE a_total counter\n"),
            ("a_total{b=\"e\"} 2\n", "a_total{b=\"e\"} 2\na_total{b=\"e\"} 2\n"),
            ("a_total{b=\"e\"} 2\n", "b_total 2\n"),
            ("a_total{b=\"e\"} 2\n", "a_total{b=\"e} 2\n"),
            ("a_total{b=\"e\"} 2\n", "a_total{b=\"e\"} two\n"),
            ("a_total{b=\"e\"} 2\n", "a_total{b=\"e\",b=\"e\"} 2\n"),
            ("t_seconds_count 2\n", "t_seconds_count 3\n"),
            ("t_seconds_count 2\n", "t_seconds_count 2"),
            ("t_seconds_sum 3.5\n", ""),
            ("t_seconds_bucket{le=\"1\"} 1\n", "t_seconds_bucket{le=\"1\"} 3\n"),
            ("t_seconds_bucket{le=\"+Inf\"} 2\n", ""),
        ] {
            assert!(GOOD.contains(good));
            let page = GOOD.replacen(good, bad, 1);
            assert!(Exposition::read(&page).is_err(), "{page}");
        }
        let page = GOOD.replace("t_seconds", "t_ms");
        assert!(Exposition::read(&page).is_err());
    }
}
