//! The five commands by which README puts a server on the internet, and what stands in for what they name.
#![allow(dead_code, reason = "each test target uses its own part of it")]

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

/// The chapter that has them, a block for each system.
const CHAPTER: &str = "## On the internet";
/// The server's name there, for which this machine stands in.
pub const HOST: &str = "chat.example.org";
/// Where it listens there. A free port of this machine stands in.
pub const ADDRESS: &str = "0.0.0.0:11022";
/// Where the service keeps its data there.
pub const FOLDER: &str = r"C:\ProgramData\iocp-chat\chat-server";
/// What the pins there begin with, and those that are printed here.
const PIN: &str = "sha256//";

/// For which system a block is.
#[derive(Clone, Copy, Debug)]
pub enum System {
    Linux,
    Windows,
}

/// The words of each of its commands.
pub fn commands(system: System) -> [Vec<String>; 5] {
    let (block, prompt) = match system {
        System::Linux => (1, "$ "),
        System::Windows => (3, "> "),
    };
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).expect("text");
    let (_, chapter) = readme.split_once(CHAPTER).expect("the chapter");
    let block = chapter.split("```").nth(block).expect("a block");
    let commands = block.lines().filter_map(|line| line.strip_prefix(prompt));
    let commands: Vec<_> = commands.map(|line| line.split_whitespace().map(Into::into).collect()).collect();
    commands.try_into().unwrap_or_else(|commands| panic!("{system:?}: five commands: {commands:?}"))
}

/// The words that follow the name of a program, each of these replaced, which must be there.
pub fn arguments(command: &[String], program: &str, stand_ins: &[(&str, &str)]) -> Vec<String> {
    let (name, arguments) = command.split_first().expect("a program");
    assert_eq!(name, program, "{command:?}");
    let mut arguments = arguments.to_vec();
    for (word, stand_in) in stand_ins {
        let found = arguments.iter_mut().find(|argument| argument == word);
        (*stand_in).clone_into(found.unwrap_or_else(|| panic!("{word} in {command:?}")));
    }
    arguments
}

/// The pin in what `cert selfsigned` prints.
pub fn pin(printed: &str) -> &str {
    printed.split_whitespace().find(|word| word.starts_with(PIN)).expect("it tells the pin")
}

/// Runs the client's command, with this pin and against this server in the place of theirs: it says one line, and waits for
/// the server's word on it.
pub fn talk(command: &[String], pin: &str, address: &str, folder: &Path, password: &Path) -> Output {
    let arguments: Vec<_> = arguments(command, "chat-client", &[])
        .into_iter()
        .map(|word| if word.starts_with(PIN) { pin.to_owned() } else { word.replace(HOST, address) })
        .collect();
    assert!(arguments.contains(&format!("chats://{address}")), "{arguments:?}");
    assert!(arguments.iter().any(|word| word == pin), "{arguments:?}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat-client"));
    for variable in ["LC_ALL", "LC_MESSAGES", "LANG", "CHAT_CA", "CHAT_PIN"] {
        command.env_remove(variable);
    }
    command.env("CHAT_KNOWN_HOSTS", folder.join("known_hosts"));
    command.args(arguments).arg("--wait-ack").arg("--password-file").arg(password);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    // Whoever does not come in does not read it.
    let _ = child.stdin.take().expect("piped").write_all(b"hello, world\n");
    child.wait_with_output().expect("it ends")
}
