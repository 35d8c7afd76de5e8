//! The books: what each client is owed, and whether it has done anything that explains its end.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use pulsewheel::{DisconnectReason, SocketId};

/// Whether a client that is put out of one namespace keeps the others when an event of its own was under way. It does not, as
/// in the reference.
const PACKETS_MAY_CROSS_A_KICK: bool = false;
/// What a reliable packet weighs beyond its padding.
const PACKET_BYTES: u64 = 80;

/// A reliable packet on its way to a client.
#[derive(Clone, Debug, PartialEq)]
pub struct Owed {
    pub stamp: u64,
    pub length: u64,
    /// Whether recovery sends it again.
    pub is_kept: bool,
    /// Its connection was lost, and recovery does not send it again.
    may_be_lost: bool,
}

impl Owed {
    pub fn new(stamp: u64, length: u64, is_kept: bool) -> Owed {
        Owed {
            stamp,
            length,
            is_kept,
            may_be_lost: false,
        }
    }
}

/// One socket, as the books see it.
#[derive(Debug)]
pub struct Account {
    pub client: usize,
    pub epoch: u64,
    pub namespace: String,
    owed: VecDeque<Owed>,
    /// The number that the client's next event has, where that is certain.
    next_heard: Option<u64>,
    least_heard: u64,
    is_connected: bool,
}

/// What a client has done.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    pub epoch: u64,
    /// What explains that its session ends.
    pub excuse: Option<&'static str>,
    /// Bytes a millisecond that its line carries, and how many of them may wait.
    pub patience_bytes: u64,
    pub undelivered_bytes: u64,
    /// Events of this epoch that the host has heard.
    pub heard: u64,
    /// Namespaces that it has left by itself in this epoch.
    left: BTreeSet<String>,
}

#[derive(Default)]
pub struct Book {
    accounts: BTreeMap<SocketId, Account>,
    by_client: BTreeMap<(usize, u64, String), SocketId>,
    /// Owed to sockets that the host has not heard of yet.
    early: BTreeMap<SocketId, Vec<Owed>>,
    pub standings: Vec<Standing>,
    last_stamp: u64,
    kicked: BTreeSet<SocketId>,
    pub is_shutting_down: bool,
    pub may_return: bool,
    /// There may be no room for another session.
    pub may_be_full: bool,
    /// Packets that arrived as they were owed.
    pub delivered: u64,
    pub heard: u64,
    /// What each client got, where runs are compared.
    pub diary: Option<Vec<Vec<String>>>,
}

impl Book {
    pub fn next_stamp(&mut self) -> u64 {
        self.last_stamp += 1;
        self.last_stamp
    }

    /// Whether the end of a client's session has an explanation.
    pub fn is_explained(&self, client: usize) -> bool {
        self.standings[client].excuse.is_some() || self.is_shutting_down
    }

    pub fn excuse(&mut self, client: usize, excuse: &'static str) {
        self.standings[client].excuse.get_or_insert(excuse);
    }

    pub fn begin_epoch(&mut self, client: usize) -> u64 {
        let standing = &mut self.standings[client];
        standing.epoch += 1;
        standing.excuse = None;
        standing.undelivered_bytes = 0;
        standing.heard = 0;
        standing.left.clear();
        standing.epoch
    }

    /// A client has left a namespace by itself: it is owed nothing there any more.
    pub fn left(&mut self, client: usize, namespace: &str) {
        let standing = &mut self.standings[client];
        standing.left.insert(namespace.to_owned());
        self.by_client
            .remove(&(client, standing.epoch, namespace.to_owned()));
    }

    pub fn note(&mut self, client: usize, text: impl FnOnce() -> String) {
        if let Some(diary) = &mut self.diary {
            diary[client].push(text());
        }
    }

    /// A reliable packet has been emitted to this socket.
    pub fn owe(&mut self, socket: SocketId, owed: Owed) {
        let Some(account) = self.accounts.get_mut(&socket) else {
            self.early.entry(socket).or_default().push(owed);
            return;
        };
        let (client, epoch, bytes) = (account.client, account.epoch, owed.length + PACKET_BYTES);
        account.owed.push_back(owed);
        self.wait_for(client, epoch, bytes);
    }

    /// So many bytes more are on their way to a client.
    fn wait_for(&mut self, client: usize, epoch: u64, bytes: u64) {
        let standing = &mut self.standings[client];
        if standing.epoch == epoch {
            standing.undelivered_bytes += bytes;
            if standing.undelivered_bytes > standing.patience_bytes {
                standing
                    .excuse
                    .get_or_insert("its line is too slow for what it is sent");
            }
        }
    }

