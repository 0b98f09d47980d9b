//! Tells the program for what and from which commit it is built, without a program of git's.
//!
//! `CHAT_COMMIT` in the environment goes first: a build from an archive says it that way. Only a release build
//! looks into `.git`; a debug build would be built again after each commit, for nothing.

use std::{env, fs, path::Path};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=CHAT_COMMIT");
    println!("cargo:rustc-env=CHAT_TARGET={}", env::var("TARGET").unwrap_or_default());
    if env::var_os("CHAT_COMMIT").is_some() || env::var("PROFILE").is_ok_and(|profile| profile != "release") {
        return;
    }
    if let Some(commit) = commit(Path::new(".git")) {
        println!("cargo:rustc-env=CHAT_COMMIT={commit}");
    }
}

/// The first 12 digits of the commit that HEAD names, directly or through a branch.
fn commit(git: &Path) -> Option<String> {
    let read = |name: &str| {
        let path = git.join(name);
        let text = fs::read_to_string(&path).ok()?;
        println!("cargo:rerun-if-changed={}", path.display());
        Some(text)
    };
    let head = read("HEAD")?;
    let hash = match head.trim().strip_prefix("ref: ") {
        None => head.trim().to_owned(),
        Some(branch) => read(branch).or_else(|| {
            let packed = read("packed-refs")?;
            let line = packed.lines().find(|line| line.ends_with(&format!(" {branch}")))?;
            line.split(' ').next().map(Into::into)
        })?,
    };
    hash.trim().get(..12).filter(|hash| hash.bytes().all(|byte| byte.is_ascii_hexdigit())).map(Into::into)
}
