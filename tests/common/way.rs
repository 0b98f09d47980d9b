//! An address that stays while the server behind it is another process.

use std::{
    io,
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// A way to a server. Its port is never free, as one would be between two processes, for anybody to take.
pub struct Way {
    /// Where it begins.
    pub address: String,
    /// Where it leads; empty: nowhere.
    to: Arc<Mutex<String>>,
}

impl Way {
    /// One that leads nowhere yet.
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let to = Arc::<Mutex<String>>::default();
        let leads = Arc::clone(&to);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = leads.lock().expect("whole").clone();
                // Where there is none, the client is hung up on.
                let Ok(server) = TcpStream::connect(server) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let [from, to] = [from, to].map(|end| end.try_clone().expect("another handle"));
                    thread::spawn(move || hand_on(from, to));
                }
            }
        });
        Self { address, to }
    }

    /// From now on it leads to this address.
    pub fn lead_to(&self, server: &str) {
        server.clone_into(&mut self.to.lock().expect("whole"));
    }

    /// From now on it leads nowhere. Who is there already stays.
    pub fn close(&self) {
        self.lead_to("");
    }
}

fn hand_on(mut from: TcpStream, mut to: TcpStream) {
    // Either may be gone.
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
