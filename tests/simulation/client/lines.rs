//! What a client does by itself with its connections: polls, posts, upgrades, frames.

use super::super::net::Net;
use super::super::packet::Packet;
use super::super::script::Kind;
use super::super::wire::{get, masked, post, take_answer, take_frame};
use super::{Client, Line, Scene, State, Upgrade};

/// Packets in the body of one POST.
const PACKETS_PER_POST: usize = 16;

impl Client {
    /// When it does something without having got anything.
    pub fn next_ms(&self, net: &Net, now_ms: u64) -> Option<u64> {
        let is_limited = self.reads_per_ms != usize::MAX && self.reads_per_ms > 0;
        let has_input = is_limited
            && self.links().any(|link| {
                net.get(link)
                    .is_some_and(|link| !link.down.received.is_empty())
            });
        let reads = has_input.then_some((now_ms + 1).max(self.read_at_ms + 1));
        let later = self.late_ms(net, now_ms);
        reads.into_iter().chain(self.ping_at_ms).chain(later).min()
    }

    pub fn act(&mut self, scene: &mut Scene<'_>) -> bool {
        if self.state == State::Away {
            return false;
        }
        let mut has_acted = self.act_late(scene);
        has_acted |= self.read(scene);
        has_acted |= self.handle_polling(scene);
        has_acted |= self.handle_websocket(scene);
        if self.ping_at_ms.is_some_and(|at_ms| at_ms <= scene.now_ms) {
            self.ping_at_ms = Some(scene.now_ms + self.ping_interval_ms);
            self.outgoing.push_back(Packet::Text("2".to_owned()));
        }
        has_acted | self.write(scene)
    }

    fn read(&mut self, scene: &mut Scene<'_>) -> bool {
        let passed_ms = scene.now_ms - self.read_at_ms;
        let mut left = match self.reads_per_ms {
            usize::MAX => usize::MAX,
            per_ms => per_ms.saturating_mul(passed_ms as usize),
        };
        let mut has_read = false;
        for line in [&mut self.poll, &mut self.post, &mut self.websocket]
            .into_iter()
            .flatten()
        {
            let read = scene.net.receive(line.link, left, &mut line.unread);
            left = left.saturating_sub(read);
            has_read |= read > 0;
        }
        if passed_ms > 0 {
            self.read_at_ms = scene.now_ms;
        }
        has_read
    }

    fn handle_polling(&mut self, scene: &mut Scene<'_>) -> bool {
        let mut has_acted = false;
        for is_poll in [true, false] {
            let Some(mut line) = (if is_poll {
                self.poll.take()
            } else {
                self.post.take()
            }) else {
                continue;
            };
            let answer = take_answer(&mut line.unread);
            let is_over = answer.as_ref().is_some_and(|answer| answer.is_last)
                || (answer.is_none() && scene.net.is_over(line.link));
            has_acted |= answer.is_some() || is_over;
            let Some(answer) = answer else {
                if !is_over {
                    *(if is_poll {
                        &mut self.poll
                    } else {
                        &mut self.post
                    }) = Some(line);
                    continue;
                }
                scene.net.leave(line.link, scene.now_ms);
                // A connection that has served before may be closed just when it is used again.
                let may_retry = line.answers > 0
                    && line.unread.is_empty()
                    && scene.book.standings[self.number].excuse.is_none();
                if let Some(request) = line.request.filter(|_| may_retry) {
                    let mut line = self.open_line(scene);
                    scene.net.send(line.link, &request);
                    line.request = Some(request);
                    *(if is_poll {
                        &mut self.poll
                    } else {
                        &mut self.post
                    }) = Some(line);
                } else if !may_retry {
                    self.over("a request got no answer", scene);
                    return true;
                }
                continue;
            };
            assert!(line.request.take().is_some(), "answers are asked for");
            line.answers += 1;
            if is_over || self.is_upgraded {
                scene.net.leave(line.link, scene.now_ms);
            } else {
                *(if is_poll {
                    &mut self.poll
                } else {
                    &mut self.post
                }) = Some(line);
            }
            if answer.status != 200 {
                self.is_turned_away(answer.status, scene);
                let body = String::from_utf8_lossy(&answer.body).into_owned();
                self.over(&format!("{} {body}", answer.status), scene);
                return true;
            }
            if is_poll {
                for packet in self.dialect.read_payload(&answer.body) {
                    self.packet(packet, scene);
                }
            } else {
                assert_eq!(answer.body, b"ok", "a POST is answered ok");
            }
            if self.state == State::Away {
                return true;
            }
        }
        has_acted
    }

