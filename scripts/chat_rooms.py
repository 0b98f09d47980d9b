"""What chat.py asks about rooms and people, and how it shows what it is told of them."""

from __future__ import annotations

import time
import unicodedata
from typing import Dict, Iterator, List, Tuple

from chat_form import check_remark, check_text, name_key, shown
from chat_wire import Fields

LOBBY = 1
# How many a room is made for, unless the server takes fewer.
CAPACITY = 50
FLAGS = {1: "hidden", 2: "invite-only", 4: "persistent", 8: "password"}
REASONS = [
    "", " (connection lost)", " (timed out)", " (kicked)", " (replaced by another login)", " (broke the rules)",
    " (banned)", " (the room is closed)", " (went into another room)",
]
STATES = ["", " (away)", " (reconnecting)"]
RELATIONS = ["", " (moderator)", " (owner)"]
# By their numbers, from 1.
ACTS = ["kick", "ban", "unban", "mute", "unmute", "invite", "uninvite", "appoint", "dismiss", "handover"]
LASTING = ("ban", "mute")
# Lines of history, unless one asks for another number.
HISTORY = 20
# The end of an epoch that broke off.
UNKNOWN_END = (1 << 64) - 1
# The last second of the year 9999.
LAST_TIME = 253402300799
# What takes from the rate of lines; all else from the other.
LINES = ("Broadcast", "RoomChat", "Whisper")
# Until these are answered it is not known which rooms one is in.
MOVES = ("CreateRoom", "JoinRoom", "LeaveRoom")


class Unusable(Exception):
    """A command that cannot be carried out, and why."""


def one_of(words: List[str], number: int) -> str:
    """The word for a number; a number of a later version is shown as one."""
    return words[number] if number < len(words) else f" ({number})"


