//! Every question with every kind of caller: nobody sees what is another's.

use gate::Scope;
use projections::{ROUTES, Route};
use serde_json::json;
use system_tests::branch::{Branch, Merchant, fresh};
use system_tests::client::{Answer, Caller, Client, Request};

use super::{caught_up, get, pay, post};
use crate::http::captured::captured;

const NOTHING: &str = "00000000000000000000000000000007";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Nobody,
    BadKey,
    Owner,
    OwnerLive,
    Stranger,
    StrangerLive,
    Operator,
    Support,
    Analyst,
    Auditor,
}

/// What an owner has in test mode, and how it is named.
struct Things {
    merchant: Merchant,
    payment_no: String,
    refund_no: String,
    order_no: String,
    settlement_no: String,
    /// Where the payment was captured.
    captured: i64,
}

async fn things(branch: &Branch, client: &mut Client) -> Things {
    let merchant = branch.merchant().await.unwrap();
    let order_no = fresh("isolated");
    let payment_no = captured(branch, &merchant, &order_no).await;
    let (_other, _position) =
        pay(client, &merchant.test, &fresh("isolated"), json!({ "customer_email": "ann@example.com" })).await;
    let refund = json!({ "payment_no": payment_no, "amount": 10, "reason": "returned" });
    let refund_no = post(client, &merchant.test, "/api/v1/refunds", &refund).await.data("refund_no");
    let order = json!({ "order_no": order_no, "currency": "USD", "total": 5,
                        "items": [{ "name": "x", "quantity": 1, "unit_price": 5 }] });
    post(client, &merchant.test, "/api/v1/orders", &order).await;
    let period = json!({ "currency": "USD", "from": "2026-01-01", "until": "2026-01-31" });
    let settlement_no = post(client, &merchant.test, "/api/v1/settlements", &period).await.data("settlement_no");
    let mut log = branch.ledger.superuser().await.unwrap();
    let captured = "select position from log.events where aggregate_id = $1 and event_type = 'captured'";
    let captured = sqlx::query_scalar(captured).bind(&payment_no).fetch_one(&mut log).await.unwrap();
    Things { merchant, payment_no, refund_no, order_no, settlement_no, captured }
}

impl Things {
    /// The route's address, about these things; or about none.
    fn path(&self, route: &Route) -> String {
        route
            .path
            .replace("{payment_no}", &self.payment_no)
            .replace("{refund_no}", &self.refund_no)
            .replace("{order_no}", &self.order_no)
            .replace("{settlement_no}", &self.settlement_no)
            .replace("{account}", &format!("merchant:{}:pending", self.merchant.id))
            .replace("{merchant_id}", &self.merchant.id)
            .replace("{position}", &self.captured.to_string())
            .replace("{saga_id}", &format!("SAG{NOTHING}"))
            .replace("{month}", "2026-01")
    }

    /// None of these may stand in an answer to somebody else.
    fn names(&self) -> Vec<String> {
        let Caller::Merchant { key_id, .. } = &self.merchant.test else { panic!("a merchant has keys") };
        let names = [&self.payment_no, &self.refund_no, &self.order_no, &self.settlement_no, &self.merchant.id, key_id];
        names.into_iter().cloned().collect()
    }
}

fn of_nothing(route: &Route) -> String {
    [
        "payment_no:PAY",
        "refund_no:REF",
        "settlement_no:SET",
        "merchant_id:MER",
        "saga_id:SAG",
        "order_no:none",
        "account:bank",
        "position:9",
    ]
    .iter()
    .filter_map(|pair| pair.split_once(':'))
    .fold(route.path.to_owned(), |path, (name, prefix)| {
        path.replace(&format!("{{{name}}}"), &format!("{prefix}{NOTHING}"))
    })
}

