//! Settles what a merchant is owed: lines into the settlement, closed, approved, paid.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    actor::Actor,
    fact::Fact,
    free_text::FreeText,
    id::PayoutId,
    merchant::Merchant,
    payment::{Payment, PaymentCommand},
    refusal::Refusal as _,
    saga::step::CoursePhase,
    settled_funds::{SettledFunds, SettledFundsCommand, event::Entry},
    settlement::{
        Phase, Settlement, SettlementCommand,
        event::{CarryOver, Opened, PaymentLine, SettlementEvent},
    },
};

use crate::{
    pay_out::funds_of,
    process::{Business, Next, Process, Stop},
    record_funds::record,
    saga::{Memory, Step},
    turn::Turn,
};

const LINES: Step = (1, "SettlePayments");
const APPROVE: Step = (2, "Approve");
const PAY_OUT: Step = (3, "PayOut");

pub(crate) const SETTLE: &str = "settle";
/// Payments in one append: more than one step needs to be quick, fewer than others would have to wait for.
pub(crate) const SETTLED_AT_ONCE: usize = 100;

/// By when the lines are in, and by when a payout has ended.
const DONE_WITHIN: TimeDelta = TimeDelta::hours(1);
const PAID_WITHIN: TimeDelta = TimeDelta::hours(72);

pub(crate) struct Settle;

impl Process for Settle {
    fn name(&self) -> &'static str {
        SETTLE
    }

    fn hears(&self, stream: &str, fact: &Fact) -> Option<Business> {
        let Fact::Settlement(event) = fact else { return None };
        let hears = match event {
            SettlementEvent::Opened(_) | SettlementEvent::Reopened { .. } | SettlementEvent::Closed(_) => true,
            SettlementEvent::Approved { .. } | SettlementEvent::PaidOut { .. } => true,
            SettlementEvent::PayoutFailed { .. } | SettlementEvent::PayoutReturned { .. } => true,
            SettlementEvent::CarriedOver(_) => true,
            SettlementEvent::PaymentIncluded(_)
            | SettlementEvent::EntryIncluded(_)
            | SettlementEvent::CarryOverIncluded(_)
            | SettlementEvent::PayoutStarted { .. } => false,
        };
        hears.then(|| Business { id: stream.to_owned(), payment: "".into() })
    }

    fn react(&self, turn: &mut Turn<'_, '_>) -> Result<Next, Stop> {
        let id = Arc::clone(&turn.work.business);
        let settlement = turn.state::<Settlement>(&id)?;
        let Some(opened) = settlement.agreement() else { return Ok(Next::Rest) };
        let is_open = settlement.phase() == Some(Phase::Open);
        if opened.opened_by != Actor::Process {
            // Whoever opened it closes it, has it approved and pays it out; the lines come by themselves.
            return if is_open { fill(turn, &id, opened) } else { Ok(Next::Rest) };
        }
        let memory = Memory::open(turn, &id)?;
        if memory.has_ended(turn)? {
            // Opened again by a person since, who closes it.
            return if is_open { fill(turn, &id, opened) } else { Ok(Next::Rest) };
        }
        Settling { id, opened, memory }.go_on(turn)
    }
}

struct Settling<'s> {
    id: Arc<str>,
    opened: &'s Opened,
    memory: Memory,
}

