//! What a client of the fuzzed endpoint makes of the bytes that it gets.

/// What clients have been told, all of them together.
#[derive(Default)]
pub struct Told {
    /// The ids of their Engine.IO sessions.
    sids: Vec<String>,
    /// By which they can be recovered.
    pids: Vec<String>,
    /// Of the last event that one of them has got.
    pub offset: String,
}

impl Told {
    /// The newest id is number 0, the one before it number 1 and so on, round and round; empty where there is none.
    pub fn sid(&self, number: usize) -> &str {
        let sid = self.sids.iter().rev().cycle().nth(number);
        sid.map_or("", String::as_str)
    }

    /// As [`Told::sid`].
    pub fn pid(&self, number: usize) -> &str {
        let pid = self.pids.iter().rev().cycle().nth(number);
        pid.map_or("", String::as_str)
    }
}

/// The other end of a connection, which reads what the server writes.
#[derive(Default)]
pub struct Client {
    /// Whether text is Socket.IO's.
    is_read_as_text: bool,
    unread: Vec<u8>,
    is_websocket: bool,
    is_closed: bool,
    /// A ping of Engine.IO waits for its pong.
    pub is_pinged: bool,
    /// Binary messages that a packet has announced.
    attachments_to_come: usize,
    /// Events that went to everybody.
    pub broadcasts: usize,
}

impl Client {
    pub fn new(is_read_as_text: bool) -> Client {
        Client {
            is_read_as_text,
            ..Client::default()
        }
    }

    pub fn receive(&mut self, bytes: &[u8], told: &mut Told) {
        self.unread.extend_from_slice(bytes);
        if !self.is_websocket {
            const SWITCH: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n";
            let Some(start) = find(&self.unread, SWITCH) else {
                return self.look_for_sid(told);
            };
            let Some(length) = find(&self.unread[start..], b"\r\n\r\n") else {
                return;
            };
            self.unread.drain(..start + length + 4);
            self.is_websocket = true;
        }
        while let Some((first_byte, payload)) = self.next_frame() {
            self.frame(first_byte, &payload, told);
        }
    }

    /// Finds the id in the answer to a handshake.
    fn look_for_sid(&mut self, told: &mut Told) {
        const BEFORE: &[u8] = b"0{\"sid\":\"";
        if let Some(start) = find(&self.unread, BEFORE) {
            let sid = &self.unread[start + BEFORE.len()..];
            if let Some(sid) = sid.get(..20) {
                told.sids.push(String::from_utf8_lossy(sid).into_owned());
                self.unread.clear();
            }
        } else if self.unread.len() > 4096 {
            self.unread.clear();
        }
    }

    fn next_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let (&first_byte, rest) = self.unread.split_first()?;
        let (&length, rest) = rest.split_first()?;
        let (length, at) = match length {
            126 => (
                usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?])),
                4,
            ),
            0..=125 => (usize::from(length), 2),
            _ => panic!("a server's frame has no mask, and none here is so long"),
        };
        let payload = self.unread.get(at..at + length)?.to_vec();
        self.unread.drain(..at + length);
        Some((first_byte, payload))
    }

    fn frame(&mut self, first_byte: u8, payload: &[u8], told: &mut Told) {
        assert!(!self.is_closed, "nothing follows a close frame");
        match first_byte {
            0x81 => {
                let text = std::str::from_utf8(payload).expect("text is UTF-8");
                self.text(text, told);
            }
            0x82 => self.attachments_to_come = self.attachments_to_come.saturating_sub(1),
            0x88 => self.is_closed = true,
            0x8a => assert!(payload.len() <= 125),
            other => panic!("a server sends no frame {other:#x}"),
        }
    }

    fn text(&mut self, text: &str, told: &mut Told) {
        assert_eq!(
            self.attachments_to_come, 0,
            "attachments follow their packet"
        );
        if let Some(sid) = text.strip_prefix("0{\"sid\":\"") {
            told.sids.push(sid[..20].to_owned());
        }
        self.is_pinged |= text == "2";
        if !self.is_read_as_text {
            return;
        }
        if let Some((_, pid)) = text.split_once("\",\"pid\":\"") {
            told.pids.extend(pid.get(..20).map(str::to_owned));
        } else if text.starts_with("42[") || text.starts_with("45") {
            told.offset = text.rsplit('"').nth(1).unwrap_or_default().to_owned();
        }
        let binary = text.strip_prefix("45").or_else(|| text.strip_prefix("46"));
        if let Some((count, data)) = binary.and_then(|text| text.split_once('-')) {
            self.attachments_to_come = count.parse().expect("a count");
            let data = data.get(data.find('[').expect("arguments")..);
            check_places(data.expect("arguments"), self.attachments_to_come);
        }
        if text.starts_with("42[\"all\"") || text.starts_with("45") && text.contains("-[\"all\"") {
            self.broadcasts += 1;
        }
    }
}

/// Whether every placeholder finds its attachment, as a JavaScript client demands it.
fn check_places(data: &str, attachments: usize) {
    // A number too large for any reader, and half of a surrogate pair, are the business of those who sent them.
    let Ok(data) = serde_json::from_str(data) else {
        return;
    };
    let mut values = vec![&data];
    while let Some(value) = values.pop() {
        match value {
            serde_json::Value::Array(array) => values.extend(array),
            serde_json::Value::Object(object) => {
                if object.get("_placeholder") == Some(&true.into()) {
                    let number = object.get("num").and_then(serde_json::Value::as_u64);
                    assert!(number.is_some_and(|number| (number as usize) < attachments));
                } else {
                    values.extend(object.values());
                }
            }
            _ => {}
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}
