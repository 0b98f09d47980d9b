//! The check of a Windows program's imports sees what Nano Server does not have, whether it is needed at once or later.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/imports.py");
const COMPILER: &str = "x86_64-w64-mingw32-gcc";

fn check(program: &Path) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } =
        Command::new("python3").arg(SCRIPT).arg(program).output().expect("Python starts");
    (status.code(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

/// Where a test may write.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn compiled(name: &str, code: &str) -> PathBuf {
    let (source, program) = (file(&format!("{name}.c")), file(&format!("{name}.exe")));
    fs::write(&source, code).expect("written");
    let status = Command::new(COMPILER).arg(&source).arg("-o").arg(&program).status();
    assert!(status.expect("mingw is there").success());
    program
}

/// The smallest PE32+ file with one table in its directories: one entry, the name's address at word `name_at`.
fn program_with_table(directory: usize, name_at: usize, dll: &str) -> Vec<u8> {
    const TABLE: u32 = 0x1000;
    let mut words = vec![0_u32; 0x200 / 4];
    let mut put = |at: usize, value: u32| words[at / 4] = value;
    put(0, u32::from_le_bytes(*b"MZ\0\0"));
    put(0x3c, 0x40);
    put(0x40, u32::from_le_bytes(*b"PE\0\0"));
    // A machine, and one section; 240 bytes of optional header.
    put(0x44, 0x0001_8664);
    put(0x54, 240);
    put(0x58, 0x20b);
    put(0x58 + 108, 16);
    put(0x58 + 112 + 8 * directory, TABLE);
    // The section: its size and address once loaded, then in the file.
    for (at, value) in [0x1000, TABLE, 0x1000, 0x200].into_iter().enumerate() {
        put(0x58 + 240 + 8 + 4 * at, value);
    }
    let name = TABLE + 0x100;
    words.resize((0x200 + 0x100) / 4, 0);
    words[(0x200 / 4) + name_at] = name;
    let mut bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
    bytes.extend(dll.bytes().chain([0]));
    bytes
}

#[test]
fn a_program_with_a_window_is_refused_by_the_name_of_the_dll() {
    let code = "#include <windows.h>\nint main(void) { return GetDesktopWindow() == 0; }\n";
    let (exit, said) = check(&compiled("window", code));
    assert_eq!(exit, Some(1), "{said}");
    assert!(said.contains("user32.dll: Nano Server does not have it"), "{said}");
    assert!(said.lines().any(|line| line == "kernel32.dll"), "{said}");
}

#[test]
fn a_program_of_the_console_passes() {
    let (exit, said) = check(&compiled("console", "int main(void) { return 0; }\n"));
    assert_eq!(exit, Some(0), "{said}");
}

#[test]
fn a_dll_that_is_needed_later_is_seen_as_one_that_is_needed_at_once() {
    for (directory, name_at) in [(1, 3), (13, 1)] {
        for (dll, expected) in [("GDI32.dll", 1), ("WS2_32.dll", 0)] {
            let program = file(&format!("table{directory}.exe"));
            fs::write(&program, program_with_table(directory, name_at, dll)).expect("written");
            let (exit, said) = check(&program);
            assert_eq!(exit, Some(expected), "{said}");
            assert!(said.starts_with(&dll.to_lowercase()), "{said}");
        }
    }
}

#[test]
fn what_is_no_program_is_told_from_a_program_that_is_refused() {
    let (exit, said) = check(Path::new(SCRIPT));
    assert_eq!(exit, Some(2), "{said}");
    for length in [0x10, 0x50, 0x100, 0x210] {
        let cut = file("cut.exe");
        fs::write(&cut, &program_with_table(1, 3, "user32.dll")[..length]).expect("written");
        let (exit, said) = check(&cut);
        assert_eq!(exit, Some(2), "{length} bytes: {said}");
    }
}
