//! The rows about readers who take what they are sent slowly, or not at all.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use chat_proto::{PacketCodec, ServerPacket, limits::SERVER_PACKET_BYTES_MAX};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::yield_now,
    time::{Instant, sleep, timeout},
};
use tokio_util::codec::Decoder;

use super::{
    packets,
    peer::{Peer, Stream},
    scenarios::{Outcome, expect_rejects},
    stage::{Stage, connect, since},
};

/// A guest is refused in the middle of an answer it does not take: nothing may follow those bytes.
pub async fn a_guest_takes_nothing(stage: &mut Stage) -> Outcome {
    const PIPE_BYTES: usize = 16;
    let mut stream = connect(&stage.server, stage.link, PIPE_BYTES, false).await;
    stream.write_all(&packets::hello(1, 1)).await.map_err(|error| error.to_string())?;
    sleep(Duration::from_millis(10_100)).await;
    let mut taken = Vec::new();
    stream.read_to_end(&mut taken).await.map_err(|error| error.to_string())?;
    if taken.len() > PIPE_BYTES {
        return Err(format!("something follows half a packet: {taken:02x?}"));
    }
    expect_rejects(stage, &[(1104, 1)])?;
    stage.all_gone(Duration::from_secs(1)).await
}

/// Lines that [`flood`] says each second.
const LINES_PER_SECOND: usize = 1_000;

/// Says many lines for a while, each tenth of a second some of them, and then calls `each`.
async fn flood(speaker: &mut Peer, seconds: usize, mut each: impl AsyncFnMut()) -> Vec<String> {
    let mut said = Vec::new();
    for _ in 0..seconds * 10 {
        let lines: Vec<String> =
            (0..LINES_PER_SECOND / 10).map(|n| format!("a line of the flood, {}", said.len() + n)).collect();
        let bytes: Vec<u8> = lines.iter().flat_map(|line| packets::broadcast(9, line)).collect();
        said.extend(lines);
        speaker.send(&bytes).await;
        sleep(Duration::from_millis(100)).await;
        each().await;
    }
    said
}

async fn a_speaker(stage: &Stage) -> Result<Peer, String> {
    let mut speaker = stage.connect(false).await;
    speaker.greet().await?;
    speaker.log_in("speaker").await?;
    Ok(speaker)
}

pub async fn a_reader_takes_nothing(stage: &mut Stage) -> Outcome {
    let mut speaker = a_speaker(stage).await?;
    let mut stream = connect(&stage.server, stage.link, 4_096, false).await;
    let bytes = [packets::hello(1, 1), packets::login(2, "mallory", None)].concat();
    stream.write_all(&bytes).await.map_err(|error| error.to_string())?;
    yield_now().await;
    let began = Instant::now();
    let mut cut = None;
    let server = &stage.server;
    let said = flood(&mut speaker, 15, async || {
        if cut.is_none() && server.sessions() == 3 {
            cut = Some(since(began));
        }
    })
    .await;
    if cut.is_none_or(|cut| cut < Duration::from_secs(10) || cut > Duration::from_secs(12)) {
        return Err(format!("cut after {cut:?}"));
    }
    expect_rejects(stage, &[(3002, 1)])?;
    drop((speaker, stream));
    stage.all_gone(Duration::from_secs(1)).await?;
    expect_heard(stage, &said).await
}

pub async fn a_reader_is_slow(stage: &mut Stage) -> Outcome {
    let mut speaker = a_speaker(stage).await?;
    let mut stream = connect(&stage.server, stage.link, 4_096, false).await;
    let bytes = [packets::hello(1, 1), packets::login(2, "mallory", None)].concat();
    stream.write_all(&bytes).await.map_err(|error| error.to_string())?;
    let mut taken = BytesMut::new();
    let said = flood(&mut speaker, 15, async || {
        // Slow, but never for long without a byte.
        let mut some = [0; 256];
        if let Ok(count) = stream.read(&mut some).await {
            taken.extend_from_slice(&some[..count]);
        }
    })
    .await;
    let missed = expect_every_line_or_its_loss(stream, taken, &said).await?;
    if missed == 0 {
        return Err("it missed nothing: it was not slow".into());
    }
    expect_rejects(stage, &[])?;
    drop(speaker);
    stage.all_gone(Duration::from_secs(1)).await?;
    if stage.server.metrics().missed.get() != missed {
        return Err(format!("{missed} lines were missed, {} counted", stage.server.metrics().missed.get()));
    }
    expect_heard(stage, &said).await
}

/// Reads up to the last line; every line has come in order, or is told to be missed. Returns how many those are.
async fn expect_every_line_or_its_loss(
    mut stream: Box<dyn Stream>,
    mut taken: BytesMut,
    said: &[String],
) -> Result<u64, String> {
    let mut codec = PacketCodec::new(SERVER_PACKET_BYTES_MAX);
    let (mut next, mut missed) = (0, 0);
    loop {
        while let Some(frame) = codec.decode(&mut taken).map_err(|error| error.to_string())? {
            match ServerPacket::decode(frame.kind, &frame.body).map_err(|error| error.to_string())? {
                ServerPacket::LoginAnswer(answer) => {
                    let welcome = answer.outcome.map_err(|refusal| format!("{refusal:?}"))?;
                    // After one's own coming.
                    next = welcome.conversations.0.iter().map(|presence| presence.seq).max().unwrap_or(0) + 2;
                }
                ServerPacket::BroadcastLine(line) if line.head.seq == next => {
                    next += 1;
                    if Some(&line.text) == said.last() {
                        return Ok(missed);
                    }
                }
                ServerPacket::Missed(told)
                    if told.conversation == 1 && told.from == next && told.to >= next =>
                {
                    missed += told.to - told.from + 1;
                    next = told.to + 1;
                }
                ServerPacket::HelloAnswer(_) => {}
                other => return Err(format!("at line {next}: {other:?}")),
            }
        }
        match timeout(Duration::from_mins(1), stream.read_buf(&mut taken)).await {
            Ok(Ok(1..)) => {}
            other => return Err(format!("at line {next}, {} bytes left: {other:?}", taken.remaining())),
        }
    }
}

/// The canaries have heard all of it, in order, and nothing else.
async fn expect_heard(stage: &mut Stage, said: &[String]) -> Outcome {
    let heard = stage.talk().await?;
    if heard.texts == said {
        Ok(())
    } else {
        Err(format!("{} of {} lines are heard", heard.texts.len(), said.len()))
    }
}
