//! What a merge is to do, and what came of it.

use super::StoreError;

/// What became of the records of an import. The first four are disjoint: each
/// record that was staged is one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MergeCounts {
    /// Not known before.
    pub new: u64,
    /// Known and active; severity, state, CVSS, title or solution differ.
    pub updated: u64,
    /// Known, and resolved until now.
    pub reopened: u64,
    /// Known, active, and the same.
    pub unchanged: u64,
    /// Active before on a host of this import, and not in it.
    pub resolved: u64,
    /// Of the new ones, by the rank of their severity.
    pub new_by_severity: [u64; 5],
    /// Of the resolved ones, by the rank of their severity.
    pub resolved_by_severity: [u64; 5],
    /// Display names of the first hosts with a change.
    pub changed_hosts: Vec<String>,
}

/// What a merge is to do.
#[derive(Clone, Copy, Debug)]
pub struct MergePlan<'a> {
    /// The label whose findings the records meet. If it is known in another letter
    /// case, that one is meant.
    pub vendor: &'a str,
    /// Tells hosts of one name in different networks apart; empty for none.
    pub site: &'a str,
    /// The time of the import, in milliseconds since the epoch.
    pub now_ms: i64,
    /// The time of the scan; it stands in for times that the file does not give.
    pub scan_ms: i64,
    pub resolve: Resolve,
    /// A scan that is older than one that is known is merged all the same, but resolves
    /// and reopens nothing on the hosts that both name.
    pub allow_older: bool,
    /// The label is that of a scanner that was recognised: with its first import it
    /// takes over what an unknown table had of the same findings.
    pub is_recognised: bool,
}

/// Which findings are resolved because the file does not hold them any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolve {
    Nothing,
    /// Those on hosts that the file names.
    Hosts,
    /// Those of the label.
    All,
}

/// Why a merge ended early. Nothing of it is visible then.
#[derive(Debug)]
pub enum MergeStop {
    /// The caller's `on_step` asked for it.
    Cancelled,
    /// The scan is older than one that is known; names of the first hosts for which it
    /// is.
    Older(Vec<String>),
    Store(StoreError),
}

impl From<StoreError> for MergeStop {
    fn from(error: StoreError) -> MergeStop {
        MergeStop::Store(error)
    }
}

impl From<rusqlite::Error> for MergeStop {
    fn from(error: rusqlite::Error) -> MergeStop {
        MergeStop::Store(error.into())
    }
}
