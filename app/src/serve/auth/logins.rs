//! The logins of the page: a cookie in place of a token.
//!
//! A cookie is 32 random bytes. Of each its hash is kept, with that of its token's line and its end, in a file of the data
//! directory: a login outlives the server, ends with its line, and a logout ends every copy of its cookie. The file is written by
//! a thread of its own, and whoever logs in or out has the answer when that is done.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{sync_channel, Receiver, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use pulsewheel::http::{Request, Response};
use pulsewheel::{Handle, RequestId};

use super::file::Line;
use super::secret::{random_text, Digest};
use crate::serve::answer::ApiError;
use crate::serve::call::call_surely;

/// The file, in the data directory.
const FILE: &str = "logins";

/// How long a login lasts.
const LASTS: Duration = Duration::from_secs(30 * 24 * 60 * 60);

const COOKIE: &str = "pulsewheel_login";

/// Logins by one line at a time; beyond that its oldest one ends.
const MAX_OF_LINE: usize = 50;
/// Requests that may wait until they are written down.
const MAX_WAITING: usize = 64;

/// A login that holds.
#[derive(Clone, Copy, Debug)]
pub struct Login {
    /// The cookie's hash.
    pub cookie: Digest,
    /// The line's token.
    pub line: Digest,
    pub expires_ms: u64,
}

/// A login that has begun.
pub struct NewLogin {
    /// The value of `Set-Cookie`.
    pub set_cookie: String,
    pub cookie: Digest,
    /// Whether another one has ended for it.
    pub has_ended_another: bool,
}

/// All logins. Shared by the loop and the threads that write and hear signals; held for moments only.
pub struct Logins {
    path: PathBuf,
    known: Arc<Mutex<Known>>,
    writer: OnceLock<SyncSender<Option<(RequestId, Response)>>>,
}

/// Logins by the hashes of their cookies.
type Known = BTreeMap<[u8; 32], Login>;

impl Logins {
    /// Reads what the run before has written of the logins by these lines.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn open(directory: &Path, lines: &[Line]) -> io::Result<Logins> {
        let path = directory.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let logins = Logins {
            known: Arc::new(Mutex::new(parse(&text))),
            path,
            writer: OnceLock::new(),
        };
        logins.keep_those_of(lines);
        Ok(logins)
    }

    /// Begins to write. To be called once, before anybody logs in.
    pub fn start(&self, handle: Handle) -> io::Result<()> {
        let (writer, waiting) = sync_channel(MAX_WAITING);
        let (path, known) = (self.path.clone(), self.known.clone());
        thread::Builder::new()
            .name("logins".to_owned())
            .spawn(move || write_all(&path, &known, &waiting, &handle))?;
        let _ = self.writer.set(writer);
        Ok(())
    }

    /// Begins a login by a line.
    pub fn begin(&self, line: &Line, now_ms: u64, is_secure: bool) -> Result<NewLogin, ApiError> {
        let secret = random_text().map_err(|error| {
            log::error!("no random bytes: {error}");
            ApiError::overload("the server has no random bytes to make a cookie of")
        })?;
        let cookie = Digest::of(&secret);
        let login = Login {
            cookie,
            line: line.token,
            expires_ms: now_ms + ms(LASTS),
        };
        let mut known = self.lock();
        known.retain(|_, login| login.expires_ms > now_ms);
        let of_line = known.values().filter(|other| other.line == line.token);
        let oldest = match of_line.clone().count() >= MAX_OF_LINE {
            true => of_line.min_by_key(|other| other.expires_ms),
            false => None,
        };
        let oldest = oldest.map(|oldest| oldest.cookie.to_bytes());
        let has_ended_another = oldest.is_some_and(|oldest| known.remove(&oldest).is_some());
        known.insert(cookie.to_bytes(), login);
        Ok(NewLogin {
            set_cookie: with_attributes(&secret, LASTS.as_secs(), is_secure),
            cookie,
            has_ended_another,
        })
    }

    /// The login of a request, if it has one that holds.
    pub fn find(&self, head: &Request, now_ms: u64) -> Option<Login> {
        let mut cookies = cookies(head);
        cookies.find_map(|cookie| self.get(Digest::of(cookie), now_ms))
    }

    /// Whether a login still holds, as far as its line does.
    pub fn holds(&self, login: &Login, now_ms: u64) -> bool {
        self.get(login.cookie, now_ms).is_some()
    }

    /// Ends a login. False where there is none of this cookie.
    pub fn end(&self, cookie: Digest) -> bool {
        self.lock().remove(&cookie.to_bytes()).is_some()
    }

    /// Ends all logins but those by these lines. Whether any has ended.
    pub fn keep_those_of(&self, lines: &[Line]) -> bool {
        let mut known = self.lock();
        let before = known.len();
        known.retain(|_, login| lines.iter().any(|line| line.token == login.line));
        known.len() < before
    }

    /// Has all logins written down, and then a request answered, if there is one.
    ///
    /// # Errors
    /// Too many wait for that.
    pub fn write(&self, answer: Option<(RequestId, Response)>) -> Result<(), ApiError> {
        let writer = self.writer.get();
        let sent = writer.is_some_and(|writer| writer.try_send(answer).is_ok());
        match sent {
            true => Ok(()),
            false => Err(ApiError::overload("too many log in or out at once")),
        }
    }

    fn get(&self, cookie: Digest, now_ms: u64) -> Option<Login> {
        let login = self.lock().get(&cookie.to_bytes()).copied();
        login.filter(|login| login.expires_ms > now_ms)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
    }
}

