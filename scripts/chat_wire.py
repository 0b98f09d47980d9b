"""The wire protocol of iocp-chat, written from proto/PROTOCOL.md alone: packets, framing, names and texts."""

from __future__ import annotations

import struct
import unicodedata
from typing import Any, Dict, Iterator, Optional, Tuple

# ---- Packets: PROTOCOL.md, sections 2, 4 and 5 ----------------------------------------------------------------------

Fields = Dict[str, Any]

RECORDS = {
    "credential": "kind:u16 bytes:bytes",
    "place": "conversation:u64 epoch:u64 seq:u64",
    "member": "name:str state:u16",
    "limits": "guest_packet_bytes:u16 client_packet_bytes:u16 server_packet_bytes:u16 text_chars:u16 text_bytes:u16 "
    "name_chars:u16 name_bytes:u16 ping_bytes:u16 page_entries:u16 requests_outstanding:u16 notice_members:u32 "
    "chat_per_second:u32 chat_burst:u32 other_per_second:u32 other_burst:u32 login_ms:u32 packet_ms:u32 "
    "ping_after_ms:u32 idle_ms:u32 write_ms:u32 guest_packets:u16 guest_refusals:u16 refusal_score:u16 "
    "credential_bytes:u16 password_bytes_min:u16 password_bytes_max:u16",
}

_LINE = "conversation:u64 epoch:u64 seq:u64 time_ms:u64 "

# type: (name, who sends it, fields). "id" is a u32 that is not 0, "ping" is bytes, at most 64, "invite" a str of at most
# 16 bytes. The fields of an answer are those of a success; HelloAnswer alone has them whatever its code.
PACKETS = {
    1001: ("Register", "client", "id:id name:str credential:credential invite:invite"),
    1002: ("RegisterAnswer", "server", "id:id code:u16 name:str role:u16"),
    1003: ("ChangePassword", "client", "id:id current:credential new:credential"),
    1004: ("ChangePasswordAnswer", "server", "id:id code:u16"),
    2001: ("Hello", "client", "id:id version:u16 features:u64"),
    2002: ("HelloAnswer", "server", "id:id code:u16 version_min:u16 version_max:u16 features:u64 durability:u16 "
           "ways_in:u16 time_ms:u64 limits:limits"),
    2003: ("Login", "client", "id:id name:str credential:credential"),
    2004: ("LoginAnswer", "server", "id:id code:u16 session:u64 name:str role:u16 time_ms:u64 resume_token:token "
           "grace_ms:u32 conversations:list<place>"),
    2005: ("Logout", "client", "id:id"),
    2006: ("LogoutAnswer", "server", "id:id code:u16"),
    3001: ("Broadcast", "client", "id:id message_id:u64 text:str"),
    3002: ("BroadcastAnswer", "server", "id:id code:u16 epoch:u64 seq:u64 time_ms:u64"),
    3005: ("Whisper", "client", "id:id message_id:u64 to:str text:str"),
    3006: ("WhisperAnswer", "server", "id:id code:u16 time_ms:u64"),
    3101: ("BroadcastLine", "server", _LINE + "sender:str text:str"),
    3103: ("WhisperLine", "server", _LINE + "sender:str text:str"),
    3110: ("Missed", "server", "conversation:u64 epoch:u64 from:u64 to:u64"),
    4001: ("Who", "client", "id:id conversation:u64 after:u64 limit:u16"),
    4002: ("WhoAnswer", "server", "id:id code:u16 members:u32 next:u64 entries:list<member>"),
    5001: ("Joined", "server", _LINE + "name:str"),
    5002: ("Left", "server", _LINE + "name:str reason:u16"),
    7001: ("Ping", "both", "payload:ping"),
    7002: ("Pong", "both", "payload:ping"),
    7003: ("SystemText", "server", _LINE + "text:str"),
    7004: ("Error", "server", "kind:u16 id:u32 code:u16 retry_ms:u32"),
    7005: ("Goodbye", "server", "code:u16 retry_ms:u32 text:str"),
}
TYPES = {name: kind for kind, (name, _, _) in PACKETS.items()}
BITS = {"u16": 16, "u32": 32, "u64": 64, "id": 32}
# Longer forms by their first byte, each with its length and the least value that needs it.
LONG_FORMS = {0xFB: (2, 251), 0xFC: (4, 1 << 16), 0xFD: (8, 1 << 32)}


class Refused(Exception):
    """What section 10 has a code for; `id` is the refused request's, where there is one."""

    def __init__(self, code: int, id: int = 0) -> None:
        super().__init__(code)
        self.code = code
        self.id = id


def layout(spec: str) -> Iterator[Tuple[str, str]]:
    for field in spec.split():
        name, _, kind = field.partition(":")
        yield name, kind


