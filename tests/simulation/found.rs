//! Scripts that once failed, each as small as it could be made.

use super::expect;
use super::script::Script;

fn replay(text: &str) {
    expect(&Script::from_text(text), false, "what was mended");
}

#[test]
fn a_client_that_does_nothing_special_comes_and_goes() {
    replay(
        "seed 1
        setup msgpack 1
        actor 0 WebSocket
        0 Wait 0 0 100
        0 Enter 0 0 0
        0 EmitBinary 6451 738 10",
    );
}

#[test]
fn a_client_that_is_away_while_its_session_waits_for_a_poll_is_put_out_only_once() {
    replay(
        "seed 365
        setup ping_interval 1174 ping_timeout 3547 max_pending_events 4 recovery 1 progress 0
        actor 0 Polling
        1 Wait 0 0 6
        0 Enter 0 0 0
        2 Kick 0 0 0
        0 PollNothing 0 0 0
        0 Burst 1 0 5
        1 Kick 0 911 0",
    );
}
