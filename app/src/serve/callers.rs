//! How much of the server one caller may have: sessions at work, requests a second, uploads.
//!
//! A caller is the owner of a token, else the address that a request comes from; of IPv6 the first 64 bits count, and all
//! of the machine itself is one. Nothing is kept of a caller who has nothing and has done nothing of late.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Instant;

use pulsewheel::progress::{SessionInfo, Status};
use pulsewheel::{Endpoint, PeerAddr};
use uuid::Uuid;

use super::answer::ApiError;
use super::auth::Caller;
use super::route::Verb;
use crate::import::MAX_IMPORTS;

/// Sessions at work of one caller.
const MAX_SESSIONS: usize = 900;
/// Callers from which on it is worth a look who of them has nothing.
const FEW_CALLERS: usize = 64;

/// Why a session ends that gives way to a new one of its caller.
const EVICTED: &str = "evicted";

/// Who has something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallerId {
    Owner(Arc<str>),
    /// The machine itself.
    Local,
    Network(Ipv6Addr),
    Unknown,
}

/// What is limited by a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Create,
    Update,
    Alert,
}

/// What all callers have.
pub struct Callers {
    began: Instant,
    /// When the bucket of a caller is full again, in microseconds.
    full_at_us: BTreeMap<(CallerId, Kind), u64>,
    /// How many buckets make it worth a look which of them are full again.
    many_buckets: usize,
    /// The sessions that a caller has created, the oldest first; some may have ended.
    sessions: BTreeMap<CallerId, VecDeque<Uuid>>,
    /// How many callers make it worth a look who of them has no session at work.
    many_callers: usize,
}

impl CallerId {
    pub fn of(caller: &Caller) -> CallerId {
        match &caller.owner {
            Some(owner) => CallerId::Owner(owner.clone()),
            None => CallerId::at(caller.peer),
        }
    }

    /// Who asks from an address.
    pub fn at(peer: PeerAddr) -> CallerId {
        if peer.is_local() {
            return CallerId::Local;
        }
        match peer.ip() {
            Some(IpAddr::V4(address)) => CallerId::Network(address.to_ipv6_mapped()),
            Some(IpAddr::V6(address)) => {
                CallerId::Network((u128::from(address) & !u128::from(u64::MAX)).into())
            }
            None => CallerId::Unknown,
        }
    }

    /// Uploads that it may have at a time. One place is kept for others, but the machine itself may have all.
    pub fn max_uploads(&self) -> usize {
        match self {
            CallerId::Local => MAX_IMPORTS,
            _ => MAX_IMPORTS - 1,
        }
    }
}

impl Kind {
    /// So many at once, and as many again in so many microseconds.
    fn rate(self) -> (u64, u64) {
        match self {
            Kind::Create => (100, 1_000_000),
            Kind::Update => (1_000, 1_000_000),
            Kind::Alert => (10, 60_000_000),
        }
    }

    fn of(verb: &Verb) -> Option<Kind> {
        match verb {
            Verb::CreateSession => Some(Kind::Create),
            Verb::UpdateProgress(_) => Some(Kind::Update),
            Verb::SystemAlert => Some(Kind::Alert),
            _ => None,
        }
    }

    fn refusal(self, retry_after_s: u64) -> ApiError {
        let message = match self {
            Kind::Create => "100 sessions a second may be created, and no more",
            Kind::Update => "1,000 updates a second may be made, and no more",
            Kind::Alert => "10 alerts a minute may be sent, and no more",
        };
        ApiError::rate_limit(message, retry_after_s)
    }
}

impl Default for Callers {
    fn default() -> Self {
        Callers {
            began: Instant::now(),
            full_at_us: BTreeMap::new(),
            many_buckets: FEW_CALLERS,
            sessions: BTreeMap::new(),
            many_callers: FEW_CALLERS,
        }
    }
}

impl Callers {
    /// Counts a verb of a caller, or refuses it.
    pub fn begin(&mut self, caller: &Caller, verb: &Verb) -> Result<(), ApiError> {
        let now_us = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        match Kind::of(verb) {
            Some(kind) => self.take(&CallerId::of(caller), kind, now_us),
            None => Ok(()),
        }
    }

