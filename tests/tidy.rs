//! What a machine can check of how this code is written.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Each floor, and the floors of this crate that it may use. (`proto` is a crate of its own: cargo keeps it
/// from looking up.)
const FLOORS: &[(&str, &[&str])] = &[
    ("config", &[]),
    ("metrics", &[]),
    ("platform", &[]),
    ("stop", &[]),
    ("room", &["config", "metrics"]),
    ("store", &["config", "metrics"]),
    ("session", &["config", "metrics", "room", "store"]),
    ("net", &["config", "metrics", "platform", "room", "session"]),
    ("server", &["config", "metrics", "net", "platform", "room", "session", "stop", "store"]),
    ("client", &["platform"]),
    (
        "host",
        &["client", "config", "metrics", "net", "platform", "room", "server", "session", "stop", "store"],
    ),
];

/// Lines a file may have and still be read at a sitting.
const LINES_MAX: usize = 450;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of the project with one of these endings.
fn files(endings: &[&str]) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for folder in ["src", "proto", "tests", "benches", "fuzz", "scripts", ".ci", ".github"] {
        walk(&root().join(folder), endings, &mut found);
    }
    assert!(found.len() > 5, "the project is not where it is looked for");
    found
}

fn walk(folder: &Path, endings: &[&str], found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("a readable folder").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !matches!(name.as_str(), "target" | "corpus" | "artifacts" | "__pycache__") {
            walk(&path, endings, found);
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            let text = fs::read_to_string(&path).expect("text");
            found.push((path.strip_prefix(root()).expect("below the root").to_owned(), text));
        }
    }
}

/// What the code names after `crate::`, in paths and in grouped imports.
fn used_modules(code: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut item = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        used.insert(first_word(&item));
                        item.clear();
                        continue;
                    }
                    _ => {}
                }
                item.push(c);
            }
            used.insert(first_word(&item));
        } else {
            used.insert(first_word(rest));
        }
    }
    used.remove("");
    used
}

fn first_word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn no_file_names_a_floor_above_its_own() {
    let mut seen = BTreeSet::new();
    for (path, code) in files(&[".rs"]) {
        let Ok(below) = path.strip_prefix("src") else { continue };
        let floor = below.iter().next().expect("a name").to_string_lossy().trim_end_matches(".rs").to_owned();
        if matches!(floor.as_str(), "lib" | "bin") {
            continue;
        }
        let (_, allowed) = FLOORS
            .iter()
            .find(|(name, _)| *name == floor)
            .unwrap_or_else(|| panic!("{floor} is on no floor"));
        seen.insert(floor.clone());
        for used in used_modules(&code) {
            assert!(
                used == floor || allowed.contains(&used.as_str()),
                "{}: {floor} does not look up to {used}",
                path.display()
            );
        }
    }
    assert_eq!(seen.len(), FLOORS.len(), "a floor without files: {seen:?}");
}

#[test]
fn the_scan_of_floors_sees_every_way_to_import() {
    let code = "use crate::net::End;\nuse crate::{\n    config::{A, B},\n    room::Log,\n};\nlet x = crate::server::Y;";
    let used: Vec<_> = used_modules(code).into_iter().collect();
    assert_eq!(used, ["config", "net", "room", "server"]);
}

#[test]
fn every_file_opens_with_one_sentence_that_says_what_it_owns() {
    for (path, code) in files(&[".rs"]) {
        let head: Vec<_> = code
            .lines()
            .map_while(|line| line.strip_prefix("//!"))
            .take_while(|line| !line.is_empty())
            .collect();
        let sentence = head.join(" ");
        let sentence = sentence.trim();
        assert!(!sentence.is_empty(), "{} does not open with `//!`", path.display());
        assert!(
            sentence.ends_with(['.', ':']) && !sentence.contains(". "),
            "{} does not open with one sentence: {sentence}",
            path.display()
        );
    }
}

#[test]
fn every_file_is_read_at_a_sitting() {
    for (path, code) in files(&[".rs", ".py", ".sh"]) {
        let lines = code.lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", path.display());
    }
}

