//! One direction of a link: what is sent, what is under way, what has arrived.

use std::collections::VecDeque;

use super::rng::Rng;

/// Of what is sent at once, so much is cut as finely as the line's nature says; each segment costs a turn.
const FINELY_CUT_BYTES: u64 = 80;
const USUAL_SEGMENT_BYTES: u64 = 1_460;

/// What a link is like.
#[derive(Clone, Copy, Debug)]
pub struct Nature {
    /// Milliseconds that a segment is under way.
    pub latency_ms: u64,
    /// Bytes of each direction that the line carries in a millisecond.
    pub bytes_per_ms: u64,
    /// Bytes that a sender's kernel takes before the receiver's has them.
    pub send_buffer: usize,
    /// Bytes that a receiver's kernel holds before somebody reads them.
    pub receive_buffer: usize,
    /// Largest segment; each is drawn anew, and 1 cuts what is sent at once into single bytes, to begin with.
    pub segment: u64,
}

impl Nature {
    /// Bytes in a millisecond that get through whatever the window.
    pub fn pace(&self) -> u64 {
        let window = self.receive_buffer.min(self.send_buffer) as u64;
        self.bytes_per_ms
            .min(window / self.latency_ms.max(1))
            .max(1)
    }
}

/// One direction of a link.
#[derive(Debug)]
pub struct Pipe {
    /// Taken by the sender's kernel.
    pub sent: Vec<u8>,
    send_buffer: usize,
    /// Segments under way, with the time at which they arrive.
    flying: VecDeque<(u64, Vec<u8>)>,
    flying_bytes: usize,
    /// Arrived, and to be read.
    pub received: Vec<u8>,
    receive_buffer: usize,
    /// When the line has carried all that has left.
    pub free_at_us: u64,
    /// Bytes that have left since nothing was under way, or since this millisecond began.
    left_bytes: u64,
    cut_at_ms: u64,
    pub end: End,
    pub is_black_hole: bool,
}

/// How a direction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Open,
    /// The sender has closed it; what it sent before comes first.
    Closing,
    /// The news is under way.
    Flying {
        at_ms: u64,
    },
    /// The receiver has read, or can read, that nothing more comes.
    Closed,
}

impl Pipe {
    pub fn new(send_buffer: usize, receive_buffer: usize) -> Pipe {
        Pipe {
            sent: Vec::new(),
            send_buffer,
            flying: VecDeque::new(),
            flying_bytes: 0,
            received: Vec::new(),
            receive_buffer,
            free_at_us: 0,
            left_bytes: 0,
            cut_at_ms: 0,
            end: End::Open,
            is_black_hole: false,
        }
    }

    pub fn space(&self) -> usize {
        self.send_buffer.saturating_sub(self.sent.len())
    }

    /// Lets segments leave as far as the receiver's window allows.
    pub fn depart(&mut self, now_ms: u64, nature: &Nature, rng: &mut Rng, is_all_sent: bool) {
        if self.is_black_hole {
            return;
        }
        if self.flying.is_empty() && self.cut_at_ms != now_ms {
            self.left_bytes = 0;
            self.cut_at_ms = now_ms;
        }
        while !self.sent.is_empty() {
            let held = self.received.len() + self.flying_bytes;
            let window = self.receive_buffer.saturating_sub(held);
            let most = self.sent.len().min(window) as u64;
            if most == 0 {
                return;
            }
            let is_cut = self.left_bytes < FINELY_CUT_BYTES;
            let largest = if is_cut {
                nature.segment
            } else {
                nature.segment.max(USUAL_SEGMENT_BYTES)
            };
            let length = rng.range(1, largest.max(1)).min(most) as usize;
            self.left_bytes += length as u64;
            let begins_us = self.free_at_us.max(now_ms * 1000);
            self.free_at_us = begins_us + length as u64 * 1000 / nature.bytes_per_ms.max(1);
            let at_ms = self.free_at_us / 1000 + nature.latency_ms;
            let segment: Vec<u8> = self.sent.drain(..length).collect();
            self.flying_bytes += length;
            self.flying.push_back((at_ms, segment));
        }
        if self.end == End::Closing && is_all_sent {
            let at_ms = self.free_at_us.max(now_ms * 1000) / 1000 + nature.latency_ms;
            self.end = End::Flying { at_ms };
        }
    }

    /// Lets at most one segment arrive, or the end. True when something has.
    pub fn arrive(&mut self, now_ms: u64) -> bool {
        if self.is_black_hole {
            return false;
        }
        match self.flying.front() {
            Some((at_ms, _)) if *at_ms <= now_ms => {
                if let Some((_, segment)) = self.flying.pop_front() {
                    self.flying_bytes -= segment.len();
                    self.received.extend(segment);
                }
                true
            }
            None => match self.end {
                End::Flying { at_ms } if at_ms <= now_ms => {
                    self.end = End::Closed;
                    true
                }
                _ => false,
            },
            Some(_) => false,
        }
    }

    pub fn next_ms(&self) -> Option<u64> {
        if self.is_black_hole {
            return None;
        }
        let segment = self.flying.front().map(|(at_ms, _)| *at_ms);
        segment.or(match self.end {
            End::Flying { at_ms } => Some(at_ms),
            _ => None,
        })
    }

    /// Whether something has been sent that has not arrived.
    pub fn is_flying(&self) -> bool {
        !self.sent.is_empty() || !self.flying.is_empty()
    }

    /// Whether something has been sent that has not been read.
    pub fn has_bytes(&self) -> bool {
        !self.sent.is_empty() || !self.flying.is_empty() || !self.received.is_empty()
    }

    pub fn close(&mut self) {
        if self.end == End::Open {
            self.end = End::Closing;
        }
    }

    pub fn is_at_end(&self) -> bool {
        self.end == End::Closed && self.received.is_empty()
    }

    pub fn forget(&mut self) {
        self.sent.clear();
        self.flying.clear();
        self.flying_bytes = 0;
    }
}
