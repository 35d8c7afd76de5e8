//! What does not go to other servers.

use super::*;

#[test]
fn what_concerns_one_client_of_this_server_stays_here() {
    let mut cluster = Cluster::new(2);
    let (_, socket) = cluster.enter(0);
    let endpoint = &mut cluster.worlds[0].endpoint;
    endpoint.emit_to(socket, "e", &args("x")).unwrap();
    endpoint.emit_volatile(socket, "e", &args("x")).unwrap();
    endpoint.emit_with_ack(socket, "e", &args("x")).unwrap();
    endpoint.join(socket, "room").unwrap();
    endpoint.disconnect(socket, true).unwrap();
    assert_eq!(cluster.waiting_wires(), 0);
}

#[test]
fn a_server_that_is_alone_says_so_at_once() {
    let mut world = World::new(Config {
        progress: None,
        ..Config::default()
    });
    world.enter("40");
    let counts = world.endpoint.counts();
    let everybody = world.everybody();
    let root = everybody.namespace_id();
    let alone = world
        .endpoint
        .server_side_emit(root, "hello", &Args::none());
    assert_eq!(alone, Err(Error::NoCluster));
    let alone = world
        .endpoint
        .server_side_ask(root, "hello", &Args::none(), 500);
    assert_eq!(alone, Err(Error::NoCluster));
    assert_eq!(world.endpoint.counts(), counts);
    world.endpoint.fetch_cluster(&everybody, 500);
    world.turn();
    assert!(matches!(
        &world.take_events()[..],
        [Event::Fetched { sockets, is_complete: true, .. }] if sockets.len() == 1
    ));
    assert_eq!(world.endpoint.counts(), counts);
}

#[test]
fn servers_do_not_emit_socket_ios_own_names_to_each_other() {
    let mut cluster = Cluster::new(2);
    let root = cluster.everybody().namespace_id();
    for name in ["connect", "connection", "new_namespace", "disconnect"] {
        let error = Err(Error::ReservedEvent(name.to_owned()));
        let endpoint = &mut cluster.worlds[0].endpoint;
        assert_eq!(endpoint.server_side_emit(root, name, &Args::none()), error);
        let asked = endpoint.server_side_ask(root, name, &Args::none(), 500);
        assert_eq!(asked.map(|_| ()), error);
    }
    assert_eq!(cluster.waiting_wires(), 0);
}
