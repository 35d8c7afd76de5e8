//! By what somebody comes in, and whether that still holds: a token of the file, a login, or the token of a session.

use std::time::Duration;

use pulsewheel::http::Request;
use pulsewheel::{Endpoint, PeerAddr};

use super::file::Line;
use super::logins::Login;
use super::secret::Digest;
use super::{lock, Auth, Caller, Pass};
use crate::serve::answer::ApiError;

/// How long a credential may have ended before its client has to go: a session may be forgotten, and the wall clock be set.
const PATIENCE: Duration = Duration::from_secs(60);

/// By what somebody has come in, to see later whether it still holds. Never a token itself.
#[derive(Clone, Copy, Debug)]
pub enum Credential {
    Nothing,
    Line(Digest),
    Login(Login),
    Session(SessionCredential),
}

/// The same for one session alone.
#[derive(Clone, Copy, Debug)]
pub struct SessionCredential {
    pub pass: Pass,
    pub expires_ms: Option<u64>,
    pub token: Digest,
}

impl Auth {
    /// Who sends a request.
    pub fn caller(
        &self,
        endpoint: &mut Endpoint,
        head: &Request,
        peer: PeerAddr,
    ) -> Result<Caller, ApiError> {
        let (mut caller, _) = self.by_head(endpoint, head, peer)?;
        if let (Some(_), Some(token)) = (caller.role, head.header("X-Session-Token")) {
            if !self.is_open() {
                let found = self.by_session_token(endpoint, token);
                caller.pass = Some(found.ok_or_else(ApiError::auth_required)?.pass);
            }
        }
        Ok(caller)
    }

    pub(super) fn by_head(
        &self,
        endpoint: &mut Endpoint,
        head: &Request,
        peer: PeerAddr,
    ) -> Result<(Caller, Credential), ApiError> {
        if self.is_open() {
            return Ok((Caller::anybody(peer), Credential::Nothing));
        }
        if let Some(authorization) = head.header("Authorization") {
            let token = bearer(authorization).ok_or_else(ApiError::auth_required)?;
            return self.by_token(endpoint, token, peer);
        }
        let logins = self.logins.as_ref();
        let login = logins.and_then(|logins| logins.find(head, endpoint.now().unix_ms));
        let login = login.ok_or_else(ApiError::auth_required)?;
        let lines = self.lines();
        let line = find_line(&lines, login.line).ok_or_else(ApiError::auth_required)?;
        Ok((line.caller(peer), Credential::Login(login)))
    }

    pub(super) fn by_token(
        &self,
        endpoint: &mut Endpoint,
        token: &str,
        peer: PeerAddr,
    ) -> Result<(Caller, Credential), ApiError> {
        let now_ms = endpoint.now().unix_ms;
        if let Some(line) = self.find_shown(&self.shown, token, peer, now_ms)? {
            return Ok((line.caller(peer), Credential::Line(line.token)));
        }
        let found = self.by_session_token(endpoint, token);
        let found = found.ok_or_else(ApiError::auth_required)?;
        let caller = Caller {
            role: None,
            owner: None,
            pass: Some(found.pass),
            peer,
        };
        Ok((caller, Credential::Session(found)))
    }

    pub(super) fn by_session_token(
        &self,
        endpoint: &mut Endpoint,
        token: &str,
    ) -> Option<SessionCredential> {
        let now_ms = endpoint.now().unix_ms;
        let session = |id| endpoint.progress().info(id);
        let (pass, expires_ms) = lock(&self.sessions).find(token, now_ms, session)?;
        Some(SessionCredential {
            pass,
            expires_ms,
            token: Digest::of(token),
        })
    }

    /// Whether somebody may stay, as whom he has come in by this.
    pub(super) fn holds(
        &self,
        endpoint: &mut Endpoint,
        caller: &Caller,
        credential: &Credential,
    ) -> bool {
        let now_ms = endpoint.now().unix_ms;
        // The line may have got another role or name since.
        let is_line = |token| {
            let lines = self.lines();
            find_line(&lines, token).is_some_and(|line| line.is_of(caller))
        };
        match credential {
            Credential::Nothing => true,
            Credential::Line(token) => is_line(*token),
            Credential::Login(login) => {
                let logins = self.logins.as_ref();
                logins.is_some_and(|logins| logins.holds(login, now_ms)) && is_line(login.line)
            }
            Credential::Session(SessionCredential { pass, token, .. }) => {
                let session = |id| endpoint.progress().info(id);
                lock(&self.sessions).holds(*pass, *token, now_ms, session)
            }
        }
    }
}

impl Line {
    fn caller(&self, peer: PeerAddr) -> Caller {
        Caller {
            role: Some(self.role),
            owner: Some(self.owner.clone()),
            pass: None,
            peer,
        }
    }

    /// Whether somebody is who comes in by it.
    fn is_of(&self, caller: &Caller) -> bool {
        (caller.role, &caller.owner) == (Some(self.role), &Some(self.owner.clone()))
    }
}

impl Credential {
    /// In how long it is worth a look whether it still holds, where nothing tells of its end.
    pub fn next_look(&self, now_ms: u64) -> Option<Duration> {
        let expires_ms = match self {
            Credential::Nothing | Credential::Line(_) => return None,
            Credential::Login(login) => Some(login.expires_ms),
            Credential::Session(session) => session.expires_ms,
        };
        let left_ms = expires_ms.map(|expires_ms| expires_ms.saturating_sub(now_ms) + 1);
        let left = left_ms.map(Duration::from_millis);
        Some(left.unwrap_or(PATIENCE).min(PATIENCE))
    }
}

/// Looks at all lines, so that the time does not tell which of them it is.
pub fn find_line(lines: &[Line], token: Digest) -> Option<&Line> {
    let mut found = None;
    for line in lines {
        if line.token == token {
            found = Some(line);
        }
    }
    found
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("Bearer")
        .then(|| token.trim())
        .filter(|token| !token.is_empty())
}
