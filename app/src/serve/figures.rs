//! What the loop has counted, as JSON.

use std::time::Duration;

use pulsewheel::http::Response;
use pulsewheel::{memory_usage, Endpoint, Histogram, PacketCounts};
use serde_json::{json, Map, Value};

use super::answer::json_text;

/// `GET /api/stats`, of a server that has been up for so long.
pub fn answer(endpoint: &mut Endpoint, uptime: Duration) -> Response {
    let stats = endpoint.stats();
    let turns = endpoint.loop_stats();
    let disconnects = stats.disconnects.iter();
    let disconnects: Map<String, Value> = disconnects
        .map(|(reason, count)| (reason.to_string(), count.into()))
        .collect();
    let limits = stats.limits.iter();
    let limits: Map<String, Value> = limits
        .map(|(limit, count)| (limit.as_str().to_owned(), count.into()))
        .collect();
    let memory = memory_usage();
    let body = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_ms": u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX),
        "memory": { "used_mb": memory.used_mb, "available_mb": memory.available_mb },
        "now": {
            "connections": stats.counts.connections,
            "sessions": stats.counts.sessions,
            "sockets": stats.counts.sockets,
            "timers": stats.counts.timers,
            "polling": stats.polling,
            "websockets": stats.websockets,
            "progress_sessions": stats.active_sessions,
            "queued_bytes": stats.queued_bytes,
            "held_bytes": stats.held_bytes,
            "memory_bytes": stats.memory_bytes,
        },
        "handshakes": {
            "polling": stats.handshakes.polling,
            "websocket": stats.handshakes.websocket,
            "refused": stats.handshakes.refused,
            "full": stats.handshakes.full,
            "limited": stats.handshakes.limited,
        },
        "refused_connections": stats.refused_connections,
        "refusals": stats.refusals,
        "upgrades": stats.upgrades,
        "reconnections": stats.reconnections,
        "packets_in": packets(&stats.packets_in),
        "packets_out": packets(&stats.packets_out),
        "emits": stats.emits,
        "disconnects": disconnects,
        "overfull": stats.overfull,
        "limits": limits,
        "throttled": stats.throttled,
        "conflated": stats.conflated,
        "dropped": stats.dropped,
        "loop": {
            "turns": turns.turns,
            "accepted": turns.accepted,
            "reads": turns.reads,
            "read_bytes": turns.read_bytes,
            "writes": turns.writes,
            "written_bytes": turns.written_bytes,
            "panics": turns.panics,
            "turn_us": times(&turns.turn_us),
            "timer_lateness_ms": times(&turns.timer_lateness_ms),
            "lag_us": times(&turns.lag_us),
        },
    });
    json_text(200, body.to_string())
}

fn packets(counts: &PacketCounts) -> Value {
    json!({
        "connects": counts.connects,
        "disconnects": counts.disconnects,
        "events": counts.all_events(),
        "acks": counts.acks + counts.binary_acks,
        "connect_errors": counts.connect_errors,
        "pings": counts.pings,
        "pongs": counts.pongs,
    })
}

fn times(histogram: &Histogram) -> Value {
    json!({ "count": histogram.count(), "sum": histogram.sum(), "max": histogram.max() })
}
