//! Programs of Windows that do for a service what they do for its operator: rights of folders, rules of the
//! firewall.

use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Makes a folder for the service alone: it, the system and administrators may do all there, others nothing. The
/// folder above it, if it is new as well, is closed in the same way but for looking into it.
///
/// Everybody may make folders below `ProgramData`, and owns what they made. So a folder that was there before is
/// taken from whoever owns it, and one that leads elsewhere is refused. The groups go by number, because their
/// names differ between languages of Windows.
pub fn own_folder(folder: &Path, name: &str) -> io::Result<()> {
    if let Some(above) = folder.parent() {
        no_link(above)?;
        if !above.exists() {
            std::fs::create_dir_all(above)?;
            icacls(above, &["/inheritance:r", "/grant:r", SYSTEM, ADMINISTRATORS, "*S-1-5-32-545:(RX)"])?;
        }
    }
    no_link(folder)?;
    if let Err(error) = std::fs::create_dir(folder) {
        if error.kind() != io::ErrorKind::AlreadyExists {
            return Err(error);
        }
        icacls(folder, &["/setowner", "*S-1-5-32-544"])?;
        icacls(folder, &["/reset"])?;
    }
    icacls(folder, &["/inheritance:r", "/grant:r", SYSTEM, ADMINISTRATORS, &service(name)])
}

/// Lets the service write to a folder that an operator chose: others may live in it, and keep their rights.
pub fn share_folder(folder: &Path, name: &str) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    icacls(folder, &["/grant:r", &service(name)])
}

const SYSTEM: &str = "*S-1-5-18:(OI)(CI)F";
const ADMINISTRATORS: &str = "*S-1-5-32-544:(OI)(CI)F";

fn service(name: &str) -> String {
    format!(r"NT SERVICE\{name}:(OI)(CI)M")
}

fn icacls(folder: &Path, what: &[&str]) -> io::Result<()> {
    let arguments: Vec<&OsStr> =
        [folder.as_os_str()].into_iter().chain(what.iter().map(OsStr::new)).collect();
    run("icacls.exe", &arguments)
}

fn no_link(folder: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(folder) {
        Ok(data) if data.is_symlink() => {
            Err(io::Error::other(format!("{} leads to another folder", folder.display())))
        }
        _ => Ok(()),
    }
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

/// Runs a program of the system's folder, never one that lies elsewhere under its name. What it says is in the
/// language and the encoding of that Windows: whoever wants to read it is told how to run it again.
fn run(program: &str, arguments: &[&OsStr]) -> io::Result<()> {
    let root = std::env::var_os("SystemRoot").unwrap_or_else(|| r"C:\Windows".into());
    let path = PathBuf::from(root).join("System32").join(program);
    let mut command = Command::new(path);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = command.status()?;
    if status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("{program} failed ({status}); to see why, run: {command:?}")))
}
