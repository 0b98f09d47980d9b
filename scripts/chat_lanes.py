"""The requests of chat.py on their way to the server, no faster than it announces, and those it has not answered."""

from __future__ import annotations

import time
from collections import deque
from typing import Callable, Deque, Dict, Iterable, List, Optional

from chat_rooms import LINES, MOVES
from chat_wire import Fields, encode

UNANSWERED = 128  # lines that a server knows again
# What opens a connection; all else waits for it. The end of a connection concludes these without a word.
ENTRY = ("Hello", "Register", "Login", "Resume")
PASSED_OVER = (*ENTRY, "Attach", "Logout")
OF_ONE_CONNECTION = ("Attach", "Ping", "Pong")


class Request:
    """A packet on its way to the server, and how often it was tried. Pings and Pongs have no answer and no tries."""

    def __init__(self, name: str, fields: Fields, doubtful: bool = False) -> None:
        self.name = name
        self.fields = fields
        self.tries = 0
        self.doubtful = doubtful  # sent, and not answered: it may have been executed


class Lane:
    """What waits for one of the two rates: `burst` at once, `per_second` after that; no limit when that is 0."""

    def __init__(self) -> None:
        self.requests: Deque[Request] = deque()
        self.pace(0, 1)

    def pace(self, per_second: int, burst: int) -> None:
        """From now on so fast, as on a connection that has rested."""
        self.not_before = self.since = time.monotonic()
        self.per_second = per_second
        self.burst = max(burst, 1)
        self.tokens = float(self.burst)

    def wait(self, now: float) -> float:
        """Seconds until the next may be sent; not above 0 if it may now."""
        if not self.per_second:
            return self.not_before - now
        self.tokens = min(self.burst, self.tokens + (now - self.since) * self.per_second)
        self.since = now
        return max(self.not_before - now, (1 - self.tokens) / self.per_second)

    def put_back(self, requests: Iterable[Request]) -> None:
        """What has to be sent again goes where it was, by the order of the ids."""
        self.requests = deque(sorted([*requests, *self.requests], key=lambda other: other.fields.get("id", 0)))


class Lanes:
    """All requests of a session, over its connections: those that wait, and those sent and not answered."""

    def __init__(self, lines: List[Request]) -> None:
        self.entry = Lane()
        self.chat = Lane()
        self.other = Lane()
        self.chat.put_back(lines)
        self.outstanding: Dict[int, Request] = {}
        self.last_id = max((line.fields["id"] for line in lines), default=0)
        self.moved = time.monotonic()  # when a request was sent or concluded

    def waiting(self) -> int:
        return len(self.chat.requests) + len(self.other.requests)

    def moves(self) -> bool:
        """Whether it is not known yet which rooms one is in."""
        return any(request.name in MOVES for request in (*self.other.requests, *self.outstanding.values()))

    def lines(self) -> List[Request]:
        """The lines that are not answered."""
        return [*(one for one in self.outstanding.values() if one.name in LINES), *self.chat.requests]

    def ask(self, name: str, fields: Fields) -> None:
        self.last_id += 1
        lane = self.entry if name in ENTRY else self.chat if name in LINES else self.other
        numbers = {"id": self.last_id, "message_id": self.last_id} if name in LINES else {"id": self.last_id}
        lane.requests.append(Request(name, {**numbers, **fields}))

    def ask_first(self, name: str, parts: List[Fields]) -> None:
        """Before all that waits: from where to read on."""
        requests = [Request(name, {"id": self.last_id + at, **part}) for at, part in enumerate(parts, 1)]
        self.last_id += len(parts)
        self.other.requests.extendleft(reversed(requests))

    def send(self, here: bool, limits: Fields, now: float, send: Callable[[Request, bytes], bool]) -> float:
        """Sends what may be sent; returns how many seconds may pass before there may be more."""
        lanes = [self.entry, *([self.other, self.chat] if here else [])]
        return min(self.send_lane(lane, limits, now, send) for lane in lanes)

    def send_lane(self, lane: Lane, limits: Fields, now: float, send: Callable[[Request, bytes], bool]) -> float:
        most = min(max(limits["requests_outstanding"], 1), UNANSWERED)
        while lane.requests:
            request = lane.requests[0]
            wait = lane.wait(now)
            if wait > 0:
                return wait
            is_request = "id" in request.fields
            # What is sent after a Resume tells the server that its answer was read.
            resumes = any(other.name == "Resume" for other in self.outstanding.values())
            if resumes or (is_request and len(self.outstanding) >= most):
                break
            lane.requests.popleft()
            if is_request:
                self.outstanding[request.fields["id"]] = request
                self.moved = now
                request.tries += 1
                request.doubtful = True
            if send(request, encode(request.name, request.fields)):
                lane.tokens -= 1
        return 60.0

    def conclude(self, id: int) -> Optional[Request]:
        self.moved = time.monotonic()
        return self.outstanding.pop(id, None)

    def retry(self, request: Request, retry_ms: int) -> None:
        lane = self.chat if request.name in LINES else self.other
        lane.not_before = max(lane.not_before, time.monotonic() + (retry_ms or 1000) / 1000)
        lane.put_back([request])

    def broken(self) -> List[Request]:
        """The connection is lost: lines are sent again on the next; returns what is not, and was not answered."""
        unanswered = list(self.outstanding.values())
        self.outstanding.clear()
        self.chat.put_back(one for one in unanswered if one.name in LINES)
        self.entry = Lane()
        self.other.requests = deque(one for one in self.other.requests if one.name not in OF_ONE_CONNECTION)
        return [one for one in unanswered if one.name not in (*LINES, *PASSED_OVER)]

    def doubtful(self) -> List[Request]:
        """Takes out the lines that may have been said: in another session they would be said twice."""
        doubtful = [line for line in self.chat.requests if line.doubtful]
        self.chat.requests = deque(line for line in self.chat.requests if not line.doubtful)
        return doubtful

    def pace(self, limits: Fields) -> None:
        self.chat.pace(limits["chat_per_second"], limits["chat_burst"])
        self.other.pace(limits["other_per_second"], limits["other_burst"])
