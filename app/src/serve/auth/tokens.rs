//! What is done with the tokens of sessions: made, renewed, shared, taken back, and written down with their session.

use pulsewheel::http::Response;
use pulsewheel::progress::{SessionInfo, SessionRecord};
use pulsewheel::Endpoint;
use serde_json::json;
use uuid::Uuid;

use super::{lock, Auth, Caller};
use crate::journal::Renewed;
use crate::serve::answer::{json_text, private, ApiError};
use crate::serve::idempotency::{Answered, Secret};

/// Longest time for which a session is shared, in seconds: a year.
const MAX_SHARE_S: u64 = 365 * 24 * 60 * 60;

impl Auth {
    /// A token for the owner of a session, as often as it is created anew.
    pub fn issue_owner(&self, endpoint: &mut Endpoint, id: Uuid) -> Result<Secret, ApiError> {
        let session = known(endpoint, id)?;
        let is_known = |id| endpoint.progress().info(id).is_some();
        let token = lock(&self.sessions).issue_owner(&session, is_known)?;
        self.keep_tokens(endpoint, id)?;
        Ok(Secret {
            token: Some(token),
            renewed: renewed(&session, None),
        })
    }

    /// Another token in place of one that was told before and is good for nothing from now on. `None` where what it was for is
    /// gone, or is not the caller's any more.
    pub fn renew(
        &self,
        endpoint: &mut Endpoint,
        caller: &Caller,
        renewed: &Renewed,
    ) -> Result<Option<String>, ApiError> {
        let session = Uuid::try_parse(&renewed.session)
            .ok()
            .and_then(|id| known(endpoint, id).ok())
            .filter(|session| session.number == renewed.number && caller.changes(session));
        let Some(session) = session else {
            return Ok(None);
        };
        let Some(share) = renewed.share else {
            let token = self.issue_owner(endpoint, session.id)?.token;
            // Who has come in by the token before.
            self.sweep(endpoint);
            return Ok(token);
        };
        let now_ms = endpoint.now().unix_ms;
        let token = lock(&self.sessions).renew_share(&session, share, now_ms)?;
        if token.is_some() {
            self.keep_tokens(endpoint, session.id)?;
            self.sweep(endpoint);
        }
        Ok(token)
    }

    /// Brings the tokens of a session back, which goes on after a restart.
    pub fn restore_tokens(&self, record: &SessionRecord) {
        if let Some(text) = record.host_text() {
            lock(&self.sessions).restore(record.info(), text);
        }
    }

    /// Has the tokens of a session written down with it.
    fn keep_tokens(&self, endpoint: &mut Endpoint, id: Uuid) -> Result<(), ApiError> {
        let text = lock(&self.sessions).text(id);
        Ok(endpoint.progress().set_host_text(id, text)?)
    }

    /// Shares a session for so many seconds, or as long as it is remembered.
    pub fn share(
        &self,
        endpoint: &mut Endpoint,
        id: Uuid,
        expires_in_s: Option<u64>,
    ) -> Result<Answered, ApiError> {
        if expires_in_s.is_some_and(|s| !(1..=MAX_SHARE_S).contains(&s)) {
            return Err(ApiError::invalid(format!(
                "expiresIn must be a whole number of seconds from 1 to {MAX_SHARE_S}"
            )));
        }
        let session = known(endpoint, id)?;
        let now_ms = endpoint.now().unix_ms;
        let expires_ms = expires_in_s.map(|s| now_ms + s * 1000);
        self.make_room_for_share(endpoint, &session, now_ms)?;
        let is_known = |id| endpoint.progress().info(id).is_some();
        let share = lock(&self.sessions).share(&session, now_ms, expires_ms, is_known)?;
        self.keep_tokens(endpoint, id)?;
        let body = json!({
            "shareId": format!("{:016x}", share.id),
            "expiresAt": share.expires_ms,
        });
        let secret = Secret {
            token: Some(share.token),
            renewed: renewed(&session, Some(share.id)),
        };
        let response = json_text(201, body.to_string());
        Ok(Answered::with_secret(response, secret))
    }

    /// Sees to it that there is room for one more share, and refuses where there is none.
    fn make_room_for_share(
        &self,
        endpoint: &mut Endpoint,
        session: &SessionInfo,
        now_ms: u64,
    ) -> Result<(), ApiError> {
        let check = |endpoint: &mut Endpoint| {
            let info = |id| endpoint.progress().info(id);
            lock(&self.sessions).check_room(session.owner(), info)
        };
        if check(endpoint).is_ok() {
            return Ok(());
        }
        let changed = lock(&self.sessions).forget_expired(now_ms);
        for id in changed {
            // A session may be forgotten meanwhile.
            let _ = self.keep_tokens(endpoint, id);
        }
        check(endpoint)
    }

    /// Takes a share back; who has come in by it is disconnected.
    pub fn unshare(
        &self,
        endpoint: &mut Endpoint,
        id: Uuid,
        share: u64,
    ) -> Result<Response, ApiError> {
        let session = known(endpoint, id)?;
        if !lock(&self.sessions).revoke(&session, share) {
            return Err(ApiError::new(404, "NOT_FOUND", "there is no such share"));
        }
        self.keep_tokens(endpoint, id)?;
        self.sweep(endpoint);
        Ok(private(Response::empty(204)))
    }
}

/// What a token is made anew for.
fn renewed(session: &SessionInfo, share: Option<u64>) -> Renewed {
    Renewed {
        session: session.id.to_string(),
        number: session.number,
        share,
    }
}

fn known(endpoint: &mut Endpoint, id: Uuid) -> Result<SessionInfo, ApiError> {
    // A cancelled one is told to be that.
    endpoint.progress().session_status(id)?;
    endpoint
        .progress()
        .info(id)
        .ok_or_else(|| ApiError::no_session(id))
}
