//! What is done with a connection: it is read and written at once, until one of them ends.

use std::{convert::Infallible, pin::pin, time::Duration};

use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    time::{Instant, sleep_until, timeout},
};

use super::{Error, link::Link, packets::Packets};

/// How long a goodbye is waited for on a connection that can no longer be written to.
const FAREWELL: Duration = Duration::from_secs(1);

/// Reads and writes; returns why that ended.
pub(super) async fn drive(
    link: &Link,
    packets: Packets,
    writer: Box<dyn AsyncWrite + Send + Unpin>,
) -> Error {
    let mut reading = pin!(read(link, packets));
    tokio::select! {
        biased;
        why = &mut reading => why,
        // A server that hangs up cannot be written to, but its reason may stand unread.
        broken = write(link, writer) => timeout(FAREWELL, reading).await.unwrap_or(broken.into()),
        never = send_lines(link) => match never {},
    }
}

async fn read(link: &Link, mut packets: Packets) -> Error {
    loop {
        link.wait_for_room().await;
        let received = packets.next().await.and_then(|(packet, bytes)| link.receive(packet, bytes));
        match received {
            Ok(()) => {}
            // It is asked once, and any word of it is an answer.
            Err(Error::Timeout(_)) if link.lasts() && packets.silences() == 1 => link.ping(),
            Err(why) => return why,
        }
    }
}

/// Sends the lines that had to wait, each in its time.
async fn send_lines(link: &Link) -> Infallible {
    loop {
        match link.next_due() {
            None => link.due.notified().await,
            Some(at) => {
                if at > Instant::now() {
                    sleep_until(at).await;
                }
                link.send_due();
            }
        }
    }
}

async fn write(link: &Link, mut writer: impl AsyncWrite + Unpin) -> std::io::Error {
    loop {
        let bytes = link.take_unsent();
        if bytes.is_empty() {
            link.unsent.notified().await;
            continue;
        }
        let written = async {
            writer.write_all(&bytes).await?;
            writer.flush().await
        };
        if let Err(broken) = written.await {
            return broken;
        }
    }
}
