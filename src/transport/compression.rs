//! Compressed answers.

use super::{cost, Exchange, Transport};
use crate::http::{Coding, Head, Method, Response};
use crate::id::ConnectionId;

impl Transport {
    /// How the answer to a request may be compressed.
    pub(super) fn accepted_coding(&self, head: &Head<'_>) -> Option<Coding> {
        self.limits.compression?;
        if head.method != Method::Get {
            return None;
        }
        Coding::accepted(head.header("Accept-Encoding")?)
    }

    /// Compresses the answer to the request under way on a connection, if its client wants that and it is worth it.
    pub fn compress(&mut self, key: ConnectionId, response: &mut Response) {
        let Some(settings) = self.limits.compression else {
            return;
        };
        let exchange = self.exchange(key);
        let Some(coding) = exchange.and_then(|exchange: &mut Exchange| exchange.coding) else {
            return;
        };
        let bytes = response.body.len();
        if bytes < settings.threshold_bytes || bytes > settings.max_bytes {
            return;
        }
        let units = bytes * cost::COMPRESSED;
        self.ready.charge(units);
        self.ready.charge_answer(units);
        let compressed = coding.compress(&response.body);
        // What does not shrink, such as images in base64, is not worth the client's time either.
        if compressed.len() < response.body.len() {
            response.body = compressed.into();
            let field = ("Content-Encoding".into(), coding.name().into());
            response.headers.push(field);
        }
    }
}