impl Settling<'_> {
    fn go_on(&self, turn: &mut Turn<'_, '_>) -> Result<Next, Stop> {
        match turn.state::<Settlement>(&self.id)?.phase() {
            Some(Phase::Open) => self.close(turn),
            Some(Phase::Closed) => self.approve(turn),
            Some(Phase::Approved) => self.pay_out(turn),
            Some(Phase::PayingOut) => self.await_payout(turn),
            Some(Phase::PayoutFailed) => {
                let reason = "the payout failed: pay the settlement out again, or open it again";
                self.memory.need_attention(turn, reason, "finance")
            }
            Some(Phase::PaidOut) => {
                self.memory.resume(turn, "it was paid out")?;
                self.memory.do_at_once(turn, LINES, "all lines are in")?;
                self.memory.do_at_once(turn, APPROVE, "approved")?;
                self.memory.do_at_once(turn, PAY_OUT, "paid out")?;
                self.memory.complete(turn)?;
                Ok(Next::Rest)
            }
            Some(Phase::CarriedOver | Phase::NothingOwed) => self.leave(turn, "nothing is left to pay out"),
            None => Ok(Next::Rest),
        }
    }

    /// All lines, then the end of it: in the append that brings the last of them, or in one of its own.
    fn close(&self, turn: &mut Turn<'_, '_>) -> Result<Next, Stop> {
        self.memory.resume(turn, "it was opened again")?;
        if self.memory.course(turn, LINES)?.phase() == CoursePhase::NotStarted {
            self.memory.begin(turn, LINES, None, DONE_WITHIN)?;
        }
        let next = fill(turn, &self.id, self.opened)?;
        if next != Next::Rest {
            return Ok(next);
        }
        self.memory.do_at_once(turn, LINES, "all lines are in")?;
        turn.tell::<Settlement>(&self.id, &SettlementCommand::Close { by: Actor::Process })?;
        self.go_on(turn)
    }

    /// By itself where the schedule asks for no second person; what is too little waits for the next settlement.
    fn approve(&self, turn: &mut Turn<'_, '_>) -> Result<Next, Stop> {
        if !turn.state::<Settlement>(&self.id)?.may_be_paid_out() {
            return self.leave(turn, "what it comes to is carried over");
        }
        if self.memory.course(turn, APPROVE)?.phase() == CoursePhase::NotStarted {
            self.memory.begin(turn, APPROVE, None, DONE_WITHIN)?;
        }
        if self.opened.two_people {
            let reason = "a second person has to approve the settlement";
            return self.memory.need_attention(turn, reason, "finance");
        }
        turn.tell::<Settlement>(&self.id, &SettlementCommand::Approve { by: Actor::Process })?;
        self.go_on(turn)
    }

    /// Set aside from what is available, in the same append as it is started.
    fn pay_out(&self, turn: &mut Turn<'_, '_>) -> Result<Next, Stop> {
        let settlement = turn.state::<Settlement>(&self.id)?;
        let Some(owed) = settlement.owed().filter(|_owed| settlement.may_be_paid_out()) else {
            return self.leave(turn, "what it comes to is carried over");
        };
        let funds = turn.state::<SettledFunds>(&funds_of(self.opened))?;
        if funds.available().is_none_or(|available| available.amount_minor < owed.amount_minor) {
            return self.reckon_again(turn, &funds);
        }
        let number = u32::try_from(settlement.payouts().len()).unwrap_or(u32::MAX).saturating_add(1);
        let payout_id = PayoutId::derive(self.opened.settlement_id, number);
        turn.tell::<Settlement>(&self.id, &SettlementCommand::StartPayout { payout_id })?;
        let reserve = SettledFundsCommand::ReservePayout { payout_id, amount: owed, effective_at: turn.now };
        turn.tell::<SettledFunds>(&funds_of(self.opened), &reserve)?;
        self.await_payout(turn)
    }

    /// A refund or a dispute has taken from what is available since it was closed: it becomes a line here.
    fn reckon_again(&self, turn: &mut Turn<'_, '_>, funds: &SettledFunds) -> Result<Next, Stop> {
        if funds.unassigned().is_empty() {
            let reason = "less is available than the settlement comes to, and nothing says why";
            return self.memory.need_attention(turn, reason, "finance");
        }
        let reason = FreeText::parse("less is available than it comes to");
        let reason = reason.map_err(|refusal| Stop::Refused(refusal.code()))?;
        turn.tell::<Settlement>(&self.id, &SettlementCommand::Reopen { by: Actor::Process, reason })?;
        Ok(Next::Wait(turn.now))
    }

    /// The payout's own process says what became of it: this is looked at again then.
    fn await_payout(&self, turn: &mut Turn<'_, '_>) -> Result<Next, Stop> {
        self.memory.resume(turn, "a payout is under way")?;
        self.memory.do_at_once(turn, LINES, "all lines are in")?;
        self.memory.do_at_once(turn, APPROVE, "approved")?;
        if self.memory.course(turn, PAY_OUT)?.phase() == CoursePhase::NotStarted {
            self.memory.begin(turn, PAY_OUT, None, PAID_WITHIN)?;
        }
        let until = self.memory.state(turn)?.waiting_until().unwrap_or(turn.now + PAID_WITHIN);
        if turn.now < until {
            self.memory.wait(turn, until)?;
            return Ok(Next::Wait(until));
        }
        self.memory.need_attention(turn, "the payout has not ended in time", "finance")
    }

    /// It ends without a payout: whatever it comes to, the next settlement reckons with it.
    fn leave(&self, turn: &mut Turn<'_, '_>, result: &str) -> Result<Next, Stop> {
        self.memory.resume(turn, result)?;
        for step in [LINES, APPROVE, PAY_OUT] {
            if self.memory.course(turn, step)?.phase() != CoursePhase::NotStarted || step == LINES {
                self.memory.do_at_once(turn, step, result)?;
            }
        }
        self.memory.complete(turn)?;
        Ok(Next::Rest)
    }
}

