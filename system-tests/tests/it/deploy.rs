//! What is deployed: rules and dashboards ask for what there is, and promtool judges them.

mod judged;
mod queries;
mod rules;
mod told;
