//! Compressed answers to polls.

use super::Endpoint;
use crate::connection::Connection;
use crate::http::{Coding, Head, Method, Response};
use crate::slots::Key;

impl Endpoint {
    /// How the answer to a request may be compressed.
    pub(super) fn accepted_coding(&self, head: &Head<'_>) -> Option<Coding> {
        self.config.http_compression?;
        if head.method != Method::Get {
            return None;
        }
        Coding::accepted(head.header("Accept-Encoding")?)
    }

    /// Compresses the answer to the request under way on a connection, if its client wants that and it is worth it.
    pub(super) fn compress(&mut self, key: Key, response: &mut Response) {
        let Some(settings) = self.config.http_compression else {
            return;
        };
        let exchange = self.connections.get_mut(key).and_then(Connection::exchange);
        let Some(coding) = exchange.and_then(|exchange| exchange.coding) else {
            return;
        };
        if response.body.len() < settings.threshold_bytes {
            return;
        }
        let compressed = coding.compress(&response.body);
        // What does not shrink, such as images in base64, is not worth the client's time either.
        if compressed.len() < response.body.len() {
            response.body = compressed.into();
            let field = ("Content-Encoding".into(), coding.name().into());
            response.headers.push(field);
        }
    }
}
