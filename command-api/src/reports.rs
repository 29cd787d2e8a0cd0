//! What channels tell us unasked: verified as it came, in the log before it is answered.
//!
//! A report is told to the aggregate it is about, which takes the same evidence once, however often and late it comes.
//! What no aggregate takes is kept as it came, for a person to look at.

use std::{str::FromStr as _, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Path, Request, State},
    http::Response,
    routing::post,
};
use channels::{Evidence, Hint, Partners, Secret, Told, Unverifiable};
use chrono::Utc;
use domain::{
    aggregate::Aggregate,
    channel::Channel,
    id::{PaymentId, RefundId},
    payment::{Payment, PaymentCommand},
    refund::{Refund, RefundCommand},
};
use event_store::{Act, Outcome, Tenant};
use gate::{Letter, Problem, Reply, rules};
use tokio::sync::mpsc;

use crate::{payouts, routes::Api, tenant::stream};

pub(crate) const PATH: &str = "/api/v1/webhooks/{channel}";

/// Where channels tell us what happened there.
pub fn inbox(api: Api, inbox: Inbox) -> Router {
    Router::new().route(PATH, post(receive)).with_state((api, inbox))
}

pub(crate) const BODY_MAX: usize = 64 * 1024;

/// Who may tell us something, and what they sign it with.
#[derive(Clone)]
pub struct Inbox {
    pub partners: Arc<Partners>,
    /// Of the sandbox, which plays every channel in test mode.
    pub secrets: Arc<[Secret]>,
    /// Who has channels asked; where more is hinted at than is followed, the rest is dropped.
    pub hints: mpsc::Sender<Hint>,
}

async fn receive(
    State((api, inbox)): State<(Api, Inbox)>,
    Path(channel): Path<String>,
    request: Request,
) -> Response<Body> {
    let gate = api.gate.clone();
    gate.take_in(BODY_MAX, request, move |letter| async move { take(&api, &inbox, &channel, &letter).await }).await
}

