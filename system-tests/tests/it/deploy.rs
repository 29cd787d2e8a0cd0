//! What is deployed: rules and dashboards ask for what there is; promtool judges.

mod judged;
mod queries;
mod rules;
mod told;
