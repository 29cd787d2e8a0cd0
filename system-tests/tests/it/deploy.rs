//! What is deployed: rules and dashboards ask for what there is; promtool judges.

pub(crate) mod judged;
mod queries;
mod rules;
mod told;
