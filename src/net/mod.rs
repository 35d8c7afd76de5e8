//! The only place with sockets, clocks and threads: a mio loop around [`Endpoint`](crate::Endpoint), and the
//! [`Handle`] by which other threads reach into it.

mod handle;
mod server;
mod stream;
mod system;

pub use handle::{Handle, HandleError, Pending};
pub use server::Server;
pub use stream::{Listener, Stream};
