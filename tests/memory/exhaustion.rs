//! Peers that want all places there are, beside a client that is served: when they have gone, nothing of them is held.

use stats_alloc::Region;

use super::world::{ignore, masked_text, World};
use super::{all_leave, echoes_of, held, ALLOCATOR};
use pulsewheel::progress::{ProgressConfig, SessionOptions};
use pulsewheel::{Config, ConnectionId};

/// Until a session without an update is stale, and its end forgotten.
const FORGOTTEN_MS: u64 = 40 * 60_000;
/// Until a session that joins nothing has ended, and nobody has fetched that.
const ENDED_MS: u64 = 2 * 60_000;

pub fn sessions_that_are_never_updated_give_way_and_leave_nothing() {
    const MAX_SESSIONS: usize = 1_000;
    let mut world = World::new(Config {
        progress: Some(ProgressConfig {
            max_sessions: MAX_SESSIONS,
            ..ProgressConfig::default()
        }),
        ..Config::default()
    });
    let healthy = world.join_by_websocket();
    let before = Region::new(ALLOCATOR);
    let left_behind = [(); 3].map(|()| {
        let mut echoes = 0;
        for _ in 0..20 {
            for _ in 0..100 {
                let created = world
                    .endpoint
                    .progress()
                    .create_session(SessionOptions::default());
                created.expect("another one gives way");
            }
            echoes += echoes_of(&mut world, healthy);
        }
        assert_eq!(echoes, 20);
        assert_eq!(world.endpoint.stats().active_sessions, MAX_SESSIONS);
        pass_time(&mut world, healthy, FORGOTTEN_MS);
        assert_eq!(world.endpoint.stats().active_sessions, 0);
        held(&before)
    });
    assert_eq!(left_behind[1], left_behind[2], "{left_behind:?}");
}

pub fn handshakes_that_join_nothing_leave_nothing() {
    let mut world = World::new(Config {
        max_sessions: 1_000,
        progress: None,
        ..Config::default()
    });
    let healthy = world.join_by_websocket();
    let before = Region::new(ALLOCATOR);
    let left_behind = [(); 3].map(|()| {
        let mut peers = Vec::new();
        let mut echoes = 0;
        for _ in 0..20 {
            peers.extend((0..200).map(|_| world.open_polling().0));
            echoes += echoes_of(&mut world, healthy);
        }
        assert_eq!(echoes, 20);
        assert_eq!(world.endpoint.counts().sessions, 1_000);
        pass_time(&mut world, healthy, ENDED_MS);
        all_leave(&mut world, peers);
        held(&before)
    });
    assert_eq!(left_behind[1], left_behind[2], "{left_behind:?}");
}

/// Lets so much time pass, in which a client answers all pings.
fn pass_time(world: &mut World, client: ConnectionId, ms: u64) {
    let until_ms = world.endpoint.now().mono_ms + ms;
    while world.endpoint.now().mono_ms < until_ms {
        world.sleep_until_next_deadline();
        world.turn(client, &masked_text("3"), ignore);
    }
    assert_eq!(echoes_of(world, client), 1, "it is still served");
}
