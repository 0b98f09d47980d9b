//! The chat server; all of it is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    iocp_chat::host::main()
}
