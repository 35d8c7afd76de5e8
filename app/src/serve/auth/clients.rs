//! Clients of Socket.IO: who is let in, what is done for whom, and who has to go.

use std::sync::Arc;

use pulsewheel::http::Request;
use pulsewheel::progress::{Command, ErrorCode, ProgressError};
use pulsewheel::{
    Admission, AdmissionId, Args, CommandId, ConnectError, ConnectId, Endpoint, PeerAddr, SocketId,
    Target,
};
use serde::Deserialize;
use uuid::Uuid;

use super::credentials::{Credential, SessionCredential};
use super::{lock, Auth, Caller};
use crate::serve::answer::ApiError;

/// The program's timers: the credentials of some client may have ended.
pub const SWEEP: u64 = 1;

const NAMESPACE: &str = "/";

/// Who a client is, kept with its socket.
#[derive(Clone)]
struct Client {
    caller: Arc<Caller>,
    credential: Credential,
    /// The tokens by which it tracks sessions that it could not know of without them.
    tracks_by: Vec<SessionCredential>,
}

/// What the request that opened a client's session said of it.
struct Opened {
    client: Result<Client, ApiError>,
    peer: PeerAddr,
}

/// The auth payload, as far as it is read.
#[derive(Default, Deserialize)]
struct Shown {
    token: Option<String>,
}

impl Auth {
    /// A request wants to open a session, and may as far as has been `checked`.
    pub fn admit(
        &self,
        endpoint: &mut Endpoint,
        ticket: AdmissionId,
        head: &Request,
        peer: PeerAddr,
        checked: Result<(), ApiError>,
    ) {
        let admission = match checked.and_then(|()| self.check_direct(head)) {
            Ok(()) => {
                let client = self.by_head(endpoint, head, peer).map(Client::new);
                let _ = endpoint.set_request_data(ticket, Opened { client, peer });
                Admission::accept()
            }
            Err(error) => {
                log::warn!("refused {} {peer} over Socket.IO", error.code);
                Admission::refuse(error.message)
            }
        };
        // Whoever asked may have gone.
        let _ = endpoint.admit(ticket, admission);
    }

    /// A client wants to join a namespace.
    pub fn connect(
        &self,
        endpoint: &mut Endpoint,
        ticket: ConnectId,
        namespace: &str,
        payload: &Args,
    ) {
        if namespace != NAMESPACE {
            let error = ConnectError::new("Invalid namespace");
            let _ = endpoint.refuse_connect(ticket, &error);
            return;
        }
        let Some(opened) = endpoint.connect_session_data::<Opened>(ticket) else {
            return;
        };
        let (by_request, peer) = (opened.client.clone(), opened.peer);
        let shown = payload
            .raw(0)
            .and_then(|text| serde_json::from_str::<Shown>(text).ok());
        let client = match shown.unwrap_or_default().token {
            Some(token) if !self.is_open() => {
                self.by_token(endpoint, &token, peer).map(Client::new)
            }
            _ => by_request,
        };
        // What the request showed may have lost its worth since.
        let client = client.and_then(|client| match client.may_stay(self, endpoint) {
            true => Ok(client),
            false => Err(ApiError::auth_required()),
        });
        let client = match client {
            Ok(client) => client,
            Err(refusal) => {
                log::warn!("refused {} {peer} over Socket.IO", refusal.code);
                let error = ConnectError::new(refusal.message);
                let data = serde_json::json!({ "code": refusal.code });
                let error = error.clone().with_data(&data).unwrap_or(error);
                let _ = endpoint.refuse_connect(ticket, &error);
                return;
            }
        };
        let owner = client.caller.owner.as_deref().unwrap_or_default();
        let _ = endpoint.set_connect_owner(ticket, owner);
        let _ = endpoint.set_connect_sight(ticket, client.caller.sight());
        self.sweep_for(endpoint, &client.credential);
        let _ = endpoint.set_connect_data(ticket, client);
        let _ = endpoint.accept_connect(ticket);
    }

