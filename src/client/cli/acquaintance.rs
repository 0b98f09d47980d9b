//! How a server that nobody vouches for becomes a known one.

use std::io::{self, IsTerminal, Write};

use tokio::{task::spawn_blocking, time::Instant};

use super::{
    entrance::{Entrance, NoEntry, in_time},
    exit::Exit,
    outside::{Outside, signalled},
};
use crate::client::{
    Client, Error,
    tls::{Distrust, Fingerprint, TlsFault},
};

/// What says yes, in either language.
const YES: [&str; 4] = ["y", "yes", "예", "네"];

impl Entrance<'_> {
    /// Connects. A server that is met for the first time is asked about, where somebody is there to be asked; how long
    /// that took is not counted by `-W`.
    pub async fn connect(&self, outside: &mut Outside) -> Result<Client, NoEntry> {
        match in_time(outside, self.route.greet(self.features())).await {
            Err(NoEntry::Error(Error::Tls(TlsFault::Untrusted(Distrust::Unknown { host, key })))) => {
                self.meet(host, key, outside).await?;
                in_time(outside, self.route.greet(self.features())).await
            }
            connected => connected,
        }
    }

    async fn meet(&self, host: String, key: Fingerprint, outside: &mut Outside) -> Result<(), NoEntry> {
        let refused = Distrust::Unknown { host: host.clone(), key };
        if !self.args.known_hosts.trust_new && !self.is_told_to_trust(&host, key, outside).await? {
            return Err(NoEntry::Error(TlsFault::from(refused).into()));
        }
        let known = self.args.known_hosts.file().expect("without one nobody is met");
        let file = known.path().display().to_string();
        let adding = spawn_blocking(move || known.add(&host, key).map(|()| host));
        let host = adding.await.expect("it does not panic, and nobody aborts it");
        let host = host.map_err(|why| NoEntry::KnownHosts(file.clone(), why))?;
        self.output.notice(self.lang.known_from_now_on(&host, key, &file)).await;
        Ok(())
    }

    async fn is_told_to_trust(
        &self,
        host: &str,
        key: Fingerprint,
        outside: &mut Outside,
    ) -> Result<bool, NoEntry> {
        if !io::stdin().is_terminal() {
            return Ok(false);
        }
        let (asked, question) = (Instant::now(), self.lang.ask_to_trust(host, key));
        let answer = tokio::select! {
            biased;
            () = signalled() => return Err(NoEntry::Outside(Exit::Interrupted)),
            answer = spawn_blocking(move || ask(&question)) => answer.expect("it does not panic, and nobody aborts it"),
        };
        outside.put_off(asked.elapsed());
        Ok(answer.is_ok_and(|answer| YES.contains(&answer.trim().to_lowercase().as_str())))
    }
}

/// What is typed after a question.
fn ask(question: &str) -> io::Result<String> {
    // A console of Windows gets Unicode in this way.
    let mut stderr = io::stderr();
    stderr.write_all(question.as_bytes()).and_then(|()| stderr.flush())?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer)
}
