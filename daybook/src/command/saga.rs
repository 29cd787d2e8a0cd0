//! `daybook saga`: what processes are about, what they did, and what a person may do.

use std::{process::ExitCode, sync::Arc};

use clap::{Args, Subcommand, ValueEnum};
use domain::{
    aggregate::Aggregate,
    id::{MerchantId, SagaId},
    payment::{Payment, PaymentCommand},
    refusal::Refusal as _,
    saga::{Resolution, Saga as Memory, SagaCommand, event::Started},
};
use event_store::{Act, Answer, Outcome, Recorded, Store, Tenant, Verdict};
use sqlx::Row as _;

use super::{
    hand::{Hand, words},
    log::text::plain,
    place::Place,
    say,
};
use crate::{
    database,
    failure::{Attempt as _, Failure, Result},
};

/// Look after what processes do: payments on their way, refunds, whatever waits for a person
///
/// What changes something needs an operator's token, and stands in the saga's own history.
#[derive(Args, Debug)]
pub(super) struct Saga {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    hand: Hand,
    #[command(subcommand)]
    act: SagaAct,
}

#[derive(Debug, Subcommand)]
enum SagaAct {
    /// Those that are under way or need somebody, the oldest first
    List {
        /// Of this status; `failed` are those that need a person
        #[arg(long)]
        status: Option<Status>,
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
    },
    /// Everything one saga and its payment went through, in the order of the log
    Show { saga: SagaId },
    /// Let one that needs a person go on, with as many tries as at first
    Retry {
        saga: SagaId,
        #[arg(long)]
        reason: String,
    },
    /// Give up a payment that waits for a person: it is cancelled, and let go at the channel as soon as that answers
    Compensate {
        saga: SagaId,
        #[arg(long)]
        reason: String,
    },
    /// End one by hand: what it could not find out is known otherwise
    Resolve {
        saga: SagaId,
        /// How it ended
        #[arg(long = "as")]
        ended: Ended,
        #[arg(long)]
        reason: String,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Status {
    Pending,
    #[value(name = "in_progress")]
    InProgress,
    Completed,
    Compensated,
    Failed,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Ended {
    Completed,
    Compensated,
}

impl Saga {
    pub(super) async fn run(self) -> Result<ExitCode> {
        match &self.act {
            SagaAct::List { status, limit } => self.list(*status, *limit).await,
            SagaAct::Show { saga } => self.show(*saga).await,
            SagaAct::Retry { saga, reason } => {
                let reason = words(reason)?;
                self.tell(*saga, |by| SagaCommand::Resume { by, reason: reason.clone() }, false).await
            }
            SagaAct::Compensate { saga, reason } => {
                let reason = words(reason)?;
                self.tell(*saga, |by| SagaCommand::Resume { by, reason: reason.clone() }, true).await
            }
            SagaAct::Resolve { saga, ended, reason } => {
                let resolution = match ended {
                    Ended::Completed => Resolution::Completed,
                    Ended::Compensated => Resolution::Compensated,
                };
                let reason = words(reason)?;
                self.tell(*saga, |by| SagaCommand::Resolve { resolution, by, reason: reason.clone() }, false).await
            }
        }
    }

    async fn list(&self, status: Option<Status>, limit: i64) -> Result<ExitCode> {
        let mut connection = self.place.connect().await?;
        let wanted = status.map(|status| match status {
            Status::Pending => "pending",
            Status::InProgress => "in_progress",
            Status::Completed => "completed",
            Status::Compensated => "compensated",
            Status::Failed => "failed",
        });
        let rows = sqlx::query(
            "select 'SAG' || replace(id::text, '-', '') || '  ' || rpad(status, 12) || rpad(business_type, 22) || \
                    business_id || '  ' || to_char(created_at, 'YYYY-MM-DD HH24:MI:SS') || \
                    coalesce('  ' || error_message, '') \
             from read.saga_instances \
             where status = $1 or ($1 is null and status not in ('completed', 'compensated')) \
             order by created_at, id limit $2",
        )
        .bind(wanted)
        .bind(limit)
        .fetch_all(&mut connection)
        .await
        .attempt(|| "reading the sagas".to_owned())?;
        for row in &rows {
            let line: String = row.try_get(0).attempt(|| "reading a saga".to_owned())?;
            say(plain(&line))?;
        }
        if rows.is_empty() {
            say("none")?;
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn show(&self, saga: SagaId) -> Result<ExitCode> {
        let store = self.place.store().await?;
        let shown = show(&store, saga).await;
        database::close(&store).await;
        shown
    }

    /// One command of an operator.
    async fn tell(
        &self,
        saga: SagaId,
        command: impl Fn(domain::actor::Actor) -> SagaCommand,
        cancels: bool,
    ) -> Result<ExitCode> {
        let vault = self.place.vault().await?;
        let store = self.place.store().await?;
        let by = domain::actor::Actor::Operator(self.hand.whose(&vault, &store).await?);
        let about = about(&store, saga).await?;
        let done = carry_out(&store, saga, &about, command(by), cancels.then_some(by)).await;
        database::close(&store).await;
        done?;
        // Whoever runs the processes follows the log.
        say(format_args!("{saga}: said so in its history; the processes look at it now"))?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn about(store: &Store, saga: SagaId) -> Result<Started> {
    let read = store.read::<Memory>(&saga.to_string().into()).await;
    let (memory, _version) = read.map_err(|failure| Failure::NotThere(failure.to_string()))?;
    memory.about().cloned().ok_or_else(|| Failure::NotThere(format!("there is no saga {saga}")))
}

async fn carry_out(
    store: &Store,
    saga: SagaId,
    about: &Started,
    command: SagaCommand,
    cancels: Option<domain::actor::Actor>,
) -> Result<()> {
    let id: Arc<str> = saga.to_string().into();
    let payment: Arc<str> = about.business_id.as_str().into();
    let is_payment = about.process == "take_payment";
    if cancels.is_some() && !is_payment {
        return Err(Failure::NotThere("only a payment can be given up; resolve this one instead".to_owned()));
    }
    let tenant = Tenant { merchant_id: about.merchant_id.map(MerchantId::uuid), livemode: Some(about.livemode) };
    let refused = |code: &str| Ok(Verdict::Refused(Answer { status: 422, body: code.to_owned() }));
    let act = Act::deciding(move |books| {
        if let Err(refusal) = books.tell::<Memory>(&id, &command)? {
            return refused(refusal.code());
        }
        if let Some(by) = cancels
            && let Err(refusal) = books.tell::<Payment>(&payment, &PaymentCommand::Cancel { by, reason: None })?
        {
            return refused(refusal.code());
        }
        Ok(Verdict::Accepted(Answer::default()))
    });
    match store.execute(Act { tenant, ..act }).await {
        Ok(Outcome::Accepted { events: 0, .. }) => {
            Err(Failure::NotThere("nothing was done: it waits for nobody".to_owned()))
        }
        Ok(Outcome::Accepted { .. }) => Ok(()),
        Ok(Outcome::Refused { answer, .. }) => Err(Failure::NotThere(format!("nothing was done: {}", answer.body))),
        Ok(other) => Err(Failure::NotThere(format!("nothing was done: {other:?}"))),
        Err(failure) => Err(Failure::NotThere(failure.to_string())),
    }
}

/// Its own events and those of its business, together.
async fn show(store: &Store, saga: SagaId) -> Result<ExitCode> {
    let about = about(store, saga).await?;
    let mode = if about.livemode { "real money" } else { "test" };
    say(format_args!("{saga}  {} of {}, {mode}", about.process, about.business_id))?;
    let mut events = all_of(store, Memory::TYPE, &saga.to_string()).await?;
    if about.business_id.starts_with("PAY") {
        events.extend(all_of(store, Payment::TYPE, &about.business_id).await?);
    }
    events.sort_by_key(|event| event.position);
    for event in &events {
        let at = event.recorded_at.format("%Y-%m-%d %H:%M:%S%.3f");
        let told = serde_json::from_str::<serde_json::Value>(&event.payload).unwrap_or_default();
        let told = told.get(&*event.event_type).map(ToString::to_string).unwrap_or_default();
        let line = format!("{at}  {:>9}  {:<8} {:<22} {told}", event.position, event.aggregate_type, event.event_type);
        say(plain(&line))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn all_of(store: &Store, aggregate_type: &str, id: &str) -> Result<Vec<Recorded>> {
    const PAGE: i64 = 1_000;
    let (mut events, mut after) = (Vec::new(), 0);
    loop {
        let page = store.stream_events(aggregate_type, id, after, PAGE).await;
        let page = page.attempt(|| "reading the log".to_owned())?;
        let count = i64::try_from(page.len()).unwrap_or(PAGE);
        after = page.last().map_or(after, |last| last.sequence);
        events.extend(page);
        if count < PAGE {
            return Ok(events);
        }
    }
}
