//! The risk check at work: exact counts, the rules of the moment, replayed alike.

use std::time::Duration;

use channels::sandbox::FaultPlan;
use serde_json::{Value, json};
use sqlx::PgConnection;
use system_tests::branch::{Branch, Merchant, fresh};
use system_tests::client::{Client, Request};
use system_tests::say::say;
use system_tests::server::{Server, daybook};

use super::holding::all_holds;
use super::looking::{until, until_told};
use super::{Outside, PAYMENTS, REACTING, merchant, pay, post, status, until_all, until_sql};

const DECIDED: &str = "select count(*) from log.events where aggregate_id = $1 \
                       and event_type in ('risk_approved', 'risk_rejected')";
const SOON: Duration = Duration::from_secs(40);

/// Rules of the test with those that every rule set must have.
fn rules(more: Value) -> Value {
    let mut all = vec![
        json!({ "id": "blocklist", "score": 100, "when": "blocked" }),
        json!({ "id": "allowlist", "score": 0, "when": "allowed" }),
        json!({ "id": "daily_limit", "score": 100, "when": { "limit_exceeded": { "period": "day" } } }),
    ];
    all.extend(more.as_array().unwrap().clone());
    json!({ "format": 1, "review_at": 50, "reject_at": 90, "rules": all })
}

fn card_many(count: u32) -> Value {
    let counted = json!({ "count_above": { "per": "card_token", "window": "1h", "count": count } });
    rules(json!([{ "id": "card_many", "score": 100, "when": counted }]))
}

async fn publish(branch: &Branch, rules: &Value) {
    let body = json!({ "rules": rules, "livemode": false, "reason": "a test" });
    branch.operate("/api/v1/risk/rules", &body).await.unwrap();
}

async fn list(branch: &Branch, what: &str, entry: Value) -> Value {
    let body = json!({ "entry": entry, "livemode": false, "reason": "a test" });
    branch.operate(&format!("/api/v1/risk/{what}"), &body).await.unwrap().json()
}

/// What the last assessment of a payment in the log says.
async fn assessment(log: &mut PgConnection, payment: &str) -> Value {
    let told = "select (payload -> event_type -> 'assessment')::text from log.events where aggregate_id = $1 \
                and event_type in ('risk_approved', 'risk_rejected', 'review_requested') order by position desc limit 1";
    let told: String = sqlx::query_scalar(told).bind(payment).fetch_one(log).await.unwrap();
    serde_json::from_str(&told).unwrap()
}

/// How each of these payments was decided, in the order they came into the log.
async fn decisions(log: &mut PgConnection, payments: &[String]) -> Vec<String> {
    let told = "select d.payload -> d.event_type -> 'assessment' ->> 'decision' from log.events i \
                join log.events d on d.aggregate_type = 'payment' and d.aggregate_id = i.aggregate_id \
                and d.event_type in ('risk_approved', 'risk_rejected', 'review_requested') \
                where i.event_type = 'initiated' and i.aggregate_id = any($1) order by i.position";
    sqlx::query_scalar(told).bind(payments).fetch_all(log).await.unwrap()
}

/// Many payments by one card, asked for at once.
async fn bulk(client: &mut Client, merchant: &Merchant, card: &str, count: usize) -> Vec<String> {
    let item = |_n| {
        let order_no = fresh("risky");
        json!({ "order_no": order_no, "amount": 10_000, "currency": "USD", "channel": "stripe", "pay_method": card,
                "idempotency_key": order_no })
    };
    let body = json!({ "payments": (0..count).map(item).collect::<Vec<_>>() });
    let request = Request::post("/api/v1/payments/bulk", &body).by(&merchant.test);
    let told = client.send(&request).await.unwrap().json();
    let items = told["data"]["items"].as_array().unwrap().clone();
    items.iter().map(|item| item["answer"]["data"]["payment_no"].as_str().unwrap().to_owned()).collect()
}