def packet_layout(name: str, spec: str, code: Optional[int]) -> str:
    """The fields a packet has, which for an answer depends on its code."""
    refused = name.endswith("Answer") and name != "HelloAnswer" and code != 0
    return "id:id code:u16 retry_ms:u32" if refused else spec


class Reader:
    """Decodes one body, strictly: every value has one encoding."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.at = 0

    def take(self, length: int) -> bytes:
        if length > len(self.body) - self.at:
            raise Refused(1004)
        self.at += length
        return self.body[self.at - length : self.at]

    def number(self, bits: int) -> int:
        first = self.take(1)[0]
        if first <= 250:
            return first
        if first not in LONG_FORMS:
            raise Refused(1004)
        length, least = LONG_FORMS[first]
        value = int.from_bytes(self.take(length), "little")
        if value < least or value >> bits:
            raise Refused(1004)
        return value

    def record(self, spec: str) -> Fields:
        return {name: self.value(kind) for name, kind in layout(spec)}

    def value(self, kind: str) -> Any:
        if kind in BITS:
            number = self.number(BITS[kind])
            if kind == "id" and number == 0:
                raise Refused(1004)
            return number
        if kind in ("str", "invite"):
            length = self.number(64)
            if kind == "invite" and length > 16:
                raise Refused(1004)
            try:
                return self.take(length).decode("utf-8")
            except UnicodeDecodeError:
                raise Refused(1004) from None
        if kind in ("bytes", "ping"):
            value = self.take(self.number(64))
            if kind == "ping" and len(value) > 64:
                raise Refused(1004)
            return value
        if kind == "token":
            tag = self.take(1)[0]
            if tag > 1:
                raise Refused(1004)
            return self.take(32) if tag else None
        if kind.startswith("list<"):
            count = self.number(64)
            if count > len(self.body) - self.at:  # every entry has a byte at least
                raise Refused(1004)
            return [self.value(kind[5:-1]) for _ in range(count)]
        record = self.record(RECORDS[kind])
        if kind == "credential":
            length = len(record["bytes"])
            if length > 384 or (record["kind"] == 0 and length) or (record["kind"] == 1 and not length):
                raise Refused(1004)
        return record


def decode(sender: str, kind: int, body: bytes) -> Tuple[str, Fields]:
    """The name and fields of a packet from a "client" or "server"; or 1003, 1006, 1004, 1005, as a server tells it."""
    name, senders, spec = PACKETS.get(kind, ("", "", ""))
    reader = Reader(body)
    try:
        if sender == "server" and senders == "client" or not name:
            raise Refused(1003)
        if senders not in (sender, "both"):
            raise Refused(1006)
        fields: Fields = {}
        if name.endswith("Answer"):
            fields = Reader(body).record("id:id code:u16")
        fields = reader.record(packet_layout(name, spec, fields.get("code")))
        if reader.at < len(body):
            raise Refused(1005)
        return name, fields
    except Refused as refused:
        if senders != "both":
            try:
                refused.id = Reader(body).number(32)
            except Refused:
                pass
        raise


def encode_number(value: int) -> bytes:
    if value <= 250:
        return bytes([value])
    first, length = (0xFB, 2) if value < 1 << 16 else (0xFC, 4) if value < 1 << 32 else (0xFD, 8)
    return bytes([first]) + value.to_bytes(length, "little")


def encode_value(kind: str, value: Any) -> bytes:
    if kind in BITS:
        return encode_number(value)
    if kind in ("str", "invite", "bytes", "ping"):
        data: bytes = value.encode("utf-8") if kind in ("str", "invite") else value
        return encode_number(len(data)) + data
    if kind == "token":
        return b"\0" if value is None else b"\1" + value
    if kind.startswith("list<"):
        return encode_number(len(value)) + b"".join(encode_value(kind[5:-1], entry) for entry in value)
    return b"".join(encode_value(inner, value[name]) for name, inner in layout(RECORDS[kind]))


def encode(name: str, fields: Fields) -> bytes:
    """A whole packet, its header included."""
    _, _, spec = PACKETS[TYPES[name]]
    spec = packet_layout(name, spec, fields.get("code"))
    body = b"".join(encode_value(kind, fields[field]) for field, kind in layout(spec))
    if len(body) > 65531:
        raise Refused(1002)
    return struct.pack("<HH", len(body) + 4, TYPES[name]) + body


class Framer:
    """Cuts a stream into packets."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.buffer = bytearray()

    def feed(self, data: bytes) -> None:
        self.buffer += data

    def next(self) -> Optional[Tuple[int, bytes]]:
        """The next whole packet's type and body; or 1001, 1002."""
        if len(self.buffer) < 4:
            return None
        size, kind = struct.unpack_from("<HH", self.buffer)
        if size < 4 or size > self.limit:
            raise Refused(1001 if size < 4 else 1002)
        if len(self.buffer) < size:
            return None
        body = bytes(self.buffer[4:size])
        del self.buffer[:size]
        return kind, body


