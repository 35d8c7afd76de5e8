//! How fast something grows: a smoothed rate that bursts and pauses do not throw off.

/// The rate of one growing figure, newer growth weighing more than older.
///
/// Growth and time are both summed with the same exponential decay, and the rate is one over the other. So a steady
/// rate is found exactly from the first moment, many updates in one millisecond are as good as one large one, and the
/// rate of an uneven source is its average over the last while.
#[derive(Clone, Debug)]
pub(super) struct Rate {
    /// When the growth began.
    origin_ms: u64,
    last_ms: u64,
    last_value: f64,
    /// Decayed sum of growth.
    growth: f64,
    /// Decayed sum of time, in milliseconds.
    time_ms: f64,
}

/// The window of the average is a quarter of the time passed, within these bounds: quick to find its feet, calm later.
const MIN_WINDOW_MS: f64 = 5_000.0;
const MAX_WINDOW_MS: f64 = 60_000.0;

impl Rate {
    /// A figure that stands at zero.
    pub(super) fn new(now_ms: u64) -> Self {
        Rate {
            origin_ms: now_ms,
            last_ms: now_ms,
            last_value: 0.0,
            growth: 0.0,
            time_ms: 0.0,
        }
    }

    /// Takes note of the figure's value. A smaller one than before counts as no growth.
    pub(super) fn observe(&mut self, now_ms: u64, value: f64) {
        if self.last_value <= 0.0 && value <= 0.0 {
            // Work that waits for its turn at zero has not begun; the wait says nothing about its pace.
            *self = Rate::new(now_ms);
            return;
        }
        if now_ms == self.origin_ms {
            // What is there at the start has not been done here: the work goes on from an earlier time.
            self.last_value = value;
            return;
        }
        let passed_ms = now_ms.saturating_sub(self.last_ms) as f64;
        let window_ms = (now_ms.saturating_sub(self.origin_ms) as f64 / 4.0)
            .clamp(MIN_WINDOW_MS, MAX_WINDOW_MS);
        let decay = (-passed_ms / window_ms).exp();
        let weight_ms = window_ms * (1.0 - decay);
        // What grew during a long gap grew, on average, in its middle, and is decayed accordingly.
        let growth_weight = if passed_ms > 0.0 {
            weight_ms / passed_ms
        } else {
            1.0
        };
        let growth = (value - self.last_value).max(0.0);
        self.growth = self.growth * decay + growth * growth_weight;
        self.time_ms = self.time_ms * decay + weight_ms;
        self.last_ms = now_ms;
        self.last_value = value;
    }

    /// Growth per millisecond as of the last observation; `None` until the growth has been watched for this long, and
    /// when there is none.
    pub(super) fn per_ms(&self, now_ms: u64, watched_ms: u64) -> Option<f64> {
        if now_ms.saturating_sub(self.origin_ms) < watched_ms {
            return None;
        }
        let rate = self.growth / self.time_ms;
        (rate.is_finite() && rate > 0.0).then_some(rate)
    }

    /// Seconds until the figure reaches `goal`, from now on, never negative; `None` as for [`Rate::per_ms`].
    pub(super) fn seconds_to(&self, goal: f64, now_ms: u64, watched_ms: u64) -> Option<f64> {
        let rate = self.per_ms(now_ms, watched_ms)?;
        let idle_ms = now_ms.saturating_sub(self.last_ms) as f64;
        let seconds = ((goal - self.last_value) / rate - idle_ms).max(0.0) / 1000.0;
        seconds.is_finite().then_some(seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WATCHED_MS: u64 = 2_000;

    fn seconds_left(rate: &Rate, now_ms: u64) -> f64 {
        rate.seconds_to(1.0, now_ms, WATCHED_MS).unwrap()
    }

    #[test]
    fn nothing_is_known_before_it_was_watched_for_long_enough() {
        let mut rate = Rate::new(1_000);
        rate.observe(2_999, 0.5);
        assert_eq!(rate.per_ms(2_999, WATCHED_MS), None);
        rate.observe(3_000, 0.5);
        assert!(rate.per_ms(3_000, WATCHED_MS).is_some());
    }

    #[test]
    fn a_steady_rate_is_found_exactly_whatever_the_interval() {
        for interval_ms in [1, 10, 333, 5_000, 20_000] {
            let mut rate = Rate::new(0);
            let mut now_ms = 0;
            while now_ms < 40_000 {
                now_ms += interval_ms;
                rate.observe(now_ms, now_ms as f64 / 100_000.0);
            }
            let wanted = (100_000 - now_ms) as f64 / 1000.0;
            let got = seconds_left(&rate, now_ms);
            assert!(
                (got - wanted).abs() < 0.01,
                "{interval_ms}: {got}, not {wanted}"
            );
        }
    }

    #[test]
    fn bursts_average_out() {
        // 100 updates in one millisecond, once a second, for a minute of a job of 200 seconds.
        let mut rate = Rate::new(0);
        let mut done = 0.0;
        for second in 1..=60 {
            for _ in 0..100 {
                done += 1.0 / 20_000.0;
                rate.observe(second * 1000, done);
            }
            let wanted = 200.0 - second as f64;
            if second >= 5 {
                let got = seconds_left(&rate, second * 1000);
                assert!(
                    (got / wanted - 1.0).abs() < 0.2,
                    "after {second} s: {got}, not {wanted}"
                );
            }
        }
    }

    #[test]
    fn a_change_of_pace_is_followed() {
        let mut rate = Rate::new(0);
        let mut done = 0.0;
        for tick in 1..=1_000 {
            done += if tick <= 500 { 0.001 } else { 0.0001 };
            rate.observe(tick * 100, done);
        }
        // 0.45 left at 0.001 per second.
        let got = seconds_left(&rate, 100_000);
        assert!((300.0..=500.0).contains(&got), "{got}");
    }

    #[test]
    fn waiting_at_zero_does_not_slow_the_estimate() {
        let mut rate = Rate::new(0);
        rate.observe(600_000, 0.0);
        rate.observe(605_000, 0.5);
        assert_eq!(seconds_left(&rate, 605_000).round(), 5.0);
    }

    #[test]
    fn what_is_there_at_the_start_is_not_growth() {
        let mut rate = Rate::new(0);
        rate.observe(0, 0.5);
        rate.observe(10_000, 0.6);
        assert_eq!(seconds_left(&rate, 10_000).round(), 40.0);
    }

    #[test]
    fn the_estimate_counts_down_between_updates_and_stops_at_zero() {
        let mut rate = Rate::new(0);
        rate.observe(10_000, 0.5);
        assert_eq!(seconds_left(&rate, 14_000).round(), 6.0);
        assert_eq!(seconds_left(&rate, 50_000), 0.0);
    }

    #[test]
    fn odd_figures_give_no_estimate_rather_than_a_wrong_one() {
        let mut rate = Rate::new(0);
        rate.observe(5_000, f64::MAX);
        rate.observe(5_000, -f64::MAX);
        rate.observe(6_000, f64::MAX);
        assert_eq!(rate.per_ms(6_000, WATCHED_MS), None);
        let still = Rate::new(0);
        assert_eq!(still.per_ms(60_000, WATCHED_MS), None);
    }
}
