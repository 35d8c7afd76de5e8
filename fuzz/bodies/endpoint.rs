//! The whole server: the input is a script of what clients, the network, the clock and the host do.
//!
//! A script is text, so that a person can write one and read what the fuzzer has found. Its first character `e` asks for
//! bare Engine.IO, `m` for MessagePack, `r` for recovery, `a` for a host that is asked before sessions open, `c` for a host
//! that wants to hear of everything and lets clients in (later where they say so), `C` for that with recovery, any other
//! for plain Socket.IO. Every step is one letter and its
//! arguments: digits choose connections (0 to 5), Engine.IO sessions, sockets, rooms or variants (of what there is, by
//! remainder), a text ends with its line. After each step the server runs a turn, and everything is checked.
//!
//! | step | what happens |
//! |---|---|
//! | `o`c | connection c is opened |
//! | `h`c, `w`c | a client asks for a session there, by polling or by WebSocket |
//! | `g`cs, `p`cs text, `u`cs | polls session s, posts packets to it (`\|` separates them), opens its upgrade |
//! | `v`n | from now on clients speak Engine.IO 3, or 4 again |
//! | `c`cn | a client wants to recover the socket with the n-th newest `pid` |
//! | `t`c text, `b`c text, `f`cb text | sends a frame: text, binary, or one with the first byte b |
//! | `r`c text | sends bytes (`\|` stands for the end of a line in HTTP) |
//! | `*`n | what was sent last is sent again, so many times, on its connection |
//! | `x`c, `X`c | the client closes its side, or is gone |
//! | `<`n, `>`n | from now on so many bytes a step come from each client, or are taken by it |
//! | `+`n, `n` | time passes: a while, or until the next deadline |
//! | `E`v, `e`kv | the host emits to many, or to socket k |
//! | `j`kn, `l`kn, `d`k, `D`k, `a` | joins or leaves room n, disconnects (and closes), acknowledges what waits longest |
//! | `A`nv | the host decides on a client that waits to be let in |
//! | `k`kt, `K`vt, `s`kn | asks socket k or many, for some time at most; keeps n with socket k |
//! | `J`vn | many sockets join or leave rooms, or are disconnected |
//! | `q`n, `R`n | asks for so much of each request's body; answers a request, by 7 in parts, of which more `R` send, break off (6) or end the rest |
//! | `I`v | decides about the session that waits longest for it |
//! | `P`v | does something with progress sessions |
//! | `S` | shuts the server down |

#[path = "endpoint_client.rs"]
mod client;
#[path = "endpoint_host.rs"]
mod host;
#[path = "endpoint_ledger.rs"]
mod ledger;
#[path = "endpoint_world.rs"]
mod world;

use world::World;

/// Amounts of bytes, by digit.
const BYTES: [usize; 10] = [0, 1, 2, 7, 30, 100, 400, 2_000, 20_000, usize::MAX];
/// Times that pass, by digit.
const TIMES_MS: [u64; 10] = [
    0, 1, 60, 500, 3_000, 11_000, 26_000, 46_000, 600_000, 36_000_000,
];
/// How many times something is sent again, by digit.
const TIMES: [usize; 10] = [
    1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 200_000,
];
/// A longer script teaches nothing new.
const MAX_STEPS: usize = 400;

/// Runs `data` as a script, then sends everybody away and checks that nothing is left.
pub fn run(data: &[u8]) {
    let mut script = Script { rest: data };
    let mut world = World::new(script.byte().unwrap_or(b's'));
    for _ in 0..MAX_STEPS {
        let Some(letter) = script.byte() else { break };
        if step(letter, &mut script, &mut world) {
            world.turn();
        }
    }
    world.end();
}

/// Does what a letter stands for; false when it stands for nothing.
fn step(letter: u8, script: &mut Script<'_>, world: &mut World) -> bool {
    match letter {
        b'o' => world.open(script.number()),
        b'v' => world.revision = script.number(),
        b'h' => world.send(script.number(), &get(&world.query("polling"))),
        b'w' => world.send(script.number(), &upgrade(&world.query("websocket"))),
        b'g' | b'u' | b'p' => {
            let (connection, session) = (script.number(), script.number());
            let bytes = match letter {
                b'g' => get(&world.query_of("polling", session)),
                b'u' => upgrade(&world.query_of("websocket", session)),
                _ => {
                    let payload = replaced(script.line(), b"\x1e");
                    post(&world.query_of("polling", session), &payload)
                }
            };
            world.send(connection, &bytes);
        }
        b'c' => {
            let connection = script.number();
            let connect = world.recovering_connect(script.number());
            world.send(connection, &masked(0x81, connect.as_bytes()));
        }
        b't' => world.send(script.number(), &masked(0x81, script.line())),
        b'b' => world.send(script.number(), &masked(0x82, script.line())),
        b'f' => {
            let connection = script.number();
            let first_byte = script.byte().unwrap_or(0);
            world.send(connection, &masked(first_byte, script.line()));
        }
        b'r' => world.send(script.number(), &replaced(script.line(), b"\r\n")),
        b'*' => world.repeat(TIMES[script.number()]),
        b'x' => world.close_side(script.number()),
        b'X' => world.hang_up(script.number()),
        b'<' => world.taken_bytes = BYTES[script.number()],
        b'>' => world.written_bytes = BYTES[script.number()],
        b'+' => world.pass_ms(TIMES_MS[script.number()]),
        b'n' => world.pass_to_deadline(),
        b'q' => world.with_host(|host, endpoint| host.grant(endpoint, BYTES[script.number()])),
        b'R' => world.with_host(|host, endpoint| host.respond(endpoint, script.number())),
        b'I' => world.with_host(|host, endpoint| host.decide(endpoint, script.number())),
        b'S' => world.endpoint.shut_down(),
        b'E' | b'e' | b'j' | b'l' | b'd' | b'D' | b'a' | b'P' | b'A' | b'k' | b'K' | b's'
        | b'J' => {
            let numbers = [script.number(), script.number()];
            world.with_host(|host, endpoint| host.verb(endpoint, letter, numbers));
        }
        _ => return false,
    }
    true
}

/// What is left of the input.
struct Script<'a> {
    rest: &'a [u8],
}

impl<'a> Script<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    /// A digit; other characters count as one too, and the end of the input as 0.
    fn number(&mut self) -> usize {
        self.byte()
            .map_or(0, |byte| usize::from(byte.wrapping_sub(b'0') % 10))
    }

    /// All up to the end of the line.
    fn line(&mut self) -> &'a [u8] {
        let length = self.rest.iter().position(|&byte| byte == b'\n');
        let (line, rest) = self.rest.split_at(length.unwrap_or(self.rest.len()));
        self.rest = rest.get(1..).unwrap_or_default();
        line
    }
}

fn replaced(text: &[u8], bar: &[u8]) -> Vec<u8> {
    let parts: Vec<&[u8]> = text.split(|&byte| byte == b'|').collect();
    parts.join(bar)
}

fn get(query: &str) -> Vec<u8> {
    format!("GET /socket.io/?{query} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes()
}

fn upgrade(query: &str) -> Vec<u8> {
    format!("GET /socket.io/?{query} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").into_bytes()
}

fn post(query: &str, payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let head =
        format!("POST /socket.io/?{query} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), payload].concat()
}

/// A frame as clients send it; its mask is all zero.
fn masked(first_byte: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first_byte];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}
