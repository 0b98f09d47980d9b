//! The scripted server over TLS.

use std::{net::SocketAddr, thread::JoinHandle};

use super::{
    certificates::Certificate,
    fake::{Peer, Ran, Script, accept_bytes, client, feed, listen},
};

/// One connection: what is shown, and what is played then. `None`: the client does not take it.
pub type Meeting = (Certificate, Option<Script>);

/// A meeting that comes to a session.
pub fn meets(certificate: Certificate, script: impl FnOnce(&mut Peer) + Send + 'static) -> Meeting {
    (certificate, Some(Box::new(script)))
}

/// A meeting that does not.
pub fn refuses(certificate: Certificate) -> Meeting {
    (certificate, None)
}

/// Serves a connection after the other.
pub fn serve_tls(meetings: Vec<Meeting>) -> (SocketAddr, JoinHandle<()>) {
    listen(move |listener| {
        for (certificate, script) in meetings {
            let mut stream = certificate.accept(accept_bytes(listener));
            let met = stream.conn.complete_io(&mut stream.sock);
            match script {
                Some(script) => {
                    met.expect("the client takes it");
                    assert_eq!(stream.conn.alpn_protocol(), Some(&b"iocp-chat"[..]));
                    script(&mut Peer::over(stream));
                }
                None => assert!(met.is_err(), "the client takes it"),
            }
        }
    })
}

/// Runs a client over TLS, with further arguments that may have spaces.
pub fn run_tls(arguments: &str, more: &[&str], input: &str, meetings: Vec<Meeting>) -> Ran {
    let (address, server) = serve_tls(meetings);
    let mut command = client(address, arguments);
    command.arg("--tls").args(more);
    let ran = feed(command.spawn().expect("it starts"), input.as_bytes());
    server.join().unwrap_or_else(|_| panic!("the script was not kept: {:?}, {}", ran.code, ran.stderr));
    ran
}
