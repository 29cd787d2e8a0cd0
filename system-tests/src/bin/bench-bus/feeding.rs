//! How fast the ledger's read model is fed from Kafka, beside from the log.

use std::time::Instant;

use bus::{Fed, Feed};
use event_store::Step;
use projections::{Projections, named};
use system_tests::database::Ledger;
use system_tests::report::{Aim, Figure, line};
use system_tests::traffic::vault;

use crate::Problem;
use crate::desk::{Desk, rate};

pub(crate) async fn measure(desk: &Desk) -> Result<Vec<Figure>, Problem> {
    let model = named("ledger").ok_or("there is no read model called ledger")?;
    let log = desk.ledger.database()?;
    let here = Projections::new(desk.store.clone(), log.clone(), vault()?);
    let mut follow = here.follow(model).await?;
    let begin = Instant::now();
    while !matches!(follow.step().await?, Step::Moved { to } | Step::Idle { at: to } if to >= desk.head) {}
    let from_log = rate(desk.head, begin.elapsed());

    let own = Ledger::on(desk.ledger.superuser_url()).await?;
    let there = Projections::new(own.store()?, own.database()?, vault()?).with_keys_in(&log);
    let feed = Feed { kafka: desk.broker.kafka(), topic: desk.topic.name.clone(), group: "bench.ledger".to_owned() };
    let mut fed = Fed::new(there.projector(model).await?, there.pool().clone(), feed);
    // Watermarks come from a relay, as always.
    let relay = desk.start_relay()?;
    let begin = Instant::now();
    while !matches!(fed.step().await?, Step::Moved { to } | Step::Idle { at: to } if to >= desk.head) {}
    let from_kafka = rate(desk.head, begin.elapsed());
    fed.end().await;
    relay.end().await?;
    line(&format!("the ledger's read model: {from_log:.0} events/s from the log, {from_kafka:.0} from Kafka"))?;
    let about = "of the rate at which the ledger's read model follows the log";
    Ok(vec![
        Figure::new(
            "followed_events_per_s",
            "events a second into the ledger's read model, from the log",
            from_log,
            None,
        ),
        Figure::new("fed_events_per_s", "events a second into the ledger's read model, from Kafka", from_kafka, None),
        Figure::new("kafka_fed_share", about, from_kafka / from_log, Some(Aim::AtLeast(0.7))),
    ])
}
