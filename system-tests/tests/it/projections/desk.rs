//! A ledger with a history, and its read models to be moved step by step.

use std::time::Duration;

use event_store::{Follow, Step};
use projections::{Projections, Projector, ReadModel};
use sqlx::{Executor, PgPool};
use system_tests::database::Ledger;
use system_tests::traffic::{Mix, Traffic, load, vault};

const SOON: Duration = Duration::from_secs(60);

pub(super) struct Desk {
    pub(super) ledger: Ledger,
    pub(super) projections: Projections,
    pub(super) behind: PgPool,
    traffic: Traffic,
}

impl Desk {
    pub(super) async fn new(seed: u64) -> Self {
        let ledger = Ledger::fresh().await.unwrap();
        let store = ledger.store().unwrap();
        let projections = Projections::new(store, ledger.database().unwrap(), vault().unwrap());
        let behind = ledger.superuser_pool().unwrap();
        let traffic = Traffic::new(Mix { merchants: 8, ..Mix::seeded(seed) }).unwrap();
        Self { ledger, projections, behind, traffic }
    }

    /// So many events more; the last position.
    pub(super) async fn add(&mut self, count: usize) -> i64 {
        let lines = self.traffic.more(count).unwrap();
        let position = load(&mut self.ledger.superuser().await.unwrap(), &lines).await.unwrap();
        self.sql(&format!("select pg_notify('daybook_log', '{position}')")).await;
        position
    }

    pub(super) async fn follow(&self, model: &'static dyn ReadModel) -> Follow<Projector> {
        self.projections.follow(model).await.unwrap()
    }

    pub(super) async fn sql(&self, statement: &str) {
        self.behind.execute(statement).await.unwrap();
    }

    pub(super) async fn count(&self, question: &str) -> i64 {
        sqlx::query_scalar(question).fetch_one(&self.behind).await.unwrap()
    }

    pub(super) async fn checkpoint(&self, name: &str) -> i64 {
        let checkpoint = "select coalesce((select position from log.followers where name = $1), 0)";
        sqlx::query_scalar(checkpoint).bind(name).fetch_one(&self.behind).await.unwrap()
    }

    pub(super) async fn until(&self, condition: &str) {
        let holds = async {
            while !sqlx::query_scalar::<_, bool>(condition).fetch_one(&self.behind).await.unwrap() {
                tokio::task::yield_now().await;
            }
        };
        assert!(tokio::time::timeout(SOON, holds).await.is_ok(), "it never came to be that {condition}");
    }

    /// Builds this read model anew beside the live one and finds both alike, row by row.
    pub(super) async fn assert_rebuilds_alike(&self, model: &'static dyn ReadModel) {
        let name = model.plan().name;
        let filling = self.projections.begin(model).await.unwrap();
        let upto = self.checkpoint(name).await;
        let mut filled =
            self.projections.fill(&[(filling, upto)], &|_model, _position| {}).await.pop().unwrap().unwrap();
        let swap = self.projections.swap(&mut filled, false).await.unwrap();
        let projections::Swap::Live { compared_at, differences } = swap else { panic!("{name}: {swap:#?}") };
        assert_eq!((compared_at, differences), (Some(upto), vec![]), "{name}");
    }
}

/// Steps until the follower is there.
pub(super) async fn move_to(follow: &mut Follow<Projector>, position: i64) {
    let moving = async {
        loop {
            match follow.step().await {
                Ok(Step::Moved { to } | Step::Idle { at: to }) if to >= position => return,
                // A connection that was shot at is only noticed when it is used.
                Ok(Step::Moved { .. } | Step::Idle { .. } | Step::Elsewhere) | Err(_) => tokio::task::yield_now().await,
                Ok(step @ (Step::Stumbled { .. } | Step::Parked { .. })) => panic!("{step:?}"),
            }
        }
    };
    assert!(tokio::time::timeout(SOON, moving).await.is_ok(), "it did not get to {position}");
}

/// Steps until the follower is parked, however late it hears of what parks it.
pub(super) async fn until_parked(follow: &mut Follow<Projector>) {
    let parking = async {
        while !matches!(follow.step().await.unwrap(), Step::Parked { .. }) {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(SOON, parking).await.is_ok(), "it is never parked");
}
