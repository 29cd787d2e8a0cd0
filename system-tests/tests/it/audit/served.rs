//! Proofs from a server: a merchant's own, an auditor's all, and from the command line.

use serde_json::Value;
use system_tests::branch::Branch;
use system_tests::client::{Answer, Caller, Request};
use system_tests::server::daybook;

use super::Directory;

pub(super) const PATIENT: &[(&str, &str)] =
    &[("DAYBOOK_WITHOUT_AUDIT", "false"), ("DAYBOOK_CHECKPOINT_EVERY_MS", "20"), ("DAYBOOK_LOOK_EVERY_MS", "50")];

/// A branch whose server keeps the tree and signs it.
pub(super) async fn branch(place: &Directory) -> (Branch, String) {
    branch_with(place, &[]).await
}

pub(super) async fn branch_with(place: &Directory, more: &[(&str, &str)]) -> (Branch, String) {
    let (key, directory) = (place.at("key").display().to_string(), place.at("checkpoints").display().to_string());
    let made = daybook().unwrap().args(["audit", "key", &key, "--name", "example.com/ledger"]).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let public = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    let own = [("DAYBOOK_CHECKPOINT_KEY_FILE", key.as_str()), ("DAYBOOK_CHECKPOINT_DIRECTORY", directory.as_str())];
    (Branch::own(&[PATIENT, &own, more].concat()).await.unwrap(), public)
}

pub(super) async fn get(branch: &Branch, caller: &Caller, path: &str) -> Answer {
    branch.client().send(&Request::get(path).by(caller)).await.unwrap()
}

/// The program on this branch's ledger, in its operator's name: what it says, what it says beside that, how it ends.
pub(super) fn run_apart(branch: &Branch, arguments: &[&str]) -> (String, String, i32) {
    let Caller::Token(token) = &branch.operator else { panic!("the operator has a token") };
    let mut command = daybook().unwrap();
    command.args(arguments).env("DATABASE_URL", branch.ledger.superuser_url()).env("DAYBOOK_TOKEN", token);
    let output = command.output().unwrap();
    let [said, beside] = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap());
    (said, beside, output.status.code().unwrap())
}

/// The same; all that it says.
pub(super) fn run(branch: &Branch, arguments: &[&str]) -> (String, i32) {
    let (said, beside, code) = run_apart(branch, arguments);
    (said + &beside, code)
}

/// The program with nothing: no database, no home.
pub(super) fn offline(place: &Directory, arguments: &[&str]) -> (String, i32) {
    let mut command = daybook().unwrap();
    let output = command.args(arguments).env("DAYBOOK_HOME", place.at("nowhere")).output().unwrap();
    (String::from_utf8([output.stdout, output.stderr].concat()).unwrap(), output.status.code().unwrap())
}