/// What `daybook risk …` says on this ledger.
fn risk(branch: &Branch, words: &[&str]) -> String {
    let mut command = daybook().unwrap();
    command.arg("risk").args(words).env("DATABASE_URL", branch.ledger.superuser_url());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn replayed(branch: &Branch, rules: Option<&Value>) -> Value {
    let words = ["replay", "--since", "2000-01-01", "--livemode", "false", "--format", "json"];
    let Some(rules) = rules else { return serde_json::from_str(&risk(branch, &words)).unwrap() };
    let file = std::env::temp_dir().join(format!("{}.json", fresh("daybook-rules")));
    std::fs::write(&file, rules.to_string()).unwrap();
    let told = risk(branch, &[&words[..], &["--rules", file.to_str().unwrap()]].concat());
    std::fs::remove_file(file).unwrap();
    serde_json::from_str(&told).unwrap()
}

/// The head of the log, and everything in the counters.
async fn whole(log: &mut PgConnection) -> (i64, Option<String>) {
    let read = "select (select max(position) from log.events), \
                (select string_agg(subject || counted::text, ' ' order by subject) from work.risk_counters)";
    sqlx::query_as(read).fetch_one(log).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn velocity_refuses_the_payment_beyond_also_after_a_kill_and_a_replay_says_the_same() {
    // It outlives the server that is killed.
    let outside = Outside::new(FaultPlan::default()).await;
    let mut branch = Branch::own(&outside.environment()).await.unwrap();
    let (merchant, mut client) = merchant(&branch).await;
    let mut log = branch.ledger.superuser().await.unwrap();
    publish(&branch, &card_many(3)).await;

    // All at once: the first three in the log pass, and no other.
    let together = bulk(&mut client, &merchant, "pm_card_at_once", 10).await;
    for payment in &together {
        until(&mut log, DECIDED, payment, 1).await;
    }
    let told = decisions(&mut log, &together).await;
    assert_eq!(told.iter().map(String::as_str).collect::<Vec<_>>(), [vec!["approve"; 3], vec!["reject"; 7]].concat());

    // One by one, and the server is killed before the last.
    let mut one_by_one = Vec::new();
    for _n in 0..3 {
        let paid = pay(&mut client, &merchant.test, "pm_card_slow", json!({})).await;
        until_all(&mut client, &merchant.test, &[(paid.clone(), "success")], SOON).await;
        one_by_one.push(paid);
    }
    branch.server.signal("KILL").unwrap();
    branch.server.wait().unwrap();
    branch.server = Server::start(branch.ledger.superuser_url(), &outside.environment()).await.unwrap();
    let mut client = branch.client();
    let refused = pay(&mut client, &merchant.test, "pm_card_slow", json!({})).await;
    let other = pay(&mut client, &merchant.test, "pm_card_other", json!({})).await;
    let ends = [(refused.clone(), "failed"), (other, "success")];
    until_all(&mut client, &merchant.test, &ends, SOON).await;
    let why = assessment(&mut log, &refused).await;
    assert_eq!(
        (&why["reasons"], &why["rules_version"], &why["score"]),
        (&json!(["card_many"]), &json!(1), &json!(100))
    );

    // The card is nowhere but in the name of the method, which the merchant gave: the counters have its index.
    let rows: i64 = sqlx::query_scalar("select count(*) from work.risk_counters where subject like 'test card %'")
        .fetch_one(&mut log)
        .await
        .unwrap();
    assert_eq!(rows, 3);

    // A replay by the rules of then moves nothing, by others what they would; and it writes nothing.
    until_sql(&branch, super::DUE, 0, SOON).await;
    let before = whole(&mut log).await;
    let again = replayed(&branch, None);
    assert_eq!((&again["decisions"], &again["moved"]), (&json!(15), &json!(0)), "{again:#}");
    let looser = replayed(&branch, Some(&card_many(5)));
    assert_eq!(looser["moved"], 3, "{looser:#}");
    let moved = looser["moves"].as_array().unwrap().iter().find(|moved| moved["before"] != moved["after"]).unwrap();
    assert_eq!((&moved["before"], &moved["after"], &moved["count"]), (&json!("reject"), &json!("approve"), &json!(3)));
    assert_eq!(moved["examples"].as_array().unwrap().len(), 3);
    let stricter = replayed(&branch, Some(&card_many(0)));
    assert_eq!(stricter["moved"], 7, "{stricter:#}");
    assert_eq!(whole(&mut log).await, before);
    all_holds(&branch, Some(&outside)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_left_undecided_is_decided_as_of_when_it_began() {
    let mut branch = Branch::own(&[]).await.unwrap();
    let (merchant, mut client) = merchant(&branch).await;
    let mut log = branch.ledger.superuser().await.unwrap();
    publish(&branch, &card_many(4)).await;
    // Nobody decides yet: all of them are counted before the first is looked at.
    let together = bulk(&mut client, &merchant, "pm_card_backlog", 9).await;
    // One server counts and decides nothing, and is killed; the next has only the table, which is ahead of them all.
    let park = "insert into log.followers (name, parked_reason, parked_at) values ('processes', 'a test', now())";
    sqlx::query(park).execute(&mut log).await.unwrap();
    let counting = Server::start(branch.ledger.superuser_url(), &REACTING).await.unwrap();
    let counted = "select (position >= (select max(position) from log.events))::int::bigint from log.followers \
                   where name = 'risk_counters'";
    until_sql(&branch, counted, 1, SOON).await;
    drop(counting);
    let unpark = "update log.followers set parked_reason = null, parked_at = null where name = 'processes'";
    sqlx::query(unpark).execute(&mut log).await.unwrap();
    branch.server = Server::start(branch.ledger.superuser_url(), &REACTING).await.unwrap();
    for payment in &together {
        until(&mut log, DECIDED, payment, 1).await;
    }
    let told = decisions(&mut log, &together).await;
    assert_eq!(told.iter().map(String::as_str).collect::<Vec<_>>(), [vec!["approve"; 4], vec!["reject"; 5]].concat());
    all_holds(&branch, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_blocked_is_refused_from_the_next_payment_on() {
    let countries = std::env::temp_dir().join(fresh("daybook-countries"));
    std::fs::write(&countries, "network,country\n198.51.100.0/24,AQ\n192.0.2.0/24,DE\n").unwrap();
    let file = countries.to_str().unwrap().to_owned();
    let environment = [REACTING[0], ("DAYBOOK_COUNTRIES_FILE", &file)];
    let branch = Branch::own(&environment).await.unwrap();
    let (merchant, mut client) = merchant(&branch).await;
    let mut log = branch.ledger.superuser().await.unwrap();
    let abroad = json!({ "country_mismatch": { "one": "ip", "other": "card" } });
    publish(&branch, &rules(json!([{ "id": "card_abroad", "score": 60, "when": abroad }]))).await;
    let from = |address: &str, card: &str| json!({ "customer_ip": address, "card_country": card });
    let visa = "pm_sandbox_visa";

    let first = pay(&mut client, &merchant.test, visa, from("192.0.2.7", "DE")).await;
    until_all(&mut client, &merchant.test, &[(first.clone(), "success")], SOON).await;
    let listed = list(&branch, "blocklist", json!({ "ip": "192.0.2.0/24" })).await;
    assert_eq!((&listed["data"]["blocked"], &listed["data"]["rules_version"]), (&json!(true), &json!(1)));
    list(&branch, "blocklist", json!({ "country": "AQ" })).await;
    let blocked = pay(&mut client, &merchant.test, visa, from("192.0.2.7", "DE")).await;
    let elsewhere = pay(&mut client, &merchant.test, visa, from("203.0.113.7", "DE")).await;
    let country = pay(&mut client, &merchant.test, visa, from("198.51.100.9", "DE")).await;
    let ends = [(blocked.clone(), "failed"), (elsewhere, "success"), (country.clone(), "failed")];
    until_all(&mut client, &merchant.test, &ends, SOON).await;
    assert_eq!(assessment(&mut log, &blocked).await["reasons"], json!(["blocklist"]));
    assert_eq!(assessment(&mut log, &country).await["reasons"], json!(["blocklist", "card_abroad"]));

    list(&branch, "blocklist/remove", json!({ "ip": "192.0.2.0/24" })).await;
    let free = pay(&mut client, &merchant.test, visa, from("192.0.2.7", "DE")).await;
    let foreign = pay(&mut client, &merchant.test, visa, from("192.0.2.7", "FR")).await;
    let ends = [(free, "success"), (foreign.clone(), "requires_review")];
    until_all(&mut client, &merchant.test, &ends, SOON).await;
    assert_eq!(assessment(&mut log, &foreign).await["reasons"], json!(["card_abroad"]));

    // No address stands in the log but what operators typed, and none in the counters.
    let told = "select count(*) from log.events where payload::text ~ '192[.]0[.]2[.]7|198[.]51[.]100[.]9'";
    until_sql(&branch, told, 0, SOON).await;
    until_sql(&branch, "select count(*) from work.risk_counters where subject ~ '[.]'", 0, SOON).await;
    let shown: Value = serde_json::from_str(&risk(&branch, &["show", "--livemode", "false"])).unwrap();
    assert_eq!(shown["blocklist"], json!([{ "country": "AQ" }]));
    assert_eq!(shown["rules_version"], 1);
    let shown: Value = serde_json::from_str(&risk(&branch, &["show", "--payment", &blocked])).unwrap();
    assert!(shown["entries"].as_array().unwrap().contains(&json!({ "ip": "192.0.2.0/24" })), "{shown:#}");
    std::fs::remove_file(countries).unwrap();
    all_holds(&branch, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_tells_the_address_only_where_its_proxy_is_named() {
    let trusting = [REACTING[0], ("DAYBOOK_TRUSTED_PROXIES", "127.0.0.0/8,10.0.0.0/8")];
    for (environment, ends) in [(&trusting[..], "failed"), (&REACTING[..], "success")] {
        let branch = Branch::own(environment).await.unwrap();
        let (merchant, mut client) = merchant(&branch).await;
        list(&branch, "blocklist", json!({ "ip": "203.0.113.0/24" })).await;
        let order_no = fresh("forwarded");
        let body = json!({ "order_no": order_no, "amount": 10_000, "currency": "USD", "channel": "stripe" });
        let request = Request::post(PAYMENTS, &body).keyed(order_no).by(&merchant.test);
        let request = request.with("x-forwarded-for", "192.0.2.1, 203.0.113.5, 10.1.2.3");
        let payment = client.send(&request).await.unwrap().data("payment_no");
        until_all(&mut client, &merchant.test, &[(payment, ends)], SOON).await;
        all_holds(&branch, None).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daily_limit_holds_and_what_was_not_paid_takes_nothing_of_it() {
    let branch = Branch::own(&REACTING).await.unwrap();
    let (merchant, mut client) = merchant(&branch).await;
    let mut log = branch.ledger.superuser().await.unwrap();
    let limits = json!({ "currency": "USD", "per_day": 25_000 });
    branch.operate(&format!("/api/v1/merchants/{}/limits", merchant.id), &limits).await.unwrap();
    let mut told = Vec::new();
    for (method, ends) in [
        ("pm_sandbox_declined", "failed"),
        ("pm_sandbox_visa", "success"),
        ("pm_sandbox_blocked_by_risk", "failed"),
        ("pm_sandbox_visa", "success"),
        ("pm_sandbox_visa", "failed"),
        ("pm_sandbox_visa", "failed"),
    ] {
        let payment = pay(&mut client, &merchant.test, method, json!({})).await;
        until_all(&mut client, &merchant.test, &[(payment.clone(), ends)], SOON).await;
        told.push(assessment(&mut log, &payment).await["reasons"].clone());
    }
    let limit = json!(["daily_limit"]);
    assert_eq!(told, [json!([]), json!([]), json!(["sandbox_reject"]), json!([]), limit.clone(), limit]);
    // What is left of the day is still to be had.
    let small = json!({ "amount": 5_000 });
    let payment = pay(&mut client, &merchant.test, "pm_sandbox_visa", small).await;
    until_all(&mut client, &merchant.test, &[(payment, "success")], SOON).await;
    until_sql(&branch, super::DUE, 0, SOON).await;
    let again = replayed(&branch, None);
    assert_eq!((&again["decisions"], &again["moved"]), (&json!(7), &json!(0)), "{again:#}");
    all_holds(&branch, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_review_nobody_decides_ends_as_the_rules_say() {
    let branch = Branch::own(&REACTING).await.unwrap();
    let (merchant, mut client) = merchant(&branch).await;
    let mut log = branch.ledger.superuser().await.unwrap();
    let token = json!({ "method_token": { "tokens": ["pm_sandbox_elevated_risk"] } });
    let reviewing = |then: &str| {
        let mut rules = rules(json!([{ "id": "watched", "score": 60, "when": token }]));
        rules["review"] = json!({ "within_seconds": 1, "then": then });
        rules
    };
    publish(&branch, &reviewing("reject")).await;
    let lapsed = pay(&mut client, &merchant.test, "pm_sandbox_elevated_risk", json!({})).await;
    until_told(&mut log, &lapsed, "review_requested", 1).await;
    until_told(&mut log, &lapsed, "review_lapsed", 1).await;
    until_all(&mut client, &merchant.test, &[(lapsed.clone(), "failed")], SOON).await;
    let approve = |payment: &str| {
        let request = Request::post(format!("/api/v1/reviews/{payment}/approve"), &json!({ "reason": "known to us" }));
        request.keyed(fresh("review")).by(&branch.operator)
    };
    let late = client.send(&approve(&lapsed)).await.unwrap();
    assert_eq!(late.verdict(), "409 review_already_decided", "{late:?}");

    publish(&branch, &reviewing("call_somebody")).await;
    let waiting = pay(&mut client, &merchant.test, "pm_sandbox_elevated_risk", json!({})).await;
    let called = "select count(*) from log.events s join log.events n on n.aggregate_id = s.aggregate_id \
                  and n.event_type = 'attention_needed' where s.event_type = 'started' \
                  and s.payload -> 'started' ->> 'business_id' = $1";
    until(&mut log, called, &waiting, 1).await;
    assert_eq!(status(&mut client, &merchant.test, &waiting).await, "requires_review");
    assert_eq!(client.send(&approve(&waiting)).await.unwrap().status, 200);
    until_all(&mut client, &merchant.test, &[(waiting.clone(), "success")], SOON).await;
    assert_eq!(assessment(&mut log, &waiting).await["rules_version"], 2);
    all_holds(&branch, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_counters_stand_still_a_person_reviews_what_they_would_decide() {
    let branch = Branch::own(&REACTING).await.unwrap();
    let (merchant, mut client) = merchant(&branch).await;
    let mut log = branch.ledger.superuser().await.unwrap();
    publish(&branch, &card_many(3)).await;
    let first = pay(&mut client, &merchant.test, "pm_card_1", json!({})).await;
    until_all(&mut client, &merchant.test, &[(first, "success")], SOON).await;
    let park = "update log.followers set parked_reason = 'a test', parked_at = now() where name = 'risk_counters'";
    sqlx::query(park).execute(&mut log).await.unwrap();
    let counted = pay(&mut client, &merchant.test, "pm_card_1", json!({})).await;
    // No rule looks at a counter of what has no card.
    let other = pay(&mut client, &merchant.test, "pm_sandbox_visa", json!({})).await;
    until_all(&mut client, &merchant.test, &[(other, "success")], SOON).await;
    until_all(&mut client, &merchant.test, &[(counted.clone(), "requires_review")], 3 * SOON).await;
    assert_eq!(assessment(&mut log, &counted).await["reasons"], json!(["counters_unavailable"]));
    let unpark = "update log.followers set parked_reason = null, parked_at = null where name = 'risk_counters'";
    sqlx::query(unpark).execute(&mut log).await.unwrap();
    let third = pay(&mut client, &merchant.test, "pm_card_1", json!({})).await;
    let beyond = pay(&mut client, &merchant.test, "pm_card_1", json!({})).await;
    until_all(&mut client, &merchant.test, &[(third, "success"), (beyond, "failed")], SOON).await;
    all_holds(&branch, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_are_published_by_operators_once_and_a_dry_run_changes_nothing() {
    let branch = Branch::own(&REACTING).await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    let mut client = branch.client();
    let body = json!({ "rules": card_many(3), "livemode": false, "reason": "a test" });
    let path = "/api/v1/risk/rules";
    let rehearsed = Request::post(format!("{path}?dry_run=true"), &body).by(&branch.operator);
    let told = client.send(&rehearsed).await.unwrap().json();
    assert_eq!(told["data"]["events"][0]["event_type"], "published", "{told:#}");
    let ask = |key: &str| Request::post(path, &body).keyed(key);
    let first = post(&mut client, &branch.operator, path, "one", &body).await;
    assert_eq!(first.json()["data"]["rules_version"], 1);
    let again = client.send(&ask("one").by(&branch.operator)).await.unwrap();
    assert_eq!((again.header("idempotency-replayed"), &again.body), (Some("true"), &first.body));
    let of_merchant = client.send(&ask("two").by(&merchant.test)).await.unwrap();
    assert_eq!(of_merchant.verdict(), "403 scope_missing");
    for (entry, verdict) in [
        (json!({ "ip": "16.0.0.0/4" }), "422 network_too_wide"),
        (json!({ "country": "XX" }), "422 country_unknown"),
        (json!({ "customer": "ann@example.com" }), "422 id_malformed"),
    ] {
        let body = json!({ "entry": entry, "livemode": false, "reason": "a test" });
        let request = Request::post("/api/v1/risk/blocklist", &body).keyed(fresh("block")).by(&branch.operator);
        let refused = client.send(&request).await.unwrap();
        let code = refused.json()["errors"][0]["code"].as_str().unwrap().to_owned();
        assert!(refused.status >= 400 && verdict.ends_with(&code), "{verdict}: {refused:?}");
    }
    let mut passed_over = card_many(3);
    passed_over["rules"].as_array_mut().unwrap().remove(0);
    let body = json!({ "rules": passed_over, "livemode": false, "reason": "a test" });
    let refused = client.send(&Request::post(path, &body).keyed("three").by(&branch.operator)).await.unwrap();
    assert_eq!(refused.verdict(), "422 lists_passed_over");
    all_holds(&branch, None).await;
}

/// Counts the statements that write counters.
const WATCH: [&str; 3] = [
    "create table public.statements (at timestamptz default now())",
    "create function public.noted() returns trigger language plpgsql security definer as \
     $$ begin insert into public.statements default values; return null; end $$",
    "create trigger noted after insert on work.risk_counters for each statement execute function public.noted()",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_payments_cost_the_counters_a_few_statements() {
    const PAYMENTS: usize = 300;
    let branch = Branch::own(&REACTING).await.unwrap();
    let (merchant, mut client) = merchant(&branch).await;
    let mut log = branch.ledger.superuser().await.unwrap();
    for statement in WATCH {
        sqlx::query(statement).execute(&mut log).await.unwrap();
    }
    publish(&branch, &card_many(1_000)).await;
    let together = bulk(&mut client, &merchant, "pm_card_many", PAYMENTS).await;
    let counted = "select count(*) from log.events where event_type = 'risk_approved'";
    until_sql(&branch, counted, i64::try_from(PAYMENTS).unwrap(), 3 * SOON).await;
    assert!(decisions(&mut log, &together).await.iter().all(|decision| decision == "approve"));
    let written: i64 = sqlx::query_scalar("select count(*) from public.statements").fetch_one(&mut log).await.unwrap();
    say(&format!("{PAYMENTS} payments: the counters were written {written} times"));
    assert!((1..=10).contains(&written), "{written}");
    all_holds(&branch, None).await;
}
