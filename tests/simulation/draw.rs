//! Draws a script. Each seed draws the chances of its run too, so that some runs are all of one thing.

use super::rng::Rng;
use super::script::{Actor, Kind, Line, Script, Setup, Step, Verb};

/// Attackers in a run that is flooded, each with a few connections: so many that not everybody has a share of each turn.
const FLOODING: usize = 36;
/// How likely each verb is there.
const FLOOD: [(Verb, u64); 6] = [
    (Verb::Attack, 60),
    (Verb::Burst, 15),
    (Verb::Emit, 10),
    (Verb::EmitBinary, 10),
    (Verb::Tell, 5),
    (Verb::Stall, 5),
];
/// What attackers send there: packets that are no events, and cost more than they weigh.
const FLOOD_CHOICES: [u64; 7] = [5, 12, 13, 15, 16, 18, 20];

pub fn draw(rng: &mut Rng, seed: u64, steps: usize) -> Script {
    // In some runs the machine is slow and has much to do. That excuses many, and so there is none of it in the others.
    let is_slow = rng.chance(125);
    // In some most of those who are there flood the server, and the others send much too.
    let is_flooded = !is_slow && rng.chance(25);
    let setup = draw_setup(rng, is_slow);
    let setup = if is_flooded { flooded(setup) } else { setup };
    let count = if is_flooded {
        FLOODING + rng.range(2, 6) as usize
    } else {
        draw_count(rng, is_slow)
    };
    let actors: Vec<Actor> = (0..count)
        .map(|number| match is_flooded {
            true => draw_flooding(rng, number),
            false => Actor {
                number,
                kind: draw_kind(rng, &setup),
                line: draw_line(rng, &setup),
            },
        })
        .collect();
    let verbs = if is_flooded {
        FLOOD.to_vec()
    } else {
        draw_chances(rng, is_slow)
    };
    let haste = *rng.pick(&[1, 10, 100, 1000]);
    let is_honest = |actor: &&Actor| actor.kind != Kind::Hostile;
    let honest: Vec<usize> = actors
        .iter()
        .filter(is_honest)
        .map(|it| it.number)
        .collect();
    let steps = (0..steps)
        .map(|_| {
            let mut step = draw_step(rng, &actors, &verbs, haste);
            if is_flooded {
                flood(rng, &mut step, &honest);
            }
            step
        })
        .collect();
    Script {
        seed,
        setup,
        actors,
        steps,
    }
}

/// A server with room for everybody, so that who is read depends on nothing but whose turn it is.
fn flooded(setup: Setup) -> Setup {
    let usual = Setup::default();
    Setup {
        max_pending_events: usual.max_pending_events,
        max_sessions: usual.max_sessions,
        ready_per_turn: usual.ready_per_turn,
        spurious: 0,
        ..setup
    }
}

/// Attackers on lines that carry as much as the server reads, and clients among them whose numbers come anywhere.
fn draw_flooding(rng: &mut Rng, number: usize) -> Actor {
    let is_attacker = rng.chance(1000 * FLOODING as u64 / (FLOODING as u64 + 4));
    let line = Line {
        send: 262_144,
        receive: 262_144,
        ..Line::default()
    };
    let kind = match is_attacker {
        true => Kind::Hostile,
        false => *rng.pick(&[
            Kind::WebSocket,
            Kind::WebSocket,
            Kind::Upgrading,
            Kind::Polling,
        ]),
    };
    Actor { number, kind, line }
}

/// Makes a step one of a run that is flooded: attackers send much of one thing, and the others much too.
fn flood(rng: &mut Rng, step: &mut Step, honest: &[usize]) {
    if step.verb == Verb::Attack {
        (step.amount, step.variant) = (rng.range(1_000, 3_000), *rng.pick(&FLOOD_CHOICES));
    } else if !honest.is_empty() {
        step.actor = *rng.pick(honest);
    }
    if step.verb == Verb::Burst {
        // Those are the large ones.
        step.variant -= step.variant % 4;
    }
}

/// A few, and now and then a crowd.
fn draw_count(rng: &mut Rng, is_slow: bool) -> usize {
    if is_slow {
        return rng.range(10, 30) as usize;
    }
    let most = *rng.pick(&[3, 6, 10, 10, 10, 30]);
    rng.range(1, most) as usize
}

fn draw_setup(rng: &mut Rng, is_slow: bool) -> Setup {
    let usual = Setup::default();
    // Where the machine is slow, half of the servers await everything else early, but no pong: then nobody needs to be excused for
    // one.
    let is_pingless = is_slow && rng.chance(500);
    let is_brisk = !is_pingless && (is_slow || rng.chance(500));
    let short_ms = rng.range(1_500, 4_000);
    let ping_timeout = match is_brisk {
        true => short_ms,
        false => usual.ping_timeout,
    };
    // Times in which prompt clients do it on the longest lines.
    let is_strict = is_pingless || is_brisk && rng.chance(500);
    let mut strict = |usual_ms| match is_strict {
        true => rng.range(short_ms, 2 * short_ms),
        false => usual_ms,
    };
    let request_timeout = strict(usual.request_timeout);
    let upgrade_timeout = strict(usual.upgrade_timeout);
    let connect_timeout = strict(usual.connect_timeout);
    let attachment_timeout = strict(usual.attachment_timeout);
    Setup {
        request_timeout,
        upgrade_timeout,
        connect_timeout,
        attachment_timeout,
        ping_timeout,
        ping_interval: if is_brisk {
            rng.range(300, 3_000)
        } else {
            usual.ping_interval
        },
        max_payload: *rng.pick(&[20_000, usual.max_payload]),
        max_queued: *rng.pick(&[200_000, usual.max_queued, usual.max_queued]),
        max_pending_events: *rng.pick(&[1, 4, 256]),
        recovery: u64::from(rng.chance(400)),
        msgpack: u64::from(rng.chance(200)),
        compression: u64::from(rng.chance(200)),
        admissions: u64::from(rng.chance(150)),
        connect_requests: u64::from(rng.chance(200)),
        progress: u64::from(rng.chance(700)),
        ready_per_turn: if is_slow {
            rng.range(1, 2)
        } else {
            *rng.pick(&[1, 2, 4, 64, 64])
        },
        max_sessions: *rng.pick(&[4, usual.max_sessions, usual.max_sessions]),
        spurious: *rng.pick(&[0, 0, 5, 100]),
        ..usual
    }
}