// covers G1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merchant_takes_a_receipt_away_and_anybody_verifies_it() {
    let place = Directory::fresh();
    let (branch, public) = branch(&place).await;
    let (owner, stranger) = (branch.merchant().await.unwrap(), branch.merchant().await.unwrap());
    let body = serde_json::json!({ "order_no": "O-1", "amount": 1_000, "currency": "USD", "channel": "stripe" });
    let paid =
        branch.client().send(&Request::post("/api/v1/payments", &body).keyed("k").by(&owner.test)).await.unwrap();
    let payment_no = paid.data("payment_no");
    let position: i64 = paid.header("daybook-position").unwrap().parse().unwrap();
    let receipt = format!("/api/v1/payments/{payment_no}/receipt");
    let event = format!("/api/v1/audit/events/{position}/proof");

    let auditor = branch.staff("auditor").unwrap();
    for (caller, path) in [(&owner.test, &receipt), (&owner.test, &event), (&auditor, &receipt), (&auditor, &event)] {
        let answer = get(&branch, caller, path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        let file = place.at("receipt.json");
        std::fs::write(&file, &answer.body).unwrap();
        let file = file.display().to_string();
        let (said, code) = offline(&place, &["verify", "receipt", &file, "--key", &public]);
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("proven: 1 events are in the log example.com/ledger"), "{said}");
        assert!(said.contains(&payment_no), "{said}");
        // Another key, another amount.
        let other = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        assert_eq!(offline(&place, &["verify", "receipt", &file, "--key", other]).1, 30);
        std::fs::write(&file, answer.body.replace("1000", "9000")).unwrap();
        let (said, code) = offline(&place, &["verify", "receipt", &file, "--key", &public]);
        assert_eq!(code, 30, "{said}");
        assert!(said.contains(&format!("position {position} is not proven")), "{said}");
    }
    // What is another's, or of the other mode, is not there: by the same words as what is nobody's.
    for caller in [&stranger.test, &stranger.live, &owner.live] {
        for (path, none) in [
            (&receipt, "/api/v1/payments/PAY00000000000000000000000000000009/receipt"),
            (&event, "/api/v1/audit/events/999999/proof"),
            (&format!("/api/v1/audit/entries/{position}/proof"), "/api/v1/audit/entries/999999/proof"),
        ] {
            let (theirs, nobodys) = (get(&branch, caller, path).await, get(&branch, caller, none).await);
            assert_eq!((theirs.status, theirs.verdict()), (404, nobodys.verdict()), "{path}");
            assert!(!theirs.body.contains(&payment_no) || path.contains(&payment_no));
        }
    }
    // Nor what of its own is none of its business: how its keys are kept.
    let mut superuser = branch.ledger.superuser().await.unwrap();
    let registered = "select position from log.events where event_type = 'registered' and merchant_id::text = $1";
    let id = uuid::Uuid::parse_str(owner.id.trim_start_matches("MER")).unwrap().to_string();
    let kept: i64 = sqlx::query_scalar(registered).bind(id).fetch_one(&mut superuser).await.unwrap();
    let kept = format!("/api/v1/audit/events/{kept}/proof");
    assert_eq!(get(&branch, &owner.test, &kept).await.verdict(), "404 event_absent");
    assert_eq!(get(&branch, &auditor, &kept).await.status, 200);
}

