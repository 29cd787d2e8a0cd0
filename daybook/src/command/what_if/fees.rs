//! `daybook what-if fees`: what payments would have cost under another plan.

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf, process::ExitCode};

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};
use domain::{channel::Channel, currency::Currency, fee::FeePlan, id::MerchantId, money::Money, payment::what_if};
use event_store::Poison;
use indicatif::{ProgressBar, ProgressStyle};
use processes::{FeesAgain, OtherFees, Reckoned};
use serde_json::{Value, json};

use super::{moment, scratch::Aside};
use crate::{
    command::{place::Place, say},
    database,
    failure::{Attempt as _, Failure, Result},
};

const HEAD: &str = "payment_no,merchant_id,currency,captured_minor,charged_before_minor,returned_before_minor,\
                    charged_after_minor,returned_after_minor,difference_minor";
const COLUMNS: &str = "payment_no text primary key, merchant_id text not null, currency text not null, \
     captured_minor bigint not null, charged_before_minor bigint not null, returned_before_minor bigint not null, \
     charged_after_minor bigint not null, returned_after_minor bigint not null, difference_minor bigint not null";

/// Reckon the fees of past payments once more, under another plan
///
/// Of payments that began since a moment, in one currency: what was charged with captures and came back with refunds,
/// as it was and as it would have been. What was captured and refunded stays as it was.
#[derive(Args, Debug)]
pub(super) struct Fees {
    /// The file with the plan
    #[arg(long, value_name = "FILE")]
    plan: PathBuf,
    /// Its currency: other payments are left out
    #[arg(long)]
    currency: Currency,
    /// From when on, as `2026-01-31` or `2026-01-31T12:00:00Z`
    #[arg(long, value_parser = moment, value_name = "TIME")]
    since: DateTime<Utc>,
    /// Of this merchant alone
    #[arg(long, value_name = "MER…")]
    merchant: Option<MerchantId>,
    /// For attempts through this channel alone: others keep the plan they had
    #[arg(long)]
    channel: Option<Channel>,
    /// The mode
    #[arg(long, action = clap::ArgAction::Set, default_value_t = true, value_name = "true|false")]
    livemode: bool,
    /// What to write: sums for people or as JSON, or every payment as CSV
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    into: Aside,
    #[command(flatten)]
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Csv,
}

/// Of one merchant. Sums may be beyond 64 bits.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    payments_count: u64,
    captured_minor: i128,
    before_minor: i128,
    after_minor: i128,
}

impl Fees {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let plan = self.plan()?;
        let store = self.place.store().await?;
        let other = OtherFees {
            livemode: self.livemode,
            currency: self.currency,
            plan,
            merchant_id: self.merchant,
            channel: self.channel,
        };
        let amiss = |reason: Poison| Failure::NotThere(format!("the log could not be read again: {reason}"));
        let mut again = FeesAgain::new(store.clone(), other, self.since).await.map_err(amiss)?;
        let bar = bar(&again);
        while again.next().await.map_err(amiss)? {
            bar.set_position(u64::try_from(again.progress().0).unwrap_or_default());
        }
        bar.finish_and_clear();
        database::close(&store).await;
        let mut scratch = self.into.make(&self.place, "fees", COLUMNS).await?;
        if self.format == Format::Csv {
            say(HEAD)?;
        }
        let mut sums: BTreeMap<MerchantId, Sums> = BTreeMap::new();
        for reckoned in again.reckoned() {
            sums.entry(reckoned.merchant_id).or_default().take(reckoned);
            if self.format == Format::Csv {
                say(row(reckoned, self.currency))?;
            }
            if let Some(scratch) = &mut scratch {
                scratch.put(row(reckoned, self.currency)).await?;
            }
        }
        let place = match scratch {
            Some(scratch) => Some(scratch.end().await?),
            None => None,
        };
        match self.format {
            Format::Text => say(text(&sums, self.currency, place.as_deref()))?,
            Format::Json => say(format_args!("{:#}", json(&sums, self.currency, place.as_deref())))?,
            Format::Csv => {}
        }
        Ok(ExitCode::SUCCESS)
    }

    fn plan(&self) -> Result<FeePlan> {
        let file = &self.plan;
        let text = std::fs::read_to_string(file).attempt(|| format!("reading {}", file.display()))?;
        let amiss = |reason: String| Failure::NotThere(format!("{} holds no fee plan: {reason}", file.display()));
        let plan: FeePlan = serde_json::from_str(&text).map_err(|reason| amiss(reason.to_string()))?;
        plan.check().map_err(|refusal| amiss(refusal.to_string()))?;
        Ok(plan)
    }
}

