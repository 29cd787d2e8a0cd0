//! A person is forgotten: nothing of ours tells of them, and all else is as it was.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use system_tests::branch::{Branch, Merchant, fresh};
use system_tests::client::{Answer, Caller, Request};
use system_tests::server::Server;
use system_tests::traffic::vault;

use super::Directory;
use super::served::{branch, get, offline, run};

const CANARY: &str = "canary-7f3a91";
const SOON: Duration = Duration::from_secs(20);

fn address() -> String {
    format!("{CANARY}@example.com")
}

async fn pay(branch: &Branch, merchant: &Merchant) -> String {
    let body = json!({ "order_no": fresh("forgotten"), "amount": 1_000, "currency": "USD", "channel": "stripe",
                       "customer_email": address(), "description": format!("{CANARY} rings twice") });
    let asked = Request::post("/api/v1/payments", &body).keyed(fresh("forgotten")).by(&merchant.test);
    let answer = branch.client().send(&asked).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let position = answer.header("daybook-position").unwrap().to_owned();
    let payment_no = answer.data("payment_no");
    let shown = format!("/api/v1/payments/{payment_no}?min_position={position}");
    assert_eq!(get(branch, &merchant.test, &shown).await.data("customer_email"), address());
    payment_no
}

/// The tables of the database in which the canary stands, as text or as bytes.
async fn found(books: &mut PgConnection) -> Vec<String> {
    let tables = "select format('%I.%I', schemaname, tablename) from pg_tables \
         where schemaname not in ('pg_catalog', 'information_schema') order by 1";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut *books).await.unwrap();
    assert!(tables.len() > 30, "{tables:?}");
    let as_bytes: String = CANARY.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut found = Vec::new();
    for table in tables {
        let holds = format!("select exists (select from {table} t where t::text ilike $1 or t::text ilike $2)");
        let query = sqlx::query_scalar(&holds).bind(format!("%{CANARY}%")).bind(format!("%{as_bytes}%"));
        if query.fetch_one(&mut *books).await.unwrap() {
            found.push(table);
        }
    }
    found
}

async fn keys_count(books: &mut PgConnection, person: &str) -> i64 {
    let count = "select count(*) from vault.data_keys where person = $1";
    sqlx::query_scalar(count).bind(person).fetch_one(books).await.unwrap()
}

async fn balances(branch: &Branch) -> Value {
    get(branch, &branch.operator, "/api/v1/ledger/balances").await.json()["data"].clone()
}

async fn shown(branch: &Branch, payment_no: &str) -> (String, String) {
    let head = branch.ledger.store().unwrap().before_last(0, None).await.unwrap();
    let path = format!("/api/v1/payments/{payment_no}?min_position={head}");
    let answer: Answer = get(branch, &branch.operator, &path).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    (answer.data("customer_email"), answer.data("description"))
}

fn erased() -> (String, String) {
    ("[erased]".to_owned(), "[erased]".to_owned())
}

// covers H8, H10
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_forgotten_person_nothing_is_left_and_everything_is_proven_as_before() {
    let place = Directory::fresh();
    let (branch, public) = branch(&place).await;
    let merchant = branch.merchant().await.unwrap();
    let payment_no = crate::http::captured::captured(&branch, &merchant, &fresh("kept")).await;
    let forgotten = pay(&branch, &merchant).await;
    let receipt = get(&branch, &merchant.test, &format!("/api/v1/payments/{forgotten}/receipt")).await;
    let (before, file) = (balances(&branch).await, place.at("receipt.json"));
    fs::write(&file, &receipt.body).unwrap();

    let (said, code) =
        run(&branch, &["erase", "customer", "--merchant", &merchant.id, "--email", &address(), "--reason", "asked"]);
    assert_eq!((code, said.contains("forgotten: 1 keys")), (0, true), "{said}");

    assert_eq!(shown(&branch, &forgotten).await, erased());
    let mut books = branch.ledger.superuser().await.unwrap();
    assert_eq!(found(&mut books).await, Vec::<String>::new());
    // Whoever looks so finds what is there.
    let plant = "create table public.planted as select convert_to($1, 'UTF8') as it";
    sqlx::query(plant).bind(address()).execute(&mut books).await.unwrap();
    assert_eq!(found(&mut books).await, ["public.planted"]);
    sqlx::query("drop table public.planted").execute(&mut books).await.unwrap();
    for (path, format) in [
        ("/api/v1/payments", "text/csv"),
        ("/api/v1/payments", "application/x-ndjson"),
        ("/api/v1/payments", "application/json"),
        ("/api/v1/ledger/journal", "text/csv"),
    ] {
        let asked = Request::get(path).with("accept", format).by(&branch.operator);
        let answer = branch.client().send(&asked).await.unwrap();
        assert_eq!((answer.status, answer.body.contains(CANARY)), (200, false), "{path} {format}: {answer:?}");
    }
    let bundle = place.at("bundle");
    let (said, code) = run(&branch, &["export", "bundle", "--to", bundle.to_str().unwrap()]);
    assert_eq!(code, 0, "{said}");
    for entry in fs::read_dir(&bundle).unwrap() {
        let file = entry.unwrap().path();
        assert!(!fs::read_to_string(&file).unwrap().contains(CANARY), "{file:?}");
    }
    assert!(!branch.server.log().unwrap().contains(CANARY));

    // The books are as they were, and so is every proof of them, taken before or after.
    assert_eq!(balances(&branch).await, before);
    let old = offline(&place, &["verify", "receipt", file.to_str().unwrap(), "--key", &public]);
    assert_eq!(old.1, 0, "{old:?}");
    let again = get(&branch, &merchant.test, &format!("/api/v1/payments/{forgotten}/receipt")).await;
    assert_eq!(again.json()["data"]["events"][0]["event"], receipt.json()["data"]["events"][0]["event"]);
    let whole = run(&branch, &["verify", "--key", &public, "--checkpoints", place.at("checkpoints").to_str().unwrap()]);
    assert_eq!(whole.1, 0, "{whole:?}");
    let bundled = offline(&place, &["verify", "bundle", bundle.to_str().unwrap(), "--key", &public]);
    assert_eq!(bundled.1, 0, "{bundled:?}");
    // All of it once more from the first event: the tables are the same, and whoever is forgotten is shown as that.
    for model in ["payments", "merchants"] {
        let (said, code) = run(&branch, &["projection", "rebuild", model]);
        assert_eq!(code, 0, "{said}");
    }
    assert_eq!(shown(&branch, &forgotten).await, erased());
    assert_eq!(shown(&branch, &payment_no).await.0, "");
}

