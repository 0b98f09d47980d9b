"""What chat.py says to its user, to its last words."""

from __future__ import annotations

import sys
from typing import Any

ROLES = ["", " (user)", " (moderator)", " (admin)"]  # a guest is nothing to speak of


def emit(stream: Any, line: str) -> None:
    if stream is not None:
        stream.buffer.write(line.encode("utf-8", "replace") + b"\n")
        stream.flush()


def say(line: str) -> None:
    emit(sys.stdout, line)


def tell(line: str) -> None:
    emit(sys.stderr, line)


class Done(Exception):
    """The session is over, with this exit code."""

    def __init__(self, exit_code: int, words: str = "") -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code
        self.words = words


def role(number: int) -> str:
    return ROLES[number] if number < len(ROLES) else f" (role {number})"
