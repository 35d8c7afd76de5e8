//! What is known of a session to whoever decides who may see it.

use std::sync::Arc;

use uuid::Uuid;

use super::session::Session;
use super::{Audience, Status};

/// A session, for whoever decides who may see it or do something to it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionInfo {
    /// The session.
    pub id: Uuid,
    /// Its place in the order of creation. It tells apart sessions that had the same id one after the other.
    pub number: u64,
    /// Who gets its events.
    pub audience: Audience,
    /// Where it stands. Cancelled sessions are among them for as long as they are remembered.
    pub status: Status,
    /// Whether its host is asked before a cancellation takes effect.
    pub is_managed: bool,
    /// Whether it was ever updated.
    pub was_updated: bool,
    pub(super) owner: Option<Arc<str>>,
}

impl SessionInfo {
    /// Whose it is, if it is anybody's.
    pub fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    /// Whether it is this owner's. Who has no name owns nothing.
    pub fn is_owned_by(&self, owner: Option<&str>) -> bool {
        owner.is_some() && owner == self.owner()
    }
}

impl Session {
    pub(super) fn info(&self) -> SessionInfo {
        SessionInfo {
            id: self.id,
            number: self.number,
            audience: self.access.audience,
            status: self.status(),
            is_managed: self.access.is_managed,
            was_updated: self.times.was_updated,
            owner: self.access.owner.clone(),
        }
    }
}
