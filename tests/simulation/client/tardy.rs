//! A client that sends what is awaited of it as late as it may: so late that it arrives just before its time is over.

use super::super::net::Net;
use super::super::packet::Packet;
use super::super::script::{Actor, Kind, Setup};
use super::super::wire::masked;
use super::{is_heartbeat, Client, Line, Scene, Upgrade};

/// The end of a first request, which comes late.
const REST_BYTES: usize = 2;
/// A `POST` of so many packets is handled over some turns, where few events may wait.
const MANY_PACKETS: usize = 4;
/// What the clocks of client and server, which tell whole milliseconds, may make of a time.
const ROUNDING_MS: u64 = 2;

/// How late a client is, and what it holds back.
pub struct Tardiness {
    /// What it sends arrives so many milliseconds before its time is over; 0 is a client that sends everything at once.
    margin_ms: u64,
    is_pingless: bool,
    request_ms: u64,
    connect_ms: u64,
    upgrade_ms: u64,
    attachment_ms: u64,
    rest: Vec<u8>,
    /// Until then it sends nothing but signs of life.
    held_until_ms: u64,
    /// Of the attachment that is held, until it is known when its packet was read.
    attached_bytes: Option<usize>,
    probe_at_ms: Option<u64>,
    /// When it may send the last packet of its upgrade.
    finish_at_ms: u64,
    /// Until when the last packet of its upgrade has to have arrived, while that is not certain.
    upgrade_by_ms: Option<u64>,
}

impl Tardiness {
    pub fn new(actor: &Actor, setup: &Setup) -> Tardiness {
        Tardiness {
            margin_ms: actor.line.tardy,
            is_pingless: setup.is_pingless(),
            request_ms: setup.request_timeout,
            connect_ms: setup.connect_timeout,
            upgrade_ms: setup.upgrade_timeout,
            attachment_ms: setup.attachment_timeout,
            rest: Vec::new(),
            held_until_ms: 0,
            attached_bytes: None,
            probe_at_ms: None,
            finish_at_ms: 0,
            upgrade_by_ms: None,
        }
    }

    /// A session begins.
    pub fn begin(&mut self) {
        self.rest.clear();
        self.held_until_ms = 0;
        self.attached_bytes = None;
        self.probe_at_ms = None;
        self.finish_at_ms = 0;
        self.upgrade_by_ms = None;
    }
}

impl Client {
    /// From now on it sends everything at once.
    pub fn hurry(&mut self) {
        self.tardiness.margin_ms = 0;
        self.tardiness.request_ms = 0;
        self.tardiness.held_until_ms = 0;
        self.tardiness.finish_at_ms = 0;
        self.tardiness.attached_bytes = None;
        if let Some(probe_at_ms) = &mut self.tardiness.probe_at_ms {
            *probe_at_ms = 0;
        }
    }

    /// Sends its first request, of which the end may come later.
    pub(super) fn send_first(&mut self, line: &Line, net: &mut Net) {
        let mut request = line.request.clone().expect("a request");
        if self.tardiness.margin_ms > 0 {
            self.tardiness.rest = request.split_off(request.len() - REST_BYTES);
        }
        net.send(line.link, &request);
    }

    /// It has a session, which is to join a namespace.
    pub fn is_to_connect(&mut self, net: &Net) {
        let line = self.websocket.as_ref().filter(|_| self.is_upgraded);
        let opened = line.and_then(|line| net.get(line.link));
        let bytes: usize = self.outgoing.iter().map(Packet::len).sum();
        if let Some(link) = opened.filter(|_| self.tardiness.margin_ms > 0) {
            let by_ms = link.read_at_ms + self.tardiness.connect_ms;
            self.tardiness.held_until_ms = by_ms.saturating_sub(self.lead_ms(bytes));
        }
    }

    /// Its WebSocket is open, and is to be probed.
    pub fn is_to_probe(&mut self, net: &mut Net) {
        let Some(line) = &self.websocket else { return };
        let read_at_ms = net.get(line.link).map_or(0, |link| link.read_at_ms);
        let by_ms = read_at_ms + self.tardiness.upgrade_ms;
        if self.kind == Kind::Hasty {
            // Together with a POST of many packets, if there is one before half of the time is over.
            self.tardiness.probe_at_ms = Some(read_at_ms + self.tardiness.upgrade_ms / 2);
        } else if self.tardiness.margin_ms == 0 {
            net.send(line.link, &masked(0x81, b"2probe"));
        } else if self.tardiness.is_pingless {
            // The packet that completes the upgrade is late, as no pong has to come before it.
            net.send(line.link, &masked(0x81, b"2probe"));
            self.tardiness.finish_at_ms = by_ms.saturating_sub(self.lead_ms(0));
        } else {
            // The probe, its answer, the end of the poll, and the packet that completes the upgrade.
            let lead_ms = self.lead_ms(0) + 2 * self.nature.latency_ms;
            self.tardiness.probe_at_ms = Some(by_ms.saturating_sub(lead_ms));
        }
        self.tardiness.upgrade_by_ms = Some(by_ms);
    }

    /// It sends a `POST` of so many packets.
    pub fn is_posting(&mut self, packets: usize) {
        if packets >= MANY_PACKETS {
            if let Some(probe_at_ms) = &mut self.tardiness.probe_at_ms {
                *probe_at_ms = 0;
            }
        }
    }

