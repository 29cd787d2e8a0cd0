//! The payment partners money moves through, by the name the outside uses.

use std::{fmt, str::FromStr};

use crate::{refusal::refusals, text::stored_as_text};

/// A partner through which money moves with the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    Stripe,
    Paypal,
    Alipay,
    Crypto,
    Sandbox,
}

refusals! {
    /// Why a channel's name is no channel.
    pub enum ChannelRefusal {
        ChannelUnknown = "channel_unknown", 422, "There is no such channel.", "该支付渠道不存在。";
    }
}

impl Channel {
    pub const ALL: &'static [Self] = &[Self::Stripe, Self::Paypal, Self::Alipay, Self::Crypto, Self::Sandbox];

    /// Real money may go through it.
    #[must_use]
    pub const fn is_real(self) -> bool {
        match self {
            Self::Stripe | Self::Paypal | Self::Alipay | Self::Crypto => true,
            Self::Sandbox => false,
        }
    }

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stripe => "stripe",
            Self::Paypal => "paypal",
            Self::Alipay => "alipay",
            Self::Crypto => "crypto",
            Self::Sandbox => "sandbox",
        }
    }
}

impl FromStr for Channel {
    type Err = ChannelRefusal;

    fn from_str(name: &str) -> Result<Self, ChannelRefusal> {
        Self::ALL.iter().copied().find(|channel| channel.name() == name).ok_or(ChannelRefusal::ChannelUnknown)
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

stored_as_text!(Channel);