/// The value of `Set-Cookie` that has a browser forget its login.
pub fn no_cookie(is_secure: bool) -> String {
    with_attributes("", 0, is_secure)
}

fn with_attributes(value: &str, max_age_s: u64, is_secure: bool) -> String {
    let secure = if is_secure { "; Secure" } else { "" };
    format!("{COOKIE}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Strict{secure}")
}

fn cookies(head: &Request) -> impl Iterator<Item = &str> {
    let fields = head.headers.iter();
    let fields = fields.filter(|(name, _)| name.eq_ignore_ascii_case("cookie"));
    let pairs = fields.flat_map(|(_, value)| value.split(';'));
    let pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
    pairs.filter_map(|(name, value)| (name == COOKIE).then_some(value))
}

/// Writes whenever somebody waits for it, for all who wait at a time.
fn write_all(
    path: &Path,
    known: &Mutex<Known>,
    waiting: &Receiver<Option<(RequestId, Response)>>,
    handle: &Handle,
) {
    while let Ok(first) = waiting.recv() {
        let answers: Vec<_> = [first].into_iter().chain(waiting.try_iter()).collect();
        let text = text(&lock(known));
        let written = write_file(path, &text);
        if let Err(error) = &written {
            log::error!("{} can't be written: {error}", path.display());
        }
        for (request, response) in answers.into_iter().flatten() {
            let response = match written {
                Ok(()) => response,
                Err(_) => cannot_write().into(),
            };
            // Whoever asked may have gone.
            let _ = call_surely(handle, move |endpoint| {
                let _ = endpoint.respond(request, response.clone());
            });
        }
    }
}

fn cannot_write() -> ApiError {
    ApiError::overload("the server can't write logins down at the moment; its log says more")
}

