//! What messages allocate, what clients hold of the heap while nothing happens, and that they leave nothing behind.

#[path = "memory/exhaustion.rs"]
mod exhaustion;
#[path = "memory/world.rs"]
mod world;

use exhaustion::{
    handshakes_that_join_nothing_leave_nothing,
    sessions_that_are_never_updated_give_way_and_leave_nothing,
};
use pulsewheel::{
    Args, Config, ConnectionId, Endpoint, Event, FromArgs, IntoAnswer, Io, Socket, Target,
};
use stats_alloc::{Region, StatsAlloc, INSTRUMENTED_SYSTEM};
use std::alloc::System;
use world::{ignore, masked_binary, masked_text, post_head, World, UPGRADE};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const CLIENTS: usize = 10_000;

fn new_world() -> World {
    World::new(Config {
        progress: None,
        ..Config::default()
    })
}

/// Everything is counted for the whole process, so the tests run one after the other and nothing beside them: the standard
/// harness has threads of its own.
fn main() {
    let tests: [(&str, fn()); 13] = [
        (
            "an_idle_websocket_client_holds_its_slots_and_nothing_else",
            an_idle_websocket_client_holds_its_slots_and_nothing_else,
        ),
        (
            "an_idle_polling_client_holds_its_waiting_request_too",
            an_idle_polling_client_holds_its_waiting_request_too,
        ),
        (
            "three_rooms_cost_a_client_little_more_than_three_places",
            three_rooms_cost_a_client_little_more_than_three_places,
        ),
        (
            "whoever_has_left_holds_nothing",
            whoever_has_left_holds_nothing,
        ),
        (
            "attachments_that_others_never_follow_give_their_memory_back",
            attachments_that_others_never_follow_give_their_memory_back,
        ),
        (
            "what_many_send_in_part_takes_less_than_16_mib",
            what_many_send_in_part_takes_less_than_16_mib,
        ),
        (
            "what_waits_for_many_who_do_not_read_stays_within_the_limit",
            what_waits_for_many_who_do_not_read_stays_within_the_limit,
        ),
        (
            "sessions_that_are_never_updated_give_way_and_leave_nothing",
            sessions_that_are_never_updated_give_way_and_leave_nothing,
        ),
        (
            "handshakes_that_join_nothing_leave_nothing",
            handshakes_that_join_nothing_leave_nothing,
        ),
        ("an_echo_costs_no_allocation", an_echo_costs_no_allocation),
        (
            "a_typed_handler_of_plain_values_costs_no_allocation",
            a_typed_handler_of_plain_values_costs_no_allocation,
        ),
        (
            "a_broadcast_costs_one_allocation_however_many_hear_it",
            a_broadcast_costs_one_allocation_however_many_hear_it,
        ),
        (
            "a_heartbeat_costs_no_allocation",
            a_heartbeat_costs_no_allocation,
        ),
    ];
    println!("running {} tests", tests.len());
    for (name, test) in tests {
        test();
        println!("test {name} ... ok");
    }
    println!("test result: ok. {} passed; 0 failed", tests.len());
}

/// Heap bytes that each of many clients holds.
fn bytes_per_client(world: &mut World, mut join: impl FnMut(&mut World) -> ConnectionId) -> isize {
    let region = Region::new(ALLOCATOR);
    for _ in 0..CLIENTS {
        join(world);
    }
    let change = region.change();
    let held = change.bytes_allocated as isize - change.bytes_deallocated as isize;
    held / CLIENTS as isize
}

fn an_idle_websocket_client_holds_its_slots_and_nothing_else() {
    let bytes = bytes_per_client(&mut new_world(), World::join_by_websocket);
    println!("WebSocket: {bytes}");
    assert!(bytes <= 560, "{bytes} bytes");
}

fn an_idle_polling_client_holds_its_waiting_request_too() {
    let bytes = bytes_per_client(&mut new_world(), World::join_by_polling);
    println!("polling: {bytes}");
    assert!(bytes <= 800, "{bytes} bytes");
}

