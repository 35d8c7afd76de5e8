//! How much memory the process holds, as Linux tells it.

/// The resident size of this process in bytes (`VmRSS` of `/proc/self/status`);
/// `None` where there is no such file.
pub fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(target_os = "linux")]
    fn the_process_knows_its_resident_size() {
        assert!(super::resident_bytes().unwrap() > 100 * 1024);
    }
}
