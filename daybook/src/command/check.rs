//! `daybook check`: every read model made anew and compared, every invariant asked.

use std::{process::ExitCode, time::Duration};

use clap::Args;
use event_store::{
    Database,
    invariants::{Asked, Breaches, Invariant, OF_THE_LOG, ask},
};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use processes::check::OF_THE_TABLES;
use projections::{Checked, Difference, MODELS, Projections, Verdict, ledger::invariants::OF_THE_BOOKS};
use sqlx::PgConnection;

use super::{log::text::plain, place::Place, say};
use crate::{
    database,
    failure::{Failure, Result},
    interrupt::Interrupt,
};

const EXIT: &str = "\
Ends with 0 where all is alike and holds, 1 where it could not be begun or was broken off, else by the worst that was found:
  40 differs        a read model is not what the log comes to      42 not compared   of something nothing can be said
  41 broken         an invariant does not hold

A scratch build of every read model is filled beside the live one, which answers on. It takes as much room as they do, and is
dropped, also after Ctrl-C; after a kill by the next check.";

/// Make every read model anew from the log and compare it with the live one; ask every invariant of a live ledger
#[derive(Args, Debug)]
#[command(after_help = EXIT)]
pub(super) struct Check {
    #[command(flatten)]
    place: Place,
    /// Where the read models are, if not with the log: they are made anew and compared there
    #[arg(long, env = "DAYBOOK_PROJECTION_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    projection_database_url: Option<String>,
}

/// What is not asked here, and who asks it.
const ELSEWHERE: [(&str, &str); 4] = [
    ("I8, I9, I33", "about what callers were told: compare their own records with `daybook log show`"),
    ("I15", "every leaf, every checkpoint, every payload: `daybook verify`"),
    ("I20, I21", "the channels' own books: `daybook remittance list` shows what of theirs is none of ours"),
    ("I17, I18, I27, I29, I30, I32, I34", "about answers and processes, not about what is stored: docs/proof.md"),
];

/// What else is going on may be seen half done: what is broken is looked at again so often before it is believed.
const LOOKS: u32 = 4;
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);

/// What was found, worst first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Found {
    differing_count: u32,
    broken_count: u32,
    not_compared_count: u32,
}

impl Found {
    fn exit(self) -> ExitCode {
        match self {
            Self { differing_count: 1.., .. } => ExitCode::from(40),
            Self { broken_count: 1.., .. } => ExitCode::from(41),
            Self { not_compared_count: 1.., .. } => ExitCode::from(42),
            Self { .. } => ExitCode::SUCCESS,
        }
    }
}

impl Check {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let mut interrupt = Interrupt::listen()?;
        let (vault, store, url) = (self.place.vault().await?, self.place.store().await?, self.place.url()?);
        let database = database::parse(&url)?;
        let elsewhere = self.projection_database_url.as_deref().filter(|url| !url.is_empty());
        let (projections, books) = match elsewhere.map(database::parse).transpose()? {
            Some(own) => {
                (Projections::new(store.clone(), own.clone(), vault).against(&database), own.pool(1).acquire().await)
            }
            None => (Projections::new(store.clone(), database.clone(), vault), database.pool(1).acquire().await),
        };
        let mut books = books.map_err(|reason| Failure::NotThere(reason.to_string()))?;
        let checked = tokio::select! {
            checked = models(&projections) => checked,
            () = interrupt.asked() => {
                let dropped = projections.drop_scratches(MODELS).await;
                let what = dropped.map_or_else(
                    |reason| format!("the scratch builds were not dropped, the next check does it: {reason}"),
                    |()| "the scratch builds are dropped".to_owned(),
                );
                return Err(Failure::NotThere(format!("broken off, nothing is said of the ledger; {what}")));
            }
        };
        let mut found = Found::default();
        for checked in checked {
            tell_model(&checked, &mut found)?;
        }
        // As whoever logged in: the application may not see what other sessions are about.
        let mut owner = self.place.connect().await?;
        let mut app = database.pool(1).acquire().await.map_err(|reason| Failure::NotThere(reason.to_string()))?;
        for asked in until_believed(&mut owner, OF_THE_LOG).await {
            tell_invariant(&asked, &mut found)?;
        }
        for asked in until_believed(&mut books, OF_THE_BOOKS).await {
            tell_invariant(&asked, &mut found)?;
        }
        for invariant in OF_THE_TABLES {
            let asked = if is_of_the_read_models(invariant) { &mut books } else { &mut app };
            for asked in until_believed(asked, std::slice::from_ref(invariant)).await {
                tell_invariant(&asked, &mut found)?;
            }
        }
        drop((app, books));
        tell_tree(&database, &mut found).await?;
        for (names, why) in ELSEWHERE {
            say(format_args!("{:<13} {names}: {why}", "not asked"))?;
        }
        database::close(&store).await;
        let Found { differing_count, broken_count, not_compared_count } = found;
        say(format_args!(
            "{differing_count} read models differ, {broken_count} invariants are broken, {not_compared_count} were not compared"
        ))?;
        Ok(found.exit())
    }
}