fn three_rooms_cost_a_client_little_more_than_three_places() {
    let mut world = new_world();
    let namespace = world.endpoint.namespace("/").expect("it is served");
    let newest = |world: &World| {
        let everybody = world.endpoint.fetch_sockets(&Target::namespace(namespace));
        everybody.last().copied().expect("somebody is there")
    };
    let without = bytes_per_client(&mut world, World::join_by_websocket);
    let with = bytes_per_client(&mut world, |world| {
        let connection = world.join_by_websocket();
        let socket = newest(world);
        for room in ["one", "two", "three"] {
            let joined = world.endpoint.join(socket, room);
            joined.expect("a room more");
        }
        connection
    });
    println!("without rooms: {without}, with three: {with}");
    assert!(with <= without + 120, "{without} and {with} bytes");
}

fn whoever_has_left_holds_nothing() {
    let mut world = new_world();
    let region = Region::new(ALLOCATOR);
    let mut held = [0; 10];
    let mut resident = [0; 10];
    for round in 0..10 {
        let clients: Vec<ConnectionId> = (0..5_000).map(|_| world.join_by_websocket()).collect();
        for client in clients {
            world
                .endpoint
                .on_ready(client, pulsewheel::Readiness::broken());
            world.turn(client, &[], ignore);
        }
        let change = region.change();
        held[round] = change.bytes_allocated - change.bytes_deallocated;
        resident[round] = resident_bytes();
    }
    assert_eq!(held[9], held[1], "{held:?}");
    let grown = resident[9].saturating_sub(resident[2]);
    assert!(grown <= 1024 * 1024, "{resident:?}");
}

/// A message that is as long as one may be, and what it takes with the head of its frame.
const PART_BYTES: usize = 1_000_000;

