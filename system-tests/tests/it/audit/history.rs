//! The log over HTTP: looked through, followed, folded as it was, compared, explained.

use std::time::Duration;

use domain::fact::{Fact, State};
use serde_json::{Value, json};
use sqlx::PgConnection;
use system_tests::branch::{Branch, Merchant, fresh};
use system_tests::client::{Answer, Caller, Request};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::served::{get, run};
use crate::reactions::looking::{ask, pay, reacting, until_told};

struct Told {
    branch: Branch,
    owner: Merchant,
    stranger: Merchant,
    auditor: Caller,
    behind: PgConnection,
    payment_no: String,
    /// Where it was captured.
    captured: i64,
}

/// A payment that was taken through the sandbox, with all that belongs to it.
async fn told() -> Told {
    let branch = reacting().await;
    let (owner, stranger) = (branch.merchant().await.unwrap(), branch.merchant().await.unwrap());
    let auditor = branch.staff("auditor").unwrap();
    let mut behind = branch.ledger.superuser().await.unwrap();
    let payment_no = pay(&branch, &owner.test, &fresh("told"), "pm_sandbox_visa", "automatic").await;
    until_told(&mut behind, &payment_no, "captured", 1).await;
    let captured = "select position from log.events where aggregate_id = $1 and event_type = 'captured'";
    let captured = sqlx::query_scalar(captured).bind(&payment_no).fetch_one(&mut behind).await.unwrap();
    Told { branch, owner, stranger, auditor, behind, payment_no, captured }
}

fn data(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["data"].clone()
}

fn positions(answer: &Answer) -> Vec<i64> {
    data(answer).as_array().unwrap().iter().map(|event| event["position"].as_i64().unwrap()).collect()
}

impl Told {
    /// Each is told as `/api/v1/streams` has it at both positions, and nothing where it had not begun.
    async fn states_are_those_of_their_streams(&self, changed: &Value, (from, to): (i64, i64)) {
        for (kind, streams) in changed["streams"].as_object().unwrap() {
            for stream in streams.as_array().unwrap() {
                let id = stream["id"].as_str().unwrap();
                for (at, side) in [(from, "before"), (to, "after")] {
                    let then = self.get(&self.auditor, &format!("/api/v1/streams/{kind}/{id}?at={at}")).await;
                    if then.status == 404 {
                        assert!(stream[side].is_null(), "{kind}/{id} at {at}: {stream}");
                        continue;
                    }
                    let then = data(&then);
                    assert_eq!(stream[side]["version"], then["version"], "{kind}/{id} at {at}");
                    assert_eq!(stream[side]["state"], then["state"], "{kind}/{id} at {at}");
                }
                assert_ne!(stream["before"], stream["after"], "{kind}/{id}");
            }
        }
    }

    /// From the command line it is the same tree, and one to be read.
    async fn is_printed_as_well(&self, entry: &str, key: &str) {
        let (payment_no, entry_at) = (&self.payment_no, self.captured.to_string());
        for (arguments, path) in [
            (vec!["entry", &*entry_at], entry.to_owned()),
            (vec!["payment", payment_no.as_str()], format!("/api/v1/explain/payment/{payment_no}")),
        ] {
            let (said, code) = run(&self.branch, &[&["explain"], &*arguments, &["--json"]].concat());
            assert_eq!(code, 0, "{said}");
            assert_eq!(
                serde_json::from_str::<Value>(&said).unwrap(),
                data(&self.get(&self.branch.operator, &path).await)
            );
        }
        let (said, code) = run(&self.branch, &["explain", "entry", &entry_at]);
        assert_eq!(code, 0, "{said}");
        let mut rest = said.as_str();
        for word in [
            "event ",
            "debit channel:stripe:receivable 10000 USD",
            "command ",
            &*format!("for {}, who began it with ", self.owner.id),
            "saga SAG",
            "take_payment",
            "step ",
            &*format!("call of the channel under {key}"),
            "succeeded: ",
        ] {
            let at = rest.find(word).unwrap_or_else(|| panic!("{word} in its place: {said}"));
            rest = &rest[at + word.len()..];
        }
    }

    fn balances_are_printed(&self, account: &str) {
        let (said, code) = run(&self.branch, &["explain", "balance", account, "--limit", "1"]);
        assert_eq!(code, 0, "{said}");
        assert!(
            said.contains("refund_confirmed") && !said.contains("event_type") && said.lines().count() > 4,
            "{said}"
        );
        for what in [["entry", "1"], ["payment", "PAY00000000000000000000000000000009"], ["balance", "merchant:x"]] {
            let (said, code) = run(&self.branch, &["explain", what[0], what[1]]);
            assert!(code == 1 && said.contains("there is no such thing in this ledger"), "{said}");
        }
    }

