//! The gate on instruction counts lets small changes and explained ones through, and nothing else.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/instructions/judge.py");
const TOOLCHAIN: &str = "a compiler";

/// An operation, and its instructions.
type Count<'a> = (&'a str, u64);
/// A row of the record: operation, instructions, why.
type Row<'a> = (&'a str, u64, &'a str);

/// What a commit and its parent cost, and what each has recorded.
#[derive(Clone, Copy)]
struct Case<'a> {
    base: &'a [Count<'a>],
    now: &'a [Count<'a>],
    base_record: &'a [Row<'a>],
    record: &'a [Row<'a>],
}

/// One operation, as dear as it was and as is recorded.
const UNCHANGED: Case<'static> = Case {
    base: &[("append", 1_000)],
    now: &[("append", 1_000)],
    base_record: &[("append", 1_000, "as first counted")],
    record: &[("append", 1_000, "as first counted")],
};

impl Case<'_> {
    /// Whether the commit passes, and what is said, by a judge who has the given toolchain.
    fn judged(&self, test: &str, toolchain: &str) -> (bool, String) {
        let [record, now, base_record, base] = [
            file(test, "record.toml", &record(self.record)),
            file(test, "now", &counts(self.now)),
            file(test, "base-record.toml", &record(self.base_record)),
            file(test, "base", &counts(self.base)),
        ];
        judge(Command::new("python3").arg(SCRIPT).arg(toolchain).args([record, now, base_record, base]))
    }
}

fn judge(command: &mut Command) -> (bool, String) {
    let Output { status, stdout, stderr } = command.output().expect("Python starts");
    let said = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    assert!(matches!(status.code(), Some(0 | 1)) && !said.contains("Traceback"), "{said}");
    (status.success(), said)
}

fn counts(counts: &[Count]) -> String {
    counts.iter().fold(String::new(), |mut lines, (name, count)| {
        writeln!(lines, "{name} {count}").expect("memory");
        lines
    })
}

fn record(rows: &[Row]) -> String {
    let head = format!("toolchain = {TOOLCHAIN:?}\n[operations]\n");
    rows.iter().fold(head, |mut lines, (name, figure, why)| {
        writeln!(lines, "{name} = {{ instructions = {figure}, why = {why:?} }}").expect("memory");
        lines
    })
}

/// A file of its own for each test: they run side by side.
fn file(test: &str, name: &str, contents: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("instructions").join(test);
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(name), contents).expect("written");
    folder.join(name)
}

#[test]
fn what_became_six_percent_dearer_fails_by_name_with_the_figures() {
    let recorded = &[("append", 1_060, "as first counted")];
    let dearer = Case { now: &[("append", 1_060)], base_record: recorded, record: recorded, ..UNCHANGED };
    let (passes, said) = dearer.judged("dearer", TOOLCHAIN);
    assert!(!passes && said.contains("append: 1,000 instructions before, 1,060 now: +6.0 %"), "{said}");
}

#[test]
fn what_became_four_percent_dearer_passes() {
    let (passes, said) = Case { now: &[("append", 1_040)], ..UNCHANGED }.judged("little", TOOLCHAIN);
    assert!(passes, "{said}");
}

#[test]
fn many_small_rises_come_to_the_recorded_figure() {
    let crept = Case { base: &[("append", 1_045)], now: &[("append", 1_060)], ..UNCHANGED };
    let (passes, said) = crept.judged("crept", TOOLCHAIN);
    assert!(!passes && said.contains("append: 1,000 instructions recorded, 1,060 now: +6.0 %"), "{said}");
}

#[test]
fn a_figure_raised_with_a_reason_forgives_what_it_says_and_no_more() {
    let raised = Case { record: &[("append", 1_200, "each line is stored")], ..UNCHANGED };
    let (passes, said) = Case { now: &[("append", 1_200)], ..raised }.judged("raised", TOOLCHAIN);
    assert!(passes, "{said}");
    let (passes, said) = Case { now: &[("append", 1_300)], ..raised }.judged("raised", TOOLCHAIN);
    assert!(!passes && said.contains("append: 1,200 instructions recorded, 1,300 now: +8.3 %"), "{said}");
}

