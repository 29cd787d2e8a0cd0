//! `daybook bus`: how the log on Kafka stands, sending it again, checking it.

use std::process::ExitCode;

use bus::{From, Kafka, PartitionStanding};
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};

use super::{place::Place, say};
use crate::{
    database,
    failure::{Attempt as _, Failure, Result},
    kafka::OnKafka,
};

/// The log on Kafka: how it stands, sending it again, holding it against the log
#[derive(Args, Debug)]
pub(super) struct Bus {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    on_kafka: OnKafka,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// How far the relay has come, and how many messages each consumer group has yet to take
    Status {
        /// Further groups to look at, beside those of read models
        #[arg(long)]
        group: Vec<String>,
    },
    /// Take up again from an earlier place: the relay from a position of the log, or a consumer group from an offset or
    /// a time. Whoever has seen what comes again drops it
    Replay {
        /// A position of the log; with --group also earliest, latest, an offset, or a time (RFC 3339)
        #[arg(long, value_name = "PLACE")]
        from: String,

        /// The consumer group; nobody of it may be reading. Without it, the relay sends again from the position on
        #[arg(long, value_name = "NAME")]
        group: Option<String>,
    },
    /// Hold the topic against the log: every event there, in the order of its merchant, equal to the byte
    Verify,
}

fn kafka_failed(failure: impl std::fmt::Display) -> Failure {
    Failure::NotThere(format!("Kafka did not do as it was asked: {failure}"))
}

impl Bus {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let kafka = self.on_kafka.must_kafka()?;
        let url = self.place.url()?;
        match &self.what {
            What::Status { group } => self.status(&kafka, &url, group).await,
            What::Replay { from, group: Some(group) } => self.replay_group(&kafka, from, group).await,
            What::Replay { from, group: None } => self.replay_log(&url, from).await,
            What::Verify => self.verify(&kafka, &url).await,
        }
    }

    async fn status(&self, kafka: &Kafka, url: &str, groups: &[String]) -> Result<ExitCode> {
        let (database, topic) = (database::parse(url)?, self.on_kafka.topic());
        let looking = || "looking how the bus stands".to_owned();
        let relay = bus::relay_standing(&database, &topic.name).await.attempt(looking)?;
        let behind = relay.head.saturating_sub(relay.position);
        let by = if relay.is_held { "running" } else { "not running" };
        say(format!("relay   {}  position {}, {behind} behind, {by}", topic.name, relay.position))?;
        if let Some(reason) = &relay.parked_reason {
            say(format!("        parked: {reason}"))?;
        }
        let fed = bus::fed_followers(&database, &topic.name).await.attempt(looking)?;
        let named = fed.iter().map(|follower| self.on_kafka.group(follower)).chain(groups.iter().cloned());
        for group in named {
            let standings = bus::group_standing(kafka, &topic.name, &group).await.map_err(kafka_failed)?;
            let lag: i64 = standings.iter().map(PartitionStanding::lag_count).sum();
            say(format!("group   {group}  {lag} messages to take"))?;
            for standing in &standings {
                let at = standing.group_offset.map_or_else(|| "-".to_owned(), |offset| offset.to_string());
                let (partition, next, lag) = (standing.partition, standing.next_offset, standing.lag_count());
                say(format!("        partition {partition:>3}  at {at} of {next}, lag {lag}"))?;
            }
        }
        Ok(if relay.parked_reason.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    async fn replay_group(&self, kafka: &Kafka, from: &str, group: &str) -> Result<ExitCode> {
        let topic = self.on_kafka.topic().name;
        let from = match (from, from.parse::<i64>(), from.parse::<DateTime<Utc>>()) {
            ("earliest", _, _) => From::Earliest,
            ("latest", _, _) => From::Latest,
            (_, Ok(offset), _) => From::Offset(offset),
            (_, _, Ok(time)) => From::Time(time),
            (_, Err(_), Err(_)) => {
                let why =
                    format!("{from} is neither earliest, latest, an offset nor a time such as 2026-01-31T12:00:00Z");
                return Err(Failure::NotThere(why));
            }
        };
        let partitions = bus::partitions(kafka, &topic).await.map_err(kafka_failed)?;
        let partitions = partitions.ok_or_else(|| Failure::NotThere(format!("there is no topic {topic}")))?;
        let set = bus::set_offsets(kafka, &topic, partitions, group, from).await.map_err(kafka_failed)?;
        for (partition, offset) in set {
            say(format!("partition {partition:>3}  begins at {offset}"))?;
        }
        say(format!("{group} begins there when it reads next; one that is parked is let go on by its operator"))?;
        Ok(ExitCode::SUCCESS)
    }

    async fn replay_log(&self, url: &str, from: &str) -> Result<ExitCode> {
        let topic = self.on_kafka.topic().name;
        let position: i64 = from.parse().map_err(|_not_a_position| {
            Failure::NotThere(format!("{from} is no position of the log; to set a group back, name it with --group"))
        })?;
        let before = position.saturating_sub(1);
        let rewound =
            bus::rewind(&database::parse(url)?, &topic, before).await.attempt(|| "setting the relay back".to_owned());
        if !rewound? {
            return Err(Failure::NotThere(format!("nothing was ever relayed to {topic}: start its relay")));
        }
        say(format!("the relay of {topic} sends again from position {position} on"))?;
        Ok(ExitCode::SUCCESS)
    }

    async fn verify(&self, kafka: &Kafka, url: &str) -> Result<ExitCode> {
        let topic = self.on_kafka.topic().name;
        let verified = bus::verify(kafka, &topic, &database::parse(url)?).await.map_err(kafka_failed)?;
        say(format!(
            "{} events of the log are in {topic}, complete up to position {}; {} came again, {} watermarks",
            verified.events_count, verified.complete_upto, verified.repeated_count, verified.watermarks_count
        ))?;
        for fault in &verified.faults {
            say(format!("FAULT  {fault}"))?;
        }
        Ok(if verified.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
