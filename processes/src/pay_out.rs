//! Pays out what a settlement has set aside, and takes back what could not be paid.

use std::sync::Arc;

use channels::{Done, PayOut as Asked};
use domain::{
    channel::Channel,
    fact::Fact,
    free_text::FreeText,
    id::FundsId,
    payment::attempt::Decline,
    payout::Standing as PayoutStanding,
    settled_funds::{SettledFunds, SettledFundsCommand},
    settlement::{
        PayoutSeen, Settlement, SettlementCommand,
        event::{Opened, SettlementEvent},
    },
};

use crate::{
    call::{Call, Care, Request},
    errand::{self, End, Standing},
    process::{Business, Next, Process, Stop},
    saga::{Memory, Step},
    take_payment::said,
    turn::Turn,
};

const CHANNEL: Step = (1, "ChannelPayout");

/// Who pays merchants: the sandbox in test mode. For real money nobody does yet, and says so: the payout fails, with
/// evidence that nothing was sent, and the money is available again.
const PAID_BY: Channel = Channel::Sandbox;

/// One settlement has one payout under way at most, so the settlement is what this looks at.
pub(crate) struct PayOut;

impl Process for PayOut {
    fn name(&self) -> &'static str {
        "pay_out"
    }

    fn hears(&self, stream: &str, fact: &Fact) -> Option<Business> {
        let Fact::Settlement(
            SettlementEvent::PayoutStarted { .. }
            | SettlementEvent::PaidOut { .. }
            | SettlementEvent::PayoutFailed { .. }
            | SettlementEvent::PayoutReturned { .. },
        ) = fact
        else {
            return None;
        };
        Some(Business { id: stream.to_owned(), payment: "".into() })
    }

    fn react(&self, turn: &mut Turn<'_, '_>) -> Result<Next, Stop> {
        let id = Arc::clone(&turn.work.business);
        let settlement = turn.state::<Settlement>(&id)?;
        let Some(opened) = settlement.agreement() else { return Ok(Next::Rest) };
        let mut under_way = None;
        for payout in settlement.payouts() {
            match payout.standing {
                PayoutStanding::UnderWay => under_way = Some(payout),
                PayoutStanding::Paid | PayoutStanding::PaidAfterAll => close(turn, &payout, true)?,
                PayoutStanding::Failed | PayoutStanding::Returned => close(turn, &payout, false)?,
            }
        }
        let Some(payout) = under_way else { return Ok(Next::Rest) };
        let memory = Memory::open(turn, &payout.payout_id.to_string())?;
        if memory.has_ended(turn)? {
            return Ok(Next::Rest);
        }
        pay(turn, &memory, opened, &payout)
    }
}

fn pay(turn: &mut Turn<'_, '_>, memory: &Memory, opened: &Opened, payout: &PayoutSeen) -> Result<Next, Stop> {
    let PayoutSeen { payout_id, amount, .. } = *payout;
    let call = Call {
        channel: PAID_BY,
        livemode: opened.livemode,
        care: Care::Send,
        request: Request::PayOut(Asked {
            key: format!("{payout_id}-pay-out"),
            payout_id,
            merchant_id: opened.merchant_id,
            amount,
            traceparent: None,
        }),
    };
    let paid = match errand::go_on(turn, memory, CHANNEL, call)? {
        Standing::Going(next) => return Ok(next),
        Standing::Ended(End::Declined(decline)) => return release(turn, memory, opened, payout, decline),
        Standing::Ended(End::Settled(Done::PaidOut(paid))) => paid,
        Standing::Ended(End::Settled(
            Done::Authorised(_) | Done::Captured(_) | Done::Voided(_) | Done::Refunded(_),
        )) => return Ok(Next::Rest),
    };
    if paid.amount != amount {
        let reason = format!("the channel paid {} of {amount}", paid.amount);
        return memory.need_attention(turn, &reason, "finance");
    }
    let settlement = Arc::clone(&turn.work.business);
    turn.tell::<Settlement>(&settlement, &SettlementCommand::ReportPaidOut { payout_id })?;
    let confirm = SettledFundsCommand::ConfirmPayout { payout_id, effective_at: paid.effective_at };
    turn.tell::<SettledFunds>(&funds_of(opened), &confirm)?;
    memory.succeed(turn, CHANNEL, &paid.channel_payout_no)?;
    memory.complete(turn)?;
    Ok(Next::Rest)
}

/// Nothing left: what was set aside is available again, and the settlement says that it is still owed.
fn release(
    turn: &mut Turn<'_, '_>,
    memory: &Memory,
    opened: &Opened,
    payout: &PayoutSeen,
    decline: Decline,
) -> Result<Next, Stop> {
    let (payout_id, said) = (payout.payout_id, said(decline));
    let reason = if decline == Decline::NoPartner {
        FreeText::parse("no partner is configured to pay out real money: nothing was sent")
    } else {
        FreeText::parse(&format!("the channel refused it: {said}"))
    };
    let reason = reason.map_err(|refusal| Stop::Refused(domain::refusal::Refusal::code(&refusal)))?;
    let settlement = Arc::clone(&turn.work.business);
    turn.tell::<Settlement>(&settlement, &SettlementCommand::ReportPayoutFailed { payout_id, reason })?;
    let release = SettledFundsCommand::ReleasePayout { payout_id, effective_at: turn.now };
    turn.tell::<SettledFunds>(&funds_of(opened), &release)?;
    memory.fail(turn, CHANNEL, &said)?;
    memory.go_back(turn, "the channel refused the payout", "nothing moved")?;
    Ok(Next::Rest)
}

/// The channel has said in a report what became of it.
fn close(turn: &mut Turn<'_, '_>, payout: &PayoutSeen, is_paid: bool) -> Result<(), Stop> {
    let Some(memory) = Memory::opened(turn, &payout.payout_id.to_string())? else { return Ok(()) };
    if memory.has_ended(turn)? {
        return Ok(());
    }
    if is_paid {
        memory.do_at_once(turn, CHANNEL, "paid")?;
        return memory.complete(turn);
    }
    memory.fail(turn, CHANNEL, "not paid")?;
    memory.go_back(turn, "the channel did not pay it", "nothing moved")
}

pub(crate) fn funds_of(opened: &Opened) -> Arc<str> {
    FundsId::derive(opened.merchant_id, opened.livemode, opened.currency).to_string().into()
}
