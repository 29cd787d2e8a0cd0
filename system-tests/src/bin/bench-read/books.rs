//! A ledger with a long history, and how quickly it answers.

use std::time::Instant;

use projections::ledger::{AsOf, Whose, balances};
use projections::{MODELS, Projections};
use sqlx::{Executor, Row as _};
use system_tests::database::Ledger;
use system_tests::report::{Aim, Figure, line};
use system_tests::traffic::{Mix, Traffic, vault};

use crate::Problem;

pub(crate) struct Books {
    pub(crate) ledger: Ledger,
    pub(crate) projections: Projections,
    pub(crate) traffic: Traffic,
    pub(crate) head: i64,
}

pub(crate) fn projections(ledger: &Ledger) -> Result<Projections, Problem> {
    Ok(Projections::new(ledger.store()?, ledger.database()?, vault()?))
}

impl Books {
    pub(crate) async fn with(server: &str, events: usize) -> Result<Self, Problem> {
        Self::of(server, Mix { merchants: 200, at_once: 500, ..Mix::seeded(5) }, events).await
    }

    pub(crate) async fn of(server: &str, mix: Mix, events: usize) -> Result<Self, Problem> {
        let (ledger, mut traffic) = (Ledger::on(server).await?, Traffic::new(mix)?);
        let begin = Instant::now();
        let head = traffic.fill(&ledger, events).await?;
        line(&format!("{head} events made and loaded in {:.1} s", begin.elapsed().as_secs_f64()))?;
        Ok(Self { projections: projections(&ledger)?, ledger, traffic, head })
    }

    /// Rows by their keys, and all balances as of positions long past.
    pub(crate) async fn ask(&mut self) -> Result<Vec<Figure>, Problem> {
        const READS: i32 = 300;
        let mut connection = self.ledger.superuser().await?;
        let mut point_reads = Vec::new();
        for table in MODELS.iter().flat_map(|model| model.plan().tables) {
            let keys: Vec<String> = table.key.iter().map(|column| format!("{column}::text")).collect();
            let sample = format!("select {} from read.{} order by random() limit {READS}", keys.join(", "), table.name);
            let kinds = table.key.iter().map(|key| table.columns.iter().find(|column| column.name == *key));
            let kinds: Vec<&str> = kinds.flatten().map(|column| column.kind).collect();
            let same: Vec<String> = (1..)
                .zip(table.key.iter().zip(&kinds))
                .map(|(n, (key, kind))| format!("{key} = (${n}::text)::{}", kind.split(' ').next().unwrap_or(kind)))
                .collect();
            let read = format!("select * from read.{} where {}", table.name, same.join(" and "));
            for row in connection.fetch_all(sample.as_str()).await? {
                let mut query = sqlx::query(&read);
                for n in 0..table.key.len() {
                    query = query.bind(row.try_get::<String, _>(n)?);
                }
                let begin = Instant::now();
                query.fetch_one(&mut connection).await?;
                point_reads.push(begin.elapsed().as_secs_f64() * 1_000.0);
            }
        }
        let mut balanced = Vec::new();
        for part in 1..=20 {
            let as_of = AsOf { position: self.head * part / 20, effective_at: None };
            let begin = Instant::now();
            let found = balances(&mut connection, Whose { merchant_id: None, livemode: None }, as_of).await?;
            balanced.push(begin.elapsed().as_secs_f64() * 1_000.0);
            let total: i128 = found.iter().map(|balance| balance.balance_minor).sum();
            if total != 0 {
                return Err(format!("the books do not balance at {}: {total}", as_of.position).into());
            }
        }
        let (read, worst) = (percentile(point_reads, 99), percentile(balanced, 100));
        line(&format!("a row by its key: p99 {read:.2} ms; all balances at any past position: at most {worst:.1} ms"))?;
        Ok(vec![
            Figure::new("point_read_p99_ms", "a row of any read model by its key, p99", read, Some(Aim::AtMost(5.0))),
            Figure::new(
                "trial_balance_past_ms",
                "trial balance at a past position, the slowest of 20",
                worst,
                Some(Aim::AtMost(200.0)),
            ),
        ])
    }
}

pub(crate) fn percentile(mut values: Vec<f64>, percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len() * percent).div_ceil(100).saturating_sub(1);
    values.get(at).copied().unwrap_or(f64::NAN)
}
