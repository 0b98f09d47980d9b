"""What fills the inbox of chat.py: the thread of its connection, and the thread of its input."""

from __future__ import annotations

import queue
import socket
import sys
import threading
from typing import Any, Optional, Tuple, Union

from chat_tls import Secure, Untrusted, Way
from chat_wire import Framer

PATIENCE = 15.0  # seconds for a connection, for a login or logout, and for a server that takes no bytes


class Connection:
    """Its thread tells the inbox "open", then "data" again and again, then "end"; or "unreachable" or "untrusted" alone."""

    def __init__(self, way: Way, inbox: queue.Queue[Tuple[Optional[Connection], str, bytes]]) -> None:
        self.inbox = inbox
        self.framer = Framer(65531)
        self.sock: Optional[Union[socket.socket, Secure]] = None
        self.closed = False
        self.unsent = ""  # why nothing can be sent any more
        threading.Thread(target=self.read, args=(way,), daemon=True).start()

    def read(self, way: Way) -> None:
        try:
            sock = way.open(PATIENCE)
        except (OSError, UnicodeError, Untrusted) as error:
            what = "untrusted" if isinstance(error, Untrusted) else "unreachable"
            self.tell(what, str(error).encode("utf-8", "replace"))
            return
        with sock:
            self.sock = sock
            self.tell("open", b"")
            while not self.closed:
                try:
                    data = sock.recv(65536)
                except socket.timeout:
                    continue
                except OSError as error:
                    self.tell("end", str(error).encode("utf-8", "replace"))
                    return
                self.tell("data" if data else "end", data)
                if not data:
                    return

    def tell(self, what: str, data: bytes) -> None:
        self.inbox.put((self, what, data))

    def send(self, packet: bytes) -> None:
        """Sends a packet; TimeoutError when the server takes none."""
        if self.sock is None or self.unsent:
            return
        try:
            self.sock.sendall(packet)
        except socket.timeout:
            raise TimeoutError("the server takes no bytes") from None
        except OSError as error:
            # Why it hung up may still wait to be read: what ends the session is the end of what comes.
            self.unsent = str(error)

    def close(self) -> None:
        self.closed = True
        try:
            if self.sock is not None:
                self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def read_input(inbox: queue.Queue[Tuple[Optional[Connection], str, bytes]], wanted: threading.Event) -> None:
    """Tells the inbox each "line" as it is wanted, then "eof"."""
    # Unbuffered: a buffered reader's lock, held here, would break the interpreter's exit.
    stream: Any = sys.stdin and getattr(sys.stdin.buffer, "raw")
    rest = b""
    while True:
        try:
            data = stream.read(65536) if stream else b""
        except OSError:
            data = b""
        *lines, rest = (rest + (data or b"")).split(b"\n")
        if not data and rest:
            lines.append(rest)
        for line in lines:
            wanted.wait()
            inbox.put((None, "line", line))
        if not data:
            inbox.put((None, "eof", b""))
            return
