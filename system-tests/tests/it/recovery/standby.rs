//! A synchronous standby: nothing is acknowledged without it, and it takes over.

use std::sync::Arc;

use embedded_postgres::{Cluster, Settings, Stop};
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use system_tests::branch::{Branch, Merchant, fresh};
use system_tests::database::Ledger;
use system_tests::server::Server;

use super::{Room, WITHIN, all_is_there, ask, head, must, on, pay, until_promoted};
use crate::operations::until;

/// How many payments of an order there are.
const ORDERS: &str =
    "select count(*) from log.events where event_type = 'initiated' and payload::text like '%' || $1 || '%'";

/// A standby of this server, and the server waiting for it from now on.
async fn beside(room: &Room, primary: &Cluster) -> Cluster {
    let home = room.shared(primary, "standby");
    must(room.script(primary, "take").arg(home.join("data")));
    let follows = format!(
        "primary_conninfo = 'host={} port={} user=postgres application_name=standby'\n",
        primary.socket_dir().display(),
        primary.port()
    );
    let own = "synchronous_standby_names = ''\n";
    let settings = home.join("data/postgresql.auto.conf");
    let before = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, format!("{before}{follows}{own}")).unwrap();
    std::fs::write(home.join("data/standby.signal"), "").unwrap();
    std::fs::set_permissions(home.join("data"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let standby = room.cluster("standby", Settings::new()).await;
    let mut superuser = PgConnection::connect(&primary.url("postgres")).await.unwrap();
    sqlx::query("alter system set synchronous_standby_names = 'standby'").execute(&mut superuser).await.unwrap();
    sqlx::query("select pg_reload_conf()").execute(&mut superuser).await.unwrap();
    is_in_sync(primary).await;
    standby
}

async fn is_in_sync(primary: &Cluster) {
    let mut superuser = PgConnection::connect(&primary.url("postgres")).await.unwrap();
    let question =
        "select count(*) from pg_stat_replication where application_name = 'standby' and sync_state = 'sync'";
    until("the standby is in step", WITHIN, async || {
        let count: i64 = sqlx::query_scalar(question).fetch_one(&mut superuser).await.unwrap();
        (count == 1).then_some(())
    })
    .await;
}

async fn blocking(work: impl FnOnce() -> embedded_postgres::Result<()> + Send + 'static) {
    tokio::task::spawn_blocking(work).await.unwrap().unwrap();
}

async fn the_old_one_is_believed_by_nobody(primary: &Arc<Cluster>, branch: Branch, merchant: &Merchant) {
    // It comes back by itself, and with it the server that knew no other: it waits for a standby that is no more, so that
    // nothing is acknowledged there.
    let coming = Arc::clone(primary);
    blocking(move || coming.ensure_running()).await;
    until("the old server sees its database", WITHIN, async || {
        let answer = branch.client().send(&system_tests::client::Request::get("/readyz")).await.unwrap();
        (answer.status == 200).then_some(())
    })
    .await;
    let (order_no, key) = (fresh("late"), fresh("key"));
    let late = ask(&mut branch.client(), merchant, &order_no, &key).await.unwrap();
    assert_eq!(late.status, 503, "{late:?}");
    assert_eq!(late.json()["outcome"], "unknown", "{late:?}");
    // Dead and back once more, it has that payment, and no standby has it: nobody is told that it was taken, neither by who
    // sent it nor by a server that finds it there and has nothing else to write.
    let Branch { ledger, server, .. } = branch;
    dies_and_comes_back(primary).await;
    let mut log = ledger.superuser().await.unwrap();
    let count: i64 = sqlx::query_scalar(ORDERS).bind(&order_no).fetch_one(&mut log).await.unwrap();
    assert_eq!(count, 1, "it stands there");
    let is_not_told = async |server: &Server| {
        let late = ask(&mut server.client(), merchant, &order_no, &key).await.unwrap();
        assert!([409, 503].contains(&late.status), "{late:?}");
        assert_eq!(late.json()["outcome"], "unknown", "{late:?}");
    };
    is_not_told(&server).await;
    drop((server, log));
    dies_and_comes_back(primary).await;
    let alone = ["DAYBOOK_WITHOUT_PROCESSES", "DAYBOOK_WITHOUT_PROJECTIONS", "DAYBOOK_WITHOUT_AUDIT"];
    let finder = Server::start(ledger.superuser_url(), &alone.map(|name| (name, "true"))).await.unwrap();
    is_not_told(&finder).await;
}

async fn dies_and_comes_back(primary: &Arc<Cluster>) {
    let cluster = Arc::clone(primary);
    blocking(move || cluster.kill9().and_then(|()| cluster.ensure_running())).await;
}

// covers B8, B9
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_acknowledged_without_the_standby_and_it_takes_over_with_all_that_was() {
    let Some(room) = Room::new() else { return };
    let primary = Arc::new(room.cluster("primary", Settings::new()).await);
    let ledger = Ledger::on(&primary.url("daybook")).await.unwrap();
    let branch = Branch::on(ledger, &[]).await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    let standby = Arc::new(beside(&room, &primary).await);
    let mut client = branch.client();
    let mut paid = pay(&mut client, &merchant, 10).await;

    // The standby dies: what is asked now is not acknowledged, and nobody is told that it did not happen.
    let dying = Arc::clone(&standby);
    blocking(move || dying.kill9()).await;
    let (order_no, key) = (fresh("alone"), fresh("key"));
    let alone = ask(&mut client, &merchant, &order_no, &key).await.unwrap();
    assert_eq!(alone.status, 503, "{alone:?}");
    assert_eq!(alone.json()["outcome"], "unknown", "{alone:?}");
    // It comes back: the same key finds out, and there is one payment.
    let coming = Arc::clone(&standby);
    blocking(move || coming.ensure_running()).await;
    is_in_sync(&primary).await;
    let found = until("the same key has its answer", WITHIN, async || {
        let answer = ask(&mut branch.client(), &merchant, &order_no, &key).await.unwrap();
        assert!([200, 409, 503].contains(&answer.status), "{answer:?}");
        (answer.status == 200).then_some(answer)
    })
    .await;
    paid.push(super::Paid { key, order_no: order_no.clone(), body: found.body });
    let mut log = branch.ledger.superuser().await.unwrap();
    let count: i64 = sqlx::query_scalar(ORDERS).bind(&order_no).fetch_one(&mut log).await.unwrap();
    assert_eq!(count, 1);
    drop(log);
    let (lost_at, url) = (head(&branch).await, branch.ledger.superuser_url().to_owned());

    // The primary dies, and the standby takes its place: everything acknowledged is there, and positions go on.
    let dying = Arc::clone(&primary);
    blocking(move || dying.kill9()).await;
    let url_of_new = on(&standby, &url);
    let mut superuser = PgConnection::connect(&standby.url("postgres")).await.unwrap();
    sqlx::query("select pg_promote()").execute(&mut superuser).await.unwrap();
    until_promoted(&url_of_new).await;
    let ledger = Ledger::at(&url_of_new);
    let server = Server::start(&url_of_new, &[]).await.unwrap();
    let new = Branch { ledger, server, operator: branch.operator.clone() };
    assert_eq!(head(&new).await, lost_at);
    all_is_there(&new, &merchant, &paid).await;
    pay(&mut new.client(), &merchant, 5).await;
    assert!(head(&new).await > lost_at);

    the_old_one_is_believed_by_nobody(&primary, branch, &merchant).await;
    drop(new);
    for cluster in [primary, standby] {
        blocking(move || cluster.stop(Stop::Immediate)).await;
    }
}
