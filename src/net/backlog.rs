//! Up to which time the connections have been accepted that waited for it: what has come on others is read by nobody yet.

/// Connections that may wait to be accepted; the operating system cuts it to its own limit.
pub(super) const ACCEPT_BACKLOG: i32 = 4096;

/// What is known of those that wait to be accepted.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    accepted_until_ms: u64,
    /// While there is always somebody waiting: since when, and how many of them it takes until all have been accepted who
    /// waited then, as they are accepted in the order in which they have come.
    since_ms: u64,
    left: usize,
}

impl Backlog {
    /// All connections have been accepted that had come by this time.
    pub fn accepted_until_ms(&self) -> u64 {
        self.accepted_until_ms
    }

    /// At this time nobody waited; or whoever did cannot be accepted, and is not waited for.
    pub fn is_empty_at(&mut self, now_ms: u64) {
        self.accepted_until_ms = now_ms;
        self.left = 0;
    }

    /// One more has been accepted, of at most so many that can wait.
    pub fn accepted(&mut self, now_ms: u64, most: usize) {
        if self.left == 0 {
            self.since_ms = now_ms;
            self.left = most;
        }
        self.left -= 1;
        if self.left == 0 {
            self.accepted_until_ms = self.since_ms;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_stream_of_connections_does_not_hide_who_has_waited_long() {
        let mut backlog = Backlog::default();
        backlog.is_empty_at(5);
        assert_eq!(backlog.accepted_until_ms(), 5);
        for now_ms in 10..19 {
            backlog.accepted(now_ms, 10);
            assert_eq!(backlog.accepted_until_ms(), 5);
        }
        backlog.accepted(19, 10);
        assert_eq!(
            backlog.accepted_until_ms(),
            10,
            "all who waited then are in"
        );
        backlog.accepted(20, 10);
        backlog.is_empty_at(21);
        assert_eq!(backlog.accepted_until_ms(), 21);
    }
}
