//! The bytes of one connection of the load generator, over TLS or not.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::SocketAddr,
};

use mio::net::TcpStream;
use rustls::ClientConnection;

use crate::client::tls::{Tls, TlsFault};

/// Bytes of a record and what its connection may hold of the next: room for them must be left where plain bytes go.
const RECORD_BYTES_MAX: usize = 2 * (16 * 1024 + 256);

/// One connection. Whatever it is made of, it is read and written without waiting.
pub enum Wire {
    /// As the bytes are.
    Plain(TcpStream),
    /// Over TLS. Boxed, as it is a kilobyte.
    Tls(Box<Secure>),
}

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// So many bytes; `is_all`: the socket had no more.
    Bytes { count: usize, is_all: bool },
    /// The server has closed.
    End,
}

pub struct Secure {
    socket: TcpStream,
    connection: ClientConnection,
}

impl Wire {
    /// Over a socket that is on its way.
    pub fn new(socket: TcpStream, tls: Option<&Tls>) -> io::Result<Self> {
        let Some(tls) = tls else { return Ok(Self::Plain(socket)) };
        let (config, name) = tls.parts();
        let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
        Ok(Self::Tls(Box::new(Secure { socket, connection })))
    }

    /// The socket under it.
    pub fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(secure) => &secure.socket,
        }
    }

    /// Whether the socket is connected by now.
    pub fn is_connected(&self) -> io::Result<bool> {
        match self.socket().take_error()? {
            Some(error) => Err(error),
            None => Ok(self.peer().is_some()),
        }
    }

    fn peer(&self) -> Option<SocketAddr> {
        self.socket().peer_addr().ok()
    }

    /// Reads once. `records`: where what comes over TLS lies before it is plain.
    pub fn read(&mut self, records: &mut [u8], plain: &mut [u8]) -> io::Result<Taken> {
        match self {
            Self::Plain(socket) => {
                let count = socket.read(plain)?;
                Ok(if count == 0 { Taken::End } else { Taken::Bytes { count, is_all: count < plain.len() } })
            }
            Self::Tls(secure) => secure.read(records, plain),
        }
    }

    /// Writes as much as is taken at once.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(secure) => secure.write(bytes),
        }
    }

    /// Writes what was taken and is not on its way yet.
    pub fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(secure) => secure.flush(),
        }
    }
}

impl Secure {
    fn read(&mut self, records: &mut [u8], plain: &mut [u8]) -> io::Result<Taken> {
        // All of it must have room when it is plain, and it never grows by that.
        let room = records.len().min(plain.len() - RECORD_BYTES_MAX);
        let read = self.socket.read(&mut records[..room])?;
        if read == 0 {
            return Ok(Taken::End);
        }
        let (mut rest, mut count) = (&records[..read], 0);
        while !rest.is_empty() {
            // After the server's last word nothing is taken.
            if self.connection.read_tls(&mut rest)? == 0 {
                break;
            }
            if let Err(error) = self.connection.process_new_packets() {
                // The server is told why, if it still listens.
                let _ = self.flush();
                return Err(io::Error::other(TlsFault::of(&error)));
            }
            // It holds less than two records' worth, and takes no more before that is taken from it.
            count += take(&mut self.connection, &mut plain[count..])?;
        }
        Ok(Taken::Bytes { count, is_all: read < room })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.flush()?;
        let count = self.connection.writer().write(bytes)?;
        match self.flush() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            // What it holds already is enough.
            _ if count == 0 => Err(ErrorKind::WouldBlock.into()),
            _ => Ok(count),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut self.socket) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Takes all that is plain.
fn take(connection: &mut ClientConnection, plain: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    loop {
        match connection.reader().read(&mut plain[count..]) {
            Ok(0) => return Ok(count),
            Ok(more) => count += more,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(count),
            Err(error) => return Err(error),
        }
    }
}
