"""The wire protocol of iocp-chat, written from proto/PROTOCOL.md alone: packets, framing, result codes."""

from __future__ import annotations

import struct
from typing import Any, Dict, Iterator, Optional, Tuple

# ---- Packets: PROTOCOL.md, sections 2, 4 and 5 ----------------------------------------------------------------------

Fields = Dict[str, Any]

RECORDS = {
    "credential": "kind:u16 bytes:bytes",
    "place": "conversation:u64 epoch:u64 seq:u64",
    "member": "name:str state:u16 relation:u16",
    "settings": "capacity:u32 flags:u16 slow_s:u32",
    "room": "conversation:u64 name:str members:u32 settings:settings topic:str",
    "ignored": "name:str",
    "said": "epoch:u64 seq:u64 time_ms:u64 sender:str text:str",
    "limits": "guest_packet_bytes:u16 client_packet_bytes:u16 server_packet_bytes:u16 text_chars:u16 text_bytes:u16 "
    "name_chars:u16 name_bytes:u16 ping_bytes:u16 page_entries:u16 requests_outstanding:u16 notice_members:u32 "
    "chat_per_second:u32 chat_burst:u32 other_per_second:u32 other_burst:u32 login_ms:u32 packet_ms:u32 "
    "ping_after_ms:u32 idle_ms:u32 write_ms:u32 guest_packets:u16 guest_refusals:u16 refusal_score:u16 "
    "credential_bytes:u16 password_bytes_min:u16 password_bytes_max:u16 remark_chars:u16 remark_bytes:u16 "
    "room_password_bytes:u16 room_members:u32 rooms_joined:u16 rooms_owned:u16 rooms_created:u16 ignored:u16 "
    "history_entries:u16 resume_ms:u32 device_keys:u16 sealed_bytes:u16",
    "key": "key:raw32 time_ms:u64",
}

_PLACE = "conversation:u64 epoch:u64 seq:u64 "
_LINE = _PLACE + "time_ms:u64 "
_WELCOME = ("id:id code:u16 session:u64 name:str role:u16 time_ms:u64 resume_token:option<raw32> grace_ms:u32 "
            "conversations:list<place>")
_ENTERED = "id:id code:u16 " + _PLACE + "name:str relation:u16 members:u32 settings:settings topic:str"