/// All in one pass over the log, with a bar for each.
async fn models(projections: &Projections) -> Vec<Checked> {
    let all = MultiProgress::new();
    let style = ProgressStyle::with_template("{prefix:<16} {bar:32} {human_pos}/{human_len} {per_sec} ETA {eta}");
    let style = style.unwrap_or_else(|_invalid| ProgressStyle::default_bar());
    let mut bars = Vec::new();
    for model in MODELS {
        let upto = projections.target(*model).await.unwrap_or_default();
        let bar = ProgressBar::new(u64::try_from(upto).unwrap_or_default()).with_style(style.clone());
        bars.push((model.plan().name, all.add(bar.with_prefix(model.plan().name))));
    }
    let watch = |name: &'static str, position: i64| {
        if let Some((_name, bar)) = bars.iter().find(|(known, _bar)| *known == name) {
            bar.set_position(u64::try_from(position).unwrap_or_default());
        }
    };
    let checked = projections.check(MODELS, &watch).await;
    bars.iter().for_each(|(_name, bar)| bar.finish_and_clear());
    checked
}

fn tell_model(Checked { model, verdict }: &Checked, found: &mut Found) -> Result<()> {
    match verdict {
        Verdict::Alike { position, rows_count } => {
            say(format_args!("{:<13} {model}: at {position}, {rows_count} rows", "alike"))
        }
        Verdict::Differs { position, differences } => {
            found.differing_count = found.differing_count.saturating_add(1);
            say(format_args!("{:<13} {model}: at {position}", "DIFFERS"))?;
            for Difference { table, only_old_count, only_new_count, rows } in differences {
                say(format_args!(
                    "    {table}: {only_old_count} rows stand there (-) and do not follow from the log, {only_new_count} follow (+) and \
                     do not stand there"
                ))?;
                for row in rows {
                    say(format_args!("    {}", plain(row)))?;
                }
            }
            Ok(())
        }
        Verdict::NotCompared { why } => not_compared(model, why, found),
    }
}

fn not_compared(what: &str, why: &str, found: &mut Found) -> Result<()> {
    found.not_compared_count = found.not_compared_count.saturating_add(1);
    say(format_args!("{:<13} {what}: {}", "NOT COMPARED", plain(why)))
}

