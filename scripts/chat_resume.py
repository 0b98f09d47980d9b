"""What chat.py keeps of its session from one connection to the next, and when it connects again."""

from __future__ import annotations

import json
import os
import random
import stat
import tempfile
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple

from chat_form import name_key
from chat_lanes import Request
from chat_wire import Fields

RESUME = 1  # the bit of a Hello's features
LINES = ("BroadcastLine", "WhisperLine", "SealedLine", "Joined", "Left", "RoomChanged", "SystemText")
ENTRANCES = ("CreateRoomAnswer", "JoinRoomAnswer")
# The ends after which one does not connect again by itself: PROTOCOL.md, section 9.
FINAL = (0, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1103, 1203, 1206, 1208, 3001)
# Why a login or a resume may go well later.
PASSING = (1202, 1204, 1207, 3001, 5001, 5002, 5003, 9999)
CURSOR_BYTES = 27  # at most
ATTACH_BYTES = 4 + 5 + 1 + 9  # header, id, last, count
LASTING = 60.0  # seconds after which a session has been one
SLEEP_BASE, SLEEP_CAP = 0.5, 30.0


class BackOff:
    """How long to wait before the next attempt: full jitter, at once only once, and never less than the server says."""

    def __init__(self, jitter: Callable[[float, float], float] = random.uniform) -> None:
        self.jitter = jitter
        self.attempts = 0

    def wait(self, lasted: float, retry_ms: int) -> float:
        """Seconds to wait after a connection whose session, if it had one, lasted so many seconds."""
        if lasted >= LASTING:
            self.attempts = 0
        doublings = max(self.attempts, 1 if retry_ms else 0)
        self.attempts += 1
        most = min(SLEEP_CAP, SLEEP_BASE * 2 ** min(doublings, 16)) if doublings else 0.0
        return retry_ms / 1000 + self.jitter(0.0, most)


class Unfit(Exception):
    """A state that cannot be gone on with, and why."""


class Continuation:
    """The token, the cursors and the rooms of a session; with a file, also for the next run of this program."""

    def __init__(self, server: str, name: str, file: Optional[Path] = None) -> None:
        self.server = server
        self.name = name
        self.file = file
        self.token: Optional[bytes] = None
        self.session = 0
        self.cursors: Dict[int, Tuple[int, int]] = {}
        self.written = ""

    # -- what the server says

    def begin(self, welcome: Fields) -> None:
        """A login: another session, of which all is new."""
        self.token, self.session = welcome["resume_token"], welcome["session"]
        self.cursors = {place["conversation"]: (place["epoch"], place["seq"]) for place in welcome["conversations"]}

    def go_on(self, welcome: Fields) -> Tuple[List[int], List[Fields]]:
        """A resume: the conversations one is not in any more, and the places of those one did not know of."""
        self.token, self.session = welcome["resume_token"], welcome["session"]
        places = {place["conversation"]: place for place in welcome["conversations"]}
        lost = [conversation for conversation in self.cursors if conversation not in places]
        for conversation in lost:
            del self.cursors[conversation]
        return lost, [place for conversation, place in places.items() if conversation not in self.cursors]

    def attaches(self, packet_bytes: int) -> List[Fields]:
        """The fields of the Attach packets that say from where to go on, each small enough."""
        cursors = [{"conversation": c, "epoch": epoch, "seq": seq} for c, (epoch, seq) in self.cursors.items()]
        most = max((packet_bytes - ATTACH_BYTES) // CURSOR_BYTES, 1)
        parts = [cursors[at : at + most] for at in range(0, len(cursors), most)] or [[]]
        return [{"last": int(at == len(parts)), "cursors": part} for at, part in enumerate(parts, 1)]

    def take(self, packet: str, fields: Fields) -> bool:
        """Moves the cursors; false of a line or a Missed that has been taken already."""
        if packet in LINES or packet == "Missed":
            conversation, epoch = fields["conversation"], fields["epoch"]
            first, last = (fields["from"], fields["to"]) if packet == "Missed" else (fields["seq"], fields["seq"])
            known_epoch, known = self.cursors.get(conversation, (0, 0))
            if epoch == known_epoch and first <= known:
                return False
            self.cursors[conversation] = (epoch, last)
        elif packet == "Removed":
            self.leave(fields["conversation"], fields["entered"])
        elif packet in ENTRANCES and not fields["code"]:
            self.enter([fields])
        return True

    def enter(self, places: List[Fields]) -> None:
        for place in places:
            self.cursors[place["conversation"]] = (place["epoch"], place["seq"])

    def leave(self, conversation: int, entered: List[Fields]) -> None:
        self.cursors.pop(conversation, None)
        self.enter(entered)

    def end(self) -> None:
        """There is no session any more."""
        self.token = None
        self.cursors = {}

    # -- the file

    def load(self) -> Tuple[Dict[int, str], List[Request]]:
        """The rooms' names and the lines that were not answered, if there is a session to go on with."""
        if self.file is None:
            return {}, []
        try:
            if not self.file.exists():
                return {}, []
            if os.name == "posix" and stat.S_IMODE(self.file.stat().st_mode) & 0o077:
                raise Unfit(f"others may read {self.file}, and it holds a secret: chmod 600")
            state = json.loads(self.file.read_text(encoding="utf-8"))
            if state["version"] != 1 or not state["token"]:
                return {}, []
            if (state["server"], name_key(state["name"])) != (self.server, name_key(self.name)):
                raise Unfit(f"{self.file} is of {state['name']} at {state['server']}")
            self.token, self.session = bytes.fromhex(state["token"]), state["session"]
            self.cursors = {int(number): (epoch, seq) for number, (epoch, seq) in state["cursors"].items()}
            lines = [Request(line["packet"], line["fields"], line["doubtful"]) for line in state["lines"]]
            return {int(number): name for number, name in state["rooms"].items()}, lines
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise Unfit(f"cannot read {self.file}: {error}") from None

    def save(self, rooms: Dict[int, str], lines: List[Request]) -> None:
        """Writes all of it, if it is another than before, so that the file is whole whenever this program ends."""
        if self.file is None:
            return
        state = {
            "version": 1, "server": self.server, "name": self.name, "session": self.session,
            "token": self.token.hex() if self.token else None, "cursors": self.cursors, "rooms": rooms,
            "lines": [{"packet": line.name, "fields": line.fields, "doubtful": line.doubtful} for line in lines],
        }
        text = json.dumps(state)
        if text == self.written:
            return
        # Only its owner may read what mkstemp makes.
        handle, name = tempfile.mkstemp(prefix=".chat-", dir=str(self.file.resolve().parent))
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, str(self.file))
        except OSError:
            os.unlink(name)
            raise
        self.written = text
