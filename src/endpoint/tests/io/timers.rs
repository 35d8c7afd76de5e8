//! Handlers that the time calls.

use std::time::Duration;

use super::*;
use crate::io::Context;

fn noting_timer(
    note: &(impl Fn(String) + Clone + Send + 'static),
    what: &'static str,
) -> impl FnMut(&mut (), &mut Context<'_>) + Send + 'static {
    let note = note.clone();
    move |_, server| {
        let now_ms = server.endpoint().now().mono_ms;
        note(format!("{what} {}", now_ms - START_MS));
    }
}

#[test]
fn handlers_are_called_in_their_time_whenever_they_were_registered() {
    let (log, note) = log();
    let mut io = Io::new();
    io.after(Duration::from_millis(150), noting_timer(&note, "once"));
    io.every(Duration::from_millis(100), noting_timer(&note, "often"));
    let mut world = world(&io);
    let mut pass = |io: &mut Io, ms: u64| {
        for _ in 0..ms / 10 {
            world.pass_ms(10);
            assert_eq!(dispatch(&mut world, io), []);
        }
    };
    pass(&mut io, 250);
    assert_eq!(taken(&log), ["often 100", "once 150", "often 200"]);
    let late = io.every(Duration::from_millis(20), noting_timer(&note, "late"));
    pass(&mut io, 50);
    // It is seen at the beginning of the next turn.
    assert_eq!(taken(&log), ["late 280", "often 300", "late 300"]);
    assert!(io.stop(late));
    assert!(!io.stop(late));
    pass(&mut io, 60);
    assert!(taken(&log).is_empty());
    assert_eq!(world.endpoint.counts().timers, 1);
}

#[test]
fn a_handler_may_have_something_done_later_and_a_mistake_is_told() {
    let mut io = Io::new();
    io.of("/").on_raw("remind", |_, socket, message| {
        let (id, what) = (socket.id(), message.args.clone());
        socket.after(Duration::from_secs(1), move |_, server| {
            server.socket(id).emit("reminder", &what)
        });
    });
    io.after(Duration::from_millis(500), |_, server| {
        server.of("/").emit("connect", ())
    });
    let mut world = world(&io);
    let (stays, goes) = (
        enter(&mut world, &mut io, "40"),
        enter(&mut world, &mut io, "40"),
    );
    for key in [stays, goes] {
        say(&mut world, &mut io, key, "42[\"remind\",1]");
    }
    say(&mut world, &mut io, goes, "41");
    world.frames(stays);
    world.pass_ms(500);
    let mistake = Error::ReservedEvent("connect".to_owned());
    assert_eq!(dispatch(&mut world, &mut io), [mistake]);
    world.pass_ms(500);
    assert_eq!(dispatch(&mut world, &mut io), []);
    assert_eq!(world.frames(stays), ["42[\"reminder\",1]"]);
    assert!(io.questions.is_empty());
}

#[test]
fn timers_of_the_host_come_back() {
    let mut io = Io::new();
    let mut world = world(&io);
    world.endpoint.schedule(Duration::ZERO, 7);
    world.turn();
    let event = world.take_events().remove(0);
    let back = io.dispatch(&mut world.endpoint, event);
    assert!(matches!(back, Ok(Some(Event::Timer { token: 7, .. }))));
}
