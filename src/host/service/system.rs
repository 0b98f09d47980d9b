//! Programs of Windows that do for a service what they do for its operator: rights of folders, rules of the
//! firewall.

use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Lets the service write to its folder. A folder that is new is the service's own: it, the system and
/// administrators may do all there, others nothing. One that was there keeps its other rights, because others may
/// live in it; the answer is whether it was new.
///
/// The groups go by number, because their names differ between languages of Windows.
pub fn give_folder(folder: &Path, name: &str) -> io::Result<bool> {
    let new = !folder.exists();
    std::fs::create_dir_all(folder)?;
    let service = format!(r"NT SERVICE\{name}:(OI)(CI)M");
    let mut arguments: Vec<&OsStr> = vec![folder.as_os_str()];
    if new {
        let closed = ["/inheritance:r", "/grant:r", "*S-1-5-18:(OI)(CI)F", "*S-1-5-32-544:(OI)(CI)F"];
        arguments.extend(closed.map(OsStr::new));
    } else {
        arguments.push("/grant:r".as_ref());
    }
    arguments.push(service.as_ref());
    run("icacls.exe", &arguments)?;
    Ok(new)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_closed_to_others_only_if_it_is_new() {
        let folder = std::env::temp_dir().join(format!("chat rights {}", std::process::id()));
        // The account of a service that Windows always has.
        assert!(give_folder(&folder, "EventLog").expect("icacls is there"));
        assert!(!give_folder(&folder, "EventLog").expect("icacls is there"));
        std::fs::remove_dir_all(folder).expect("ours");
    }
}
