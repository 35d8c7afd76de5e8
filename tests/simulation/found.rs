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
