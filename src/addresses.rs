//! What each address may have of what belongs to all.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::buckets::Buckets;
use crate::peer::PeerAddr;

/// Addresses that begin with the same bits: `192.0.2.0/24`, `2001:db8::/32`, or a single one, `192.0.2.7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// A text that names no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotANetwork;

/// By what peers are told apart: an address of IPv4, or the first 64 bits of one of IPv6, since whoever has one of these has
/// all that begin so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Caller {
    V4(u32),
    V6(u64),
}

/// A limit for each caller, but for those that are exempt.
#[derive(Debug)]
struct Limit {
    most: Option<u32>,
    exempt: Vec<Network>,
}

/// Counts what callers have at a time, where they may not have any number of it. Those that are exempt are not counted.
#[derive(Debug)]
pub(crate) struct CallerCounts {
    limit: Limit,
    counts: BTreeMap<Caller, u32>,
}

/// Counts what callers do in a second, where they may not do any number of it: for each a bucket that holds one second's worth.
#[derive(Debug)]
pub(crate) struct CallerRates {
    limit: Limit,
    buckets: Buckets<Caller>,
}

impl Network {
    /// Whether an address is one of these. One of IPv4 in the form of IPv6 counts as of IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differing = network.to_bits() ^ address.to_bits();
                differing.leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differing = network.to_bits() ^ address.to_bits();
                differing.leading_zeros() >= u32::from(self.bits)
            }
            _ => false,
        }
    }
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let bits = if address.is_ipv4() { 32 } else { 128 };
        Network { address, bits }
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => Some(most),
            // What is read as a number may have a plus.
            Some(bits) if bits.starts_with('+') => None,
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= most),
        };
        let bits = bits.ok_or(NotANetwork)?;
        Ok(Network { address, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl fmt::Display for NotANetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no address, and no address, slash and number of bits, as in 192.0.2.0/24")
    }
}

impl std::error::Error for NotANetwork {}

impl Limit {
    fn new(most: Option<u32>, exempt: &[Network]) -> Self {
        Limit {
            most,
            exempt: exempt.to_vec(),
        }
    }

    /// How much this peer may have, and who it counts as; `None` where it may have any number, or has no address to count by.
    fn of(&self, peer: PeerAddr) -> Option<(u32, Caller)> {
        let (most, address) = self.most.zip(peer.ip())?;
        if self.exempt.iter().any(|network| network.contains(address)) {
            return None;
        }
        let caller = match address {
            IpAddr::V4(address) => Caller::V4(address.to_bits()),
            IpAddr::V6(address) => Caller::V6((address.to_bits() >> 64) as u64),
        };
        Some((most, caller))
    }
}

impl CallerCounts {
    pub fn new(most: Option<u32>, exempt: &[Network]) -> Self {
        CallerCounts {
            limit: Limit::new(most, exempt),
            counts: BTreeMap::new(),
        }
    }

    /// Whether this caller may have one more.
    pub fn has_room(&self, peer: PeerAddr) -> bool {
        let limit = self.limit.of(peer);
        limit
            .is_none_or(|(most, caller)| self.counts.get(&caller).is_none_or(|count| *count < most))
    }

    /// A caller has one more.
    pub fn add(&mut self, peer: PeerAddr) {
        if let Some((_, caller)) = self.limit.of(peer) {
            *self.counts.entry(caller).or_default() += 1;
        }
    }

    /// A caller has one less.
    pub fn remove(&mut self, peer: PeerAddr) {
        if let Some((_, caller)) = self.limit.of(peer) {
            if let Some(count) = self.counts.get_mut(&caller) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&caller);
                }
            }
        }
    }

    /// How many callers have something. For checks.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.counts.len()
    }
}

impl CallerRates {
    pub fn new(per_second: Option<u32>, exempt: &[Network]) -> Self {
        CallerRates {
            limit: Limit::new(per_second, exempt),
            buckets: Buckets::default(),
        }
    }

    /// Whether this caller may do it once more now, which is counted then.
    pub fn take(&mut self, peer: PeerAddr, now_ms: u64) -> bool {
        match self.limit.of(peer) {
            Some((per_second, caller)) => self.buckets.take(caller, per_second, now_ms),
            None => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str) -> PeerAddr {
        let address: IpAddr = address.parse().expect("an address");
        std::net::SocketAddr::from((address, 4000)).into()
    }

    #[test]
    fn a_network_has_the_addresses_that_begin_as_it_does() {
        for (network, address, is_in) in [
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.0/24", "::ffff:192.0.2.9", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("0.0.0.0/0", "203.0.113.1", true),
            ("0.0.0.0/0", "::1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::1", "::1", true),
        ] {
            let parsed: Network = network.parse().expect("a network");
            let address = address.parse().expect("an address");
            assert_eq!(parsed.contains(address), is_in, "{network} {address}");
            assert_eq!(parsed.to_string().parse(), Ok(parsed));
        }
        for text in [
            "",
            "/8",
            "192.0.2.0/",
            "192.0.2.0/33",
            "192.0.2.0/+8",
            "a/8",
            "::/129",
        ] {
            assert_eq!(text.parse::<Network>(), Err(NotANetwork), "{text}");
        }
    }

    #[test]
    fn callers_are_counted_by_address_and_by_the_first_half_of_those_of_ipv6() {
        let mut counts = CallerCounts::new(Some(2), &["198.51.100.0/24".parse().unwrap()]);
        counts.add(peer("192.0.2.1"));
        counts.add(peer("::ffff:192.0.2.1"));
        assert!(!counts.has_room(peer("192.0.2.1")));
        assert!(counts.has_room(peer("192.0.2.2")));
        counts.add(peer("2001:db8::1"));
        counts.add(peer("2001:db8::2"));
        assert!(!counts.has_room(peer("2001:db8::ffff:0:0:3")));
        assert!(counts.has_room(peer("2001:db8:0:1::3")));
        counts.remove(peer("192.0.2.1"));
        assert!(counts.has_room(peer("192.0.2.1")));
        counts.remove(peer("192.0.2.1"));
        // Neither who is exempt nor who has no address is counted.
        for peer in [peer("198.51.100.7"), PeerAddr::Unix, PeerAddr::Unknown] {
            (0..9).for_each(|_| counts.add(peer));
            assert!(counts.has_room(peer));
            (0..9).for_each(|_| counts.remove(peer));
        }
        assert_eq!(counts.len(), 1);
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let mut counts = CallerCounts::new(None, &[]);
        (0..100).for_each(|_| counts.add(peer("192.0.2.1")));
        assert!(counts.has_room(peer("192.0.2.1")));
        assert_eq!(counts.len(), 0);
        let mut rates = CallerRates::new(None, &[]);
        assert!((0..100).all(|_| rates.take(peer("192.0.2.1"), 0)));
        assert_eq!(rates.buckets.len(), 0);
    }
}