class Rooms:
    """The rooms one is in, by their numbers."""

    def __init__(self) -> None:
        self.names: Dict[int, str] = {}

    def number(self, name: str) -> int:
        """The number of a room one is in, or the one after a #."""
        if name.startswith("#") and name[1:].isascii() and name[1:].isdigit() and len(name) < 20:
            return int(name[1:])
        key = name_key(unicodedata.normalize("NFC", name))
        for number, known in self.names.items():
            if name_key(known) == key:
                return number
        raise Unusable(f"not in a room {shown(name)}")

    def label(self, conversation: int) -> str:
        """What stands before all that is of a room."""
        if conversation <= LOBBY:
            return ""
        return f"[{shown(self.names.get(conversation, f'#{conversation}'))}] "

    def command(self, line: str, limits: Fields) -> Tuple[str, Fields]:
        """The request that a command asks for; Unusable if it is none, Refused if no server would take it."""
        command, _, rest = line[1:].partition(" ")
        rest = rest.strip()
        first, _, more = (part.strip() for part in rest.partition(" "))
        if command in ACTS and more:
            return self.act(command, first, more, limits)
        if command in ("create", "join") and first:
            password = unicodedata.normalize("NFC", more)
            if len(password.encode("utf-8")) > limits["room_password_bytes"]:
                raise Unusable(f"a room's password has at most {limits['room_password_bytes']} bytes")
            if command == "join":
                return "JoinRoom", {"name": first, "password": password}
            settings = {"capacity": min(CAPACITY, limits["room_members"]), "flags": 0, "slow_s": 0}
            return "CreateRoom", {"name": first, "password": password, "settings": settings, "topic": ""}
        if command == "r" and more:
            check_text(more, limits["text_chars"], limits["text_bytes"])
            return "RoomChat", {"conversation": self.number(first), "text": more}
        if command == "topic" and first:
            topic = check_remark(more, limits["remark_chars"], limits["remark_bytes"])
            return "SetTopic", {"conversation": self.number(first), "topic": topic}
        if command in ("leave", "close") and first and not more:
            return f"{command.title()}Room", {"conversation": self.number(first)}
        if command == "members" and first and not more:
            return "Who", {"conversation": self.number(first), "after": 0, "limit": limits["page_entries"]}
        if command in ("ignore", "unignore") and first and not more:
            return "Ignore", {"name": first, "on": int(command == "ignore")}
        if command == "history":
            return self.history(first, more, limits)
        if command == "announce" and rest:
            check_text(rest, limits["text_chars"], limits["text_bytes"])
            return "Announce", {"text": rest}
        if not rest:
            if command in ("away", "back"):
                return "SetPresence", {"state": int(command == "away")}
            if command == "ignored":
                return "Ignored", {}
            if command == "rooms":
                return "Rooms", {"after": 0, "limit": limits["page_entries"]}
            if command == "who":
                return "Who", {"conversation": LOBBY, "after": 0, "limit": limits["page_entries"]}
        raise Unusable("no such command: chat.py --help lists them; //TEXT says a line that begins with a slash")

    def history(self, first: str, more: str, limits: Fields) -> Tuple[str, Fields]:
        """[N] [ROOM]: the last N lines of a room, or of the lobby."""
        count, room = (first, more) if first.isascii() and first.isdigit() and len(first) < 10 else ("", f"{first} {more}")
        limit = min(max(int(count or HISTORY), 1), max(limits["history_entries"], 1))
        conversation = self.number(room.strip()) if room.strip() else LOBBY
        return "History", {"conversation": conversation, "direction": 0, "epoch": 0, "seq": 0, "limit": limit}

    def act(self, command: str, name: str, more: str, limits: Fields) -> Tuple[str, Fields]:
        room, _, reason = more.partition(" ")
        seconds, _, rest = reason.strip().partition(" ")
        if command in LASTING and seconds.isascii() and seconds.isdigit() and len(seconds) < 10:
            reason = rest
        else:
            seconds = "0"
        reason = check_remark(reason.strip(), limits["remark_chars"], limits["remark_bytes"])
        fields = {"conversation": self.number(room), "act": ACTS.index(command) + 1, "name": name}
        return "Moderate", {**fields, "seconds": int(seconds), "reason": reason}

    def answered(self, request: str, asked: Fields, fields: Fields) -> Iterator[str]:
        """What to say of a request that succeeded."""
        if request in ("CreateRoom", "JoinRoom"):
            self.names[fields["conversation"]] = fields["name"]
            what = about(fields) + one_of(RELATIONS, fields["relation"])
            yield f"* you are in {shown(fields['name'])}: {what}"
        elif request == "LeaveRoom":
            yield f"* you left {self.label(asked['conversation']).strip()}" + self.entered(fields)
            self.names.pop(asked["conversation"], None)
        elif request == "Rooms":
            for room in fields["entries"]:
                if room["conversation"] in self.names:
                    self.names[room["conversation"]] = room["name"]
                yield f"* room #{room['conversation']} {shown(room['name'])}: {about(room)}"
            if not fields["next"]:
                yield "* no more rooms"
        elif request == "Who":
            label = self.label(asked["conversation"])
            for entry in fields["entries"]:
                what = one_of(RELATIONS, entry["relation"]) + one_of(STATES, entry["state"])
                yield f"* {label}here: {shown(entry['name'])}{what}"
            if not fields["next"]:
                yield f"* {label}{fields['members']} in all"
        elif request == "History":
            label = self.label(asked["conversation"])
            for entry in fields["entries"]:
                said = time.strftime("%Y-%m-%d %H:%M", time.localtime(min(entry["time_ms"] // 1000, LAST_TIME)))
                yield f"* {said} {label}{shown(entry['sender'] or 'the operator')}: {shown(entry['text'])}"
            yield f"* {label}{len(fields['entries'])} lines" + (", and more before" if fields["more"] else "")
        elif request == "Whisper" and fields["kept"]:
            yield f"* {shown(asked['to'])} is away, and will hear it"
        elif request == "Ignored":
            for entry in fields["entries"]:
                yield f"* ignored: {shown(entry['name'])}"
            yield f"* {len(fields['entries'])} ignored"
        elif request not in LINES:
            yield f"* done: {request.lower()}"

    def told(self, packet: str, fields: Fields) -> Iterator[str]:
        """What to say of a line or a notice that is not what somebody said."""
        label = self.label(fields["conversation"])
        by = shown(fields.get("by") or "the server")
        words = f": {shown(fields['text'])}" if fields.get("text") else ""
        if packet == "Joined":
            yield f"* {label}{shown(fields['name'])} joined"
        elif packet == "Left":
            yield f"* {label}{shown(fields['name'])} left{one_of(REASONS, fields['reason'])}"
        elif packet == "SystemText":
            yield f"* {label}the operator{words}"
        elif packet == "SealedLine":
            yield f"* {shown(fields['sender'])} -> you: sealed, and not for this program to open"
        elif packet == "Missed":
            where = {0: "your mailbox", LOBBY: "the lobby"}.get(fields["conversation"], label.strip())
            unknown = "an unknown number of lines" if fields["to"] == UNKNOWN_END else ""
            yield f"* missed {unknown or 'lines {from} to {to}'.format(**fields)} of {where}"
        elif packet == "RoomChanged":
            yield f"* {label}{by} changed it: {described(fields)}"
        elif packet == "Removed":
            where = label.strip() or "the lobby"
            by = f", by {by}" if fields["by"] else ""
            yield f"* you are out of {where}{one_of(REASONS, fields['reason'])}{by}{words}" + self.entered(fields)
            self.names.pop(fields["conversation"], None)
        elif packet == "Moderated":
            act = ACTS[fields["act"] - 1] if 0 < fields["act"] <= len(ACTS) else f"act {fields['act']}"
            where = shown(fields["room"]) if fields["room"] else "this server"
            seconds = f" for {fields['seconds']} s" if fields["seconds"] else ""
            yield f"* {by}, to you in {where}: {act}{seconds}{words}"

    def entered(self, fields: Fields) -> str:
        return "; you are in the lobby" if any(place["conversation"] == LOBBY for place in fields["entered"]) else ""


def described(room: Fields) -> str:
    """How a room is, and what it is about."""
    settings = room["settings"]
    words = [f"at most {settings['capacity']}"] if settings["capacity"] else []
    words += [word for bit, word in FLAGS.items() if settings["flags"] & bit]
    words += [f"a line every {settings['slow_s']} s"] if settings["slow_s"] else []
    words += [f"about {shown(room['topic'])}"] if room["topic"] else []
    return ", ".join(words)


def about(room: Fields) -> str:
    return f"{room['members']} in it, {described(room)}"
