//! The proof: what the tests and benches of the whole system share.

pub mod appender;
pub mod applied;
pub mod asyncapi;
pub mod branch;
pub mod broker;
pub mod client;
pub mod copyist;
pub mod dashboards;
pub mod database;
pub mod exposition;
pub mod invariants;
pub mod load;
pub mod map;
pub mod metered;
pub mod promql;
pub mod proof;
pub mod proxy;
pub mod relay;
pub mod report;
pub mod say;
pub mod schema;
pub mod server;
pub mod tally;
pub mod times;
pub mod traffic;
pub mod tree;
