//! README's commands for the internet: those for Linux run as they stand there, those for Windows are the same.

#[path = "common/folder.rs"]
mod folder;
#[path = "common/process.rs"]
mod process;
#[path = "common/readme.rs"]
mod readme;

use std::{fs, path::Path, process::Command};

use folder::Folder;
use process::ServerProcess;
use readme::{ADDRESS, FOLDER, HOST, System, arguments, commands, pin, talk};

/// Runs a command of the server to its end.
fn finish(folder: &Path, arguments: &[String]) -> String {
    let mut command = Command::new(process::program());
    let done = command.arg("--data").arg(folder).args(arguments).output().expect("it runs");
    assert!(done.status.success(), "{arguments:?}: {done:?}");
    String::from_utf8(done.stdout).expect("text")
}

#[test]
fn readmes_five_commands_put_a_server_on_the_internet() {
    let folder = Folder::new("iocp-chat internet");
    let password = folder.join("password.txt");
    fs::write(&password, "correct horse battery staple\n").expect("a file");
    let [certificate, account, check, serve, client] = commands(System::Linux);
    let printed = finish(&folder, &arguments(&certificate, "chat-server", &[(HOST, "127.0.0.1")]));

    let mut account = arguments(&account, "chat-server", &[]);
    account.extend(["--password-file".into(), password.display().to_string()]);
    finish(&folder, &account);

    // To check is not to listen: this is the address as it stands there, which others would reach.
    finish(&folder, &arguments(&check, "chat-server", &[(ADDRESS, ADDRESS)]));

    let serve = arguments(&serve, "chat-server", &[(ADDRESS, "127.0.0.1:0")]);
    let serve: Vec<_> = serve.iter().map(String::as_str).collect();
    let server = ServerProcess::with_accounts(&folder, &serve);
    let address = server.tls.expect("it listens for TLS").to_string();

    let said = talk(&client, pin(&printed), &address, &folder, &password);
    assert!(said.status.success(), "{said:?}");
    let told = String::from_utf8(said.stderr).expect("text");
    assert!(told.contains(&format!("* kim is logged in at chats://{address}")), "{told}");
}

#[test]
fn on_windows_the_same_is_done_as_a_service() {
    let [certificate, account, _, serve, client] = commands(System::Linux);
    let [install, its_certificate, its_account, start, its_client] = commands(System::Windows);
    let of_server = |words: &[&str], rest: &[String], more: &[&str]| {
        let words = ["chat-server"].iter().chain(words).map(ToString::to_string);
        words.chain(rest.iter().cloned()).chain(more.iter().map(ToString::to_string)).collect::<Vec<_>>()
    };
    assert_eq!(install, of_server(&["service", "install"], &serve[1..], &["--firewall"]));
    assert_eq!(its_certificate, of_server(&["--data", FOLDER], &certificate[1..], &[]));
    assert_eq!(its_account, of_server(&["--data", FOLDER], &account[1..], &[]));
    assert_eq!(start, of_server(&["service", "start"], &[], &[]));
    assert_eq!(its_client, client);
}
