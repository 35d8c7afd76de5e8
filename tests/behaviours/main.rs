//! Behaviours of `docs/behaviours.md` that depend on settings, over real sockets.

mod acks;
mod closing;
#[cfg(feature = "compression")]
mod compression;
mod cookies;
mod cors;
mod door;
mod handshake;
mod hooks;
mod jobs;
mod namespaces;
mod peripherals;
mod queries;
mod reach;
mod recovery;
mod rooms;
mod streams;
mod support;
mod upgrade;
