//! What must hold of all that follows from payments, asked of tables and of a channel.

use std::{collections::BTreeMap, fmt};

use channels::sandbox::Listing;
use event_store::invariants::{Asked, Invariant, ask};
use sqlx::PgConnection;

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// What does not hold, by its name in the list of what must.
    pub invariant: &'static str,
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.what)
    }
}

/// Each with a query that names what breaks it, as far as it is shown: it is asked of read models that have caught up
/// with the log, and of work that nobody has just begun.
pub const OF_THE_TABLES: &[Invariant] = &[
    Invariant {
        name: "I6: refunds never exceed captures",
        question: "select 'PAY' || replace(id::text, '-', '') || ' refunds ' || refunded_minor + refunding_minor || ' of ' || \
                captured_minor from read.payments where refunded_minor + refunding_minor > captured_minor",
    },
    Invariant {
        name: "I6: nothing is taken back twice",
        question: "select reverses || ' is taken back ' || count(*) || ' times in ' || aggregate_id from read.journal_entries \
         where reverses is not null group by aggregate_type, aggregate_id, event_type, reverses having count(*) > 1",
    },
    Invariant {
        name: "I22: no failure without evidence",
        question: "select 'PAY' || replace(payment_id::text, '-', '') || '/' || attempt || ' failed and nobody said why' \
         from read.payment_attempts where phase = 'failed' and (decline is null or answered_at is null)",
    },
    Invariant { name: "I23: what has ended stays ended", question: "select told from work.after_the_end" },
    Invariant {
        name: "I24: no process without owner and date",
        question: "select s.business_type || ' of ' || s.business_id || ' is ' || s.status || ', and nothing is due' \
         from read.saga_instances s \
         left join work.due d on d.process = s.business_type and d.business = s.business_id \
         where s.status not in ('completed', 'compensated') and d.due_at is null",
    },
    Invariant {
        name: "I24: whoever must look is named",
        question: "select business_type || ' of ' || business_id || ' waits for nobody in particular' from read.saga_instances \
         where status = 'failed' \
         and (metadata::json ->> 'owner' is null or (metadata::json ->> 'due_at')::timestamptz is null)",
    },
    Invariant {
        name: "I24: nothing is overdue by more than five minutes",
        question: "select process || ' of ' || business || ' was due at ' || due_at from work.due \
         where due_at < now() - interval '5 minutes' union all \
         select business_type || ' of ' || business_id || ' was to be looked at by ' || (metadata::json ->> 'due_at') \
         from read.saga_instances where status = 'failed' \
         and (metadata::json ->> 'due_at')::timestamptz < now() - interval '5 minutes'",
    },
    Invariant {
        name: "I25: what was done is undone once",
        question: "select i.business_type || ' of ' || i.business_id || ' was taken back, and ' || s.step_name || ' is ' || s.status \
         from read.saga_instances i join read.saga_steps s on s.saga_id = i.id \
         where i.status = 'compensated' and i.compensated_at is not null and s.status in ('completed', 'pending')",
    },
    Invariant {
        name: "I26: suspense is explained",
        question: "select x.of || ' has ' || x.minor || ' in suspense, and nobody is to return it' \
         from (select e.aggregate_id as of, sum(p.amount_minor) as minor from read.accounts a \
               join read.postings p on p.account_id = a.id join read.journal_entries e on e.position = p.position \
               where a.account = 'suspense' group by a.id, e.aggregate_id having sum(p.amount_minor) <> 0) x \
         where not exists (select from work.due d join read.saga_instances s \
                           on s.business_type = d.process and s.business_id = d.business \
                           where d.process = 'return_suspense' and d.payment = x.of \
                           and s.status not in ('completed', 'compensated'))",
    },
];

/// All that does not hold; `partner` is what a channel's own books list, where there is one to compare with.
///
/// # Errors
/// The database failed.
pub async fn broken(connection: &mut PgConnection, partner: Option<&Listing>) -> Result<Vec<Broken>, sqlx::Error> {
    let mut broken = Vec::new();
    for Asked { invariant, breaches } in ask(&mut *connection, OF_THE_TABLES).await {
        broken.extend(breaches?.shown.into_iter().map(|what| Broken { invariant, what }));
    }
    if let Some(partner) = partner {
        broken.extend(doubled(partner));
        broken.extend(unlike(&mut *connection, partner).await?);
        broken.extend(unlike_by_payment(connection, partner).await?);
    }
    Ok(broken)
}

