//! The licences of what the program contains.

use std::io::{self, Write};

use crate::serve::dashboard_licenses;

/// Of the Rust code; written by `make licenses`.
const RUST: &str = include_str!("../licenses.txt");

/// Of the files of the Socket.IO client.
const CLIENT: &str = include_str!(concat!(env!("OUT_DIR"), "/client-licenses.txt"));

/// Writes them all.
pub fn write(out: &mut impl Write) -> io::Result<()> {
    out.write_all(RUST.as_bytes())?;
    if let Some(dashboard) = dashboard_licenses() {
        writeln!(out, "\n# The dashboard\n\n{}", dashboard.trim())?;
    }
    if !CLIENT.is_empty() {
        writeln!(
            out,
            "\n# The Socket.IO client for browsers\n\n{}",
            CLIENT.trim()
        )?;
    }
    Ok(())
}
