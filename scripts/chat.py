#!/usr/bin/env python3
"""A small client for iocp-chat, written from proto/PROTOCOL.md alone, that also checks itself against proto/vectors.

Chatting: each line of standard input is said to everyone in the lobby, but for these:

  /w NAME TEXT   whisper to one person
  /who           list who is in the lobby
  /away, /back   tell those who ask that you are away, or back
  /ignore NAME, /unignore NAME, /ignored
                 hear nothing of somebody, hear them again, list them
  /history [N] [ROOM]
                 the last lines of a room you are in, or of the lobby
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

With --reconnect a session outlives its connection: chat.py connects again, misses nothing, and says once what was not
answered. With --state FILE it also outlives chat.py: the next run with the same file goes on. The file holds a secret that
is as good as a password; one run at a time may use it.

What others say goes to standard output as "name: text", "[room] name: text" and "name -> you: text", everything else to
standard error. Control characters and direction controls of what is received are shown as \\u{...}.

Exit codes: 0 logged out; 1 the network failed; 2 usage; 3 the server refused the registration, the login, the new
password or the --once line, or ended the session with a reason; 4 the server broke the protocol; 8 the server is not
the one that is meant (TLS). --self-check: 0 all passed, 1 some failed.

What --self-check cannot check: names and texts are judged by the Unicode version of this Python, so a code point that
only a newer one assigns would be refused in a name, and a mark only a newer one knows does not count as a mark.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import time
from collections import deque
from typing import Any, Deque, Optional, Tuple

from chat_form import check_text, shown
from chat_inbox import PATIENCE, Connection, read_input
from chat_lanes import ENTRY, Lanes, Request
from chat_options import Person, credential, read_options
from chat_resume import FINAL, PASSING, RESUME, BackOff, Continuation, Unfit
from chat_rooms import LOBBY, Rooms, Unusable
from chat_terminal import Done, role, say, tell
from chat_tls import Way
from chat_vectors import self_check
from chat_wire import PACKETS, Fields, Refused, decode, meaning

TRIES = 10
ANSWER_PATIENCE = 60.0  # seconds for any answer but a login's and a logout's


class Client:
    """One person's session, or several one after the other. The main thread owns all of it; the others fill the inbox."""

    def __init__(self, options: Any) -> None:
        self.way: Way = options.way
        self.person: Person = options.person
        self.once: Optional[str] = options.once
        self.reconnects: bool = options.reconnect
        self.inbox: queue.Queue[Tuple[Optional[Connection], str, bytes]] = queue.Queue(64)
        self.limits: Fields = {"requests_outstanding": 64, "ping_after_ms": 30000, "idle_ms": 75000}
        self.rooms = Rooms()
        self.kept = Continuation(str(options.way), self.person.name, options.state)
        self.rooms.names, unanswered = self.kept.load()
        self.lanes = Lanes(unanswered)
        self.back_off = BackOff()
        self.lines: Deque[str] = deque()  # read, and not yet looked at
        self.input_ended = self.no_more_input = self.reads_input = False
        self.interrupted = False
        self.wants_input = threading.Event()
        self.exit_code = 0
        self.here_since: Optional[float] = None  # when this connection's session began, or went on
        self.connect()

    def connect(self) -> None:
        self.state = "connecting"  # then "greeting", "login", "here", "leaving", "left"; or "waiting", to connect again
        self.connection = Connection(self.way, self.inbox)
        self.packet_bytes = 512
        self.heard = self.pinged = time.monotonic()
        self.deadline: Optional[float] = self.heard + 2 * PATIENCE

    def interrupt(self, *_: Any) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True

    def run(self) -> int:
        signal.signal(signal.SIGINT, self.interrupt)
        try:
            while True:
                wait = self.step(time.monotonic())
                try:
                    # Short waits, because an interrupt does not end a wait on Windows.
                    connection, what, data = self.inbox.get(timeout=min(max(wait, 0.001), 0.2))
                except queue.Empty:
                    continue
                if what == "line":
                    self.lines.append(data.decode("utf-8", "replace"))
                elif what == "eof":
                    self.input_ended = True
                elif connection is self.connection and not connection.closed:
                    self.on_connection(what, data)
        except Done as done:
            if done.words:
                tell(done.words)
            return done.exit_code
        finally:
            self.connection.close()

    def on_connection(self, what: str, data: bytes) -> None:
        if what == "data":
            self.on_data(data)
        elif what == "open":
            self.state = "greeting"
            self.lanes.ask("Hello", {"version": 1, "features": RESUME if self.reconnects else 0})
        elif what == "untrusted":
            raise Done(8, data.decode("utf-8"))
        elif what == "unreachable":
            self.lost(f"cannot connect: {data.decode('utf-8')}")
        elif self.state == "left":
            raise Done(self.exit_code)
        else:
            words = data.decode("utf-8") or self.connection.unsent or "without a goodbye"
            self.lost(f"the connection ended: {words}")

    def lost(self, words: str, retry_ms: int = 0) -> None:
        """Waits to connect again, if one would; what was sent and not answered is sent again then."""
        known = self.here_since is not None or self.kept.token is not None
        if not self.reconnects or not (known or self.back_off.attempts) or self.state in ("leaving", "left"):
            raise Done(1, words)
        now = time.monotonic()
        self.connection.close()
        for request in self.lanes.broken():
            tell(f"! {request.name.lower()}: the connection broke before the answer")
        wait = self.back_off.wait(now - self.here_since if self.here_since else 0.0, retry_ms)
        self.state, self.deadline, self.here_since = "waiting", now + wait, None
        tell(f"* {words}; connecting again in {wait:.1f} s")

    def step(self, now: float) -> float:
        """Sends what may be sent now; returns how many seconds may pass before there may be more."""
        if self.state == "waiting" and self.deadline is not None and now > self.deadline:
            self.connect()
        overdue = self.lanes.outstanding and now - self.lanes.moved > ANSWER_PATIENCE
        if self.state != "waiting" and (overdue or (self.deadline is not None and now > self.deadline)):
            self.lost("the server does not answer")
        if self.interrupted and self.state not in ("leaving", "left"):
            if self.state != "here":
                raise Done(0)
            self.lanes.chat.requests.clear()
            self.lanes.other.requests.clear()
            self.leave(now)
        # What the next line means may depend on which rooms one is in.
        while self.lines and not self.lanes.moves():
            self.on_line(self.lines.popleft())
        self.no_more_input = self.no_more_input or (self.input_ended and not self.lines)
        waiting = len(self.lines) + self.lanes.waiting()
        if self.state == "here" and self.no_more_input and not waiting and not self.lanes.outstanding:
            self.leave(now)
        if waiting < 32:
            self.wants_input.set()
        else:
            self.wants_input.clear()
        here = self.state in ("here", "leaving")
        if here:
            self.watch(now)
        self.save()
        try:
            return self.lanes.send(here, self.limits, now, self.send)
        except TimeoutError as error:
            self.lost(str(error))
            return 0.0

    def watch(self, now: float) -> None:
        """Pings a silent server, and gives it up when it stays silent."""
        ping_after = max(self.limits["ping_after_ms"], 1000) / 1000
        silence = max(self.limits["idle_ms"] / 1000, 2 * ping_after)
        if self.reconnects:
            ping_after = min(ping_after, 15.0)
            silence = 2 * ping_after
        if now - self.heard > silence:
            self.lost("the server went silent")
        elif self.state == "here" and now - max(self.heard, self.pinged) > ping_after:
            self.pinged = now
            self.lanes.other.requests.append(Request("Ping", {"payload": b"chat.py"}))

    def send(self, request: Request, packet: bytes) -> bool:
        if len(packet) > self.packet_bytes:
            self.lanes.conclude(request.fields.get("id", 0))
            self.refused(request, 1002)
            return False
        self.save()
        self.connection.send(packet)
        return True

    def save(self) -> None:
        try:
            self.kept.save(self.rooms.names, self.lanes.lines())
        except OSError as error:
            raise Done(1, f"cannot write the state: {error}") from None

    def leave(self, now: float) -> None:
        self.state = "leaving"
        self.deadline = now + PATIENCE
        self.lanes.ask("Logout", {})

    def say_to(self, name: str, fields: Fields) -> None:
        try:
            check_text(fields["text"], self.limits["text_chars"], self.limits["text_bytes"])
        except Refused as refused:
            self.refused(Request(name, fields), refused.code)
        else:
            self.lanes.ask(name, fields)

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
                self.lanes.ask(*self.rooms.command(line, self.limits))
            except Unusable as unusable:
                tell(f"! {unusable}")
            except Refused as refused:
                tell(f"! {shown(command[1:])}: {meaning(refused.code)}")

    def on_data(self, data: bytes) -> None:
        self.heard = time.monotonic()
        framer = self.connection.framer
        framer.feed(data)
        try:
            packet = framer.next()
            while packet and not self.connection.closed:
                if packet[0] in PACKETS and PACKETS[packet[0]][1] != "client":
                    self.on_packet(*decode("server", *packet))
                packet = framer.next()
        except Refused as refused:
            raise Done(4, f"the server broke the protocol: {meaning(refused.code)}") from None

    def on_packet(self, name: str, fields: Fields) -> None:
        if not self.kept.take(name, fields):
            raise Done(4, "the server broke the protocol: a line that it had sent before")
        if name.endswith("Answer"):
            request = self.lanes.conclude(fields["id"])
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
        elif name == "Ping" and len(self.lanes.other.requests) < 256:
            lane = self.lanes.other if self.state in ("here", "leaving") else self.lanes.entry
            lane.requests.append(Request("Pong", fields))
        elif name == "Error":
            request = self.lanes.conclude(fields["id"]) if fields["id"] else None
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
            self.on_hello(fields)
        elif request.name == "Register":
            tell(f"* registered as {shown(fields['name'])}{role(fields['role'])}")
            self.log_in()
        elif request.name == "Login":
            self.kept.begin(fields)
            self.rooms.names.clear()
            self.on_here(fields, "logged in")
            if self.person.new_password:
                change = {"current": credential(self.person.password), "new": credential(self.person.new_password)}
                self.lanes.ask("ChangePassword", change)
        elif request.name == "Resume":
            lost, news = self.kept.go_on(fields)
            self.on_here(fields, "back")
            for conversation in lost:
                self.on_lost(conversation)
            for place in news:
                self.rooms.names.setdefault(place["conversation"], f"#{place['conversation']}")
            attaches = self.kept.attaches(self.packet_bytes)
            self.kept.enter(news)
            self.lanes.ask_first("Attach", attaches)
            if any(place["conversation"] > LOBBY for place in news):
                self.lanes.ask("Rooms", {"after": 0, "limit": self.limits["page_entries"]})
        elif request.name == "Attach":
            for conversation in set(fields["lost"]).intersection(self.kept.cursors):
                self.kept.leave(conversation, [])
                self.on_lost(conversation)
        elif request.name == "LeaveRoom":
            self.kept.leave(request.fields["conversation"], fields["entered"])
            for line in self.rooms.answered(request.name, request.fields, fields):
                tell(line)
        elif request.name == "ChangePassword":
            tell("* the password is changed")
            self.person.password, self.person.new_password = self.person.new_password, b""
        elif request.name == "Logout":
            self.state = "left"
            self.kept.end()
            self.save()
        else:
            for line in self.rooms.answered(request.name, request.fields, fields):
                tell(line)
            if fields.get("next"):
                again = {name: value for name, value in request.fields.items() if name != "id"}
                self.lanes.ask(request.name, {**again, "after": fields["next"]})

    def on_hello(self, fields: Fields) -> None:
        self.limits = fields["limits"]
        self.connection.framer.limit = self.limits["server_packet_bytes"]
        self.packet_bytes = self.limits["guest_packet_bytes"]
        self.state = "login"
        if max(len(self.person.password), len(self.person.new_password)) > self.limits["credential_bytes"]:
            raise Done(3, "the server takes no password as long as this")
        if self.kept.token is not None and fields["features"] & RESUME:
            self.lanes.ask("Resume", {"token": self.kept.token})
        elif self.person.invite is not None:
            fields = {"name": self.person.name, "credential": credential(self.person.password)}
            self.lanes.ask("Register", {**fields, "invite": self.person.invite})
            # Once is enough: when the answer does not come, the login tells whether there is an account.
            self.person.invite = None
        else:
            self.log_in()

    def log_in(self) -> None:
        """Makes another session, in which what may have been said in the last one is not sent again."""
        for line in self.lanes.doubtful():
            tell(f"! may or may not have been said: {shown(line.fields['text'])}")
        self.kept.end()
        fields = {"name": self.person.name, "credential": credential(self.person.password)}
        self.lanes.ask("Login", fields)

    def on_here(self, fields: Fields, how: str) -> None:
        self.state = "here"
        self.deadline = None
        self.here_since = time.monotonic()
        self.packet_bytes = self.limits["client_packet_bytes"]
        self.lanes.pace(self.limits)
        tell(f"* {how} as {shown(fields['name'])}{role(fields['role'])}")
        if not self.reads_input and self.once is None:
            threading.Thread(target=read_input, args=(self.inbox, self.wants_input), daemon=True).start()
        elif not self.reads_input and self.once is not None:
            self.no_more_input = True
            self.say_to("Broadcast", {"text": self.once})
        self.reads_input = True

    def on_lost(self, conversation: int) -> None:
        tell(f"* you are not in {self.rooms.label(conversation).strip() or 'the lobby'} any more")
        self.rooms.names.pop(conversation, None)

    def refused(self, request: Request, code: int, retry_ms: int = 0, fields: Optional[Fields] = None) -> None:
        if request.name == "Hello" and code == 1007:
            spoken = f", the server speaks {fields['version_min']} to {fields['version_max']}" if fields else ""
            raise Done(3, f"refused: {meaning(code)}{spoken}")
        wait = f", try again in {retry_ms} ms" if retry_ms else ""
        if request.name == "Resume" and code == 4001:
            tell(f"* {meaning(code)}; logging in anew")
            return self.log_in()
        if request.name in ENTRY:
            if not self.reconnects or code not in PASSING:
                raise Done(3, f"refused: {meaning(code)}{wait}")
            return self.lost(f"refused: {meaning(code)}", retry_ms)
        request.doubtful = False
        again = self.state == "here" or request.name == "Logout"
        if code == 3001 and again and request.tries < TRIES and retry_ms <= 60000:
            self.lanes.retry(request, retry_ms)
            return None
        if request.name in ("ChangePassword", "Logout"):
            raise Done(3, f"refused: {meaning(code)}{wait}")
        if self.once is not None:
            self.exit_code = 3
        whom = f" to {request.fields['to']}" if "to" in request.fields else ""
        whom = f" {request.fields['name']}" if "name" in request.fields else whom
        where = self.rooms.label(request.fields.get("conversation", 0))
        tell(f"! {where}{request.name.lower()}{shown(whom)}: {meaning(code)}{wait}")
        return None

    def on_goodbye(self, fields: Fields) -> None:
        code = fields["code"]
        words = f": {shown(fields['text'])}" if fields["text"] else ""
        if code == 0:
            raise Done(self.exit_code, f"* goodbye{words}")
        retry = f", try again in {fields['retry_ms']} ms" if fields["retry_ms"] else ""
        if not self.reconnects or code in FINAL or self.state in ("leaving", "left"):
            raise Done(3, f"* goodbye: {meaning(code)}{words}{retry}")
        if code == 4001:
            self.kept.token = None
        self.lost(f"goodbye: {meaning(code)}{words}", fields["retry_ms"])


def main() -> int:
    options = read_options(__doc__)
    if options.self_check is not None:
        return self_check(options.self_check)
    try:
        return Client(options).run()
    except Unfit as unfit:
        tell(str(unfit))
        return 2


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(1)
    except BrokenPipeError:
        # Nobody reads our output any more; Python would complain about it once more when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)