/// The whole file is there or the one before it is, whatever happens meanwhile.
fn write_file(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

/// A line each: the hashes of cookie and token, and the end in seconds since 1970.
fn text(known: &Known) -> String {
    let lines = known.values().map(|login| {
        let (cookie, line) = (login.cookie.to_text(), login.line.to_text());
        format!("{cookie} {line} {}\n", login.expires_ms / 1000)
    });
    lines.collect()
}

/// The opposite. Lines that can't be read are no logins.
fn parse(text: &str) -> Known {
    let mut known = Known::new();
    for line in text.lines() {
        match parse_line(line) {
            Some(login) => drop(known.insert(login.cookie.to_bytes(), login)),
            None => log::warn!("a line of the file {FILE} can't be read"),
        }
    }
    known
}

fn parse_line(line: &str) -> Option<Login> {
    let mut words = line.split(' ');
    let [cookie, line, expires_s] = [words.next()?, words.next()?, words.next()?];
    Some(Login {
        cookie: Digest::from_text(cookie)?,
        line: Digest::from_text(line)?,
        expires_ms: expires_s.parse::<u64>().ok()?.checked_mul(1000)?,
    })
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::auth::Role;
    use crate::serve::testing::get;

    const DAY_MS: u64 = 24 * 60 * 60 * 1000;

    fn line(token: &str) -> Line {
        Line::new(Role::Viewer, token, "")
    }

    fn opened(folder: &Path, lines: &[Line]) -> Logins {
        Logins::open(folder, lines).unwrap()
    }

    /// The login that a request with this cookie has.
    fn found(logins: &Logins, set_cookie: &str, now_ms: u64) -> Option<Digest> {
        let pair = set_cookie.split(';').next().unwrap();
        let head = get(&[("Cookie", &format!("a=b; {pair}"))]);
        logins.find(&head, now_ms).map(|login| login.line)
    }

    #[test]
    fn a_cookie_is_good_for_its_line_until_it_expires() {
        let folder = tempfile::tempdir().unwrap();
        let lines = [line("one"), line("two")];
        let logins = opened(folder.path(), &lines);
        let login = logins.begin(&lines[1], 5_000, false).unwrap();
        let set = &login.set_cookie;
        assert!(set.ends_with("; Path=/; Max-Age=2592000; HttpOnly; SameSite=Strict"));
        let secure = logins.begin(&lines[0], 5_000, true).unwrap();
        assert!(secure.set_cookie.ends_with("; Secure"));
        let until_ms = 5_000 + 30 * DAY_MS;
        for now_ms in [5_000, until_ms - 1] {
            assert_eq!(found(&logins, set, now_ms), Some(lines[1].token));
        }
        assert_eq!(found(&logins, set, until_ms), None);
        for (old, new) in [("=", "=1"), (";", "1;")] {
            let other = set.replacen(old, new, 1);
            assert_eq!(found(&logins, &other, 5_000), None, "{other}");
        }
        assert_eq!(found(&logins, &no_cookie(false), 5_000), None);
        assert!(logins.end(login.cookie));
        assert_eq!(found(&logins, set, 5_000), None);
        assert!(!logins.end(login.cookie));
    }

    #[test]
    fn logins_outlive_the_server_and_end_with_their_lines() {
        let folder = tempfile::tempdir().unwrap();
        let lines = [line("one"), line("two")];
        let logins = opened(folder.path(), &lines);
        let cookies = [0, 1].map(|index| {
            let login = logins.begin(&lines[index], 5_000, false);
            login.unwrap().set_cookie
        });
        write_file(&logins.path, &text(&logins.lock())).unwrap();
        let written = fs::read_to_string(&logins.path).unwrap();
        for cookie in &cookies {
            assert!(!written.contains(cookie.split([';', '=']).nth(1).unwrap()));
        }
        let again = opened(folder.path(), &lines[..1]);
        assert_eq!(found(&again, &cookies[0], 6_000), Some(lines[0].token));
        assert_eq!(found(&again, &cookies[1], 6_000), None);
        assert!(logins.keep_those_of(&lines[1..]));
        assert!(!logins.keep_those_of(&lines[1..]));
        assert_eq!(found(&logins, &cookies[0], 6_000), None);
        assert_eq!(found(&logins, &cookies[1], 6_000), Some(lines[1].token));
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        write_file(&path, "").unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_file_has_the_logins_that_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let lines = [line("one")];
        let logins = opened(folder.path(), &lines);
        let login = logins.begin(&lines[0], 5_000, false).unwrap();
        let damaged = format!("nonsense\n{}a b c\n\n", text(&logins.lock()));
        fs::write(&logins.path, damaged).unwrap();
        let again = opened(folder.path(), &lines);
        assert_eq!(again.lock().len(), 1);
        assert!(found(&again, &login.set_cookie, 5_000).is_some());
    }

    #[test]
    fn the_oldest_login_of_a_line_gives_way_and_others_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let lines = [line("one"), line("two")];
        let logins = opened(folder.path(), &lines);
        let other = logins.begin(&lines[1], 1_000, false).unwrap();
        let mut first = None;
        for number in 0..MAX_OF_LINE as u64 {
            let login = logins.begin(&lines[0], 2_000 + number, false).unwrap();
            assert!(!login.has_ended_another);
            first.get_or_insert(login.set_cookie);
        }
        let last = logins.begin(&lines[0], 9_000, false).unwrap();
        assert!(last.has_ended_another);
        assert_eq!(found(&logins, &first.unwrap(), 9_000), None);
        assert!(found(&logins, &last.set_cookie, 9_000).is_some());
        assert!(found(&logins, &other.set_cookie, 9_000).is_some());
        // What has expired makes room, too.
        let later_ms = 9_000 + 31 * DAY_MS;
        let login = logins.begin(&lines[0], later_ms, false).unwrap();
        assert_eq!((login.has_ended_another, logins.lock().len()), (false, 1));
    }
}
