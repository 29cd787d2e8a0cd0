//! The tally as a page of metrics: the names are those that dashboards know.

use domain::{channel::Channel, currency::Currency};
use meters::{Counter, Kind, Page};

use super::{OPERATIONS, OfPayments, OfRefunds, Tally};

/// The word of a label, and what is counted under it.
type End<T> = (&'static str, fn(&T) -> &Counter);

/// How a payment ends.
const PAYMENT_ENDS: [End<OfPayments>; 4] = [
    ("success", |of| &of.success),
    ("failed", |of| &of.failed),
    ("duplicate", |of| &of.duplicate),
    ("risk_rejected", |of| &of.risk_rejected),
];

const REFUND_ENDS: [End<OfRefunds>; 6] = [
    ("success", |of| &of.success),
    ("failed", |of| &of.failed),
    ("invalid_status", |of| &of.invalid_status),
    ("invalid_amount", |of| &of.invalid_amount),
    ("amount_exceeded", |of| &of.amount_exceeded),
    ("partial_success", |of| &of.partial_success),
];

impl Tally {
    /// Writes every family of it.
    pub fn write(&self, page: &mut Page) {
        self.write_payments(page);
        self.write_refunds(page);
        self.write_keys(page);
        let name = "payment_gateway_payment_duration_seconds";
        let help = "From the request to its answer: create, capture, cancel, refund";
        let mut family = page.family(name, Kind::Histogram, help);
        for ((operation, _words), (success, failed)) in OPERATIONS.iter().zip(&self.took) {
            for (status, took) in [("success", success), ("failed", failed)] {
                family.histogram(&[("operation", operation), ("status", status)], took);
            }
        }
    }

    fn sold(&self) -> impl Iterator<Item = (Channel, Currency, &OfPayments)> {
        let cells =
            Channel::ALL.iter().flat_map(|channel| self.currencies.iter().map(move |currency| (*channel, *currency)));
        cells.zip(&self.payments).filter_map(|((channel, currency), cell)| Some((channel, currency, &**cell.get()?)))
    }

    fn write_payments(&self, page: &mut Page) {
        let help = "Payments by how they ended: first captures, declined, asked for again, rejected as a risk";
        let mut family = page.family("payment_gateway_payment_total", Kind::Counter, help);
        for (channel, currency, of) in self.sold() {
            for (status, count) in PAYMENT_ENDS {
                let labels = [("status", status), ("channel", channel.name()), ("currency", currency.code())];
                family.series(&labels, count(of).value());
            }
        }
        let help = "What was captured, in major units of the currency";
        let mut family = page.family("payment_gateway_payment_amount", Kind::Histogram, help);
        for (channel, currency, of) in self.sold() {
            family.histogram(&[("currency", currency.code()), ("channel", channel.name())], &of.amount);
        }
    }

    fn refunded(&self) -> impl Iterator<Item = (Currency, &OfRefunds)> {
        let cells = self.currencies.iter().copied().zip(&self.refunds);
        cells.filter_map(|(currency, cell)| Some((currency, &**cell.get()?)))
    }

    fn write_refunds(&self, page: &mut Page) {
        let help = "Refunds by how they ended, and those that were refused";
        let mut family = page.family("payment_gateway_refund_total", Kind::Counter, help);
        for (currency, of) in self.refunded() {
            for (status, count) in REFUND_ENDS {
                family.series(&[("status", status), ("currency", currency.code())], count(of).value());
            }
        }
        let help = "What was refunded, in major units of the currency";
        let mut family = page.family("payment_gateway_refund_amount", Kind::Histogram, help);
        for (currency, of) in self.refunded() {
            family.histogram(&[("currency", currency.code())], &of.amount);
        }
    }

    fn write_keys(&self, page: &mut Page) {
        let (keyed, replayed) = (self.keyed.value(), self.replayed.value());
        let (reused, in_flight) = (self.reused.value(), self.in_flight.value());
        for (name, help, count) in [
            ("idempotency_requests_total", "Requests under an idempotency key", keyed),
            ("idempotency_cache_hits_total", "Of these, answered again as before", replayed),
            (
                "idempotency_conflicts_total",
                "Of these, under the key of another request, or of one under way",
                reused.wrapping_add(in_flight),
            ),
            ("payment_gateway_idempotent_check_total", "As idempotency_requests_total", keyed),
            ("payment_gateway_idempotent_cache_hit_total", "As idempotency_cache_hits_total", replayed),
            (
                "payment_gateway_duplicate_request_total",
                "Requests that came again: answered as before, or still under way",
                replayed.wrapping_add(in_flight),
            ),
        ] {
            page.family(name, Kind::Counter, help).series(&[], count);
        }
    }
}
