//! The host of a row.

/// The host of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// What identifies the host, in normal form.
    pub key: String,
    /// Empty if not known.
    pub ip: String,
    /// Empty if not known.
    pub name: String,
    /// The key is address or name, and no number that a scanner gave.
    pub is_joinable: bool,
}