/// On a ledger at work one table may be a moment ahead of another: only what is broken in the same way look after look is.
async fn until_believed(connection: &mut PgConnection, invariants: &[Invariant]) -> Vec<Asked> {
    let mut asked = ask(connection, invariants).await;
    for _again in 1..LOOKS {
        let broken = |asked: &Asked| asked.breaches.as_ref().is_ok_and(|breaches| breaches.count > 0);
        if !asked.iter().any(broken) {
            break;
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
        for known in asked.iter_mut().filter(|asked| broken(asked)) {
            let again = invariants.iter().filter(|invariant| invariant.name == known.invariant).copied();
            let again: Vec<Invariant> = again.collect();
            if let Some(now) = ask(connection, &again).await.pop() {
                known.breaches = now.breaches.map(|now| still(known.breaches.as_ref().ok(), now));
            }
        }
    }
    asked
}

/// What of it was there before as well. Of more than is shown nobody knows which: they all count.
fn still(before: Option<&Breaches>, now: Breaches) -> Breaches {
    let is_whole = |breaches: &Breaches| i64::try_from(breaches.shown.len()).is_ok_and(|shown| shown == breaches.count);
    match before {
        Some(before) if is_whole(before) && is_whole(&now) => {
            let shown: Vec<String> = now.shown.into_iter().filter(|told| before.shown.contains(told)).collect();
            Breaches { count: i64::try_from(shown.len()).unwrap_or(i64::MAX), shown }
        }
        Some(_) | None => now,
    }
}

/// Where read models have a database of their own, it is asked there; what needs both at once cannot be told.
fn is_of_the_read_models(invariant: &Invariant) -> bool {
    let asks = |schema: &str| invariant.question.contains(schema);
    asks("read.") && !asks("work.") && !asks("log.")
}

fn tell_invariant(Asked { invariant, breaches }: &Asked, found: &mut Found) -> Result<()> {
    match breaches {
        Ok(Breaches { count: 0, .. }) => say(format_args!("{:<13} {invariant}", "holds")),
        Ok(Breaches { count, shown }) => {
            found.broken_count = found.broken_count.saturating_add(1);
            say(format_args!("{:<13} {invariant}: {count} times", "BROKEN"))?;
            shown.iter().try_for_each(|what| say(format_args!("    {}", plain(what))))
        }
        Err(reason) => not_compared(invariant, &reason.to_string(), found),
    }
}

async fn tell_tree(database: &Database, found: &mut Found) -> Result<()> {
    const INVARIANT: &str = "I15: the stored tree is the one that was signed";
    let breach = |what: String| Breaches { count: 1, shown: vec![what] };
    let breaches = match audit::glance(&database.pool(1)).await {
        Ok(audit::Glance { signed: Some(signed), .. }) if !signed.is_of_the_tree => {
            breach(format!("it has another root at {} than was signed", signed.size))
        }
        Ok(audit::Glance { signed: Some(_), .. }) => Breaches::default(),
        Ok(audit::Glance { signed: None, .. }) => {
            return not_compared(INVARIANT, "no checkpoint was ever signed: serve with --checkpoint-key-file", found);
        }
        Err(audit::TreeFailure::Damaged(damaged)) => breach(damaged.to_string()),
        Err(audit::TreeFailure::Database(reason)) => return not_compared(INVARIANT, &reason.to_string(), found),
    };
    tell_invariant(&Asked { invariant: INVARIANT, breaches: Ok(breaches) }, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaches(shown: &[&str], count: i64) -> Breaches {
        Breaches { count, shown: shown.iter().map(|told| (*told).to_owned()).collect() }
    }

    #[test]
    fn what_is_over_at_the_next_look_is_not_believed() {
        let now = breaches(&["a", "b"], 2);
        assert_eq!(still(Some(&breaches(&["b", "c"], 2)), now.clone()), breaches(&["b"], 1));
        assert_eq!(still(Some(&breaches(&["c"], 1)), now.clone()), breaches(&[], 0));
        assert_eq!(still(Some(&breaches(&["c"], 30)), now.clone()), now, "of those not shown nothing is known");
    }

    #[test]
    fn the_worst_says_how_it_ends() {
        let found = |differing_count, broken_count, not_compared_count| {
            format!("{:?}", Found { differing_count, broken_count, not_compared_count }.exit())
        };
        let code = |code: u8| format!("{:?}", ExitCode::from(code));
        assert_eq!(
            [found(0, 0, 0), found(0, 0, 2), found(0, 1, 2), found(3, 1, 2)],
            [code(0), code(42), code(41), code(40)]
        );
    }
}
