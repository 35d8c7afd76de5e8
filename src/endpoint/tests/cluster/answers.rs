//! What is asked of other servers and their clients.

use super::*;

#[test]
fn the_sockets_of_all_servers_are_fetched() {
    let mut cluster = Cluster::new(3);
    cluster.enter(0);
    let (_, there) = cluster.enter(1);
    let endpoint = &mut cluster.worlds[1].endpoint;
    endpoint.join(there, "room").unwrap();
    endpoint
        .set_data(there, serde_json::json!({"name": "Ada"}))
        .unwrap();
    let id = cluster.id(1, there);
    let everybody = cluster.everybody();
    let ask = cluster.worlds[0].endpoint.fetch_cluster(&everybody, 500);
    assert!(cluster.events(0).is_empty());
    cluster.deliver();
    let events = cluster.events(0);
    let [Event::Fetched {
        ask: fetched,
        sockets,
        is_complete: true,
    }] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!((*fetched, sockets.len()), (ask, 2));
    let wanted = RemoteSocket {
        id,
        address: "127.0.0.1:5000".to_owned(),
        query: "EIO=4&transport=websocket".to_owned(),
        auth: "{}".to_owned(),
        rooms: vec!["room".to_owned()],
        data: r#"{"name":"Ada"}"#.to_owned(),
    };
    assert_eq!(sockets[1], wanted);
    let local = everybody.local();
    cluster.worlds[0].endpoint.fetch_cluster(&local, 500);
    cluster.worlds[0].turn();
    assert_eq!(cluster.waiting_wires(), 0);
    assert!(matches!(
        &cluster.events(0)[..],
        [Event::Fetched { sockets, is_complete: true, .. }] if sockets.len() == 1
    ));
}

#[test]
fn a_server_that_says_nothing_delays_an_answer_but_does_not_prevent_it() {
    let mut cluster = Cluster::new(3);
    cluster.hung.insert(2);
    cluster.enter(0);
    cluster.enter(1);
    let everybody = cluster.everybody();
    let timers = cluster.worlds[0].endpoint.counts().timers;
    let ask = cluster.worlds[0].endpoint.fetch_cluster(&everybody, 500);
    cluster.deliver();
    cluster.pass_ms(499);
    assert!(cluster.events(0).is_empty());
    cluster.pass_ms(1);
    assert!(matches!(
        &cluster.events(0)[..],
        [Event::Fetched { sockets, is_complete: false, .. }] if sockets.len() == 2
    ));
    let endpoint = &mut cluster.worlds[0].endpoint;
    endpoint
        .cluster()
        .receive_sockets(ask, vec![RemoteSocket::default()]);
    endpoint.cluster().receive_ack(ask, args("late"));
    endpoint.cluster().expect_acks(ask, 1);
    cluster.turn();
    assert!(
        cluster.events(0).is_empty(),
        "a closed question ignores late answers"
    );
    assert_eq!(cluster.worlds[0].endpoint.counts().timers, timers);
}

#[test]
fn clients_of_all_servers_acknowledge() {
    let mut cluster = Cluster::new(3);
    let clients = [0, 1, 2].map(|server| (server, cluster.enter(server).0));
    let everybody = cluster.everybody();
    let ask = cluster.worlds[0]
        .endpoint
        .broadcast_with_ack(&everybody, "q", &args("x"), 500);
    let ask = ask.unwrap();
    cluster.deliver();
    for (server, key) in clients {
        assert!(cluster.events(0).is_empty());
        let frame = cluster.worlds[server].frames(key).concat();
        let number: String = frame[2..]
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        cluster.worlds[server].send(key, &format!("43{number}[{server}]"));
        cluster.deliver();
    }
    let events = cluster.events(0);
    let [Event::Answered {
        ask: answered,
        answers,
        is_complete: true,
    }] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(*answered, ask);
    let answers: Vec<&str> = answers.iter().filter_map(|answer| answer.raw(0)).collect();
    assert_eq!(answers, ["0", "1", "2"]);
}

