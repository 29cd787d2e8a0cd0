//! What each event of a settlement does to its row, its lines and its payouts.

use domain::id::PayoutId;
use domain::money::Money;
use domain::payout::{Evidence, Standing};
use domain::settled_funds::event::{Entry, Source};
use domain::settlement::event::{CarryOver, Opened, PaymentLine, SettlementEvent};
use event_store::{Poison, Recorded};
use serde::Deserialize as _;
use serde::de::IntoDeserializer;
use uuid::Uuid;

use super::{LineRow, PayoutRow, SettlementRow};
use crate::payments::uuid_of;
use crate::rows::Rows;
use crate::word::word;

/// Whether it can be folded only with the payouts there were before.
pub(super) const fn is_reckoned(fact: &SettlementEvent) -> bool {
    match fact {
        SettlementEvent::Closed(_)
        | SettlementEvent::PayoutStarted { .. }
        | SettlementEvent::PaidOut { .. }
        | SettlementEvent::PayoutFailed { .. }
        | SettlementEvent::PayoutReturned { .. } => true,
        SettlementEvent::Opened(_)
        | SettlementEvent::PaymentIncluded(_)
        | SettlementEvent::EntryIncluded(_)
        | SettlementEvent::CarryOverIncluded(_)
        | SettlementEvent::Approved { .. }
        | SettlementEvent::Reopened { .. }
        | SettlementEvent::CarriedOver(_) => false,
    }
}

pub(super) fn fold(
    settlements: &mut Rows<SettlementRow>,
    payouts: &mut Rows<PayoutRow>,
    lines: &mut Vec<LineRow>,
    recorded: &Recorded,
    fact: &SettlementEvent,
) -> Result<(), Poison> {
    if let SettlementEvent::Opened(opened) = fact {
        settlements.put(new(recorded, opened));
        return Ok(());
    }
    let id =
        uuid_of(&recorded.aggregate_id).ok_or_else(|| Poison::Event("no settlement has such a name".to_owned()))?;
    let row = settlements.must(&(id,))?;
    row.version = recorded.sequence;
    row.updated_position = recorded.position;
    row.updated_at = recorded.recorded_at;
    match fact {
        SettlementEvent::Opened(_) => {}
        SettlementEvent::PaymentIncluded(line) => lines.push(row.with_payment(recorded, line)),
        SettlementEvent::EntryIncluded(entry) => lines.push(row.with_entry(recorded, entry)),
        SettlementEvent::CarryOverIncluded(carried) => lines.push(row.with_carry_over(recorded, carried)),
        SettlementEvent::Closed(_) => {
            row.status = "closed".to_owned();
            row.closed_at = Some(recorded.recorded_at);
            row.reckon(payouts)?;
        }
        SettlementEvent::Approved { .. } => {
            row.status = "approved".to_owned();
            row.approved_at = Some(recorded.recorded_at);
        }
        SettlementEvent::PayoutStarted { payout_id, amount } => {
            payouts.put(started(recorded, id, *payout_id, *amount));
            row.status = "paying_out".to_owned();
        }
        SettlementEvent::PaidOut { payout_id, .. } => {
            hear(payouts, id, recorded, *payout_id, Evidence::Paid, None)?;
            row.paid_out_at = Some(recorded.recorded_at);
            row.reckon(payouts)?;
        }
        SettlementEvent::PayoutFailed { payout_id, reason } => {
            hear(payouts, id, recorded, *payout_id, Evidence::Failed, Some(reason.as_str()))?;
            row.reckon(payouts)?;
        }
        SettlementEvent::PayoutReturned { payout_id, reason, .. } => {
            hear(payouts, id, recorded, *payout_id, Evidence::Returned, Some(reason.as_str()))?;
            row.reckon(payouts)?;
        }
        SettlementEvent::Reopened { .. } => {
            row.status = "open".to_owned();
            row.approved_at = None;
        }
        SettlementEvent::CarriedOver(carried) => {
            row.carried_out_minor = row.carried_out_minor.saturating_add(carried.amount.amount_minor);
            row.carried_out_count = row.carried_out_count.saturating_add(1);
            row.status = "carried_over".to_owned();
        }
    }
    Ok(())
}

