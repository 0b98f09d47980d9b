//! Accounts to and from a file, for `chat-server user export` and `import`.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufReader, BufWriter, Write},
    path::Path,
};

use chat_proto::Username;

use super::exit::Failure;
use crate::{
    session::NameRules,
    store::{Accounts, Imported, TransferError},
};

/// Writes every account to a new file, for nobody else to read.
pub async fn export(accounts: &Accounts, file: &Path) -> Result<(), Failure> {
    let mut out: Box<dyn Write + Send> = if is_standard(file) {
        Box::new(io::stdout())
    } else {
        Box::new(create(file).map_err(|error| Failure::running(&file.display().to_string(), error))?)
    };
    let count = accounts.export(&mut BufWriter::new(&mut out)).await.map_err(|error| failure(file, error))?;
    // Standard output may be the accounts themselves.
    eprintln!("exported {}", accounts_of(count));
    Ok(())
}

/// Makes the accounts of a file. Names are judged as an operator's.
pub async fn import(accounts: &Accounts, file: &Path, rules: &NameRules) -> Result<(), Failure> {
    let input: Box<dyn io::Read + Send> = if is_standard(file) {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(file).map_err(|error| Failure::running(&file.display().to_string(), error))?)
    };
    let forms = |name: &str| {
        let name = Username::parse(name).ok()?;
        Some(rules.judge_reserved(&name).ok()?.stored(&name))
    };
    let imported = accounts.import(&mut BufReader::new(input), forms).await;
    let Imported { added, refused, mut refusals } = imported.map_err(|error| failure(file, error))?;
    // Of what is imported together, those that collide are found last.
    refusals.sort_by_key(|(line, _)| *line);
    for (line, refusal) in &refusals {
        eprintln!("line {line}: {refusal}");
    }
    super::print(&format!("imported {}\n", accounts_of(added)))?;
    match refused {
        0 => Ok(()),
        1 => Err(Failure::Runtime("1 line was refused".into())),
        more => Err(Failure::Runtime(format!("{more} lines were refused"))),
    }
}

fn is_standard(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// Never over another file: it may be the only copy.
fn create(file: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.write(true).create_new(true).open(file)
}

fn accounts_of(count: u64) -> String {
    if count == 1 { "1 account".into() } else { format!("{count} accounts") }
}

fn failure(file: &Path, error: TransferError) -> Failure {
    match error {
        TransferError::Io(error) => Failure::running(&file.display().to_string(), error),
        TransferError::Store(error) => error.into(),
    }
}
