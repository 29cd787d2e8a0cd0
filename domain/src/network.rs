//! Addresses on the internet, one or a block of them; no sockets.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::{fmt, str::FromStr};

use crate::{refusal::refusals, text::stored_as_text};

/// One address or a block, as `192.0.2.7` or `192.0.2.0/24`; each has one text form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

refusals! {
    /// Why a text is no address and no block.
    pub enum NetworkRefusal {
        NetworkMalformed = "network_malformed", 422,
            "This is neither an address nor a block of addresses.", "这既不是地址也不是地址段。";
        NetworkTooWide = "network_too_wide", 422,
            "The block of addresses is too wide for a list.", "地址段过大，不能列入名单。";
    }
}

/// Wider blocks hold millions of strangers: a slip of the finger.
const WIDEST_V4: u8 = 8;
const WIDEST_V6: u8 = 16;

impl Network {
    /// Every block that may be listed and holds the address, the narrowest first.
    pub fn around(address: IpAddr) -> impl Iterator<Item = Self> {
        let address = address.to_canonical();
        (widest(address)..=length(address)).rev().map(move |prefix| Self { address: masked(address, prefix), prefix })
    }
}

const fn length(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

const fn widest(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => WIDEST_V4,
        IpAddr::V6(_) => WIDEST_V6,
    }
}

/// The first address of the block of this length around the address.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    let free = u32::from(length(address).saturating_sub(prefix));
    match address {
        IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & u32::MAX.checked_shl(free).unwrap_or(0))),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & u128::MAX.checked_shl(free).unwrap_or(0))),
    }
}

impl FromStr for Network {
    type Err = NetworkRefusal;

    fn from_str(text: &str) -> Result<Self, NetworkRefusal> {
        let read = |address: &str| address.parse::<IpAddr>().ok().ok_or(NetworkRefusal::NetworkMalformed);
        let Some((address, digits)) = text.split_once('/') else {
            let address = read(text)?.to_canonical();
            return Ok(Self { address, prefix: length(address) });
        };
        let (address, prefix) = (read(address)?, digits.parse::<u8>().unwrap_or(u8::MAX));
        // One block has one name: no `/08`, no bits beyond the prefix, no block of the old inside the new.
        let is_canonical = prefix.to_string() == digits && masked(address, prefix) == address;
        if prefix > length(address) || !is_canonical || address.to_canonical() != address {
            return Err(NetworkRefusal::NetworkMalformed);
        }
        if prefix < widest(address) {
            return Err(NetworkRefusal::NetworkTooWide);
        }
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, prefix } = self;
        if *prefix == length(*address) { write!(f, "{address}") } else { write!(f, "{address}/{prefix}") }
    }
}

stored_as_text!(Network);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    fn is_in(address: &str, block: &str) -> bool {
        Network::around(address.parse().unwrap()).any(|around| around == network(block))
    }

    #[test]
    fn a_block_holds_its_first_and_last_address_and_not_their_neighbours() {
        for (address, inside) in
            [("192.0.1.255", false), ("192.0.2.0", true), ("192.0.2.255", true), ("192.0.3.0", false)]
        {
            assert_eq!(is_in(address, "192.0.2.0/24"), inside, "{address}");
            assert_eq!(is_in(&format!("::ffff:{address}"), "192.0.2.0/24"), inside, "{address}, told in the new form");
        }
        assert!(is_in("10.255.255.255", "10.0.0.0/8") && !is_in("11.0.0.0", "10.0.0.0/8"));
        assert!(is_in("2001:db8::1", "2001:db8::/32") && !is_in("2001:db9::1", "2001:db8::/32"));
        assert!(is_in("192.0.2.7", "192.0.2.7") && !is_in("192.0.2.8", "192.0.2.7"));
        assert!(is_in("2001:ffff::", "2001::/16") && is_in("::1", "::1"));
    }

    #[test]
    fn a_block_has_one_text_form() {
        for text in ["192.0.2.7", "192.0.2.0/24", "10.0.0.0/8", "2001:db8::/32", "::1"] {
            assert_eq!(network(text).to_string(), text);
            let json = serde_json::to_string(&network(text)).unwrap();
            assert_eq!(serde_json::from_str::<Network>(&json).unwrap(), network(text));
        }
        assert_eq!(network("192.0.2.7/32").to_string(), "192.0.2.7");
        assert_eq!(network("::ffff:192.0.2.7"), network("192.0.2.7"));
        let malformed = ["", "/", "10.0.0.1/8", "10.0.0.0/08", "10.0.0.0/+8", "10.0.0.0/33", "10.0.0.0/", "10.0.0/8"];
        for text in malformed.into_iter().chain(["localhost", "2001:db8::/129", "::ffff:10.0.0.0/104", "10.0.0.0/8/8"])
        {
            assert_eq!(text.parse::<Network>(), Err(NetworkRefusal::NetworkMalformed), "{text}");
        }
        for text in ["0.0.0.0/0", "10.0.0.0/7", "::/0", "2000::/15"] {
            assert_eq!(text.parse::<Network>(), Err(NetworkRefusal::NetworkTooWide), "{text}");
        }
    }

    proptest! {
        #![proptest_config(crate::cases::cases())]

        #[test]
        fn what_is_around_an_address_reads_back(bits in any::<u128>(), old in any::<bool>()) {
            let new = IpAddr::V6(Ipv6Addr::from_bits(bits));
            let address = if old { IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(bits >> 96).unwrap())) } else { new };
            for around in Network::around(address) {
                prop_assert_eq!(around.to_string().parse::<Network>(), Ok(around));
            }
        }
    }
}
