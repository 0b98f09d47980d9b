"""The command line of chat.py, and the secrets that are not on it."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Optional, Tuple

from chat_tls import TLS_PORT, Way, context, fingerprint
from chat_wire import Fields


class Person:
    """Who one is and how one shows it: without a password, a guest. An `invite` of None registers nobody."""

    def __init__(self, name: str, password: bytes, invite: Optional[str], new_password: bytes) -> None:
        self.name = name
        self.password = password
        self.invite = invite
        self.new_password = new_password


def credential(password: bytes) -> Fields:
    return {"kind": 1 if password else 0, "bytes": password}


def parse_address(text: str) -> Tuple[str, int, Optional[bool]]:
    """HOST, HOST:PORT, [V6] or [V6]:PORT, or chat:// or chats:// before it; a bare V6 address has no port.

    A port of 0 is whatever is usual, and the last says whether it is over TLS, if that is said."""
    whole = text
    scheme, found, rest = text.partition("://")
    text = rest.rstrip("/") if found else text
    is_tls = {"chat": False, "chats": True}.get(scheme) if found else None
    host, port = text, ""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest[1:] if rest.startswith(":") else port if not rest else "?"
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    is_port = port.isascii() and port.isdigit() and 0 < int(port) < 65536
    if not host or (port and not is_port) or text.endswith(":") and not is_port or (found and is_tls is None):
        raise argparse.ArgumentTypeError(f"{whole!r} is not HOST[:PORT]")
    return host, int(port or 0), is_tls


def pin(text: str) -> bytes:
    try:
        return fingerprint(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def way(options: argparse.Namespace, parser: argparse.ArgumentParser) -> Way:
    host, port, is_tls = options.address
    if is_tls is False and options.tls:
        parser.error("--tls is not for chat://")
    if not (is_tls or options.tls):
        if options.ca or options.pin:
            parser.error("--ca and --pin are for TLS: write chats://HOST, or --tls")
        return Way(host, port or 11021)
    try:
        return Way(host, port or TLS_PORT, context(options.ca, tuple(options.pin)), tuple(options.pin))
    except OSError as error:
        parser.error(f"--ca: {error}")


def argument(text: str) -> str:
    """An argument as UTF-8, whatever the locale took it for."""
    return os.fsencode(text).decode("utf-8", "replace")


def secret(text: str) -> bytes:
    """The first line of a file."""
    try:
        with open(text, "rb") as file:
            line = file.readline(4096).rstrip(b"\r\n")
    except OSError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not line:
        raise argparse.ArgumentTypeError(f"the first line of {text} is empty")
    return line


def variable(name: str) -> bytes:
    return os.fsencode(os.environ.get(name, ""))


def read_options(description: Optional[str]) -> argparse.Namespace:
    """The options, with the `person` they describe; a wrong command line ends the program."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", nargs="?", type=parse_address, default="127.0.0.1", metavar="HOST[:PORT]",
                        help="the server, or chats://HOST[:PORT]; the port is 11021, over TLS 11022")
    parser.add_argument("--tls", action="store_true", help="speak TLS, as with chats://")
    parser.add_argument("--ca", metavar="FILE", help="trust the authorities in FILE (PEM), and not the system's")
    parser.add_argument("--pin", type=pin, action="append", default=[], metavar="SHA256",
                        help="trust the server with this key alone; may be given several times")
    parser.add_argument("-u", "--user", type=argument, metavar="NAME", help="the name to be known by")
    parser.add_argument("--password-file", type=secret, metavar="FILE", help="log in with the password in a file")
    parser.add_argument("--register", action="store_true", help="make an account of the name and password first")
    parser.add_argument("--invite-file", type=secret, metavar="FILE", help="register with the invitation in a file")
    parser.add_argument("--new-password-file", type=secret, metavar="FILE", help="change the password, once logged in")
    parser.add_argument("--once", type=argument, metavar="TEXT", help="say one line, wait for its answer, log out")
    parser.add_argument("--reconnect", action="store_true", help="connect again when the connection breaks, and go on")
    parser.add_argument("--state", type=Path, metavar="FILE", help="keep in FILE what it takes to go on in the next run, "
                        "a secret too; as --reconnect")
    parser.add_argument("--self-check", nargs="?", type=Path, metavar="DIR",
                        const=Path(__file__).resolve().parent.parent / "proto" / "vectors",
                        help="check this client against the vectors (default: those of this repository)")
    options = parser.parse_args()
    if options.self_check is not None:
        return options
    options.way = way(options, parser)
    options.reconnect = options.reconnect or options.state is not None
    if not options.user:
        parser.error("a name is needed: -u NAME")
    password = options.password_file or variable("CHAT_PASSWORD")
    if not password and (options.register or options.new_password_file):
        parser.error("a password is needed: --password-file FILE or CHAT_PASSWORD")
    invite = (options.invite_file or variable("CHAT_INVITE")).decode("utf-8", "replace")
    invite = invite.replace("-", "").replace(" ", "")
    if len(invite.encode("utf-8")) > 16:
        parser.error("an invitation has 16 characters")
    new_password = options.new_password_file or b""
    options.person = Person(options.user, password, invite if options.register else None, new_password)
    return options