    /// The host has been told of a socket of one of the clients.
    pub fn connected(
        &mut self,
        socket: SocketId,
        client: usize,
        epoch: u64,
        namespace: &str,
        is_recovered: bool,
    ) {
        let place = (client, epoch, namespace.to_owned());
        let known = self.by_client.insert(place, socket);
        let owed = self.early.remove(&socket).unwrap_or_default();
        if is_recovered {
            let account = self
                .accounts
                .get_mut(&socket)
                .expect("only a known socket comes back");
            assert!(!account.is_connected, "its last end was told");
            account.epoch = epoch;
            account.is_connected = true;
            account.next_heard = None;
            account.owed.extend(owed);
            let waiting_bytes = account
                .owed
                .iter()
                .map(|owed| owed.length + PACKET_BYTES)
                .sum();
            return self.wait_for(client, epoch, waiting_bytes);
        }
        let was_ended = known.is_none_or(|known| {
            self.accounts
                .get(&known)
                .is_none_or(|account| !account.is_connected)
        });
        assert!(was_ended, "one socket for each namespace");
        let account = Account {
            client,
            epoch,
            namespace: namespace.to_owned(),
            owed: owed.into(),
            next_heard: None,
            least_heard: 0,
            is_connected: true,
        };
        assert!(
            self.accounts.insert(socket, account).is_none(),
            "a socket connects once"
        );
    }

    /// A socket is not one of an honest client's, or its session ended before the host heard of it: nobody is owed anything.
    pub fn connected_stranger(&mut self, socket: SocketId, is_recovered: bool) {
        self.early.remove(&socket);
        if let Some(account) = self.accounts.get_mut(&socket).filter(|_| is_recovered) {
            account.is_connected = true;
        }
    }

    pub fn kicked(&mut self, socket: SocketId, is_out: bool) {
        self.kicked.insert(socket);
        // An event on its way to a namespace that its sender has just been put out of ends the session, as in the reference.
        let is_end = is_out || !PACKETS_MAY_CROSS_A_KICK;
        if let Some(account) = self.accounts.get(&socket).filter(|_| is_end) {
            let (client, epoch) = (account.client, account.epoch);
            if self.standings[client].epoch == epoch {
                self.excuse(client, "the host has put it out");
            }
        }
    }

    /// The host has been told of a socket's end. There has to be an explanation.
    pub fn disconnected(&mut self, socket: SocketId, reason: DisconnectReason) {
        let Some(account) = self.accounts.get_mut(&socket) else {
            return;
        };
        assert!(
            std::mem::take(&mut account.is_connected),
            "a socket disconnects once"
        );
        let standing = &self.standings[account.client];
        let is_old = standing.epoch != account.epoch;
        let is_explained = match reason {
            DisconnectReason::ServerShuttingDown => self.is_shutting_down,
            DisconnectReason::ServerNamespaceDisconnect => self.kicked.contains(&socket),
            DisconnectReason::ClientNamespaceDisconnect => {
                is_old || standing.left.contains(&account.namespace)
            }
            // A server that goes takes no new connections, so a client that needs one for its next request gives up.
            _ => is_old || standing.excuse.is_some() || self.is_shutting_down,
        };
        assert!(
            is_explained,
            "client {} has lost {} for no fault of its own: {reason}",
            account.client, account.namespace
        );
        let was_meant = matches!(
            reason,
            DisconnectReason::ClientNamespaceDisconnect
                | DisconnectReason::ServerNamespaceDisconnect
        );
        if self.may_return && !was_meant {
            account
                .owed
                .iter_mut()
                .for_each(|owed| owed.may_be_lost = !owed.is_kept);
        } else if !was_meant || is_old {
            self.accounts.remove(&socket);
        }
    }

    pub fn expired(&mut self, socket: SocketId) {
        self.accounts.remove(&socket);
    }

    /// A new server knows nobody.
    pub fn restart(&mut self) {
        self.check_all_gone();
        self.accounts.clear();
        self.by_client.clear();
        self.early.clear();
        self.kicked.clear();
        self.is_shutting_down = false;
    }

    fn account(&mut self, client: usize, epoch: u64, namespace: &str) -> Option<&mut Account> {
        let socket = self.by_client.get(&(client, epoch, namespace.to_owned()))?;
        self.accounts
            .get_mut(socket)
            .filter(|account| account.epoch == epoch)
    }

