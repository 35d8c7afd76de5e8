//! What the script makes a client do.

use serde_json::{json, Value};

use super::super::book::{padding, Book};
use super::super::link::LinkId;
use super::super::net::Net;
use super::super::packet::{place, Packet};
use super::super::wire::{masked, post};
use super::{Client, Joined, Scene, State};

impl Client {
    pub fn say(&mut self, packets: Vec<Packet>) {
        if self.state == State::Open {
            self.outgoing.extend(packets);
        }
    }

    /// The namespace of this number that it is in.
    pub fn joined_name(&self, variant: u64) -> Option<String> {
        let names: Vec<&String> = self
            .joined
            .iter()
            .filter(|(_, joined)| joined.is_connected)
            .map(|(name, _)| name)
            .collect();
        let at = variant as usize % names.len().max(1);
        names.get(at).map(|name| (*name).clone())
    }

    pub fn emit(&mut self, variant: u64, length: u64, is_asking: bool, is_binary: bool) {
        let Some(namespace) = self.joined_name(variant) else {
            return;
        };
        let dialect = self.dialect;
        let joined = self.joined.get_mut(&namespace).expect("it is in there");
        let number = joined.emitted;
        joined.emitted += 1;
        self.said += 1;
        let id = is_asking.then_some(self.next_ask);
        if is_asking {
            joined.asked.insert(self.next_ask, number);
            self.next_ask += 1;
        }
        let text = padding(number, length);
        let packets = if is_binary {
            dialect.event(
                &namespace,
                id,
                &json!(["c", number, place(0)]),
                &[text.into_bytes()],
            )
        } else {
            dialect.event(&namespace, id, &json!(["c", number, text]), &[])
        };
        self.say(packets);
    }

    /// An event that is no shadow's business.
    pub fn command(&mut self, args: &Value, is_asking: bool) {
        let id = is_asking.then_some(self.next_ask);
        if self
            .joined
            .get("/")
            .is_some_and(|joined| joined.is_connected)
        {
            if is_asking {
                let joined = self.joined.get_mut("/").expect("it is in there");
                joined.asked.insert(self.next_ask, u64::MAX);
                self.next_ask += 1;
                self.asked_lists += 1;
            }
            self.say(self.dialect.event("/", id, args, &[]));
        }
    }

    pub fn enter(&mut self, namespace: &str) {
        let is_known = self
            .joined
            .get(namespace)
            .is_some_and(|joined| joined.is_connected);
        if self.state != State::Open || is_known || self.joined.contains_key(namespace) {
            return;
        }
        self.joined.insert(namespace.to_owned(), Joined::default());
        let data = (self.dialect.revision == 4).then(|| json!({"who": self.number}));
        self.say(self.dialect.connect(namespace, data.as_ref()));
    }

    pub fn exit(&mut self, book: &mut Book) {
        // Its main namespace it keeps; a client without any is closed after a while.
        let name = self
            .joined
            .iter()
            .find(|(name, joined)| joined.is_connected && *name != "/")
            .map(|(name, _)| name.clone());
        if let Some(name) = name {
            book.left(self.number, &name);
            self.joined.remove(&name);
            self.say(self.dialect.disconnect(&name));
        }
    }

    pub fn bye(&mut self, scene: &mut Scene<'_>) {
        if self.state == State::Open {
            scene.book.excuse(self.number, "it has said goodbye");
            match self
                .websocket
                .as_ref()
                .filter(|line| self.is_upgraded && line.is_websocket)
            {
                Some(line) => scene
                    .net
                    .send(line.link, &masked(0x88, &1000_u16.to_be_bytes())),
                None => {
                    let mut line = self.open_line(scene);
                    line.request = Some(post(
                        &self.query_for("polling"),
                        &self.dialect.payload(&[Packet::Text("1".to_owned())]),
                    ));
                    scene
                        .net
                        .send(line.link, line.request.as_deref().expect("a request"));
                    if let Some(old) = self.post.replace(line) {
                        scene.net.leave(old.link, scene.now_ms);
                    }
                }
            }
        }
    }

    pub fn fragments(&mut self, variant: u64, net: &mut Net) {
        let is_carrier = self.is_upgraded && self.outgoing.is_empty();
        let Some(link) = self
            .websocket
            .as_ref()
            .filter(|line| line.is_websocket && is_carrier)
            .map(|line| line.link)
        else {
            return;
        };
        let Some(namespace) = self.joined_name(variant) else {
            return;
        };
        if self.dialect.is_msgpack || self.state != State::Open {
            return;
        }
        let joined = self.joined.get_mut(&namespace).expect("it is in there");
        let number = joined.emitted;
        joined.emitted += 1;
        self.said += 1;
        let packets = self.dialect.event(
            &namespace,
            None,
            &json!(["c", number, padding(number, 9)]),
            &[],
        );
        let [Packet::Text(text)] = &packets[..] else {
            return;
        };
        let (one, two) = text.as_bytes().split_at(text.len() / 2);
        for (first_byte, part) in [
            (0x01, one),
            (0x89, &b"between"[..]),
            (0x00, &[][..]),
            (0x80, two),
        ] {
            net.send(link, &masked(first_byte, part));
        }
    }

    /// Announces an attachment that never comes.
    pub fn tear(&mut self, scene: &mut Scene<'_>) {
        let is_there = self.joined.values().any(|joined| joined.is_connected);
        if self.dialect.is_msgpack || self.state != State::Open || !is_there {
            return;
        }
        let Some(namespace) = self.joined_name(0) else {
            return;
        };
        let packets = self
            .dialect
            .event(&namespace, None, &json!(["c", place(0)]), &[Vec::new()]);
        scene
            .book
            .excuse(self.number, "it does not send what it announced");
        self.torn_at_ms.get_or_insert(scene.now_ms);
        self.say(packets.into_iter().take(1).collect());
    }

    pub fn websocket_ping(&mut self, net: &mut Net) {
        if let Some(line) = self.websocket.as_ref().filter(|line| line.is_websocket) {
            net.send(line.link, &masked(0x89, b"hey"));
        }
    }

    pub fn read_only(&mut self, bytes_per_ms: usize, now_ms: u64) {
        self.reads_per_ms = bytes_per_ms;
        self.read_at_ms = now_ms;
    }

    /// Its connections break.
    pub fn lose(&mut self, scene: &mut Scene<'_>, break_off: impl Fn(&mut Net, LinkId)) {
        if self.state != State::Away {
            let lines = [self.poll.take(), self.post.take(), self.websocket.take()];
            for line in lines.into_iter().flatten() {
                break_off(scene.net, line.link);
            }
            self.forget(scene);
        }
    }
}