    /// Which session of a caller, who has as many as it may, gives way to one that it creates: the oldest that was never used.
    pub fn surplus(
        &mut self,
        endpoint: &mut Endpoint,
        caller: &Caller,
    ) -> Result<Option<Uuid>, ApiError> {
        let Some(ids) = self.sessions.get_mut(&CallerId::of(caller)) else {
            return Ok(None);
        };
        if ids.len() >= MAX_SESSIONS {
            ids.retain(|id| endpoint.progress().session_status(*id) == Ok(Status::Processing));
        }
        if ids.len() < MAX_SESSIONS {
            return Ok(None);
        }
        let unused = ids.iter().find(|id| {
            let info = endpoint.progress().info(**id);
            info.is_some_and(|info| !info.was_updated && !info.is_managed)
        });
        unused.copied().map(Some).ok_or_else(|| {
            let message = "900 sessions of yours are at work; complete, fail or cancel some first";
            ApiError::rate_limit(message, 5)
        })
    }

    /// A caller has created a session; the one that gives way to it does so only now, as a create may be refused.
    pub fn created(
        &mut self,
        endpoint: &mut Endpoint,
        caller: &Caller,
        id: Uuid,
        surplus: Option<Uuid>,
    ) {
        if let Some(surplus) = surplus {
            // It may have given way to the same session before, as one of all callers'.
            let reason = Some(EVICTED.to_owned());
            let _ = endpoint.progress().cancel_session(surplus, reason, None);
        }
        if self.sessions.len() >= self.many_callers {
            self.sessions.retain(|_, ids| {
                ids.iter()
                    .any(|id| endpoint.progress().session_status(*id) == Ok(Status::Processing))
            });
            self.many_callers = FEW_CALLERS.max(2 * self.sessions.len());
        }
        let caller = CallerId::of(caller);
        self.sessions.entry(caller).or_default().push_back(id);
    }

    /// A session is there from before a restart, whose owner goes on to have it. Those of nobody are the machine's own.
    pub fn restored(&mut self, session: &SessionInfo) {
        if session.status == Status::Processing {
            let owner = session.owner().map(|owner| CallerId::Owner(owner.into()));
            let caller = owner.unwrap_or(CallerId::Local);
            self.sessions
                .entry(caller)
                .or_default()
                .push_back(session.id);
        }
    }