/// The beginning of a packet with ten attachments, and nine of those.
fn nine_of_ten() -> Vec<u8> {
    let place = r#"{"_placeholder":true,"num":0}"#;
    let header = format!(r#"4510-["x",{place}]"#);
    [masked_text(&header), masked_binary(PART_BYTES).repeat(9)].concat()
}

fn attachments_that_others_never_follow_give_their_memory_back() {
    let mut world = new_world();
    let healthy = world.join_by_websocket();
    let sent = nine_of_ten();
    // What the slots take for as many, and no more.
    let held_by_crowd = |world: &mut World| {
        let region = Region::new(ALLOCATOR);
        let clients: Vec<ConnectionId> = (0..30).map(|_| world.join_by_websocket()).collect();
        for client in &clients {
            world.offer(*client, &sent, ignore);
            assert_eq!(echoes_of(world, healthy), 1);
        }
        let change = region.change();
        assert!(change.bytes_allocated - change.bytes_deallocated > 9 * PART_BYTES);
        while world.endpoint.counts().sessions > 1 {
            world.sleep_until_next_deadline();
            assert_eq!(echoes_of(world, healthy), 1);
        }
        all_leave(world, clients);
        held(&region)
    };
    held_by_crowd(&mut world);
    // Time has passed, and the healthy client has been pinged.
    let left_behind = held_by_crowd(&mut world);
    assert!(left_behind < 1024, "{left_behind} bytes");
}

fn what_many_send_in_part_takes_less_than_16_mib() {
    let frame = masked_binary(PART_BYTES);
    let mut fragment = masked_binary(64 * 1024);
    fragment[0] = 0x02;
    let mut continuation = fragment.clone();
    continuation[0] = 0x00;
    let fragments = [fragment, continuation.repeat(14)].concat();
    let body = vec![b'x'; PART_BYTES - 1];
    for (name, count, sent) in [
        ("attachments", 30, nine_of_ten()),
        ("frames", 100, frame[..frame.len() - 1].to_vec()),
        ("fragments", 100, fragments),
        ("bodies", 100, body),
    ] {
        let mut world = new_world();
        let healthy = world.join_by_websocket();
        let before = Region::new(ALLOCATOR);
        // What the slots take for as many is there after the first time.
        let left_behind = [(); 2].map(|()| {
            let peers: Vec<ConnectionId> = (0..count)
                .map(|_| {
                    if name != "bodies" {
                        return world.join_by_websocket();
                    }
                    let (peer, sid) = world.open_polling();
                    world.turn(peer, post_head(&sid, PART_BYTES).as_bytes(), ignore);
                    peer
                })
                .collect();
            let region = Region::new(ALLOCATOR);
            let (mut most, mut echoes, mut rounds) = (0, 0, 0);
            for at in (0..sent.len()).step_by(64 * 1024) {
                let piece = &sent[at..sent.len().min(at + 64 * 1024)];
                for peer in &peers {
                    world.offer(*peer, piece, ignore);
                    most = most.max(held(&region));
                }
                rounds += 1;
                echoes += echoes_of(&mut world, healthy);
            }
            println!("{name}: at most {most} bytes");
            assert!(most <= 16 * 1024 * 1024, "{name}: {most} bytes");
            assert_eq!(echoes, rounds, "{name}");
            // As many as there is room for are still there.
            let left = world.endpoint.counts().sessions - 1;
            assert!(left >= 1 && left < count, "{name}: {left} of {count}");
            all_leave(&mut world, peers);
            held(&before)
        });
        assert_eq!(left_behind[0], left_behind[1], "{name}");
    }
}

/// How many bytes are held more than when this began.
fn held(region: &Region<'_, System>) -> isize {
    let change = region.change();
    change.bytes_allocated as isize - change.bytes_deallocated as isize
}

/// Has a client send an event; how many the host has heard and echoed.
fn echoes_of(world: &mut World, client: ConnectionId) -> usize {
    let mut echoes = 0;
    world.turn(client, &masked_text("42[\"echo\"]"), |endpoint, event| {
        echoes += usize::from(matches!(event, Event::Message(_)));
        echo(endpoint, event);
    });
    echoes
}

/// These connections break, if they are still there.
fn all_leave(world: &mut World, peers: Vec<ConnectionId>) {
    for peer in peers {
        world
            .endpoint
            .on_ready(peer, pulsewheel::Readiness::broken());
        world.offer(peer, &[], ignore);
    }
    assert_eq!(world.endpoint.counts().sessions, 1, "the healthy one");
}

fn what_waits_for_many_who_do_not_read_stays_within_the_limit() {
    const MAX_BYTES: usize = 8 * 1024 * 1024;
    /// What one answer and what is sent in one turn may add before all is counted again.
    const ADDED_BYTES: isize = 512 * 1024;
    let mut world = World::new(Config {
        max_memory_bytes: Some(MAX_BYTES),
        progress: None,
        ..Config::default()
    });
    let healthy = world.join_by_websocket();
    let asked = format!("42{}", serde_json::json!(["asked", "x".repeat(20_000)]));
    let asked = masked_text(&asked);
    let before = Region::new(ALLOCATOR);
    let left_behind = [(); 2].map(|()| {
        // Memory is counted again when some time has passed.
        while world.endpoint.is_short_of_memory() {
            world.sleep_until_next_deadline();
        }
        world.deaf = (0..50).map(|_| world.join_by_websocket()).collect();
        let region = Region::new(ALLOCATOR);
        let (mut most, mut echoes, mut rounds) = (0, 0, 0);
        for _ in 0..60 {
            for peer in world.deaf.clone() {
                // Each answer is for this client alone.
                world.offer(peer, &asked, echo);
                most = most.max(held(&region));
            }
            rounds += 1;
            echoes += echoes_of(&mut world, healthy);
        }
        println!("what waits: at most {most} bytes");
        let bound = MAX_BYTES as isize / 8 * 9 + ADDED_BYTES;
        assert!(most <= bound, "{most} bytes, {bound} may be");
        assert!(most >= MAX_BYTES as isize / 2, "{most} bytes");
        assert_eq!(echoes, rounds);
        let left = world.endpoint.counts().sessions - 1;
        assert!(left < 50, "{left} of 50");
        let peers = std::mem::take(&mut world.deaf);
        all_leave(&mut world, peers);
        held(&before)
    });
    // Some time has passed in between, and the healthy client has been pinged.
    let grown = left_behind[1] - left_behind[0];
    assert!(grown < 1024, "{left_behind:?}");
}

/// How often memory was asked for, reallocations included, while this ran.
fn allocations(act: impl FnOnce()) -> usize {
    let region = Region::new(ALLOCATOR);
    act();
    let change = region.change();
    change.allocations + change.reallocations
}

fn text() -> String {
    "x".repeat(300)
}

fn echo(endpoint: &mut Endpoint, event: Event) {
    if let Event::Message(message) = event {
        let echoed = endpoint.emit_to(message.socket, "echo", &message.args);
        echoed.expect("its sender is there");
        endpoint.recycle(message);
    }
}

fn an_echo_costs_no_allocation() {
    let mut world = new_world();
    let client = world.join_by_websocket();
    let message = masked_text(&format!("42[\"echo\",\"{}\"]", text()));
    // One that has much to say waits in another list than one that begins to: until both have their memory.
    for _ in 0..100 {
        world.turn(client, &message, echo);
    }
    let count = allocations(|| (0..100).for_each(|_| world.turn(client, &message, echo)));
    assert_eq!(count, 0);
}

/// What events cost whose arguments a handler takes as this type, and whose acknowledgement is what it returns.
fn allocations_of<T: FromArgs, R: IntoAnswer>(
    arguments: &str,
    handler: impl FnMut(&mut u64, &mut Socket<'_, u64>, T) -> R + Send + 'static,
) -> usize {
    let mut io = Io::with_state(0_u64);
    io.of("/").on("count", handler);
    let mut world = World::new(io.configure(Config {
        progress: None,
        ..Config::default()
    }));
    let mut events = 0;
    let mut host = |endpoint: &mut Endpoint, event: Event| {
        events += u64::from(matches!(event, Event::Message(_)));
        let left = io.dispatch(endpoint, event);
        assert!(matches!(left, Ok(None)), "{left:?}");
    };
    let client = world.open();
    world.turn(client, UPGRADE.as_bytes(), &mut host);
    world.turn(client, &masked_text("40"), &mut host);
    let message = masked_text(&format!("421[\"count\"{arguments}]"));
    for _ in 0..100 {
        world.turn(client, &message, &mut host);
    }
    let count = allocations(|| (0..100).for_each(|_| world.turn(client, &message, &mut host)));
    assert_eq!(events, 200);
    assert_eq!(*io.state(), 200, "the handler has been called");
    count
}

fn a_typed_handler_of_plain_values_costs_no_allocation() {
    let counts = [
        allocations_of(",7", |calls, _, n: u32| {
            *calls += 1;
            n
        }),
        allocations_of("", |calls, _, ()| *calls += 1),
        allocations_of(",7,true,-1.5", |calls, _, (n, yes, x): (u32, bool, f64)| {
            *calls += 1;
            Ok::<_, pulsewheel::Error>((x, yes, n))
        }),
        allocations_of(",7", |calls, socket, (n, more): (u64, Option<bool>)| {
            *calls += 1;
            socket.emit("counted", (n, more))
        }),
    ];
    assert_eq!(counts, [0; 4]);
}

fn a_broadcast_costs_one_allocation_however_many_hear_it() {
    let mut world = new_world();
    for _ in 0..1_000 {
        world.join_by_websocket();
    }
    let namespace = world.endpoint.namespace("/").expect("it is served");
    let everybody = Target::namespace(namespace);
    let args = Args::one(&text()).expect("a text");
    let mut broadcast = || {
        let emitted = world.endpoint.emit(&everybody, "tick", &args);
        emitted.expect("a good name");
        world.write();
    };
    (0..3).for_each(|_| broadcast());
    let count = allocations(|| (0..10).for_each(|_| broadcast()));
    assert!(count <= 10, "{count} allocations for 10 broadcasts");
}

fn a_heartbeat_costs_no_allocation() {
    let mut world = new_world();
    let client = world.join_by_websocket();
    let pong = masked_text("3");
    let mut beat = || {
        world.sleep_until_next_deadline();
        world.turn(client, &pong, ignore);
    };
    (0..100).for_each(|_| beat());
    assert_eq!(allocations(|| (0..100).for_each(|_| beat())), 0);
}

/// Memory of this process that is in use and not swapped out.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has this file");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.and_then(|kib| kib.parse::<usize>().ok())
        .expect("a number of KiB")
        * 1024
}
