//! Every question there is: its address, who may ask, what it may name, its answer.

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::Response,
    routing::get,
};
use domain::refusal::Rule;
use futures_util::future::BoxFuture;
use gate::{Call, Entrance, Parameter, Problem, Reply, Scope};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    analytics, diff, explain, ledger, merchants, orders, payments,
    query::{
        Reads, answer,
        filter::{Condition, uuid},
        resource::Resource,
        tenant::Tenant,
    },
    refunds, sagas, settlements,
};

/// One question. Every one is a GET.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// As axum writes it, with `{names}` for its parts.
    pub path: &'static str,
    /// Noun and verb: names the operation in the OpenAPI document.
    pub words: (&'static str, &'static str),
    pub summary: &'static str,
    pub scope: Scope,
    pub(crate) work: Work,
}

/// What answers it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    List(&'static Resource),
    /// The rows that belong to what the path names: by this column, read by this prefix.
    Within(&'static Resource, &'static str, &'static str),
    One(&'static Resource, Named),
    /// The payment of any number it has.
    Payment,
    Own(&'static Own),
}

/// Which row the path means, for this tenant. None: there can be none of that name.
pub(crate) type Named = fn(&Call, &Tenant) -> Result<Option<Uuid>, Problem>;

type Server = for<'c> fn(&'c Reads, &'c Call) -> BoxFuture<'c, Result<Reply, Problem>>;

/// A question that is no list and no row of a table.
#[derive(Debug)]
pub(crate) struct Own {
    pub(crate) parameters: fn() -> Vec<Parameter>,
    /// What stands as `data` in its answer.
    pub(crate) data: fn() -> Value,
    pub(crate) rules: fn() -> Vec<&'static Rule>,
    /// The media types it can be had in.
    pub(crate) content: &'static [&'static str],
    pub(crate) serve: Server,
}

const fn route(
    path: &'static str,
    words: (&'static str, &'static str),
    summary: &'static str,
    scope: Scope,
    work: Work,
) -> Route {
    Route { path, words, summary, scope, work }
}

/// The list. A new question is a line here and a resource beside its table.
pub const ROUTES: &[Route] = &[
    route(
        "/api/v1/payments",
        ("payment", "list"),
        "Payments, newest first",
        Scope::ReadPayments,
        Work::List(&payments::PAYMENTS),
    ),
    route(
        "/api/v1/payments/{payment_no}",
        ("payment", "show"),
        "One payment; by the number it had before it came here, too",
        Scope::ReadPayments,
        Work::Payment,
    ),
    route(
        "/api/v1/refunds",
        ("refund", "list"),
        "Refunds, newest first",
        Scope::ReadPayments,
        Work::List(&refunds::REFUNDS),
    ),
    route(
        "/api/v1/refunds/{refund_no}",
        ("refund", "show"),
        "One refund",
        Scope::ReadPayments,
        Work::One(&refunds::REFUNDS, |call, _tenant| Ok(uuid(call.path("refund_no"), "REF"))),
    ),
    route(
        "/api/v1/orders",
        ("order", "list"),
        "Orders, newest first",
        Scope::ReadPayments,
        Work::List(&orders::ORDERS),
    ),
    route(
        "/api/v1/orders/{order_no}",
        ("order", "show"),
        "One order; of which merchant and mode, a member of the house must say",
        Scope::ReadPayments,
        Work::One(&orders::ORDERS, orders::named),
    ),
    route(
        "/api/v1/settlements",
        ("settlement", "list"),
        "Settlements, newest first",
        Scope::ReadSettlements,
        Work::List(&settlements::SETTLEMENTS),
    ),
    route(
        "/api/v1/settlements/{settlement_no}",
        ("settlement", "show"),
        "One settlement",
        Scope::ReadSettlements,
        Work::One(&settlements::SETTLEMENTS, |call, _tenant| Ok(uuid(call.path("settlement_no"), "SET"))),
    ),
    route(
        "/api/v1/settlements/{settlement_no}/lines",
        ("settlement", "lines"),
        "What a settlement is made of",
        Scope::ReadSettlements,
        Work::Within(&settlements::LINES, "settlement_id", "SET"),
    ),
    route(
        "/api/v1/merchants",
        ("merchant", "list"),
        "Merchants; a merchant's key sees its own",
        Scope::ReadMerchants,
        Work::List(&merchants::resource::MERCHANTS),
    ),
    route(
        "/api/v1/merchants/{merchant_id}",
        ("merchant", "show"),
        "One merchant",
        Scope::ReadMerchants,
        Work::One(&merchants::resource::MERCHANTS, |call, _tenant| Ok(uuid(call.path("merchant_id"), "MER"))),
    ),
    route(
        "/api/v1/merchants/{merchant_id}/keys",
        ("key", "list"),
        "A merchant's API keys: never their secrets",
        Scope::ReadMerchants,
        Work::Within(&merchants::resource::API_KEYS, "merchant_id", "MER"),
    ),
    route(
        "/api/v1/sagas",
        ("saga", "list"),
        "What the processes are about, newest first",
        Scope::ReadSagas,
        Work::List(&sagas::SAGAS),
    ),
    route(
        "/api/v1/sagas/{saga_id}",
        ("saga", "show"),
        "One saga",
        Scope::ReadSagas,
        Work::One(&sagas::SAGAS, |call, _tenant| Ok(uuid(call.path("saga_id"), "SAG"))),
    ),
    route(
        "/api/v1/analytics",
        ("analytics", "show"),
        "Counts, amounts, rates and latencies by whatever they are grouped by",
        Scope::ReadAnalytics,
        Work::Own(&analytics::ANALYTICS),
    ),
    route(
        "/api/v1/ledger/balances",
        ("ledger", "balances"),
        "The trial balance: every account with its balance, as of any position or time",
        Scope::ReadLedger,
        Work::Own(&ledger::BALANCES),
    ),
    route(
        "/api/v1/ledger/general",
        ("ledger", "general"),
        "The general ledger: every account, line by line with the balance after each",
        Scope::ReadLedger,
        Work::Own(&ledger::GENERAL),
    ),
    route(
        "/api/v1/ledger/hledger",
        ("ledger", "hledger"),
        "The whole journal in hledger's words, with every balance asserted",
        Scope::ExportBooks,
        Work::Own(&ledger::HLEDGER),
    ),
    route(
        "/api/v1/ledger/accounts/{account}/lines",
        ("ledger", "lines"),
        "One account, line by line with the balance after each",
        Scope::ReadLedger,
        Work::Own(&ledger::LINES),
    ),
    route(
        "/api/v1/ledger/journal",
        ("ledger", "journal"),
        "Journal entries with their lines, in the order of the log",
        Scope::ReadLedger,
        Work::Own(&ledger::JOURNAL),
    ),
    route(
        "/api/v1/diff",
        ("books", "diff"),
        "What changed between two positions: accounts, entries, and what happened to every stream",
        Scope::ExportBooks,
        Work::Own(&diff::DIFF),
    ),
    route(
        "/api/v1/explain/entry/{position}",
        ("entry", "explain"),
        "Why a journal entry is there: event, command and caller, saga step, channel call, report",
        Scope::ReadProofs,
        Work::Own(&explain::ENTRY),
    ),
    route(
        "/api/v1/explain/payment/{payment_no}",
        ("payment", "explain"),
        "Why a payment stands as it does: every event of it with what it came of",
        Scope::ReadProofs,
        Work::Own(&explain::PAYMENT),
    ),
    route(
        "/api/v1/explain/balance/{account}",
        ("balance", "explain"),
        "Why a balance is what it is: its last lines, each with what it came of",
        Scope::ReadProofs,
        Work::Own(&explain::BALANCE),
    ),
    route(
        "/api/v1/ledger/late",
        ("ledger", "late"),
        "Journal entries that came after their month was closed, kept under a later one",
        Scope::ReadLedger,
        Work::Own(&ledger::LATE),
    ),
    route(
        "/api/v1/periods/{month}/restatement",
        ("period", "restatement"),
        "A month as it was reported and as it is known, account by account",
        Scope::ReadLedger,
        Work::Own(&ledger::RESTATEMENT),
    ),
    route(
        "/api/v1/periods/{month}/restatement/differences",
        ("period", "differences"),
        "What lies between a month as reported and as known: each line with its cause",
        Scope::ReadLedger,
        Work::Own(&ledger::DIFFERENCES),
    ),
    route(
        "/api/v1/periods",
        ("period", "list"),
        "Months closed and opened again, newest first",
        Scope::ExportBooks,
        Work::List(&ledger::CLOSES),
    ),
];

/// All of them, behind the gate.
pub fn router(reads: Reads) -> Router {
    ROUTES
        .iter()
        .fold(Router::new(), |router, route| {
            let serve = move |State(reads): State<Reads>, request: Request| enter(*route, reads, request);
            router.route(route.path, get(serve))
        })
        .with_state(reads)
}

async fn enter(route: Route, reads: Reads, request: Request) -> Response<Body> {
    let gate = reads.gate.clone();
    // A question has no body.
    let entrance = Entrance { scope: route.scope, body_max: 0, counted: None };
    gate.pass(entrance, request, move |call| async move { route.work.answer(&reads, &call).await }).await
}

impl Work {
    async fn answer(self, reads: &Reads, call: &Call) -> Result<Reply, Problem> {
        match self {
            Self::List(resource) => answer::list(reads, call, resource, None).await,
            Self::Within(resource, column, prefix) => {
                let (_name, text) = call.first_path().unwrap_or_default();
                let id = uuid(text, prefix).ok_or_else(|| Problem::turned_away((resource.absent)()))?;
                answer::list(reads, call, resource, Some(Condition::is(column, id))).await
            }
            Self::One(resource, named) => answer::one(reads, call, resource, |tenant| named(call, tenant)).await,
            Self::Payment => payments::show(reads, call).await,
            Self::Own(own) => (own.serve)(reads, call).await,
        }
    }
}
