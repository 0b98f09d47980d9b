//! The way to the server, over TLS or not.

use std::{io, sync::Arc};

use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio_util::either::Either;

use super::address::Server;
use crate::client::{
    Client, Error, Timeouts,
    tls::{Agreement, Tls},
};

/// A connection to the server.
pub type Wire = Either<TcpStream, Box<crate::client::tls::TlsStream>>;

/// Leads to one server, again and again. Cheap to clone.
#[derive(Clone)]
pub struct Route {
    pub server: Server,
    /// How it is known, where it is over TLS.
    tls: Option<Tls>,
    /// What was agreed on with it last.
    agreement: Arc<Mutex<Option<Agreement>>>,
}

impl Route {
    /// To this server.
    #[must_use]
    pub fn new(server: Server, tls: Option<Tls>) -> Self {
        Self { server, tls, agreement: Arc::default() }
    }

    /// What was agreed on with the server last; `None` without TLS.
    #[must_use]
    pub fn agreement(&self) -> Option<Agreement> {
        *self.agreement.lock()
    }

    /// Connects and greets.
    pub async fn greet(&self, features: u64) -> Result<Client, Error> {
        let timeouts = Timeouts::default();
        let Some(tls) = &self.tls else {
            let address = (self.server.host.as_str(), self.server.port);
            return Client::connect_asking(address, timeouts, features).await;
        };
        let connecting = tokio::time::timeout(timeouts.connect, self.secure(tls));
        let stream = connecting.await.map_err(|_| Error::Timeout("the connection"))??;
        Client::over_asking(stream, timeouts, features).await
    }

    /// Connects.
    pub async fn open(self) -> io::Result<Wire> {
        if let Some(tls) = &self.tls {
            return self.secure(tls).await;
        }
        let stream = TcpStream::connect((self.server.host.as_str(), self.server.port)).await?;
        // As for the first connection.
        stream.set_nodelay(true)?;
        Ok(Either::Left(stream))
    }

    async fn secure(&self, tls: &Tls) -> io::Result<Wire> {
        let stream = tls.connect().await?;
        *self.agreement.lock() = Some(stream.agreement());
        Ok(Either::Right(Box::new(stream)))
    }
}