async fn take(api: &Api, inbox: &Inbox, channel: &str, letter: &Letter) -> Result<Reply, Problem> {
    let Ok(channel) = Channel::from_str(channel) else { return Err(Problem::turned_away(rules::ROUTE_UNKNOWN)) };
    let (livemode, told) = verify(inbox, channel, letter)?;
    for report in told {
        if let Some(why) = hear(api, channel, livemode, &report, letter).await? {
            keep(api, channel, livemode, &report, letter, &why).await.map_err(|failure| {
                tracing::error!(%failure, "a report was not kept");
                Problem::later(rules::LEDGER_UNAVAILABLE, 1)
            })?;
        }
    }
    Ok(Reply::new(200, r#"{"code":0,"message":"received","data":{}}"#.to_owned()))
}

/// What it tells. Whoever signed it decides whether it is about real money; what nobody signed is a hint at most.
fn verify(inbox: &Inbox, channel: Channel, letter: &Letter) -> Result<(bool, Vec<Told>), Problem> {
    for livemode in [false, true] {
        let line = inbox.partners.line(channel, livemode);
        match line.parse_report(&letter.headers, &letter.body, &inbox.secrets, Utc::now()) {
            Ok(told) => return Ok((livemode, told)),
            Err(Unverifiable { why, hint: Some(subject) }) => {
                let is_followed = inbox.hints.try_send(Hint { channel, livemode, subject }).is_ok();
                tracing::debug!(%channel, why, is_followed, "a report is a hint");
            }
            Err(Unverifiable { hint: None, .. }) => {}
        }
    }
    tracing::warn!(%channel, request_id = letter.visit.request_id, "a report was not verified");
    Err(Problem::turned_away(rules::REPORT_UNVERIFIED))
}

/// Tells the log; or says why nobody there takes it.
async fn hear(
    api: &Api,
    channel: Channel,
    livemode: bool,
    report: &Told,
    letter: &Letter,
) -> Result<Option<String>, Problem> {
    let effective_at = report.effective_at;
    let (payment_id, act) = match &report.evidence {
        Evidence::Attempt { payment_id, attempt, report } => {
            let command = PaymentCommand::Report { attempt: *attempt, report: report.clone() };
            (Some(*payment_id), tell::<Payment>(*payment_id, command))
        }
        Evidence::DisputeOpened { payment_id, attempt, dispute_id, amount } => {
            let (attempt, dispute_id, amount) = (*attempt, *dispute_id, *amount);
            let command = PaymentCommand::OpenDispute { attempt, dispute_id, amount, effective_at };
            (Some(*payment_id), tell::<Payment>(*payment_id, command))
        }
        Evidence::DisputeClosed { payment_id, dispute_id, outcome, .. } => {
            let (dispute_id, outcome) = (*dispute_id, *outcome);
            let command = PaymentCommand::CloseDispute { dispute_id, outcome, effective_at };
            (Some(*payment_id), tell::<Payment>(*payment_id, command))
        }
        Evidence::RefundSucceeded { refund_id, channel_refund_no, .. } => {
            let channel_refund_no = channel_refund_no.clone();
            let command = RefundCommand::ReportSucceeded { channel_refund_no, effective_at: Some(effective_at) };
            (payment_of(api, *refund_id).await?, tell::<Refund>(*refund_id, command))
        }
        Evidence::RefundFailed { refund_id, decline } => {
            let command = RefundCommand::ReportFailed { decline: *decline, effective_at: Some(effective_at) };
            (payment_of(api, *refund_id).await?, tell::<Refund>(*refund_id, command))
        }
        Evidence::Payout { payout_id, evidence, amount } => {
            let told = payouts::Told { payout_id: *payout_id, evidence: *evidence, amount: *amount, effective_at };
            return match payouts::hear(api, livemode, told).await? {
                Ok(act) => write(api, channel, report, letter, act).await,
                Err(why) => Ok(Some(why)),
            };
        }
        Evidence::Notice { notice, .. } => return Ok(Some(notice.clone())),
    };
    let Some(tenant) = tenant(api, payment_id, livemode).await? else {
        return Ok(Some("there is no such payment".to_owned()));
    };
    write(api, channel, report, letter, Act { tenant, ..act }).await
}

/// Into the log, with who told it; or why nobody there takes it.
async fn write(
    api: &Api,
    channel: Channel,
    report: &Told,
    letter: &Letter,
    act: Act,
) -> Result<Option<String>, Problem> {
    let mut metadata = vec![
        ("actor", "channel".to_owned()),
        ("channel", channel.name().to_owned()),
        ("report_id", report.report_id.clone()),
        ("request_id", letter.visit.request_id.clone()),
        ("trace_id", letter.visit.trace_id.clone()),
    ];
    metadata.extend(letter.visit.traceparent().map(|parent| ("traceparent", parent)));
    match api.gate.store.execute(Act { metadata, ..act }).await? {
        Outcome::Refused { answer, .. } => Ok(Some(answer.body)),
        Outcome::Accepted { .. } | Outcome::Replayed { .. } => Ok(None),
        Outcome::KeyReused | Outcome::InFlight | Outcome::VersionMismatch { .. } => Ok(None),
    }
}

fn tell<A: Aggregate>(id: impl ToString, command: A::Command) -> Act {
    Act::tell::<A>(stream(id), command)
}

async fn payment_of(api: &Api, refund_id: RefundId) -> Result<Option<PaymentId>, Problem> {
    let (refund, _version) = api.gate.store.read::<Refund>(&stream(refund_id)).await?;
    Ok(refund.payment_id())
}

/// Whose payment it is; nobody's where it is of the other mode.
async fn tenant(api: &Api, payment_id: Option<PaymentId>, livemode: bool) -> Result<Option<Tenant>, Problem> {
    let Some(payment_id) = payment_id else { return Ok(None) };
    let (payment, _version) = api.gate.store.read::<Payment>(&stream(payment_id)).await?;
    let agreed = payment.agreement().filter(|agreed| agreed.livemode == livemode);
    Ok(agreed.map(|agreed| Tenant { merchant_id: Some(agreed.merchant_id.uuid()), livemode: Some(livemode) }))
}

async fn keep(
    api: &Api,
    channel: Channel,
    livemode: bool,
    report: &Told,
    letter: &Letter,
    why: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into writes.reports (channel, livemode, report_id, body, why) values ($1, $2, $3, $4, $5) \
         on conflict (channel, livemode, report_id) do nothing",
    )
    .bind(channel.name())
    .bind(livemode)
    .bind(&report.report_id)
    .bind(&*letter.body)
    .bind(why)
    .execute(&api.pool)
    .await
    .map(drop)
}
