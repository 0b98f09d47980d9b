"""The form of names, texts and remarks in iocp-chat, written from proto/PROTOCOL.md alone: section 8."""

from __future__ import annotations

import unicodedata

from chat_wire import Fields, Refused

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


def check_name(sent: str, code: int = 1302) -> str:
    """The name in NFC, or the code."""
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
        raise Refused(code)
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


def check_remark(text: str, max_chars: int = 128, max_bytes: int = 384) -> str:
    """A topic or a reason as a server takes it, empty where nothing is visible; or 1402, 1403."""
    if len(text) > max_chars or len(text.encode("utf-8")) > max_bytes:
        raise Refused(1402)
    if any(char in "\n\t\u2028\u2029" for char in text):
        raise Refused(1403)
    try:
        check_text(text, max_chars, max_bytes)
    except Refused as refused:
        if refused.code != 1401:
            raise
        return ""
    return text


def check_form(packet: str, fields: Fields) -> Fields:
    """A client packet's fields as a server reads them; or 1302 or 2006, then 14xx."""
    read = dict(fields)
    try:
        for key in ("name", "to"):
            if key in read:
                read[key] = check_name(read[key], 2006 if packet in ("CreateRoom", "JoinRoom") else 1302)
        if "text" in read:
            check_text(read["text"])
        for key in ("topic", "reason"):
            if key in read:
                read[key] = check_remark(read[key])
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
