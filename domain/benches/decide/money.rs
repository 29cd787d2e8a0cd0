//! Decisions of settlements, settled funds, adjustments and periods.

use domain::{
    account::Account,
    actor::Actor,
    adjustment::{self, AdjustmentCommand},
    currency::Currency,
    free_text::{FreeText, TextRefusal},
    id::{AdjustmentId, FundsId, OperatorId, PaymentId, PayoutId, SettlementId},
    month::Month,
    periods::PeriodsCommand,
    settled_funds::{
        SettledFundsCommand,
        event::{Entry, Opened, Source},
    },
    settlement::{
        self, SettlementCommand,
        event::{CarryOver, Destination},
    },
};

use crate::{Cases, at, destination, merchant, number, one_after_the_other, usd, why};

pub(crate) fn funds() -> Cases<SettledFundsCommand> {
    let opened = Opened {
        funds_id: FundsId::derive(merchant(), true, Currency::USD),
        merchant_id: merchant(),
        livemode: true,
        currency: Currency::USD,
    };
    let record = |id| SettledFundsCommand::Record {
        funds: Box::new(opened.clone()),
        source: Source::Payment(PaymentId::new(number(id))),
        amount: usd(100),
    };
    let thousand: Vec<_> = (0..1_000).map(record).collect();
    let reserve = SettledFundsCommand::ReservePayout {
        payout_id: PayoutId::new(number(1)),
        amount: usd(5_000),
        effective_at: at(),
    };
    let made = SettledFundsCommand::ConfirmPayout { payout_id: PayoutId::new(number(1)), effective_at: at() };
    let reserved: Vec<_> = thousand.iter().cloned().chain([reserve.clone()]).collect();
    let source = Source::Adjustment(AdjustmentId::new(number(1)));
    let adjusted = SettledFundsCommand::Record { funds: Box::new(opened.clone()), source, amount: usd(-5) };
    let with_entry: Vec<_> = thousand.iter().cloned().chain([adjusted]).collect();
    let (payout_id, effective_at) = (PayoutId::new(number(1)), at());
    vec![
        ("record after a thousand", thousand.clone(), record(5_000)),
        ("assign an entry", with_entry, SettledFundsCommand::AssignEntry { source, into: destination() }),
        ("reserve a payout", thousand, reserve),
        ("confirm a payout", reserved.clone(), made),
        ("release a payout", reserved.clone(), SettledFundsCommand::ReleasePayout { payout_id, effective_at }),
        ("return a payout", reserved, SettledFundsCommand::ReturnPayout { payout_id, effective_at }),
    ]
}