    fn handle_websocket(&mut self, scene: &mut Scene<'_>) -> bool {
        let Some(mut line) = self.websocket.take() else {
            return false;
        };
        let mut has_acted = false;
        let mut is_to_probe = false;
        if !line.is_websocket {
            let Some(answer) = take_answer(&mut line.unread) else {
                if scene.net.is_over(line.link) {
                    scene.net.leave(line.link, scene.now_ms);
                    self.websocket_is_gone("no answer to a handshake", scene);
                    return true;
                }
                self.websocket = Some(line);
                return false;
            };
            if answer.status != 101 {
                self.is_turned_away(answer.status, scene);
                scene.net.leave(line.link, scene.now_ms);
                self.websocket_is_gone(&format!("{} for a handshake", answer.status), scene);
                return true;
            }
            line.is_websocket = true;
            has_acted = true;
            if self.upgrade == Upgrade::Handshake {
                self.upgrade = Upgrade::Probe;
                is_to_probe = true;
            }
        }
        let link = line.link;
        let mut unread = std::mem::take(&mut line.unread);
        self.websocket = Some(line);
        if is_to_probe {
            self.is_to_probe(scene.net);
        }
        while let Some((first_byte, payload)) = take_frame(&mut unread) {
            has_acted = true;
            match first_byte {
                0x88 => {
                    scene.net.send(link, &masked(0x88, &payload));
                    scene.net.leave(link, scene.now_ms);
                    self.websocket = None;
                    self.websocket_is_gone(&format!("closed: {payload:?}"), scene);
                    return true;
                }
                0x8a => assert!(
                    payload == b"hey" || payload == b"between",
                    "a pong for what was asked"
                ),
                _ => {
                    let packet = self.dialect.read_frame(first_byte, payload);
                    if self.upgrade == Upgrade::Probe && !self.is_upgraded {
                        assert_eq!(
                            packet,
                            Packet::Text("3probe".to_owned()),
                            "a probe is answered"
                        );
                        self.upgrade = Upgrade::Pause;
                    } else {
                        self.packet(packet, scene);
                    }
                }
            }
            if self.websocket.is_none() {
                return true;
            }
        }
        if let Some(line) = &mut self.websocket {
            line.unread = unread;
        }
        if scene.net.is_over(link) {
            scene.net.leave(link, scene.now_ms);
            self.websocket = None;
            self.websocket_is_gone("the connection is gone", scene);
            return true;
        }
        has_acted
    }

    /// Whoever asks for a session may find that there is no room for it.
    fn is_turned_away(&self, status: u16, scene: &mut Scene<'_>) {
        if status == 503 && self.state == State::Opening && scene.book.may_be_full {
            scene.book.excuse(self.number, "there was no room for it");
        }
    }

    fn websocket_is_gone(&mut self, why: &str, scene: &mut Scene<'_>) {
        if self.is_upgraded {
            self.over(why, scene);
        } else {
            // Polling goes on.
            self.upgrade = Upgrade::No;
        }
    }

