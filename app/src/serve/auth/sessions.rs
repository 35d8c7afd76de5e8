//! The tokens of sessions: their owners', and those by which they are shared.
//!
//! A token's text begins with what it is for, so that it is found without a look at others:
//! `o-SESSION-SECRET` or `s-SESSION-SHARE-SECRET`. They end with their session: another one
//! that has its id later has a number of its own.

use std::collections::BTreeMap;

use pulsewheel::progress::SessionInfo;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::secret::{random_number, random_text, Digest};
use super::Pass;
use crate::serve::answer::ApiError;

/// Letters of a token's secret part.
const SECRET_LETTERS: usize = 43;

/// Shares that a session may have at a time.
const MAX_SHARES: usize = 100;

/// Sessions from which on it is worth a look which of them are gone.
const FEW_SESSIONS: usize = 64;

/// The tokens of all sessions.
#[derive(Default)]
pub struct SessionTokens {
    of: BTreeMap<Uuid, Tokens>,
    crowd: usize,
}

struct Tokens {
    /// The session's number: see [`SessionInfo::number`].
    number: u64,
    owner: Option<Digest>,
    shares: BTreeMap<u64, Share>,
}

struct Share {
    token: Digest,
    expires_ms: Option<u64>,
}

/// The tokens of a session as they are written down.
#[derive(Serialize, Deserialize)]
struct Written {
    owner: Option<String>,
    shares: Vec<WrittenShare>,
}

#[derive(Serialize, Deserialize)]
struct WrittenShare {
    id: u64,
    token: String,
    expires_ms: Option<u64>,
}

/// A share that was made.
pub struct NewShare {
    pub id: u64,
    pub token: String,
    pub expires_ms: Option<u64>,
}

impl SessionTokens {
    /// A token for the owner of a session; one that it had before is good for nothing any more.
    pub fn issue_owner(
        &mut self,
        session: &SessionInfo,
        is_known: impl FnMut(Uuid) -> bool,
    ) -> Result<String, ApiError> {
        let secret = random_text().map_err(no_random)?;
        let token = format!("o-{}-{secret}", session.id.simple());
        self.tokens(session, is_known).owner = Some(Digest::of(&token));
        Ok(token)
    }

    /// A token that reads a session, until then if a time is given.
    pub fn share(
        &mut self,
        session: &SessionInfo,
        now_ms: u64,
        expires_ms: Option<u64>,
        is_known: impl FnMut(Uuid) -> bool,
    ) -> Result<NewShare, ApiError> {
        let id = random_number().map_err(no_random)?;
        let token = share_token(session, id)?;
        let shares = &mut self.tokens(session, is_known).shares;
        shares.retain(|_, share| !share.has_expired(now_ms));
        if shares.len() >= MAX_SHARES {
            return Err(ApiError::new(
                429,
                "RATE_LIMIT_EXCEEDED",
                format!("a session is shared at most {MAX_SHARES} times; take a share back first"),
            ));
        }
        shares.insert(
            id,
            Share {
                token: Digest::of(&token),
                expires_ms,
            },
        );
        Ok(NewShare {
            id,
            token,
            expires_ms,
        })
    }

    /// Another token for a share in place of the one that it had. `None` where there is none of this id.
    pub fn renew_share(
        &mut self,
        session: &SessionInfo,
        share: u64,
        now_ms: u64,
    ) -> Result<Option<String>, ApiError> {
        let tokens = self.of.get_mut(&session.id);
        let tokens = tokens.filter(|tokens| tokens.number == session.number);
        let share_of = tokens.and_then(|tokens| tokens.shares.get_mut(&share));
        let Some(known) = share_of.filter(|known| !known.has_expired(now_ms)) else {
            return Ok(None);
        };
        let token = share_token(session, share)?;
        known.token = Digest::of(&token);
        Ok(Some(token))
    }

    /// Whether a text is made like these tokens. Nobody guesses one: each has 256 bits of chance.
    pub fn is_alike(text: &str) -> bool {
        let mut parts = text.splitn(3, '-');
        let [Some(kind), Some(id), Some(rest)] = [(); 3].map(|()| parts.next()) else {
            return false;
        };
        let letters = match kind {
            "o" => SECRET_LETTERS,
            "s" => 16 + 1 + SECRET_LETTERS,
            _ => return false,
        };
        Uuid::try_parse(id).is_ok() && rest.len() == letters
    }

    /// Takes a share back. False where there is none of this id.
    pub fn revoke(&mut self, session: &SessionInfo, share: u64) -> bool {
        let tokens = self.of.get_mut(&session.id);
        tokens.is_some_and(|tokens| {
            tokens.number == session.number && tokens.shares.remove(&share).is_some()
        })
    }