    /// How long before it has to be there something of so many bytes is sent.
    fn lead_ms(&self, bytes: usize) -> u64 {
        let carried_ms = bytes as u64 / self.nature.pace();
        self.nature.latency_ms + carried_ms + ROUNDING_MS + self.tardiness.margin_ms
    }

    /// A packet has been sent at this time, on a line that was free, whose attachments come behind it: those are late.
    pub fn is_to_attach(&mut self, now_ms: u64, bytes: usize, net: &mut Net) {
        let late = &self.tardiness;
        let room = self.nature.send_buffer.min(self.nature.receive_buffer);
        let fits = bytes < room / 2;
        if late.margin_ms > 0 && fits {
            let by_ms = now_ms + self.nature.latency_ms + late.attachment_ms;
            self.tardiness.held_until_ms = by_ms.saturating_sub(self.lead_ms(bytes));
            self.tardiness.attached_bytes = Some(bytes);
            self.links().for_each(|link| net.mark(link));
        }
    }

    /// Whether this packet has to wait.
    pub fn holds(&self, packet: &Packet, now_ms: u64) -> bool {
        now_ms < self.tardiness.held_until_ms && !is_heartbeat(packet)
    }

    /// Whether nothing may leave together with this packet: a segment that holds more of what is late arrives later.
    pub fn goes_alone(&self, packet: &Packet) -> bool {
        self.tardiness.margin_ms > 0 && matches!(packet, Packet::Binary(_))
    }

    /// Whether the last packet of its upgrade has to wait.
    pub fn holds_upgrade(&self, now_ms: u64) -> bool {
        now_ms < self.tardiness.finish_at_ms
    }

    /// When it sends something that it has held back.
    pub fn late_ms(&self, net: &Net, now_ms: u64) -> Option<u64> {
        let late = &self.tardiness;
        let held_ms = (late.held_until_ms > now_ms).then_some(late.held_until_ms);
        let upgrade_ms = late.upgrade_by_ms.filter(|by_ms| *by_ms >= now_ms);
        let upgrade_ms = upgrade_ms.map(|by_ms| by_ms + 1);
        let finish_ms = (late.finish_at_ms > now_ms).then_some(late.finish_at_ms);
        let later = [
            held_ms,
            self.rest_ms(net),
            late.probe_at_ms,
            finish_ms,
            upgrade_ms,
        ];
        later
            .into_iter()
            .flatten()
            .map(|at_ms| at_ms.max(now_ms + 1))
            .min()
    }

    /// When it sends the rest of its first request.
    fn rest_ms(&self, net: &Net) -> Option<u64> {
        let link = self.links().next().and_then(|link| net.get(link))?;
        let accepted_ms = link
            .accepted_at_ms
            .filter(|_| !self.tardiness.rest.is_empty())?;
        let by_ms = accepted_ms + self.tardiness.request_ms;
        Some(by_ms.saturating_sub(self.lead_ms(0)))
    }

    /// Sends what is due of that.
    pub fn act_late(&mut self, scene: &mut Scene<'_>) -> bool {
        let is_due = |at_ms: &u64| *at_ms <= scene.now_ms;
        let mut has_acted = false;
        if self.rest_ms(scene.net).as_ref().is_some_and(is_due) {
            let rest = std::mem::take(&mut self.tardiness.rest);
            if let Some(link) = self.links().next() {
                scene.net.send(link, &rest);
            }
            has_acted = true;
        }
        if self
            .tardiness
            .probe_at_ms
            .take_if(|at_ms| is_due(at_ms))
            .is_some()
        {
            if let Some(line) = self.websocket.as_ref().filter(|line| line.is_websocket) {
                scene.net.send(line.link, &masked(0x81, b"2probe"));
            }
            has_acted = true;
        }
        self.excuse_late_upgrade(scene);
        self.hold_attachment(scene.net);
        has_acted
    }

    /// Its time for an attachment begins when the packet has been read that announces it.
    fn hold_attachment(&mut self, net: &Net) {
        let Some(bytes) = self.tardiness.attached_bytes else {
            return;
        };
        let line = self.websocket.as_ref();
        let mark = line.and_then(|line| net.get(line.link)?.mark);
        if let Some((_, Some(read_at_ms))) = mark {
            let by_ms = read_at_ms + self.tardiness.attachment_ms;
            self.tardiness.held_until_ms = by_ms.saturating_sub(self.lead_ms(bytes));
            self.tardiness.attached_bytes = None;
        }
    }

    /// An upgrade that was completed too late finds its WebSocket closed, which its client is to blame for.
    fn excuse_late_upgrade(&mut self, scene: &mut Scene<'_>) {
        let Some(by_ms) = self.tardiness.upgrade_by_ms else {
            return;
        };
        let is_complete = self.upgrade == Upgrade::Pause && self.is_upgraded;
        let has_arrived = self.websocket.as_ref().is_some_and(|line| {
            let is_read = scene
                .net
                .get(line.link)
                .is_some_and(|link| !link.up.is_flying());
            is_read && scene.net.unsent_bytes(line.link) == 0
        });
        if is_complete && has_arrived && scene.now_ms < by_ms {
            self.tardiness.upgrade_by_ms = None;
        } else if is_complete && scene.now_ms > by_ms {
            self.tardiness.upgrade_by_ms = None;
            scene.book.excuse(self.number, "its upgrade came too late");
        }
    }
}
