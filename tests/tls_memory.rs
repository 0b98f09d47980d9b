//! What a connection holds while nobody says anything, without TLS and with it, counted by the allocator itself.
// A counting allocator is an implementation of an unsafe trait; it only counts and passes on.
#![allow(unsafe_code)]

#[path = "common/mod.rs"]
mod common;
#[path = "common/folder.rs"]
mod folder;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    fs,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use chat_proto::Credential;
use folder::Folder;
use iocp_chat::{
    client::{Client, Events, Session},
    net::{CertificateFiles, Certificates, TlsAcceptor, bind},
    server::{Listeners, Server},
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

struct Counting;

thread_local! {
    /// Bytes that this thread has allocated and not freed. The server runs on one thread, its clients on another.
    static HELD: Cell<i64> = const { Cell::new(0) };
}

fn count(bytes: usize, sign: i64) {
    HELD.set(HELD.get() + sign * i64::try_from(bytes).unwrap_or(0));
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: as for our caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        // SAFETY: as for our caller.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(layout.size(), -1);
        count(size, 1);
        // SAFETY: as for our caller.
        unsafe { System.realloc(ptr, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const MEMBERS: i64 = 100;

/// Bytes of a member without TLS, with its share of tables and of what the lobby keeps, by the hashes of names some more or
/// fewer: it is about 2,440 on Linux, and 2,500 to 2,600 on Windows.
const MEMBER_BYTES_MAX: i64 = if cfg!(windows) { 2_816 } else { 2_560 };

/// Bytes beside what a connection without TLS holds: keys of both directions, and the state of the library.
const TLS_BYTES_MAX: i64 = 5 * 1024;

/// More time for a handshake, and a login, than any machine takes.
const LONG: Duration = Duration::from_mins(10);

/// Who is connected, and what connects them.
struct People {
    client: Option<ClientConfig>,
    address: SocketAddr,
    here: Vec<(Session, Events)>,
}

impl People {
    /// Comes to be [`MEMBERS`] of them, who have heard each of them say something.
    async fn come(&mut self, name: &str) {
        for number in 0..MEMBERS {
            let socket = TcpStream::connect(self.address).await.expect("it listens");
            let client = match &self.client {
                None => Client::over(socket).await,
                Some(config) => {
                    let connector = TlsConnector::from(Arc::new(config.clone()));
                    let server = ServerName::try_from("localhost").expect("a name");
                    Client::over(connector.connect(server, socket).await.expect("hands are shaken")).await
                }
            };
            let client = client.expect("greeted");
            let member = client.log_in(&format!("{name}{number}"), Credential::None).await.expect("free");
            self.here.push(member);
        }
        let (first, _) = &self.here[0];
        for _ in 0..20 {
            first.broadcast(&"x".repeat(1_000)).await.expect("said");
        }
        for (_, events) in self.here.iter_mut().skip(1) {
            for _ in 0..20 {
                common::heard(events).await;
            }
        }
    }
}

/// What the server holds for each of [`MEMBERS`] who come so, and then are silent.
fn held_for_each(
    server: &Server,
    runtime: &tokio::runtime::Runtime,
    mut people: People,
    name: &'static str,
) -> i64 {
    let before = HELD.get();
    let (done, is_done) = mpsc::channel();
    let (counted, is_counted) = mpsc::channel();
    let clients = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(people.come(name));
        done.send(()).expect("it waits");
        is_counted.recv().expect("the other side counts");
        drop(people);
    });
    runtime.block_on(async {
        while is_done.try_recv().is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // What has just been sent is still to be let go of.
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
    });
    let each = (HELD.get() - before) / MEMBERS;
    counted.send(()).expect("they wait");
    clients.join().expect("no panic");
    runtime.block_on(async {
        while server.connections() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    each
}

/// One test, because whatever ran beside it would be counted too.
#[test]
fn a_silent_connection_holds_little_and_over_tls_its_keys_and_no_buffers() {
    let folder = Folder::new("tls memory");
    let (listeners, certificate) = listeners(&folder);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let server = runtime.block_on(async {
        let plain = vec![bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port")];
        let tls = vec![bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port")];
        let listeners = Listeners { plain, tls, ..listeners };
        let mut config = common::quiet();
        config.timeouts.login = LONG;
        Server::start(&config, listeners, None).expect("a server")
    });
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("a certificate");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let (plain, tls) = (server.addresses()[0], server.tls_addresses()[0]);
    let over = |client: Option<ClientConfig>, address| People { client, address, here: Vec::new() };
    // The first time the rooms, tables and lent buffers grow to what they keep.
    held_for_each(&server, &runtime, over(None, plain), "first");
    held_for_each(&server, &runtime, over(Some(config.clone()), tls), "second");
    let without = held_for_each(&server, &runtime, over(None, plain), "third");
    let with = held_for_each(&server, &runtime, over(Some(config), tls), "fourth");
    println!("an idle member holds {without} bytes without TLS, {with} with");
    assert!(without <= MEMBER_BYTES_MAX, "{without} without TLS");
    assert!(with - without <= TLS_BYTES_MAX, "{without} without, {with} with TLS");
}

fn listeners(folder: &Folder) -> (Listeners, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".into()]).expect("a certificate");
    let files = CertificateFiles {
        certificate: folder.join("certificate.pem"),
        key: folder.join("key.pem"),
        client_ca: None,
    };
    fs::write(&files.certificate, made.cert.pem()).expect("written");
    fs::write(&files.key, made.signing_key.serialize_pem()).expect("written");
    let certificates = Arc::new(Certificates::load(files, true, || 0).expect("a pair"));
    let acceptor = Some(Arc::new(TlsAcceptor::new(certificates, LONG)));
    (Listeners { acceptor, ..Listeners::default() }, made.cert.der().clone())
}
