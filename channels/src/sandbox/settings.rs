//! How the sandbox behaves: where it reports to, how long things take, what goes wrong.

use std::time::Duration;

use domain::money::BasisPoints;

use crate::{report::Secret, sandbox::faults::FaultPlan};

#[derive(Clone, Debug)]
pub struct Settings {
    /// Where reports go, with `{channel}` for the channel's name, such as
    /// `http://127.0.0.1:40003/api/v1/webhooks/{channel}`. None: it never reports.
    pub report_url: Option<String>,
    pub report_secret: Secret,
    /// Where customers find it (3-D Secure), if that is not where it listens.
    pub public_url: Option<String>,
    /// What it keeps of each capture.
    pub fee: BasisPoints,
    pub faults: FaultPlan,
    pub timing: Timing,
    pub backlog: Backlog,
}

/// How many reports may wait to be taken; more are as lost on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    pub reports_max: usize,
    pub bytes_max: usize,
}

impl Default for Backlog {
    fn default() -> Self {
        Self { reports_max: 10_000, bytes_max: 8 * 1024 * 1024 }
    }
}

/// Every delay is real, and none is longer than said here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// An answer that comes late.
    pub late: Duration,
    /// A connection that is held and never answered on.
    pub hang: Duration,
    /// What happens by itself afterwards: a dispute, the end of a pending refund, a late success.
    pub afterwards: Duration,
    /// For how long `status` may deny what was done.
    pub status_lag: Duration,
    /// A report that comes late, or after the next one.
    pub report_late: Duration,
    /// Before a report is sent a second time; doubled with each time.
    pub report_retry: Duration,
    pub report_tries: u32,
    /// For how long a customer may take to authenticate.
    pub authentication: Duration,
    /// For how long an authorisation stands.
    pub authorisation: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            late: Duration::from_millis(1_500),
            hang: Duration::from_secs(30),
            afterwards: Duration::from_secs(2),
            status_lag: Duration::from_secs(20),
            report_late: Duration::from_secs(5),
            report_retry: Duration::from_millis(500),
            report_tries: 8,
            authentication: Duration::from_secs(15 * 60),
            authorisation: Duration::from_secs(7 * 24 * 60 * 60),
        }
    }
}

impl Settings {
    /// Well-behaved, but for what tokens ask for.
    #[must_use]
    pub fn new(report_secret: Secret) -> Self {
        Self {
            report_url: None,
            report_secret,
            public_url: None,
            fee: BasisPoints::new(140).unwrap_or(BasisPoints::NONE),
            faults: FaultPlan::default(),
            timing: Timing::default(),
            backlog: Backlog::default(),
        }
    }
}
