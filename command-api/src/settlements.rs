//! Settlements: opened for a period, closed, approved by a second person, paid out.

use chrono::{NaiveDate, Utc};
use domain::{
    currency::Currency,
    id::{FundsId, MerchantId, PayoutId, SettlementId},
    merchant::Merchant,
    refusal::Listed as _,
    settled_funds::{SettledFunds, SettledFundsCommand},
    settlement::{
        Settlement, SettlementCommand, SettlementRefusal,
        event::{Opened, Period},
    },
};
use event_store::{Books, Halt, Verdict};
use futures_util::future::BoxFuture;
use gate::{Body as _, Call, Caller, Problem, body};
use serde_json::json;

use crate::{
    plan::{Plan, Teller, Words},
    routes::Api,
    tenant::{World, at_version, stream},
};

body! {
    pub(crate) struct OpenSettlement {
        required currency: Currency = "USD", "Of everything in it.";
        required from: NaiveDate = "2026-01-01", "The merchant's first day in it.";
        required until: NaiveDate = "2026-01-31", "And the last.";
        optional merchant_id: MerchantId = "MER00000000000000000000000000000001", "Yours. Operators must name it.";
        optional livemode: bool = false, "Operators must say; a key says it by itself.";
    }
}

body! {
    pub(crate) struct Nothing {}
}

const OPENED: Words = ("the settlement is open", "结算已开立");
const CLOSED: Words = ("the settlement is closed", "结算已关闭");
const APPROVED: Words = ("the settlement is approved", "结算已批准");
const PAYING: Words = ("the payout is under way", "出款正在进行");

/// What a settlement agrees of its merchant's schedule when it opens; one without a schedule is settled by one person.
pub(crate) fn open<'c>(_api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let OpenSettlement { currency, from, until, merchant_id, livemode } = OpenSettlement::parse(&call.body)?;
        let world = World::named(call, merchant_id, livemode)?;
        let World { merchant_id, livemode } = world;
        let id = SettlementId::derive(merchant_id, livemode, currency, &format!("{from}/{until}"));
        let (settlement, merchant) = (stream(id), stream(merchant_id));
        let (teller, opened_by, demanded) = (Teller::of(call), call.caller.actor(), call.if_match);
        Ok(Plan::new(world.tenant(), move |books| {
            let terms = books.state::<Merchant>(&merchant)?;
            let schedule = terms.schedule();
            books.presume_new::<Settlement>(&settlement);
            at_version::<Settlement>(books, &settlement, demanded)?;
            let opened = Opened {
                settlement_id: id,
                merchant_id,
                livemode,
                currency,
                period: Period { from, until },
                opened_by,
                two_people: schedule.is_some_and(|schedule| schedule.two_people),
                threshold_minor: schedule.map_or(0, |schedule| schedule.threshold_minor(currency)),
            };
            match books.tell::<Settlement>(&settlement, &SettlementCommand::Open(Box::new(opened)))? {
                Ok(()) => shown(books, &teller, OPENED, id),
                Err(refusal) => Ok(teller.refused(refusal)),
            }
        }))
    })
}

pub(crate) fn close<'c>(api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(change(api, call, CLOSED, SettlementCommand::Close { by: call.caller.actor() }))
}

pub(crate) fn approve<'c>(api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(change(api, call, APPROVED, SettlementCommand::Approve { by: call.caller.actor() }))
}

/// The payout leaves from the settled funds: both are decided together, or neither.
pub(crate) fn pay_out<'c>(api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let (id, world) = named(api, call).await?;
        let payout_id = PayoutId::asked_for(&call.caller.idempotency_scope(), call.key_text());
        let (settlement, effective_at) = (stream(id), Utc::now());
        let (teller, demanded) = (Teller::of(call), call.if_match);
        Ok(Plan::new(world.tenant(), move |books| {
            let state = books.state::<Settlement>(&settlement)?;
            let Some(owed) = state.owed().filter(|_owed| world.has_settlement(&state)) else {
                return Ok(teller.refused(SettlementRefusal::SettlementAbsent));
            };
            at_version::<Settlement>(books, &settlement, demanded)?;
            if let Err(refusal) =
                books.tell::<Settlement>(&settlement, &SettlementCommand::StartPayout { payout_id })?
            {
                return Ok(teller.refused(refusal));
            }
            let funds = stream(FundsId::derive(world.merchant_id, world.livemode, owed.currency));
            let reserve = SettledFundsCommand::ReservePayout { payout_id, amount: owed, effective_at };
            match books.tell::<SettledFunds>(&funds, &reserve)? {
                Ok(()) => shown(books, &teller, PAYING, id),
                Err(refusal) => Ok(teller.refused(refusal)),
            }
        }))
    })
}

/// One command on the settlement named in the path.
async fn change(api: &Api, call: &Call, words: Words, command: SettlementCommand) -> Result<Plan, Problem> {
    let (id, world) = named(api, call).await?;
    let (settlement, teller, demanded) = (stream(id), Teller::of(call), call.if_match);
    Ok(Plan::new(world.tenant(), move |books| {
        if !world.has_settlement(&*books.state::<Settlement>(&settlement)?) {
            return Ok(teller.refused(SettlementRefusal::SettlementAbsent));
        }
        at_version::<Settlement>(books, &settlement, demanded)?;
        match books.tell::<Settlement>(&settlement, &command)? {
            Ok(()) => shown(books, &teller, words, id),
            Err(refusal) => Ok(teller.refused(refusal)),
        }
    }))
}

/// Which settlement the path names, and where it is as far as the caller may know.
async fn named(api: &Api, call: &Call) -> Result<(SettlementId, World), Problem> {
    let Nothing {} = Nothing::parse(&call.body)?;
    let absent = || Problem::turned_away(SettlementRefusal::SettlementAbsent.rule());
    let id: SettlementId = call.path("settlement_no").parse().map_err(|_not_an_id| absent())?;
    let world = match call.caller {
        Caller::Merchant { merchant_id, livemode, .. } => World { merchant_id, livemode },
        Caller::Operator { .. } => {
            let (settlement, _version) = api.gate.store.read::<Settlement>(&stream(id)).await?;
            let opened = settlement.agreement().ok_or_else(absent)?;
            World { merchant_id: opened.merchant_id, livemode: opened.livemode }
        }
    };
    Ok((id, world))
}

/// The settlement as it stands on these books.
fn shown(books: &mut Books<'_>, teller: &Teller, words: Words, id: SettlementId) -> Result<Verdict, Halt> {
    let state = books.state::<Settlement>(&stream(id))?;
    let (Some(phase), Some(net)) = (state.phase(), state.net()) else {
        return Ok(teller.refused(SettlementRefusal::SettlementAbsent));
    };
    let told = json!({
        "settlement_no": id, "status": phase, "net": net.amount_minor, "currency": net.currency.code(),
        "owed": state.owed().map(|owed| owed.amount_minor),
    });
    Ok(teller.done(words, told))
}
