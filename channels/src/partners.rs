//! The list of partners: who plays which channel, for real money and for trials.

use std::{sync::Arc, time::Duration};

use domain::channel::Channel as Name;

use crate::{
    channel::Channel,
    exponents::Exponents,
    line::{Limits, Line},
    no_partner::NoPartner,
    sandbox::Sandbox,
};

/// A line to every channel, in either mode.
pub struct Partners {
    lines: Vec<(Name, bool, Arc<Line>)>,
    nobody: Arc<Line>,
}

/// Where the sandbox serves, and how long what it did may go unseen there.
#[derive(Clone, Debug)]
pub struct SandboxAddress {
    pub url: String,
    pub absent_after: Duration,
}

impl SandboxAddress {
    /// Longer than the sandbox denies anything by default.
    pub const ABSENT_AFTER: Duration = Duration::from_secs(60);

    #[must_use]
    pub fn at(url: impl Into<String>) -> Self {
        Self { url: url.into(), absent_after: Self::ABSENT_AFTER }
    }
}

impl Partners {
    #[must_use]
    pub fn new(sandbox: &SandboxAddress, limits: &Limits) -> Self {
        let line = |name, livemode| {
            let partner = partner(name, livemode, sandbox);
            (name, livemode, Arc::new(Line::new(partner, limits.clone())))
        };
        let lines = Name::ALL.iter().flat_map(|name| [line(*name, false), line(*name, true)]).collect();
        let nobody = Line::new(Box::new(NoPartner(Name::Sandbox)), limits.clone());
        Self { lines, nobody: Arc::new(nobody) }
    }

    /// Each mode has a line of its own: trials use up nothing of real money's.
    #[must_use]
    pub fn line(&self, name: Name, livemode: bool) -> &Arc<Line> {
        let found = self.lines.iter().find(|(known, mode, _)| *known == name && *mode == livemode);
        found.map_or(&self.nobody, |(_, _, line)| line)
    }

    /// All of them, with their mode.
    pub fn lines(&self) -> impl Iterator<Item = (Name, bool, &Arc<Line>)> {
        self.lines.iter().map(|(name, livemode, line)| (*name, *livemode, line))
    }
}

/// A real partner is a folder beside the sandbox's, and a line here.
fn partner(name: Name, livemode: bool, sandbox: &SandboxAddress) -> Box<dyn Channel> {
    match (name, livemode) {
        (Name::Stripe | Name::Paypal | Name::Alipay | Name::Crypto | Name::Sandbox, false) => {
            Box::new(Sandbox::new(name, exponents(name), &sandbox.url, sandbox.absent_after))
        }
        (Name::Stripe | Name::Paypal | Name::Alipay | Name::Crypto | Name::Sandbox, true) => Box::new(NoPartner(name)),
    }
}

/// How each channel counts, whoever plays it.
#[must_use]
pub const fn exponents(name: Name) -> Exponents {
    match name {
        Name::Stripe => Exponents::deviating(&[("ISK", 2), ("MGA", 0), ("UGX", 2)]),
        Name::Paypal => Exponents::deviating(&[("HUF", 0), ("TWD", 0)]),
        Name::Alipay | Name::Crypto | Name::Sandbox => Exponents::TRUE,
    }
}
