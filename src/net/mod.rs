//! The only place with sockets, clocks and threads: a mio loop around [`Endpoint`](crate::Endpoint), and the
//! [`Handle`] by which other threads reach into it.

mod backlog;
mod connections;
mod files;
mod handle;
mod histogram;
mod inlet;
mod io_server;
mod job;
mod listeners;
mod pending;
mod peripheral;
mod queue;
mod reach;
mod server;
mod stats;
mod stream;
mod system;

pub use files::Files;
pub use handle::{Handle, HandleError};
pub use histogram::Histogram;
pub use inlet::{inlet, Inlet, InletListener};
pub use io_server::IoServer;
pub use job::{Job, JobBar, JobIo, JobIter, JobOptions, ProgressHandle};
pub use pending::Pending;
pub use peripheral::Peripheral;
pub use reach::{BroadcastHandle, SocketHandle, SocketRef};
pub use server::Server;
pub use stats::Stats;
pub use stream::{Accepted, Listener, Stream};
pub use system::memory_usage;