    /// Takes one out of a caller's bucket, which holds what [`Kind::rate`] says.
    fn take(&mut self, caller: &CallerId, kind: Kind, now_us: u64) -> Result<(), ApiError> {
        let (count, period_us) = kind.rate();
        if self.full_at_us.len() >= self.many_buckets {
            self.full_at_us.retain(|_, full_at_us| *full_at_us > now_us);
            self.many_buckets = FEW_CALLERS.max(2 * self.full_at_us.len());
        }
        let key = (caller.clone(), kind);
        let known_us = self.full_at_us.get(&key).copied().unwrap_or(0);
        let full_at_us = known_us.max(now_us) + period_us / count;
        let beyond_us = full_at_us.saturating_sub(now_us + period_us);
        if beyond_us > 0 {
            return Err(kind.refusal(beyond_us.div_ceil(1_000_000)));
        }
        self.full_at_us.insert(key, full_at_us);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulsewheel::progress::{ProgressConfig, SessionOptions};
    use pulsewheel::{Config, Server};

    fn at(address: &str) -> CallerId {
        CallerId::at(address.parse().unwrap())
    }

    #[test]
    fn callers_are_told_apart_by_owner_and_by_network() {
        assert_eq!(at("127.0.0.1:1"), at("[::1]:2"));
        assert_eq!(at("unix"), CallerId::Local);
        assert_eq!(at("[2001:db8::1]:1"), at("[2001:db8::ffff:2]:9"));
        assert_ne!(at("[2001:db8::1]:1"), at("[2001:db8:0:1::1]:1"));
        assert_ne!(at("192.0.2.1:1"), at("192.0.2.2:1"));
        let peer = "192.0.2.1:1".parse().unwrap();
        let named = Caller {
            owner: Some("ci".into()),
            ..Caller::anybody(peer)
        };
        assert_eq!(CallerId::of(&named), CallerId::Owner("ci".into()));
        assert_eq!(CallerId::of(&Caller::anybody(peer)), at("192.0.2.1:1"));
        assert_eq!(
            (at("unix").max_uploads(), at("192.0.2.1:1").max_uploads()),
            (4, 3)
        );
    }

    #[test]
    fn a_bucket_holds_as_much_as_its_time_and_fills_again() {
        for (kind, count, next_us) in [
            (Kind::Create, 100, 10_000),
            (Kind::Update, 1_000, 1_000),
            (Kind::Alert, 10, 6_000_000),
        ] {
            let mut callers = Callers::default();
            let (one, other) = (at("192.0.2.1:1"), at("192.0.2.2:1"));
            for _ in 0..count {
                callers.take(&one, kind, 5).unwrap();
            }
            let refused = callers.take(&one, kind, 5).unwrap_err();
            assert_eq!((refused.status, refused.code), (429, "RATE_LIMIT_EXCEEDED"));
            callers.take(&other, kind, 5).unwrap();
            callers.take(&one, kind, 5 + next_us).unwrap();
            assert!(callers.take(&one, kind, 5 + next_us).is_err());
        }
    }

    #[test]
    fn those_who_have_done_nothing_of_late_are_forgotten() {
        let mut callers = Callers::default();
        for number in 0..100_000_u32 {
            let network = CallerId::Network(Ipv6Addr::from(u128::from(number) << 64));
            let now_us = u64::from(number) * 1_000;
            callers.take(&network, Kind::Create, now_us).unwrap();
        }
        assert!(callers.full_at_us.len() <= 2 * FEW_CALLERS);
    }

    #[test]
    fn beyond_900_sessions_the_oldest_that_was_never_used_gives_way() {
        let mut server = Server::new(Config {
            progress: Some(ProgressConfig::default()),
            ..Config::default()
        })
        .unwrap();
        let endpoint = server.endpoint();
        let caller = Caller::anybody("192.0.2.1:1".parse().unwrap());
        let whose = CallerId::of(&caller);
        let mut callers = Callers::default();
        let create = |callers: &mut Callers, endpoint: &mut Endpoint| {
            let surplus = callers.surplus(endpoint, &caller)?;
            let id = endpoint
                .progress()
                .create_session(SessionOptions::default())?;
            callers.created(endpoint, &caller, id, surplus);
            Ok::<Uuid, ApiError>(id)
        };
        let ids: Vec<Uuid> = (0..MAX_SESSIONS)
            .map(|_| create(&mut callers, endpoint).unwrap())
            .collect();
        let update = |endpoint: &mut Endpoint, id| {
            let mut progress = endpoint.progress();
            progress
                .update_progress(id, 0.1, Default::default())
                .unwrap();
        };
        update(endpoint, ids[0]);
        // One that is refused in the end has cost nothing.
        assert_eq!(callers.surplus(endpoint, &caller), Ok(Some(ids[1])));
        assert!(endpoint.progress().session(ids[1]).is_ok());
        create(&mut callers, endpoint).unwrap();
        let evicted = endpoint.progress().session(ids[1]).unwrap_err();
        assert_eq!(evicted.code.as_str(), "SESSION_CANCELLED");
        assert!(endpoint.progress().session(ids[0]).is_ok());
        // Where all are in use, it is the caller who has to wait.
        assert_eq!(callers.surplus(endpoint, &caller), Ok(Some(ids[2])));
        let all: Vec<Uuid> = callers.sessions[&whose].iter().copied().collect();
        assert_eq!(all.len(), MAX_SESSIONS);
        for id in all.clone() {
            update(endpoint, id);
        }
        assert_eq!(create(&mut callers, endpoint).unwrap_err().status, 429);
        // Another run of the server knows of those that were restored.
        let mut restarted = Callers::default();
        for id in &all {
            restarted.restored(&endpoint.progress().info(*id).unwrap());
        }
        let local = Caller::anybody("127.0.0.1:1".parse().unwrap());
        let refused = restarted.surplus(endpoint, &local).unwrap_err();
        assert_eq!(refused.status, 429);
        endpoint
            .progress()
            .complete_session(ids[5], Default::default())
            .unwrap();
        create(&mut callers, endpoint).unwrap();
    }
}
