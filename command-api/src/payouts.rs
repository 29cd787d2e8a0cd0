//! Which settlement a payout is of: a channel's report names the payout alone.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use domain::free_text::FreeText;
use domain::{
    aggregate::Aggregate as _,
    fact::Fact,
    id::{FundsId, PayoutId, SettlementId},
    money::Money,
    payout::Evidence,
    refusal::Refusal as _,
    settled_funds::{SettledFunds, SettledFundsCommand},
    settlement::{Settlement, SettlementCommand, event::SettlementEvent},
};
use event_store::{Act, Answer, Books, Failure, Halt, Poison, Recorded, Tenant, Verdict};
use gate::{Problem, rules};
use sqlx::{PgConnection, PgPool};

use crate::{routes::Api, tenant::stream, trades};

/// A follower that runs is behind by milliseconds.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(3);

/// What a channel says of a payout.
#[derive(Clone, Copy)]
pub(crate) struct Told {
    pub(crate) payout_id: PayoutId,
    pub(crate) evidence: Evidence,
    pub(crate) amount: Money,
    pub(crate) effective_at: DateTime<Utc>,
}

/// Writes down which settlement started which payout.
pub(crate) async fn enter(books: &mut PgConnection, events: &[Arc<Recorded>]) -> Result<(), Poison> {
    let (mut payouts, mut settlements) = (Vec::new(), Vec::new());
    for event in events.iter().filter(|event| is_telling(event)) {
        let mut payload = serde_json::Deserializer::from_str(&event.payload);
        let fact = Fact::read(&event.aggregate_type, &mut payload);
        let fact = fact.map_err(|reason| Poison::Event(reason.to_string()))?;
        if let Fact::Settlement(SettlementEvent::PayoutStarted { payout_id, .. }) = fact {
            payouts.push(payout_id.to_string());
            settlements.push(event.aggregate_id.to_string());
        }
    }
    if payouts.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into writes.payouts (payout_no, settlement_no) select * from unnest($1::text[], $2::text[]) \
         on conflict do nothing",
    )
    .bind(payouts)
    .bind(settlements)
    .execute(books)
    .await?;
    Ok(())
}

/// Most events are told apart without reading them.
fn is_telling(event: &Recorded) -> bool {
    event.aggregate_type == Settlement::TYPE && event.event_type == "payout_started"
}

/// Tells the settlement and the funds it is paid from, both or neither; or says why nobody takes it.
pub(crate) async fn hear(api: &Api, livemode: bool, told: Told) -> Result<Result<Act, String>, Problem> {
    let Some(settlement_id) = settlement_of(api, told.payout_id).await? else {
        return Ok(Err("there is no such payout".to_owned()));
    };
    let (settlement, _version) = api.gate.store.read::<Settlement>(&stream(settlement_id)).await?;
    let Some(opened) = settlement.agreement().filter(|opened| opened.livemode == livemode) else {
        return Ok(Err("there is no such payout".to_owned()));
    };
    let started = settlement.payouts().into_iter().find(|payout| payout.payout_id == told.payout_id);
    if let Some(payout) = started.filter(|payout| payout.amount != told.amount) {
        return Ok(Err(format!("it was to be {} and is said to be {}", payout.amount, told.amount)));
    }
    let funds = stream(FundsId::derive(opened.merchant_id, livemode, opened.currency));
    let tenant = Tenant { merchant_id: Some(opened.merchant_id.uuid()), livemode: Some(livemode) };
    let Ok(reason) = FreeText::parse("the channel says so") else { return Ok(Err("no reason".to_owned())) };
    let settlement = stream(settlement_id);
    let act = Act::deciding(move |books| tell(books, &settlement, &funds, &told, &reason));
    Ok(Ok(Act { tenant, ..act }))
}

fn tell(
    books: &mut Books<'_>,
    settlement: &Arc<str>,
    funds: &Arc<str>,
    told: &Told,
    reason: &FreeText,
) -> Result<Verdict, Halt> {
    let (payout_id, effective_at, reason) = (told.payout_id, told.effective_at, reason.clone());
    let (of_settlement, of_funds) = match told.evidence {
        Evidence::Paid => (
            SettlementCommand::ReportPaidOut { payout_id },
            SettledFundsCommand::ConfirmPayout { payout_id, effective_at },
        ),
        Evidence::Failed => (
            SettlementCommand::ReportPayoutFailed { payout_id, reason },
            SettledFundsCommand::ReleasePayout { payout_id, effective_at },
        ),
        Evidence::Returned => (
            SettlementCommand::ReportPayoutReturned { payout_id, reason },
            SettledFundsCommand::ReturnPayout { payout_id, effective_at },
        ),
    };
    let refused = |code: &str| Ok(Verdict::Refused(Answer { status: 422, body: code.to_owned() }));
    if let Err(refusal) = books.tell::<Settlement>(settlement, &of_settlement)? {
        return refused(refusal.code());
    }
    if let Err(refusal) = books.tell::<SettledFunds>(funds, &of_funds)? {
        return refused(refusal.code());
    }
    Ok(Verdict::Accepted(Answer::default()))
}

/// As of everything that is in the log when this is asked.
async fn settlement_of(api: &Api, payout_id: PayoutId) -> Result<Option<SettlementId>, Problem> {
    let found = look(&api.pool, payout_id).await.map_err(unreachable)?;
    if found.is_some() {
        return Ok(found);
    }
    if !api.gate.store.is_caught_up(trades::NAME, CAUGHT_UP_WITHIN).await.map_err(unreachable)? {
        return Err(Problem::later(rules::NOT_CAUGHT_UP, 1));
    }
    look(&api.pool, payout_id).await.map_err(unreachable)
}

async fn look(pool: &PgPool, payout_id: PayoutId) -> Result<Option<SettlementId>, sqlx::Error> {
    let found: Option<String> = sqlx::query_scalar("select settlement_no from writes.payouts where payout_no = $1")
        .bind(payout_id.to_string())
        .fetch_optional(pool)
        .await?;
    found
        .map(|found| found.parse().map_err(|reason: domain::id::IdRefusal| sqlx::Error::Decode(reason.into())))
        .transpose()
}

fn unreachable(reason: sqlx::Error) -> Problem {
    Problem::from(Failure::Unavailable { reason: reason.to_string() })
}
