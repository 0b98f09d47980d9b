//! The program `chat-client`: from its arguments to its exit code.

mod args;
mod bench;
mod chat;
mod command;
mod encoding;
mod escape;
mod exit;
mod input;
mod json;
mod korean;
mod output;
mod outside;
mod show;
mod talk;
mod terminal;
mod words;

use std::{env, io, process::ExitCode};

use chat_proto::Credential;
use clap::Parser;
use tokio::runtime;

use self::{
    args::Args,
    chat::Chat,
    encoding::Encoding,
    exit::Exit,
    output::{Encodings, Level, Output},
    outside::Outside,
    talk::Tally,
    words::Lang,
};
use super::{Client, Error, Events, Session};

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let mut words = env::args_os().skip(1);
    if words.next().is_some_and(|word| bench::NAMES.iter().any(|name| word == *name)) {
        return bench::main(env::args_os().skip(1));
    }
    let args = Args::parse();
    // One worker drives the connection; this thread talks and listens.
    let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let ended = runtime.and_then(|runtime| {
        let ended = runtime.block_on(run(&args));
        // Name look-ups cannot be cancelled, and nobody waits for one any more.
        runtime.shutdown_background();
        ended
    });
    ended.map_or_else(
        |error| {
            // Nobody is left to tell.
            let _ = output::write(io::stderr(), encodings(&args).err, &format!("chat-client: {error}\n"));
            Exit::Network.into()
        },
        ExitCode::from,
    )
}

async fn run(args: &Args) -> io::Result<Exit> {
    let (output, lang) = (Output::start(level(args), encodings(args))?, Lang::from_env());
    let (outside, tally) = (Outside::new(args.timeout), Tally::default());
    let connected = tokio::select! {
        biased;
        exit = outside.ends() => Err(exit),
        connected = connect(args) => match connected {
            Ok(connected) => Ok(connected),
            Err(error) => {
                output.warn(lang.error(&error)).await;
                Err(Exit::from(&error))
            }
        },
    };
    let mut exit = match connected {
        Ok((session, events)) => {
            Chat { args, lang, output: &output, outside: &outside, session: &session, tally: &tally }
                .run(events)
                .await?
        }
        Err(exit) => exit,
    };
    if exit == Exit::Timeout {
        output.warn(lang.time_is_up()).await;
    }
    let unacknowledged = tally.unacknowledged();
    if args.wait_ack && unacknowledged > 0 && exit != Exit::Interrupted {
        output.warn(lang.unacknowledged(unacknowledged)).await;
        exit = Exit::Unacknowledged;
    }
    output.finish().await;
    Ok(exit)
}

async fn connect(args: &Args) -> Result<(Session, Events), Error> {
    let client = Client::connect((args.server.host.as_str(), args.server.port)).await?;
    client.log_in(args.user.as_str(), Credential::None).await
}

fn level(args: &Args) -> Level {
    match (args.quiet, args.verbose) {
        (true, _) => Level::Quiet,
        (_, true) => Level::Verbose,
        _ => Level::Normal,
    }
}

fn encodings(args: &Args) -> Encodings {
    // JSON is UTF-8, or it is not JSON (RFC 8259).
    let out = if args.json { Encoding::UTF_8 } else { args.encoding };
    Encodings { out: out.of_stream(&io::stdout()), err: args.encoding.of_stream(&io::stderr()) }
}
