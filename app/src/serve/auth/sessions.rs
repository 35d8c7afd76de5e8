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

/// Shares that a session may have at a time, all sessions of one owner, and all together.
const MAX_SHARES: usize = 100;
const MAX_SHARES_OF_OWNER: usize = 1_000;
const MAX_SHARES_OF_ALL: usize = 4_000;

/// Seconds after which it is worth another try where there are too many: shares end when somebody takes them back.
const WAIT_S: u64 = 60;

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
            let message =
                format!("a session is shared at most {MAX_SHARES} times; take a share back first");
            return Err(ApiError::rate_limit(message, WAIT_S));
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

    /// Refuses one more share of this owner's sessions where there are as many as may be. `info` tells whose a session is.
    pub fn check_room(
        &self,
        owner: Option<&str>,
        mut info: impl FnMut(Uuid) -> Option<SessionInfo>,
    ) -> Result<(), ApiError> {
        let (mut of_all, mut of_owner) = (0, 0);
        for (id, tokens) in self.of.iter().filter(|(_, it)| !it.shares.is_empty()) {
            let session = info(*id).filter(|session| session.number == tokens.number);
            if let Some(session) = session {
                of_all += tokens.shares.len();
                of_owner += match session.owner() == owner {
                    true => tokens.shares.len(),
                    false => 0,
                };
            }
        }
        if of_owner >= MAX_SHARES_OF_OWNER {
            let message = "1,000 shares of your sessions hold; take some back first";
            return Err(ApiError::rate_limit(message, WAIT_S));
        }
        if of_all >= MAX_SHARES_OF_ALL {
            return Err(ApiError::overload("too many shares hold, try again later"));
        }
        Ok(())
    }

    /// Lets go of the shares whose time is over. Gives the sessions that had some.
    pub fn forget_expired(&mut self, now_ms: u64) -> Vec<Uuid> {
        let had_some = self.of.iter_mut().filter_map(|(id, tokens)| {
            let before = tokens.shares.len();
            tokens.shares.retain(|_, share| !share.has_expired(now_ms));
            (tokens.shares.len() < before).then_some(*id)
        });
        had_some.collect()
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
mod tests;
