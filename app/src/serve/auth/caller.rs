//! Who asks, and what that one may do.

use std::sync::Arc;

use pulsewheel::progress::{Audience, SessionInfo};
use pulsewheel::{PeerAddr, Sight};
use uuid::Uuid;

use crate::serve::answer::ApiError;
use crate::serve::route::{Route, Verb};

/// What a token is good for. Each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reads and tracks what it may see.
    Viewer,
    /// Creates sessions, and changes its own.
    Producer,
    /// May do everything.
    Admin,
}

/// What the token of a session is good for: that session, and none that has its id later or had it before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    pub id: Uuid,
    /// See [`SessionInfo::number`].
    pub number: u64,
    /// Whether it changes the session too, and does not only read it.
    pub owns: bool,
}

/// Who asks: a role, the token of a session, or both.
#[derive(Clone, Debug)]
pub struct Caller {
    pub role: Option<Role>,
    /// The owner of the sessions that it creates.
    pub owner: Option<Arc<str>>,
    pub pass: Option<Pass>,
    pub peer: PeerAddr,
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Producer => "producer",
            Role::Admin => "admin",
        }
    }
}

impl Pass {
    fn is_for(self, session: &SessionInfo) -> bool {
        (self.id, self.number) == (session.id, session.number)
    }
}

impl Caller {
    /// Somebody of whom nothing is wanted: an admin.
    pub fn anybody(peer: PeerAddr) -> Caller {
        Caller {
            role: Some(Role::Admin),
            owner: None,
            pass: None,
            peer,
        }
    }

    /// Somebody who has shown nothing.
    pub fn nobody(peer: PeerAddr) -> Caller {
        Caller {
            role: None,
            ..Caller::anybody(peer)
        }
    }

    pub fn is_admin(&self) -> bool {
        self.role == Some(Role::Admin)
    }

    /// Refuses whoever has less than the role that a request takes. What concerns one session
    /// is judged by that.
    pub fn need_for(&self, route: &Route) -> Result<(), ApiError> {
        let role = match route {
            Route::Options(_)
            | Route::Health
            | Route::File
            | Route::Login
            | Route::Logout
            | Route::WhoAmI
            | Route::ListSessions
            | Route::ReadSession(_)
            | Route::ListHistory
            | Route::ReadHistory(_)
            | Route::Unshare(..) => return Ok(()),
            Route::Verb(verb) => match verb {
                Verb::CreateSession => Role::Producer,
                Verb::DataUpdated | Verb::SystemAlert => Role::Admin,
                Verb::Login { .. }
                | Verb::Share(_)
                | Verb::UpdateProgress(_)
                | Verb::Complete(_)
                | Verb::Fail(_)
                | Verb::Cancel(_) => return Ok(()),
            },
            Route::Import => Role::Producer,
            Route::ListAlerts
            | Route::ListImports
            | Route::ReadImport(_)
            | Route::ListFindings
            | Route::ExportFindings(_)
            | Route::Statistics => Role::Viewer,
            Route::DeleteSession(_) | Route::UndoImport(_) | Route::Figures => Role::Admin,
        };
        if self.role >= Some(role) {
            if role == Role::Admin {
                log::info!("{route:?} by {}", self.name());
            }
            return Ok(());
        }
        Err(ApiError::forbidden(match role {
            Role::Viewer => "this takes a token of the server; that of a session is for it alone",
            Role::Producer => "this takes the role producer",
            Role::Admin => "this takes the role admin",
        }))
    }

    /// Whether it may know of a session by its id; where it `is_listed`, whether it finds it in lists.
    pub fn sees(&self, session: &SessionInfo, is_listed: bool) -> bool {
        if self.is_admin() || self.pass.is_some_and(|pass| pass.is_for(session)) {
            return true;
        }
        self.role.is_some()
            && match session.audience {
                Audience::Everybody => true,
                Audience::Trackers => !is_listed || session.is_owned_by(self.owner.as_deref()),
                Audience::Owner => session.is_owned_by(self.owner.as_deref()),
            }
    }

    /// Whether it may change a session that it sees.
    pub fn changes(&self, session: &SessionInfo) -> bool {
        let is_its_own = || session.is_owned_by(self.owner.as_deref());
        let owns = |pass: Pass| pass.owns && pass.is_for(session);
        self.is_admin()
            || self.pass.is_some_and(owns)
            || self.role == Some(Role::Producer) && is_its_own()
    }

    /// What a client of its sees of progress sessions.
    pub fn sight(&self) -> Sight {
        match (self.role, self.pass) {
            (Some(Role::Admin), _) => Sight::Everything,
            (None, Some(pass)) => Sight::Only(pass.id),
            _ => Sight::Usual,
        }
    }

    /// What the log calls it: never by a token.
    pub fn name(&self) -> String {
        match (self.role, &self.owner, self.pass) {
            (Some(role), Some(owner), _) => format!("{} {owner:?}", role.as_str()),
            (Some(_), None, _) => "anybody".to_owned(),
            (None, _, Some(pass)) => format!("a token of session {}", pass.id),
            (None, _, None) => "nobody".to_owned(),
        }
    }
}
