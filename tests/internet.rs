//! The five commands by which README puts a server on the internet, run as they stand there.

#[path = "common/folder.rs"]
mod folder;
#[path = "common/process.rs"]
mod process;

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use folder::Folder;
use process::ServerProcess;

/// The chapter, whose first block is the one for Linux.
const CHAPTER: &str = "## On the internet";
/// The server's name there, for which this machine stands in.
const HOST: &str = "chat.example.org";
/// Where it listens there. A free port of this machine stands in.
const ADDRESS: &str = "0.0.0.0:11022";
/// What the pins there begin with, and those that are printed here.
const PIN: &str = "sha256//";

/// The words of each command of the block.
fn commands() -> Vec<Vec<String>> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).expect("text");
    let (_, chapter) = readme.split_once(CHAPTER).expect("the chapter");
    let block = chapter.split("```").nth(1).expect("a block");
    let commands = block.lines().filter_map(|line| line.strip_prefix("$ "));
    commands.map(|line| line.split_whitespace().map(Into::into).collect()).collect()
}

/// Those that follow the name of the program, which is this one.
fn arguments<'a>(command: &'a [String], program: &str) -> Vec<&'a str> {
    let (name, arguments) = command.split_first().expect("a program");
    assert_eq!(name, program, "{command:?}");
    arguments.iter().map(String::as_str).collect()
}

/// Runs a command of the server to its end.
fn finish(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(process::program());
    let done = command.arg("--data").arg(folder).args(arguments).output().expect("it runs");
    assert!(done.status.success(), "{arguments:?}: {done:?}");
    String::from_utf8(done.stdout).expect("text")
}

/// Runs a command of the client, which says one line and waits for the server's word on it.
fn say(folder: &Path, arguments: &[String], password: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat-client"));
    for variable in ["LC_ALL", "LC_MESSAGES", "LANG", "CHAT_CA", "CHAT_PIN"] {
        command.env_remove(variable);
    }
    command.env("CHAT_KNOWN_HOSTS", folder.join("known_hosts"));
    command.args(arguments).args(["--password-file", password, "--wait-ack"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    // Whoever does not come in does not read it.
    let _ = child.stdin.take().expect("piped").write_all(b"hello, world\n");
    child.wait_with_output().expect("it ends")
}

#[test]
fn readmes_five_commands_put_a_server_on_the_internet() {
    let folder = Folder::new("iocp-chat internet");
    let password = folder.join("password.txt");
    fs::write(&password, "correct horse battery staple\n").expect("a file");
    let password = password.to_str().expect("a path in UTF-8");
    let commands = commands();
    let [certificate, account, check, serve, talk] = commands.as_slice() else {
        panic!("five commands: {commands:?}");
    };

    let mut certificate = arguments(certificate, "chat-server");
    let host = certificate.iter_mut().find(|word| **word == HOST).expect("the server's name");
    *host = "127.0.0.1";
    let printed = finish(&folder, &certificate);
    let pin = printed.split_whitespace().find(|word| word.starts_with(PIN)).expect("it tells the pin");

    let mut account = arguments(account, "chat-server");
    account.extend(["--password-file", password]);
    finish(&folder, &account);

    // To check is not to listen: this is the address as it stands there, which others would reach.
    let check = arguments(check, "chat-server");
    assert!(check.contains(&ADDRESS), "{check:?}");
    finish(&folder, &check);

    let mut serve = arguments(serve, "chat-server");
    let address = serve.iter_mut().find(|word| **word == ADDRESS).expect("the address");
    *address = "127.0.0.1:0";
    let server = ServerProcess::with_accounts(&folder, &serve);
    let address = server.tls.expect("it listens for TLS");

    let talk: Vec<_> = arguments(talk, "chat-client")
        .into_iter()
        .map(|word| if word.starts_with(PIN) { pin.to_owned() } else { word.to_owned() })
        .map(|word| word.replace(HOST, &address.to_string()))
        .collect();
    assert!(talk.contains(&format!("chats://{address}")) && talk.iter().any(|word| word == pin), "{talk:?}");
    let said = say(&folder, &talk, password);
    assert!(said.status.success(), "{talk:?}: {said:?}");
    let told = String::from_utf8(said.stderr).expect("text");
    assert!(told.contains(&format!("* kim is logged in at chats://{address}")), "{told}");
}
