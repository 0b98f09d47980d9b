//! The help texts of `chat-client`.

/// The first line.
pub const ABOUT: &str = "Chat from a terminal or a pipe, in the manner of netcat";

/// The head of `--help`.
pub const LONG_ABOUT: &str = "\
Chat from a terminal or a pipe, in the manner of netcat.

Each line of standard input is said to everyone in the lobby, or in the room of -r. Standard output has what others say and nothing \
else; everything else goes to standard error. A line is written as soon as it is complete, in a pipe too.

Lines that begin with a slash are commands:

  /w NAME TEXT                 say TEXT to NAME alone (/whisper, /귓, /귓말)
  /who                         list who is in the lobby, on standard error (/누구)
  /history [N] [#ROOM]         tell the last N lines again, 20 without N (/기록)
  /quit                        leave (/나가기)
  /help                        list the commands (/도움말)
  //TEXT                       say /TEXT

Rooms: one may be in several, and hears them all. A line without a command goes to the room that one went into last, \
which the prompt shows; in a pipe -r is the way there.

  /rooms                       list the rooms (/방목록)
  /create ROOM [PASSWORD] ...  make a room and go in (/방만들기), then any of
                               --hidden --invite-only --persistent
                               --capacity N --topic TEXT, the topic last
  /join ROOM [PASSWORD]        go into a room (/입장), or have lines go to one that one is in
  /lobby                       have lines go to the lobby again (/로비)
  /leave [ROOM]                leave a room (/퇴장)
  /r ROOM TEXT                 say TEXT in a room, wherever lines go (/방)
  /members [ROOM]              list who is in a room (/참가자)
  /topic ROOM [TEXT]           say what a room is about, or ask (/주제)
  /set ROOM WHAT=HOW ...       change a room (/방설정): capacity=N slow=TIME
                               hidden=on invite-only=off persistent=on
                               password=WORD, or password= for none
  /close ROOM                  end a room (/방닫기)
  /invite NAME [ROOM]          let NAME into a room (/초대); /uninvite (/초대취소)
  /appoint NAME [ROOM]         NAME keeps order in a room (/임명); /dismiss (/해임)
  /handover NAME [ROOM]        a room is NAME's from now on (/양도)

Keeping order, in rooms and on the server: #ROOM says in which room, # by itself that it is the whole server. Without \
either it is the room that lines go to; where they go to the lobby it is the whole server.

  /kick NAME [#ROOM] [REASON]        put NAME out (/추방)
  /ban NAME [#ROOM] [TIME] [REASON]  put NAME out and keep them out (/차단); /unban (/차단해제)
  /mute NAME [#ROOM] [TIME] [REASON] NAME may not speak (/발언금지); /unmute (/발언허용)
  /announce TEXT                     say TEXT to everybody (/공지)
  /freeze                            let nobody register for now (/가입중지); /thaw (/가입재개)

A TIME is 30s, 10m, 1h30m, 7days; without one, or with 0, it is for good.

Whispers between people with accounts are sealed where both have keys: only the two can read them.

  /keys [NAME]                 show NAME's keys with a number to compare, or your own (/키)
  /verify NAME                 NAME sees the same number (/확인)
  /trust NAME                  take the keys that NAME has now for theirs (/신뢰)
  /revoke KEY                  seal no more to another device of yours (/폐기)

  /ignore [NAME]               hear nothing of NAME, or list whom one ignores (/무시)
  /unignore NAME               hear NAME again (/무시해제)
  /away                        say that one is away (/자리비움); /back (/복귀)";

/// The foot of `-h`.
pub const AFTER_HELP: &str = "\
See --help for commands, exit codes and the JSON schema. 'chat-client bench --help' measures a server.";

/// The foot of `--help`.
pub const AFTER_LONG_HELP: &str = "\
Input: UTF-8, or what --encoding says. A byte order mark and carriage returns before line ends are removed, blank \
lines are skipped, and bytes of no character become U+FFFD with a warning. Lines are sent in order and no faster than the server \
announces; what it refuses as too fast is sent again. On a terminal there is line editing and history.

Rooms in a pipe: -r ROOM goes into a room before the first line is read, with --create also where there is none yet, and \
with the password in the first line of --room-password-file where it takes one. Whoever is put out of the room that lines \
go to, or does not get into one by /join, says nothing until the next /join or /lobby: each line until then is an error \
and not acknowledged. On a terminal whoever is put out is told, and only the next line is not said. What a command asks \
the server to do is acknowledged as a line is.

  chat-client -u kim -r dev                          talk in dev
  tail -f build.log | chat-client -u bot -r builds --create --wait-ack

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

TLS: chats://HOST, or --tls, speaks TLS 1.2 or 1.3 with the server. It is known to be the one that is meant by one of these:

  an authority that the system trusts has signed its certificate, and its name is in it; or one in the file of --ca, \
where the server's own certificate may stand too
  its key is that of --pin: sha256// and Base64 (as with curl) or hexadecimal digits, the SHA-256 of its public key, \
which 'chat-server cert show' tells; name, dates and authority are of no account then
  its key is in the file of known hosts, one line for each HOST:PORT. A server that nobody vouches for is asked about \
on a terminal when it is met first; elsewhere it is refused, unless --trust-new says to trust it then. One with another \
key than the known one is refused always, with the file and the line to be removed if the server really has a new key

The file of known hosts is ~/.config/iocp-chat/known_hosts (or in XDG_CONFIG_HOME), on Windows \
%APPDATA%\\iocp-chat\\known_hosts. CHAT_CA, CHAT_PIN (several with commas) and CHAT_KNOWN_HOSTS in the environment stand for \
--ca, --pin and --known-hosts. --insecure trusts anyone, and warns each time.

  chat-client chats://chat.example -u kim           a server with a certificate of a public authority
  chat-client chats://chat.example -u bot --pin sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=

Coming back: on a terminal, and elsewhere with --reconnect, a connection that is lost is followed by another, and the session goes on: what was missed follows, each line once and in order, and what was said and not acknowledged is said again, once. Where that cannot be, because the server has let go of the session, it is logged in to anew, in the room of -r too; lines that may or may not have been said are then told and not acknowledged. Between attempts it is waited for a random time of up to 1, 2, 4 and at most 30 seconds, or as long as the server asks for. Who is kicked, banned, refused, or replaced by another login does not come back, nor does anyone to a server that is not \
the one that is meant. The first connection is tried once. On a terminal --reconnect=0 ends the program with its connection.

  tail -f build.log | chat-client -u bot -r builds --reconnect

--state FILE keeps the session in FILE as JSON, so that the program can be started again: it goes on after the last line that it has written, and says again what was not acknowledged. With it only /quit logs out; however else the program ends, others see a lost connection, and the session waits for as long as the server keeps it. Whoever can read FILE can take the session over, as with a password: it is readable by its user alone (on Windows it has the rights of its folder), and no two programs use it at once. The password is still needed where the server has let go of the session.

  chat-client -u bot --state bot.json -C 10          the next ten messages, wherever the last run ended

Sealed whispers: logged in to an account, the program makes a key for this device when it is first used, in FILE of --keys, which its user alone can read (on Windows it has the rights of its folder), and publishes its public half. A whisper to somebody who has keys is then sealed to their devices: the server keeps and hands on what it cannot read. Who has none, as guests have, is whispered to plainly, which is told, or with --require-e2e not at all. The first keys that the server tells of somebody are trusted; the number of /keys, which is the same at both ends, tells whether it told the truth. When it tells of others later, or of none, there is a warning, and nothing is said to them before /trust, which takes the keys that were shown last and no others, as /verify marks the number that was shown last. Where nothing can be sealed, because the server does not offer it or the files are damaged, nothing is said to whoever had keys either; --no-e2e says it plainly. What waits for a person is handed to a device that it was sealed to, the first that comes, and to no other; /revoke KEY of one that is lost shows what waited for that alone, unopened. What a key was stolen from can be read, also what was sealed before; who whispers to whom, when, and about how much, the server knows. Rooms are not sealed.

Output, text: one line per message, '<NAME> TEXT' for everyone, '[ROOM] <NAME> TEXT' in a room, '*NAME* TEXT' for a \
whisper, '-!- TEXT' from the operator. A sealed whisper is '[sealed] *NAME* TEXT', or '[sealed, verified] *NAME* TEXT'; NEW KEY and REPEAT stand there where they are true. A plain one of somebody whose keys are known is '[NOT SEALED] *NAME* TEXT'. A line break within a text is shown as ⏎; other control characters and \
characters that would reorder the line are shown as \\u{..}. Colour is used on a terminal only, and not when NO_COLOR is set.

Encodings: --encoding is for standard input, output and error where they are pipes or files. It takes cp949 (the \
same as euc-kr, uhc, ks_c_5601-1987 and 949), utf-8, and the other names of the WHATWG Encoding Standard but UTF-16 \
and ISO-2022-JP. A character that the encoding lacks is shown as \\u{..}. A terminal is Unicode, a console of Windows \
under any chcp too; arguments, CHAT_USER and the output of --json are Unicode as well: none of them heeds --encoding.

Output, --json: one JSON object per line. Later versions may add fields and types, never change these:

  {\"type\":\"tls\",\"version\":\"TLS 1.3\",\"cipher\":\"TLS_AES_128_GCM_SHA256\",\"key\":\"sha256//...\"}   over TLS only
  {\"type\":\"welcome\",\"session\":\"7\",\"name\":\"kim\",\"role\":\"user\"}
  {\"type\":\"broadcast\",\"conversation\":\"1\",\"epoch\":\"7\",\"seq\":\"3\",\"time_ms\":0,\"from\":\"kim\",\"text\":\"hi\"}
  {\"type\":\"whisper\", ...}   the same fields as broadcast
                           and of a sealed one \"sealed\":true,\"verified\",\"new_key\",\"repeat\": true or false
  {\"type\":\"unread\",  ...}   a whisper that cannot be opened: \"why\" for \"text\"
  {\"type\":\"system\",  ...}   the same without \"from\"
  {\"type\":\"joined\",  \"conversation\",\"epoch\",\"seq\",\"time_ms\",\"name\"}
  {\"type\":\"left\",    \"conversation\",\"epoch\",\"seq\",\"time_ms\",\"name\",\"reason\"}
  {\"type\":\"missed\",  \"conversation\",\"epoch\",\"from_seq\",\"to_seq\"}
  {\"type\":\"error\",   \"kind\",\"id\",\"code\",\"retry_ms\"}
  {\"type\":\"goodbye\", \"code\",\"retry_ms\",\"text\"}
  {\"type\":\"entered\", \"conversation\",\"room\",\"epoch\",\"seq\",\"relation\",\"members\", SETTINGS, \"topic\"}
  {\"type\":\"exited\",  \"conversation\",\"room\"}
  {\"type\":\"changed\", \"conversation\",\"room\",\"epoch\",\"seq\",\"time_ms\",\"by\", SETTINGS, \"topic\"}
  {\"type\":\"removed\", \"conversation\",\"room\",\"reason\",\"by\",\"text\"}
  {\"type\":\"moderated\",\"conversation\",\"room\",\"act\",\"by\",\"seconds\",\"text\"}
  {\"type\":\"rooms\",   \"rooms\":[{\"conversation\",\"room\",\"members\", SETTINGS, \"topic\"}],\"more\"}
  {\"type\":\"members\", \"conversation\",\"room\",\"count\",\"members\":[{\"name\",\"relation\",\"state\"}]}
  {\"type\":\"ignored\", \"names\":[]}
  {\"type\":\"history\", \"conversation\",\"room\",\"entries\":[{\"epoch\",\"seq\",\"time_ms\",\"from\",\"text\"}],\"more\"}
  {\"type\":\"keys\",    \"name\",\"standing\",\"verified\",\"number\",\"keys\":[{\"key\",\"time_ms\"}]}
  {\"type\":\"reconnecting\",\"attempt\",\"wait_ms\",\"why\"}
  {\"type\":\"resumed\", \"behind\",\"lost\":[{\"conversation\",\"room\"}],\"entered\":[{\"conversation\",\"room\"}]}
  {\"type\":\"restarted\",\"session\",\"name\",\"role\",\"lost\":[{\"conversation\",\"room\"}],\"uncertain\":[]}

Every record of a room has the room's name in \"room\", after \"conversation\"; those of the lobby and whispers have \
none. \"entered\" comes before the first line of a room, \"exited\" or \"removed\" after the last. SETTINGS is \
\"capacity\",\"hidden\",\"invite_only\",\"persistent\",\"password\",\"slow_s\": numbers, and true or false. \"rooms\", \
\"members\", \"ignored\" and \"history\" are what /rooms and /topic, /members, /ignore, and /history are answered with; at \
most five pages of a list are listed. \"to_seq\" is 18446744073709551615 where nobody knows how many lines there were. The \
last three are about a connection that is lost: after \"resumed\" follows what was missed, of which \"behind\" (a string, or \
null where it is not known) is the most it can be; \"uncertain\" has the texts of lines that may or may not have been said.

64-bit numbers are strings, times are milliseconds since 1970 UTC, other numbers are numbers. \"reason\" is one of \
quit, lost, timeout, kicked, replaced, misbehaved, banned, closed, moved, or a number in digits; \"role\" is guest, \
user, moderator, admin, or a number in digits; \"relation\" is member, moderator, owner, or such; \"state\" is here, \
away, reconnecting, or such; \"act\" is kick, ban, unban, mute, unmute, invite, uninvite, appoint, dismiss, hand-over, \
or such; \"why\" is no_keys, unknown_key, untold, form, not_for_us, forged or content; \"standing\" is none, new, known, changed or gone; \"number\" is null of oneself and of whom there are no keys; \"seconds\" is 0 for good; \"by\" is empty where the operator or the server did it. Control characters are escaped.

Exit codes:
    0  done: end of input, /quit, -C reached, or the reader of standard output went away
    1  network: no connection, or it broke, or the server said goodbye by itself
    2  usage; no password where one is needed, or two that differ
    3  refused: the login, the registration, the new password, the room of -r, or the session
    4  protocol: the two do not understand each other
    5  -W ran out
    6  --wait-ack: some line or command was not acknowledged, whatever else ended the program (but Ctrl-C)
    8  TLS: the server is not known to be the one that is meant
  130  Ctrl-C";
