#!/usr/bin/env python3
"""A small client for iocp-chat, written from proto/PROTOCOL.md alone, that also checks itself against proto/vectors.

Chatting: each line of standard input is said to everyone in the lobby, but for these:

  /w NAME TEXT   whisper to one person
  /who           list who is in the lobby
  /away, /back   tell those who ask that you are away, or back
  /ignore NAME, /unignore NAME, /ignored
                 hear nothing of somebody, hear them again, list them
  /quit          send what is still to be sent, then log out (so does the end of input; Ctrl-C logs out at once)
  //TEXT         say a line that begins with a slash

  /rooms                    list the rooms there are
  /create ROOM [PASSWORD]   make a room, and go in
  /join ROOM [PASSWORD]     go into a room
  /leave ROOM
  /r ROOM TEXT              say a line in a room
  /members ROOM             list who is in it
  /topic ROOM [TEXT]        say what it is about, for who keeps order there
  /kick NAME ROOM [REASON], and so unban, unmute, invite, uninvite, appoint, dismiss, handover
  /mute NAME ROOM [SECONDS] [REASON], and so ban
  /close ROOM
  /announce TEXT            tell everybody, for who keeps order on the server

ROOM is the name of a room you are in, or # and its number; #1 is the whole server.

Without a password one is a guest. A password comes from --password-file or the variable CHAT_PASSWORD, an invitation
from --invite-file or CHAT_INVITE, and never from the command line, which everybody on a machine may read. Of a file the
first line is taken as it is.

What others say goes to standard output as "name: text", "[room] name: text" and "name -> you: text", everything else to
standard error. Control characters and direction controls of what is received are shown as \\u{...}.

Exit codes: 0 logged out; 1 the network failed; 2 usage; 3 the server refused the registration, the login, the new
password or the --once line, or ended the session with a reason; 4 the server broke the protocol. --self-check: 0 all
passed, 1 some failed.

What --self-check cannot check: names and texts are judged by the Unicode version of this Python, so a code point that
only a newer one assigns would be refused in a name, and a mark only a newer one knows does not count as a mark.
"""

from __future__ import annotations

import os
import queue
import signal
import socket
import sys
import threading
import time
from collections import deque
from typing import Any, Deque, Dict, NoReturn, Optional, Tuple

from chat_form import check_text, shown
from chat_lanes import Lane, Request
from chat_options import Person, credential, read_options
from chat_rooms import LINES, MOVES, Rooms, Unusable
from chat_vectors import self_check
from chat_wire import PACKETS, Fields, Framer, Refused, decode, encode, meaning

ROLES = ["", " (user)", " (moderator)", " (admin)"]  # a guest is nothing to speak of
TRIES = 10
PATIENCE = 15.0  # seconds for a login or logout, and for a server that takes no bytes
ANSWER_PATIENCE = 60.0  # seconds for any other answer


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


