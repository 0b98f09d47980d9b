//! The task of a connection: reads and writes at once, until one of them ends.

use std::{pin::pin, time::Duration};

use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use super::{Error, link::Link, packets::Packets};

/// How long a goodbye is waited for on a connection that can no longer be written to.
const FAREWELL: Duration = Duration::from_secs(1);

pub(super) async fn drive(link: &Link, packets: Packets, writer: Box<dyn AsyncWrite + Send + Unpin>) {
    let mut reading = pin!(read(link, packets));
    let why = tokio::select! {
        biased;
        why = &mut reading => why,
        // A server that hangs up cannot be written to, but its reason may stand unread.
        broken = write(link, writer) => timeout(FAREWELL, reading).await.unwrap_or(broken.into()),
    };
    link.end(&why);
}

async fn read(link: &Link, mut packets: Packets) -> Error {
    loop {
        link.wait_for_room().await;
        let received = packets.next().await.and_then(|(packet, bytes)| link.receive(packet, bytes));
        if let Err(why) = received {
            return why;
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
