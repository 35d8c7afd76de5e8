//! An Engine.IO session on the polling transport, each request on a connection of its own.

use std::net::SocketAddr;

use super::{ask, get, Answer, Http};

pub const OPEN: &str = "EIO=4&transport=polling";

pub struct Polling {
    address: SocketAddr,
    pub sid: String,
    pub opened: Answer,
}

impl Polling {
    pub fn open(address: SocketAddr) -> Polling {
        let opened = get(address, OPEN, &[]);
        assert_eq!(opened.status, 200, "{}", opened.text());
        let packets = opened.packets();
        let handshake: serde_json::Value = serde_json::from_str(&packets[0][1..]).expect("JSON");
        Polling {
            address,
            sid: handshake["sid"].as_str().expect("an id").to_owned(),
            opened,
        }
    }

    /// A session that has joined `/`, the answer to that taken in.
    pub fn join(address: SocketAddr) -> Polling {
        let session = Polling::open(address);
        assert_eq!(session.post("40").text(), "ok");
        assert!(session.poll().text().starts_with("40{\"sid\":"));
        session
    }

    pub fn target(&self) -> String {
        format!("/socket.io/?{OPEN}&sid={}", self.sid)
    }

    pub fn upgrade_target(&self) -> String {
        format!("/socket.io/?EIO=4&transport=websocket&sid={}", self.sid)
    }

    pub fn poll(&self) -> Answer {
        ask(self.address, "GET", &self.target(), &[], b"")
    }

    /// A poll on its way.
    pub fn start_poll(&self) -> Http {
        let mut http = Http::connect(self.address);
        http.request("GET", &self.target(), &[], b"");
        http
    }

    pub fn post(&self, payload: &str) -> Answer {
        let fields = [("Content-Type", "text/plain;charset=UTF-8")];
        ask(
            self.address,
            "POST",
            &self.target(),
            &fields,
            payload.as_bytes(),
        )
    }

    /// Whether the server no longer knows the session. Only while no poll waits.
    pub fn is_over(&self) -> bool {
        let answer = self.post("6");
        answer.status == 400 && answer.error().0 == 1
    }
}
