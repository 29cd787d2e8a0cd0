//! A rebuild as a person sees it: a bar for each read model, its rate and its end, and what differs.

use std::{collections::BTreeMap, process::ExitCode};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use projections::{Difference, Filling, Projections, ReadModel, Swap};

use crate::{
    command::say,
    failure::{Attempt as _, Failure, Result},
};

/// Fills all in one pass over the log, then compares and swaps one after the other. One that fails costs no other.
pub(super) async fn run(
    projections: &Projections,
    models: &[&'static dyn ReadModel],
    anyway: bool,
) -> Result<ExitCode> {
    let mut fillings = Vec::new();
    for model in models {
        let name = model.plan().name;
        let filling = projections.begin(*model).await.attempt(|| format!("making the tables of {name}"))?;
        let upto = projections.target(*model).await.attempt(|| format!("looking where {name} stands"))?;
        fillings.push((filling, upto));
    }
    let bars = bars(&fillings);
    let watch = |name: &'static str, position: i64| {
        if let Some(bar) = bars.get(name) {
            bar.set_position(u64::try_from(position).unwrap_or_default());
        }
    };
    let filled = projections.fill(&fillings, &watch).await;
    bars.values().for_each(ProgressBar::finish);
    let mut failed = false;
    for filled in filled {
        failed |= !finish(projections, filled, anyway).await?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Whether it is live now.
async fn finish(
    projections: &Projections,
    filled: std::result::Result<Filling, projections::FillFailure>,
    anyway: bool,
) -> Result<bool> {
    let mut filling = match filled {
        Ok(filling) => filling,
        Err(failure) => return say(format_args!("{failure}; the old build answers on")).map(|()| false),
    };
    let (name, build) = (filling.model.plan().name, filling.build.build);
    match projections.swap(&mut filling, anyway).await {
        Ok(Swap::Live { compared_at, differences }) => {
            tell(name, &differences)?;
            let compared = match compared_at {
                Some(position) if differences.is_empty() => format!(", alike with the old one at {position}"),
                Some(position) => format!(", compared with the old one at {position}"),
                None => String::new(),
            };
            say(format_args!("{name}: build {build} answers now{compared}")).map(|()| true)
        }
        Ok(Swap::Refused { compared_at, differences }) => {
            tell(name, &differences)?;
            say(format_args!(
                "{name}: build {build} differs from the live one at {compared_at}, which answers on; look into it, then \
                 `daybook projection rebuild {name} --anyway`"
            ))
            .map(|()| false)
        }
        Err(failure) => Err(Failure::NotThere(format!("{failure}; the old build answers on"))),
    }
}

fn tell(name: &str, differences: &[Difference]) -> Result<()> {
    for Difference { table, only_old_count, only_new_count, rows } in differences {
        say(format_args!(
            "{name}: {table}: {only_old_count} rows only in the old build, {only_new_count} only in the new"
        ))?;
        for row in rows {
            say(format_args!("    {row}"))?;
        }
    }
    Ok(())
}

fn bars(fillings: &[(Filling, i64)]) -> BTreeMap<&'static str, ProgressBar> {
    let all = MultiProgress::new();
    let style = ProgressStyle::with_template("{prefix:<16} {bar:32} {human_pos}/{human_len} {per_sec} ETA {eta}");
    let style = style.unwrap_or_else(|_invalid| ProgressStyle::default_bar());
    let bar = |(filling, upto): &(Filling, i64)| {
        let length = u64::try_from(*upto).unwrap_or_default();
        let name = filling.model.plan().name;
        let bar = all.add(ProgressBar::new(length).with_style(style.clone()).with_prefix(name));
        // A rebuild that goes on counts its rate from where it goes on.
        bar.set_position(u64::try_from(filling.build.position).unwrap_or_default());
        bar.reset_eta();
        (name, bar)
    };
    fillings.iter().map(bar).collect()
}