# type: (name, who sends it, fields). "id" is a u32 that is not 0; what is in SIZES has at most so many bytes. The fields of
# an answer are those of a success; HelloAnswer alone has them whatever its code.
PACKETS = {
    1001: ("Register", "client", "id:id name:str credential:credential invite:invite"),
    1002: ("RegisterAnswer", "server", "id:id code:u16 name:str role:u16"),
    1003: ("ChangePassword", "client", "id:id current:credential new:credential"),
    1004: ("ChangePasswordAnswer", "server", "id:id code:u16"),
    1005: ("PublishKey", "client", "id:id key:raw32"),
    1006: ("PublishKeyAnswer", "server", "id:id code:u16"),
    1007: ("RemoveKey", "client", "id:id key:raw32"),
    1008: ("RemoveKeyAnswer", "server", "id:id code:u16"),
    1009: ("KeysOf", "client", "id:id name:str"),
    1010: ("KeysOfAnswer", "server", "id:id code:u16 entries:list<key>"),
    2001: ("Hello", "client", "id:id version:u16 features:u64"),
    2002: ("HelloAnswer", "server", "id:id code:u16 version_min:u16 version_max:u16 features:u64 durability:u16 "
           "ways_in:u16 time_ms:u64 limits:limits"),
    2003: ("Login", "client", "id:id name:str credential:credential"),
    2004: ("LoginAnswer", "server", _WELCOME),
    2005: ("Logout", "client", "id:id"),
    2006: ("LogoutAnswer", "server", "id:id code:u16"),
    2007: ("SetPresence", "client", "id:id state:u16"),
    2008: ("SetPresenceAnswer", "server", "id:id code:u16"),
    2009: ("Resume", "client", "id:id token:raw32"),
    2010: ("ResumeAnswer", "server", _WELCOME),
    2011: ("Attach", "client", "id:id last:u16 cursors:list<place>"),
    2012: ("AttachAnswer", "server", "id:id code:u16 lost:list<u64>"),
    3001: ("Broadcast", "client", "id:id message_id:u64 text:str"),
    3002: ("BroadcastAnswer", "server", "id:id code:u16 epoch:u64 seq:u64 time_ms:u64"),
    3003: ("RoomChat", "client", "id:id message_id:u64 conversation:u64 text:str"),
    3004: ("RoomChatAnswer", "server", "id:id code:u16 epoch:u64 seq:u64 time_ms:u64"),
    3005: ("Whisper", "client", "id:id message_id:u64 to:str text:str"),
    3006: ("WhisperAnswer", "server", "id:id code:u16 time_ms:u64 kept:u16"),
    3007: ("Ignore", "client", "id:id name:str on:u16"),
    3008: ("IgnoreAnswer", "server", "id:id code:u16"),
    3009: ("Ignored", "client", "id:id"),
    3010: ("IgnoredAnswer", "server", "id:id code:u16 entries:list<ignored>"),
    3011: ("History", "client", "id:id conversation:u64 direction:u16 epoch:u64 seq:u64 limit:u16"),
    3012: ("HistoryAnswer", "server", "id:id code:u16 more:u16 epoch:u64 seq:u64 entries:list<said>"),
    3013: ("SealedWhisper", "client", "id:id message_id:u64 to:str envelope:envelope"),
    3014: ("SealedWhisperAnswer", "server", "id:id code:u16 time_ms:u64 kept:u16"),
    3101: ("BroadcastLine", "server", _LINE + "sender:str text:str"),
    3103: ("WhisperLine", "server", _LINE + "sender:str text:str"),
    3105: ("SealedLine", "server", _LINE + "sender:str envelope:envelope"),
    3110: ("Missed", "server", "conversation:u64 epoch:u64 from:u64 to:u64"),
    4001: ("Who", "client", "id:id conversation:u64 after:u64 limit:u16"),
    4002: ("WhoAnswer", "server", "id:id code:u16 members:u32 next:u64 entries:list<member>"),
    4003: ("CreateRoom", "client", "id:id name:str password:password settings:settings topic:str"),
    4004: ("CreateRoomAnswer", "server", _ENTERED),
    4005: ("JoinRoom", "client", "id:id name:str password:password"),
    4006: ("JoinRoomAnswer", "server", _ENTERED),
    4007: ("LeaveRoom", "client", "id:id conversation:u64"),
    4008: ("LeaveRoomAnswer", "server", "id:id code:u16 entered:list<place>"),
    4009: ("Rooms", "client", "id:id after:u64 limit:u16"),
    4010: ("RoomsAnswer", "server", "id:id code:u16 next:u64 entries:list<room>"),
    4011: ("SetTopic", "client", "id:id conversation:u64 topic:str"),
    4012: ("SetTopicAnswer", "server", "id:id code:u16"),
    4013: ("SetRoom", "client", "id:id conversation:u64 settings:settings password:option<password>"),
    4014: ("SetRoomAnswer", "server", "id:id code:u16"),
    4015: ("Moderate", "client", "id:id conversation:u64 act:u16 name:str seconds:u32 reason:str"),
    4016: ("ModerateAnswer", "server", "id:id code:u16"),
    4017: ("CloseRoom", "client", "id:id conversation:u64"),
    4018: ("CloseRoomAnswer", "server", "id:id code:u16"),
    5001: ("Joined", "server", _LINE + "name:str"),
    5002: ("Left", "server", _LINE + "name:str reason:u16"),
    5003: ("RoomChanged", "server", _LINE + "by:str settings:settings topic:str"),
    5004: ("Removed", "server", "conversation:u64 reason:u16 by:str text:str entered:list<place>"),
    5005: ("Moderated", "server", "conversation:u64 room:str act:u16 by:str seconds:u32 text:str"),
    7001: ("Ping", "both", "payload:ping"),
    7002: ("Pong", "both", "payload:ping"),
    7003: ("SystemText", "server", _LINE + "text:str"),
    7004: ("Error", "server", "kind:u16 id:u32 code:u16 retry_ms:u32"),
    7005: ("Goodbye", "server", "code:u16 retry_ms:u32 text:str"),
    7007: ("Announce", "client", "id:id text:str"),
    7008: ("AnnounceAnswer", "server", "id:id code:u16"),
    7009: ("FreezeRegistration", "client", "id:id on:u16"),
    7010: ("FreezeRegistrationAnswer", "server", "id:id code:u16"),
}
TYPES = {name: kind for kind, (name, _, _) in PACKETS.items()}
BITS = {"u16": 16, "u32": 32, "u64": 64, "id": 32}
STRINGS = ("str", "invite", "password")
SIZES = {"ping": 64, "envelope": 3968, "invite": 16, "password": 64}
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
        if kind in (*STRINGS, "bytes", "ping", "envelope"):
            length = self.number(64)
            if length > SIZES.get(kind, length) or (kind == "envelope" and not length):
                raise Refused(1004)
            data = self.take(length)
            try:
                return data.decode("utf-8") if kind in STRINGS else data
            except UnicodeDecodeError:
                raise Refused(1004) from None
        if kind == "raw32":
            return self.take(32)
        if kind.startswith("option<"):
            tag = self.take(1)[0]
            if tag > 1:
                raise Refused(1004)
            return self.value(kind[7:-1]) if tag else None
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
    if kind in (*STRINGS, "bytes", "ping", "envelope"):
        data: bytes = value.encode("utf-8") if kind in STRINGS else value
        return encode_number(len(data)) + data
    if kind == "raw32":
        return bytes(value)
    if kind.startswith("option<"):
        return b"\0" if value is None else b"\1" + encode_value(kind[7:-1], value)
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
    1205: "too many connections from this address", 1206: "banned from this server", 1207: "too many logins at once",
    1208: "put off this server", 1301: "the name is in use", 1302: "the name is not allowed",
    1303: "the password is not allowed", 1304: "registration is closed", 1305: "the invitation is not valid",
    1401: "nothing visible in the text", 1402: "the text is too long", 1403: "a character that is not allowed",
    2001: "no such conversation", 2002: "the room is full", 2003: "already in this room", 2004: "not permitted",
    2005: "not in this room", 2006: "the name of the room is not allowed", 2007: "too many rooms or names",
    2008: "muted", 2101: "nobody of that name is known", 2102: "that is yourself", 2103: "known, but not here",
    2104: "no key for sealed whispers",
    3001: "too fast", 3002: "too slow to read", 3003: "a number out of range", 4001: "the session cannot be resumed",
    5001: "the server is stopping", 5002: "the server's storage does not answer", 5003: "the server is overloaded",
    9999: "a fault of the server",
}


def meaning(code: int) -> str:
    return f"{code} {MEANINGS.get(code, 'refused')}"