#[test]
fn acknowledgements_of_other_servers_may_be_missing() {
    let mut cluster = Cluster::new(3);
    let (_, there) = (cluster.enter(0), cluster.enter(1).0);
    cluster.enter(1);
    cluster.hung.insert(2);
    cluster.enter(2);
    let everybody = cluster.everybody();
    let timers = cluster.worlds[0].endpoint.counts().timers;
    let asked = cluster.worlds[0]
        .endpoint
        .broadcast_with_ack(&everybody, "q", &args("x"), 500);
    asked.unwrap();
    cluster.deliver();
    cluster.worlds[1].send(there, "430[\"yes\"]");
    cluster.deliver();
    cluster.pass_ms(499);
    assert!(cluster.events(0).is_empty());
    cluster.pass_ms(1);
    assert!(matches!(
        &cluster.events(0)[..],
        [Event::Answered { answers, is_complete: false, .. }]
            if answers.len() == 1 && answers[0].raw(0) == Some("\"yes\"")
    ));
    assert_eq!(cluster.worlds[0].endpoint.counts().timers, timers);
}

#[test]
fn answers_may_come_before_it_is_known_how_many_there_will_be() {
    let mut cluster = Cluster::new(2);
    let everybody = cluster.everybody();
    let endpoint = &mut cluster.worlds[0].endpoint;
    let ask = endpoint
        .broadcast_with_ack(&everybody, "q", &args("x"), 500)
        .unwrap();
    for text in ["one", "two", "three"] {
        endpoint.cluster().receive_ack(ask, args(text));
    }
    assert!(endpoint.poll_event().is_none());
    endpoint.cluster().expect_acks(ask, 2);
    assert!(matches!(
        endpoint.poll_event(),
        Some(Event::Answered { answers, is_complete: true, .. }) if answers.len() == 3
    ));
}

#[test]
fn answers_of_other_servers_beyond_the_limit_of_bytes_count_as_none() {
    let mut cluster = Cluster::new(2);
    let everybody = cluster.everybody();
    let endpoint = &mut cluster.worlds[0].endpoint;
    let ask = endpoint
        .broadcast_with_ack(&everybody, "q", &args("x"), 500)
        .unwrap();
    endpoint.cluster().expect_acks(ask, 2);
    endpoint.cluster().receive_ack(ask, args("small"));
    endpoint
        .cluster()
        .receive_ack(ask, args(&"x".repeat(5 * 1024 * 1024)));
    cluster.pass_ms(500);
    assert!(matches!(
        &cluster.events(0)[..],
        [Event::Answered { answers, is_complete: false, .. }] if answers.len() == 1
    ));
}

#[test]
fn servers_emit_to_each_other_and_answer() {
    let mut cluster = Cluster::new(3);
    let root = cluster.everybody().namespace_id();
    let endpoint = &mut cluster.worlds[0].endpoint;
    endpoint
        .server_side_emit(root, "hello", &args("x"))
        .unwrap();
    cluster.deliver();
    assert!(cluster.events(0).is_empty());
    for server in [1, 2] {
        match &cluster.events(server)[..] {
            [Event::ServerSide {
                args,
                namespace,
                reply: None,
            }] => {
                assert_eq!((&*args.event_name(), args.raw(0)), ("hello", Some("\"x\"")));
                assert_eq!(*namespace, root);
            }
            other => panic!("{other:?}"),
        }
    }
    let endpoint = &mut cluster.worlds[0].endpoint;
    let ask = endpoint
        .server_side_ask(root, "how many", &Args::none(), 500)
        .unwrap();
    cluster.deliver();
    for server in [1, 2] {
        let [Event::ServerSide {
            reply: Some(reply), ..
        }] = cluster.events(server)[..]
        else {
            panic!("asked")
        };
        assert!(cluster.events(0).is_empty());
        let endpoint = &mut cluster.worlds[server].endpoint;
        endpoint.reply_server_side(reply, &Args::one(&server).unwrap());
        cluster.deliver();
    }
    assert!(matches!(
        &cluster.events(0)[..],
        [Event::Answered { ask: answered, answers, is_complete: true }]
            if *answered == ask && answers.len() == 2
    ));
}

#[test]
fn servers_that_do_not_answer_are_not_waited_for_longer_than_wanted() {
    let mut cluster = Cluster::new(2);
    let root = cluster.everybody().namespace_id();
    let endpoint = &mut cluster.worlds[0].endpoint;
    endpoint
        .server_side_ask(root, "how many", &Args::none(), 500)
        .unwrap();
    cluster.deliver();
    cluster.pass_ms(500);
    assert!(matches!(
        &cluster.events(0)[..],
        [Event::Answered { answers, is_complete: false, .. }] if answers.is_empty()
    ));
}