#[test]
fn nothing_is_left_for_later_and_no_test_is_skipped() {
    // Written apart, or this file would find itself.
    let words = [["TO", "DO"], ["FIX", "ME"], ["todo", "!("], ["unimplemented", "!("], ["#[ig", "nore"]]
        .map(|w| w.concat());
    for (path, code) in files(&[".rs", ".py", ".sh", "run", ".yml", ".toml"]) {
        for word in &words {
            assert!(!code.contains(word.as_str()), "{} has {word}", path.display());
        }
    }
}

#[test]
fn unsafe_stands_in_platform_alone_and_every_channel_is_bounded() {
    for (path, code) in files(&[".rs"]) {
        let shipped = path.starts_with("src") || path.starts_with("proto/src");
        if shipped && !path.starts_with("src/platform") {
            let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            for line in code {
                assert!(!line.contains("unsafe "), "{}: {line}", path.display());
                assert!(!line.contains("unbounded_channel"), "{}: {line}", path.display());
            }
        }
    }
}

#[test]
fn only_one_file_knows_the_encoder() {
    for (path, code) in files(&[".rs"]) {
        let knows = code.contains("bincode::");
        assert!(
            !knows || path.ends_with("proto/src/wire.rs") || path.ends_with("tidy.rs"),
            "{}",
            path.display()
        );
    }
}

#[test]
fn both_readmes_show_the_same_commands_and_have_the_same_chapters() {
    let [english, korean] = ["README.md", "README.ko.md"]
        .map(|name| fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}")));
    let blocks =
        |text: &str| -> Vec<String> { text.split("```").skip(1).step_by(2).map(Into::into).collect() };
    for (one, other) in blocks(&english).iter().zip(&blocks(&korean)) {
        assert_eq!(one, other, "a block differs between the two");
    }
    assert_eq!(blocks(&english).len(), blocks(&korean).len());
    let chapters = |text: &str| text.lines().filter(|line| line.starts_with("## ")).count();
    assert_eq!(chapters(&english), chapters(&korean));
}

/// The targets of tests that start other programs, as Cargo.toml has them.
fn external_tests() -> Vec<String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("text");
    let targets = manifest.split("[[test]]").skip(1).filter(|target| target.contains("\"external\""));
    let name = |target: &str| target.lines().find_map(|line| line.strip_prefix("name = ").map(Into::into));
    targets.map(|target| name(target).expect("a name")).map(|name: String| name.replace('"', "")).collect()
}

#[test]
fn the_gate_runs_every_test_that_starts_other_programs() {
    let gate =
        [".ci/run", "scripts/windows.sh"].map(|path| fs::read_to_string(root().join(path)).expect(path));
    let named = external_tests();
    assert!(named.len() > 5, "{named:?}");
    for test in named.iter().filter(|test| *test != "windows_service") {
        assert!(gate.concat().contains(&format!("--test {test}")), "{test} is run by no script");
    }
    // Whatever needs no program of Linux; this needs Windows.
    let excluded = "binary(windows_service)";
    assert!(named.iter().any(|test| test == "windows_service") && !gate[1].contains(excluded));
}

#[test]
fn the_container_is_built_from_all_that_cargo_reads() {
    let ignored = fs::read_to_string(root().join(".dockerignore")).expect("text");
    let let_in: BTreeSet<_> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let mut read = BTreeSet::new();
    for entry in fs::read_dir(root()).expect("a readable folder") {
        let path = entry.expect("a readable folder").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let mut code = Vec::new();
        // The fuzzer is a workspace of its own.
        if path.is_dir() && !matches!(name.as_str(), "target" | "fuzz") {
            walk(&path, &[".rs"], &mut code);
        }
        let is_code = path.extension().is_some_and(|ending| ending == "rs");
        if !code.is_empty() || name.starts_with("Cargo.") || is_code {
            read.insert(name);
        }
    }
    assert!(read.contains("src") && read.contains("build.rs"), "{read:?}");
    assert_eq!(read.iter().map(String::as_str).collect::<BTreeSet<_>>(), let_in);
}
