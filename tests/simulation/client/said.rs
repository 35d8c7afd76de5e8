//! What a client makes of the packets that it gets.

use serde_json::{json, Value};

use super::super::book::padding;
use super::super::packet::{Packet, Said};
use super::super::wire::upgrade;
use super::{Client, Joined, Scene, State, Upgrade};

impl Client {
    pub fn packet(&mut self, packet: Packet, scene: &mut Scene<'_>) {
        if self.state == State::Away {
            return;
        }
        let message = match packet {
            Packet::Binary(bytes) => Packet::Binary(bytes),
            Packet::Text(text) => match text.as_bytes().first() {
                Some(b'0') => return self.opened(&text, scene),
                Some(b'1') => return self.over("a close packet", scene),
                Some(b'2') => {
                    assert!(self.dialect.revision == 4 && text == "2", "a ping");
                    return self.outgoing.push_back(Packet::Text("3".to_owned()));
                }
                Some(b'3') => return assert_eq!(self.dialect.revision, 3, "a pong"),
                Some(b'4') => Packet::Text(text[1..].to_owned()),
                Some(b'6') => return,
                other => panic!("no packet of a server begins with {other:?}: {text}"),
            },
        };
        let said = match (&mut self.incomplete, message) {
            (Some((_, attachments)), Packet::Binary(bytes)) if !self.dialect.is_msgpack => {
                attachments.push(bytes);
                None
            }
            (Some(_), other) => panic!("attachments come behind their packet: {other:?}"),
            (None, message) => Some(self.dialect.read(&message)),
        };
        match said {
            Some(Said::Event {
                namespace,
                id,
                args,
                blobs,
            }) if blobs > 0 && !self.dialect.is_msgpack => {
                self.incomplete = Some((
                    Said::Event {
                        namespace,
                        id,
                        args,
                        blobs,
                    },
                    Vec::new(),
                ));
            }
            Some(said) => self.said(said, &[], scene),
            None => {}
        }
        if let Some((Said::Event { blobs, .. }, attachments)) = &self.incomplete {
            if attachments.len() == *blobs {
                if let Some((said, attachments)) = self.incomplete.take() {
                    self.said(said, &attachments, scene);
                }
            }
        }
    }

    fn opened(&mut self, text: &str, scene: &mut Scene<'_>) {
        assert_eq!(self.state, State::Opening, "a session opens once");
        let open: Value = serde_json::from_str(&text[1..]).expect("JSON");
        self.sid = open["sid"].as_str().expect("an id").to_owned();
        self.state = State::Open;
        scene.book.note(self.number, || "open".to_owned());
        if self.dialect.revision == 3 {
            self.ping_at_ms = Some(scene.now_ms + self.ping_interval_ms);
            self.joined.entry("/".to_owned()).or_default();
        } else {
            let mut names: Vec<String> = self.joined.keys().cloned().collect();
            if names.is_empty() {
                names.push("/".to_owned());
            }
            for name in names {
                let joined = self.joined.entry(name.clone()).or_default();
                let data = match &joined.pid {
                    Some(pid) => json!({"pid": pid, "offset": joined.offset}),
                    None => json!({"who": self.number}),
                };
                self.outgoing
                    .extend(self.dialect.connect(&name, Some(&data)));
            }
            self.is_to_connect(scene.net);
        }
        if self.wants_upgrade() {
            self.upgrade = Upgrade::Handshake;
            let mut line = self.open_line(scene);
            line.request = Some(upgrade(&self.query()));
            scene
                .net
                .send(line.link, line.request.as_deref().expect("a request"));
            self.websocket = Some(line);
        }
    }

    fn said(&mut self, said: Said, attachments: &[Vec<u8>], scene: &mut Scene<'_>) {
        match said {
            Said::Connect { namespace, data } => {
                // In revision 3 a client that comes back is in its old namespaces only if it asks again.
                let joined = self.joined.entry(namespace.clone()).or_default();
                assert!(
                    !std::mem::replace(&mut joined.is_connected, true),
                    "a namespace is entered once"
                );
                joined.since_ms = scene.now_ms;
                joined.pid = data.get("pid").and_then(Value::as_str).map(str::to_owned);
                scene.book.note(self.number, || format!("in {namespace}"));
            }
            Said::ConnectError { namespace } => {
                scene
                    .book
                    .note(self.number, || format!("not in {namespace}"));
                self.joined.remove(&namespace);
                if namespace == "/" {
                    scene.book.excuse(self.number, "it was not let in");
                }
            }
            Said::Disconnect { namespace } => {
                scene
                    .book
                    .note(self.number, || format!("out of {namespace}"));
                scene.book.told_of_end(self.number, self.epoch, &namespace);
                self.joined.remove(&namespace);
                if self.joined.is_empty() {
                    scene.book.excuse(self.number, "it is in no namespace");
                }
            }
            Said::Ack {
                namespace,
                id,
                args,
            } => {
                let Some(joined) = self
                    .joined
                    .get_mut(&namespace)
                    .filter(|joined| joined.is_connected)
                else {
                    return;
                };
                let number = joined
                    .asked
                    .remove(&id)
                    .expect("one answer for each question");
                if number != u64::MAX {
                    assert_eq!(args, [json!(number)], "the answer belongs to its question");
                }
            }
            Said::Event {
                namespace,
                id,
                args,
                ..
            } => self.event(namespace, id, args, attachments, scene),
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn event(
        &mut self,
        namespace: String,
        id: Option<u64>,
        args: Vec<Value>,
        attachments: &[Vec<u8>],
        scene: &mut Scene<'_>,
    ) {
        // What comes behind its own goodbye is nobody's.
        let is_there = |joined: &&mut Joined| joined.is_connected || joined.pid.is_some();
        let Some(joined) = self.joined.get_mut(&namespace).filter(is_there) else {
            return;
        };
        let name = args[0].as_str().expect("a name");
        scene
            .trace
            .note(|| format!("client {} gets {name} in {namespace}", self.number));
        let stamp = args.get(1).and_then(Value::as_u64).unwrap_or_default();
        if joined.pid.is_some() && id.is_none() {
            if let Some(offset) = args
                .last()
                .and_then(Value::as_str)
                .filter(|_| name != "volatile")
            {
                joined.offset = Some(offset.to_owned());
            }
        }
        match name {
            "tell" | "ask" => {
                let length = match (&args[2], attachments) {
                    (Value::String(text), _) => {
                        assert_eq!(
                            *text,
                            padding(stamp, text.len() as u64),
                            "not a byte is another"
                        );
                        text.len() as u64
                    }
                    (_, [blob]) => {
                        assert_eq!(
                            *blob,
                            padding(stamp, blob.len() as u64).into_bytes(),
                            "not a byte is another"
                        );
                        blob.len() as u64
                    }
                    (value, _) => value["_blob"].as_u64().expect("a blob"),
                };
                scene
                    .book
                    .delivered(self.number, self.epoch, &namespace, stamp, length);
                scene.book.note(self.number, || {
                    format!("{namespace} {name} {stamp} {length}")
                });
                if let Some(id) = id {
                    self.outgoing
                        .extend(self.dialect.ack(&namespace, id, &json!([stamp])));
                }
            }
            "volatile" => {
                assert!(
                    stamp > joined.last_volatile,
                    "what is volatile keeps its order too"
                );
                joined.last_volatile = stamp;
            }
            name => self
                .viewer
                .event(self.number, name, args.get(1), scene.now_ms),
        }
    }
}