fn new(recorded: &Recorded, opened: &Opened) -> SettlementRow {
    SettlementRow {
        id: opened.settlement_id.uuid(),
        merchant_id: opened.merchant_id.uuid(),
        livemode: opened.livemode,
        currency: opened.currency.code().to_owned(),
        status: "open".to_owned(),
        period_from: opened.period.from,
        period_until: opened.period.until,
        gross_minor: 0,
        fees_minor: 0,
        refunds_minor: 0,
        disputes_minor: 0,
        adjustments_minor: 0,
        carried_in_minor: 0,
        net_minor: 0,
        paid_out_minor: 0,
        carried_out_minor: 0,
        carried_out_count: 0,
        payments_count: 0,
        threshold_minor: opened.threshold_minor,
        version: recorded.sequence,
        created_position: recorded.position,
        created_at: recorded.recorded_at,
        closed_at: None,
        approved_at: None,
        paid_out_at: None,
        updated_position: recorded.position,
        updated_at: recorded.recorded_at,
    }
}

fn started(recorded: &Recorded, settlement_id: Uuid, payout_id: PayoutId, amount: Money) -> PayoutRow {
    PayoutRow {
        settlement_id,
        id: payout_id.uuid(),
        amount_minor: amount.amount_minor,
        standing: word(Standing::UnderWay),
        reason: None,
        position: recorded.position,
        created_at: recorded.recorded_at,
        updated_at: recorded.recorded_at,
    }
}

fn hear(
    payouts: &mut Rows<PayoutRow>,
    settlement_id: Uuid,
    recorded: &Recorded,
    payout_id: PayoutId,
    evidence: Evidence,
    reason: Option<&str>,
) -> Result<(), Poison> {
    let payout = payouts.must(&(settlement_id, payout_id.uuid()))?;
    let standing = standing(payout)?;
    payout.standing = word(standing.hear(evidence).last().copied().unwrap_or(standing));
    payout.updated_at = recorded.recorded_at;
    if let Some(reason) = reason {
        payout.reason = Some(reason.to_owned());
    }
    Ok(())
}

fn standing(payout: &PayoutRow) -> Result<Standing, Poison> {
    let read: Result<Standing, serde::de::value::Error> =
        Standing::deserialize(payout.standing.as_str().into_deserializer());
    read.map_err(|reason| Poison::Event(reason.to_string()))
}

impl SettlementRow {
    fn with_payment(&mut self, recorded: &Recorded, line: &PaymentLine) -> LineRow {
        let add = |sum: &mut i64, money: Money| *sum = sum.saturating_add(money.amount_minor);
        add(&mut self.gross_minor, line.captured);
        add(&mut self.fees_minor, line.fees);
        add(&mut self.refunds_minor, line.refunds);
        add(&mut self.disputes_minor, line.disputes);
        self.payments_count = self.payments_count.saturating_add(1);
        LineRow {
            payment_id: Some(line.payment_id.uuid()),
            captured_minor: line.captured.amount_minor,
            fees_minor: line.fees.amount_minor,
            refunds_minor: line.refunds.amount_minor,
            disputes_minor: line.disputes.amount_minor,
            ..self.line(recorded, "payment", line.payment_id.uuid(), line.net)
        }
    }

