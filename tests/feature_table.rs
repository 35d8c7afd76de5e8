//! The feature table of README.md: whatever it says that this server does, a test shows.

mod evidence;

use std::collections::BTreeSet;

use evidence::{holds_test, read};

/// For each row with a `yes` of ours: a file, and a test in it. A feature of several parts has several.
const EVIDENCE: &[(&str, &str, &str)] = &[
    // Transports and protocol
    (
        "HTTP long-polling",
        "tests/interop/raw-engine.test.mjs",
        "a waiting poll is answered as soon as there is something",
    ),
    (
        "WebSocket",
        "tests/interop/raw-websocket.test.mjs",
        "the open packet is the first frame and offers no upgrade",
    ),
    (
        "Upgrade from polling to WebSocket",
        "tests/interop/ordering.test.mjs",
        "5,000 messages each way with the WebSocket path 60 ms slower",
    ),
    (
        "One transport alone, or no upgrade",
        "src/engine/request.rs",
        "a_transport_that_is_switched_off_is_unknown",
    ),
    (
        "One transport alone, or no upgrade",
        "src/endpoint/tests/polling.rs",
        "no_upgrade_is_offered_where_none_is_allowed",
    ),
    (
        "Clients of Socket.IO 2",
        "tests/interop/old-clients.test.mjs",
        "events, texts beyond the basic plane and binary come back unchanged",
    ),
    (
        "MessagePack parser",
        "tests/interop/msgpack.test.mjs",
        "values of every type come back unchanged",
    ),
    (
        "Compressed answers to polls",
        "src/endpoint/tests/compression.rs",
        "long_answers_are_compressed_as_their_client_accepts",
    ),
    (
        "CORS",
        "src/endpoint/tests/polling.rs",
        "without_cors_no_answer_speaks_of_it_and_with_it_all_do",
    ),
    (
        "Cookie for load balancers",
        "src/endpoint/tests/polling.rs",
        "the_cookie_comes_with_the_open_packet_of_a_polling_session_alone",
    ),
    // Namespaces and middleware
    (
        "Several namespaces over one connection",
        "tests/interop/socketio.test.mjs",
        "namespaces share one connection and keep apart",
    ),
    (
        "Namespaces made by a pattern of their names",
        "src/endpoint/tests/io/connecting.rs",
        "namespaces_are_made_where_their_names_match_or_a_decision_says_so",
    ),
    (
        "Namespaces made by a decision",
        "src/endpoint/tests/io/connecting.rs",
        "namespaces_are_made_where_their_names_match_or_a_decision_says_so",
    ),
    (
        "Emit to all namespaces made so",
        "src/endpoint/tests/io/connecting.rs",
        "namespaces_are_made_where_their_names_match_or_a_decision_says_so",
    ),
    (
        "Middlewares before a client joins, with data in their errors",
        "src/endpoint/tests/io/connecting.rs",
        "middlewares_run_in_order_before_the_client_is_in",
    ),
    (
        "Middlewares before a client joins, with data in their errors",
        "src/endpoint/tests/connects/mod.rs",
        "a_refused_client_hears_why_and_may_try_again",
    ),
    (
        "Middlewares for each event of a client",
        "src/endpoint/tests/io/talking.rs",
        "packet_middlewares_change_events_or_refuse_them",
    ),
    (
        "A decision before a session opens (`allowRequest`)",
        "src/endpoint/tests/admission.rs",
        "a_session_opens_when_the_host_says_so_and_not_before",
    ),
    (
        "Hooks for header fields, news of refused requests",
        "src/endpoint/tests/handshakes.rs",
        "hooks_add_fields_to_the_first_answer_or_to_every_one",
    ),
    (
        "Hooks for header fields, news of refused requests",
        "src/endpoint/tests/refusals.rs",
        "the_host_hears_why_a_request_was_refused",
    ),
    (
        "The request that opened a session, kept",
        "src/endpoint/tests/handshakes.rs",
        "the_handshake_is_kept_as_far_as_is_wanted",
    ),
    // Events, acknowledgements, rooms
    (
        "Binary values at any depth",
        "tests/interop/socketio.test.mjs",
        "binary at any depth comes back in its place",
    ),
    (
        "Acknowledgements both ways",
        "tests/interop/python/test_python_socketio.py",
        "acks_in_both_directions",
    ),
    (
        "Acknowledgements with a time limit",
        "src/endpoint/tests/io/questions.rs",
        "a_question_with_a_limit_is_answered_in_any_case_and_once",
    ),
    (
        "Acknowledgements of many, partial answers too",
        "src/endpoint/tests/asks.rs",
        "when_the_time_is_over_the_answers_that_came_are_told",
    ),
    (
        "Arguments read by type",
        "src/socket/args.rs",
        "arguments_are_read_by_type_or_as_text",
    ),
    (
        "`once`, `off`, `onAny`",
        "src/endpoint/tests/io/talking.rs",
        "once_is_once_for_each_client_and_off_is_never",
    ),
    (
        "`once`, `off`, `onAny`",
        "src/endpoint/tests/io/mod.rs",
        "events_find_their_handlers_and_others_are_ignored",
    ),
    (
        "`onAnyOutgoing`",
        "src/endpoint/tests/io/talking.rs",
        "everything_emitted_is_seen_but_acknowledgements_are_not",
    ),
    (
        "Rooms, `to`, `except`",
        "src/socket/sockets/tests.rs",
        "targets_are_unions_without_the_excepted",
    ),
    (
        "Rooms, `to`, `except`",
        "tests/interop/socketio.test.mjs",
        "a room's messages reach its members except the sender, who need not be one",
    ),
    (
        "Volatile events",
        "src/endpoint/tests/socket_io.rs",
        "volatile_events_are_dropped_where_they_would_have_to_wait",
    ),
    (
        "Events left uncompressed",
        "src/endpoint/tests/compression.rs",
        "one_packet_that_wants_it_is_enough",
    ),
    (
        "Fetch sockets; have them join, leave, disconnect",
        "src/endpoint/tests/rooms.rs",
        "targets_say_which_sockets_join_leave_and_are_fetched",
    ),
    (
        "Fetch sockets; have them join, leave, disconnect",
        "src/endpoint/tests/rooms.rs",
        "disconnecting_a_target_says_so_to_its_clients_alone",
    ),
    (
        "Data kept with a socket",
        "src/endpoint/tests/io/connecting.rs",
        "data_has_a_type_and_is_there_until_the_client_has_left",
    ),
    (
        "`disconnecting`, with the rooms still joined",
        "src/endpoint/tests/leaving.rs",
        "a_socket_keeps_its_rooms_until_disconnecting_and_all_else_until_disconnected",
    ),
    // Recovery
    (
        "What was missed is sent again after a lost connection",
        "tests/interop/recovery.test.mjs",
        "what was missed comes first, once and in order, and the id stays",
    ),
    (
        "... though no event had come yet",
        "src/endpoint/tests/recovery.rs",
        "a_client_that_has_received_no_event_yet_recovers_too",
    ),
    (
        "... after a long idle time",
        "src/endpoint/tests/recovery.rs",
        "a_client_recovers_after_it_was_idle_for_long",
    ),
    (
        "An event when a client can come back no longer",
        "src/endpoint/tests/recovery.rs",
        "a_socket_that_does_not_come_back_in_time_is_forgotten",
    ),
    // Limits
    (
        "Size of messages",
        "tests/interop/raw-limits.test.mjs",
        "a WebSocket message over the limit closes with 1009",
    ),
    (
        "Time to join a namespace",
        "src/endpoint/tests/socket_io.rs",
        "whoever_joins_nothing_in_time_is_closed_and_a_refusal_does_not_count",
    ),
    (
        "Attachments of one packet",
        "src/socket/packet/tests.rs",
        "refuses_what_breaks_the_protocol",
    ),
    (
        "What waits for a client that does not read",
        "tests/interop/raw-socket-errors.test.mjs",
        "a client with more than 4 MiB waiting for it is disconnected, the others are served",
    ),
    (
        "Sessions at a time",
        "src/endpoint/tests/handshakes.rs",
        "there_are_no_more_sessions_than_allowed",
    ),
    (
        "Memory for all clients together",
        "src/endpoint/tests/memory.rs",
        "the_one_for_whom_most_waits_gives_way_and_hears_why",
    ),
    (
        "Rates of what a client sends",
        "src/endpoint/tests/rates.rs",
        "a_websocket_that_sends_too_many_messages_is_held_back_and_loses_nothing",
    ),
    (
        "Connections, sessions and handshakes of one address",
        "src/endpoint/tests/addresses.rs",
        "an_address_has_no_more_connections_than_it_may_and_others_have_theirs",
    ),
    // Running it
    (
        "Listens by itself, without a framework",
        "tests/server.rs",
        "a_handshake_is_answered_over_tcp",
    ),
    (
        "Emit from other threads",
        "tests/server.rs",
        "a_handle_does_the_same_verbs_and_their_answers_can_be_waited_for",
    ),
    (
        "Tests without sockets and with a made-up clock",
        "src/endpoint/tests/polling.rs",
        "pings_come_one_interval_after_the_pong_and_traffic_is_no_pong",
    ),
    (
        "Progress sessions",
        "tests/program/rest.test.mjs",
        "a burst becomes a first and a last event, 100 ms apart, with rising seq",
    ),
];

