//! What slows down who guesses tokens of the file, by address.
//!
//! A few wrong tokens are answered at once, and then one more from time to time. What came from the address before is no new
//! guess: a page that is left open with an old token asks with it again and again, and who has shown a right one goes on with it
//! beside a guesser at the same address.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use pulsewheel::PeerAddr;

use super::credentials::find_line;
use super::file::Line;
use super::secret::Digest;
use super::sessions::SessionTokens;
use super::{lock, Auth};
use crate::serve::answer::ApiError;
use crate::serve::callers::CallerId;

/// Wrong tokens of an address that are answered at once.
const AT_ONCE: u64 = 5;
/// Time in which an address may guess once more.
const GUESS_MS: u64 = 10_000;
/// Addresses that are remembered.
const MAX_ADDRESSES: usize = 2_000;
/// Tokens that are remembered of an address, the wrong ones and the right ones.
const MAX_WRONG: usize = 4;
const MAX_RIGHT: usize = 8;

/// What has been shown by each address.
#[derive(Default)]
pub struct Guesses {
    of: BTreeMap<CallerId, Shown>,
}

/// A bucket, which empties with time, and the beginnings of hashes of tokens, the latest last.
#[derive(Default)]
struct Shown {
    empty_at_ms: u64,
    last_ms: u64,
    wrong: VecDeque<u64>,
    right: VecDeque<u64>,
}

impl Auth {
    /// The line of a token, unless whoever shows it has guessed too often.
    pub(super) fn find_shown(
        &self,
        guesses: &Mutex<Guesses>,
        token: &str,
        peer: PeerAddr,
        now_ms: u64,
    ) -> Result<Option<Line>, ApiError> {
        let (given, lines) = (Digest::of(token), self.lines());
        let find = || find_line(&lines, given).cloned();
        if SessionTokens::is_alike(token) {
            return Ok(find());
        }
        let found = lock(guesses).look(peer, given, now_ms, find);
        found.map_err(|wait_s| {
            let message = "too many wrong tokens have come from this address";
            ApiError::rate_limit(message, wait_s)
        })
    }
}

impl Guesses {
    /// Looks for a token that somebody shows, by `find`.
    ///
    /// # Errors
    /// After how many seconds the address may show one that is new.
    pub fn look<T>(
        &mut self,
        peer: PeerAddr,
        token: Digest,
        now_ms: u64,
        find: impl FnOnce() -> Option<T>,
    ) -> Result<Option<T>, u64> {
        let mark = token.mark();
        let shown = self.shown(CallerId::at(peer));
        shown.last_ms = now_ms;
        let is_new = !shown.wrong.contains(&mark) && !shown.right.contains(&mark);
        if let Some(wait_s) = shown.wait_s(now_ms).filter(|_| is_new) {
            return Err(wait_s);
        }
        let found = find();
        if found.is_some() {
            remember(&mut shown.right, mark, MAX_RIGHT);
        } else {
            shown.right.retain(|known| *known != mark);
            if !shown.wrong.contains(&mark) {
                shown.empty_at_ms = shown.empty_at_ms.max(now_ms) + GUESS_MS;
            }
            remember(&mut shown.wrong, mark, MAX_WRONG);
        }
        Ok(found)
    }

    fn shown(&mut self, caller: CallerId) -> &mut Shown {
        if self.of.len() >= MAX_ADDRESSES && !self.of.contains_key(&caller) {
            // Those who come from ever new addresses push each other out.
            let oldest = self.of.iter().min_by_key(|(_, shown)| shown.last_ms);
            if let Some(oldest) = oldest.map(|(caller, _)| caller.clone()) {
                self.of.remove(&oldest);
            }
        }
        self.of.entry(caller).or_default()
    }
}

impl Shown {
    /// How many seconds the address has to wait until it may guess again, if it has to.
    fn wait_s(&self, now_ms: u64) -> Option<u64> {
        let filled_ms = self.empty_at_ms.saturating_sub(now_ms);
        let over_ms = (filled_ms + GUESS_MS).checked_sub(AT_ONCE * GUESS_MS)?;
        (over_ms > 0).then(|| over_ms.div_ceil(1000))
    }
}