/// Said once more here, not asked of the gate: a change there must be a change here.
fn is_allowed(kind: Kind, scope: Scope) -> bool {
    match kind {
        Kind::Nobody | Kind::BadKey => false,
        Kind::Operator | Kind::Auditor => true,
        Kind::Support => {
            !matches!(scope, Scope::ReadAnalytics | Scope::ReadLedger | Scope::ExportBooks | Scope::ReadProofs)
        }
        Kind::Analyst => !matches!(scope, Scope::ReadSagas | Scope::ExportBooks | Scope::ReadProofs),
        Kind::Owner | Kind::OwnerLive | Kind::Stranger | Kind::StrangerLive => {
            !matches!(scope, Scope::ReadSagas | Scope::ExportBooks)
        }
    }
}

/// The answer without what names the request and what moves with the log.
fn shape(answer: &Answer) -> String {
    let mut body = answer.json();
    for name in ["request_id", "trace_id", "instance"] {
        body[name] = "".into();
    }
    body["meta"] = "".into();
    let moves =
        ["x-request-id", "x-trace-id", "daybook-position", "daybook-lag", "ratelimit", "date", "content-length"];
    let headers: Vec<String> = answer
        .headers
        .iter()
        .map(|(name, value)| if moves.contains(&name.as_str()) { name.clone() } else { format!("{name}: {value}") })
        .collect();
    format!("{} {body} {headers:?}", answer.status)
}

/// A member of the house must say of which merchant an order is.
fn named(path: String, route: &Route, kind: Kind, merchant: &Merchant) -> String {
    let is_staff = matches!(kind, Kind::Operator | Kind::Support | Kind::Analyst | Kind::Auditor);
    let needs = is_staff && route.path.contains("{order_no}");
    if needs { format!("{path}?merchant_id={}&livemode=false", merchant.id) } else { path }
}

// covers G1, G2, G8, I27
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_question_is_answered_for_its_own_tenant_alone() {
    let branch = Branch::own(&[]).await.unwrap();
    let mut client = branch.client();
    let owned = things(&branch, &mut client).await;
    let stranger = things(&branch, &mut client).await;
    let lists: Vec<&str> = ROUTES.iter().map(|route| route.path).filter(|path| !path.contains('{')).collect();
    caught_up(&branch, &mut client, &lists).await;
    let bad = Caller::Merchant { key_id: String::new(), api_key: "dbk_test_x".into(), signing_secret: "dbs_x".into() };
    let callers = [
        (Kind::Nobody, Caller::Nobody),
        (Kind::BadKey, bad),
        (Kind::Owner, owned.merchant.test.clone()),
        (Kind::OwnerLive, owned.merchant.live.clone()),
        (Kind::Stranger, stranger.merchant.test.clone()),
        (Kind::StrangerLive, stranger.merchant.live.clone()),
        (Kind::Operator, branch.operator.clone()),
        (Kind::Support, branch.staff("support").unwrap()),
        (Kind::Analyst, branch.staff("analyst").unwrap()),
        (Kind::Auditor, branch.staff("auditor").unwrap()),
    ];
    let mut met = 0;
    for route in ROUTES {
        for (kind, caller) in &callers {
            met += 1;
            let what = format!("{kind:?} {}", route.path);
            let path = named(owned.path(route), route, *kind, &owned.merchant);
            let answer = client.send(&Request::get(path).by(caller)).await.unwrap();
            if !is_allowed(*kind, route.scope) {
                let refused = match kind {
                    Kind::Nobody => "401 credentials_missing",
                    Kind::BadKey => "401 credentials_invalid",
                    Kind::Owner | Kind::OwnerLive | Kind::Stranger | Kind::StrangerLive => "403 scope_missing",
                    Kind::Operator | Kind::Support | Kind::Analyst | Kind::Auditor => "403 scope_missing",
                };
                assert_eq!(answer.verdict(), refused, "{what}");
                continue;
            }
            look(&mut client, route, *kind, caller, &owned, &answer, &what).await;
        }
    }
    assert_eq!(met, ROUTES.len() * callers.len());
}

