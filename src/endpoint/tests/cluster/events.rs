//! What is done to the sockets of all servers.

use super::*;

#[test]
fn events_reach_the_clients_of_all_servers() {
    let mut cluster = Cluster::new(3);
    let clients = [0, 1, 2].map(|server| (server, cluster.enter(server)));
    let excepted = clients[0].1 .1;
    let foreign = cluster.id(2, clients[2].1 .1);
    let everybody = cluster.everybody();
    for (target, text) in [
        (everybody.clone(), "all"),
        (everybody.clone().except_socket(excepted), "others"),
        (everybody.clone().except(foreign.as_str()), "except"),
        (everybody.clone().to(foreign.as_str()), "to"),
        (everybody.clone().local(), "local"),
        (everybody.clone().to("empty"), "nobody"),
    ] {
        cluster.worlds[0]
            .endpoint
            .emit(&target, "e", &args(text))
            .unwrap();
    }
    cluster.deliver();
    let mut frames = clients.map(|(server, (key, _))| {
        let frames = cluster.worlds[server].frames(key).into_iter();
        frames
            .map(|frame| frame[8..frame.len() - 2].to_owned())
            .collect::<Vec<_>>()
    });
    frames[2].sort_unstable();
    assert_eq!(frames[0], ["all", "except", "local"]);
    assert_eq!(frames[1], ["all", "others", "except"]);
    assert_eq!(frames[2], ["all", "others", "to"]);
}

#[test]
fn volatile_events_are_volatile_on_other_servers_too() {
    let mut cluster = Cluster::new(2);
    let (key, _) = cluster.enter(1);
    let everybody = cluster.everybody().volatile();
    for text in ["first", "second"] {
        cluster.worlds[0]
            .endpoint
            .emit(&everybody, "e", &args(text))
            .unwrap();
    }
    cluster.deliver();
    assert_eq!(cluster.worlds[1].frames(key), [r#"42["e","first"]"#]);
}

#[test]
fn joining_leaving_and_disconnecting_reach_the_sockets_of_all_servers() {
    let mut cluster = Cluster::new(2);
    let (_, here) = cluster.enter(0);
    let (key, there) = cluster.enter(1);
    let everybody = cluster.everybody();
    cluster.worlds[0]
        .endpoint
        .sockets_join(&everybody, &["a", "b"])
        .unwrap();
    cluster.deliver();
    cluster.worlds[0].endpoint.sockets_leave(&everybody, &["a"]);
    cluster.deliver();
    for (server, socket) in [(0, here), (1, there)] {
        let rooms: Vec<&str> = cluster.worlds[server].endpoint.rooms(socket).collect();
        assert_eq!(rooms, ["b"]);
    }
    let others = everybody.to("b").except_socket(here);
    cluster.worlds[0].endpoint.disconnect_sockets(&others, true);
    cluster.deliver();
    assert_eq!(cluster.worlds[1].frames(key), ["41", "close"]);
    assert!(cluster.worlds[0].endpoint.socket_id(here).is_some());
}