/// Brings in what belongs to it and is not there yet: payments first, then what came upon the funds, then what other
/// settlements leave. A payment says that it is settled in the append that has its line: it is never in two settlements,
/// and never in none. Rests when nothing is left.
fn fill(turn: &mut Turn<'_, '_>, id: &Arc<str>, opened: &Opened) -> Result<Next, Stop> {
    let merchant = turn.state::<Merchant>(&opened.merchant_id.to_string().into())?;
    let known = turn.known;
    let day_of = |moment: DateTime<Utc>| {
        merchant.schedule().map_or(Some(moment.date_naive()), |schedule| schedule.day_of(moment))
    };
    let (payments, others): (Vec<_>, Vec<_>) =
        known.unsettled.iter().partition(|unsettled| unsettled.stream.starts_with("PAY"));
    let mut has_settled = false;
    for payment in &payments {
        if day_of(payment.since).is_some_and(|day| day <= opened.period.until) {
            has_settled |= settle(turn, id, opened, &payment.stream)?;
        }
    }
    // There may be more where so many were found; where none of them settled, no more will.
    if has_settled && payments.len() == SETTLED_AT_ONCE {
        return Ok(Next::Wait(turn.now));
    }
    let funds = funds_of(opened);
    for (source, amount) in turn.state::<SettledFunds>(&funds)?.unassigned() {
        let into = opened.destination();
        turn.tell::<SettledFunds>(&funds, &SettledFundsCommand::AssignEntry { source, into })?;
        let Opened { settlement_id, merchant_id, livemode, .. } = *opened;
        let entry = Entry { settlement_id, merchant_id, livemode: Some(livemode), source, amount };
        turn.tell::<Settlement>(id, &SettlementCommand::IncludeEntry(Box::new(entry)))?;
    }
    for other in others.iter().filter(|other| other.stream != *id) {
        carry_over(turn, id, opened, &other.stream)?;
    }
    Ok(Next::Rest)
}

/// Whether the payment settled here and now.
fn settle(turn: &mut Turn<'_, '_>, id: &Arc<str>, opened: &Opened, stream: &Arc<str>) -> Result<bool, Stop> {
    let (into, effective_at) = (opened.destination(), turn.now);
    let payment = turn.state::<Payment>(stream)?;
    let (Ok(Some(settled)), Some(agreed)) = (payment.settling(into, effective_at), payment.agreement()) else {
        return Ok(false);
    };
    turn.tell::<Payment>(stream, &PaymentCommand::Settle { into, effective_at })?;
    let line = PaymentLine::of(agreed.payment_id, agreed.livemode, &settled);
    turn.tell::<Settlement>(id, &SettlementCommand::IncludePayment(Box::new(line)))?;
    let moves = turn.state::<Payment>(stream)?.moves_of_funds();
    record(turn, &moves)?;
    Ok(true)
}

fn carry_over(turn: &mut Turn<'_, '_>, id: &Arc<str>, opened: &Opened, from: &Arc<str>) -> Result<(), Stop> {
    let other = turn.state::<Settlement>(from)?;
    let (Some((number, amount)), Some(of_other)) = (other.to_carry_over(), other.agreement()) else { return Ok(()) };
    let command = SettlementCommand::CarryOver { number, into: opened.destination() };
    turn.tell::<Settlement>(from, &command)?;
    let Opened { settlement_id: into, merchant_id, livemode, .. } = *opened;
    let from = of_other.settlement_id;
    let carried = CarryOver { from, into, merchant_id, livemode: Some(livemode), number, amount };
    turn.tell::<Settlement>(id, &SettlementCommand::IncludeCarryOver(Box::new(carried)))
}
