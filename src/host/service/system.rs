//! Programs of Windows that do for a service what they do for its operator: rights of folders, rules of the
//! firewall.

use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Makes a folder the service's own: it, the system and administrators may do all there, others nothing.
///
/// The groups go by number, because their names differ between languages of Windows.
pub fn own_folder(folder: &Path, name: &str) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let service = format!(r"NT SERVICE\{name}:(OI)(CI)M");
    let arguments: [&OsStr; 6] = [
        folder.as_os_str(),
        "/inheritance:r".as_ref(),
        "/grant:r".as_ref(),
        "*S-1-5-18:(OI)(CI)F".as_ref(),
        "*S-1-5-32-544:(OI)(CI)F".as_ref(),
        service.as_ref(),
    ];
    run("icacls.exe", &arguments)
}

/// Lets other machines connect to this program, on networks that are not public.
pub fn open_firewall(name: &str, program: &Path) -> io::Result<()> {
    let mut program_is = std::ffi::OsString::from("program=");
    program_is.push(program);
    let rule = rule(name);
    let fixed = ["advfirewall", "firewall", "add", "rule", &rule, "dir=in", "action=allow", "protocol=TCP"];
    let mut arguments: Vec<&OsStr> = fixed.iter().map(OsStr::new).collect();
    arguments.extend([program_is.as_os_str(), "profile=private,domain".as_ref()]);
    run("netsh.exe", &arguments)
}

/// Takes that back. That there is no such rule is an error like any other.
pub fn close_firewall(name: &str) -> io::Result<()> {
    let rule = rule(name);
    let arguments = ["advfirewall", "firewall", "delete", "rule", &rule];
    run("netsh.exe", &arguments.map(OsStr::new))
}

fn rule(name: &str) -> String {
    format!("name=iocp-chat {name}")
}

/// Runs a program of the system's folder, never one that lies elsewhere under its name.
fn run(program: &str, arguments: &[&OsStr]) -> io::Result<()> {
    let root = std::env::var_os("SystemRoot").unwrap_or_else(|| r"C:\Windows".into());
    let path = PathBuf::from(root).join("System32").join(program);
    let output = Command::new(path).args(arguments).stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = if output.stderr.is_empty() { output.stdout } else { output.stderr };
    let said = String::from_utf8_lossy(&said);
    let first = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("no reason given");
    Err(io::Error::other(format!("{program} failed: {first}")))
}
