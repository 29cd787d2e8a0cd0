//! `daybook projection`: the read models, and what an operator may do to them.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use domain::operator::{OperatorCommand, event::Deed, subject::Subject};
use event_store::{Database, Store};
use projections::{MODELS, Plan, Projections, ReadModel, control, named};
use uuid::Uuid;

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

mod rebuild;

/// Look after the read models: where they are, rebuild, pause, resume, retry, skip
///
/// What changes something needs an operator's token, and is remembered in the log as their deed.
#[derive(Args, Debug)]
pub(super) struct Projection {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    hand: Hand,
    #[command(subcommand)]
    act: ProjectionAct,
}

#[derive(Debug, Subcommand)]
enum ProjectionAct {
    /// Every read model: its build, its position, its lag, and why it stands still if it does
    List,
    /// One read model, with its tables
    Show { name: String },
    /// Build anew from the log, beside the live build; compare at the same position; then swap. Goes on after a kill
    Rebuild {
        /// Which; without any, all of them in one pass over the log
        names: Vec<String>,
        /// Swap also where the new build differs from the old one of the same version
        #[arg(long)]
        anyway: bool,
    },
    /// Stop a read model where it is
    Pause {
        name: String,
        #[arg(long)]
        reason: String,
    },
    /// Let a paused read model go on
    Resume { name: String },
    /// Let a parked read model try again at the event it could not digest
    Retry { name: String },
    /// Pass over the event a read model is parked at, now and in every rebuild
    Skip {
        name: String,
        #[arg(long)]
        reason: String,
    },
}

impl Projection {
    pub(super) async fn run(self) -> Result<ExitCode> {
        match &self.act {
            ProjectionAct::List => self.list().await,
            ProjectionAct::Show { name } => self.show(find(name)?).await,
            ProjectionAct::Rebuild { names, anyway } => {
                let models: Vec<_> = names.iter().map(|name| find(name)).collect::<Result<_>>()?;
                let models = if models.is_empty() { MODELS.to_vec() } else { models };
                let open = self.open().await?;
                for model in &models {
                    self.record(&open.0, "rebuilt a read model", model.plan(), None).await?;
                }
                let done = rebuild::run(&open.1, &models, *anyway).await;
                database::close(&open.0).await;
                done
            }
            ProjectionAct::Pause { name, reason } => self.act_on(name, "paused a read model", Some(reason)).await,
            ProjectionAct::Resume { name } => self.act_on(name, "resumed a read model", None).await,
            ProjectionAct::Retry { name } => self.act_on(name, "let a read model try again", None).await,
            ProjectionAct::Skip { name, reason } => {
                self.act_on(name, "let a read model skip an event", Some(reason)).await
            }
        }
    }

    async fn act_on(&self, name: &str, deed: &str, reason: Option<&str>) -> Result<ExitCode> {
        let plan = find(name)?.plan();
        let (store, projections) = self.open().await?;
        self.record(&store, deed, plan, reason).await?;
        let why = reason.unwrap_or_default();
        let changed = match &self.act {
            ProjectionAct::Pause { .. } => projections.pause(plan, why).await,
            ProjectionAct::Resume { .. } => projections.resume(plan).await,
            ProjectionAct::Retry { .. } => projections.retry(plan).await,
            ProjectionAct::Skip { .. } => projections.skip(plan, why).await.map(|skipped| skipped.is_some()),
            ProjectionAct::List | ProjectionAct::Show { .. } | ProjectionAct::Rebuild { .. } => Ok(false),
        };
        let changed = changed.attempt(|| format!("changing {name}"))?;
        database::close(&store).await;
        if !changed {
            return Err(Failure::NotThere(format!(
                "{name} is not in a state for this: `daybook projection show {name}`"
            )));
        }
        say(format_args!("{name}: {deed}, and said so in the log")).map(|()| ExitCode::SUCCESS)
    }

    async fn list(&self) -> Result<ExitCode> {
        let mut connection = self.place.connect().await?;
        for model in MODELS {
            let standing = control::standing(&mut connection, model.plan()).await;
            let standing = standing.attempt(|| "looking where the read models are".to_owned())?;
            say(line(model.plan(), &standing))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn show(&self, model: &'static dyn ReadModel) -> Result<ExitCode> {
        let (plan, mut connection) = (model.plan(), self.place.connect().await?);
        let standing = control::standing(&mut connection, plan).await;
        let standing = standing.attempt(|| "looking where the read model is".to_owned())?;
        say(line(plan, &standing))?;
        say(format_args!("  version {} in this program, {} live", plan.version, standing.version.unwrap_or_default()))?;
        if let (Some(build), Some(position)) = (standing.filling, standing.filled_to) {
            say(format_args!("  build {build} beside it, filled to {position}: `daybook projection rebuild` goes on"))?;
        }
        if standing.skips_count > 0 {
            say(format_args!("  {} events are skipped: see read.skips", standing.skips_count))?;
        }
        for table in plan.tables {
            say(format_args!("  read.{:<24} {}", table.name, table.about.trim()))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn open(&self) -> Result<(Store, Projections)> {
        let vault = self.place.vault().await?;
        let store = self.place.store().await?;
        let database = Database::parse(&self.place.url()?).map_err(|reason| Failure::NoDatabase(reason.to_string()))?;
        Ok((store.clone(), Projections::new(store, database, vault)))
    }

    /// What is done to a read model is a deed of whoever does it.
    async fn record(&self, store: &Store, deed: &str, plan: &Plan, reason: Option<&str>) -> Result<()> {
        let on = plan.name.parse().map_err(|refusal: domain::id::IdRefusal| Failure::NotThere(refusal.to_string()))?;
        let (deed_id, on, reason) = (Uuid::now_v7(), Subject::ReadModel(on), reason.map(words).transpose()?);
        let deed = Deed { deed_id, deed: words(deed)?, on, reason };
        let vault = self.place.vault().await?;
        self.hand.write(&vault, store, OperatorCommand::RecordDeed(Box::new(deed))).await.map(drop)
    }
}

fn find(name: &str) -> Result<&'static dyn ReadModel> {
    let known = || MODELS.iter().map(|model| model.plan().name).collect::<Vec<_>>().join(", ");
    named(name).ok_or_else(|| Failure::NotThere(format!("there is no read model {name}, but {}", known())))
}

fn line(plan: &Plan, standing: &control::Standing) -> String {
    let lag = standing.head.saturating_sub(standing.position);
    let state = match (&standing.parked_reason, standing.build) {
        (Some(reason), _) if standing.is_paused() => plain(reason),
        (Some(reason), _) => format!("PARKED: {}", plain(reason)),
        (None, None) => "not built yet".to_owned(),
        (None, Some(_)) if standing.is_held => "runs".to_owned(),
        (None, Some(_)) => "nobody runs it".to_owned(),
    };
    let build = standing.build.map_or("-".to_owned(), |build| format!("v{build}"));
    format!("{:<16} {build:<5} at {:<12} lag {lag:<10} {state}", plan.name, standing.position)
}
