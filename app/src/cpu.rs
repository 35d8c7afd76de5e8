//! How much processor time a thread has used, as Linux tells it.

/// Milliseconds that the calling thread has run so far; `None` where there is no
/// such file.
pub fn thread_cpu_ms() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = text.split(' ').next()?.parse().ok()?;
    Some(nanoseconds / 1e6)
}

#[cfg(test)]
mod tests {
    use super::thread_cpu_ms;

    #[test]
    fn a_busy_thread_uses_time() {
        let Some(before) = thread_cpu_ms() else {
            return;
        };
        let mut sum = 0u64;
        while thread_cpu_ms().is_some_and(|now| now <= before) {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(thread_cpu_ms().unwrap() > before);
    }
}
