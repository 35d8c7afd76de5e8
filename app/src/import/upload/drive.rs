//! multer is written for async programs. Here its steps run on the import's own
//! thread, which waits for a chunk of the body whenever the parser has none left.

use std::convert::Infallible;
use std::future::Future;
use std::pin::{pin, Pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_util::stream::Stream;
use multer::Field;

use super::body::BodyReader;
use crate::import::error::RequestError;
use crate::import::stop::FormStop;

/// What is read of a field before its value is shortened.
const MAX_FIELD_BYTES: usize = 16 * 1024;

/// Feeds the parser from the body, a chunk only when it asks for one: so memory
/// stays flat, and nothing that has arrived waits for what comes after it.
pub struct Driver {
    body: BodyReader,
    slot: Arc<Mutex<Slot>>,
}

/// What the parser finds when it asks.
#[derive(Default)]
enum Slot {
    #[default]
    Empty,
    Chunk(Bytes),
    End,
}

impl Driver {
    pub fn new(body: BodyReader) -> Driver {
        Driver {
            body,
            slot: Arc::default(),
        }
    }

    /// What the parser reads.
    pub fn stream(&self) -> SlotStream {
        SlotStream(self.slot.clone())
    }

    pub fn body(&self) -> &BodyReader {
        &self.body
    }

    /// Runs a step of the parser to its end, reading at most `limit_bytes` for it
    /// (and the rest of the chunk that crosses them).
    pub fn wait<T>(
        &self,
        step: impl Future<Output = Result<T, multer::Error>>,
        limit_bytes: u64,
    ) -> Result<T, FormStop> {
        let mut step = pin!(step);
        let mut context = Context::from_waker(Waker::noop());
        let mut read_bytes = 0;
        loop {
            if let Poll::Ready(result) = step.as_mut().poll(&mut context) {
                return result.map_err(FormStop::from);
            }
            if read_bytes > limit_bytes {
                let message = "the header lines of a part are too long";
                return Err(RequestError::Malformed(message.into()).into());
            }
            let next = match self.body.next_chunk().map_err(FormStop::Body)? {
                Some(chunk) => {
                    read_bytes += chunk.len() as u64;
                    Slot::Chunk(chunk)
                }
                None => Slot::End,
            };
            *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = next;
        }
    }

    /// A short field's text; what is longer than the limit is read and dropped.
    pub fn read_text(&self, part: &mut Field<'_>) -> Result<String, FormStop> {
        let mut value = Vec::new();
        while let Some(chunk) = self.wait(part.chunk(), u64::MAX)? {
            let wanted = chunk.len().min(MAX_FIELD_BYTES - value.len());
            value.extend_from_slice(&chunk[..wanted]);
        }
        Ok(String::from_utf8_lossy(&value).into_owned())
    }

    pub fn skip(&self, part: &mut Field<'_>) -> Result<(), FormStop> {
        while self.wait(part.chunk(), u64::MAX)?.is_some() {}
        Ok(())
    }
}

/// The parser's side of the slot.
pub struct SlotStream(Arc<Mutex<Slot>>);

impl Stream for SlotStream {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::take(&mut *slot) {
            Slot::Empty => Poll::Pending,
            Slot::Chunk(chunk) => Poll::Ready(Some(Ok(chunk))),
            Slot::End => Poll::Ready(None),
        }
    }
}
