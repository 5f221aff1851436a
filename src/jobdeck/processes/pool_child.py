"""One child as its supervisor sees it: what it was sent, what it has begun, and how it is being ended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections import deque
from pathlib import Path
from typing import Any

from ..executor.order import order_line
from ..executor.page import Page
from ..services.holder import Claim
from .ladder import Cause, Ending

WINDOW_LIMIT = 256
WORK_AHEAD_US = 20_000
_READ_SIZE = 1 << 18
_READS_AT_ONCE = 16


class PoolChild:
    """A child process. `runs` holds what it was sent and has not ended, the one at work first."""

    def __init__(self, orders: int, messages: int, page: Page, page_path: Path) -> None:
        self.pid = 0
        self.pidfd = -1
        self.messages = messages
        self.orders = orders
        self.page = page
        self.page_path = page_path
        self.runs: deque[tuple[int, Claim]] = deque()
        self.recalled: set[int] = set()
        self.window = 1
        self.ending: Ending | None = None
        self.retired = False
        self.told_begun = 0
        self.is_silent = False
        self.spawned_at = 0.0
        self._last_number = 0
        self._outgoing = bytearray()
        self._incoming = b""

    @property
    def has_begun(self) -> bool:
        """Whether it ever began a run."""
        return self.page.begun > 0

    @property
    def is_used(self) -> bool:
        """Whether some run begins in it before the next that it is sent."""
        return self._last_number > 0

    @property
    def is_idle(self) -> bool:
        """Whether it could begin a run at once."""
        return self.is_ready and not self.runs

    @property
    def is_ready(self) -> bool:
        """Whether it may be sent runs."""
        return self.pid > 0 and not (self.retired or self.ending or self.recalled)

    @property
    def room(self) -> int:
        """How many more runs it should hold now; refilled when half of its window is free."""
        held = len(self.runs)
        return self.window - held if self.is_ready and held <= self.window // 2 else 0

    def at_work(self) -> tuple[int, Claim] | None:
        """The run that has begun and not ended."""
        if self.runs and self.runs[0][0] <= self.page.begun:
            return self.runs[0]
        return None

    def send(self, claim: Claim) -> None:
        """Queue an order; `flush` writes it."""
        self._last_number += 1
        self.page.note(self._last_number, claim.id, claim.fence)
        self.runs.append((self._last_number, claim))
        self._outgoing += order_line(self._last_number, claim)

    def flush(self) -> bool:
        """Write what the pipe takes; whether something is left."""
        while self._outgoing:
            try:
                written = os.write(self.orders, self._outgoing)
            except BlockingIOError:
                return True
            except BrokenPipeError:
                self._outgoing.clear()
                return False
            del self._outgoing[:written]
        return False

    def receive(self) -> list[list[Any]]:
        """Messages that have arrived, a few megabytes of them at most, so that a flood cannot hold up other children."""
        chunks = [self._incoming]
        with contextlib.suppress(BlockingIOError):
            while len(chunks) <= _READS_AT_ONCE:
                chunk = os.read(self.messages, _READ_SIZE)
                if not chunk:
                    self.is_silent = True
                    break
                chunks.append(chunk)
        if len(chunks) == 1:
            return []
        *lines, self._incoming = b"".join(chunks).split(b"\n")
        return _messages(lines)

    def pop(self, number: int) -> Claim | None:
        """Take the run of this number off, wherever it stands; None when it is not held."""
        for position, (held, claim) in enumerate(self.runs):
            if held == number:
                del self.runs[position]
                return claim
        return None

    def recall(self) -> list[Claim]:
        """Take back every run that has not begun."""
        if not self.runs or self.recalled:
            return []
        limit = self.page.begun
        begun = max(limit, self.page.recall(limit))
        taken = [(number, claim) for number, claim in self.runs if number > begun]
        for number, _ in taken:
            self.recalled.add(number)
            self.page.forget(number)
        self.runs = deque((number, claim) for number, claim in self.runs if number <= begun)
        if not taken:
            self.page.allow()
        return [claim for _, claim in taken]

    def answered(self, number: int) -> Claim | None:
        """The child left a run alone: the claim when it was not known to be taken back."""
        self.page.forget(number)
        known = number in self.recalled
        self.recalled.discard(number)
        if not self.recalled:
            self.page.allow()
        return None if known else self.pop(number)

    def learn(self, took_us: int) -> None:
        """Adapt how far ahead this child is sent work: twice as far while runs are short, never above 20 ms."""
        fits = WORK_AHEAD_US // max(took_us, 1)
        self.window = max(1, min(self.window * 2, fits, WINDOW_LIMIT))

    def terminate(self, number: int) -> None:
        """Ask by signal to end run `number`; the child heeds it only when the page says so too."""
        self.page.ask_to_stop(number, self.ending.cause.value if self.ending else Cause.STOP.value)
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it and everything it started. Safe until it is reaped: its id cannot be another's before."""
        self.retired = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def begin_ending(self, cause: Cause, now: float, grace_s: float, claim: Claim | None = None) -> None:
        """Put the run that it is at on the ladder, after `recall`; given a claim, only if it is that one's run.

        What it has begun last is what it is at. An earlier one has ended by itself, and its outcome is on its way.
        """
        number = self.page.begun
        found = next((held for at, held in self.runs if at == number), None)
        if found is None or (claim is not None and claim is not found):
            return
        self.ending = Ending(number, cause, now, grace_s)
        if cause is Cause.SHUTDOWN:
            self.page.tell_cause(cause.value)
        else:
            self.page.ask_to_stop(number, cause.value)
        if self.page.is_hooked:
            self._signal(signal.SIGUSR1)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def close(self) -> None:
        """Let go of descriptors and memory."""
        for fd in (self.orders, self.messages, self.pidfd):
            os.close(fd)
        self.page.close()


def _messages(lines: list[bytes]) -> list[list[Any]]:
    """Parsed in one go; one by one when a line was torn by a stop, which then nobody can read."""
    try:
        found: list[list[Any]] = json.loads(b"[" + b",".join(lines) + b"]")
    except ValueError:
        found = []
        for line in lines:
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
    return found
