//! Proxies in front of a listener: the networks whose word about a client's address is believed.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use http::HeaderMap;
use http::header::{FORWARDED, HeaderName};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// A network of trusted proxies: `10.0.0.0/8`, `fd00::/8`, or one address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Network(IpNet);

/// The reason why a text is not a network of trusted proxies.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// The network has every address.
    #[error("this network is everyone: every client could then name any address as its own. Name the proxies' network")]
    Everyone,
    /// The text is neither an address nor a network.
    #[error("a network is written as 10.0.0.0/8 or fd00::/8, and one address as 10.0.0.7")]
    Malformed,
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let network = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address.to_canonical()),
            Err(_) => text.parse::<IpNet>().map_err(|_| NetworkError::Malformed)?,
        };
        if network.prefix_len() == 0 { Err(NetworkError::Everyone) } else { Ok(Self(network)) }
    }
}

/// The proxies in front of a listener. Without any, the address of a client is that of its connection.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    trusted: Arc<[IpNet]>,
    protocol: bool,
}

impl Proxies {
    /// Believes the headers `X-Forwarded-For` (or `Forwarded`, RFC 7239) of requests that come from these networks.
    #[must_use]
    pub fn trusted(networks: &[Network]) -> Self {
        Self { trusted: networks.iter().map(|network| network.0).collect(), protocol: false }
    }

    /// Expects the PROXY protocol, version 1 or 2, at the beginning of each connection from these networks. A connection from
    /// elsewhere is closed.
    #[must_use]
    pub fn with_protocol(self) -> Self {
        Self { protocol: true, ..self }
    }

    pub(crate) const fn speak_protocol(&self) -> bool {
        self.protocol
    }

    /// Returns whether a connection from this address comes from a trusted proxy.
    pub(crate) fn trust(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|network| network.contains(&address))
    }

    /// Returns the client's address: that of the connection, or what a trusted proxy says.
    ///
    /// The headers are read from the right. A trusted proxy wrote the last entry; each entry is believed if a trusted proxy wrote
    /// it. A client can send both headers, and most proxies extend one of them, so headers that disagree say nothing: the
    /// address is then the proxy's.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trust(peer) {
            return peer;
        }
        let x_forwarded_for = lines(headers, &X_FORWARDED_FOR).map(|text| self.nearest(peer, plain(text)));
        let forwarded = lines(headers, &FORWARDED).map(|text| self.nearest(peer, standard(text)));
        match (x_forwarded_for, forwarded) {
            (Some(client), None) | (None, Some(client)) => client,
            (Some(one), Some(other)) if one == other => one,
            _ => peer,
        }
    }

    /// Returns the first address from the right that is not a trusted proxy's. An entry without an address ends the way there.
    fn nearest(&self, peer: IpAddr, entries: Vec<Option<IpAddr>>) -> IpAddr {
        let mut nearest = peer;
        for entry in entries.into_iter().rev() {
            let Some(address) = entry else { break };
            nearest = address;
            if !self.trust(address) {
                break;
            }
        }
        nearest
    }
}

/// Returns the values of a header, if it is there. A value that is not text can stand for nothing but an unknown address.
fn lines(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let lines: Vec<_> = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("unknown")).collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

/// Reads `X-Forwarded-For`: addresses with commas between, some with a port.
fn plain(text: String) -> Vec<Option<IpAddr>> {
    text.split(',').map(|entry| address(entry.trim())).collect()
}

/// Reads `Forwarded` (RFC 7239, section 4). If a quotation mark has no partner, a client may have sent it so that the proxy's own
/// entry seems to be a part of a text: then nothing is believed.
fn standard(text: String) -> Vec<Option<IpAddr>> {
    let (mut entries, mut quoted, mut escaped, mut from) = (Vec::new(), false, false, 0);
    for (at, letter) in text.bytes().enumerate() {
        match letter {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                entries.push(text.get(from..at).and_then(sender));
                from = at + 1;
            }
            _ => {}
        }
    }
    entries.push(if quoted { None } else { text.get(from..).and_then(sender) });
    entries
}

/// Returns the address in the parameter `for` of an entry of `Forwarded`. No quoted text with a semicolon is an address.
fn sender(entry: &str) -> Option<IpAddr> {
    let parameters = entry.split(';').filter_map(|parameter| parameter.split_once('='));
    let mut senders = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    match (senders.next(), senders.next()) {
        (Some((_, value)), None) => address(value.trim().trim_matches('"')),
        _ => None,
    }
}

