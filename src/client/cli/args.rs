//! The command line of `chat-client`, and its help.

use std::{num::NonZeroU64, time::Duration};

use chat_proto::Username;
use clap::{ArgAction, Parser, ValueEnum};

use super::encoding::Encoding;

/// Port of a server when none is named.
const PORT: u16 = 11_021;

const ABOUT: &str = "Chat from a terminal or a pipe, in the manner of netcat";

const LONG_ABOUT: &str = "\
Chat from a terminal or a pipe, in the manner of netcat.

Each line of standard input is said to everyone in the lobby. Standard output has what others say and nothing \
else; everything else goes to standard error. A line is written as soon as it is complete, in a pipe too.

Lines that begin with a slash are commands:

  /w NAME TEXT   say TEXT to NAME alone (/whisper, /귓, /귓말)
  /who           list who is here, on standard error (/누구)
  /quit          leave (/나가기)
  /help          list the commands (/도움말)
  //TEXT         say /TEXT";

const AFTER_HELP: &str = "\
See --help for commands, exit codes and the JSON schema. 'chat-client bench --help' measures a server.";

const AFTER_LONG_HELP: &str = "\
Input: UTF-8, or what --encoding says. A byte order mark and carriage returns before line ends are removed, blank \
lines are skipped, and bytes of no character become U+FFFD with a warning. Lines are sent in order and no faster than the server \
announces; what it refuses as too fast is sent again. On a terminal there is line editing and history.

Output, text: one line per message, '<NAME> TEXT' for everyone, '*NAME* TEXT' for a whisper, '-!- TEXT' from the \
operator. A line break within a text is shown as ⏎; other control characters and characters that would reorder \
the line are shown as \\u{..}. Colour is used on a terminal only, and not when NO_COLOR is set.

Encodings: --encoding is for standard input, output and error where they are pipes or files. It takes cp949 (the \
same as euc-kr, uhc, ks_c_5601-1987 and 949), utf-8, and the other names of the WHATWG Encoding Standard but UTF-16 \
and ISO-2022-JP. A character that the encoding lacks is shown as \\u{..}. A terminal is Unicode, a console of Windows \
under any chcp too; arguments, CHAT_USER and the output of --json are Unicode as well: none of them heeds --encoding.