fn draw_kind(rng: &mut Rng, setup: &Setup) -> Kind {
    loop {
        let kind = *rng.pick(Kind::ALL);
        let is_old = matches!(kind, Kind::WebSocket3 | Kind::Polling3 | Kind::Upgrading3);
        let is_fit = match kind {
            Kind::Recovering => setup.recovery == 1,
            _ if is_old => setup.msgpack == 0,
            _ => true,
        };
        if is_fit {
            return kind;
        }
    }
}

/// Lines that carry what runs send within the time of a pong.
fn draw_line(rng: &mut Rng, setup: &Setup) -> Line {
    let usual = Line::default();
    let usual_setup = Setup::default();
    let latency = rng.up_to(&[1, 20, (setup.shortest_ms() / 8).min(800)]);
    Line {
        latency,
        bandwidth: *rng.pick(&[100, 1_000, 100_000]),
        send: (*rng.pick(&[2_048, 16_384, 262_144])).max(50 * latency),
        receive: (*rng.pick(&[1_024, 65_536, 262_144])).max(50 * latency),
        segment: *rng.pick(&[1, 7, 100, 1_460, 1_460, usual.segment]),
        // Where little time is given, it passes in a run.
        tardy: match setup.connect_timeout < usual_setup.connect_timeout {
            true => *rng.pick(&[0, 1, 10, 60]),
            false => 0,
        },
    }
}

/// How likely each verb is in this run.
fn draw_chances(rng: &mut Rng, is_slow: bool) -> Vec<(Verb, u64)> {
    let usual = |verb: &Verb| match verb {
        Verb::Emit | Verb::Tell | Verb::Progress => 30,
        Verb::EmitAsking | Verb::EmitBinary | Verb::TellAll | Verb::TellRoom | Verb::Return => 20,
        Verb::Burst
        | Verb::Wait
        | Verb::Join
        | Verb::Leave
        | Verb::Ask
        | Verb::Decide
        | Verb::Begin => 10,
        Verb::Kick | Verb::KickOut | Verb::Stall | Verb::Slow | Verb::WallClock | Verb::Tear => 2,
        Verb::Restart => 1,
        _ => 5,
    };
    let draw = |verb: &Verb| {
        let factor = match verb {
            Verb::Slow => 5 * u64::from(is_slow),
            Verb::EmitBinary if is_slow => *rng.pick(&[1, 3, 10]),
            _ => *rng.pick(&[0, 1, 1, 3]),
        };
        (*verb, usual(verb) * factor)
    };
    let mut chances: Vec<(Verb, u64)> = Verb::ALL.iter().map(draw).collect();
    chances.push((Verb::Return, 10));
    chances
}

fn draw_step(rng: &mut Rng, actors: &[Actor], verbs: &[(Verb, u64)], haste: u64) -> Step {
    let all: u64 = verbs.iter().map(|(_, chance)| chance).sum();
    let mut at = rng.below(all);
    let found = verbs.iter().find(|(_, chance)| {
        let is_it = at < *chance;
        at = at.saturating_sub(*chance);
        is_it
    });
    let verb = found.expect("the chances add up").0;
    let amount = match verb {
        Verb::Stall => *rng.pick(&[100, 101, 300, 1_000, 10_000, 60_000]),
        Verb::Slow => *rng.pick(&[1, 20, 99, 99]),
        Verb::WallClock => *rng.pick(&[1, 50, 1_000, 3_600_000]),
        Verb::RefuseAccepts => rng.range(1, 3),
        Verb::Burst => rng.range(2, 40),
        Verb::Attack => rng.up_to(&[3, 300, 3_000, 30_000]),
        Verb::Upload => rng.up_to(&[100, 5_000, 40_000, 160_000]),
        _ => rng.up_to(&[4, 100, 1_000, 8_000]),
    };
    let wait_ms = match rng.below(100) {
        0 => rng.range(1, 20_000),
        1..=9 => rng.range(1, 1_000),
        10..=49 => 0,
        _ => rng.range(0, 50 * haste / 100 + 1),
    };
    let is_for = match verb {
        Verb::Attack => Some(Kind::Hostile),
        Verb::Upload => Some(Kind::Uploading),
        _ => None,
    };
    let fit: Vec<&Actor> = actors
        .iter()
        .filter(|actor| Some(actor.kind) == is_for)
        .collect();
    let actor = match fit[..] {
        [] => rng.pick(actors),
        _ => *rng.pick(&fit),
    };
    Step {
        actor: actor.number,
        verb,
        amount,
        variant: rng.below(1_000),
        wait_ms,
    }
}