    /// Refunds and disputes count against the merchant, so an amount for the merchant makes them less.
    fn with_entry(&mut self, recorded: &Recorded, entry: &Entry) -> LineRow {
        let amount_minor = entry.amount.amount_minor;
        let (kind, source) = match entry.source {
            Source::Payment(id) => ("payment", id.uuid()),
            Source::Refund(id) => ("refund", id.uuid()),
            Source::RefundBounce(id) => ("refund_bounce", id.uuid()),
            Source::Dispute(id) => ("dispute", id.uuid()),
            Source::DisputeWon(id) => ("dispute_won", id.uuid()),
            Source::Adjustment(id) => ("adjustment", id.uuid()),
            Source::AdjustmentReversed(id) => ("adjustment_reversed", id.uuid()),
        };
        let mut line = self.line(recorded, kind, source, entry.amount);
        match entry.source {
            Source::Refund(_) | Source::RefundBounce(_) => {
                self.refunds_minor = self.refunds_minor.saturating_sub(amount_minor);
                line.refunds_minor = amount_minor.saturating_neg();
            }
            Source::Dispute(_) | Source::DisputeWon(_) => {
                self.disputes_minor = self.disputes_minor.saturating_sub(amount_minor);
                line.disputes_minor = amount_minor.saturating_neg();
            }
            Source::Adjustment(_) | Source::AdjustmentReversed(_) | Source::Payment(_) => {
                self.adjustments_minor = self.adjustments_minor.saturating_add(amount_minor);
            }
        }
        line
    }

    fn with_carry_over(&mut self, recorded: &Recorded, carried: &CarryOver) -> LineRow {
        self.carried_in_minor = self.carried_in_minor.saturating_add(carried.amount.amount_minor);
        self.line(recorded, "carry_over", carried.from.uuid(), carried.amount)
    }

    /// A line that adds so much.
    fn line(&mut self, recorded: &Recorded, kind: &str, source_id: Uuid, net: Money) -> LineRow {
        self.net_minor = self.net_minor.saturating_add(net.amount_minor);
        LineRow {
            settlement_id: self.id,
            position: recorded.position,
            source_id,
            merchant_id: self.merchant_id,
            livemode: self.livemode,
            kind: kind.to_owned(),
            payment_id: None,
            currency: net.currency.code().to_owned(),
            captured_minor: 0,
            fees_minor: 0,
            refunds_minor: 0,
            disputes_minor: 0,
            net_minor: net.amount_minor,
            created_at: recorded.recorded_at,
        }
    }

    /// How it stands when it was closed, or after evidence of a payout, as [`domain::settlement`] has it.
    fn reckon(&mut self, payouts: &Rows<PayoutRow>) -> Result<(), Poison> {
        let (mut paid_minor, mut is_paid, mut is_under_way) = (0_i64, false, false);
        for payout in payouts.iter().filter(|payout| payout.settlement_id == self.id) {
            let standing = standing(payout)?;
            is_under_way |= standing == Standing::UnderWay;
            if standing.is_paid() {
                is_paid = true;
                paid_minor = paid_minor.saturating_add(payout.amount_minor);
            }
        }
        self.paid_out_minor = paid_minor;
        let owed_minor = self.net_minor.saturating_sub(paid_minor).saturating_sub(self.carried_out_minor);
        let ended = match (is_paid, self.carried_out_count) {
            (true, _) => "paid_out",
            (false, 0) => "nothing_owed",
            (false, _) => "carried_over",
        };
        let status = match (self.status.as_str(), owed_minor) {
            ("closed" | "approved" | "nothing_owed", 0) => ended,
            ("closed" | "nothing_owed", _) => "closed",
            ("paying_out" | "payout_failed" | "paid_out", _) if is_under_way => "paying_out",
            ("paying_out" | "payout_failed" | "paid_out" | "carried_over", 1..) if self.approved_at.is_some() => {
                "payout_failed"
            }
            // What comes back of it was approved as it stood before.
            ("paying_out" | "payout_failed" | "paid_out" | "carried_over", 1..) => "closed",
            ("paying_out" | "payout_failed" | "paid_out", _) => "paid_out",
            (as_it_was, _) => as_it_was,
        };
        self.status = status.to_owned();
        Ok(())
    }
}