#[test]
fn a_figure_raised_without_a_reason_fails() {
    for (why, complaint) in [
        (
            "as first counted",
            "append: its figure is raised from 1,000 to 1,200, and its `why` is the old one",
        ),
        (" ", "append: its `why` says nothing"),
    ] {
        let raised = Case { now: &[("append", 1_200)], record: &[("append", 1_200, why)], ..UNCHANGED };
        let (passes, said) = raised.judged("unexplained", TOOLCHAIN);
        assert!(!passes && said.contains(complaint), "{said}");
    }
}

#[test]
fn a_new_operation_is_compared_with_nothing_and_has_to_be_recorded() {
    let new = Case { now: &[("append", 1_000), ("gather", 500)], ..UNCHANGED };
    let (passes, said) = new.judged("new", TOOLCHAIN);
    assert!(!passes && said.contains("gather: it has no figure"), "{said}");
    let record = &[("append", 1_000, "as first counted"), ("gather", 500, "as first counted")];
    let (passes, said) = Case { record, ..new }.judged("new", TOOLCHAIN);
    assert!(passes, "{said}");
    let (passes, said) = Case { record, ..UNCHANGED }.judged("new", TOOLCHAIN);
    assert!(!passes && said.contains("gather: it has a figure") && said.contains("is not counted"), "{said}");
}

#[test]
fn without_a_parent_the_record_alone_judges() {
    let alone = Case { base: &[], base_record: &[], ..UNCHANGED };
    let (passes, said) = alone.judged("alone", TOOLCHAIN);
    assert!(passes, "{said}");
    let (passes, said) = Case { now: &[("append", 1_060)], ..alone }.judged("alone", TOOLCHAIN);
    assert!(!passes && said.contains("append: 1,000 instructions recorded"), "{said}");
}

#[test]
fn with_another_toolchain_the_parent_alone_judges() {
    let all_dearer = Case { base: &[("append", 1_100)], now: &[("append", 1_100)], ..UNCHANGED };
    let (passes, said) = all_dearer.judged("toolchain", "another");
    assert!(passes && said.contains("the recorded figures judge nothing"), "{said}");
    let (passes, said) = Case { now: &[("append", 1_160)], ..all_dearer }.judged("toolchain", "another");
    assert!(!passes && said.contains("append: 1,100 instructions before"), "{said}");
    // What a commit has raised and explained is raised for every toolchain.
    let raised = Case { record: &[("append", 1_060, "each line is stored")], ..all_dearer };
    let (passes, said) = Case { now: &[("append", 1_160)], ..raised }.judged("toolchain", "another");
    assert!(passes, "{said}");
}

#[test]
fn what_became_cheaper_passes_and_is_to_be_recorded() {
    let (passes, said) = Case { now: &[("append", 900)], ..UNCHANGED }.judged("cheaper", TOOLCHAIN);
    assert!(passes && said.contains("append has become cheaper"), "{said}");
}

#[test]
fn recording_writes_what_moved_and_leaves_every_reason_as_it_was() {
    let rows = [("append", 1_000, "one \"block\""), ("gather", 500, "얇게"), ("gone", 1, "once")];
    let record = file("recording", "record.toml", &record(&rows));
    let now = file("recording", "now", &counts(&[("append", 1_100), ("gather", 504), ("new", 70)]));
    let (_, said) =
        judge(Command::new("python3").args([SCRIPT, "--record", TOOLCHAIN]).args([&record, &now]));
    assert!(said.contains("append: 1,000 instructions recorded, 1,100 now: let its `why` say why"), "{said}");
    let text = fs::read_to_string(&record).expect("written");
    let rows: Vec<_> = text.lines().skip_while(|line| *line != "[operations]").skip(1).collect();
    assert_eq!(
        rows,
        [
            r#"append = { instructions = 1_100, why = "one \"block\"" }"#,
            r#"gather = { instructions = 500, why = "얇게" }"#,
            r#"new = { instructions = 70, why = "as first counted" }"#,
        ]
    );
}
