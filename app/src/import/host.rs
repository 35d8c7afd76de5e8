//! The host of a row.

/// The host of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// What identifies the host, in lower case.
    pub key: String,
    /// Empty if not known.
    pub ip: String,
    /// Empty if not known.
    pub name: String,
}