Output, --json: one JSON object per line. Later versions may add fields and types, never change these:

  {\"type\":\"broadcast\",\"conversation\":\"1\",\"epoch\":\"7\",\"seq\":\"3\",\"time_ms\":0,\"from\":\"kim\",\"text\":\"hi\"}
  {\"type\":\"whisper\", ...}   the same fields as broadcast
  {\"type\":\"system\",  ...}   the same without \"from\"
  {\"type\":\"joined\",  \"conversation\",\"epoch\",\"seq\",\"time_ms\",\"name\"}
  {\"type\":\"left\",    \"conversation\",\"epoch\",\"seq\",\"time_ms\",\"name\",\"reason\"}
  {\"type\":\"missed\",  \"conversation\",\"epoch\",\"from_seq\",\"to_seq\"}
  {\"type\":\"error\",   \"kind\",\"id\",\"code\",\"retry_ms\"}
  {\"type\":\"goodbye\", \"code\",\"retry_ms\",\"text\"}

64-bit numbers are strings, times are milliseconds since 1970 UTC, other numbers are numbers. \"reason\" is one of \
quit, lost, timeout, kicked, replaced, misbehaved, or a number in digits. Control characters are escaped.

Exit codes:
    0  done: end of input, /quit, -C reached, or the reader of standard output went away
    1  network: no connection, or it broke, or the server said goodbye by itself
    2  usage
    3  refused: the login, or the session (name in use, server full, replaced ...)
    4  protocol: the two do not understand each other
    5  -W ran out
    6  --wait-ack: some line was not acknowledged, whatever else ended the program (but Ctrl-C)
  130  Ctrl-C";

/// What to connect to, as whom, and how to behave.
#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of a command line")]
#[command(name = "chat-client", version, about = ABOUT, long_about = LONG_ABOUT)]
#[command(after_help = AFTER_HELP, after_long_help = AFTER_LONG_HELP)]
pub struct Args {
    /// The server
    #[arg(help = "The server; an IPv6 address with a port is written as [::1]:11021")]
    #[arg(value_name = "HOST[:PORT]", default_value = "127.0.0.1:11021", value_parser = Address::parse)]
    pub server: Address,

    /// The name to be known by
    #[arg(short, long, value_name = "NAME", env = "CHAT_USER", value_parser = parse_name)]
    pub user: Username,

    /// Write JSON Lines to standard output
    #[arg(long)]
    pub json: bool,

    /// The encoding of pipes and files, such as cp949; a terminal is right without it
    #[arg(long, value_name = "NAME", default_value = "utf-8", value_parser = Encoding::parse)]
    pub encoding: Encoding,

    /// Exit after this many messages (broadcasts, whispers, the operator's lines) were received
    #[arg(short = 'C', long, value_name = "N")]
    pub count: Option<NonZeroU64>,

    /// Exit with code 5 when this much time has passed, connecting included
    #[arg(short = 'W', long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub timeout: Option<Duration>,

    /// Wait for the server's word on every line, however long; exit with code 6 if one was not acknowledged
    #[arg(long)]
    pub wait_ack: bool,

    /// At the end of input: leave once every line is answered, or stay and listen [default: quit; wait with -C]
    #[arg(long, value_enum, value_name = "WHAT")]
    pub eof: Option<Eof>,

    /// Say nothing on standard error but errors, warnings and what was asked for
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Say more on standard error: limits, and the number of each line said
    #[arg(short, long, action = ArgAction::SetTrue)]
    pub verbose: bool,
}

/// What the end of input means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Eof {
    /// Leave, once every line is answered.
    Quit,
    /// Stay and listen.
    Wait,
}

impl Args {
    /// What the end of input means here: who wants N messages has not seen them yet.
    #[must_use]
    pub fn eof(&self) -> Eof {
        self.eof.unwrap_or(if self.count.is_some() { Eof::Wait } else { Eof::Quit })
    }
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// A name or an address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl Address {
    /// `HOST`, `HOST:PORT`, `[IPV6]:PORT`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or("']' is missing")?;
                match port.strip_prefix(':') {
                    None if !port.is_empty() => return Err("only ':PORT' may follow ']'".to_owned()),
                    port => (host, port),
                }
            }
            // More than one colon and no brackets: a bare IPv6 address.
            None => match text.split_once(':') {
                Some((host, port)) if !port.contains(':') => (host, Some(port)),
                _ => (text, None),
            },
        };
        if host.is_empty() {
            return Err("the host is missing".to_owned());
        }
        let port = match port.map(str::parse::<u16>) {
            None => PORT,
            Some(Ok(port)) if port > 0 => port,
            Some(_) => return Err("the port is a number from 1 to 65535".to_owned()),
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

fn parse_name(text: &str) -> Result<Username, String> {
    Username::parse(text)
        .map_err(|why| format!("{}: 1 to 32 letters, digits, '_', '-' or '.', without spaces", why.line()))
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds
        .filter(|seconds| !seconds.is_zero())
        .ok_or_else(|| "a number of seconds above 0, such as 2.5".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (text, host, port) in [
            ("example.org", "example.org", 11_021),
            ("example.org:80", "example.org", 80),
            ("127.0.0.1:1", "127.0.0.1", 1),
            ("::1", "::1", 11_021),
            ("[::1]", "::1", 11_021),
            ("[fe80::1%eth0]:5", "fe80::1%eth0", 5),
            ("서버.kr:5", "서버.kr", 5),
        ] {
            assert_eq!(Address::parse(text), Ok(Address { host: host.to_owned(), port }), "{text}");
        }
        for bad in ["", ":5", "[::1", "[::1]5", "host:", "host:0", "host:65536", "host:http", "[]:5"] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_end_of_input_leaves_unless_messages_are_waited_for() {
        let eof = |line: &str| Args::try_parse_from(line.split(' ')).expect("valid").eof();
        assert_eq!(eof("chat-client -u a"), Eof::Quit);
        assert_eq!(eof("chat-client -u a -C 1"), Eof::Wait);
        assert_eq!(eof("chat-client -u a -C 1 --eof=quit"), Eof::Quit);
        assert_eq!(eof("chat-client -u a --eof wait"), Eof::Wait);
    }

    #[test]
    fn what_cannot_be_meant_is_a_usage_error() {
        for bad in [
            "-u",
            "-u a b c",
            "-u a -C 0",
            "-u a -W 0",
            "-u a -W -1",
            "-u a -W nan",
            "-u a/b",
            "-u a -q -v",
            "-u a --encoding utf-16",
            "-u a --encoding hangul",
        ] {
            let line = format!("chat-client {bad}");
            assert!(Args::try_parse_from(line.split(' ')).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_help_is_consistent() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }
}