MEANINGS = {
    1001: "malformed frame", 1002: "packet too large", 1003: "unknown packet type", 1004: "malformed body",
    1005: "trailing bytes", 1006: "wrong direction", 1007: "version not spoken", 1101: "not logged in",
    1102: "already logged in", 1103: "not allowed now", 1104: "the login took too long",
    1105: "nothing was heard for too long", 1106: "a packet took too long", 1201: "wrong name or password",
    1202: "too many failed logins", 1203: "another login took over", 1204: "the server is full",
    1205: "too many connections from this address", 1206: "this account is banned", 1207: "too many logins at once",
    1301: "the name is in use", 1302: "the name is not allowed", 1303: "the password is not allowed",
    1304: "registration is closed", 1305: "the invitation is not valid", 1401: "nothing visible in the text",
    1402: "the text is too long", 1403: "a character that is not allowed", 2001: "no such conversation",
    2004: "not permitted", 2101: "nobody of that name is known", 2102: "that is yourself",
    2103: "known, but not here", 3001: "too fast", 3002: "too slow to read", 3003: "a number out of range",
    5001: "the server is stopping", 5002: "the server's storage does not answer", 5003: "the server is overloaded",
    9999: "a fault of the server",
}


def meaning(code: int) -> str:
    return f"{code} {MEANINGS.get(code, 'refused')}"


# ---- Names and texts: section 8 -------------------------------------------------------------------------------------

# Default_Ignorable_Code_Point, which unicodedata lacks.
IGNORABLE = [
    (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
]


def ignorable(char: str) -> bool:
    return any(first <= ord(char) <= last for first, last in IGNORABLE)


def ordinary_width(text: str) -> str:
    """The text with its full- and half-width characters replaced by what they decompose to."""
    plain = ""
    for char in text:
        kind, _, ordinary = unicodedata.decomposition(char).partition(" ")
        plain += chr(int(ordinary, 16)) if kind in ("<wide>", "<narrow>") else char
    return plain


def name_key(name: str) -> str:
    """What a name in NFC is compared by."""
    return unicodedata.normalize("NFC", ordinary_width(name).casefold())


def check_name(sent: str) -> str:
    """The name in NFC, or 1302."""
    name = unicodedata.normalize("NFC", sent)
    wrong = len(sent.encode("utf-8")) > 384 or not 1 <= len(name) <= 32 or len(name.encode("utf-8")) > 96
    marks = 0
    for at, char in enumerate(name if not wrong else ""):
        category = unicodedata.category(char)
        mark = unicodedata.category(ordinary_width(char))
        if category != "Mc":
            marks = marks + 1 if mark[0] == "M" else 0
        allowed = category[0] in "LM" or category == "Nd" or char in "_-."
        wrong = wrong or not allowed or ignorable(char) or marks > 2 or (mark[0] == "M" and at == 0)
    if wrong:
        raise Refused(1302)
    return name


def check_text(text: str, max_chars: int = 1024, max_bytes: int = 3072) -> None:
    """Nothing, or 1401, 1402, 1403."""
    if len(text.encode("utf-8")) > max_bytes:
        raise Refused(1402)
    visible, marks = False, 0
    embeddings, isolates = 0, 0
    for at, char in enumerate(text):
        if at >= max_chars:
            raise Refused(1402)
        point, category = ord(char), unicodedata.category(char)
        marks = marks + 1 if category[0] == "M" else 0
        embeddings += (char in "\u202a\u202b") - (char == "\u202c")
        isolates += (char in "\u2066\u2067\u2068") - (char == "\u2069")
        if (
            (category == "Cc" and char not in "\n\t")
            or char in "\u202d\u202e"
            or 0xE0000 <= point <= 0xE007F
            or 0xFDD0 <= point <= 0xFDEF
            or point & 0xFFFE == 0xFFFE
            or marks > 8
            or embeddings < 0
            or isolates < 0
        ):
            raise Refused(1403)
        visible = visible or not (char.isspace() or ignorable(char) or char == "\u2800")
    if not visible:
        raise Refused(1401)
    if embeddings or isolates:
        raise Refused(1403)


def check_form(fields: Fields) -> Fields:
    """A client packet's fields as a server reads them; or 1302, then 14xx."""
    read = dict(fields)
    try:
        for key in ("name", "to"):
            if key in read:
                read[key] = check_name(read[key])
        if "text" in read:
            check_text(read["text"])
    except Refused as refused:
        refused.id = fields["id"]
        raise
    return read


def shown(text: str) -> str:
    """A text that cannot move a terminal's cursor, end its line or turn the direction of what follows."""
    turning = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    return "".join(
        f"\\u{{{ord(char):x}}}" if char in turning or unicodedata.category(char) in ("Cc", "Zl", "Zp") else char
        for char in text
    )
