//! Who may come in, and as whom.
//!
//! Without a token file everybody is an admin: the server is for this machine alone then, and
//! refuses what a proxy has passed on. With one, each request and each client of Socket.IO
//! shows a token of the file, a login that was made with one, or the token of a session.

mod caller;
mod clients;
mod credentials;
mod file;
mod guesses;
mod logins;
mod secret;
mod sessions;
mod tokens;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pulsewheel::http::{Request, Response};
use pulsewheel::progress::SessionInfo;
use pulsewheel::{Endpoint, Handle, PeerAddr, RequestId, TimerId};
use serde_json::json;
use uuid::Uuid;

use self::file::Line;
use self::guesses::Guesses;
use self::logins::{no_cookie, Logins};
use self::sessions::SessionTokens;
use super::answer::{json_text, private, ApiError};

pub use caller::{Caller, Pass, Role};
pub use clients::SWEEP;
pub use file::TokenFileError;

/// What proxies add to requests that they pass on.
const PROXIED: [&str; 3] = ["Forwarded", "X-Forwarded-For", "X-Real-IP"];

/// All who may come in. Shared by the loop and the thread that hears signals; held for
/// moments only.
pub struct Auth {
    /// The token file; `None` where everybody is an admin.
    path: Option<PathBuf>,
    /// Whether everybody is one, proxies or not.
    is_insecure: bool,
    lines: Mutex<Arc<[Line]>>,
    sessions: Mutex<SessionTokens>,
    /// `None` where everybody is an admin.
    logins: Option<Logins>,
    /// What was shown to log in, and what in requests and by clients.
    shown_at_login: Mutex<Guesses>,
    shown: Mutex<Guesses>,
    /// When clients are looked at next whose credentials end by themselves, where there are any.
    next_sweep: Mutex<Option<(u64, TimerId)>>,
}

impl Auth {
    /// Reads the token file, if there is one.
    pub fn open(path: Option<&Path>, is_insecure: bool) -> Result<Auth, TokenFileError> {
        let lines = path.map(file::read).transpose()?;
        Ok(Auth {
            path: path.map(Path::to_path_buf),
            is_insecure,
            lines: Mutex::new(lines.unwrap_or_default().into()),
            sessions: Mutex::default(),
            logins: None,
            shown_at_login: Mutex::default(),
            shown: Mutex::default(),
            next_sweep: Mutex::default(),
        })
    }

    /// Brings the logins of the run before back, where there is a token file.
    pub fn restore_logins(&mut self, directory: &Path) -> io::Result<()> {
        if !self.is_open() {
            self.logins = Some(Logins::open(directory, &self.lines())?);
        }
        Ok(())
    }

    /// Begins to write logins down.
    pub fn keep_logins(&self, handle: Handle) -> io::Result<()> {
        let logins = self.logins.as_ref();
        logins.map_or(Ok(()), |logins| logins.start(handle))
    }

    /// Who may come in, for the log.
    pub fn told(&self) -> String {
        match self.lines().len() {
            0 => "no token file: everybody who reaches the server is an admin".to_owned(),
            count => format!("{count} tokens let in"),
        }
    }

    /// Whether everybody is an admin.
    pub fn is_open(&self) -> bool {
        self.path.is_none()
    }

    /// Reads the token file again; a faulty one changes nothing. Not for the loop's thread.
    /// True where clients may have lost what they came in by.
    pub fn reread(&self) -> bool {
        let Some(path) = &self.path else {
            return false;
        };
        match file::read(path) {
            Ok(lines) => {
                log::info!("{} is read again: {} tokens", path.display(), lines.len());
                let lines: Arc<[Line]> = lines.into();
                *lock(&self.lines) = lines.clone();
                self.end_logins(&lines);
                true
            }
            Err(error) => {
                log::error!(
                    "{}: {error}; what was read before still holds",
                    path.display()
                );
                false
            }
        }
    }

    /// Refuses what a proxy has passed on to a server that asks nobody who he is.
    pub fn check_direct(&self, head: &Request) -> Result<(), ApiError> {
        let is_proxied = || PROXIED.iter().any(|name| head.header(name).is_some());
        if self.is_open() && !self.is_insecure && is_proxied() {
            return Err(ApiError::forbidden(
                "a proxy stands in front of this server, which asks nobody for a token; start it with --token-file FILE",
            ));
        }
        Ok(())
    }