// covers H9
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_from_an_older_copy_go_again_before_anybody_is_served_and_newer_ones_stay() {
    let place = Directory::fresh();
    let (mut branch, _public) = branch(&place).await;
    let merchant = branch.merchant().await.unwrap();
    let person = vault().unwrap().customer_index(merchant.id.parse().unwrap(), &address());
    let forgotten = pay(&branch, &merchant).await;
    let mut books = branch.ledger.superuser().await.unwrap();
    sqlx::query("create table public.copy as select * from vault.data_keys").execute(&mut books).await.unwrap();
    let (said, code) = run(&branch, &["erase", "customer", "--merchant", &merchant.id, "--email", &address()]);
    assert_eq!((code, said.contains("forgotten: 1 keys")), (0, true), "{said}");
    // They come back as a customer: of what they bring now, nobody has ordered anything.
    let newer = pay(&branch, &merchant).await;
    let is_shown = (address(), format!("{CANARY} rings twice"));

    let restored = ["id, wrapped, person, position", "id, wrapped, person"];
    for columns in restored {
        drop(branch.server);
        let restore =
            format!("insert into vault.data_keys ({columns}) select {columns} from public.copy on conflict do nothing");
        sqlx::query(&restore).execute(&mut books).await.unwrap();
        assert_eq!(keys_count(&mut books, &person).await, 2, "{columns}");
        branch.server = Server::start(branch.ledger.superuser_url(), &[]).await.unwrap();
        assert_eq!(keys_count(&mut books, &person).await, 1, "{columns}");
        assert_eq!((shown(&branch, &forgotten).await, shown(&branch, &newer).await), (erased(), is_shown.clone()));
        assert!(branch.server.log().unwrap().contains("were there again: they are destroyed"));
    }
    // The order carried out late, by whoever follows the log from an older place, is still of what was there then.
    drop(branch.server);
    let older = "update log.followers set position = 0, holder = null, lease_until = null where name = 'erasures'";
    sqlx::query(older).execute(&mut books).await.unwrap();
    branch.server = Server::start(branch.ledger.superuser_url(), &[]).await.unwrap();
    let store = branch.ledger.store().unwrap();
    assert!(store.is_caught_up("erasures", SOON).await.unwrap());
    store.close().await;
    assert_eq!(keys_count(&mut books, &person).await, 1);
    assert_eq!(shown(&branch, &newer).await, is_shown);
}

// covers H9
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_keys_from_an_older_copy_cannot_be_destroyed_nobody_is_answered() {
    let place = Directory::fresh();
    let (mut branch, _public) = branch(&place).await;
    let merchant = branch.merchant().await.unwrap();
    let forgotten = pay(&branch, &merchant).await;
    let mut books = branch.ledger.superuser().await.unwrap();
    sqlx::query("create table public.copy as select * from vault.data_keys").execute(&mut books).await.unwrap();
    let (said, code) = run(&branch, &["erase", "customer", "--merchant", &merchant.id, "--email", &address()]);
    assert_eq!(code, 0, "{said}");
    drop(branch.server);
    let restore = "insert into vault.data_keys select * from public.copy on conflict do nothing";
    sqlx::query(restore).execute(&mut books).await.unwrap();

    let mut holding = books.begin().await.unwrap();
    sqlx::query("lock table vault.data_keys in share mode").execute(&mut *holding).await.unwrap();
    branch.server = Server::start(branch.ledger.superuser_url(), &[]).await.unwrap();
    let path = format!("/api/v1/payments/{forgotten}");
    let refused = get(&branch, &merchant.test, &path).await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "ledger_unavailable"), "{refused:?}");
    assert!(refused.header("retry-after").is_some() && !refused.body.contains(CANARY), "{refused:?}");
    assert_eq!(get(&branch, &Caller::Nobody, "/livez").await.status, 200, "it lives all the same");
    // Nor is anything taken, from merchants or from channels.
    for path in ["/api/v1/payments", "/api/v1/webhooks/stripe"] {
        let asked = Request::post(path, &json!({})).keyed(fresh("shut")).by(&merchant.test);
        let refused = branch.client().send(&asked).await.unwrap();
        assert_eq!((refused.status, refused.code().as_str()), (503, "ledger_unavailable"), "{path}: {refused:?}");
    }
    holding.rollback().await.unwrap();
    let answered = async {
        while get(&branch, &merchant.test, &path).await.status != 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(SOON, answered).await.expect("it is never answered");
    assert_eq!(shown(&branch, &forgotten).await, erased());
}