// covers G2
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_proof_is_given_to_whom_its_scope_names_and_nobody_else() {
    let place = Directory::fresh();
    let (branch, _public) = branch(&place).await;
    let merchant = branch.merchant().await.unwrap();
    let bad = Caller::Merchant { key_id: String::new(), api_key: "dbk_test_x".into(), signing_secret: "dbs_x".into() };
    let staff = |role: &str| branch.staff(role).unwrap();
    let callers = [
        (merchant.test, true),
        (merchant.live, true),
        (branch.operator.clone(), true),
        (staff("auditor"), true),
        (staff("support"), false),
        (staff("analyst"), false),
        (Caller::Nobody, false),
        (bad, false),
    ];
    for route in audit::ROUTES {
        assert_eq!(route.scope, gate::Scope::ReadProofs, "{}: say here who may", route.path);
        let path = route.path.replace("{position}", "1").replace("{payment_no}", "PAY1");
        let path = path.replace("{type}", "payment").replace("{id}", "PAY1");
        for (caller, may) in &callers {
            let status = get(&branch, caller, &path).await.status;
            assert_eq!(![401, 403].contains(&status), *may, "{path} {caller:?}: {status}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checkpoints_growth_and_the_whole_log_are_checked_from_outside() {
    let place = Directory::fresh();
    let (branch, public) = branch(&place).await;
    let merchant = branch.merchant().await.unwrap();
    let directory = place.at("checkpoints").display().to_string();
    let note =
        get(&branch, &branch.operator, "/api/v1/audit/events/1/proof").await.json()["data"]["checkpoint"].clone();
    let first: u64 = note.as_str().unwrap().lines().nth(1).unwrap().parse().unwrap();
    let body = serde_json::json!({ "order_no": "O-1", "amount": 1_000, "currency": "USD", "channel": "stripe" });
    let paid =
        branch.client().send(&Request::post("/api/v1/payments", &body).keyed("k").by(&merchant.test)).await.unwrap();
    let position = paid.header("daybook-position").unwrap().to_owned();
    assert_eq!(get(&branch, &merchant.test, &format!("/api/v1/audit/events/{position}/proof")).await.status, 200);
    let newest = get(&branch, &merchant.test, "/api/v1/audit/checkpoint").await.json()["data"].clone();
    let size = newest["size"].as_u64().unwrap();
    assert!(size > first && size >= position.parse().unwrap());
    let listed = get(&branch, &merchant.test, &format!("/api/v1/audit/checkpoints?from={first}")).await.json();
    let sizes: Vec<u64> = listed["data"].as_array().unwrap().iter().map(|it| it["size"].as_u64().unwrap()).collect();
    assert_eq!(sizes.first(), Some(&first));
    assert!(sizes.is_sorted() && sizes.contains(&size));
    assert_eq!(
        get(&branch, &merchant.test, "/api/v1/audit/keys").await.json()["data"],
        Value::from(vec![public.clone()])
    );

    let growth = get(&branch, &merchant.test, &format!("/api/v1/audit/consistency?from={first}&to={size}")).await;
    assert_eq!(growth.status, 200, "{growth:?}");
    let file = place.at("growth.json").display().to_string();
    std::fs::write(&file, growth.json()["data"].to_string()).unwrap();
    let (said, code) = offline(&place, &["verify", "consistency", &file, "--key", &public]);
    assert_eq!((code, said.contains("proven: the log of")), (0, true), "{said}");
    for (path, verdict) in [
        ("/api/v1/audit/consistency", "400 parameter_missing"),
        ("/api/v1/audit/consistency?from=0", "400 parameter_malformed"),
        ("/api/v1/audit/consistency?from=99999999", "404 checkpoint_absent"),
        ("/api/v1/audit/checkpoint?x=1", "400 parameter_unknown"),
        ("/api/v1/audit/checkpoints?limit=0", "400 parameter_malformed"),
        ("/api/v1/audit/events/01/proof", "404 event_absent"),
        ("/api/v1/audit/events/x/proof", "404 event_absent"),
        ("/api/v1/audit/entries/1/proof", "404 entry_absent"),
        ("/api/v1/payments/PAY1/receipt", "404 payment_absent"),
    ] {
        assert_eq!(get(&branch, &branch.operator, path).await.verdict(), verdict, "{path}");
    }

    // The same from the command line.
    let out = place.at("event.json").display().to_string();
    assert_eq!(run(&branch, &["proof", "event", &position, "--out", &out]), (String::new(), 0));
    assert_eq!(offline(&place, &["verify", "receipt", &out, "--key", &public]).1, 0);
    let payment_no = paid.data("payment_no");
    assert_eq!(run(&branch, &["receipt", &payment_no, "--out", &out]), (String::new(), 0));
    assert_eq!(offline(&place, &["verify", "receipt", &out, "--key", &public]).1, 0);
    let (said, code) = run(&branch, &["audit", "checkpoint"]);
    assert!(code == 0 && said.starts_with("example.com/ledger\n"), "{said}");
    let (said, code) = run(&branch, &["verify", "--key", &public, "--checkpoints", &directory]);
    assert_eq!(code, 0, "{said}");
    assert!(said.starts_with("well: "), "{said}");
    let mut superuser = branch.ledger.superuser().await.unwrap();
    sqlx::query("update log.events set metadata = '{}' where position = 2").execute(&mut superuser).await.unwrap();
    let (said, code) = run(&branch, &["verify", "--key", &public, "--checkpoints", &directory]);
    assert_eq!(code, 10, "{said}");
    assert!(said.contains("position 2: changed"), "{said}");
}