    /// A client has got a reliable packet, which has to be the one that it is owed next.
    pub fn delivered(
        &mut self,
        client: usize,
        epoch: u64,
        namespace: &str,
        stamp: u64,
        length: u64,
    ) {
        let is_excused = self.is_explained(client);
        let Some(account) = self.account(client, epoch, namespace) else {
            // What was under way when the server saw its end.
            return assert!(
                is_excused,
                "client {client} got {stamp} in {namespace}, where it is not"
            );
        };
        let mut owed = account.owed.pop_front();
        while owed
            .as_ref()
            .is_some_and(|owed| owed.may_be_lost && owed.stamp != stamp)
        {
            owed = account.owed.pop_front();
        }
        let next = owed.as_ref().map(|owed| (owed.stamp, owed.length));
        assert_eq!(
            Some((stamp, length)),
            next,
            "client {client} got (left) what it was not owed next (right) in {namespace}"
        );
        self.delivered += 1;
        let standing = &mut self.standings[client];
        standing.undelivered_bytes = standing
            .undelivered_bytes
            .saturating_sub(length + PACKET_BYTES);
    }

    /// A client has been told that it is out of a namespace: all that was sent before has to be there.
    pub fn told_of_end(&mut self, client: usize, epoch: u64, namespace: &str) {
        if let Some(account) = self.account(client, epoch, namespace) {
            account.owed.retain(|owed| !owed.may_be_lost);
            assert!(
                account.owed.is_empty(),
                "client {client} is owed {:?} before the end of {namespace}",
                account.owed
            );
        }
        if let Some(socket) = self
            .by_client
            .remove(&(client, epoch, namespace.to_owned()))
        {
            if self
                .accounts
                .get(&socket)
                .is_some_and(|account| !account.is_connected)
            {
                self.accounts.remove(&socket);
            }
        }
    }

    /// The host has heard a client's event of this number.
    pub fn heard(&mut self, socket: SocketId, number: u64) {
        let Some(account) = self.accounts.get_mut(&socket) else {
            return;
        };
        assert!(account.is_connected, "only who is connected is heard");
        if let Some(next) = account.next_heard {
            assert_eq!(
                number, next,
                "client {}'s events come in order, each once",
                account.client
            );
        }
        assert!(
            number >= account.least_heard,
            "client {}'s events come once",
            account.client
        );
        account.next_heard = Some(number + 1);
        account.least_heard = number + 1;
        let standing = &mut self.standings[account.client];
        if standing.epoch == account.epoch {
            standing.heard += 1;
        }
        self.heard += 1;
    }

    /// What a client that has done nothing wrong is still owed, in words.
    pub fn debt(
        &mut self,
        client: usize,
        epoch: u64,
        namespace: &str,
        emitted: Range<u64>,
    ) -> Option<String> {
        let account = self.account(client, epoch, namespace)?;
        account.owed.retain(|owed| !owed.may_be_lost);
        if !account.owed.is_empty() {
            return Some(format!(
                "{} packets, of which the first is {:?}",
                account.owed.len(),
                account.owed.front()
            ));
        }
        let heard = account.next_heard.unwrap_or(account.least_heard);
        let is_heard = emitted.is_empty() || heard == emitted.end;
        (account.is_connected && !is_heard).then(|| format!("to be heard: {heard} of {emitted:?}"))
    }

    pub fn owner(&self, socket: SocketId) -> Option<(usize, &str)> {
        let account = self.accounts.get(&socket)?;
        Some((account.client, &account.namespace))
    }

    pub fn is_connected(&self, socket: SocketId) -> bool {
        self.accounts
            .get(&socket)
            .is_some_and(|account| account.is_connected)
    }

    /// Whether a client is in a namespace, in this session of its.
    pub fn has_connected(&self, client: usize, epoch: u64) -> bool {
        let mut accounts = self.accounts.values();
        accounts.any(|it| it.client == client && it.epoch == epoch && it.is_connected)
    }

    pub fn check_all_gone(&self) {
        assert!(
            self.accounts.values().all(|account| !account.is_connected),
            "everybody has left"
        );
    }
}

/// The padding of a packet: text that nobody can mistake for another's.
pub fn padding(stamp: u64, length: u64) -> String {
    let digits = format!("{stamp}.");
    let mut text = digits.repeat(length as usize / digits.len() + 1);
    text.truncate(length as usize);
    text
}
