//! Times when the whole loop stood still, and what peers get for them: nobody is given up because we did not run.

/// Milliseconds by which a turn may begin late before that is called a stall.
const MAX_LATE_MS: u64 = 100;
/// After a stall nobody is judged for so many times as long as it took, so that a loop that stands still again and again does not
/// keep for ever who is gone.
const GRACE: u64 = 10;
/// The newest stall.
#[derive(Debug)]
pub(super) struct Stalls {
    /// The loop was told that it may sleep until then.
    sleep_until_ms: u64,
    ended_ms: u64,
    grace_until_ms: u64,
}

impl Default for Stalls {
    fn default() -> Self {
        Stalls {
            sleep_until_ms: u64::MAX,
            ended_ms: 0,
            grace_until_ms: 0,
        }
    }
}

impl Stalls {
    /// The loop waits, and may do so until this monotonic time in milliseconds; without one, for ever.
    pub(super) fn sleep_until(&mut self, at_ms: Option<u64>) {
        self.sleep_until_ms = at_ms.unwrap_or(u64::MAX);
    }

    /// A turn begins at this time, the one before at that time.
    pub(super) fn begin_turn(&mut self, before_ms: u64, now_ms: u64) {
        let awake_ms = before_ms.max(self.sleep_until_ms.min(now_ms));
        let stood_ms = now_ms - awake_ms;
        if stood_ms > MAX_LATE_MS {
            let grace_until_ms = now_ms.saturating_add(stood_ms.saturating_mul(GRACE));
            self.ended_ms = now_ms;
            self.grace_until_ms = self.grace_until_ms.max(grace_until_ms);
        }
    }

    /// Until when a peer is not judged that is given so long for something: it gets its whole time once more.
    pub(super) fn spared_until_ms(&self, patience_ms: u64) -> u64 {
        let whole_ms = self.ended_ms.saturating_add(patience_ms);
        whole_ms.min(self.grace_until_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_sleeps_as_long_as_it_may_has_not_stood_still() {
        let mut stalls = Stalls::default();
        stalls.begin_turn(1_000, 60_000);
        stalls.sleep_until(Some(90_000));
        stalls.begin_turn(60_000, 90_000 + MAX_LATE_MS);
        stalls.sleep_until(None);
        stalls.begin_turn(90_100, 900_000);
        assert_eq!(stalls.spared_until_ms(20_000), 0);
    }

    #[test]
    fn a_long_stall_gives_the_whole_time_and_a_short_one_no_more_than_ten_times_its_own() {
        let mut stalls = Stalls::default();
        stalls.sleep_until(Some(1_000));
        stalls.begin_turn(900, 6_000);
        assert_eq!(stalls.spared_until_ms(20_000), 26_000);
        assert_eq!(stalls.spared_until_ms(100_000), 56_000);
        stalls.sleep_until(Some(60_000));
        stalls.begin_turn(6_000, 60_200);
        assert_eq!(stalls.spared_until_ms(20_000), 62_200);
    }

    #[test]
    fn a_turn_with_work_left_may_not_sleep_at_all() {
        let mut stalls = Stalls::default();
        stalls.sleep_until(Some(500));
        stalls.begin_turn(500, 601);
        assert_eq!(stalls.spared_until_ms(700), 1_301);
    }
}
