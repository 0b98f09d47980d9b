//! The help texts of `chat-client`.

/// The first line.
pub const ABOUT: &str = "Chat from a terminal or a pipe, in the manner of netcat";

/// The head of `--help`.
pub const LONG_ABOUT: &str = "\
Chat from a terminal or a pipe, in the manner of netcat.

Each line of standard input is said to everyone in the lobby. Standard output has what others say and nothing \
else; everything else goes to standard error. A line is written as soon as it is complete, in a pipe too.

Lines that begin with a slash are commands:

  /w NAME TEXT   say TEXT to NAME alone (/whisper, /귓, /귓말)
  /who           list who is here, on standard error (/누구)
  /quit          leave (/나가기)
  /help          list the commands (/도움말)
  //TEXT         say /TEXT";

/// The foot of `-h`.
pub const AFTER_HELP: &str = "\
See --help for commands, exit codes and the JSON schema. 'chat-client bench --help' measures a server.";

/// The foot of `--help`.
pub const AFTER_LONG_HELP: &str = "\
Input: UTF-8, or what --encoding says. A byte order mark and carriage returns before line ends are removed, blank \
lines are skipped, and bytes of no character become U+FFFD with a warning. Lines are sent in order and no faster than the server \
announces; what it refuses as too fast is sent again. On a terminal there is line editing and history.

Passwords: whoever has an account logs in with its password; everyone else is a guest, where the server takes guests. \
The password is, in this order: the first line of --password-file, what is asked for with --password, CHAT_PASSWORD in \
the environment, and what is asked for when standard input is a terminal and the server takes passwords; there Enter \
alone means to be a guest. It is asked for on the terminal and not shown, and standard input may be a pipe. No \
argument takes a password: others could read it there. --register asks twice, --change-password for the current one \
and twice for the new one. The time that somebody takes to type is not counted by -W. Files of passwords are UTF-8; a \
byte order mark and the line end are no part of it.

  chat-client -u kim --register                     make an account and come in
  chat-client -u kim --register --invite ABCD-EFGH  the same with an invitation (or CHAT_INVITE)
  chat-client -u kim --password-file kim.txt        come in without being asked
  chat-client -u kim --change-password              and then be gone

Output, text: one line per message, '<NAME> TEXT' for everyone, '*NAME* TEXT' for a whisper, '-!- TEXT' from the \
operator. A line break within a text is shown as ⏎; other control characters and characters that would reorder \
the line are shown as \\u{..}. Colour is used on a terminal only, and not when NO_COLOR is set.

Encodings: --encoding is for standard input, output and error where they are pipes or files. It takes cp949 (the \
same as euc-kr, uhc, ks_c_5601-1987 and 949), utf-8, and the other names of the WHATWG Encoding Standard but UTF-16 \
and ISO-2022-JP. A character that the encoding lacks is shown as \\u{..}. A terminal is Unicode, a console of Windows \
under any chcp too; arguments, CHAT_USER and the output of --json are Unicode as well: none of them heeds --encoding.

Output, --json: one JSON object per line. Later versions may add fields and types, never change these:

  {\"type\":\"welcome\",\"session\":\"7\",\"name\":\"kim\",\"role\":\"user\"}
  {\"type\":\"broadcast\",\"conversation\":\"1\",\"epoch\":\"7\",\"seq\":\"3\",\"time_ms\":0,\"from\":\"kim\",\"text\":\"hi\"}
  {\"type\":\"whisper\", ...}   the same fields as broadcast
  {\"type\":\"system\",  ...}   the same without \"from\"
  {\"type\":\"joined\",  \"conversation\",\"epoch\",\"seq\",\"time_ms\",\"name\"}
  {\"type\":\"left\",    \"conversation\",\"epoch\",\"seq\",\"time_ms\",\"name\",\"reason\"}
  {\"type\":\"missed\",  \"conversation\",\"epoch\",\"from_seq\",\"to_seq\"}
  {\"type\":\"error\",   \"kind\",\"id\",\"code\",\"retry_ms\"}
  {\"type\":\"goodbye\", \"code\",\"retry_ms\",\"text\"}

64-bit numbers are strings, times are milliseconds since 1970 UTC, other numbers are numbers. \"reason\" is one of \
quit, lost, timeout, kicked, replaced, misbehaved, or a number in digits; \"role\" is guest, user, moderator, admin, \
or a number in digits. Control characters are escaped.

Exit codes:
    0  done: end of input, /quit, -C reached, or the reader of standard output went away
    1  network: no connection, or it broke, or the server said goodbye by itself
    2  usage; no password where one is needed, or two that differ
    3  refused: the login, the registration, the new password, or the session (name in use, server full, replaced ...)
    4  protocol: the two do not understand each other
    5  -W ran out
    6  --wait-ack: some line was not acknowledged, whatever else ended the program (but Ctrl-C)
  130  Ctrl-C";
