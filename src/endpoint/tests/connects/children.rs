//! Namespaces that are made for clients, and those of the host.

use super::*;

#[test]
fn a_namespace_is_made_when_its_first_client_is_let_in() {
    let mut world = World::new(config());
    let (_, refused) = ask(&mut world, "40/child?a=b,{\"t\":1}");
    assert_eq!(names(&world), ["/"]);
    refuse(&mut world, refused, ConnectError::new("no"));
    assert_eq!(names(&world), ["/"]);
    let (first_key, first) = ask(&mut world, "40/child,");
    let (second_key, second) = ask(&mut world, "40/child,");
    let (first, second) = (accept(&mut world, first), accept(&mut world, second));
    let child = world.endpoint.namespace("/child").unwrap();
    assert_eq!(world.endpoint.namespace_of(first), Ok(child));
    assert_eq!(world.endpoint.namespace_of(second), Ok(child));
    let events = world.take_events();
    assert!(
        matches!(
            events[..],
            [
                Event::NamespaceCreated { namespace },
                Event::Connected { .. },
                Event::Connected { .. }
            ] if namespace == child
        ),
        "{events:?}"
    );
    let args = Args::one("hi").unwrap();
    world
        .endpoint
        .emit(&Target::namespace(child), "news", &args)
        .unwrap();
    world.turn();
    assert_eq!(world.frames(first_key)[1], r#"42/child,["news","hi"]"#);
    assert_eq!(world.frames(second_key)[1], r#"42/child,["news","hi"]"#);
}

#[test]
fn no_more_namespaces_are_made_than_allowed() {
    let mut world = World::new(Config {
        max_child_namespaces: 1,
        ..config()
    });
    let (_, first) = ask(&mut world, "40/a,");
    accept(&mut world, first);
    let (key, second) = ask(&mut world, "40/b,");
    assert_eq!(
        world.endpoint.accept_connect(second),
        Err(Error::BadNamespace("/b".to_owned()))
    );
    world.turn();
    assert_eq!(
        world.frames(key),
        [r#"44/b,{"message":"Too many namespaces"}"#]
    );
    world.take_events();
    let (_, again) = ask(&mut world, "40/a,");
    accept(&mut world, again);
    assert_eq!(names(&world), ["/", "/a"]);
}

#[test]
fn a_child_goes_with_its_last_client_where_that_is_wanted_and_comes_again() {
    for is_cleaned in [true, false] {
        let mut world = World::new(Config {
            cleanup_empty_child_namespaces: is_cleaned,
            max_child_namespaces: 1,
            ..config()
        });
        let (one, first) = ask(&mut world, "40/child,");
        accept(&mut world, first);
        let (two, second) = ask(&mut world, "40/child,");
        accept(&mut world, second);
        world.send(one, "41/child,");
        assert_eq!(names(&world), ["/", "/child"]);
        world.endpoint.hang_up(two);
        world.turn();
        let expected: &[&str] = if is_cleaned { &["/"] } else { &["/", "/child"] };
        assert_eq!(names(&world), expected);
        world.take_events();
        let (key, third) = ask(&mut world, "40/child,");
        accept(&mut world, third);
        assert!(world.frames(key)[0].starts_with("40/child,{"));
        let made = |event: &Event| matches!(event, Event::NamespaceCreated { .. });
        assert_eq!(world.take_events().iter().any(made), is_cleaned);
    }
}

#[test]
fn a_namespace_of_the_hosts_own_stays_and_the_host_is_told_of_it() {
    let mut world = World::new(Config {
        cleanup_empty_child_namespaces: true,
        ..Config::default()
    });
    let added = world.endpoint.add_namespace("/own").unwrap();
    world.turn();
    assert!(matches!(
        world.take_events()[..],
        [Event::NamespaceCreated { namespace }] if namespace == added
    ));
    for (name, taken) in [("/own", "/own"), ("/", "/"), ("own", "/own"), ("", "/")] {
        let error = Error::BadNamespace(taken.to_owned());
        assert_eq!(world.endpoint.add_namespace(name), Err(error));
    }
    let (key, _) = world.enter("40/own,");
    world.send(key, "41/own,");
    assert_eq!(world.endpoint.namespace_name(added), Some("/own"));
    world.send(key, "40/other,");
    assert_eq!(
        world.frames(key),
        [r#"44/other,{"message":"Invalid namespace"}"#]
    );
}

#[test]
fn b162_a_slash_that_a_host_leaves_out_of_a_name_is_added() {
    let mut world = World::new(Config {
        namespaces: ["chat", "/", "/chat", "news/today"]
            .map(str::to_owned)
            .to_vec(),
        ..Config::default()
    });
    world.endpoint.add_namespace("later").unwrap();
    assert_eq!(names(&world), ["/chat", "/", "/news/today", "/later"]);
    let key = world.open_websocket();
    for name in ["/chat", "/news/today", "/later"] {
        world.send(key, &format!("40{name},"));
        let answer = world.frames(key).concat();
        assert!(
            answer.starts_with(&format!(r#"40{name},{{"sid":"#)),
            "{answer}"
        );
        let found = world.endpoint.namespace(&name[1..]);
        assert_eq!(found, world.endpoint.namespace(name));
    }
}

#[test]
fn the_host_is_asked_about_an_existing_namespace_however_long_its_name_is() {
    let long = format!("/{}", "x".repeat(2_000));
    let mut world = World::new(Config {
        namespaces: vec![long.clone()],
        ..config()
    });
    ask(&mut world, &format!("40{long},"));
    let key = world.open_websocket();
    world.send(key, &format!("40{long}x,"));
    assert!(world.frames(key)[0].contains("Invalid namespace"));
    assert!(world.take_events().is_empty());
}