/// Reads an address with or without a port; an IPv6 address may stand in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let with_port = || text.parse::<SocketAddr>().map(|socket| socket.ip());
    bracketed.unwrap_or(text).parse().or_else(|_| with_port()).ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn proxies(networks: &[&str]) -> Proxies {
        Proxies::trusted(&networks.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>())
    }

    /// The client's address behind the proxies 10.0.0.0/8 and fd00::/8, if the connection comes from `peer`.
    fn client(peer: &str, headers: &[(&'static str, &str)]) -> String {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap()));
        proxies(&["10.0.0.0/8", "fd00::/8"]).client(peer.parse().unwrap(), &headers.collect()).to_string()
    }

    #[test]
    fn a_network_is_an_address_or_cidr_and_never_everyone() {
        for text in ["10.0.0.0/8", "10.0.0.7", "fd00::/8", "::1", "::ffff:10.0.0.7"] {
            assert!(text.parse::<Network>().is_ok(), "{text}");
        }
        for text in ["0.0.0.0/0", "::/0", "10.1.2.3/0"] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError::Everyone), "{text}");
        }
        for text in ["", "10.0.0.0/33", "10.0.0", "proxy", "10.0.0.0/8,", "10.0.0.0/-1", "[::1]"] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError::Malformed), "{text}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_names_a_client() {
        let headers = [("x-forwarded-for", "203.0.113.9"), ("forwarded", "for=203.0.113.9")];
        assert_eq!(client("192.0.2.1", &headers), "192.0.2.1");
        assert_eq!(client("10.0.0.1", &headers), "203.0.113.9");
        assert_eq!(client("::ffff:10.0.0.1", &headers), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        let none = Proxies::default();
        assert_eq!(none.client([10, 0, 0, 1].into(), &HeaderMap::new()).to_string(), "10.0.0.1");
    }

    #[test]
    fn x_forwarded_for_is_read_from_the_right() {
        for (lines, expected) in [
            (&["198.51.100.1, 203.0.113.9"][..], "203.0.113.9"),
            (&["1.1.1.1, 203.0.113.9, 10.0.0.2, 10.0.0.3"], "203.0.113.9"),
            // A proxy may append a line of its own.
            (&["1.1.1.1", "203.0.113.9", "10.0.0.2"], "203.0.113.9"),
            (&["203.0.113.9:4711"], "203.0.113.9"),
            (&["2001:db8::1"], "2001:db8::1"),
            (&["[2001:db8::1]:4711"], "2001:db8::1"),
            (&["::ffff:203.0.113.9"], "203.0.113.9"),
            (&["10.0.0.5, 10.0.0.6"], "10.0.0.5"),
            // Nothing left of an unreadable entry is believed.
            (&["203.0.113.9, unknown"], "10.0.0.1"),
            (&["203.0.113.9, unknown, 10.0.0.2"], "10.0.0.2"),
            (&["203.0.113.9,"], "10.0.0.1"),
            (&[""], "10.0.0.1"),
            (&["203.0.113.9, \u{e9}"], "10.0.0.1"),
        ] {
            let headers: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
            assert_eq!(client("10.0.0.1", &headers), expected, "{lines:?}");
        }
    }

    #[test]
    fn forwarded_is_read_as_its_standard_says() {
        for (text, expected) in [
            ("for=203.0.113.9", "203.0.113.9"),
            ("For=\"[2001:db8::1]:4711\";proto=https;by=10.0.0.1", "2001:db8::1"),
            ("for=1.1.1.1, for=203.0.113.9;host=a, for=10.0.0.2", "203.0.113.9"),
            ("by=\"for=1.1.1.1, x\";for=203.0.113.9", "203.0.113.9"),
            ("for=203.0.113.9, for=unknown", "10.0.0.1"),
            ("for=203.0.113.9, for=_hidden, for=10.0.0.2", "10.0.0.2"),
            ("for=203.0.113.9, proto=https", "10.0.0.1"),
            ("for=1.1.1.1;for=2.2.2.2", "10.0.0.1"),
            // A client opens a quotation, and the proxy's entry would seem to be inside.
            ("for=1.1.1.1;x=\", for=203.0.113.9", "10.0.0.1"),
            ("for=\"1.1.1.1\\\", for=203.0.113.9", "10.0.0.1"),
            ("", "10.0.0.1"),
        ] {
            assert_eq!(client("10.0.0.1", &[("forwarded", text)]), expected, "{text}");
        }
    }

    #[test]
    fn headers_that_disagree_say_nothing() {
        let both = |plain, standard| client("10.0.0.1", &[("x-forwarded-for", plain), ("forwarded", standard)]);
        assert_eq!(both("203.0.113.9", "for=203.0.113.9"), "203.0.113.9");
        assert_eq!(both("203.0.113.9", "for=1.1.1.1"), "10.0.0.1");
        assert_eq!(both("1.1.1.1", "for=203.0.113.9"), "10.0.0.1");
        assert_eq!(both("203.0.113.9", "nonsense"), "10.0.0.1");
    }
}
