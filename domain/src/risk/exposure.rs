//! What of a payment counts against its merchant's limits, until no money can come.

use chrono::{DateTime, Utc};

use crate::{currency::Currency, money::Money, payment::event::PaymentEvent};

/// What a payment has under way. An attempt counts from its beginning, and for good once it is captured; what is
/// rejected, declined, cancelled or let go of counts no more. Refunds give nothing back: the money did come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    amount: Option<Money>,
    attempt: u32,
    begun_at: DateTime<Utc>,
    /// Of the last attempt, neither captured nor given up.
    open_minor: i64,
}

/// What an event adds to the day on which the attempt began, or takes from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub begun_at: DateTime<Utc>,
    pub currency: Currency,
    pub minor: i64,
}

impl Exposure {
    /// Folds the next event of the payment, recorded then.
    pub fn fold(&mut self, event: &PaymentEvent, recorded_at: DateTime<Utc>) -> Option<Change> {
        match event {
            PaymentEvent::Initiated(initiated) => {
                self.amount = Some(initiated.amount);
                self.begin(1, recorded_at)
            }
            // It was held against the limits of where it began; the next attempt is held against ours.
            PaymentEvent::TakenOver(taken) => {
                self.amount = Some(taken.initiated().amount);
                None
            }
            PaymentEvent::AttemptOpened(opened) => self.begin(opened.attempt, recorded_at),
            PaymentEvent::Captured(captured) => {
                self.open_minor = self.open_minor.saturating_sub(captured.amount.amount_minor).max(0);
                None
            }
            PaymentEvent::RiskRejected { attempt, .. }
            | PaymentEvent::ReviewRejected { attempt, .. }
            | PaymentEvent::ReviewLapsed { attempt }
            | PaymentEvent::Failed { attempt, .. } => self.give_up(*attempt, i64::MAX),
            PaymentEvent::Cancelled { .. } => self.give_up(self.attempt, i64::MAX),
            PaymentEvent::Voided { attempt, released, .. }
            | PaymentEvent::AuthorisationExpired { attempt, released, .. } => {
                self.give_up(*attempt, released.amount_minor)
            }
            PaymentEvent::RiskApproved { .. }
            | PaymentEvent::ReviewRequested { .. }
            | PaymentEvent::ReviewApproved { .. }
            | PaymentEvent::Submitted { .. }
            | PaymentEvent::Authorised { .. }
            | PaymentEvent::OutcomeUnknown { .. }
            | PaymentEvent::CaptureRequested { .. }
            | PaymentEvent::CaptureDeclined { .. }
            | PaymentEvent::CancellationRequested { .. }
            | PaymentEvent::AuthorisedLate { .. }
            | PaymentEvent::LateAuthorisationReleased { .. }
            | PaymentEvent::AuthorisationLetGo { .. }
            | PaymentEvent::MoneySuspended(_)
            | PaymentEvent::SuspenseReturned(_)
            | PaymentEvent::AmountMismatched(_)
            | PaymentEvent::RefundReserved { .. }
            | PaymentEvent::RefundConfirmed(_)
            | PaymentEvent::RefundReleased { .. }
            | PaymentEvent::RefundBounced(_)
            | PaymentEvent::Disputed(_)
            | PaymentEvent::DisputeClosed { .. }
            | PaymentEvent::DisputeWonAfterAll(_)
            | PaymentEvent::Settled(_) => None,
        }
    }

    /// The events that may change it, by name; all others need not be folded.
    pub const TELLING: [&'static str; 11] = [
        "initiated",
        "taken_over",
        "attempt_opened",
        "captured",
        "risk_rejected",
        "review_rejected",
        "review_lapsed",
        "failed",
        "cancelled",
        "voided",
        "authorisation_expired",
    ];

    fn begin(&mut self, attempt: u32, begun_at: DateTime<Utc>) -> Option<Change> {
        let Money { amount_minor, currency } = self.amount?;
        (self.attempt, self.begun_at, self.open_minor) = (attempt, begun_at, amount_minor);
        Some(Change { begun_at, currency, minor: amount_minor })
    }

