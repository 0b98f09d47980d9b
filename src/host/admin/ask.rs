//! Asking the admin's HTTP of a running server, as a program on this machine does.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{Request, StatusCode, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Bytes of a page that are read.
const PAGE_BYTES_MAX: usize = 64 * 1024;

/// What was told.
pub struct Told {
    /// Whether it is well.
    pub status: StatusCode,
    /// The page.
    pub page: String,
}

/// Asks for a page. The caller bounds how long that may take.
pub async fn ask(address: SocketAddr, path: &str) -> Result<Told, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path).header(HOST, address.to_string()).body(Empty::<Bytes>::new())?;
    let asked = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let page = Limited::new(response.into_body(), PAGE_BYTES_MAX).collect().await?.to_bytes();
        Ok(Told { status, page: String::from_utf8_lossy(&page).into_owned() })
    };
    tokio::select! {
        // Where the answer is whole before the connection has closed, and the other way round.
        biased;
        told = asked => told,
        Err(error) = connection => Err(error.into()),
    }
}