pub(crate) fn settlement() -> Result<Cases<SettlementCommand>, TextRefusal> {
    let open = SettlementCommand::Open(Box::new(settlement::event::Opened {
        settlement_id: SettlementId::new(number(1)),
        merchant_id: merchant(),
        livemode: true,
        currency: Currency::USD,
        period: settlement::event::Period { from: at().date_naive(), until: at().date_naive() },
        opened_by: Actor::Process,
        two_people: true,
        threshold_minor: 0,
    }));
    let include = |id| {
        SettlementCommand::IncludePayment(Box::new(settlement::event::PaymentLine {
            settlement_id: SettlementId::new(number(1)),
            merchant_id: merchant(),
            livemode: Some(true),
            payment_id: PaymentId::new(number(id)),
            captured: usd(100),
            fees: usd(3),
            refunds: usd(0),
            disputes: usd(0),
            net: usd(97),
        }))
    };
    let close = SettlementCommand::Close { by: Actor::Process };
    let thousand: Vec<_> = std::iter::once(open.clone()).chain((0..1_000).map(include)).collect();
    let (settlement_id, merchant_id, livemode) = (SettlementId::new(number(1)), merchant(), Some(true));
    let source = Source::Adjustment(AdjustmentId::new(number(1)));
    let entry = Entry { settlement_id, merchant_id, livemode, source, amount: usd(-97_000) };
    let (from, into, amount) = (SettlementId::new(number(2)), settlement_id, usd(-5));
    let carried = CarryOver { from, into, merchant_id, livemode, number: 1, amount };
    let (payout_id, reason) = (PayoutId::new(number(1)), why()?);
    let failed = SettlementCommand::ReportPayoutFailed { payout_id, reason: reason.clone() };
    let returned = SettlementCommand::ReportPayoutReturned { payout_id, reason: reason.clone() };
    let next = Destination { settlement_id: SettlementId::new(number(3)), ..destination() };
    let mut cases = one_after_the_other(
        &thousand,
        vec![
            ("include a payment after a thousand", include(5_000)),
            ("close", close.clone()),
            ("approve", SettlementCommand::Approve { by: Actor::Operator(OperatorId::new(number(1))) }),
            ("start a payout", SettlementCommand::StartPayout { payout_id }),
            ("report a payout failed", failed),
            ("report it paid out", SettlementCommand::ReportPaidOut { payout_id }),
            ("report it returned", returned),
            ("reopen", SettlementCommand::Reopen { by: Actor::Process, reason }),
            ("include an entry", SettlementCommand::IncludeEntry(Box::new(entry))),
            ("include a carry-over", SettlementCommand::IncludeCarryOver(Box::new(carried))),
            ("close again", close),
            ("carry over", SettlementCommand::CarryOver { number: 1, into: next }),
        ],
    );
    cases.push(("open", vec![], open));
    Ok(cases)
}

pub(crate) fn adjustment() -> Result<Cases<AdjustmentCommand>, TextRefusal> {
    let closed_through = Some(Month::of(at()).previous());
    let proposal = Box::new(adjustment::event::Proposed {
        adjustment_id: AdjustmentId::new(number(1)),
        livemode: true,
        debit: Account::Bank,
        credit: Account::Suspense,
        amount: usd(500),
        by: OperatorId::new(number(1)),
        reason: FreeText::parse("the bank's mistake")?,
        effective_at: Some(at()),
    });
    let propose = AdjustmentCommand::Propose { proposal, closed_through };
    let approve = AdjustmentCommand::Approve { by: OperatorId::new(number(2)), effective_at: at(), closed_through };
    let (by, reason) = (OperatorId::new(number(2)), why()?);
    let reject = AdjustmentCommand::Reject { by, reason: reason.clone() };
    let propose_reversal = AdjustmentCommand::ProposeReversal { by, reason: reason.clone() };
    let reject_reversal = AdjustmentCommand::RejectReversal { by, reason };
    let approver = OperatorId::new(number(1));
    let approve_reversal = AdjustmentCommand::ApproveReversal { by: approver, effective_at: at(), closed_through };
    let mut cases = one_after_the_other(
        &[],
        vec![
            ("propose", propose.clone()),
            ("approve", approve),
            ("propose a reversal", propose_reversal.clone()),
            ("reject a reversal", reject_reversal),
            ("propose it again", propose_reversal),
            ("approve a reversal", approve_reversal),
        ],
    );
    cases.push(("reject", vec![propose], reject));
    Ok(cases)
}

pub(crate) fn periods() -> Result<Cases<PeriodsCommand>, TextRefusal> {
    let (month, by, reason) = (Month::of(at()).previous(), OperatorId::new(number(1)), why()?);
    let propose = PeriodsCommand::ProposeReopening { month, by, reason: reason.clone() };
    Ok(one_after_the_other(
        &[],
        vec![
            ("close", PeriodsCommand::Close { livemode: true, month, by, at: at() }),
            ("propose to open again", propose.clone()),
            ("reject", PeriodsCommand::RejectReopening { month, by, reason }),
            ("propose again", propose),
            ("open again", PeriodsCommand::ApproveReopening { month, by: OperatorId::new(number(2)) }),
        ],
    ))
}