    /// The tokens of a session as they are written down: hashes.
    pub fn text(&self, id: Uuid) -> Option<String> {
        let tokens = self.of.get(&id)?;
        let share = |(id, share): (&u64, &Share)| WrittenShare {
            id: *id,
            token: share.token.to_text(),
            expires_ms: share.expires_ms,
        };
        let written = Written {
            owner: tokens.owner.map(Digest::to_text),
            shares: tokens.shares.iter().map(share).collect(),
        };
        serde_json::to_string(&written).ok()
    }

    /// Brings the tokens of a session back from what was written down. What can't be read is good for nothing.
    pub fn restore(&mut self, session: &SessionInfo, text: &str) {
        let Ok(written) = serde_json::from_str::<Written>(text) else {
            log::warn!("the tokens of session {} can't be read", session.id);
            return;
        };
        let shares = written.shares.into_iter().filter_map(|share| {
            let token = Digest::from_text(&share.token)?;
            let expires_ms = share.expires_ms;
            Some((share.id, Share { token, expires_ms }))
        });
        let tokens = Tokens {
            number: session.number,
            owner: written.owner.as_deref().and_then(Digest::from_text),
            shares: shares.collect(),
        };
        self.of.insert(session.id, tokens);
    }

    /// What a token is good for now, and until when.
    pub fn find(
        &self,
        token: &str,
        now_ms: u64,
        session: impl FnOnce(Uuid) -> Option<SessionInfo>,
    ) -> Option<(Pass, Option<u64>)> {
        let mut parts = token.splitn(4, '-');
        let kind = parts.next()?;
        let id = Uuid::try_parse(parts.next()?).ok()?;
        let tokens = self.of.get(&id)?;
        if session(id)?.number != tokens.number {
            return None;
        }
        let given = Digest::of(token);
        let pass = |owns| Pass {
            id,
            number: tokens.number,
            owns,
        };
        match kind {
            "o" => (tokens.owner == Some(given)).then_some((pass(true), None)),
            "s" => {
                let share = u64::from_str_radix(parts.next()?, 16).ok()?;
                let share = tokens.shares.get(&share)?;
                let is_good = share.token == given && !share.has_expired(now_ms);
                is_good.then_some((pass(false), share.expires_ms))
            }
            _ => None,
        }
    }

    /// Whether a token that was good for this still is.
    pub fn holds(
        &self,
        pass: Pass,
        token: Digest,
        now_ms: u64,
        session: impl FnOnce(Uuid) -> Option<SessionInfo>,
    ) -> bool {
        let number = session(pass.id).map(|session| session.number);
        let tokens = self.of.get(&pass.id);
        tokens.is_some_and(|tokens| {
            let mut shares = tokens.shares.values();
            (tokens.number, number) == (pass.number, Some(pass.number))
                && match pass.owns {
                    true => tokens.owner == Some(token),
                    false => shares.any(|share| share.token == token && !share.has_expired(now_ms)),
                }
        })
    }

    fn tokens(
        &mut self,
        session: &SessionInfo,
        mut is_known: impl FnMut(Uuid) -> bool,
    ) -> &mut Tokens {
        if self.of.len() >= self.crowd.max(FEW_SESSIONS) {
            self.of.retain(|id, _| is_known(*id));
            self.crowd = 2 * self.of.len();
        }
        let new = || Tokens {
            number: session.number,
            owner: None,
            shares: BTreeMap::new(),
        };
        let tokens = self.of.entry(session.id).or_insert_with(new);
        if tokens.number != session.number {
            *tokens = new();
        }
        tokens
    }
}

impl Share {
    fn has_expired(&self, now_ms: u64) -> bool {
        self.expires_ms
            .is_some_and(|expires_ms| expires_ms <= now_ms)
    }
}

fn share_token(session: &SessionInfo, share: u64) -> Result<String, ApiError> {
    let secret = random_text().map_err(no_random)?;
    Ok(format!("s-{}-{share:016x}-{secret}", session.id.simple()))
}

