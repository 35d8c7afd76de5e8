//! How fast something grows: a smoothed rate that bursts and pauses do not throw off.

/// The rate of one growing figure, newer growth weighing more than older.
///
/// Growth and time are both summed with the same decay, and the rate is one over the other. So a steady
/// rate is found exactly from the first moment, many updates in one millisecond are as good as one large one, and the
/// rate of an uneven source is its average over the last while.
///
/// The first value is where the watch begins, not growth: work that goes on from an earlier time is judged by what it
/// gains from there. Silence counts as time without growth as soon as it lasts longer than the gaps between values
/// usually do, so an estimate grows longer while nothing comes.
#[derive(Clone, Debug, Default)]
pub(super) struct Rate {
    /// What is known since the first value.
    watch: Option<Watch>,
}

#[derive(Clone, Debug)]
struct Watch {
    /// When the growth began.
    origin_ms: u64,
    last_ms: u64,
    last_value: f64,
    /// Whether there was any growth.
    has_grown: bool,
    /// Decayed sum of growth.
    growth: f64,
    /// Decayed sum of time, in milliseconds.
    time_ms: f64,
    /// The usual time between two values, in milliseconds.
    gap_ms: f64,
}

/// The window of the average is a quarter of the time passed, within these bounds: quick to find its feet, calm later.
const MIN_WINDOW_MS: f64 = 5_000.0;
const MAX_WINDOW_MS: f64 = 60_000.0;

/// How much the newest gap counts in the usual one.
const GAP_WEIGHT: f64 = 0.25;

impl Watch {
    fn new(now_ms: u64, value: f64) -> Self {
        Watch {
            origin_ms: now_ms,
            last_ms: now_ms,
            last_value: value,
            has_grown: false,
            growth: 0.0,
            time_ms: 0.0,
            gap_ms: 0.0,
        }
    }

    fn observe(&mut self, now_ms: u64, value: f64) {
        if !self.has_grown && value <= self.last_value {
            // Work that waits for its turn has not begun; the wait says nothing about its pace.
            *self = Watch::new(now_ms, value);
            return;
        }
        self.has_grown = true;
        let passed_ms = now_ms.saturating_sub(self.last_ms) as f64;
        let window_ms = (now_ms.saturating_sub(self.origin_ms) as f64 / 4.0)
            .clamp(MIN_WINDOW_MS, MAX_WINDOW_MS);
        // Divided, not raised to a power, so that nothing of libm is needed: its pages would be a tenth of an empty server.
        let decay = window_ms / (window_ms + passed_ms);
        let growth = (value - self.last_value).max(0.0);
        self.growth = (self.growth + growth) * decay;
        self.time_ms = (self.time_ms + passed_ms) * decay;
        if self.gap_ms == 0.0 {
            self.gap_ms = passed_ms;
        } else if passed_ms > 0.0 {
            self.gap_ms += (passed_ms - self.gap_ms) * GAP_WEIGHT;
        }
        self.last_ms = now_ms;
        self.last_value = value;
    }

    fn per_ms(&self, now_ms: u64, watched_ms: u64) -> Option<f64> {
        if now_ms.saturating_sub(self.origin_ms) < watched_ms {
            return None;
        }
        let silent_ms = now_ms.saturating_sub(self.last_ms) as f64;
        let overdue_ms = (silent_ms - self.gap_ms).max(0.0);
        let rate = self.growth / (self.time_ms + overdue_ms);
        (rate.is_finite() && rate > 0.0).then_some(rate)
    }
}

impl Rate {
    /// Takes note of the figure's value. A smaller one than before counts as no growth.
    pub(super) fn observe(&mut self, now_ms: u64, value: f64) {
        match &mut self.watch {
            Some(watch) => watch.observe(now_ms, value),
            None => self.watch = Some(Watch::new(now_ms, value)),
        }
    }

    /// Growth per millisecond as of now; `None` until the growth has been watched for this long, and when there is none.
    pub(super) fn per_ms(&self, now_ms: u64, watched_ms: u64) -> Option<f64> {
        self.watch.as_ref()?.per_ms(now_ms, watched_ms)
    }

    /// Seconds until the figure reaches `goal`, never negative; `None` as for [`Rate::per_ms`].
    pub(super) fn seconds_to(&self, goal: f64, now_ms: u64, watched_ms: u64) -> Option<f64> {
        let watch = self.watch.as_ref()?;
        let rate = watch.per_ms(now_ms, watched_ms)?;
        let seconds = ((goal - watch.last_value) / rate).max(0.0) / 1000.0;
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

    /// A figure that stood at this value at this time.
    fn watching(now_ms: u64, value: f64) -> Rate {
        let mut rate = Rate::default();
        rate.observe(now_ms, value);
        rate
    }

    #[test]
    fn nothing_is_known_before_it_was_watched_for_long_enough() {
        let mut rate = watching(1_000, 0.0);
        rate.observe(2_999, 0.5);
        assert_eq!(rate.per_ms(2_999, WATCHED_MS), None);
        rate.observe(3_000, 0.5);
        assert!(rate.per_ms(3_000, WATCHED_MS).is_some());
    }

    #[test]
    fn a_steady_rate_is_found_exactly_whatever_the_interval() {
        for interval_ms in [1, 10, 333, 5_000, 20_000] {
            let mut rate = watching(0, 0.0);
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
        let mut rate = watching(0, 0.0);
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
        let mut rate = watching(0, 0.0);
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
    fn waiting_does_not_slow_the_estimate() {
        for start in [0.0, 0.4] {
            let mut rate = watching(0, start);
            rate.observe(600_000, start);
            rate.observe(605_000, start + 0.5 * (1.0 - start));
            assert_eq!(seconds_left(&rate, 605_000).round(), 5.0);
        }
    }

    #[test]
    fn the_first_value_is_no_growth_whenever_it_comes() {
        for first_ms in [0, 1, 30_000] {
            let mut rate = watching(first_ms, 0.5);
            assert_eq!(rate.per_ms(first_ms + 60_000, WATCHED_MS), None);
            for step in 1..=10 {
                rate.observe(first_ms + step * 1_000, 0.5 + 0.005 * step as f64);
                if step >= 2 {
                    let wanted = 100.0 - step as f64;
                    let got = seconds_left(&rate, first_ms + step * 1_000);
                    assert!((got - wanted).abs() < 0.01, "{got}, not {wanted}");
                }
            }
        }
    }

    #[test]
    fn silence_makes_the_estimate_longer() {
        for interval_ms in [100, 1_000, 7_000] {
            let mut rate = watching(0, 0.0);
            for step in 1..=10 {
                rate.observe(step * interval_ms, step as f64 / 100.0);
            }
            let silent_from_ms = (10 * interval_ms).max(WATCHED_MS);
            let mut last = seconds_left(&rate, silent_from_ms);
            for silent_ms in (0..30_000).step_by(500) {
                let left = seconds_left(&rate, silent_from_ms + silent_ms);
                assert!(left >= last, "{left} after {last}");
                assert!(silent_ms <= interval_ms || left > last);
                last = left;
            }
        }
    }

    #[test]
    fn odd_figures_give_no_estimate_rather_than_a_wrong_one() {
        let mut rate = watching(0, 0.0);
        rate.observe(5_000, f64::MAX);
        rate.observe(5_000, -f64::MAX);
        rate.observe(6_000, f64::MAX);
        assert_eq!(rate.per_ms(6_000, WATCHED_MS), None);
        assert_eq!(watching(0, 0.0).per_ms(60_000, WATCHED_MS), None);
        assert_eq!(Rate::default().per_ms(60_000, WATCHED_MS), None);
    }
}
