//! Iterators, readers and writers that tell how far a piece of work has come.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom, Write};

/// Steps that are told of, of the whole way: what people can see, and far more than are sent.
const STEPS: f64 = 1_000.0;

/// What is told how far it has come, and says whether to go on.
pub(super) trait Tells: Sync {
    fn tell(&self, progress: f64);
    fn is_to_stop(&self) -> bool;
}

/// How far something has come, counted.
struct Way<'a> {
    of: &'a dyn Tells,
    done: u64,
    all: u64,
    told_steps: f64,
}

impl<'a> Way<'a> {
    fn new(of: &'a dyn Tells, all: u64) -> Self {
        Way {
            of,
            done: 0,
            all,
            told_steps: 0.0,
        }
    }

    fn advance(&mut self, by: u64) {
        self.done = self.done.saturating_add(by);
        self.tell();
    }

    fn tell(&mut self) {
        if self.all > 0 {
            let progress = self.done as f64 / self.all as f64;
            let steps = (progress * STEPS).floor();
            if steps > self.told_steps {
                self.told_steps = steps;
                self.of.tell(progress);
            }
        }
    }
}

impl fmt::Debug for Way<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.done, self.all)
    }
}

/// Items that a job works on: [`Job::wrap_iter`](super::Job::wrap_iter) and [`JobBar::wrap_iter`](super::JobBar::wrap_iter).
#[derive(Debug)]
pub struct JobIter<'a, I> {
    way: Way<'a>,
    items: I,
}

impl<'a, I: Iterator> JobIter<'a, I> {
    pub(super) fn new(of: &'a dyn Tells, items: I) -> Self {
        let (least, most) = items.size_hint();
        JobIter {
            way: Way::new(of, most.unwrap_or(least) as u64),
            items,
        }
    }
}

impl<I: Iterator> Iterator for JobIter<'_, I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        if self.way.of.is_to_stop() {
            return None;
        }
        let item = self.items.next()?;
        self.way.advance(1);
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, self.items.size_hint().1)
    }
}

/// Bytes that a job reads or writes: [`Job::wrap_read`](super::Job::wrap_read) and [`Job::wrap_write`](super::Job::wrap_write), and
/// the same of [`JobBar`](super::JobBar).
#[derive(Debug)]
pub struct JobIo<'a, T> {
    way: Way<'a>,
    inner: T,
}

impl<'a, T> JobIo<'a, T> {
    pub(super) fn new(of: &'a dyn Tells, inner: T, bytes: u64) -> Self {
        JobIo {
            way: Way::new(of, bytes),
            inner,
        }
    }

    /// What was wrapped.
    pub fn into_inner(self) -> T {
        self.inner
    }

    fn check(&self) -> io::Result<()> {
        match self.way.of.is_to_stop() {
            true => Err(io::Error::other("the job is cancelled")),
            false => Ok(()),
        }
    }
}

impl<R: Read> Read for JobIo<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.check()?;
        let count = self.inner.read(buffer)?;
        self.way.advance(count as u64);
        Ok(count)
    }
}

impl<W: Write> Write for JobIo<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.check()?;
        let count = self.inner.write(bytes)?;
        self.way.advance(count as u64);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<S: Seek> Seek for JobIo<'_, S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = self.inner.seek(to)?;
        self.way.done = at;
        self.way.tell();
        Ok(at)
    }
}
