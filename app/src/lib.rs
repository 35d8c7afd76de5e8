//! The pieces of the program `pulsewheel`: what it adds to the Socket.IO
//! library of the same name.
//!
//! | module | what it holds |
//! |---|---|
//! | [`import`] | an upload becomes findings: multipart, CSV, formats, the job that runs them |
//! | [`store`] | the SQLite database: findings, hosts, history of imports |
//! | [`generate`] | seeded sample scans of any size |
//! | [`severity`], [`clock`], [`memory`] | small shared helpers |
#![forbid(unsafe_code)]

pub mod clock;
pub mod generate;
pub mod import;
pub mod memory;
pub mod severity;
pub mod store;
