//! What is added up of a quarter of an hour, and of many of them.

use domain::money::Money;
use serde_json::{Map, Value, json};

use super::{BucketRow, customers::Sketch, latency};
use crate::query::cell::{Cell, Kind, Shown, shown};

/// What an event adds to a bucket.
pub(super) enum Change {
    Began { asked: Option<Money>, customer: Option<String> },
    Answered { after_ms: i64 },
    Succeeded { after_ms: Option<i64> },
    Failed { decline: String, after_ms: Option<i64> },
    Rejected,
    Abandoned,
    Captured { amount: Money, fee: Money },
    Refunded { amount: Money, fee: Money },
    Bounced { amount: Money, fee: Money },
    Disputed { amount: Money },
    DisputeWon { amount: Money },
}

impl Change {
    pub(super) fn add(self, row: &mut BucketRow) {
        match self {
            Self::Began { asked, customer } => {
                add(&mut row.attempts_count, 1);
                if let Some(asked) = asked {
                    add(&mut row.payments_count, 1);
                    add(&mut row.asked_minor, asked.amount_minor);
                }
                if let Some(customer) = customer {
                    let mut sketch = Sketch::read(row.customers.as_deref().unwrap_or_default());
                    sketch.add(&customer);
                    row.customers = Some(sketch.bytes());
                }
            }
            Self::Answered { after_ms } => latency::add(&mut row.latency_ms, after_ms),
            Self::Succeeded { after_ms } => {
                add(&mut row.succeeded_count, 1);
                after_ms.into_iter().for_each(|ms| latency::add(&mut row.latency_ms, ms));
            }
            Self::Failed { decline, after_ms } => {
                add(&mut row.failed_count, 1);
                latency::count(&mut row.declines, &decline);
                after_ms.into_iter().for_each(|ms| latency::add(&mut row.latency_ms, ms));
            }
            Self::Rejected => add(&mut row.rejected_count, 1),
            Self::Abandoned => add(&mut row.abandoned_count, 1),
            Self::Captured { amount, fee } => {
                add(&mut row.captures_count, 1);
                add(&mut row.captured_minor, amount.amount_minor);
                add(&mut row.fee_minor, fee.amount_minor);
            }
            Self::Refunded { amount, fee } => {
                add(&mut row.refunds_count, 1);
                add(&mut row.refunded_minor, amount.amount_minor);
                add(&mut row.fee_returned_minor, fee.amount_minor);
            }
            Self::Bounced { amount, fee } => {
                add(&mut row.refunded_minor, amount.amount_minor.saturating_neg());
                add(&mut row.fee_returned_minor, fee.amount_minor.saturating_neg());
            }
            Self::Disputed { amount } => {
                add(&mut row.disputes_count, 1);
                add(&mut row.disputed_minor, amount.amount_minor);
            }
            Self::DisputeWon { amount } => add(&mut row.disputed_minor, amount.amount_minor.saturating_neg()),
        }
    }
}

fn add(sum: &mut i64, more: i64) {
    *sum = sum.saturating_add(more);
}

/// The sums of a row, by the names they are told under, in the order they are selected.
pub(super) const SUMS: [(&str, &str); 15] = [
    ("payments_count", "payments_count"),
    ("attempts_count", "attempts_count"),
    ("succeeded_count", "succeeded_count"),
    ("failed_count", "failed_count"),
    ("rejected_count", "rejected_count"),
    ("abandoned_count", "abandoned_count"),
    ("asked", "asked_minor"),
    ("captures_count", "captures_count"),
    ("captured", "captured_minor"),
    ("fee", "fee_minor"),
    ("refunds_count", "refunds_count"),
    ("refunded", "refunded_minor"),
    ("fee_returned", "fee_returned_minor"),
    ("disputes_count", "disputes_count"),
    ("disputed", "disputed_minor"),
];

/// Many quarters of an hour together.
#[derive(Clone, Debug, Default)]
pub(super) struct Sums {
    /// Wider than a row's: of any number of rows.
    pub(super) sums: [i128; SUMS.len()],
    pub(super) declines: Option<Value>,
    pub(super) latency_ms: Option<Value>,
    pub(super) customers: Sketch,
}