    /// A client asks something of progress sessions.
    pub fn command(
        &self,
        endpoint: &mut Endpoint,
        ticket: CommandId,
        socket: SocketId,
        command: &Command,
    ) {
        let Some(client) = endpoint.data::<Client>(socket).cloned() else {
            return;
        };
        if !client.may_stay(self, endpoint) {
            let _ = endpoint.disconnect(socket, true);
            return;
        }
        let token = endpoint.progress().command_token(ticket).map(str::to_owned);
        let caller = client.caller;
        let shown = match token.filter(|_| !self.is_open()) {
            None => None,
            Some(token) => match self.by_session_token(endpoint, &token) {
                Some(found) => Some(found),
                None => {
                    log::warn!("refused AUTH_REQUIRED a command to {}", caller.name());
                    let error = ProgressError::new(
                        ErrorCode::AuthRequired,
                        "the token that came along is not known here or has expired",
                    );
                    let _ = endpoint.progress().refuse(ticket, &error);
                    return;
                }
            },
        };
        if let (Command::Track { id }, Some(shown)) = (command, shown) {
            self.note_token(endpoint, socket, &caller, *id, shown);
        }
        let caller = Caller {
            pass: shown.map_or(caller.pass, |shown| Some(shown.pass)),
            ..(*caller).clone()
        };
        // Refused means that a client has gone meanwhile.
        let _ = match command {
            Command::List { .. } => {
                let tracked = endpoint.progress().tracked(socket);
                endpoint.progress().decide(ticket, |session| {
                    caller.sees(session, true)
                        || caller.sees(session, false) && tracked.contains(&session.id)
                })
            }
            Command::Cancel { id, .. } => {
                let session = endpoint.progress().info(*id);
                let may_know = session.is_some_and(|session| {
                    caller.sees(&session, false) && !caller.changes(&session)
                });
                if may_know {
                    log::warn!("refused FORBIDDEN cancel_session {id} to {}", caller.name());
                    let error = ProgressError::new(
                        ErrorCode::Forbidden,
                        "this session is changed by its owner, or with its ownerToken",
                    );
                    endpoint.progress().refuse(ticket, &error)
                } else {
                    log::info!("cancel_session {id} by {}", caller.name());
                    endpoint
                        .progress()
                        .decide(ticket, |session| caller.sees(session, false))
                }
            }
            Command::Track { .. } | Command::Untrack { .. } => endpoint
                .progress()
                .decide(ticket, |session| caller.sees(session, false)),
        };
    }

    /// The timer of [`SWEEP`] has fired.
    pub fn sweep_due(&self, endpoint: &mut Endpoint) {
        *lock(&self.next_sweep) = None;
        self.sweep(endpoint);
    }

    /// Disconnects all whose credentials hold no more.
    pub fn sweep(&self, endpoint: &mut Endpoint) {
        let Ok(namespace) = endpoint.namespace(NAMESPACE) else {
            return;
        };
        for socket in endpoint.fetch_sockets(&Target::namespace(namespace)) {
            let Some(client) = endpoint.data::<Client>(socket).cloned() else {
                continue;
            };
            if !client.may_stay(self, endpoint) {
                let _ = endpoint.disconnect(socket, true);
                continue;
            }
            self.sweep_for(endpoint, &client.credential);
            for token in client.tracks_by {
                let (id, credential) = (token.pass.id, Credential::Session(token));
                if self.holds(endpoint, &client.caller, &credential) {
                    self.sweep_for(endpoint, &credential);
                } else {
                    endpoint.progress().untrack(socket, id);
                    if let Some(client) = endpoint.data_mut::<Client>(socket) {
                        client.tracks_by.retain(|token| token.pass.id != id);
                    }
                }
            }
        }
    }

