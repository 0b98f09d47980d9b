"""The requests of chat.py on their way to the server, no faster than it announces."""

from __future__ import annotations

import time
from collections import deque
from typing import Deque

from chat_wire import Fields


class Request:
    """A packet on its way to the server, and how often it was tried. Pings and Pongs have no answer and no tries."""

    def __init__(self, name: str, fields: Fields) -> None:
        self.name = name
        self.fields = fields
        self.tries = 0


class Lane:
    """What waits for one of the two rates: `burst` at once, `per_second` after that; no limit when that is 0."""

    def __init__(self, per_second: int = 0, burst: int = 1) -> None:
        self.requests: Deque[Request] = deque()
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