impl Sums {
    pub(super) fn told(&self) -> Map<String, Value> {
        let mut told = Map::new();
        for ((name, _column), sum) in SUMS.iter().zip(self.sums) {
            // Beyond 64 bits no reader of JSON follows: then it is told as text.
            let sum = i64::try_from(sum).map_or_else(|_wide| Value::from(sum.to_string()), Value::from);
            told.insert((*name).to_owned(), sum);
        }
        let [success, refund] = self.rates().map(|rate| rate.map_or(Value::Null, decimal));
        told.insert("success_rate".to_owned(), success);
        told.insert("refund_rate".to_owned(), refund);
        told.insert("unique_customers".to_owned(), self.customers.count().into());
        told.insert("declines".to_owned(), self.declines.clone().unwrap_or_else(|| json!({})));
        let percentile = |thousandths| latency::percentile(self.latency_ms.as_ref(), thousandths);
        let latency = json!({ "p50": percentile(500), "p90": percentile(900), "p99": percentile(990) });
        told.insert("latency_ms".to_owned(), latency);
        told
    }

    /// The same as the cells of [`columns`].
    pub(super) fn cells(&self) -> Vec<Cell> {
        let mut cells: Vec<Cell> = self.sums.iter().copied().map(Cell::Sum).collect();
        let whole = |number: Option<i64>| number.map_or(Cell::Nothing, Cell::Integer);
        cells.extend(self.rates().map(whole));
        cells.push(whole(i64::try_from(self.customers.count()).ok()));
        cells.push(Cell::Json(self.declines.clone().unwrap_or_else(|| json!({}))));
        let percentile = |thousandths| latency::percentile(self.latency_ms.as_ref(), thousandths);
        cells.extend([500, 900, 990].map(percentile).map(whole));
        cells
    }

    /// Success of what ended, and refunds of captures, in basis points.
    fn rates(&self) -> [Option<i64>; 2] {
        let of = |name: &str| {
            SUMS.iter().zip(self.sums).find(|((known, _), _)| *known == name).map_or(0, |(_name, sum)| sum)
        };
        let ended = of("succeeded_count").saturating_add(of("failed_count"));
        [share(of("succeeded_count"), ended), share(of("refunded"), of("captured"))]
    }
}

/// The sums as columns of a table.
pub(super) fn columns() -> Vec<Shown> {
    let sums = SUMS.iter().map(|(name, _column)| shown(name, "", Kind::Sum, "Added up over the group."));
    let rest = [
        shown("success_rate_bp", "", Kind::Integer, "Succeeded of succeeded and failed, in basis points."),
        shown("refund_rate_bp", "", Kind::Integer, "Refunded of captured, in basis points."),
        shown("unique_customers", "", Kind::Integer, "How many different customers, by a sketch."),
        shown("declines", "", Kind::Json, "How often each reason was given."),
        shown("latency_p50_ms", "", Kind::Integer, "Half of the answers came within."),
        shown("latency_p90_ms", "", Kind::Integer, "Nine tenths of the answers came within."),
        shown("latency_p99_ms", "", Kind::Integer, "99 of 100 answers came within."),
    ];
    sums.chain(rest).collect()
}

/// A part of a whole in basis points, cut; nothing of nothing.
fn share(part: i128, whole: i128) -> Option<i64> {
    if whole <= 0 || part < 0 {
        return None;
    }
    i64::try_from(part.saturating_mul(10_000).div_euclid(whole)).ok()
}

/// Basis points as the number they stand for.
fn decimal(points: i64) -> Value {
    let text = format!("{}.{:04}", points.div_euclid(10_000), points.rem_euclid(10_000));
    serde_json::from_str(&text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_cut_and_never_rounded_up() {
        let told = |part, whole| share(part, whole).map(|points| decimal(points).to_string());
        assert_eq!(told(2, 3).as_deref(), Some("0.6666"));
        assert_eq!(told(3, 3).as_deref(), Some("1.0"));
        assert_eq!(told(0, 3).as_deref(), Some("0.0"));
        assert_eq!(told(1, 0), None);
    }

    #[test]
    fn every_column_has_its_cell() {
        assert_eq!(columns().len(), Sums::default().cells().len());
    }
}
