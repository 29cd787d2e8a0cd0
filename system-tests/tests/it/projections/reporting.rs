//! What analysts may see and do: documented views, and nothing else, not for long.

use std::str::FromStr as _;

use projections::{MODELS, named, reporting};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Executor as _, PgConnection};
use system_tests::tree::root;

use super::desk::{Desk, move_to};

#[test]
fn the_document_of_the_reporting_schema_is_what_the_code_says() {
    let (path, made) = (root().join("docs/reporting.md"), reporting::document());
    if std::env::var_os("DAYBOOK_WRITE_DOCS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == made, "docs/reporting.md is not what the code says: run this test with DAYBOOK_WRITE_DOCS=1");
}

/// As an analyst who has logged in: a role's own settings count from there on.
async fn analyst(desk: &Desk) -> PgConnection {
    desk.sql("alter role daybook_analyst password 'of-a-test'").await;
    let options = PgConnectOptions::from_str(desk.ledger.superuser_url()).unwrap();
    options.username("daybook_analyst").password("of-a-test").connect().await.unwrap()
}

// covers I27, I28
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_analyst_reads_documented_views_and_may_do_nothing_else() {
    let mut desk = Desk::new(31).await;
    let head = desk.add(1_200).await;
    for model in MODELS {
        let mut follow = desk.follow(*model).await;
        move_to(&mut follow, head).await;
    }
    let undocumented = "select count(*) from pg_attribute a join pg_class c on c.oid = a.attrelid \
         where c.relnamespace = 'reporting'::regnamespace and a.attnum > 0 and col_description(c.oid, a.attnum) is null";
    assert_eq!(desk.count(undocumented).await, 0);
    let mut analyst = analyst(&desk).await;
    let mut documented = 0;
    for table in MODELS.iter().flat_map(|model| model.plan().tables) {
        analyst.execute(format!("select * from {} limit 1", table.name).as_str()).await.unwrap();
        documented += 1;
    }
    assert_eq!(desk.count("select count(*) from pg_views where schemaname = 'reporting'").await, documented);
    let scaled = "select count(*) from accounts where balance is distinct from balance_minor / \
         case currency when 'JPY' then 1 when 'KWD' then 1000 when 'BTC' then 100000000 else 100 end::numeric";
    let wrong: i64 = sqlx::query_scalar(scaled).fetch_one(&mut analyst).await.unwrap();
    assert_eq!(wrong, 0);
    for forbidden in [
        "select * from log.events limit 1",
        "select * from read.merchants limit 1",
        "select * from vault.data_keys limit 1",
        "delete from reporting.accounts",
        "set default_transaction_read_only = off; delete from reporting.accounts",
        "create table reporting.mine (x int)",
        "create temp table mine (x int)",
        "select log.append(0, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')",
    ] {
        assert!(analyst.execute(forbidden).await.is_err(), "an analyst may: {forbidden}");
    }
    for (setting, value) in [
        ("statement_timeout", "1min"),
        ("idle_in_transaction_session_timeout", "10s"),
        ("idle_session_timeout", "15min"),
    ] {
        let found: String = sqlx::query_scalar(&format!("show {setting}")).fetch_one(&mut analyst).await.unwrap();
        assert_eq!(found, value, "{setting}");
    }
    for personal in ["email", "phone", "contact_name"] {
        let shown = format!(
            "select count(*) from information_schema.columns where table_schema = 'reporting' and column_name = '{personal}'"
        );
        assert_eq!(desk.count(&shown).await, 0, "{personal}");
    }
}

// covers I28
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_projector_owns_the_read_models_and_can_change_nothing_else() {
    let desk = Desk::new(32).await;
    desk.follow(named("ledger").unwrap()).await;
    let mut projector = desk.ledger.database().unwrap().connect_as_projector().await.unwrap();
    for forbidden in [
        "insert into log.events select * from log.events",
        "delete from log.events",
        "update log.events set payload = '{}'",
        "truncate log.events",
        "delete from log.followers",
        "delete from vault.data_keys",
        "insert into log.answers select * from log.answers",
        "drop table log.events",
        "create table log.mine (x int)",
    ] {
        let refused = projector.execute(forbidden).await.unwrap_err();
        let code =
            refused.as_database_error().and_then(sqlx::error::DatabaseError::code).map(std::borrow::Cow::into_owned);
        assert_eq!(code.as_deref(), Some("42501"), "{forbidden}");
    }
    let owned = "select count(*) from pg_class c join pg_roles r on r.oid = c.relowner where r.rolname = 'daybook_projector' \
         and c.relnamespace not in ('read'::regnamespace, 'reporting'::regnamespace, 'pg_toast'::regnamespace)";
    assert_eq!(desk.count(owned).await, 0);
    let application = "select count(*) from pg_class c where c.relnamespace = 'read'::regnamespace and c.relkind in ('r', 'v') \
         and (has_table_privilege('daybook_app', c.oid, 'insert') or has_table_privilege('daybook_app', c.oid, 'update') \
              or has_table_privilege('daybook_app', c.oid, 'delete') or not has_table_privilege('daybook_app', c.oid, 'select'))";
    assert_eq!(desk.count(application).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_contract_asks_of_merchants_is_answered_as_it_is_written() {
    let mut desk = Desk::new(33).await;
    let head = desk.add(300).await;
    let mut follow = desk.follow(named("merchants").unwrap()).await;
    move_to(&mut follow, head).await;
    let mut anybody = desk.ledger.superuser().await.unwrap();
    let asked = "SELECT m.id, m.email, COUNT(ak.id) FROM merchants m LEFT JOIN api_keys ak ON m.id = ak.merchant_id \
         GROUP BY m.id, m.email HAVING COUNT(ak.id) < 2";
    assert_eq!(anybody.fetch_all(asked).await.unwrap().len(), 0);
    assert_eq!(desk.count("select count(*) from read.merchants").await, 8);
}
