//! The connections: four bytes each, and more only for those with half a frame or a full socket.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};

use mio::net::TcpStream;

use crate::wire::{self, Request};

/// A place and which of its tenants is meant.
#[derive(Clone, Copy)]
pub struct Key {
    pub index: usize,
    generation: u32,
}

#[derive(Default)]
pub struct Clients {
    streams: Vec<Option<TcpStream>>,
    generations: Vec<u32>,
    free: Vec<usize>,
    /// Beginnings of frames whose end has not arrived.
    partial: BTreeMap<usize, Vec<u8>>,
    /// What a full socket has not taken.
    unsent: BTreeMap<usize, Vec<u8>>,
    answers: Vec<u8>,
}

impl Clients {
    /// The place that the next connection will get.
    pub fn next_key(&mut self) -> Key {
        let index = self.free.last().copied().unwrap_or_else(|| {
            self.streams.push(None);
            self.generations.push(0);
            self.free.push(self.streams.len() - 1);
            self.streams.len() - 1
        });
        Key {
            index,
            generation: self.generations[index],
        }
    }

    /// Takes the connection into the place of [`Clients::next_key`].
    pub fn insert(&mut self, key: Key, stream: TcpStream) {
        self.free.pop();
        self.streams[key.index] = Some(stream);
    }

    pub fn is_current(&self, key: Key) -> bool {
        self.generations[key.index] == key.generation
    }

    /// One read for what is there, one write for all that it asks for.
    pub fn on_readable(&mut self, index: usize, buffer: &mut [u8]) {
        loop {
            let Some(stream) = &mut self.streams[index] else {
                return;
            };
            let size = match stream.read(buffer) {
                Ok(0) => return self.remove(index),
                Ok(size) => size,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.remove(index),
            };
            match self.partial.remove(&index) {
                Some(mut bytes) => {
                    bytes.extend(&buffer[..size]);
                    self.answer(index, &mut bytes);
                }
                None => self.answer(index, &mut buffer[..size]),
            }
            if size < buffer.len() {
                return;
            }
        }
    }

    fn answer(&mut self, index: usize, bytes: &mut [u8]) {
        let mut answers = std::mem::take(&mut self.answers);
        answers.clear();
        let mut used = 0;
        while let Some((request, size)) = wire::parse(&mut bytes[used..]) {
            match request {
                Request::Upgrade => answers.extend(wire::OPEN),
                Request::Join => answers.extend(wire::JOINED),
                Request::Pong => {}
                Request::TickAll { count, size } => {
                    self.send_to_all(&wire::tick(size).repeat(count))
                }
                Request::Echo { answer_at } => {
                    answers.extend(&bytes[used + answer_at..used + size])
                }
            }
            used += size;
        }
        if used < bytes.len() {
            self.partial.insert(index, bytes[used..].to_vec());
        }
        if !answers.is_empty() {
            self.send(index, &answers);
        }
        self.answers = answers;
    }

    fn send_to_all(&mut self, frames: &[u8]) {
        for index in 0..self.streams.len() {
            self.send(index, frames);
        }
    }

    pub fn send(&mut self, index: usize, bytes: &[u8]) {
        let Some(stream) = &mut self.streams[index] else {
            return;
        };
        if let Some(unsent) = self.unsent.get_mut(&index) {
            return unsent.extend(bytes);
        }
        match stream.write(bytes) {
            Ok(size) if size == bytes.len() => {}
            Ok(size) => drop(self.unsent.insert(index, bytes[size..].to_vec())),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.unsent.insert(index, bytes.to_vec());
            }
            Err(_) => self.remove(index),
        }
    }

    /// The socket takes bytes again.
    pub fn flush(&mut self, index: usize) {
        if let Some(unsent) = self.unsent.remove(&index) {
            self.send(index, &unsent);
        }
    }

    fn remove(&mut self, index: usize) {
        self.streams[index] = None;
        self.generations[index] += 1;
        self.free.push(index);
        self.partial.remove(&index);
        self.unsent.remove(&index);
    }
}
