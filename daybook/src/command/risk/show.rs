//! `daybook risk show`: the rules in force with both lists, or what is known of a payment.

use std::{collections::BTreeSet, process::ExitCode, sync::Arc};

use clap::Args;
use domain::{
    aggregate::Aggregate as _,
    country::Country,
    id::{PaymentId, RiskRulesId},
    payment::{Payment, event::PaymentEvent},
    risk::{Assessment, entry::Entry, rule_set::RuleSet},
    risk_rules::RiskRules,
};
use event_store::Store;
use serde_json::{Value, json};

use crate::{
    command::{place::Place, say},
    database,
    failure::{Attempt as _, Failure, Result},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  daybook risk show                           the rules for real money, their version, both lists
  daybook risk show --livemode false          those for test
  daybook risk show --payment PAY…            what is known of a payment, ready to be blocked or allowed";

/// Show the risk rules in force with their version and both lists; or what is known of one payment
#[derive(Args, Debug)]
pub(super) struct Show {
    /// The mode
    #[arg(long, action = clap::ArgAction::Set, default_value_t = true, value_name = "true|false")]
    livemode: bool,
    /// Instead: how this payment was assessed, and what of it could stand on a list
    #[arg(long, value_name = "PAY…")]
    payment: Option<PaymentId>,
    #[command(flatten)]
    place: Place,
}

impl Show {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let store = self.place.store().await?;
        let shown = match self.payment {
            Some(id) => payment(&store, id).await,
            None => rules(&store, self.livemode).await,
        };
        database::close(&store).await;
        say(format_args!("{:#}", shown?))?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn rules(store: &Store, livemode: bool) -> Result<Value> {
    let id: Arc<str> = RiskRulesId::derive(livemode).to_string().into();
    let read = store.read::<RiskRules>(&id).await;
    let (rules, _version) = read.map_err(|failure| Failure::NotThere(failure.to_string()))?;
    let by_default = RuleSet::by_default(livemode);
    let book = rules.rulebook(&by_default);
    let mut shown = json!({ "livemode": livemode, "rules_version": book.version, "rules": book.rules });
    if let Some(shown) = shown.as_object_mut() {
        shown.insert("blocklist".to_owned(), json!(book.blocked));
        shown.insert("allowlist".to_owned(), json!(book.allowed));
    }
    Ok(shown)
}

/// Every attempt's assessment; and every entry a list could hold that the payment would touch.
async fn payment(store: &Store, id: PaymentId) -> Result<Value> {
    const PAGE: i64 = 1_000;
    let (mut assessed, mut entries, mut after) = (Vec::new(), BTreeSet::new(), 0);
    loop {
        let page = store.stream_events(Payment::TYPE, &id.to_string(), after, PAGE).await;
        let page = page.attempt(|| "reading the log".to_owned())?;
        let Some(last) = page.last().map(|last| last.sequence) else { break };
        for event in &page {
            let told: serde_json::Result<PaymentEvent> = serde_json::from_str(&event.payload);
            let Ok(told) = told else { continue };
            entries.extend(listable(&told));
            if let Some((attempt, assessment)) = assessment(&told) {
                assessed.push(json!({ "attempt": attempt, "position": event.position, "assessment": assessment }));
            }
        }
        after = last;
    }
    if after == 0 {
        return Err(Failure::NotThere(format!("there is no payment {id}")));
    }
    Ok(json!({ "payment_no": id, "assessments": assessed, "entries": entries }))
}

fn assessment(told: &PaymentEvent) -> Option<(u32, &Assessment)> {
    if let PaymentEvent::RiskApproved { attempt, assessment }
    | PaymentEvent::RiskRejected { attempt, assessment }
    | PaymentEvent::ReviewRequested { attempt, assessment } = told
    {
        return Some((*attempt, assessment));
    }
    None
}

fn listable(told: &PaymentEvent) -> Vec<Entry> {
    let (origin, mut entries) = if let PaymentEvent::Initiated(initiated) = told {
        let customer = initiated.purpose.customer_email.as_ref().and_then(|email| email.blind_index()?.parse().ok());
        let merchant = Entry::Merchant(initiated.merchant_id);
        (&initiated.origin, std::iter::once(merchant).chain(customer.map(Entry::Customer)).collect::<Vec<_>>())
    } else if let PaymentEvent::AttemptOpened(opened) = told {
        (&opened.origin, Vec::new())
    } else {
        return Vec::new();
    };
    let countries: [Option<Country>; 3] = [origin.ip_country, origin.card_country, origin.customer_country];
    entries.extend(origin.card_token.clone().map(Entry::CardToken));
    entries.extend(origin.ip_networks.iter().copied().map(Entry::Ip));
    entries.extend(countries.into_iter().flatten().map(Entry::Country));
    entries
}
