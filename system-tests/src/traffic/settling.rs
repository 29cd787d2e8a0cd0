//! What becomes of the money: settlements, payouts, remittances, adjustments.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use domain::account::Account;
use domain::actor::Actor;
use domain::adjustment::event::Proposed;
use domain::adjustment::{Adjustment, AdjustmentCommand};
use domain::channel::Channel;
use domain::currency::Currency;
use domain::id::{AdjustmentId, FundsId, MerchantId, OperatorId, PaymentId, PayoutId, RemittanceId, SettlementId};
use domain::money::{BasisPoints, Money};
use domain::payment::event::PaymentEvent;
use domain::payment::{Payment, PaymentCommand};
use domain::remittance::event::Recorded;
use domain::remittance::{Remittance, RemittanceCommand};
use domain::settled_funds::{SettledFunds, SettledFundsCommand};
use domain::settlement::event::{Opened, PaymentLine, Period, SettlementEvent};
use domain::settlement::{Settlement, SettlementCommand};
use uuid::Uuid;

use super::Problem;
use super::paying::Purchase;
use super::pen::Pen;
use super::people::text;

/// Whose money, in which currency and mode.
pub(super) type DueKey = (MerchantId, Currency, bool);

/// The payments of one merchant, currency and mode that wait for their settlement.
#[derive(Default)]
pub(super) struct Due {
    pub(super) payments: Vec<(PaymentId, Payment)>,
    funds: SettledFunds,
    settlements_count: u32,
}

impl Due {
    /// Settles all that wait, and pays them out.
    pub(super) fn settle(&mut self, key: DueKey, pen: &mut Pen) -> Result<(), Problem> {
        let (merchant_id, currency, livemode) = key;
        self.settlements_count += 1;
        let period = format!("{}", self.settlements_count);
        let settlement_id = SettlementId::derive(merchant_id, livemode, currency, &period);
        let (id, whose) = (settlement_id.to_string(), (Some(merchant_id.uuid()), Some(livemode)));
        let mut settlement = Settlement::default();
        let day = pen.now.date_naive();
        let opened = Opened {
            settlement_id,
            merchant_id,
            livemode,
            currency,
            period: Period { from: day, until: day },
            opened_by: Actor::Process,
            two_people: false,
            threshold_minor: 0,
        };
        let into = opened.destination();
        pen.tell(&mut settlement, &id, whose, &SettlementCommand::Open(Box::new(opened)))?;
        for (payment_id, mut payment) in std::mem::take(&mut self.payments) {
            let settle = PaymentCommand::Settle { into, effective_at: pen.now };
            for event in pen.tell(&mut payment, &payment_id.to_string(), whose, &settle)? {
                let PaymentEvent::Settled(settled) = &event else { continue };
                let line = PaymentLine::of(payment_id, livemode, settled);
                pen.tell(&mut settlement, &id, whose, &SettlementCommand::IncludePayment(Box::new(line)))?;
                if settled.net.is_zero() {
                    continue;
                }
                for command in SettledFundsCommand::of_payment(payment_id, livemode, &event) {
                    self.fund(key, pen, &command)?;
                }
            }
        }
        let close = SettlementCommand::Close { by: Actor::Process };
        for event in pen.tell(&mut settlement, &id, whose, &close)? {
            if let SettlementEvent::Closed(closed) = event
                && closed.net.amount_minor > 0
            {
                self.pay_out(key, &id, &mut settlement, closed.net, pen)?;
            }
        }
        Ok(())
    }

    fn pay_out(
        &mut self,
        key: DueKey,
        id: &str,
        settlement: &mut Settlement,
        amount: Money,
        pen: &mut Pen,
    ) -> Result<(), Problem> {
        let whose = (Some(key.0.uuid()), Some(key.2));
        let payout_id = PayoutId::asked_for("traffic", id);
        let approve = SettlementCommand::Approve { by: Actor::Operator(OperatorId::new(Uuid::from_u128(9))) };
        pen.tell(settlement, id, whose, &approve)?;
        pen.tell(settlement, id, whose, &SettlementCommand::StartPayout { payout_id })?;
        self.fund(key, pen, &SettledFundsCommand::ReservePayout { payout_id, amount, effective_at: pen.now })?;
        self.fund(key, pen, &SettledFundsCommand::ConfirmPayout { payout_id, effective_at: pen.now })?;
        pen.tell(settlement, id, whose, &SettlementCommand::ReportPaidOut { payout_id }).map(drop)
    }

