//! What the tree costs a server under half its load, in processor time a payment.

use std::path::Path;
use std::time::Duration;

use embedded_postgres::Cluster;
use system_tests::database::Ledger;
use system_tests::report::{Figure, line, median};

use crate::Problem;
use crate::cpu::Used;
use crate::server::{Server, operator_token};
use crate::{merchant, open_loop};

const CONNECTIONS: usize = 64;
/// About half of what a server of this machine takes, read models and reactions elsewhere.
const PER_SECOND: f64 = 5_000.0;
const WARM_UP: Duration = Duration::from_secs(3);
const EACH: Duration = Duration::from_secs(10);

/// The median over pairs, each of which has the two sides one after the other, turn about.
pub(crate) async fn measure(cluster: &Cluster, pairs: usize) -> Result<Figure, Problem> {
    let place = std::env::temp_dir().join(format!("daybook-bench-tree-{}", std::process::id()));
    std::fs::create_dir_all(&place)?;
    audit::key::FileSigner::draw(&place.join("key"), "example.com/bench")?;
    let mut overheads = Vec::new();
    for pair in 0..pairs {
        let (mut with, mut without) = (0.0, 0.0);
        for has_tree in [pair % 2 == 0, pair % 2 != 0] {
            let spent =
                one(cluster, has_tree.then_some(place.join(format!("checkpoints-{pair}"))).as_deref(), &place).await?;
            if has_tree { with = spent } else { without = spent }
        }
        overheads.push((with / without - 1.0) * 100.0);
        line(&format!("pair {pair}: {without:.0} us a payment without the tree, {with:.0} with it"))?;
    }
    std::fs::remove_dir_all(&place)?;
    Ok(Figure::new(
        "tree_cpu_overhead_percent",
        "processor time a payment, the tree on (aim: 10, or noise)",
        median(overheads),
        None,
    ))
}

/// Microseconds of server and Postgres together, on a ledger of its own.
async fn one(cluster: &Cluster, outside: Option<&Path>, place: &Path) -> Result<f64, Problem> {
    let ledger = Ledger::on(&cluster.url("daybook")).await?;
    let url = ledger.superuser_url();
    let key = place.join("key").display().to_string();
    let outside = outside.map(|outside| outside.display().to_string());
    let witness = match &outside {
        Some(outside) => vec!["--checkpoint-key-file", &key, "--checkpoint-directory", outside],
        None => vec!["--without-audit"],
    };
    let server =
        Server::serving(url, &[&["--without-projections", "--without-processes"], &witness[..]].concat()).await?;
    let payments = merchant::set_up(&server.address, &operator_token(url).await?, false).await?;
    open_loop::run(&server.address, &payments.series("warm"), CONNECTIONS, PER_SECOND, WARM_UP).await?;
    let before = Used::now(&server, cluster.pid()?)?;
    let seen = open_loop::run(&server.address, &payments.series("measured"), CONNECTIONS, PER_SECOND, EACH).await?;
    let spent = Used::now(&server, cluster.pid()?)?.since(&before, f64::from(u32::try_from(seen.count)?));
    line(&format!("  {:.0}/s, {spent}", seen.per_second()))?;
    server.kill().await?;
    Ok(spent.server + spent.postgres)
}
