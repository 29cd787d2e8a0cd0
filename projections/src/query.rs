//! Questions: one SELECT for a tenant, as of a position, in the format the caller reads.
//!
//! A [`resource::Resource`] declares what may be asked of a read model. Its rows are reached through a
//! [`tenant::Tenant`] only, which is made of a caller the gate let in; every answer names the position it is true at.

use std::{sync::Arc, time::Duration};

use gate::Gate;
use sqlx::PgPool;

pub(crate) mod answer;
pub(crate) mod cell;
pub(crate) mod cursor;
pub(crate) mod export;
pub(crate) mod exporters;
pub(crate) mod filter;
pub(crate) mod format;
pub(crate) mod freshness;
pub(crate) mod parquet;
pub(crate) mod resource;
pub(crate) mod sealed;
pub(crate) mod select;
pub(crate) mod sight;
pub(crate) mod since;
pub(crate) mod tenant;

use exporters::Exporters;

/// How long a question that names a position waits until the read models have come so far.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// What questions are answered from. Cheap to clone.
#[derive(Clone)]
pub struct Reads {
    pub gate: Gate,
    /// Connections that change nothing and give up what takes too long.
    pub pool: PgPool,
    pub patience: Duration,
    pub(crate) exporters: Arc<Exporters>,
}

impl Reads {
    pub fn new(gate: Gate, pool: PgPool, patience: Duration) -> Self {
        Self { gate, pool, patience, exporters: Arc::new(Exporters::default()) }
    }
}