/// The rows: a feature, and what each server does of it, ours first.
fn rows() -> Vec<(String, Vec<String>)> {
    let readme = read("README.md");
    let section = readme
        .split("\n## ")
        .find(|section| section.starts_with("Feature by feature\n"));
    let lines = section.expect("README.md has the section").lines();
    let table = lines.filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let cells = table.map(|line| line.split(" | ").map(str::to_owned));
    cells
        .filter_map(|mut cells| Some((cells.next()?, cells.collect())))
        .filter(|(_, servers): &(_, Vec<String>)| servers.first().is_none_or(|s| s != "pulsewheel"))
        .collect()
}

#[test]
fn whatever_the_table_says_yes_to_is_shown_by_a_test() {
    let rows = rows();
    assert!(rows.len() >= 40, "only {} rows were found", rows.len());
    for (feature, servers) in &rows {
        let is_answer = |cell: &String| matches!(cell.as_str(), "yes" | "no" | "partly");
        assert!(
            servers.len() == 4 && servers.iter().all(is_answer),
            "{feature}: {servers:?}"
        );
        let is_shown = EVIDENCE.iter().any(|(shown, _, _)| shown == feature);
        assert_eq!(servers[0] == "yes", is_shown, "{feature}");
    }
    let features: BTreeSet<&str> = rows.iter().map(|(feature, _)| feature.as_str()).collect();
    assert_eq!(features.len(), rows.len(), "a feature stands there twice");
    for (feature, _, _) in EVIDENCE {
        assert!(features.contains(feature), "no row says {feature}");
    }
    let missing = EVIDENCE
        .iter()
        .filter(|(_, path, name)| !holds_test(path, name));
    let missing: Vec<_> = missing.collect();
    assert!(missing.is_empty(), "no such tests: {missing:#?}");
}