async fn look(
    client: &mut Client,
    route: &Route,
    kind: Kind,
    caller: &Caller,
    owned: &Things,
    answer: &Answer,
    what: &str,
) {
    let is_of_tenants = route.scope != Scope::ReadSagas;
    let in_both_modes = route.scope == Scope::ReadMerchants;
    let sees = match kind {
        Kind::Stranger | Kind::StrangerLive => false,
        Kind::OwnerLive => in_both_modes,
        Kind::Nobody | Kind::BadKey | Kind::Owner => true,
        Kind::Operator | Kind::Support | Kind::Analyst | Kind::Auditor => true,
    };
    if sees {
        let found = answer.status == 200 || !is_of_tenants;
        assert!(found, "{what}: {answer:?}");
        // Of these things none is late: audit/periods.rs looks at those that are.
        let of_months = route.path.starts_with("/api/v1/periods") || route.path.ends_with("/late");
        let about_them =
            route.path != "/api/v1/analytics" && is_of_tenants && !route.path.ends_with("/lines") && !of_months;
        let names_them = owned.names().iter().any(|name| answer.body.contains(name));
        assert!(names_them || !about_them, "{what} does not show what is there: {answer:?}");
        return;
    }
    for name in owned.names() {
        let asked = answer.json()["instance"].as_str().is_some_and(|path| path.contains(&name));
        assert!(asked || !answer.body.contains(&name), "{what} shows {name}: {answer:?}");
    }
    // A month is nobody's.
    if route.path.contains('{') && !route.path.contains("{month}") {
        let nothing = get(client, caller, &of_nothing(route)).await;
        assert_eq!(shape(answer), shape(&nothing), "{what}: what is another's can be told from nothing");
    }
    if route.path == "/api/v1/analytics" {
        let own = ["payments_count", "attempts_count"];
        let groups = answer.json()["data"]["groups"].as_array().cloned().unwrap_or_default();
        let of_live = groups.iter().filter(|group| group["livemode"] == true).count();
        assert_eq!(if kind == Kind::Stranger { of_live } else { groups.len() }, 0, "{what}: {own:?} {groups:?}");
    }
}

// covers G1, G3
#[tokio::test]
async fn a_merchant_cannot_name_another_or_the_other_mode() {
    let (branch, owner, mut client) = super::guest().await;
    let stranger = branch.merchant().await.unwrap();
    let is_of_the_house = |scope| matches!(scope, Scope::ReadSagas | Scope::ExportBooks);
    for route in ROUTES.iter().filter(|route| !route.path.contains('{') && !is_of_the_house(route.scope)) {
        let mut names = vec![format!("merchant_id={}", owner.id)];
        if route.scope != Scope::ReadMerchants {
            names.push("livemode=true".to_owned());
        }
        for name in names {
            let answer = get(&mut client, &stranger.test, &format!("{}?{name}", route.path)).await;
            assert_eq!(answer.verdict(), "422 merchant_id_differs", "{} {name}", route.path);
        }
        let own = format!("{}?merchant_id={}", route.path, stranger.id);
        assert_eq!(get(&mut client, &stranger.test, &own).await.status, 200, "{}", route.path);
    }
}

// covers G6
#[tokio::test]
async fn a_question_is_signed_with_its_query() {
    let (_branch, merchant, mut client) = super::guest().await;
    let signed = Request::get("/api/v1/payments?limit=1").by(&merchant.test);
    assert_eq!(client.send(&signed).await.unwrap().status, 200);
    let altered = Request { path: "/api/v1/payments?limit=2".to_owned(), ..signed.clone() };
    assert_eq!(client.send(&altered).await.unwrap().verdict(), "401 signature_invalid");
    let unsigned = signed.without("x-signature");
    assert_eq!(client.send(&unsigned).await.unwrap().verdict(), "401 signature_missing");
    let body = Request { body: b"{}".to_vec(), ..Request::get("/api/v1/payments") }.by(&merchant.test);
    assert_eq!(client.send(&body).await.unwrap().verdict(), "413 body_too_large");
}
