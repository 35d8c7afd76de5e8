//! Requests that are sent again with their `Idempotency-Key` are answered again, and not done again.
//!
//! ```text
//! request ─▶ key ─▶ answers ── first ────▶ done, its answer written down with what it did
//!                      │
//!                      └────── repeated ─▶ the answer that was written down
//! ```
//!
//! In memory are hashes only: of keys, of their callers, of bodies. The answers are in the journal, in the same
//! transaction as what they acknowledge, so that they hold after a restart too.

mod again;
mod answers;
mod key;
mod known;
mod repeats;

pub use again::Again;
pub use answers::{Answered, Answers, Secret};
pub use key::{body_hash, FormHash, Key};
pub use known::Standing;
pub use repeats::Repeats;
