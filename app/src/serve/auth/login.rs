//! The login of the page: a cookie instead of a token, and what slows down who guesses.
//!
//! The cookie says until when it is good and carries a signature by the token's hash. It is
//! good over restarts, says nothing of the token, and ends with the token's line.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::prelude::{Engine, BASE64_URL_SAFE_NO_PAD};
use pulsewheel::http::Request;
use pulsewheel::PeerAddr;
use ring::hmac;

use super::file::Line;
use super::secret::Digest;
use crate::serve::callers::CallerId;

/// How long a login lasts.
const LASTS: Duration = Duration::from_secs(30 * 24 * 60 * 60);

const COOKIE: &str = "pulsewheel_login";

/// Failed logins of an address that are answered at once.
const FAILURES_AT_ONCE: u64 = 5;
/// Time in which an address may fail once more.
const FAILURE_MS: u64 = 10_000;
/// Addresses that are remembered for that.
const MAX_ADDRESSES: usize = 10_000;

/// A login that holds.
#[derive(Clone, Copy, Debug)]
pub struct Login {
    /// The line's token.
    pub line: Digest,
    pub expires_ms: u64,
}

/// The value of `Set-Cookie` for a login by this line.
pub fn cookie(line: &Line, now_ms: u64, is_secure: bool) -> String {
    let expires_s = now_ms / 1000 + LASTS.as_secs();
    let signature = BASE64_URL_SAFE_NO_PAD.encode(sign(line, expires_s));
    let value = format!("{expires_s}.{signature}");
    with_attributes(&value, LASTS.as_secs(), is_secure)
}

/// The value of `Set-Cookie` that ends a login.
pub fn no_cookie(is_secure: bool) -> String {
    with_attributes("", 0, is_secure)
}

fn with_attributes(value: &str, max_age_s: u64, is_secure: bool) -> String {
    let secure = if is_secure { "; Secure" } else { "" };
    format!("{COOKIE}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Strict{secure}")
}

/// The line by which a request is logged in.
pub fn find<'a>(head: &Request, lines: &'a [Line], now_ms: u64) -> Option<(&'a Line, Login)> {
    let cookies = head
        .headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("cookie"))
        .flat_map(|(_, value)| value.split(';'));
    let value = cookies
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE).then_some(value))?;
    let (expires_s, signature) = value.split_once('.')?;
    let expires_s: u64 = expires_s.parse().ok()?;
    let expires_ms = expires_s.checked_mul(1000)?;
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
    if expires_ms <= now_ms {
        return None;
    }
    let is_its =
        |line: &&Line| hmac::verify(&key(line), message(expires_s).as_bytes(), &signature).is_ok();
    let line = lines.iter().find(is_its)?;
    let login = Login {
        line: line.token,
        expires_ms,
    };
    Some((line, login))
}

fn sign(line: &Line, expires_s: u64) -> hmac::Tag {
    hmac::sign(&key(line), message(expires_s).as_bytes())
}

fn key(line: &Line) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, line.token.as_bytes())
}

fn message(expires_s: u64) -> String {
    format!("login until {expires_s}")
}

/// Counts failed logins by address: a bucket each, which empties with time.
#[derive(Default)]
pub struct Failures {
    /// When the bucket of an address is empty again.
    empty_at_ms: BTreeMap<CallerId, u64>,
}

impl Failures {
    /// How many seconds an address has to wait until it may try again, if it has to.
    pub fn wait_s(&self, peer: PeerAddr, now_ms: u64) -> Option<u64> {
        let empty_at_ms = self.empty_at_ms.get(&CallerId::at(peer))?;
        let filled_ms = empty_at_ms.saturating_sub(now_ms);
        let over_ms = (filled_ms + FAILURE_MS).checked_sub(FAILURES_AT_ONCE * FAILURE_MS)?;
        (over_ms > 0).then(|| over_ms.div_ceil(1000))
    }

    /// An address has failed.
    pub fn note(&mut self, peer: PeerAddr, now_ms: u64) {
        if self.empty_at_ms.len() >= MAX_ADDRESSES {
            self.empty_at_ms.retain(|_, at_ms| *at_ms > now_ms);
        }
        if self.empty_at_ms.len() >= MAX_ADDRESSES {
            // Those who fail from ever new addresses push each other out.
            self.empty_at_ms.pop_first();
        }
        let empty_at_ms = self.empty_at_ms.entry(CallerId::at(peer)).or_default();
        *empty_at_ms = (*empty_at_ms).max(now_ms) + FAILURE_MS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::auth::Role;
    use crate::serve::testing::get;

    fn line(token: &str) -> Line {
        Line::new(Role::Viewer, token, "")
    }

    fn value(cookie: &str) -> String {
        cookie.split(';').next().unwrap().to_owned()
    }

    #[test]
    fn a_cookie_is_good_for_its_line_until_it_expires() {
        let lines = [line("one"), line("two")];
        let set = cookie(&lines[1], 5_000, false);
        assert!(set.ends_with("; Path=/; Max-Age=2592000; HttpOnly; SameSite=Strict"));
        assert!(cookie(&lines[1], 5_000, true).ends_with("; Secure"));
        let pair = value(&set);
        let found = |pair: &str, lines: &[Line], now_ms: u64| {
            let head = get(&[("Cookie", &format!("a=b; {pair}"))]);
            find(&head, lines, now_ms).map(|(line, login)| (line.token, login.expires_ms))
        };
        let until_ms = 5_000 + 2_592_000_000;
        let wanted = Some((lines[1].token, until_ms));
        assert_eq!(found(&pair, &lines, 5_000), wanted);
        assert_eq!(found(&pair, &lines, until_ms - 1), wanted);
        assert_eq!(found(&pair, &lines, until_ms), None);
        assert_eq!(found(&pair, &lines[..1], 5_000), None);
        for (old, new) in [("2592005", "2592006"), ("=", "=1"), (".", ""), (".", ".A")] {
            assert_eq!(found(&pair.replace(old, new), &lines, 5_000), None, "{new}");
        }
        assert_eq!(found(&value(&no_cookie(false)), &lines, 5_000), None);
    }

    #[test]
    fn who_fails_often_has_to_wait_and_others_need_not() {
        let mut failures = Failures::default();
        let peer = |text: &str| -> PeerAddr { text.parse().unwrap() };
        let guesser = peer("192.0.2.1:1");
        for _ in 0..FAILURES_AT_ONCE {
            assert_eq!(failures.wait_s(guesser, 1_000), None);
            failures.note(guesser, 1_000);
        }
        assert_eq!(failures.wait_s(peer("192.0.2.1:2"), 1_000), Some(10));
        assert_eq!(failures.wait_s(guesser, 10_500), Some(1));
        assert_eq!(failures.wait_s(guesser, 11_000), None);
        assert_eq!(failures.wait_s(peer("192.0.2.2:1"), 1_000), None);
        for _ in 0..FAILURES_AT_ONCE {
            failures.note(peer("[2001:db8::1]:1"), 1_000);
            failures.note(peer("127.0.0.1:1"), 1_000);
        }
        assert!(failures.wait_s(peer("[2001:db8::ffff]:1"), 1_000).is_some());
        assert!(failures.wait_s(peer("[::1]:1"), 1_000).is_some());
    }
}
