//! `daybook what-if`: history under other fees or other rules; nothing real is touched.

use std::{path::Path, process::ExitCode};

use chrono::{DateTime, NaiveDate, Utc};
use clap::{Args, Subcommand};
use domain::{risk::rule_set::RuleSet, risk_rules};

use crate::failure::{Attempt as _, Failure, Result};

mod fees;
pub(super) mod rules;
mod scratch;

const EXAMPLES: &str = "\
Examples:
  daybook what-if fees --plan new.json --currency USD --since 2026-01-01
  daybook what-if fees --plan new.json --currency USD --since 2026-01-01 --merchant MER… --into trial
  daybook what-if rules --rules new.json --since 2026-01-01 --into trial
A plan is a file such as
  { \"rate\": 290, \"fixed_minor\": 30, \"minimum_minor\": 0, \"maximum_minor\": null, \"on_refund\": \"kept\" }
with the rate in hundredths of a percent and on_refund one of kept and returned.";

/// Reckon history once more, under other fees or other risk rules, and show the difference
///
/// The log is read and nothing is written to the ledger. With --into, every payment or decision is also written into a
/// schema that is made for it, for anybody to look at and to drop.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct WhatIf {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Fees(fees::Fees),
    Rules(rules::Again),
}

impl WhatIf {
    pub(super) async fn run(self) -> Result<ExitCode> {
        match self.what {
            What::Fees(fees) => fees.run().await,
            What::Rules(rules) => rules.run().await,
        }
    }
}

fn moment(text: &str) -> std::result::Result<DateTime<Utc>, String> {
    let day = || text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0).map(|midnight| midnight.and_utc());
    let exact = DateTime::parse_from_rfc3339(text).ok().map(|moment| moment.to_utc());
    exact.or_else(day).ok_or_else(|| "neither a day nor a moment".to_owned())
}

/// Rules from a file, as they would be published: what would be refused then is refused here.
fn rules_of(file: &Path) -> Result<RuleSet> {
    let text = std::fs::read_to_string(file).attempt(|| format!("reading {}", file.display()))?;
    let amiss = |reason: String| Failure::NotThere(format!("{} holds no rules: {reason}", file.display()));
    let rules: RuleSet = serde_json::from_str(&text).map_err(|reason| amiss(reason.to_string()))?;
    risk_rules::check(&rules).map_err(|refusal| amiss(refusal.to_string()))?;
    Ok(rules)
}
