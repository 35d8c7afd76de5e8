//! What only the operating system knows: the time, randomness, and how much memory there is.

use std::fs;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::now::Now;
use crate::progress::MemoryUsage;
use crate::Environment;

/// Both clocks.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub fn new() -> Self {
        Clock {
            start: Instant::now(),
        }
    }

    pub fn now(&self) -> Now {
        let unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Now {
            mono_ms: self.start.elapsed().as_millis() as u64,
            unix_ms: unix.as_millis() as u64,
        }
    }
}

/// Randomness and memory figures from the operating system.
pub(crate) fn environment() -> Environment {
    let mut pool = RandomPool::default();
    Environment {
        random: Box::new(move |bytes| pool.fill(bytes)),
        memory: Box::new(memory_usage),
    }
}

/// Fills a buffer with the operating system's randomness.
///
/// # Panics
///
/// When the operating system has none: no id could be trusted then.
pub(crate) fn random(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system gives random bytes");
}

/// Takes randomness in larger pieces, so that a storm of connections does not cost a system call for each id.
struct RandomPool {
    bytes: [u8; 512],
    used: usize,
}

impl Default for RandomPool {
    fn default() -> Self {
        RandomPool {
            bytes: [0; 512],
            used: 512,
        }
    }
}

impl RandomPool {
    fn fill(&mut self, out: &mut [u8]) {
        if out.len() > self.bytes.len() - self.used {
            if out.len() > self.bytes.len() {
                return random(out);
            }
            random(&mut self.bytes);
            self.used = 0;
        }
        let next = &mut self.bytes[self.used..self.used + out.len()];
        out.copy_from_slice(next);
        // What has been given out is secret from now on.
        next.fill(0);
        self.used += out.len();
    }
}

/// Resident memory of this process, and what is left to it under the machine's and the container's limits: what `heartbeat` tells.
/// Reads `/proc` and the control groups; where there is neither, nothing is known.
pub fn memory_usage() -> MemoryUsage {
    const KIB_PER_MIB: u64 = 1024;
    let used_kib = kib_field("/proc/self/status", "VmRSS:");
    let machine_kib = kib_field("/proc/meminfo", "MemAvailable:");
    let container_kib = container_left_bytes().map(|bytes| bytes / 1024);
    MemoryUsage {
        used_mb: used_kib.map(|kib| kib / KIB_PER_MIB),
        available_mb: machine_kib
            .into_iter()
            .chain(container_kib)
            .min()
            .map(|kib| kib / KIB_PER_MIB),
    }
}

/// A figure in kB of one of the kernel's tables.
fn kib_field(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// What the control group of this process, and every one around it, leaves to it.
fn container_left_bytes() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    groups.lines().filter_map(group_left_bytes).min()
}

/// The same for one line of the table: `0::/path` (version 2) or `N:memory:/path` (version 1).
fn group_left_bytes(line: &str) -> Option<u64> {
    let mut fields = line.splitn(3, ':');
    let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    let (root, limit, usage) = match controllers {
        "" => ("/sys/fs/cgroup", "memory.max", "memory.current"),
        list if list.split(',').any(|name| name == "memory") => (
            "/sys/fs/cgroup/memory",
            "memory.limit_in_bytes",
            "memory.usage_in_bytes",
        ),
        _ => return None,
    };
    let number = |path: String| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let mut left = None;
    let mut path = path.trim_end_matches('/');
    loop {
        let limit_bytes = number(format!("{root}{path}/{limit}"));
        let used_bytes = number(format!("{root}{path}/{usage}"));
        if let (Some(limit_bytes), Some(used_bytes)) = (limit_bytes, used_bytes) {
            let here = limit_bytes.saturating_sub(used_bytes);
            left = Some(left.map_or(here, |left: u64| left.min(here)));
        }
        match path.rsplit_once('/') {
            Some((parent, _)) => path = parent,
            None => return left,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_never_gives_the_same_bytes_twice() {
        let mut pool = RandomPool::default();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let mut bytes = [0; 11];
            pool.fill(&mut bytes);
            assert!(seen.insert(bytes));
        }
        let mut large = [0; 2000];
        pool.fill(&mut large);
        assert!(large.iter().any(|byte| *byte != 0));
    }

    #[test]
    fn memory_figures_are_believable() {
        let memory = memory_usage();
        assert!(memory.used_mb.is_some_and(|mb| mb < 100_000));
        assert!(memory.available_mb.is_some_and(|mb| mb > 0));
    }

    #[test]
    fn the_monotonic_clock_does_not_go_back() {
        let clock = Clock::new();
        let first = clock.now();
        assert!(clock.now().mono_ms >= first.mono_ms);
        assert!(first.unix_ms > 1_700_000_000_000);
    }
}
