//! The bus: the log on a real Kafka, whatever dies on the way.

mod brokers;
mod deaths;
pub(crate) mod desk;
mod fed;
mod grouped;
mod limits;
mod planted;
mod readers;
mod relayed;
mod restored;
