//! The pieces of the program `pulsewheel`: what it adds to the Socket.IO
//! library of the same name.
//!
//! | module | what it holds |
//! |---|---|
//! | [`serve`] | `pulsewheel serve`: the HTTP interface, uploads, pages, signals, the log |
//! | [`client`] | `pulsewheel import`: sends files to a running server |
//! | [`import`] | an upload becomes findings: multipart, CSV, formats, the job that runs them |
//! | [`journal`] | the SQLite database of progress sessions, which brings them back after a restart |
//! | [`store`] | the SQLite database: findings, hosts, history of imports |
//! | [`backup`] | `pulsewheel backup` and `pulsewheel restore` |
//! | [`generate`] | seeded sample scans of any size |
//! | [`licenses`] | what `--licenses` prints |
//! | [`severity`], [`normal`], [`clock`], [`memory`], [`data_dir`] | small shared helpers |
#![forbid(unsafe_code)]

pub mod backup;
pub mod client;
pub mod clock;
pub mod data_dir;
pub mod generate;
pub mod import;
pub mod journal;
mod last_backup;
pub mod licenses;
pub mod memory;
pub mod normal;
mod number_file;
pub mod serve;
pub mod severity;
pub mod store;