    async fn pages_come_to_the_whole(&self, whole: &Value, to: i64) {
        let path = format!("/api/v1/diff?from=0&to={to}&limit=1");
        let (mut next, mut found, mut pages) = (String::new(), Vec::new(), 0);
        loop {
            let page = self.get(&self.auditor, &format!("{path}{next}")).await;
            let told = data(&page);
            assert_eq!(told["accounts"].as_array().unwrap().is_empty(), pages > 0, "{told}");
            let streams = told["streams"].as_object().unwrap();
            found.extend(streams.iter().flat_map(|(kind, of_kind)| {
                of_kind.as_array().unwrap().iter().map(move |stream| (kind.clone(), stream.clone()))
            }));
            pages += 1;
            let meta = page.json()["meta"].clone();
            assert_eq!(meta["has_more"], json!(meta["next"].is_string()));
            match meta["next"].as_str() {
                Some(name) => next = format!("&after={name}"),
                None => break,
            }
        }
        let all: Vec<(String, Value)> = whole["streams"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(kind, of_kind)| of_kind.as_array().unwrap().iter().map(move |it| (kind.clone(), it.clone())))
            .collect();
        assert_eq!((pages, found), (all.len(), all));
        let alone = self.get(&self.auditor, "/api/v1/diff?after=payment/PAY1").await;
        assert_eq!(alone.verdict(), "400 parameter_missing");
    }

    async fn get(&self, caller: &Caller, path: &str) -> Answer {
        get(&self.branch, caller, path).await
    }

    /// What the log itself says.
    async fn log(&mut self, condition: &str) -> Vec<i64> {
        let select = format!("select position from log.events where {condition} order by position");
        sqlx::query_scalar(&select).fetch_all(&mut self.behind).await.unwrap()
    }

    async fn text(&mut self, select: &str) -> String {
        sqlx::query_scalar(select).fetch_one(&mut self.behind).await.unwrap()
    }
}

