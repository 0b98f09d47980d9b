//! The program `chat-client`: from its arguments to its exit code.

mod account_words;
mod acquaintance;
mod address;
mod args;
mod asker;
mod bench;
mod chat;
mod command;
mod encoding;
mod entrance;
mod escape;
mod exit;
mod help;
mod input;
mod json;
mod json_record;
mod key_files;
mod key_requests;
mod korean;
mod manual;
mod no_seals;
mod output;
mod outside;
mod password;
mod reconnect_words;
mod request;
mod room_words;
mod rooms;
mod route;
mod seal_words;
mod sealed_chat;
mod sealed_show;
mod seals;
mod show;
mod state;
mod talk;
mod terminal;
mod tls_args;
mod tls_words;
mod words;

use std::{env, io, process::ExitCode};

use tokio::runtime;

use self::{
    args::Args,
    chat::{Chat, Signals},
    encoding::Encoding,
    entrance::{Entrance, NoEntry, Secrets},
    exit::Exit,
    key_files::{KeyFault, KeyFiles},
    no_seals::Unsealing,
    output::{Encodings, Level, Output},
    outside::Outside,
    rooms::Rooms,
    seals::Seals,
    state::StateFile,
    talk::Tally,
    words::Lang,
};
use super::Saved;

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let mut words = env::args_os().skip(1);
    if words.next().is_some_and(|word| bench::NAMES.iter().any(|name| word == *name)) {
        return bench::main(env::args_os().skip(1));
    }
    let args = Args::of_program();
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
    let (mut outside, tally) = (Outside::new(args.timeout), Tally::default());
    let (attempts, state) = (args.attempts(terminal::is_interactive()), StateFile::of(args));
    let enter = async {
        let route = match args.route() {
            Ok(route) => route,
            Err(why) => return Ok(Err(why)),
        };
        if args.tls.insecure {
            output.warn(lang.insecure()).await;
        }
        // Whispers that wait are handed over, once, to whom asks for sealed ones: not to whom could open none.
        let key_fault = if args.no_e2e { None } else { KeyFiles::fault(args.keys.as_deref()) };
        let seals = !args.no_e2e && key_fault.is_none();
        let entrance =
            Entrance { args, route: &route, lang, output: &output, attempts, state: state.as_ref(), seals };
        in_session(&entrance, key_fault, &mut outside, &tally).await
    };
    let mut exit = match enter.await? {
        Ok(exit) => exit,
        Err(why) => {
            if let Some(line) = lang.no_entry(&why) {
                output.warn(line).await;
            }
            Exit::from(&why)
        }
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

/// Comes in, and does there what there is to do.
async fn in_session(
    entrance: &Entrance<'_>,
    key_fault: Option<KeyFault>,
    outside: &mut Outside,
    tally: &Tally,
) -> io::Result<Result<Exit, NoEntry>> {
    let Entrance { args, route, lang, output, state, .. } = *entrance;
    let mut secrets = match Secrets::given(args) {
        Ok(secrets) => secrets,
        Err(why) => return Ok(Err(why.into())),
    };
    let saved = match state.map(|state| state.load(&route.server, &args.user)).transpose() {
        Ok(saved) => saved.flatten(),
        Err(fault) => return Ok(Err(NoEntry::State(fault))),
    };
    let rooms = Rooms::new(terminal::is_interactive());
    let first_message_id = chat::first_message_id().max(saved.as_ref().map_or(0, Saved::next_message_id));
    for (conversation, name) in saved.iter().flat_map(Saved::rooms) {
        rooms.remember(*conversation, name);
    }
    let entered = match saved {
        Some(saved) => entrance.go_on(saved, &secrets, outside).await.transpose(),
        None => None,
    };
    let entered = match entered {
        Some(entered) => entered,
        None => entrance.enter(&mut secrets, outside).await,
    };
    let (session, events) = match entered {
        Ok(entered) => entered,
        Err(why) => return Ok(Err(why)),
    };
    if args.change_password {
        // Nobody listens to what is said meanwhile.
        drop(events);
        return Ok(entrance.change_password(&session, &secrets, outside).await.map(|()| Exit::Done));
    }
    // Known to the server now; wiped here.
    let room_password = secrets.take_room();
    drop(secrets);
    let seals = tokio::select! {
        biased;
        exit = outside.ends() => return Ok(Err(NoEntry::Outside(exit))),
        seals = Seals::start(args, &session, key_fault) => seals,
    };
    let seals = seals.map_err(|why| Unsealing::new(args, why));
    let (session, rooms, signals, seals) = (&session, &rooms, &Signals::default(), &seals);
    let chat = Chat {
        args,
        route,
        lang,
        output,
        outside,
        session,
        tally,
        rooms,
        seals,
        room_password,
        state,
        signals,
        first_message_id,
    };
    chat.run(events).await.map(Ok)
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
