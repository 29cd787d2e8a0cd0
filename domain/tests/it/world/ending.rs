//! How every history can end: all that came is settled, and nothing is left on its way.

use domain::settlement::Phase;

use super::*;

impl World {
    /// The end of the day: all is told, all that was captured settles, all that came otherwise is reckoned with, and what
    /// is owed is paid out. What cannot be paid out alone goes into next month's settlement, which is the last.
    pub(crate) fn end(&mut self) {
        self.tell_all();
        self.pay_what_is_leaving();
        for payment in 0..self.payments.len() {
            self.play(&Act::Settle { payment, settlement: 0 });
        }
        self.tell_all();
        for source in self.not_included().into_iter().filter(|source| !matches!(source, Source::Payment(_))) {
            self.assign_source(source, 0);
        }
        for settlement in 0..3 {
            self.play(&Act::Reopen { settlement });
        }
        self.settlements.push(opened(NEXT));
        self.carried_count.push(0);
        self.bring();
        while let Some(settlement) = (0..NEXT).find(|number| self.is_open(*number) && !self.may_pay(*number)) {
            self.settle(settlement, &SettlementCommand::Close { by: Actor::Process });
            // Whoever owes is set off against what another is owed.
            let into = (0..NEXT).find(|number| self.is_open(*number)).unwrap_or(NEXT);
            self.carry_over(settlement, into);
        }
        for settlement in (0..NEXT).filter(|number| self.is_open(*number)).collect::<Vec<_>>() {
            self.play(&Act::Close { settlement });
            self.play(&Act::PayOut { settlement });
        }
        self.pay_what_is_leaving();
    }

    fn pay_what_is_leaving(&mut self) {
        for nth in 0..self.payouts.len() {
            let (payout_id, settlement) = self.payouts[self.payouts.len() - 1 - nth];
            let last = self.payouts.iter().rev().find(|(_, of)| *of == settlement).map(|(last, _)| *last);
            if last == Some(payout_id) && self.settlements[settlement].phase() == Some(Phase::PayingOut) {
                self.hear(nth, 0);
            }
        }
    }

    fn is_open(&self, settlement: usize) -> bool {
        self.settlements[settlement].phase() == Some(Phase::Open)
    }

    fn owed_minor(&self, settlement: usize) -> i64 {
        self.settlements[settlement].owed().unwrap().amount_minor
    }

    fn may_pay(&self, settlement: usize) -> bool {
        self.owed_minor(settlement) >= THRESHOLD_MINOR
    }

    /// What is stranded, in words; nothing, one hopes.
    pub(crate) fn stranded(&self) -> Vec<String> {
        let mut stranded = Vec::new();
        for (number, payment) in self.payments.iter().enumerate() {
            let settle = PaymentCommand::Settle { into: destination(0), effective_at: at() };
            let may_settle = payment.decide(&settle).is_ok_and(|events| !events.is_empty());
            if may_settle {
                stranded.push(format!("payment {number} has not settled"));
            }
        }
        for (number, settlement) in self.settlements.iter().enumerate().take(NEXT) {
            let ended = matches!(settlement.phase(), Some(Phase::PaidOut | Phase::CarriedOver | Phase::NothingOwed));
            if !ended || self.owed_minor(number) != 0 {
                stranded.push(format!(
                    "settlement {number}: {:?}, owes {}",
                    settlement.phase(),
                    self.owed_minor(number)
                ));
            }
        }
        stranded.extend(self.lines_on_the_way.iter().map(|line| format!("{line:?}")));
        stranded.extend(self.entries_on_the_way.iter().map(|entry| format!("{entry:?}")));
        stranded.extend(self.carried_on_the_way.iter().map(|carried| format!("{carried:?}")));
        stranded.extend(self.not_included().iter().map(|source| format!("{source:?} is in no settlement")));
        stranded
    }

    /// What next month begins with.
    pub(crate) fn left_for_next_month(&self) -> i128 {
        i128::from(self.owed_minor(NEXT))
    }
}

/// The settlement after the three of a history.
const NEXT: usize = 3;
