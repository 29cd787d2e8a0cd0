//! Which Kafka, and what of the ledger is on it.

use bus::{Feed, Kafka, Security, Topic};
use clap::Args;

use crate::failure::{Failure, Result};

/// A Kafka, where there is one.
#[derive(Args, Clone, Debug)]
pub(crate) struct OnKafka {
    /// Brokers of the Kafka that carries the log, HOST:PORT with commas between; without it there is no bus
    #[arg(long, env = "DAYBOOK_KAFKA_BROKERS", value_name = "HOST:PORT")]
    kafka_brokers: Option<String>,

    /// The topic
    #[arg(long, env = "DAYBOOK_KAFKA_TOPIC", default_value = "daybook.events", value_name = "NAME")]
    kafka_topic: String,

    /// How many partitions the topic has; never changes once it is there
    #[arg(long, env = "DAYBOOK_KAFKA_PARTITIONS", default_value_t = 12, value_name = "COUNT",
          value_parser = clap::value_parser!(u16).range(1..=1_000))]
    kafka_partitions: u16,

    /// Copies of each partition, when the topic is made; the brokers' default where it is not named
    #[arg(long, env = "DAYBOOK_KAFKA_REPLICAS", value_name = "COUNT", value_parser = clap::value_parser!(i32).range(1..=9))]
    kafka_replicas: Option<i32>,

    /// Days that messages are kept, when the topic is made; for ever where it is not named
    #[arg(long, env = "DAYBOOK_KAFKA_RETENTION_DAYS", value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..))]
    kafka_retention_days: Option<u16>,

    /// The topic is made and looked after by others; only its partitions are counted
    #[arg(long, env = "DAYBOOK_KAFKA_TOPIC_MADE_ELSEWHERE")]
    kafka_topic_made_elsewhere: bool,

    /// Read models that are fed from Kafka instead of the log: their names with commas between, or `all`
    #[arg(long, env = "DAYBOOK_KAFKA_FED", value_delimiter = ',', value_name = "NAMES")]
    kafka_fed: Vec<String>,

    /// What the names of consumer groups begin with: another one for each database of read models
    #[arg(long, env = "DAYBOOK_KAFKA_GROUP", default_value = "daybook", value_name = "NAME")]
    kafka_group: String,

    #[command(flatten)]
    way: Way,
}

/// TLS, and who we are.
#[derive(Args, Clone)]
struct Way {
    /// `plaintext`, `ssl`, `sasl_plaintext` or `sasl_ssl`
    #[arg(long, env = "DAYBOOK_KAFKA_SECURITY", value_name = "PROTOCOL",
          value_parser = ["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"])]
    kafka_security: Option<String>,

    /// PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512
    #[arg(long, env = "DAYBOOK_KAFKA_SASL_MECHANISM", value_name = "MECHANISM",
          value_parser = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])]
    kafka_sasl_mechanism: Option<String>,

    #[arg(long, env = "DAYBOOK_KAFKA_USERNAME", value_name = "NAME", hide = true)]
    kafka_username: Option<String>,

    /// A file with the password of `DAYBOOK_KAFKA_USERNAME`
    #[arg(long, env = "DAYBOOK_KAFKA_PASSWORD_FILE", value_name = "FILE")]
    kafka_password_file: Option<std::path::PathBuf>,

    /// Certificates whose word is believed; the system's where none is named
    #[arg(long, env = "DAYBOOK_KAFKA_CA_FILE", value_name = "FILE")]
    kafka_ca_file: Option<String>,

    /// Our own certificate, for brokers that ask for one
    #[arg(long, env = "DAYBOOK_KAFKA_CERTIFICATE_FILE", value_name = "FILE", requires = "kafka_key_file")]
    kafka_certificate_file: Option<String>,

    /// Its key
    #[arg(long, env = "DAYBOOK_KAFKA_KEY_FILE", value_name = "FILE", requires = "kafka_certificate_file")]
    kafka_key_file: Option<String>,
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Way").field("security", &self.kafka_security).finish_non_exhaustive()
    }
}

impl OnKafka {
    /// The Kafka that was named, if one was.
    pub(crate) fn has_kafka(&self) -> bool {
        self.kafka_brokers.is_some()
    }

    pub(crate) fn kafka(&self) -> Result<Option<Kafka>> {
        let Some(brokers) = &self.kafka_brokers else { return Ok(None) };
        let way = &self.way;
        let password = way.kafka_password_file.as_ref().map(|file| {
            let reading = |source| Failure::Io { what: format!("reading {}", file.display()), source };
            std::fs::read_to_string(file).map(|text| text.trim_end().to_owned()).map_err(reading)
        });
        let security = Security {
            protocol: way.kafka_security.clone(),
            mechanism: way.kafka_sasl_mechanism.clone(),
            username: way.kafka_username.clone(),
            password: password.transpose()?,
            ca_file: way.kafka_ca_file.clone(),
            certificate_file: way.kafka_certificate_file.clone(),
            key_file: way.kafka_key_file.clone(),
        };
        Ok(Some(Kafka { brokers: brokers.clone(), security, more: Vec::new() }))
    }

    /// The same, for those who can do nothing without.
    pub(crate) fn must_kafka(&self) -> Result<Kafka> {
        let none = "no Kafka is named: give --kafka-brokers HOST:PORT or DAYBOOK_KAFKA_BROKERS";
        self.kafka()?.ok_or_else(|| Failure::NotThere(none.to_owned()))
    }

    /// The follower that carries the log to the Kafka that was named, if one was.
    pub(crate) fn relay_name(&self) -> Option<String> {
        self.kafka_brokers.as_ref().map(|_brokers| bus::relay_name(&self.kafka_topic))
    }

    /// Whether a read model is fed from Kafka.
    pub(crate) fn feeds(&self, read_model: &str) -> bool {
        self.kafka_fed.iter().any(|name| name == read_model || name == "all")
    }

    /// Makes sure that whoever is to be fed is a read model.
    pub(crate) fn check_fed(&self) -> Result<()> {
        match self.kafka_fed.iter().find(|name| *name != "all" && projections::named(name).is_none()) {
            Some(name) => {
                Err(Failure::NotThere(format!("there is no read model {name}: see `daybook projection list`")))
            }
            None => Ok(()),
        }
    }

    pub(crate) fn feed(&self, kafka: &Kafka, read_model: &str) -> Feed {
        Feed { kafka: kafka.clone(), topic: self.kafka_topic.clone(), group: self.group(read_model) }
    }

    /// The consumer group of a follower.
    pub(crate) fn group(&self, follower: &str) -> String {
        format!("{}.{follower}", self.kafka_group)
    }

    pub(crate) fn topic(&self) -> Topic {
        const DAY_MS: i64 = 86_400_000;
        Topic {
            name: self.kafka_topic.clone(),
            partitions: self.kafka_partitions.into(),
            replicas: self.kafka_replicas,
            retention_ms: self.kafka_retention_days.map(|days| i64::from(days).saturating_mul(DAY_MS)),
            is_made_elsewhere: self.kafka_topic_made_elsewhere,
        }
    }
}
