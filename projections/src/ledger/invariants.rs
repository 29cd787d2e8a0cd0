//! What must hold of the books, whole for a check and in part all the time.

use event_store::invariants::Invariant;
use sqlx::Error;
use sqlx::postgres::PgConnection;

/// Currencies that do not come to zero.
const UNBALANCED: &str = "select currency || case when livemode then '' else ' in test mode' end || ' comes to ' || \
     sum(balance_minor) from read.accounts group by currency, livemode having sum(balance_minor) <> 0";

/// Asked of all accounts and postings.
pub const OF_THE_BOOKS: &[Invariant] = &[
    Invariant {
        name: "I1: each entry sums to zero",
        question: "select 'the entry at ' || p.position || ' comes to ' || sum(p.amount_minor) || ' ' || a.currency \
             from read.postings p join read.accounts a on a.id = p.account_id \
             group by p.position, a.currency having sum(p.amount_minor) <> 0",
    },
    Invariant { name: "I2: each currency sums to zero", question: UNBALANCED },
    Invariant {
        name: "I3: balances equal their lines",
        question: "select a.account || ' in ' || a.currency || ' is at ' || a.balance_minor || ', and its ' || count(p.line) || \
             ' lines come to ' || coalesce(sum(p.amount_minor), 0) \
             from read.accounts a left join read.postings p on p.account_id = a.id group by a.account, a.currency, \
             a.livemode, a.balance_minor, a.debits_minor, a.credits_minor, a.postings_count \
             having a.balance_minor <> coalesce(sum(p.amount_minor), 0) or a.postings_count <> count(p.line) \
             or a.balance_minor <> a.debits_minor - a.credits_minor",
    },
    Invariant {
        name: "I3: each line has the balance after it",
        question: "select account_id || ' has ' || balance_minor || ' after the line at ' || position || ', and its lines up to \
             there come to ' || come_to from (select p.account_id, p.position, p.balance_minor, sum(p.amount_minor) over \
             (partition by p.account_id order by p.position, p.line) as come_to from read.postings p) x \
             where balance_minor <> come_to",
    },
    Invariant {
        name: "I3: days come to the balance",
        question: "select a.account || ' in ' || a.currency || ' is at ' || a.balance_minor || ', and its days come to ' || \
             coalesce(sum(d.amount_minor), 0) from read.accounts a left join read.account_days d on d.account_id = a.id \
             group by a.account, a.currency, a.livemode, a.balance_minor \
             having a.balance_minor <> coalesce(sum(d.amount_minor), 0)",
    },
    Invariant {
        name: "I4: no account below its floor",
        question: "select a.account || ' in ' || a.currency || ' is below nothing after the line at ' || p.position \
             from read.postings p join read.accounts a on a.id = p.account_id \
             where a.account like 'merchant:%:reserved' and p.balance_minor > 0",
    },
];

/// What a look in passing has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Glance {
    /// Currencies that do not come to zero.
    pub unbalanced: Vec<String>,
    /// How many accounts were drawn, and those of them that are not what their last lines say.
    pub drawn_count: usize,
    pub unlike: Vec<String>,
}

impl Glance {
    pub fn is_well(&self) -> bool {
        self.unbalanced.is_empty() && self.unlike.is_empty()
    }
}

/// So many currencies are named.
const UNBALANCED_MAX: i64 = 20;
/// How many accounts are drawn, and how many of the last lines of each are added up again.
const DRAWN: i32 = 16;
const LINES: i64 = 200;

/// Account by account: the last lines, from the balance before them, come to the balance the account has.
const OF_THE_DRAWN: &str = "select a.account, a.currency, \
         a.balance_minor = coalesce(l.balance_minor, 0) and coalesce(l.is_chain, true) \
         and a.balance_minor = a.debits_minor - a.credits_minor as is_alike \
     from (select distinct 1 + (random() * ($1 - 1))::int as id from generate_series(1, $2)) drawn \
     join read.accounts a using (id) \
     left join lateral ( \
         select (array_agg(x.balance_minor order by x.position desc, x.line desc))[1] as balance_minor, \
                bool_and(x.before is null or x.balance_minor = x.before + x.amount_minor) as is_chain \
         from (select p.position, p.line, p.amount_minor, p.balance_minor, \
                      lag(p.balance_minor) over (order by p.position, p.line) as before \
               from (select * from read.postings p where p.account_id = a.id \
                     order by p.position desc, p.line desc limit $3) p) x) l on true";

/// Looks at the trial balance, and at a few accounts drawn by lot: a bounded number of rows, however many postings there
/// are; of the trial balance one for each account. Needs one snapshot for what it compares, and takes one for each of its
/// two statements.
///
/// # Errors
/// The database failed, or the statement took too long.
pub async fn glance(connection: &mut PgConnection) -> Result<Glance, Error> {
    let some = format!("{UNBALANCED} order by 1 limit {UNBALANCED_MAX}");
    let unbalanced = sqlx::query_scalar(&some).fetch_all(&mut *connection).await?;
    let last: i32 =
        sqlx::query_scalar("select coalesce(max(id), 0) from read.accounts").fetch_one(&mut *connection).await?;
    let drawn: Vec<(String, String, bool)> =
        sqlx::query_as(OF_THE_DRAWN).bind(last).bind(DRAWN).bind(LINES).fetch_all(connection).await?;
    let drawn_count = drawn.len();
    let unlike = drawn.into_iter().filter(|(_account, _currency, is_alike)| !is_alike);
    let unlike = unlike.map(|(account, currency, _is_alike)| format!("{account} in {currency}")).collect();
    Ok(Glance { unbalanced, drawn_count, unlike })
}
