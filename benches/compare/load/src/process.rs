//! What Linux tells of the server's process: proc(5).

use std::fs;
use std::io;
use std::time::{Duration, Instant};

/// The process under load.
pub struct Process {
    pid: u32,
}

impl Process {
    pub fn new(pid: u32) -> Process {
        Process { pid }
    }

    /// Nanoseconds of processor time of all threads, system calls included.
    pub fn cpu_ns(&self) -> io::Result<u64> {
        let mut sum = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.pid))? {
            // A thread may end between the two reads.
            let text = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
            sum += first_number(&text).unwrap_or(0);
        }
        Ok(sum)
    }

    /// The same, once the server has nothing left to do: its figure stands still for 20 ms. Waits a second at most, for
    /// some have a timer running.
    pub fn settled_cpu_ns(&self) -> io::Result<u64> {
        let give_up = Instant::now() + Duration::from_secs(1);
        let mut before = self.cpu_ns()?;
        loop {
            std::thread::sleep(Duration::from_millis(20));
            let now = self.cpu_ns()?;
            if now == before || Instant::now() > give_up {
                return Ok(now);
            }
            before = now;
        }
    }

    /// KiB of resident memory (`VmRSS`).
    pub fn resident_kib(&self) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        status
            .lines()
            .find_map(|line| first_number(line.strip_prefix("VmRSS:")?))
            .ok_or_else(|| io::Error::other("no VmRSS in the status of the server"))
    }

    /// Open file descriptors.
    pub fn descriptors(&self) -> io::Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.pid))?.count())
    }
}

fn first_number(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_can_read_its_own_figures() {
        let own = Process::new(std::process::id());
        assert!(own.cpu_ns().unwrap() > 0);
        assert!(own.resident_kib().unwrap() > 100);
        assert!(own.descriptors().unwrap() >= 3);
    }

    #[test]
    fn the_first_number_of_a_line_counts() {
        assert_eq!(first_number("65097 12 1\n"), Some(65_097));
        assert_eq!(first_number("\t  1752 kB"), Some(1752));
        assert_eq!(first_number(""), None);
    }
}
