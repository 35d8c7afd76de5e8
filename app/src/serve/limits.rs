//! The settings of the server whose clients send four tiny commands and otherwise listen. Uploads and JSON bodies are
//! requests of the host, and not bound by what is here.

use pulsewheel::{Config, Network};

use super::budget::Budget;

/// Longest query of a handshake, in bytes: it is kept with its session.
pub const MAX_HANDSHAKE_QUERY_BYTES: usize = 1024;

/// Addresses of this machine, which the limits for each address do not concern.
const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1"];

/// The limits, without what depends on the command line otherwise.
pub fn limits(budget: &Budget) -> Config {
    let per_address = u32::try_from(budget.connections / 4).unwrap_or(u32::MAX);
    Config {
        max_memory_bytes: Some(budget.held_bytes),
        max_connections: budget.connections,
        max_sessions: budget.connections,
        max_connections_per_address: Some(per_address),
        max_sessions_per_address: Some(per_address),
        max_handshakes_per_second: Some(50),
        exempt_addresses: LOOPBACK
            .iter()
            .filter_map(|text| text.parse::<Network>().ok())
            .collect(),
        max_payload_bytes: 16 * 1024,
        max_attachments: 0,
        max_namespaces_per_client: 1,
        max_queued_bytes: 1024 * 1024,
        max_auth_bytes: 1024,
        max_rooms_per_socket: 32,
        max_room_name_bytes: 256,
        max_pending_acks: 16,
        max_answer_bytes: 64 * 1024,
        max_child_namespaces: 0,
        max_messages_per_second: Some(2_000),
        max_bytes_per_second: Some(512 * 1024),
        max_joins_per_second: Some(10),
        max_commands_per_second: Some(1_000),
        ..Config::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_exempt() {
        let budget = Budget::of(Budget::LEAST_BYTES).expect("enough");
        assert_eq!(limits(&budget).exempt_addresses.len(), LOOPBACK.len());
    }
}