fn remember(marks: &mut VecDeque<u64>, mark: u64, most: usize) {
    marks.retain(|known| *known != mark);
    if marks.len() >= most {
        marks.pop_front();
    }
    marks.push_back(mark);
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUESSER: &str = "192.0.2.1:1";

    fn look(guesses: &mut Guesses, peer: &str, token: &str, now_ms: u64) -> Result<bool, u64> {
        let digest = Digest::of(token);
        let find = || token.starts_with("right").then_some(());
        let found = guesses.look(peer.parse().unwrap(), digest, now_ms, find);
        found.map(|found| found.is_some())
    }

    /// A table in which this address has guessed as often as it may.
    fn used_up(peer: &str, now_ms: u64) -> Guesses {
        let mut guesses = Guesses::default();
        for number in 0..AT_ONCE {
            let guess = format!("guess {number}");
            assert_eq!(look(&mut guesses, peer, &guess, now_ms), Ok(false));
        }
        guesses
    }

    #[test]
    fn who_guesses_has_to_wait_and_others_need_not() {
        let mut guesses = used_up(GUESSER, 1_000);
        let mut from = |peer: &str, token: &str, now_ms| look(&mut guesses, peer, token, now_ms);
        assert_eq!(from("192.0.2.1:2", "another", 1_000), Err(10));
        assert_eq!(
            from(GUESSER, "right", 10_500),
            Err(1),
            "it is not looked at"
        );
        assert_eq!(from("192.0.2.2:1", "right", 1_000), Ok(true));
        assert_eq!(from(GUESSER, "another", 11_000), Ok(false));
        assert_eq!(from(GUESSER, "right", 11_000), Err(10));
        assert_eq!(from(GUESSER, "right", 21_000), Ok(true));
    }

    #[test]
    fn a_network_of_ipv6_and_the_machine_itself_are_one_address() {
        for (peer, same) in [
            ("[2001:db8::1]:1", "[2001:db8::ffff]:2"),
            ("127.0.0.1:1", "[::1]:2"),
        ] {
            let mut guesses = used_up(peer, 1_000);
            assert_eq!(look(&mut guesses, same, "another", 1_000), Err(10));
        }
    }

    #[test]
    fn a_wrong_token_that_comes_again_is_no_new_guess() {
        let mut guesses = Guesses::default();
        for now_ms in 0..100 {
            assert_eq!(look(&mut guesses, GUESSER, "expired", now_ms), Ok(false));
        }
        assert_eq!(look(&mut guesses, GUESSER, "right", 100), Ok(true));
        let mut guesses = used_up(GUESSER, 1_000);
        assert_eq!(look(&mut guesses, GUESSER, "guess 4", 1_000), Ok(false));
        assert_eq!(
            look(&mut guesses, GUESSER, "guess 0", 1_000),
            Err(10),
            "forgotten"
        );
    }

    #[test]
    fn who_has_shown_a_right_token_goes_on_beside_a_guesser_at_his_address() {
        let mut guesses = Guesses::default();
        assert_eq!(look(&mut guesses, GUESSER, "right", 1_000), Ok(true));
        for number in 0..100 {
            let guess = format!("guess {number}");
            let _ = look(&mut guesses, GUESSER, &guess, 1_000);
            assert_eq!(look(&mut guesses, GUESSER, "right", 1_000), Ok(true));
        }
        assert_eq!(
            look(&mut guesses, GUESSER, "right of another", 1_000),
            Err(10)
        );
    }

    #[test]
    fn a_token_that_was_right_and_is_no_more_counts_once() {
        let mut guesses = Guesses::default();
        let peer = GUESSER.parse().unwrap();
        let token = Digest::of("taken out");
        assert_eq!(guesses.look(peer, token, 1_000, || Some(())), Ok(Some(())));
        for _ in 0..10 {
            assert_eq!(guesses.look::<()>(peer, token, 1_000, || None), Ok(None));
        }
        for number in 1..AT_ONCE {
            let guess = format!("guess {number}");
            assert_eq!(look(&mut guesses, GUESSER, &guess, 1_000), Ok(false));
        }
        assert_eq!(look(&mut guesses, GUESSER, "another", 1_000), Err(10));
    }

    #[test]
    fn ever_new_addresses_take_no_memory_without_end_and_the_latest_are_kept() {
        let mut guesses = used_up(GUESSER, 1_000_000);
        for number in 0..3 * MAX_ADDRESSES as u64 {
            let peer = format!("[2001:db8:{:x}:{:x}::1]:1", number >> 16, number & 0xffff);
            let now_ms = 2_000 + number;
            assert_eq!(look(&mut guesses, &peer, "guess", now_ms), Ok(false));
            assert!(guesses.of.len() <= MAX_ADDRESSES);
        }
        assert_eq!(look(&mut guesses, GUESSER, "another", 1_000_000), Err(10));
    }
}
