"""The check of chat_wire.py and chat_form.py against proto/vectors: PROTOCOL.md, section 14."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any, Callable, List, Tuple

from chat_form import check_form, check_name, name_key
from chat_wire import PACKETS, RECORDS, Fields, Framer, Refused, decode, encode, layout, packet_layout


def convert(kind: str, value: Any, number: Callable[[int], Any], data: Callable[[Any], Any]) -> Any:
    """A value with its numbers of 64 bits and its byte strings converted, to or from their form in JSON."""
    if kind == "u64":
        return number(value)
    if kind in ("bytes", "ping", "raw32", "envelope"):
        return data(value)
    if kind.startswith("option<"):
        return None if value is None else convert(kind[7:-1], value, number, data)
    if kind.startswith("list<"):
        return [convert(kind[5:-1], entry, number, data) for entry in value]
    if kind in RECORDS:
        return convert_all(RECORDS[kind], value, number, data)
    return value


def convert_all(spec: str, fields: Fields, number: Callable[[int], Any], data: Callable[[Any], Any]) -> Fields:
    kinds = dict(layout(spec))
    return {name: convert(kinds[name], value, number, data) for name, value in fields.items()}


def expect(what: str, got: Any, wanted: Any) -> None:
    if got != wanted:
        raise AssertionError(f"{what}: {got!r}, not {wanted!r}")


def check_valid(sender: str, entry: Fields) -> None:
    packet = bytes.fromhex(entry["hex"])
    framer = Framer(65535)
    framer.feed(packet)
    kind, body = framer.next() or (0, b"")
    expect("bytes left", bytes(framer.buffer), b"")
    expect("type", kind, entry["type"])
    name, fields = decode(sender, kind, body)
    expect("packet", name, entry["packet"])
    spec = packet_layout(name, PACKETS[kind][2], fields.get("code"))
    in_json = convert_all(spec, fields, lambda value: value if value < 1 << 53 else str(value), bytes.hex)
    expect("fields", in_json, entry["fields"])
    from_json = convert_all(spec, entry["fields"], int, bytes.fromhex)
    expect("encoded", encode(name, from_json).hex(), entry["hex"])
    if sender == "client":
        expect("read as", check_form(name, from_json), {**from_json, **entry.get("read_as", {})})


def check_invalid(sender: str, entry: Fields) -> None:
    framer = Framer(65535)
    framer.feed(bytes.fromhex(entry["hex"]))
    kind, body = framer.next() or (0, b"")
    expect("bytes left", bytes(framer.buffer), b"")
    try:
        name, fields = decode(sender, kind, body)
        if sender == "client":
            check_form(name, fields)
    except Refused as refused:
        expect("code", refused.code, entry["code"])
        if sender == "client":
            expect("id", refused.id, entry["id"])
    else:
        raise AssertionError("decoded without a fault")


def check_frames(entry: Fields) -> None:
    data = bytes.fromhex(entry["hex"])
    for piece in (max(len(data), 1), 1, 3):
        framer = Framer(entry["limit"])
        packets: List[Fields] = []
        end: Any = "whole"
        try:
            for at in range(0, len(data), piece):
                framer.feed(data[at : at + piece])
                packet = framer.next()
                while packet:
                    packets.append({"type": packet[0], "body": packet[1].hex()})
                    packet = framer.next()
            end = "partial" if framer.buffer else "whole"
        except Refused as refused:
            end = refused.code
        expect(f"packets in pieces of {piece}", packets, entry["packets"])
        expect(f"end in pieces of {piece}", end, entry["end"])


def check_valid_name(entry: Fields) -> None:
    shown = check_name(entry["typed"])
    expect("shown", shown, entry["shown"])
    expect("key", name_key(shown), entry["key"])


def check_invalid_name(entry: Fields) -> None:
    for code in (1302, 2006):
        try:
            check_name(entry["typed"], code)
        except Refused as refused:
            expect("code", refused.code, code)
        else:
            raise AssertionError("taken")


def self_check(folder: Path) -> int:
    """Runs every vector of a folder and prints how many passed; 1 if any did not, or there is none."""
    checks: List[Tuple[str, Callable[[], None]]] = []
    try:
        for sender in ("client", "server"):
            vectors = json.loads((folder / f"{sender}.json").read_text(encoding="utf-8"))
            for kind, check in (("valid", check_valid), ("invalid", check_invalid)):
                checks += [(f"{sender} {kind}: {e['name']}", partial(check, sender, e)) for e in vectors[kind]]
        frames = json.loads((folder / "frames.json").read_text(encoding="utf-8"))["frames"]
        checks += [(f"frames: {entry['name']}", partial(check_frames, entry)) for entry in frames]
        names = json.loads((folder / "names.json").read_text(encoding="utf-8"))
        for kind, judge in (("valid", check_valid_name), ("invalid", check_invalid_name)):
            checks += [(f"names {kind}: {e['name']}", partial(judge, e)) for e in names[kind]]
    except (OSError, ValueError, LookupError, TypeError) as error:
        print(f"cannot read the vectors: {error}", file=sys.stderr)
        return 1
    failed = 0
    for name, run in checks:
        try:
            run()
        except Exception as error:  # whatever a wrong vector or a wrong decoder does is a failed vector
            failed += 1
            print(f"FAILED {name}: {error!r}"[:400], file=sys.stderr)
    print(f"{len(checks)} vectors: {len(checks) - failed} passed, {failed} failed")
    return 1 if failed or not checks else 0
