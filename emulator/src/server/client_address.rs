//! Where a request comes from: the other end of its connection, or what a proxy that we trust says of it.
//!
//! Must not know: what an address is used for.

use http::HeaderMap;
use std::future::Future;
use std::net::{IpAddr, Ipv6Addr};

/// Proxies append to it whom they have a request from.
const FORWARDED_FOR: &str = "x-forwarded-for";

tokio::task_local! {
    /// The other end of the connection whose task this is.
    static PEER: IpAddr;
}

/// Runs what answers a connection's requests, so that [`client`] knows its other end.
pub fn of_peer<F: Future>(peer: IpAddr, connection: F) -> impl Future<Output = F::Output> {
    PEER.scope(peer.to_canonical(), connection)
}

/// Addresses of proxies whose word counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

/// Addresses that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    prefix: u8,
}

impl TrustedProxies {
    /// Addresses, or networks such as `10.0.0.0/8`.
    ///
    /// # Errors
    /// What is neither.
    pub fn parse<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self, String> {
        texts
            .into_iter()
            .map(|text| Network::parse(text).ok_or_else(|| text.to_owned()))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// Who asks: the last one in the chain that is no trusted proxy. `None` where a request comes from nowhere, as in
    /// tests.
    ///
    /// Only what trusted proxies have appended to `X-Forwarded-For` counts; what stands before may be anybody's words.
    pub fn client(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let mut client = PEER.try_with(|peer| *peer).ok()?;
        if self.0.is_empty() {
            return Some(client);
        }
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        let hops = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
        for hop in hops {
            if !self.contains(client) {
                break;
            }
            // A proxy that we trust doesn't know either.
            let Some(address) = parse_hop(hop.trim()) else { break };
            client = address;
        }
        Some(client)
    }

    /// Whether somebody whose word does not count says that a request is another's: most often a proxy that nobody has
    /// configured.
    pub fn is_ignored_proxy(&self, headers: &HeaderMap) -> bool {
        headers.contains_key(FORWARDED_FOR) && PEER.try_with(|peer| !self.contains(*peer)).unwrap_or(false)
    }
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.trim_matches(['[', ']']).parse().ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(bits);
        (prefix <= bits).then_some(Self { address, prefix })
    }

    fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differ = u32::from(network) ^ u32::from(address);
                differ.leading_zeros() >= u32::from(self.prefix)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differ = u128::from(network) ^ u128::from(address);
                differ.leading_zeros() >= u32::from(self.prefix)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// An address, with or without a port.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let bare = text.parse().ok().or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip()));
    let address: IpAddr = bare.or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())?;
    Some(address.to_canonical())
}

/// What counts as one client: an IPv4 address, or the IPv6 network of 64 bits that one customer has.
pub fn one_client(address: IpAddr) -> Vec<u8> {
    match address.to_canonical() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => Ipv6Addr::octets(&address).into_iter().take(8).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    async fn check(trusted: &[&str], peer: &str, lines: &[&str], expected: &str) {
        let trusted = TrustedProxies::parse(trusted.iter().copied()).unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(line).unwrap());
        }
        let client = of_peer(peer.parse().unwrap(), async { trusted.client(&headers) }).await;
        assert_eq!(client, Some(expected.parse().unwrap()), "{peer} {lines:?}");
    }

    #[tokio::test]
    async fn only_trusted_proxies_are_believed() {
        check(&[], "9.9.9.9", &["1.1.1.1"], "9.9.9.9").await;
        check(&["10.0.0.1"], "9.9.9.9", &["1.1.1.1"], "9.9.9.9").await;
        check(&["10.0.0.1"], "10.0.0.1", &["1.1.1.1"], "1.1.1.1").await;
        check(&["10.0.0.1"], "10.0.0.1", &[], "10.0.0.1").await;
        // What the client itself has written stands first.
        check(&["10.0.0.0/8"], "10.0.0.1", &["6.6.6.6, 1.1.1.1"], "1.1.1.1").await;
        check(&["10.0.0.0/8"], "10.0.0.1", &["6.6.6.6", "1.1.1.1, 10.2.0.1"], "1.1.1.1").await;
        check(&["10.0.0.0/8"], "10.0.0.1", &["10.3.0.1, 10.2.0.1"], "10.3.0.1").await;
        check(&["10.0.0.0/8"], "10.0.0.1", &["1.1.1.1, unknown"], "10.0.0.1").await;
        check(&["10.0.0.0/8"], "10.0.0.1", &["1.1.1.1:4711"], "1.1.1.1").await;
        check(&["::1"], "::1", &["[2001:db8::1]:80"], "2001:db8::1").await;
        check(&["::1"], "::1", &["[2001:db8::1]"], "2001:db8::1").await;
        check(&["127.0.0.1"], "::ffff:127.0.0.1", &["::ffff:1.1.1.1"], "1.1.1.1").await;
        check(&["fc00::/7"], "fd00::1", &["1.1.1.1"], "1.1.1.1").await;
        check(&["0.0.0.0/0"], "9.9.9.9", &["1.1.1.1"], "1.1.1.1").await;
    }

    #[tokio::test]
    async fn a_forgotten_proxy_is_noticed() {
        let mut headers = HeaderMap::new();
        let trusted = TrustedProxies::parse(["::1"]).unwrap();
        let ignored = async |headers: &HeaderMap, peer: &str| {
            of_peer(peer.parse().unwrap(), async { trusted.is_ignored_proxy(headers) }).await
        };
        assert!(!ignored(&headers, "127.0.0.1").await);
        headers.insert(FORWARDED_FOR, HeaderValue::from_static("1.1.1.1"));
        assert!(ignored(&headers, "127.0.0.1").await && !ignored(&headers, "::1").await);
        assert_eq!(trusted.client(&headers), None, "from nowhere");
    }

    #[test]
    fn what_is_no_network_is_told() {
        for text in ["", "x", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0/8", "10.0.0.0/-1"] {
            assert_eq!(TrustedProxies::parse(["::1", text]), Err(text.to_owned()));
        }
    }

    #[test]
    fn a_customers_ipv6_addresses_are_one_client() {
        let of = |text: &str| one_client(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::3"), of("2001:db8:1:2:ffff::"));
        assert_ne!(of("2001:db8:1:2::3"), of("2001:db8:1:3::3"));
        assert_eq!(of("::ffff:1.2.3.4"), of("1.2.3.4"));
        assert_ne!(of("1.2.3.4"), of("1.2.3.5"));
    }
}