/// On standard error, where a person looks.
fn bar(again: &FeesAgain) -> ProgressBar {
    let (from, upto) = again.progress();
    let bar = ProgressBar::new(u64::try_from(upto).unwrap_or_default());
    bar.set_position(u64::try_from(from).unwrap_or_default());
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} events, {per_sec}, {eta} to go") {
        bar.set_style(style);
    }
    bar
}

impl Sums {
    fn take(&mut self, reckoned: &Reckoned) {
        let add = |sum: &mut i128, minor: i64| *sum = sum.saturating_add(minor.into());
        self.payments_count = self.payments_count.saturating_add(1);
        add(&mut self.captured_minor, reckoned.fees.captured_minor());
        add(&mut self.before_minor, reckoned.fees.before().kept_minor());
        add(&mut self.after_minor, reckoned.fees.after().kept_minor());
    }
}

/// Nothing in it needs quotes.
fn row(reckoned: &Reckoned, currency: Currency) -> String {
    let Reckoned { payment_no, merchant_id, fees } = reckoned;
    let what_if::Fees { charged_minor: before, returned_minor: back_before } = fees.before();
    let what_if::Fees { charged_minor: after, returned_minor: back_after } = fees.after();
    let difference = fees.after().kept_minor().saturating_sub(fees.before().kept_minor());
    let (captured, code) = (fees.captured_minor(), currency.code());
    format!("{payment_no},{merchant_id},{code},{captured},{before},{back_before},{after},{back_after},{difference}")
}

fn text(sums: &BTreeMap<MerchantId, Sums>, currency: Currency, place: Option<&str>) -> String {
    let shown = |minor: i128| match i64::try_from(minor) {
        Ok(minor) => Money::new(minor, currency).to_string(),
        Err(_beyond) => format!("{minor} minor units of {currency}"),
    };
    let mut text = String::new();
    for (merchant_id, sums) in sums {
        let Sums { payments_count, captured_minor, before_minor, after_minor } = *sums;
        let difference = shown(after_minor.saturating_sub(before_minor));
        // Writing to a text cannot fail.
        writeln!(
            text,
            "{merchant_id}  {payments_count} payments, {} captured: fees {} -> {} ({difference})",
            shown(captured_minor),
            shown(before_minor),
            shown(after_minor)
        )
        .unwrap_or_default();
    }
    if sums.is_empty() {
        text.push_str("no such payment has captured anything\n");
    }
    if let Some(place) = place {
        writeln!(text, "every payment is in {place}").unwrap_or_default();
    }
    text.trim_end().to_owned()
}

fn json(sums: &BTreeMap<MerchantId, Sums>, currency: Currency, place: Option<&str>) -> Value {
    // Digits as text: they may be beyond what JSON's readers take for numbers.
    let merchants: Vec<Value> = sums
        .iter()
        .map(|(merchant_id, sums)| {
            json!({
                "merchant_id": merchant_id, "payments": sums.payments_count, "captured_minor": sums.captured_minor.to_string(),
                "fees_before_minor": sums.before_minor.to_string(), "fees_after_minor": sums.after_minor.to_string(),
                "difference_minor": sums.after_minor.saturating_sub(sums.before_minor).to_string(),
            })
        })
        .collect();
    json!({ "currency": currency.code(), "merchants": merchants, "into": place })
}
