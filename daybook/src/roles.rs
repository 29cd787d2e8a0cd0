//! What a server does of all that a ledger needs: everything, or its part beside others.

use clap::{Args, ValueEnum};

/// One part. Any number of processes may play each; those that must be alone see to it among themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Role {
    /// Answers requests: commands and questions, and what channels report
    Api,
    /// Keeps the read models up to date
    Projections,
    /// Reacts: channels, refunds, timers
    Processes,
    /// Carries the log to Kafka
    Relay,
    /// All of them; the relay where a Kafka is named
    All,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Roles {
    /// What this process does; several with commas between. Every process answers /livez, /readyz and /metrics
    #[arg(long = "role", env = "DAYBOOK_ROLE", value_enum, value_delimiter = ',', default_value = "all")]
    roles: Vec<Role>,

    /// Leave the read models to other processes
    #[arg(long, env = "DAYBOOK_WITHOUT_PROJECTIONS")]
    without_projections: bool,

    /// A database of the read models' own, migrated as the ledger's is: all of them are then fed from Kafka
    #[arg(long, env = "DAYBOOK_PROJECTION_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    projection_database_url: Option<String>,
}

impl Roles {
    fn play(&self, role: Role) -> bool {
        self.roles.iter().any(|played| *played == role || *played == Role::All)
    }

    pub(crate) fn answer(&self) -> bool {
        self.play(Role::Api)
    }

    pub(crate) fn project(&self) -> bool {
        self.play(Role::Projections) && !self.without_projections
    }

    pub(crate) fn own_database(&self) -> Option<&str> {
        self.projection_database_url.as_deref()
    }

    pub(crate) fn react(&self) -> bool {
        self.play(Role::Processes)
    }

    /// Whether it relays, where it can.
    pub(crate) fn relay(&self) -> bool {
        self.play(Role::Relay)
    }

    /// Whether it was told to relay in so many words.
    pub(crate) fn must_relay(&self) -> bool {
        self.roles.contains(&Role::Relay)
    }
}
