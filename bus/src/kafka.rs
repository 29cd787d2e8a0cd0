//! How Kafka is reached: addresses, TLS, who we are there.

use std::time::Duration;

use rdkafka::ClientConfig;

/// How long Kafka may take to answer a question of ours (what topics there are, where one ends).
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A Kafka, and the way to it.
#[derive(Clone, Debug, Default)]
pub struct Kafka {
    /// `host:port` of some of its brokers, with commas between.
    pub brokers: String,
    pub security: Security,
    /// Settings of librdkafka by name, for what is not named here. They win.
    pub more: Vec<(String, String)>,
}

/// TLS and SASL, in librdkafka's words; what is absent is not set.
#[derive(Clone, Default)]
pub struct Security {
    /// `plaintext`, `ssl`, `sasl_plaintext` or `sasl_ssl`.
    pub protocol: Option<String>,
    /// `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    pub mechanism: Option<String>,
    pub username: Option<String>,
    pub password: Option<String>,
    /// A file of certificates whose word is believed; those of the system where none is named.
    pub ca_file: Option<String>,
    /// Our own certificate and its key, for brokers that ask for one.
    pub certificate_file: Option<String>,
    pub key_file: Option<String>,
}

impl std::fmt::Debug for Security {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Security")
            .field("protocol", &self.protocol)
            .field("mechanism", &self.mechanism)
            .finish_non_exhaustive()
    }
}

impl Kafka {
    pub fn at(brokers: impl Into<String>) -> Self {
        Self { brokers: brokers.into(), ..Self::default() }
    }

    /// What every client of ours is told; then what `settings` say; then what the operator says.
    pub(crate) fn client(&self, settings: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers).set("client.id", "daybook");
        // A broker that comes back is found again soon.
        config.set("reconnect.backoff.ms", "50").set("reconnect.backoff.max.ms", "1000");
        let security = &self.security;
        let named = [
            ("security.protocol", &security.protocol),
            ("sasl.mechanisms", &security.mechanism),
            ("sasl.username", &security.username),
            ("sasl.password", &security.password),
            ("ssl.ca.location", &security.ca_file),
            ("ssl.certificate.location", &security.certificate_file),
            ("ssl.key.location", &security.key_file),
        ];
        for (name, value) in named {
            if let Some(value) = value {
                config.set(name, value);
            }
        }
        for (name, value) in settings {
            config.set(*name, *value);
        }
        for (name, value) in &self.more {
            config.set(name, value);
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown_and_the_operator_has_the_last_word() {
        let mut kafka = Kafka::at("a:9092");
        kafka.security.password = Some("hunter2".to_owned());
        kafka.more = vec![("linger.ms".to_owned(), "7".to_owned())];
        assert!(!format!("{kafka:?}").contains("hunter2"));
        let config = kafka.client(&[("linger.ms", "1")]);
        assert_eq!(config.get("linger.ms"), Some("7"));
        assert_eq!(config.get("sasl.password"), Some("hunter2"));
    }
}