    fn give_up(&mut self, attempt: u32, most_minor: i64) -> Option<Change> {
        let currency = self.amount?.currency;
        if attempt != self.attempt || self.open_minor == 0 {
            return None;
        }
        let minor = self.open_minor.min(most_minor).saturating_neg();
        self.open_minor = 0;
        Some(Change { begun_at: self.begun_at, currency, minor })
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    const USD: &str = r#"{"amount_minor":1000,"currency":"USD"}"#;
    const MERCHANT: &str = "MER00000000000000000000000000000001";

    fn initiated() -> String {
        let plan = r#"{"rate":0,"fixed_minor":0,"minimum_minor":0,"maximum_minor":null,"on_refund":"kept"}"#;
        let route = format!(r#"{{"channel":"stripe","capture_mode":"automatic","fee_plan":{plan}}}"#);
        format!(
            r#"{{"initiated":{{"payment_id":"PAY00000000000000000000000000000002","merchant_id":"{MERCHANT}",
               "livemode":false,"order_no":"O-1","amount":{USD},"route":{route},"purpose":{{}}}}}}"#
        )
    }

    fn opened() -> String {
        let plan = r#"{"rate":0,"fixed_minor":0,"minimum_minor":0,"maximum_minor":null,"on_refund":"kept"}"#;
        let route = format!(r#"{{"channel":"stripe","capture_mode":"automatic","fee_plan":{plan}}}"#);
        format!(r#"{{"attempt_opened":{{"attempt":2,"route":{route}}}}}"#)
    }

    fn captured(minor: i64) -> String {
        let money = |minor: i64| format!(r#"{{"amount_minor":{minor},"currency":"USD"}}"#);
        format!(
            r#"{{"captured":{{"attempt":1,"capture_id":"CAP00000000000000000000000000000003","merchant_id":"{MERCHANT}",
               "channel":"stripe","amount":{},"fee":{},"net":{},"channel_trade_no":"ch",
               "effective_at":"2026-01-31T12:30:00Z"}}}}"#,
            money(minor),
            money(0),
            money(minor)
        )
    }

    /// What each event changes; the n-th is recorded n seconds after the first.
    fn changes(events: &[String]) -> Vec<Option<(i64, i64)>> {
        let mut exposure = Exposure::default();
        let at = |n: usize| DateTime::UNIX_EPOCH + TimeDelta::seconds(i64::try_from(n).unwrap());
        let change = |(n, text): (usize, &String)| {
            let event: PaymentEvent = serde_json::from_str(text).unwrap();
            let is_telling = Exposure::TELLING.contains(&domain_name(&event));
            let before = exposure.clone();
            let change = exposure.fold(&event, at(n));
            assert!(is_telling || (change.is_none() && before == exposure), "{text}");
            change.map(|change| (change.begun_at.timestamp(), change.minor))
        };
        events.iter().enumerate().map(change).collect()
    }

    fn domain_name(event: &PaymentEvent) -> &'static str {
        crate::aggregate::Event::event_type(event)
    }

    #[test]
    fn an_attempt_counts_until_it_is_given_up_on_the_day_it_began() {
        for end in [
            r#"{"failed":{"attempt":1,"decline":"card_declined"}}"#,
            r#"{"cancelled":{"by":"process"}}"#,
            r#"{"review_lapsed":{"attempt":1}}"#,
            r#"{"risk_rejected":{"attempt":1,"assessment":{"score":0,"decision":"reject","reasons":[],"rules_version":0}}}"#,
            r#"{"voided":{"attempt":1,"released":{"amount_minor":1000,"currency":"USD"}}}"#,
        ] {
            let cancelled = r#"{"cancelled":{"by":"process"}}"#.to_owned();
            let told = changes(&[initiated(), end.to_owned(), opened(), end.to_owned(), cancelled]);
            let attempt_2 = if end.contains("cancelled") { [Some((2, -1000)), None] } else { [None, Some((2, -1000))] };
            assert_eq!(told[..3], [Some((0, 1000)), Some((0, -1000)), Some((2, 1000))], "{end}");
            assert_eq!(told[3..], attempt_2, "{end}: what is told of an attempt that has ended is told of it alone");
        }
    }

    #[test]
    fn of_a_payment_that_was_taken_over_the_next_attempt_counts() {
        let taken = include_str!("../../tests/golden/payment.taken_over.authorised.json").to_owned();
        assert_eq!(changes(&[taken, opened()]), [None, Some((1, 10000))]);
    }

    #[test]
    fn what_was_captured_counts_for_good() {
        let released = r#"{"voided":{"attempt":1,"released":{"amount_minor":600,"currency":"USD"}}}"#.to_owned();
        let cancelled = r#"{"cancelled":{"by":"process"}}"#.to_owned();
        let told = changes(&[initiated(), captured(400), released, cancelled.clone()]);
        assert_eq!(told, [Some((0, 1000)), None, Some((0, -600)), None]);
        assert_eq!(changes(&[initiated(), captured(1000), cancelled]), [Some((0, 1000)), None, None]);
    }
}
