"""The way of chat.py to its server, over TLS or not."""

from __future__ import annotations

import base64
import binascii
import hashlib
import select
import socket
import ssl
import threading
from typing import Any, List, Optional, Tuple, Union

TLS_PORT = 11022
ALPN = "iocp-chat"


class Untrusted(Exception):
    """The server is not known to be the one that is meant."""


class Way:
    """Where the server is and, over TLS, whom to take for it: by its key alone where there are pins."""

    def __init__(self, host: str, port: int, context: Optional[ssl.SSLContext] = None, pins: Tuple[bytes, ...] = ()):
        self.host = host
        self.port = port
        self.context = context
        self.pins = pins

    def __str__(self) -> str:
        return f"{'chats://' if self.context else ''}{self.host}:{self.port}"

    def open(self, patience: float) -> Union[socket.socket, Secure]:
        """Connects, and shakes hands; what is read and written later may take as long as `patience` too."""
        sock = socket.create_connection((self.host, self.port), timeout=patience)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.context is None:
            return sock
        try:
            secure = self.context.wrap_socket(sock, server_hostname=self.host)
        except ssl.SSLCertVerificationError as error:
            raise Untrusted(f"the server's certificate is not trusted: {error.verify_message}") from None
        key = public_key(secure.getpeercert(binary_form=True) or b"")
        if self.pins and key not in self.pins:
            secure.close()
            raise Untrusted(f"the server's key is sha256//{base64.b64encode(key).decode()}, which is not a pinned one")
        return Secure(secure, patience)


class Secure:
    """A TLS connection that one thread reads while another writes: the library under it lets in only one at a time."""

    def __init__(self, sock: ssl.SSLSocket, patience: float) -> None:
        self.sock = sock
        self.patience = patience
        self.lock = threading.Lock()
        sock.settimeout(0)

    def __enter__(self) -> Secure:
        return self

    def __exit__(self, *_: Any) -> None:
        self.sock.close()

    def attempt(self, doing: Any, argument: Any) -> Any:
        """Does it as soon as that takes no waiting; socket.timeout when that is too late."""
        while True:
            waits: Tuple[List[ssl.SSLSocket], List[ssl.SSLSocket]] = ([self.sock], [])
            with self.lock:
                try:
                    return doing(argument)
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLWantWriteError:
                    waits = ([], [self.sock])
            if not any(select.select(*waits, [], self.patience)):
                raise socket.timeout("timed out")

    def recv(self, count: int) -> bytes:
        data: bytes = self.attempt(self.sock.recv, count)
        return data

    def sendall(self, data: bytes) -> None:
        while data:
            data = data[self.attempt(self.sock.send, data):]

    def shutdown(self, how: int) -> None:
        self.sock.shutdown(how)


def context(ca: Optional[str], pins: Tuple[bytes, ...]) -> ssl.SSLContext:
    """Trusts the authorities of the system, or those in the file `ca`; with pins none."""
    made = ssl.create_default_context(cafile=ca)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols([ALPN])
    if pins:
        # The key decides, and that the server has it is shown by its signature of the handshake.
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


def fingerprint(text: str) -> bytes:
    """`sha256//` and Base64, or hexadecimal digits; ValueError where it is neither."""
    text = text.strip().replace("sha256//", "").replace("SHA256:", "")
    try:
        read = bytes.fromhex(text.replace(":", ""))
    except ValueError:
        try:
            read = base64.b64decode(text.rstrip("=") + "=", validate=True)
        except binascii.Error:
            read = b""
    if len(read) != 32:
        raise ValueError("a fingerprint is sha256// and 44 characters of Base64, or 64 hexadecimal digits")
    return read


def public_key(certificate: bytes) -> bytes:
    """The SHA-256 of the SubjectPublicKeyInfo in a certificate (RFC 5280, section 4.1)."""
    _, at, _ = element(certificate, 0)  # Certificate
    _, at, _ = element(certificate, at)  # TBSCertificate
    if element(certificate, at)[0] == 0xA0:  # version
        at = element(certificate, at)[2]
    for _ in ("serialNumber", "signature", "issuer", "validity", "subject"):
        at = element(certificate, at)[2]
    return hashlib.sha256(certificate[at:element(certificate, at)[2]]).digest()


def element(der: bytes, at: int) -> Tuple[int, int, int]:
    """The tag of what stands there, where its content begins, and where it ends."""
    tag, length, begin = der[at], der[at + 1], at + 2
    if length >= 0x80:
        begin += length - 0x80
        length = int.from_bytes(der[at + 2:begin], "big")
    return tag, begin, begin + length
