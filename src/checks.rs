//! What checks want to know of an [`Endpoint`] from outside: simulation, fuzzing and benches. Nothing of it is for hosts.

use crate::endpoint::Endpoint;
use crate::id::ConnectionId;

/// Whether there is something to do without waiting for input or a deadline.
pub fn has_work(endpoint: &Endpoint) -> bool {
    endpoint.has_work()
}

/// The monotonic time in milliseconds at which the next timer is due.
pub fn next_deadline(endpoint: &Endpoint) -> Option<u64> {
    endpoint.next_deadline()
}

/// Bytes that wait to be written to a connection.
pub fn output_bytes(endpoint: &Endpoint, connection: ConnectionId) -> usize {
    endpoint.output_bytes(connection)
}

/// Panics where a rule is broken that always holds, and says which.
pub fn check_invariants(endpoint: &Endpoint) {
    endpoint.check_invariants();
}
