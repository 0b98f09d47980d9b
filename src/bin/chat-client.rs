//! The netcat-style chat client; all of it is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    iocp_chat::client::cli::main()
}