    /// Keeps in mind the token by which a client is about to track a session, if it needs one: it tracks no longer than that holds.
    fn note_token(
        &self,
        endpoint: &mut Endpoint,
        socket: SocketId,
        caller: &Caller,
        id: Uuid,
        token: SessionCredential,
    ) {
        let session = endpoint.progress().info(id);
        let needs_it = session.is_some_and(|session| !caller.sees(&session, false));
        if !needs_it || token.pass.id != id {
            return;
        }
        self.sweep_for(endpoint, &Credential::Session(token));
        let tracked = endpoint.progress().tracked(socket);
        if let Some(client) = endpoint.data_mut::<Client>(socket) {
            let is_other = |known: &SessionCredential| known.pass.id != id;
            client
                .tracks_by
                .retain(|known| is_other(known) && tracked.contains(&known.pass.id));
            client.tracks_by.push(token);
        }
    }

    /// Has clients looked at when this credential may have ended. There is one timer for all of them, however often they come.
    fn sweep_for(&self, endpoint: &mut Endpoint, credential: &Credential) {
        let now = endpoint.now();
        let Some(after) = credential.next_look(now.unix_ms) else {
            return;
        };
        let due_ms = now.mono_ms + u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        let mut next = lock(&self.next_sweep);
        if next.is_some_and(|(next_ms, _)| next_ms <= due_ms) {
            return;
        }
        let later = next.replace((due_ms, endpoint.schedule(after, SWEEP)));
        if let Some((_, timer)) = later {
            endpoint.unschedule(timer);
        }
    }
}

impl Client {
    fn may_stay(&self, auth: &Auth, endpoint: &mut Endpoint) -> bool {
        auth.holds(endpoint, &self.caller, &self.credential)
    }

    fn new((caller, credential): (Caller, Credential)) -> Client {
        Client {
            caller: Arc::new(caller),
            credential,
            tracks_by: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::auth::secret::Digest;
    use crate::serve::auth::Pass;
    use crate::serve::testing::endpoint;
    use pulsewheel::{Event, Now, Work};

    fn credential(expires_ms: Option<u64>) -> Credential {
        Credential::Session(SessionCredential {
            pass: Pass {
                id: Uuid::nil(),
                number: 1,
                owns: false,
            },
            expires_ms,
            token: Digest::of("token"),
        })
    }

    /// How many sweeps are due at a time.
    fn due(endpoint: &mut Endpoint, ms: u64) -> usize {
        let now = Now {
            mono_ms: ms,
            unix_ms: ms,
        };
        endpoint.on_polled(ms, true);
        let mut count = 0;
        while !matches!(endpoint.next_work(now), Work::Wait(_)) {
            while let Some(event) = endpoint.poll_event() {
                count += usize::from(matches!(event, Event::Timer { token: SWEEP, .. }));
            }
        }
        count
    }

    #[test]
    fn clients_that_come_and_go_leave_one_timer() {
        let mut endpoint = endpoint();
        let auth = Auth::open(None, false).unwrap();
        for expires_ms in (2_000..3_000).rev().chain(2_000..3_000) {
            auth.sweep_for(&mut endpoint, &credential(Some(expires_ms)));
        }
        assert_eq!(due(&mut endpoint, 1_999), 0);
        assert_eq!(due(&mut endpoint, 2_001), 1);
        auth.sweep_due(&mut endpoint);
        assert_eq!(due(&mut endpoint, 1_000_000), 0);
    }

    #[test]
    fn the_clock_and_the_end_of_sessions_are_looked_at_every_minute() {
        let mut endpoint = endpoint();
        let auth = Auth::open(None, false).unwrap();
        for (begin_ms, expires_ms) in [(1, None), (100_000, Some(u64::MAX - 1))] {
            due(&mut endpoint, begin_ms);
            auth.sweep_for(&mut endpoint, &credential(expires_ms));
            assert_eq!(due(&mut endpoint, begin_ms + 59_999), 0);
            assert_eq!(due(&mut endpoint, begin_ms + 60_001), 1);
            auth.sweep_due(&mut endpoint);
        }
    }
}
