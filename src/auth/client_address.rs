//! Who a request comes from, when a proxy may stand in between.
//!
//! `X-Forwarded-For` and `X-Forwarded-Proto` count only from proxies that the settings name: anybody can write them.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::header::{HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

#[derive(Debug, Default)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    warned: AtomicBool,
}

impl TrustedProxies {
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self { networks, warned: AtomicBool::new(false) }
    }

    /// The address of the client: the peer's, or, when the peer is a trusted proxy, the last one in `X-Forwarded-For` that is not.
    pub fn client(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> IpAddr {
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.to_canonical());
        if !self.trusts(peer) {
            return peer;
        }
        let values = headers.get_all(FORWARDED_FOR).filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(",");
        let mut client = peer;
        for hop in values.rsplit(',') {
            // Beyond a hop that cannot be read nothing is known.
            let Some(address) = address(hop) else { break };
            client = address;
            if !self.trusts(address) {
                break;
            }
        }
        client
    }

    /// Whether the client speaks https with the proxy. What the nearest proxy says counts.
    pub fn is_https(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> bool {
        let trusted = peer.is_some_and(|peer| self.trusts(peer.to_canonical()));
        let said = headers.get_all(FORWARDED_PROTO).filter_map(|value| value.to_str().ok()).last();
        let nearest = said.and_then(|said| said.rsplit(',').next()).map(str::trim);
        trusted && nearest.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"))
    }

    /// Warns, once, of forwarding headers that are not believed: somebody forgot the setting, or somebody tries.
    pub fn notice(&self, peer: Option<IpAddr>, headers: &HeaderMap) {
        let forwarded = headers.contains_key(FORWARDED_FOR) || headers.contains_key(FORWARDED_PROTO);
        let Some(peer) = peer.filter(|_| forwarded).map(|peer| peer.to_canonical()) else { return };
        if !self.trusts(peer) && !self.warned.swap(true, Ordering::Relaxed) {
            log::warn!("forwarding headers from {peer} are not believed: TRUSTED_PROXIES does not name it");
        }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }
}

/// An address as proxies write it: with or without a port, an IPv6 address perhaps in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None if text.matches(':').count() == 1 => text.split(':').next().unwrap_or(text),
        None => text,
    };
    bare.parse().ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("is an address")
    }

    fn proxies() -> TrustedProxies {
        TrustedProxies::new(["10.0.0.0/8", "127.0.0.1/32", "fd00::/8"].map(|net| net.parse().expect("is a network")).to_vec())
    }

    fn client(peer: &str, forwarded: &[&'static str]) -> IpAddr {
        let headers = forwarded.iter().map(|value| (FORWARDED_FOR, HeaderValue::from_static(value)));
        let mut map = HeaderMap::new();
        headers.for_each(|(name, value)| map.append(name, value));
        proxies().client(Some(ip(peer)), &map)
    }

    #[test]
    fn a_stranger_cannot_say_who_he_is() {
        assert_eq!(client("203.0.113.9", &["198.51.100.1"]), ip("203.0.113.9"));
        let proxies = proxies();
        let mut headers = HeaderMap::new();
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static("https"));
        assert!(!proxies.is_https(Some(ip("203.0.113.9")), &headers));
        assert!(proxies.is_https(Some(ip("::ffff:10.1.2.3")), &headers));
        assert!(!proxies.is_https(None, &headers));
        proxies.notice(Some(ip("10.1.2.3")), &headers);
        proxies.notice(Some(ip("203.0.113.9")), &HeaderMap::new());
        assert!(!proxies.warned.load(Ordering::Relaxed));
        proxies.notice(Some(ip("203.0.113.9")), &headers);
        assert!(proxies.warned.load(Ordering::Relaxed));
    }

    #[test]
    fn the_last_address_that_is_no_proxy_is_the_client() {
        assert_eq!(client("127.0.0.1", &["6.6.6.6, 198.51.100.1, 10.0.0.7"]), ip("198.51.100.1"));
        assert_eq!(client("127.0.0.1", &["6.6.6.6", "198.51.100.1", "10.0.0.7"]), ip("198.51.100.1"));
        assert_eq!(client("127.0.0.1", &["10.0.0.8, 10.0.0.7"]), ip("10.0.0.8"));
        assert_eq!(client("127.0.0.1", &[]), ip("127.0.0.1"));
        assert_eq!(client("::ffff:127.0.0.1", &["::ffff:198.51.100.1"]), ip("198.51.100.1"));
    }

    #[test]
    fn ports_and_brackets_are_cut_off_and_nonsense_ends_the_search() {
        assert_eq!(client("127.0.0.1", &["198.51.100.1:4711"]), ip("198.51.100.1"));
        assert_eq!(client("127.0.0.1", &["\"[2001:db8::1]:4711\""]), ip("2001:db8::1"));
        assert_eq!(client("127.0.0.1", &["2001:db8::1"]), ip("2001:db8::1"));
        assert_eq!(client("127.0.0.1", &["198.51.100.1, unknown, 10.0.0.7"]), ip("10.0.0.7"));
    }
}
