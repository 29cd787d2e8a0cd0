//! Whose request it is: the address told by proxies that are believed.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::http::{Extensions, HeaderMap};
use domain::network::Network;

const FORWARDED_FOR: &str = "x-forwarded-for";
/// Proxies one behind the other: more is a loop, or made up.
const HOPS_MAX: usize = 32;

/// Who is at the other end of a connection. The accept loop puts it into each request.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// Those whose word is taken for who stands behind them. None, unless an operator names them: anybody can write a header.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Arc<[Network]>);

impl Proxies {
    pub fn new(trusted: Vec<Network>) -> Self {
        Self(trusted.into())
    }

    fn trusts(&self, address: IpAddr) -> bool {
        Network::around(address).any(|network| self.0.contains(&network))
    }

    /// The nearest address that is none of theirs, as they tell it. What others wrote further away is not looked at.
    pub(crate) fn address(&self, extensions: &Extensions, headers: &HeaderMap) -> Option<IpAddr> {
        if self.0.is_empty() {
            return None;
        }
        let Peer(peer) = extensions.get::<Peer>()?;
        if !self.trusts(*peer) {
            return None;
        }
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        let hops = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
        for hop in hops.take(HOPS_MAX) {
            let address = address(hop.trim())?;
            if !self.trusts(address) {
                return Some(address.to_canonical());
            }
        }
        None
    }
}

/// With or without a port.
fn address(hop: &str) -> Option<IpAddr> {
    hop.parse::<IpAddr>().ok().or_else(|| Some(hop.parse::<SocketAddr>().ok()?.ip()))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn told(trusted: &[&str], peer: &str, lines: &[&'static str]) -> Option<String> {
        let proxies = Proxies::new(trusted.iter().map(|network| network.parse().unwrap()).collect());
        let (mut extensions, mut headers) = (Extensions::new(), HeaderMap::new());
        extensions.insert(Peer(peer.parse().unwrap()));
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(line));
        }
        proxies.address(&extensions, &headers).map(|address| address.to_string())
    }

    #[test]
    fn only_a_proxy_that_is_named_is_believed() {
        let ours = ["10.0.0.0/8"];
        assert_eq!(told(&[], "10.0.0.1", &["192.0.2.7"]), None, "nobody is believed unless named");
        assert_eq!(told(&ours, "203.0.113.9", &["192.0.2.7"]), None, "anybody can write a header");
        assert_eq!(told(&ours, "10.0.0.1", &["192.0.2.7"]).as_deref(), Some("192.0.2.7"));
        assert_eq!(told(&ours, "::ffff:10.0.0.1", &["192.0.2.7"]).as_deref(), Some("192.0.2.7"));
        assert_eq!(told(&ours, "10.0.0.1", &[]), None);
    }

    #[test]
    fn the_nearest_address_that_is_no_proxy_counts() {
        let ours = ["10.0.0.0/8", "2001:db8::/32"];
        let forged = "198.51.100.1, 192.0.2.7, 10.1.2.3";
        assert_eq!(told(&ours, "10.0.0.1", &[forged]).as_deref(), Some("192.0.2.7"), "the rest is hearsay");
        assert_eq!(told(&ours, "10.0.0.1", &["198.51.100.1", "192.0.2.7"]).as_deref(), Some("192.0.2.7"));
        assert_eq!(told(&ours, "10.0.0.1", &["192.0.2.7:4711, [2001:db8::1]:99"]).as_deref(), Some("192.0.2.7"));
        assert_eq!(told(&ours, "10.0.0.1", &["192.0.2.7, nonsense"]), None, "what cannot be read is not passed over");
        assert_eq!(told(&ours, "10.0.0.1", &["10.0.0.2, 10.0.0.3"]), None);
    }
}
