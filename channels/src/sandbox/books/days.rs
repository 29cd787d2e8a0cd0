//! What a channel remits, day by day: sums by currency, and every line of them.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use domain::channel::Channel as Name;

use super::{deciding::number, entry::Deed, listing::RemittanceLine};
use crate::sandbox::protocol::{Booked, LineBody, PageBody, SumBody};

/// As many as are well below what anybody reads at once.
const PAGE: usize = 100;

#[derive(Default)]
pub(super) struct Days {
    lines: BTreeMap<NaiveDate, Vec<LineBody>>,
    /// Up to this day nothing is booked any more.
    closed_until: Option<NaiveDate>,
}

impl Days {
    /// On the day it happened, or on the first that is not closed.
    pub(super) fn book(&mut self, deed: &Deed, what: Booked, at: DateTime<Utc>, (gross_minor, fee_minor): (i64, i64)) {
        let open = self.closed_until.and_then(|closed| closed.succ_opt());
        let date = open.map_or(at.date_naive(), |open| open.max(at.date_naive()));
        let lines = self.lines.entry(date).or_default();
        let no = match what {
            Booked::DisputeLost => Some(number("dsp", &[deed.channel.name(), &deed.key])),
            Booked::Captured | Booked::Refunded | Booked::RefundReturned => deed.answer.no.clone(),
        };
        lines.push(LineBody {
            number: u64::try_from(lines.len()).unwrap_or(u64::MAX).saturating_add(1),
            what,
            payment_id: deed.order.payment_id,
            attempt: deed.order.attempt,
            capture_id: deed.order.capture_id,
            refund_id: deed.order.refund_id,
            no,
            currency: deed.answer.currency.clone().unwrap_or_default(),
            gross_minor,
            fee_minor,
        });
    }

    pub(super) fn close(&mut self, date: NaiveDate) {
        self.closed_until = self.closed_until.max(Some(date));
    }

    pub(super) fn is_closed(&self, date: NaiveDate) -> bool {
        self.closed_until.is_some_and(|closed| date <= closed)
    }

    pub(super) fn page(&self, date: NaiveDate, after: u64) -> PageBody {
        let lines = self.lines.get(&date).map(Vec::as_slice).unwrap_or_default();
        let rest = lines.get(usize::try_from(after).unwrap_or(usize::MAX)..).unwrap_or_default();
        PageBody {
            is_closed: true,
            sums: sums(lines),
            lines: rest.iter().take(PAGE).cloned().collect(),
            has_more: rest.len() > PAGE,
        }
    }

    /// Of a day as it stands, closed or not.
    pub(super) fn remittances(&self, channel: Name, date: NaiveDate) -> Vec<RemittanceLine> {
        let lines = self.lines.get(&date).map(Vec::as_slice).unwrap_or_default();
        let of = |SumBody { currency, gross_minor, fee_minor, net_minor, .. }| RemittanceLine {
            channel,
            currency,
            date,
            gross_minor,
            fee_minor,
            net_minor,
        };
        sums(lines).into_iter().filter(|sum| (sum.gross_minor, sum.fee_minor) != (0, 0)).map(of).collect()
    }
}

fn sums(lines: &[LineBody]) -> Vec<SumBody> {
    let mut sums: BTreeMap<&str, SumBody> = BTreeMap::new();
    for line in lines {
        let nothing =
            || SumBody { currency: line.currency.clone(), gross_minor: 0, fee_minor: 0, net_minor: 0, lines_count: 0 };
        let sum = sums.entry(&line.currency).or_insert_with(nothing);
        sum.gross_minor += line.gross_minor;
        sum.fee_minor += line.fee_minor;
        sum.net_minor += line.gross_minor - line.fee_minor;
        sum.lines_count += 1;
    }
    sums.into_values().collect()
}