    /// Exchanges a token for a cookie. `None` where the answer comes later: when the login is written down.
    pub fn log_in(
        &self,
        endpoint: &mut Endpoint,
        request: RequestId,
        token: &str,
        peer: PeerAddr,
        is_secure: bool,
    ) -> Result<Option<Response>, ApiError> {
        let answer = private(Response::empty(204));
        let Some(logins) = &self.logins else {
            return Ok(Some(answer));
        };
        let now_ms = endpoint.now().unix_ms;
        let line = self.find_shown(&self.shown_at_login, token, peer, now_ms)?;
        let line = line.ok_or_else(ApiError::auth_required)?;
        let login = logins.begin(&line, now_ms, is_secure)?;
        let answer = answer.with_header("Set-Cookie", login.set_cookie);
        if let Err(error) = logins.write(Some((request, answer))) {
            logins.end(login.cookie);
            return Err(error);
        }
        if login.has_ended_another {
            self.sweep(endpoint);
        }
        log::info!(
            "login as {} {:?} from {peer}",
            line.role.as_str(),
            line.owner
        );
        Ok(None)
    }

    /// Ends the login of a browser, for whoever has a copy of its cookie too. `None` where the answer comes later.
    pub fn log_out(
        &self,
        endpoint: &mut Endpoint,
        request: RequestId,
        head: &Request,
        peer: PeerAddr,
    ) -> Result<Option<Response>, ApiError> {
        let cookie = no_cookie(is_secure(endpoint, head));
        let answer = private(Response::empty(204)).with_header("Set-Cookie", cookie);
        let now_ms = endpoint.now().unix_ms;
        let logins = self.logins.as_ref();
        let found = logins.and_then(|logins| Some((logins, logins.find(head, now_ms)?)));
        let Some((logins, login)) = found else {
            return Ok(Some(answer));
        };
        logins.end(login.cookie);
        self.sweep(endpoint);
        log::info!("logout from {peer}");
        logins.write(Some((request, answer)))?;
        Ok(None)
    }

    /// Ends the logins whose lines are not among these any more.
    fn end_logins(&self, lines: &[Line]) {
        let Some(logins) = &self.logins else {
            return;
        };
        // What can't be written now has no line at the next start either.
        if logins.keep_those_of(lines) {
            let _ = logins.write(None);
        }
    }

    /// What may be done by whoever asks, as JSON.
    pub fn answer_whoami(&self, caller: &Caller) -> Response {
        let body = json!({
            "role": caller.role.map(Role::as_str),
            "loginRequired": !self.is_open(),
        });
        json_text(200, body.to_string())
    }

    fn lines(&self) -> Arc<[Line]> {
        lock(&self.lines).clone()
    }
}

/// The session of this id, if whoever asks may know of it by its id.
pub fn seen(
    endpoint: &mut Endpoint,
    caller: &Caller,
    id: Uuid,
) -> Result<Option<SessionInfo>, ApiError> {
    match endpoint.progress().info(id) {
        Some(session) if !caller.sees(&session, false) => Err(ApiError::no_session(id)),
        // What is not there is told by whatever looks for it.
        session => Ok(session),
    }
}

/// The same, if it may change it.
pub fn changed(endpoint: &mut Endpoint, caller: &Caller, id: Uuid) -> Result<(), ApiError> {
    match seen(endpoint, caller, id)? {
        Some(session) if !caller.changes(&session) => Err(ApiError::forbidden(
            "this session is changed by its owner, or with its ownerToken",
        )),
        _ => Ok(()),
    }
}

/// Whether a page says that it was loaded by TLS, or a proxy does, where one is trusted. Who claims that wrongly gets a cookie
/// that his browser does not send back.
pub fn is_secure(endpoint: &Endpoint, head: &Request) -> bool {
    let origin = head.header("Origin").unwrap_or_default();
    let protocol = head.header("X-Forwarded-Proto").unwrap_or_default();
    let is_behind_proxy = !endpoint.config().trusted_proxies.is_empty();
    origin.starts_with("https://") || is_behind_proxy && protocol.eq_ignore_ascii_case("https")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves nothing half done in here.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