fn no_random(error: getrandom::Error) -> ApiError {
    log::error!("no random bytes: {error}");
    ApiError::overload("the server has no random bytes to make a token of")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::testing::endpoint;
    use pulsewheel::progress::SessionOptions;

    fn pass(session: &SessionInfo, owns: bool) -> Pass {
        Pass {
            id: session.id,
            number: session.number,
            owns,
        }
    }

    #[test]
    fn tokens_end_with_their_session_and_with_their_time() {
        let mut endpoint = endpoint();
        let id = Uuid::from_u128(7);
        let mut new_session = || {
            let mut sessions = endpoint.progress();
            if sessions.session_status(id).is_ok() {
                sessions.complete_session(id, Default::default()).unwrap();
                sessions.cleanup(id).unwrap();
            }
            let options = SessionOptions::default();
            sessions.create_session_with_id(id, options).unwrap();
            sessions.info(id).unwrap()
        };
        let (first, second) = (new_session(), new_session());
        let mut tokens = SessionTokens::default();
        let owner = tokens.issue_owner(&first, |_| true).unwrap();
        let share = tokens.share(&first, 0, Some(5), |_| true).unwrap();
        for token in [&owner, &share.token] {
            assert!(SessionTokens::is_alike(token), "{token}");
            assert!(!SessionTokens::is_alike(&token[1..]));
            assert!(!SessionTokens::is_alike(&token[..40]));
        }
        let find = |tokens: &SessionTokens, token: &str, now_ms| {
            tokens.find(token, now_ms, |_| Some(first.clone()))
        };
        assert_eq!(find(&tokens, &owner, 9), Some((pass(&first, true), None)));
        let seen = Some((pass(&first, false), Some(5)));
        assert_eq!(find(&tokens, &share.token, 4), seen);
        assert_eq!(find(&tokens, &share.token, 5), None);
        for (token, session) in [(&owner, Some(second.clone())), (&owner, None)] {
            assert_eq!(tokens.find(token, 0, |_| session.clone()), None);
        }
        for guess in [
            owner.replacen("o-", "s-", 1),
            share.token.replacen("s-", "o-", 1),
            format!("{owner}x"),
            format!("o-{}-", id.simple()),
            String::new(),
        ] {
            assert_eq!(find(&tokens, &guess, 0), None, "{guess}");
        }
        for session in [&first, &second] {
            assert_eq!(tokens.renew_share(session, 7, 4), Ok(None));
        }
        assert_eq!(tokens.renew_share(&second, share.id, 4), Ok(None));
        assert_eq!(tokens.renew_share(&first, share.id, 5), Ok(None), "expired");
        let renewed = tokens.renew_share(&first, share.id, 4).unwrap().unwrap();
        assert_eq!(find(&tokens, &share.token, 4), None);
        assert_eq!(find(&tokens, &renewed, 4), seen);
        assert!(!tokens.revoke(&second, share.id));
        assert!(tokens.revoke(&first, share.id));
        assert!(!tokens.revoke(&first, share.id));
        assert_eq!(find(&tokens, &share.token, 0), None);
        let renewed = tokens.issue_owner(&first, |_| true).unwrap();
        assert_eq!(find(&tokens, &owner, 0), None);
        assert!(find(&tokens, &renewed, 0).is_some());
        tokens.issue_owner(&second, |_| true).unwrap();
        assert_eq!(find(&tokens, &renewed, 0), None);
    }

    #[test]
    fn tokens_come_back_from_what_was_written_down() {
        let mut endpoint = endpoint();
        let options = SessionOptions::default();
        let id = endpoint.progress().create_session(options).unwrap();
        let session = endpoint.progress().info(id).unwrap();
        let mut tokens = SessionTokens::default();
        let owner = tokens.issue_owner(&session, |_| true).unwrap();
        let share = tokens.share(&session, 0, Some(5), |_| true).unwrap();
        let text = tokens.text(id).unwrap();
        assert!(!text.contains(&owner) && !text.contains(&share.token));

        let mut restored = SessionTokens::default();
        restored.restore(&session, "damaged");
        let find = |tokens: &SessionTokens, token: &str, now_ms| {
            tokens.find(token, now_ms, |_| Some(session.clone()))
        };
        assert_eq!(find(&restored, &owner, 0), None);
        restored.restore(&session, &text);
        assert_eq!(
            find(&restored, &owner, 9),
            Some((pass(&session, true), None))
        );
        let seen = Some((pass(&session, false), Some(5)));
        assert_eq!(find(&restored, &share.token, 4), seen);
        assert_eq!(find(&restored, &share.token, 5), None);
        assert_eq!(restored.text(id), Some(text));
    }

    #[test]
    fn tokens_of_sessions_that_are_gone_are_let_go_of() {
        let mut endpoint = endpoint();
        let mut tokens = SessionTokens::default();
        let options = SessionOptions::default();
        let first = endpoint.progress().create_session(options).unwrap();
        let mut session = endpoint.progress().info(first).unwrap();
        for number in 0..1_000 {
            session.id = Uuid::from_u128(number);
            tokens
                .issue_owner(&session, |id| id.as_u128() + 10 > number)
                .unwrap();
            assert!(tokens.of.len() <= FEW_SESSIONS);
        }
    }

    #[test]
    fn a_session_is_shared_so_often_and_no_more() {
        let mut endpoint = endpoint();
        let mut tokens = SessionTokens::default();
        let options = SessionOptions::default();
        let id = endpoint.progress().create_session(options).unwrap();
        let session = endpoint.progress().info(id).unwrap();
        for _ in 0..MAX_SHARES {
            tokens.share(&session, 0, Some(5), |_| true).unwrap();
        }
        let refused = tokens.share(&session, 4, None, |_| true);
        assert_eq!(refused.err().map(|error| error.status), Some(429));
        assert!(tokens.share(&session, 5, None, |_| true).is_ok());
    }
}