    fn fund(
        &mut self,
        (merchant, currency, livemode): DueKey,
        pen: &mut Pen,
        command: &SettledFundsCommand,
    ) -> Result<(), Problem> {
        let id = FundsId::derive(merchant, livemode, currency).to_string();
        pen.tell(&mut self.funds, &id, (Some(merchant.uuid()), Some(livemode)), command).map(drop)
    }
}

/// The back office: what the channels remit, and a correction now and then.
#[derive(Default)]
pub(super) struct Desk {
    taken: BTreeMap<(Channel, Currency, bool), (u32, i64)>,
    purchases_count: u32,
}

const REMITTED_TOGETHER: u32 = 100;
const ADJUSTED_EVERY: u32 = 200;

impl Desk {
    pub(super) fn hear(&mut self, purchase: &Purchase, pen: &mut Pen) -> Result<(), Problem> {
        if !purchase.took_money() {
            return Ok(());
        }
        self.purchases_count += 1;
        let key = (purchase.channel, purchase.amount.currency, purchase.livemode);
        let (count, sum_minor) = self.taken.entry(key).or_default();
        *count += 1;
        *sum_minor += purchase.amount.amount_minor;
        if *count >= REMITTED_TOGETHER {
            let gross = Money::new(*sum_minor, purchase.amount.currency);
            (*count, *sum_minor) = (0, 0);
            remit(key, gross, self.purchases_count, pen)?;
        }
        if self.purchases_count.is_multiple_of(ADJUSTED_EVERY) {
            adjust(purchase, self.purchases_count, pen)
        } else {
            Ok(())
        }
    }
}

fn remit(
    (channel, _currency, livemode): (Channel, Currency, bool),
    gross: Money,
    number: u32,
    pen: &mut Pen,
) -> Result<(), Problem> {
    let remittance_id = RemittanceId::asked_for("traffic", &number.to_string());
    let (fee, net) = gross.share(BasisPoints::new(140).ok_or("a share")?);
    let recorded =
        Recorded { remittance_id, channel, livemode, gross, fee, net, effective_at: pen.now - TimeDelta::hours(6) };
    let command = RemittanceCommand::Record(Box::new(recorded));
    pen.tell(&mut Remittance::default(), &remittance_id.to_string(), (None, Some(livemode)), &command).map(drop)
}

fn adjust(purchase: &Purchase, number: u32, pen: &mut Pen) -> Result<(), Problem> {
    let adjustment_id = AdjustmentId::asked_for("traffic", &number.to_string());
    let (by, other) = (OperatorId::new(Uuid::from_u128(8)), OperatorId::new(Uuid::from_u128(9)));
    let proposed = Proposed {
        adjustment_id,
        livemode: purchase.livemode,
        debit: Account::FeesRevenue,
        credit: Account::MerchantPending(purchase.merchant),
        amount: Money::new(100, purchase.amount.currency),
        by,
        reason: text("out of courtesy")?,
        effective_at: Some(pen.now - TimeDelta::days(2)),
    };
    let (mut adjustment, id, whose) =
        (Adjustment::default(), adjustment_id.to_string(), (None, Some(purchase.livemode)));
    // Backdated: the money is counted where it belongs.
    let propose = AdjustmentCommand::Propose { proposal: Box::new(proposed), closed_through: None };
    pen.tell(&mut adjustment, &id, whose, &propose)?;
    let approve = AdjustmentCommand::Approve { by: other, effective_at: pen.now, closed_through: None };
    pen.tell(&mut adjustment, &id, whose, &approve).map(drop)
}
