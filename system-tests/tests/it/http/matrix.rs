//! Every route with every kind of caller: who may not, is told so, and nothing happens.

use command_api::{ROUTES, Route};
use gate::Scope;
use serde_json::Value;
use system_tests::branch::{Branch, Merchant, fresh};
use system_tests::client::{Answer, Caller, Request};

use super::{PAYMENTS, ask, assert_not_applied, payment};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Nobody,
    BadKey,
    Live,
    Test,
    Suspended,
    Closed,
    Stranger,
    Operator,
    Support,
    Analyst,
    Auditor,
}

struct Cast {
    branch: Branch,
    owner: Merchant,
    payment_no: String,
    callers: Vec<(Kind, Caller)>,
}

async fn cast() -> Cast {
    let branch = Branch::own(&[]).await.unwrap();
    let [owner, stranger, suspended, closed] = [
        branch.merchant().await.unwrap(),
        branch.merchant().await.unwrap(),
        branch.merchant().await.unwrap(),
        branch.merchant().await.unwrap(),
    ];
    for (merchant, end) in [(&suspended, "suspend"), (&closed, "close")] {
        let reason = serde_json::json!({ "reason": "a test" });
        branch.operate(&format!("/api/v1/merchants/{}/{end}", merchant.id), &reason).await.unwrap();
    }
    let started = ask(&mut branch.client(), &owner.test, PAYMENTS, "k", &payment("O-1")).await;
    let bad = Caller::Merchant { key_id: String::new(), api_key: "dbk_test_x".into(), signing_secret: "dbs_x".into() };
    let callers = vec![
        (Kind::Nobody, Caller::Nobody),
        (Kind::BadKey, bad),
        (Kind::Live, owner.live.clone()),
        (Kind::Test, owner.test.clone()),
        (Kind::Suspended, suspended.test.clone()),
        (Kind::Closed, closed.test.clone()),
        (Kind::Stranger, stranger.test.clone()),
        (Kind::Operator, branch.operator.clone()),
        (Kind::Support, branch.staff("support").unwrap()),
        (Kind::Analyst, branch.staff("analyst").unwrap()),
        (Kind::Auditor, branch.staff("auditor").unwrap()),
    ];
    Cast { payment_no: started.data("payment_no"), branch, owner, callers }
}

/// Said once more here, not asked of the gate: a change there must be a change here.
fn is_allowed(kind: Kind, scope: Scope) -> bool {
    match kind {
        Kind::Nobody | Kind::BadKey | Kind::Closed | Kind::Analyst | Kind::Auditor => false,
        Kind::Operator => true,
        Kind::Support => scope == Scope::DecideReviews,
        Kind::Live | Kind::Test | Kind::Suspended | Kind::Stranger => {
            matches!(scope, Scope::TakePayments | Scope::Refund | Scope::PlaceOrders | Scope::Settle)
        }
    }
}

impl Cast {
    /// The route's own example, about the owner's things, as this caller would send it.
    fn request(&self, route: &Route, kind: Kind) -> Request {
        let Caller::Merchant { key_id, .. } = &self.owner.test else { panic!("a merchant has keys") };
        let path = route
            .path
            .replace("{payment_no}", &self.payment_no)
            .replace("{merchant_id}", &self.owner.id)
            .replace("{order_no}", "O-1")
            .replace("{key_id}", key_id)
            .replace("{settlement_no}", "SET00000000000000000000000000000001")
            .replace("{adjustment_no}", "ADJ00000000000000000000000000000001")
            .replace("{month}", "2026-01");
        let (_schema, example) = route.body;
        let is_staff = matches!(kind, Kind::Operator | Kind::Support | Kind::Analyst | Kind::Auditor);
        let text = example()
            .to_string()
            .replace("PAY00000000000000000000000000000001", &self.payment_no)
            .replace("MER00000000000000000000000000000001", &self.owner.id);
        let mut body: Value = serde_json::from_str(&text).unwrap();
        if !is_staff {
            unnamed(&mut body);
        }
        Request::post(path, &body).keyed(fresh("matrix")).with("accept-language", "zh-CN, en;q=0.5")
    }

    async fn ask(&self, request: Request, caller: &Caller) -> Answer {
        let answer = self.branch.client().send(&request.by(caller)).await.unwrap();
        let told = answer.json();
        let sentence = told["detail"].as_str().or(told["message"].as_str()).unwrap_or_default();
        assert!(sentence.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "not in Chinese: {answer:?}");
        answer
    }

    async fn head(&self) -> i64 {
        let mut log = self.branch.ledger.superuser().await.unwrap();
        sqlx::query_scalar("select count(*) from log.events").fetch_one(&mut log).await.unwrap()
    }
}

/// A merchant's key says by itself whose it is and in which mode.
fn unnamed(body: &mut Value) {
    if let Some(object) = body.as_object_mut() {
        // The routes about merchants and keys have `livemode` as their matter.
        if object.remove("merchant_id").is_some() {
            object.remove("livemode");
        }
        for list in object.values_mut().filter_map(Value::as_array_mut) {
            list.iter_mut().for_each(unnamed);
        }
    }
}

fn refusal(kind: Kind) -> &'static str {
    match kind {
        Kind::Nobody => "401 credentials_missing",
        Kind::BadKey => "401 credentials_invalid",
        Kind::Closed => "403 account_closed",
        Kind::Live
        | Kind::Test
        | Kind::Suspended
        | Kind::Stranger
        | Kind::Operator
        | Kind::Support
        | Kind::Analyst
        | Kind::Auditor => "403 scope_missing",
    }
}

// covers G1, G2
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_lets_in_whom_its_scope_names_and_nobody_else() {
    let cast = cast().await;
    let mut met = 0;
    for route in ROUTES {
        for (kind, caller) in &cast.callers {
            let what = format!("{kind:?} {}", route.path);
            let request = cast.request(route, *kind);
            met += 1;
            if !is_allowed(*kind, route.entrance.scope) {
                let before = cast.head().await;
                let answer = cast.ask(request, caller).await;
                assert_eq!(answer.verdict(), refusal(*kind), "{what}");
                assert_not_applied(&answer, &what);
                assert_eq!(cast.head().await, before, "{what} left an event");
                continue;
            }
            let dry = Request { path: format!("{}?dry_run=true", request.path), ..request };
            let answer = cast.ask(dry, caller).await;
            let is_elsewhere = [Kind::Stranger, Kind::Suspended, Kind::Live].contains(kind);
            let inside = if *kind == Kind::Suspended && route.path == PAYMENTS {
                answer.verdict() == "403 merchant_not_active"
            } else if is_elsewhere && names_a_payment(route) {
                answer.status == 404
            } else {
                ![401, 403].contains(&answer.status) && answer.status < 500
            };
            assert!(inside, "{what}: {} {}", answer.status, answer.body);
        }
    }
    assert_eq!(met, ROUTES.len() * 11);
}

/// By its path or in its body: what is another's is absent.
fn names_a_payment(route: &Route) -> bool {
    let (_schema, example) = route.body;
    route.path.contains("{payment_no}") || example().get("payment_no").is_some()
}