    fn write(&mut self, scene: &mut Scene<'_>) -> bool {
        if self.state != State::Open {
            return false;
        }
        if self.is_upgraded {
            return self.write_websocket(scene.net, scene.now_ms);
        }
        if self.upgrade == Upgrade::Pause {
            let is_idle =
                |line: &Option<Line>| line.as_ref().is_none_or(|line| line.request.is_none());
            if !is_idle(&self.poll) || !is_idle(&self.post) && !self.has_posted(scene.net) {
                return false;
            }
            let Some(line) = &self.websocket else {
                return false;
            };
            if self.holds_upgrade(scene.now_ms) {
                return false;
            }
            scene.net.send(line.link, &masked(0x81, b"5"));
            self.is_upgraded = true;
            self.upgraded_at_ms = scene.now_ms;
            let post = self.post.take_if(|line| line.request.is_none());
            for line in [self.poll.take(), post].into_iter().flatten() {
                scene.net.leave(line.link, scene.now_ms);
            }
            return true;
        }
        let is_leaving = scene.book.standings[self.number].excuse == Some("it has said goodbye");
        let mut has_written = false;
        if self.is_polling
            && !is_leaving
            && self.poll.as_ref().is_none_or(|line| line.request.is_none())
        {
            let line = self.poll.take().unwrap_or_else(|| self.open_line(scene));
            self.poll = Some(ask(line, get(&self.query_for("polling")), scene.net));
            has_written = true;
        }
        if !self.outgoing.is_empty()
            && !is_leaving
            && self.post.as_ref().is_none_or(|line| line.request.is_none())
        {
            let packets = self.take_packets();
            if self.kind == Kind::Hasty {
                self.is_posting(packets.len());
            }
            let mut line = self.post.take().unwrap_or_else(|| self.open_line(scene));
            line.is_heartbeat = packets.iter().all(is_heartbeat);
            self.post = Some(ask(
                line,
                post(&self.query_for("polling"), &self.dialect.payload(&packets)),
                scene.net,
            ));
            has_written = true;
        }
        has_written
    }

    /// Whether it is in haste, and the server has read all of its `POST`.
    fn has_posted(&self, net: &Net) -> bool {
        let link = self.post.as_ref().map(|line| line.link);
        self.kind == Kind::Hasty
            && link.is_some_and(|link| {
                let is_read = net.get(link).is_some_and(|link| !link.up.has_bytes());
                is_read && net.unsent_bytes(link) == 0
            })
    }

    /// As many packets as go into one body.
    fn take_packets(&mut self) -> Vec<Packet> {
        let mut left = self.max_payload;
        let fits = |packet: &&Packet| {
            // Base64 makes four bytes of three.
            let bytes = packet.len() * 4 / 3 + 16;
            let is_fit = bytes < left;
            left = left.saturating_sub(bytes);
            is_fit
        };
        let count = self
            .outgoing
            .iter()
            .take(PACKETS_PER_POST)
            .take_while(fits)
            .count();
        self.outgoing.drain(..count.max(1)).collect()
    }

    fn write_websocket(&mut self, net: &mut Net, now_ms: u64) -> bool {
        let Some(line) = self.websocket.as_ref().filter(|line| line.is_websocket) else {
            return false;
        };
        let link = line.link;
        let mut has_output = false;
        let mut at = 0;
        while let Some(packet) = self.outgoing.get(at) {
            if self.holds(packet, now_ms) {
                at += 1;
                continue;
            }
            let (first_byte, payload) = self.dialect.frame(packet);
            let is_text = matches!(packet, Packet::Text(_));
            let is_free = net.unsent_bytes(link) == 0;
            let goes_alone = self.goes_alone(packet);
            net.send(link, &masked(first_byte, &payload));
            has_output = true;
            self.outgoing.remove(at);
            if let Some(Packet::Binary(bytes)) =
                self.outgoing.get(at).filter(|_| is_text && is_free)
            {
                self.is_to_attach(now_ms, bytes.len(), net);
            }
            if goes_alone {
                break;
            }
        }
        has_output
    }

    /// Whether all that it wanted to say is on its way, and all answers that it can expect have come.
    pub fn has_said_all(&self) -> bool {
        self.outgoing.iter().all(is_heartbeat)
            && self
                .post
                .as_ref()
                .is_none_or(|line| line.request.is_none() || line.is_heartbeat)
    }
}

pub fn is_heartbeat(packet: &Packet) -> bool {
    matches!(packet, Packet::Text(text) if text == "2" || text == "3")
}

fn ask(mut line: Line, request: Vec<u8>, net: &mut Net) -> Line {
    net.send(line.link, &request);
    line.request = Some(request);
    line
}
