//! What a script makes the world of: its actors, and a server with its settings.

use pulsewheel::http::HttpCompression;
use pulsewheel::progress::ProgressConfig;
use pulsewheel::{Config, Endpoint, Environment, Now, Parser, RecoveryConfig};

use super::Actorlike;
use crate::attacker::Attacker;
use crate::book::Book;
use crate::client::Client;
use crate::held::inside;
use crate::rng::Rng;
use crate::script::{Actor, Kind, Script, Setup};
use crate::uploader::Uploader;

pub(super) const NAMESPACES: [&str; 3] = ["/", "/custom", "/third"];

pub(super) fn new_actor(actor: &Actor, script: &Script, book: &mut Book) -> Actorlike {
    match actor.kind {
        Kind::Hostile => {
            let attacker = Attacker::new(actor, &script.setup, script.seed);
            return Actorlike::Attacker(Box::new(attacker));
        }
        Kind::Uploading => {
            return Actorlike::Uploader(Box::new(Uploader::new(actor, &script.setup)));
        }
        _ => {}
    }
    let client = Client::new(actor, &script.setup);
    // Base64 makes more of what is queued than the books count.
    let patience_bytes = client.nature.pace() * script.setup.shortest_ms() / 4;
    book.standings[actor.number].patience_bytes = patience_bytes.min(script.setup.max_queued / 4);
    Actorlike::Client(Box::new(client))
}

pub(super) fn endpoint(setup: &Setup, mut rng: Rng, now: Now) -> Endpoint {
    let environment = Environment {
        random: Box::new(move |bytes| rng.fill(bytes)),
        memory: Box::new(Default::default),
    };
    inside(|| Endpoint::new(config(setup), environment, now))
}

fn config(setup: &Setup) -> Config {
    Config {
        namespaces: NAMESPACES.map(str::to_owned).to_vec(),
        connect_requests: setup.connect_requests == 1,
        allow_request: setup.admissions == 1,
        progress: (setup.progress == 1).then(ProgressConfig::default),
        http_compression: (setup.compression == 1).then(HttpCompression::default),
        allow_eio3: true,
        recovery: (setup.recovery == 1).then(RecoveryConfig::default),
        parser: if setup.msgpack == 1 {
            Parser::Msgpack
        } else {
            Parser::Json
        },
        ping_interval_ms: setup.ping_interval,
        ping_timeout_ms: setup.ping_timeout,
        upgrade_timeout_ms: setup.upgrade_timeout,
        connect_timeout_ms: setup.connect_timeout,
        attachment_timeout_ms: setup.attachment_timeout,
        request_timeout_ms: setup.request_timeout,
        max_payload_bytes: setup.max_payload as usize,
        max_queued_bytes: setup.max_queued as usize,
        max_pending_events: setup.max_pending_events as usize,
        max_linger_bytes: 64 * 1024,
        max_connections: setup.max_connections as usize,
        max_sessions: setup.max_sessions as usize,
        ..Config::default()
    }
}