// covers G1, I27
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_looked_through_by_what_they_are_and_came_with_each_for_whose_they_are() {
    let mut it = told().await;
    let (payment, auditor, owner) = (it.payment_no.clone(), it.auditor.clone(), it.owner.test.clone());
    let trace = it
        .text(&format!(
            "select metadata ->> 'trace_id' from log.events where aggregate_id = '{payment}' and sequence = 1"
        ))
        .await;
    let command =
        it.text(&format!("select metadata ->> 'command_id' from log.events where position = {}", it.captured)).await;
    let at = it
        .text(&format!(
            "select to_char(recorded_at, 'YYYY-MM-DD\"T\"HH24:MI:SS.USZ') from log.events where position = {}",
            it.captured
        ))
        .await;
    let merchant = uuid::Uuid::parse_str(it.owner.id.trim_start_matches("MER")).unwrap();
    for (query, condition) in [
        (format!("stream=payment/{payment}"), format!("aggregate_id = '{payment}'")),
        ("stream=saga".to_owned(), "aggregate_type = 'saga'".to_owned()),
        ("type=captured".to_owned(), "event_type = 'captured'".to_owned()),
        (format!("correlation={trace}"), format!("metadata ->> 'trace_id' = '{trace}'")),
        (format!("causation={command}"), format!("metadata ->> 'command_id' = '{command}'")),
        (format!("merchant_id={}", it.owner.id), format!("merchant_id = '{merchant}'")),
        (format!("since={at}&type=captured"), format!("recorded_at >= '{at}' and event_type = 'captured'")),
        (format!("until={at}&stream=payment"), format!("recorded_at <= '{at}' and aggregate_type = 'payment'")),
        ("after=3&upto=7".to_owned(), "position between 4 and 7".to_owned()),
    ] {
        let found = it.get(&auditor, &format!("/api/v1/events?limit=1000&{query}")).await;
        let expected = it.log(&condition).await;
        assert!(!expected.is_empty(), "{query}");
        assert_eq!(positions(&found), expected, "{query}");
    }
    // Page by page it is the same, and byte for byte what stands in the log.
    let (mut after, mut paged) = (0, Vec::new());
    loop {
        let page = it.get(&auditor, &format!("/api/v1/events?stream=payment/{payment}&limit=1&after={after}")).await;
        paged.extend(positions(&page));
        let Some(position) = paged.last().copied() else { panic!("{page:?}") };
        let stored = it.text(&format!("select payload::text from log.events where position = {position}")).await;
        assert!(page.body.contains(&format!("\"payload\":{stored},\"metadata\":")), "{page:?}");
        match page.json()["meta"]["next"].as_i64() {
            Some(next) => after = next,
            None => break,
        }
        if positions(&it.get(&auditor, &format!("/api/v1/events?stream=payment/{payment}&after={after}")).await)
            .is_empty()
        {
            break;
        }
    }
    assert_eq!(paged, it.log(&format!("aggregate_id = '{payment}'")).await);

    // A merchant sees its payments and orders, and neither sagas nor anybody else's; the other mode sees nothing.
    let theirs = it.log(&format!("merchant_id = '{merchant}' and aggregate_type in ('payment', 'order')")).await;
    assert_eq!(positions(&it.get(&owner, "/api/v1/events?limit=1000").await), theirs);
    for caller in [&it.owner.live, &it.stranger.test] {
        let seen = it.get(caller, "/api/v1/events?limit=1000").await;
        assert_eq!((positions(&seen), seen.body.contains(&payment)), (Vec::new(), false));
    }
    for (path, verdict) in [
        (format!("/api/v1/events?merchant_id={}", it.stranger.id), "422 merchant_id_differs"),
        ("/api/v1/events?livemode=true".to_owned(), "422 merchant_id_differs"),
        ("/api/v1/events?limit=0".to_owned(), "400 parameter_malformed"),
        ("/api/v1/events?since=yesterday".to_owned(), "400 parameter_malformed"),
        ("/api/v1/events?nonsense=1".to_owned(), "400 parameter_unknown"),
    ] {
        assert_eq!(it.get(&owner, &path).await.verdict(), verdict, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_followed_as_they_come_and_the_server_ends_all_the_same() {
    let mut it = told().await;
    let from = it.captured;
    let request = Request::get(format!("/api/v1/events?stream=payment&after={}", from - 1));
    let request = request.with("accept", "text/event-stream").by(&it.owner.test);
    let address = it.branch.server.address;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&request.bytes(address)).await.unwrap();
    let mut heard = String::new();
    let mut until = async |word: &str| {
        let listening = async {
            while !heard.contains(word) {
                let mut piece = vec![0; 4_096];
                let read = stream.read(&mut piece).await.unwrap();
                assert!(read > 0, "it ended before {word}: {heard}");
                heard.push_str(&String::from_utf8_lossy(&piece[..read]));
            }
            heard.clone()
        };
        tokio::time::timeout(Duration::from_secs(60), listening).await.unwrap_or_else(|_late| panic!("no {word}"))
    };
    let past = until(&format!("id: {from}\nevent: captured\ndata: {{")).await;
    assert!(past.contains("content-type: text/event-stream"), "{past}");
    let next = pay(&it.branch, &it.owner.test, &fresh("followed"), "pm_sandbox_visa", "automatic").await;
    let others = pay(&it.branch, &it.stranger.test, &fresh("another's"), "pm_sandbox_visa", "automatic").await;
    until_told(&mut it.behind, &others, "captured", 1).await;
    until_told(&mut it.behind, &next, "captured", 1).await;
    let captured = it.log(&format!("aggregate_id = '{next}' and event_type = 'captured'")).await[0];
    let heard = until(&format!("id: {captured}\nevent: captured\n")).await;
    assert!(heard.contains("event: initiated\n") && heard.contains(&next) && !heard.contains(&others), "{heard}");
    it.branch.server.signal("TERM").unwrap();
    let ending = tokio::task::spawn_blocking(move || it.branch.server.wait().unwrap());
    let ended = tokio::time::timeout(Duration::from_secs(20), ending).await;
    assert!(ended.expect("it waits for who follows").unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_folded_as_it_was_at_each_of_its_events_for_whose_it_is() {
    let mut it = told().await;
    let path = format!("/api/v1/streams/payment/{}", it.payment_no);
    let select = "select position, payload::text from log.events where aggregate_id = $1 order by sequence";
    let events: Vec<(i64, String)> =
        sqlx::query_as(select).bind(&it.payment_no).fetch_all(&mut it.behind).await.unwrap();
    let mut state = State::empty("payment").unwrap();
    for (version, (position, payload)) in (1..).zip(&events) {
        let fact = Fact::read("payment", &mut serde_json::Deserializer::from_str(payload)).unwrap();
        assert!(state.apply(&fact));
        let was = data(&it.get(&it.auditor, &format!("{path}?at={position}")).await);
        assert_eq!((&was["version"], &was["state"]), (&json!(version), &json!(state)), "{position}");
        let at = was["recorded_at"].as_str().unwrap();
        let by_time = data(&it.get(&it.owner.test, &format!("{path}?at={at}")).await);
        assert!(by_time["version"].as_i64() >= Some(version), "{by_time}");
    }
    let first = events[0].0;
    let order = format!(
        "/api/v1/streams/order/{}",
        it.text("select aggregate_id from log.events where aggregate_type = 'order' limit 1").await
    );
    let saga = format!(
        "/api/v1/streams/saga/{}",
        it.text("select aggregate_id from log.events where aggregate_type = 'saga' limit 1").await
    );
    assert_eq!(it.get(&it.owner.test, &order).await.status, 200);
    assert_eq!(it.get(&it.auditor, &saga).await.status, 200);
    let before = format!("{path}?at={}", first - 1);
    let none = "/api/v1/streams/payment/PAY00000000000000000000000000000009".to_owned();
    for (caller, path) in [
        (&it.auditor, &before),
        (&it.owner.test, &saga),
        (&it.owner.live, &path),
        (&it.stranger.test, &path),
        (&it.stranger.test, &none),
        (&it.auditor, &"/api/v1/streams/nonsense/PAY1".to_owned()),
    ] {
        assert_eq!(it.get(caller, path).await.verdict(), "404 stream_absent", "{path}");
    }
    assert_eq!(it.get(&it.auditor, &format!("{path}?at=now")).await.verdict(), "400 parameter_malformed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_between_two_positions_is_told_and_adds_up() {
    let it = told().await;
    let (from, to) = (it.captured - 1, it.captured);
    let changed = data(&it.get(&it.auditor, &format!("/api/v1/diff?from={from}&to={to}&min_position={to}")).await);
    let accounts = changed["accounts"].as_array().unwrap();
    assert!(accounts.len() >= 3, "{changed}");
    for (at, side) in [(from, "before_minor"), (to, "after_minor")] {
        let sheet = data(&it.get(&it.auditor, &format!("/api/v1/ledger/balances?at_position={at}")).await);
        for account in accounts {
            let same =
                |row: &&Value| ["account", "currency", "livemode"].iter().all(|name| row[*name] == account[*name]);
            let balance = sheet["accounts"]
                .as_array()
                .unwrap()
                .iter()
                .find(same)
                .map_or(json!(0), |row| row["balance_minor"].clone());
            assert_eq!(account[side], balance, "{at}: {account} {sheet}");
        }
    }
    let moved: i64 =
        accounts.iter().map(|it| it["after_minor"].as_i64().unwrap() - it["before_minor"].as_i64().unwrap()).sum();
    assert_eq!(moved, 0, "{changed}");
    assert_eq!(changed["entries"][0]["position"], to);
    assert_eq!(changed["entries"][0]["of"], json!(it.payment_no));
    it.states_are_those_of_their_streams(&changed, (from, to)).await;
    assert_eq!(changed["streams"]["payment"].as_array().unwrap().len(), 1);
    assert_eq!(changed["streams"]["payment"][0]["id"], json!(it.payment_no));
    let whole = data(&it.get(&it.auditor, &format!("/api/v1/diff?from=0&to={to}")).await);
    for kind in ["merchant", "order", "payment", "saga"] {
        assert!(whole["streams"][kind].as_array().is_some_and(|streams| !streams.is_empty()), "{kind}: {whole}");
    }
    it.states_are_those_of_their_streams(&whole, (0, to)).await;
    it.pages_come_to_the_whole(&whole, to).await;
    let nobodys = data(&it.get(&it.auditor, &format!("/api/v1/diff?from=0&merchant_id={}", it.stranger.id)).await);
    assert_eq!((&nobodys["accounts"], &nobodys["entries"]), (&json!([]), &json!([])));
    assert_eq!(it.get(&it.owner.test, "/api/v1/diff").await.verdict(), "403 scope_missing");
    assert_eq!(it.get(&it.auditor, "/api/v1/diff?from=9&to=8").await.verdict(), "400 parameter_malformed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_line_is_explained_down_to_the_call_and_who_asked() {
    let mut it = told().await;
    let refund = json!({ "payment_no": it.payment_no, "amount": 1_000, "reason": "returned" });
    let refund_no = ask(&it.branch, &it.owner.test, "/api/v1/refunds", &refund).await.data("refund_no");
    let payment_no = it.payment_no.clone();
    until_told(&mut it.behind, &payment_no, "refund_confirmed", 1).await;
    let head: i64 = sqlx::query_scalar("select max(position) from log.events").fetch_one(&mut it.behind).await.unwrap();
    let entry = format!("/api/v1/explain/entry/{}?min_position={head}", it.captured);
    let why = data(&it.get(&it.auditor, &entry).await);
    let lines = why["entry"]["lines"].as_array().unwrap();
    assert!(
        lines.iter().any(|line| line["account"] == "channel:stripe:receivable" && line["amount_minor"] == 10_000),
        "{why}"
    );
    assert_eq!((&why["event"]["event_type"], &why["event"]["stream"]["id"]), (&json!("captured"), &json!(payment_no)));
    let steps = why["event"]["command"]["saga_steps"].as_array().unwrap();
    let taken = steps.iter().find(|step| step["process"] == "take_payment").unwrap_or_else(|| panic!("{why:#}"));
    assert_eq!(taken["business_id"], json!(payment_no));
    let key = taken["step"]["call"]["partner_key"].as_str().unwrap_or_else(|| panic!("no call: {why:#}")).to_owned();
    let recorded = "select payload -> 'step_started' ->> 'partner_key' from log.events where aggregate_type = 'saga' \
         and event_type = 'step_started' and payload -> 'step_started' ->> 'partner_key' is not null and position < $1 \
         order by position desc limit 1";
    let recorded: String = sqlx::query_scalar(recorded).bind(it.captured).fetch_one(&mut it.behind).await.unwrap();
    assert_eq!(key, recorded, "the call is the one that was made");

    // The whole payment: whoever asked first, and every saga about it.
    let whole = data(&it.get(&it.auditor, &format!("/api/v1/explain/payment/{payment_no}?min_position={head}")).await);
    assert_eq!(whole["events"][0]["command"]["actor"], json!(it.owner.id));
    assert_eq!(whole["is_whole"], true);
    let processes: Vec<&str> =
        whole["sagas"].as_array().unwrap().iter().map(|saga| saga["process"].as_str().unwrap()).collect();
    assert!(processes.contains(&"take_payment") && processes.contains(&"refund_payment"), "{processes:?}");
    let confirmed =
        whole["events"].as_array().unwrap().iter().find(|event| event["event_type"] == "refund_confirmed").unwrap();
    let steps = confirmed["command"]["saga_steps"].as_array().unwrap();
    assert!(steps.iter().any(|step| step["business_id"] == json!(refund_no)), "{confirmed:#}");

    it.is_printed_as_well(&entry, &key).await;

    // The balance that the merchant has: its last lines are the refund's and the capture's.
    let account = format!("merchant:{}:pending", it.owner.id);
    let balance = format!("/api/v1/explain/balance/{account}?min_position={head}");
    let lines = data(&it.get(&it.auditor, &balance).await)["lines"].clone();
    let types: Vec<&str> =
        lines.as_array().unwrap().iter().map(|line| line["event"]["event_type"].as_str().unwrap()).collect();
    assert_eq!(types, ["refund_confirmed", "captured"]);
    it.balances_are_printed(&account);
    // A merchant is told the same of its own, but not what the processes remember.
    let own = it.get(&it.owner.test, &balance).await;
    assert_eq!(data(&own)["lines"][1]["event"]["event_type"], "captured");
    assert!(!own.body.contains("saga") && !own.body.contains("take_payment"), "{own:?}");
    for path in [&entry, &balance, &format!("/api/v1/explain/payment/{payment_no}")] {
        for caller in [&it.stranger.test, &it.owner.live] {
            let answer = it.get(caller, path).await;
            assert!(
                ["404 entry_absent", "404 payment_absent", "422 account_unknown"].contains(&&*answer.verdict()),
                "{answer:?}"
            );
        }
    }
    let moved_nothing = it.log(&format!("aggregate_id = '{payment_no}' and sequence = 1")).await[0];
    let nothing = it.get(&it.auditor, &format!("/api/v1/explain/entry/{moved_nothing}")).await;
    assert_eq!(nothing.verdict(), "404 entry_absent");
}