class Client:
    """One session. The main thread owns all of it; the others only fill the inbox."""

    def __init__(self, sock: socket.socket, person: Person, once: Optional[str]) -> None:
        self.sock = sock
        self.person = person
        self.once = once
        self.inbox: "queue.Queue[Tuple[str, bytes]]" = queue.Queue(64)
        self.framer = Framer(65531)
        self.limits: Fields = {"requests_outstanding": 64, "ping_after_ms": 30000, "idle_ms": 75000}
        self.packet_bytes = 512
        self.chat = Lane()
        self.other = Lane()
        self.outstanding: Dict[int, Request] = {}
        self.rooms = Rooms()
        self.lines: Deque[str] = deque()  # read, and not yet looked at
        self.last_id = 0
        self.state = "greeting"  # then "login", "here", "leaving", "left"
        self.deadline: Optional[float] = time.monotonic() + PATIENCE
        self.heard = self.pinged = self.moved = time.monotonic()  # moved: a request was sent or concluded
        self.input_ended = self.no_more_input = False
        self.interrupted = False
        self.wants_input = threading.Event()
        self.exit_code = 0
        self.unsent = ""  # why nothing can be sent any more

    # -- the threads

    def read_socket(self) -> None:
        while True:
            try:
                data = self.sock.recv(65536)
            except socket.timeout:
                continue
            except OSError as error:
                self.inbox.put(("end", str(error).encode("utf-8", "replace")))
                return
            if not data:
                self.inbox.put(("end", b""))
                return
            self.inbox.put(("data", data))

    def read_input(self) -> None:
        # Unbuffered: a buffered reader's lock, held here, would break the interpreter's exit.
        stream: Any = sys.stdin and getattr(sys.stdin.buffer, "raw")
        rest = b""
        while True:
            try:
                data = stream.read(65536) if stream else b""
            except OSError:
                data = b""
            *lines, rest = (rest + (data or b"")).split(b"\n")
            if not data and rest:
                lines.append(rest)
            for line in lines:
                self.wants_input.wait()
                self.inbox.put(("line", line))
            if not data:
                self.inbox.put(("eof", b""))
                return

    def interrupt(self, *_: Any) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True

    # -- the main thread

    def run(self) -> int:
        threading.Thread(target=self.read_socket, daemon=True).start()
        signal.signal(signal.SIGINT, self.interrupt)
        self.request(self.other, "Hello", {"version": 1, "features": 0})
        try:
            while True:
                wait = self.step(time.monotonic())
                try:
                    # Short waits, because an interrupt does not end a wait on Windows.
                    what, data = self.inbox.get(timeout=min(max(wait, 0.001), 0.2))
                except queue.Empty:
                    continue
                if what == "line":
                    self.lines.append(data.decode("utf-8", "replace"))
                elif what == "eof":
                    self.input_ended = True
                elif what == "end":
                    self.on_end(data.decode("utf-8"))
                else:
                    self.on_data(data)
        except Done as done:
            if done.words:
                tell(done.words)
            return done.exit_code

    def step(self, now: float) -> float:
        """Sends what may be sent now; returns how many seconds may pass before there may be more."""
        overdue = self.outstanding and now - self.moved > ANSWER_PATIENCE
        if overdue or (self.deadline is not None and now > self.deadline):
            raise Done(1, "the server does not answer")
        if self.interrupted and self.state not in ("leaving", "left"):
            if self.state != "here":
                raise Done(0)
            for lane in (self.chat, self.other):
                lane.requests.clear()
            self.leave(now)
        while self.lines and not self.is_moving():
            self.on_line(self.lines.popleft())
        self.no_more_input = self.no_more_input or (self.input_ended and not self.lines)
        waiting = len(self.lines) + len(self.chat.requests) + len(self.other.requests)
        if self.state == "here" and self.no_more_input and not waiting and not self.outstanding:
            self.leave(now)
        if waiting < 32:
            self.wants_input.set()
        else:
            self.wants_input.clear()
        ping_after = max(self.limits["ping_after_ms"], 1000) / 1000
        if now - self.heard > max(self.limits["idle_ms"] / 1000, 2 * ping_after):
            raise Done(1, "the server went silent")
        if self.state == "here" and now - max(self.heard, self.pinged) > ping_after:
            self.pinged = now
            self.other.requests.append(Request("Ping", {"payload": b"chat.py"}))
        return min(self.send_lane(self.chat, now), self.send_lane(self.other, now))

    def is_moving(self) -> bool:
        """Whether it is not known yet which rooms one is in: what the next line means may depend on it."""
        return any(request.name in MOVES for request in (*self.other.requests, *self.outstanding.values()))

    def leave(self, now: float) -> None:
        self.state = "leaving"
        self.deadline = now + PATIENCE
        self.request(self.other, "Logout", {})

    def send_lane(self, lane: Lane, now: float) -> float:
        while lane.requests and not self.unsent:
            request = lane.requests[0]
            wait = lane.wait(now)
            if wait > 0:
                return wait
            is_request = "id" in request.fields
            if is_request and len(self.outstanding) >= max(self.limits["requests_outstanding"], 1):
                break
            lane.requests.popleft()
            packet = encode(request.name, request.fields)
            if len(packet) > self.packet_bytes:
                self.refused(request, 1002)
                continue
            lane.tokens -= 1
            if is_request:
                self.outstanding[request.fields["id"]] = request
                self.moved = now
                request.tries += 1
            try:
                self.sock.sendall(packet)
            except socket.timeout:
                raise Done(1, "the server takes no bytes") from None
            except OSError as error:
                # Why it hung up may still wait to be read: what ends the session is the end of what comes.
                self.unsent = str(error)
        return 60.0

    def request(self, lane: Lane, name: str, fields: Fields) -> None:
        self.last_id += 1
        lane.requests.append(Request(name, {"id": self.last_id, **fields}))

    def ask(self, name: str, fields: Fields) -> None:
        if name in LINES:
            self.request(self.chat, name, {"message_id": self.last_id + 1, **fields})
        else:
            self.request(self.other, name, fields)

    def say_to(self, name: str, fields: Fields) -> None:
        try:
            check_text(fields["text"], self.limits["text_chars"], self.limits["text_bytes"])
        except Refused as refused:
            self.refused(Request(name, fields), refused.code)
        else:
            self.ask(name, fields)

    def on_line(self, line: str) -> None:
        line = line.rstrip("\r")
        if not line.strip() or self.no_more_input:
            return
        command, _, rest = line.partition(" ")
        if not line.startswith("/") or line.startswith("//"):
            self.say_to("Broadcast", {"text": line[1:] if line.startswith("//") else line})
        elif command == "/w" and rest.partition(" ")[2]:
            to, _, text = rest.partition(" ")
            self.say_to("Whisper", {"to": to, "text": text})
        elif line == "/quit":
            self.no_more_input = True
        else:
            try:
                self.ask(*self.rooms.command(line, self.limits))
            except Unusable as unusable:
                tell(f"! {unusable}")
            except Refused as refused:
                tell(f"! {shown(command[1:])}: {meaning(refused.code)}")

    def on_data(self, data: bytes) -> None:
        self.heard = time.monotonic()
        self.framer.feed(data)
        try:
            packet = self.framer.next()
            while packet:
                if packet[0] in PACKETS and PACKETS[packet[0]][1] != "client":
                    self.on_packet(*decode("server", *packet))
                packet = self.framer.next()
        except Refused as refused:
            raise Done(4, f"the server broke the protocol: {meaning(refused.code)}") from None

    def on_end(self, words: str) -> NoReturn:
        if self.state == "left":
            raise Done(self.exit_code)
        raise Done(1, f"the connection ended: {words or self.unsent or 'without a goodbye'}")

    def conclude(self, id: int) -> Optional[Request]:
        self.moved = time.monotonic()
        return self.outstanding.pop(id, None)

    def on_packet(self, name: str, fields: Fields) -> None:
        if name.endswith("Answer"):
            request = self.conclude(fields["id"])
            if request is None or request.name + "Answer" != name:
                raise Done(4, f"the server broke the protocol: a {name} to no such request")
            if fields["code"]:
                self.refused(request, fields["code"], fields.get("retry_ms", 0), fields)
            else:
                self.on_answer(request, fields)
        elif name == "BroadcastLine":
            say(f"{self.rooms.label(fields['conversation'])}{shown(fields['sender'])}: {shown(fields['text'])}")
        elif name == "WhisperLine":
            say(f"{shown(fields['sender'])} -> you: {shown(fields['text'])}")
        elif name == "Ping" and len(self.other.requests) < 256:
            self.other.requests.append(Request("Pong", fields))
        elif name == "Error":
            request = self.conclude(fields["id"]) if fields["id"] else None
            if request:
                self.refused(request, fields["code"], fields["retry_ms"])
            else:
                tell(f"! packet {fields['kind']}: {meaning(fields['code'])}")
        elif name == "Goodbye":
            self.on_goodbye(fields)
        elif name not in ("Ping", "Pong"):
            for line in self.rooms.told(name, fields):
                tell(line)

    def on_answer(self, request: Request, fields: Fields) -> None:
        if request.name == "Hello":
            self.limits = fields["limits"]
            self.framer.limit = self.limits["server_packet_bytes"]
            self.packet_bytes = self.limits["guest_packet_bytes"]
            self.state = "login"
            if max(len(self.person.password), len(self.person.new_password)) > self.limits["credential_bytes"]:
                raise Done(3, "the server takes no password as long as this")
            if self.person.invite is None:
                self.log_in()
            else:
                fields = {"name": self.person.name, "credential": credential(self.person.password)}
                self.request(self.other, "Register", {**fields, "invite": self.person.invite})
        elif request.name == "Register":
            tell(f"* registered as {shown(fields['name'])}{role(fields['role'])}")
            self.log_in()
        elif request.name == "Login":
            self.state = "here"
            self.deadline = None
            self.packet_bytes = self.limits["client_packet_bytes"]
            self.chat = Lane(self.limits["chat_per_second"], self.limits["chat_burst"])
            self.other = Lane(self.limits["other_per_second"], self.limits["other_burst"])
            tell(f"* logged in as {shown(fields['name'])}{role(fields['role'])}")
            if self.person.new_password:
                change = {"current": credential(self.person.password), "new": credential(self.person.new_password)}
                self.request(self.other, "ChangePassword", change)
            if self.once is None:
                threading.Thread(target=self.read_input, daemon=True).start()
            else:
                self.no_more_input = True
                self.say_to("Broadcast", {"text": self.once})
        elif request.name == "ChangePassword":
            tell("* the password is changed")
        elif request.name == "Logout":
            self.state = "left"
        else:
            for line in self.rooms.answered(request.name, request.fields, fields):
                tell(line)
            if fields.get("next"):
                again = {name: value for name, value in request.fields.items() if name != "id"}
                self.ask(request.name, {**again, "after": fields["next"]})

    def log_in(self) -> None:
        fields = {"name": self.person.name, "credential": credential(self.person.password)}
        self.request(self.other, "Login", fields)

    def refused(self, request: Request, code: int, retry_ms: int = 0, fields: Optional[Fields] = None) -> None:
        if request.name == "Hello":
            spoken = f", the server speaks {fields['version_min']} to {fields['version_max']}" if fields else ""
            raise Done(3, f"refused: {meaning(code)}{spoken}")
        wait = f", try again in {retry_ms} ms" if retry_ms else ""
        if request.name in ("Register", "Login"):
            raise Done(3, f"refused: {meaning(code)}{wait}")
        again = self.state == "here" or request.name == "Logout"
        if code == 3001 and again and request.tries < TRIES and retry_ms <= 60000:
            lane = self.chat if request.name in LINES else self.other
            lane.not_before = max(lane.not_before, time.monotonic() + (retry_ms or 1000) / 1000)
            lane.requests = deque(sorted([request, *lane.requests], key=lambda other: other.fields.get("id", 0)))
            return
        if request.name in ("ChangePassword", "Logout"):
            raise Done(3, f"refused: {meaning(code)}{wait}")
        if self.once is not None:
            self.exit_code = 3
        whom = f" to {request.fields['to']}" if "to" in request.fields else ""
        whom = f" {request.fields['name']}" if "name" in request.fields else whom
        where = self.rooms.label(request.fields.get("conversation", 0))
        tell(f"! {where}{request.name.lower()}{shown(whom)}: {meaning(code)}{wait}")

    def on_goodbye(self, fields: Fields) -> NoReturn:
        code = fields["code"]
        words = f": {shown(fields['text'])}" if fields["text"] else ""
        if code == 0:
            raise Done(self.exit_code, f"* goodbye{words}")
        retry = f", try again in {fields['retry_ms']} ms" if fields["retry_ms"] else ""
        raise Done(3, f"* goodbye: {meaning(code)}{words}{retry}")


def role(number: int) -> str:
    return ROLES[number] if number < len(ROLES) else f" (role {number})"


def main() -> int:
    options = read_options(__doc__)
    if options.self_check is not None:
        return self_check(options.self_check)
    try:
        sock = socket.create_connection(options.address, timeout=PATIENCE)
    except (OSError, UnicodeError) as error:
        tell(f"cannot connect: {error}")
        return 1
    with sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Client(sock, options.person, options.once).run()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(1)
    except BrokenPipeError:
        # Nobody reads our output any more; Python would complain about it once more when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)
