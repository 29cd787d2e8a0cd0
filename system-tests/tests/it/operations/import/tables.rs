//! From the tables of a Postgres it comes to the same as from files.

use std::fs;

use sqlx::{Executor, PgConnection};
use system_tests::branch::Branch;
use system_tests::database::Ledger;

use super::{Old, head, import, take_over, taken_over};

/// The tables the selects of docs/import were written for, out of the rows of the files.
const TABLES: &str = "
    create view merchants as select id, name, email, contact_name, phone, status, channels, currencies,
        fee_rate_bps::int from given.merchants;
    create table currencies (code text primary key, exponent int);
    insert into currencies values ('USD', 2), ('JPY', 0);
    create view api_keys as select id, merchant as merchant_id, api_key, secret, null::timestamptz as revoked_at,
        case livemode when 'true' then 'production' else 'test' end as environment from given.api_keys;
    create view payments as select id, merchant as merchant_id, payment_no, order_no, amount::bigint, currency, channel,
        case livemode when 'true' then 'production' else 'test' end as environment, channel_trade_no,
        case state when 'captured' then 'success' else state end as status,
        captured::bigint as captured_amount, refunded::bigint as refunded_amount, fee::bigint as fee_amount,
        fee_returned::bigint as fee_refunded_amount, case settled when 'true' then now() end as settled_at,
        occurred_at::timestamptz as paid_at, fee_rate_bps::int, subject from given.payments;
    create view account_balances as select id, account, merchant as merchant_id, currency, balance::bigint,
        case livemode when 'true' then 'production' else 'test' end as environment, as_of::timestamptz from given.balances;
    create view idempotency_keys as select id, merchant as merchant_id, key, method, path, request_sha256,
        case livemode when 'true' then 'production' else 'test' end as environment, status::int as status_code,
        answer as response_body, expires_at::timestamptz from given.idempotency;
";

/// A database with the tables of the platform before.
async fn platform(old: &Old) -> Ledger {
    let platform = Ledger::fresh().await.unwrap();
    let mut connection: PgConnection = platform.superuser().await.unwrap();
    connection.execute("create schema given").await.unwrap();
    for table in ["merchants", "api_keys", "payments", "balances", "idempotency"] {
        let text = old.read(table);
        let columns: Vec<String> = text.lines().next().unwrap().split(',').map(|name| format!("{name} text")).collect();
        let create = format!("create table given.{table} ({})", columns.join(", "));
        connection.execute(create.as_str()).await.unwrap();
        let mut rows =
            connection.copy_in_raw(&format!("copy given.{table} from stdin (format csv, header)")).await.unwrap();
        rows.send(text.into_bytes()).await.unwrap();
        rows.finish().await.unwrap();
    }
    connection.execute(TABLES).await.unwrap();
    platform
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_rows_come_from_tables_as_from_files() {
    let old = Old::new();
    let platform = platform(&old).await;
    let (from_files, from_tables) = (Branch::own(&[]).await.unwrap(), Branch::own(&[]).await.unwrap());
    assert_eq!(take_over(&from_files, &old, &[]).status, Some(0));
    let arguments = ["--from-sql", platform.superuser_url(), "--source", "old"];
    let asked = |branch: &Branch, more: &[&str]| {
        import(&branch.ledger, &branch.operator, &[arguments.as_slice(), more].concat(), &[])
    };
    let told = asked(&from_tables, &[]);
    assert_eq!(told.status, Some(0), "{}", told.text);
    let by = |lines: std::collections::BTreeMap<String, i64>| -> Vec<String> {
        let without = |line: String| match line.split_once("\"by\":\"OPR") {
            Some((before, after)) => format!("{before}{}", &after[32..]),
            None => line,
        };
        lines.into_keys().map(without).collect()
    };
    let mut logs = Vec::new();
    for branch in [&from_files, &from_tables] {
        logs.push(by(taken_over(&mut branch.ledger.superuser().await.unwrap()).await));
    }
    assert!(logs[0].len() > 30 && logs[0] == logs[1], "{logs:#?}");

    // Whichever way they come, they are the same rows.
    let mut log = from_files.ledger.superuser().await.unwrap();
    let before = head(&mut log).await;
    let again = asked(&from_files, &[]);
    assert_eq!((again.status, head(&mut log).await), (Some(0), before), "{}", again.text);
    assert_eq!(again.of("payments"), "6 read: 0 taken over, 6 here before");

    // Selects of one's own; and one that is not understood is told of.
    let selects = old.directory.join("selects");
    fs::create_dir(&selects).unwrap();
    fs::write(selects.join("merchants.sql"), "select id, name, email, status from merchants where id = 'm-2';\n")
        .unwrap();
    let own = asked(&from_files, &["--selects", selects.to_str().unwrap()]);
    assert_ne!(own.status, Some(0), "one differs: {}", own.text);
    assert!(own.text.contains("api_keys     there is none"), "{}", own.text);
    fs::write(selects.join("payments.sql"), "select nothing from nowhere").unwrap();
    let own = asked(&from_files, &["--selects", selects.to_str().unwrap()]);
    assert_eq!(own.status, Some(1), "{}", own.text);
    assert!(own.text.contains("payments.sql line 1") && own.text.contains("nowhere"), "{}", own.text);
}