/// No key had two effects at the partner, and no capture was made twice.
fn doubled(partner: &Listing) -> Vec<Broken> {
    let invariant = "I21: one effect at the partner for each key";
    let keys = partner.effects.iter().filter(|effect| effect.count > 1).map(|effect| effect.key.clone());
    let captures = partner.payments.iter().flat_map(|trade| &trade.captures);
    let captures = captures.filter(|(_capture, count)| *count > 1).map(|(capture_id, _count)| capture_id.to_string());
    keys.chain(captures).map(|what| Broken { invariant, what: format!("{what} twice") }).collect()
}

/// By channel and currency: what the partner took, gave back and lost is what our books say it owes; what it paid out is
/// what has left the bank.
async fn unlike(connection: &mut PgConnection, partner: &Listing) -> Result<Vec<Broken>, sqlx::Error> {
    // What it has remitted it does not owe any more.
    let ours: Vec<(String, String, i64)> = sqlx::query_as(
        "select case when a.account = 'bank' then 'paid out' else split_part(a.account, ':', 2) end, a.currency, \
                sum(p.amount_minor)::bigint \
         from read.accounts a join read.postings p on p.account_id = a.id \
         join read.journal_entries e on e.position = p.position \
         where not a.livemode and (a.account like 'channel:%:receivable' and e.aggregate_type in ('payment', 'adjustment') \
                                   or a.account = 'bank' and e.aggregate_type = 'settled_funds') group by 1, 2",
    )
    .fetch_all(connection)
    .await?;
    let mut sums: BTreeMap<(String, String), (i64, i64)> = BTreeMap::new();
    for (whose, currency, minor) in ours {
        sums.entry((whose, currency)).or_default().0 += minor;
    }
    for totals in &partner.totals {
        let owed = totals.captured_minor - totals.refunded_minor - totals.disputed_minor;
        sums.entry((totals.channel.to_string(), totals.currency.clone())).or_default().1 += owed;
        sums.entry(("paid out".to_owned(), totals.currency.clone())).or_default().1 -= totals.paid_out_minor;
    }
    Ok(differences(sums.into_iter().map(|((whose, currency), both)| (format!("{whose} in {currency}"), both))))
}

/// Payment by payment, which also shows that no attempt ended here as failed that moved money there.
async fn unlike_by_payment(connection: &mut PgConnection, partner: &Listing) -> Result<Vec<Broken>, sqlx::Error> {
    // What was captured on the platform before is owed by the channel in one sum of all, and told here by the payment.
    let ours: Vec<(String, i64)> = sqlx::query_as(
        "with taken_over as (select 'PAY' || replace(p.id::text, '-', '') as of, p.captured_minor - p.refunded_minor as minor \
             from read.payments p where not p.livemode and p.captured_minor > 0 and not exists ( \
                 select from read.journal_entries e \
                 where e.aggregate_id = 'PAY' || replace(p.id::text, '-', '') and e.event_type = 'captured')) \
         select e.aggregate_id, sum(p.amount_minor)::bigint from read.accounts a \
         join read.postings p on p.account_id = a.id join read.journal_entries e on e.position = p.position \
         where not a.livemode and a.account like 'channel:%:receivable' and e.aggregate_type = 'payment' \
         and e.event_type not like 'dispute%' and e.aggregate_id not in (select of from taken_over) group by 1 \
         union all select of, minor from taken_over",
    )
    .fetch_all(connection)
    .await?;
    let mut sums: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for (payment, minor) in ours {
        sums.entry(payment).or_default().0 += minor;
    }
    for trade in &partner.payments {
        let there = trade.captured_minor - trade.refunded_minor;
        sums.entry(trade.payment_id.to_string()).or_default().1 += there;
    }
    Ok(differences(sums.into_iter()))
}

fn differences(sums: impl Iterator<Item = (String, (i64, i64))>) -> Vec<Broken> {
    let invariant = "I20: our books agree with the partner's";
    let unlike = sums.filter(|(_whose, (ours, theirs))| ours != theirs);
    let told = unlike.map(|(whose, (ours, theirs))| format!("{whose}: {ours} here, {theirs} there"));
    told.map(|what| Broken { invariant, what }).collect()
}
