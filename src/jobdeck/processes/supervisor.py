"""`jobdeck up`: keeps web server, worker and scheduler alive as processes of one tree, and ends them together.

What the processes do is not known here: the command line says how each is started. They die with this process, and live in
sessions of their own, so that Ctrl-C on the terminal reaches this process alone, which then ends them in order.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .identity import die_with_parent, reap_strangers
from .signals import Signals

LOOK_EVERY_S = 0.1
SETTLED_AFTER_S = 10.0
LONGEST_BACKOFF_S = 30.0
TRIES_AT_START = 3
LEAVE_AFTER_GRACE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One process to keep alive: what people call it, the command, the descriptors it is given."""

    name: str
    command: Sequence[str]
    inherits: Sequence[int] = ()


class Supervisor:
    """`is_ready` is asked until it says yes, then `announce` is called, once; `say` gets the lines for people."""

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        is_ready: Callable[[], bool],
        announce: Callable[[], None],
        say: Callable[[str], None],
        grace_s: float,
    ) -> None:
        self._wards = [_Ward(part) for part in parts]
        self._is_ready = is_ready
        self._announce = announce
        self._say = say
        self._grace_s = grace_s
        self._announced = False

    def run(self) -> int:
        """Until SIGTERM or SIGINT, then 0; 1 when a part cannot be started."""
        with Signals() as signals:
            try:
                while not signals.stops:
                    if not self._tend(time.monotonic()):
                        return 1
                    self._wait(signals)
                self._leave(signals)
                return 0
            finally:
                for ward in self._wards:
                    ward.kill()

    def _tend(self, now: float) -> bool:
        """Start what is due, notice what has died; False to give up."""
        for ward in self._wards:
            code = ward.ended()
            if code is not None:
                wait_s = ward.failed(now)
                if not self._announced and ward.failures >= TRIES_AT_START:
                    self._say(f"The {ward.name} could not be started; see its message above.")
                    return False
                self._say(f"The {ward.name} has ended ({_reason(code)}); it is started again in {wait_s:g} s.")
            if ward.is_due(now):
                ward.start(now)
        if not self._announced and self._is_ready():
            self._announced = True
            self._announce()
        return True

    def _leave(self, signals: Signals) -> None:
        """End all parts: each is asked, asked again on a second signal, and killed when it takes too long."""
        heeded = signals.stops
        deadline = time.monotonic() + self._grace_s + LEAVE_AFTER_GRACE_S
        for ward in self._wards:
            ward.ask()
        while any(ward.is_alive() for ward in self._wards) and time.monotonic() < deadline:
            self._wait(signals)
            if signals.stops > heeded:
                heeded = signals.stops
                for ward in self._wards:
                    ward.ask()

    def _wait(self, signals: Signals) -> None:
        select.select([signals], [], [], LOOK_EVERY_S if not self._announced else self._sleep_s())
        signals.drain()
        reap_strangers({ward.pid for ward in self._wards})

    def _sleep_s(self) -> float:
        due = min((ward.start_at for ward in self._wards if not ward.is_alive()), default=None)
        return 60.0 if due is None else max(0.05, due - time.monotonic())


class _Ward:
    """A part with the process that it is just now."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self.name = part.name
        self.start_at = 0.0
        self.failures = 0

    @property
    def pid(self) -> int:
        return -1 if self._process is None else self._process.pid

    def is_due(self, now: float) -> bool:
        return self._process is None and now >= self.start_at

    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, now: float) -> None:
        parent = os.getpid()
        self._started_at = now
        self._process = subprocess.Popen(
            self._part.command,
            pass_fds=self._part.inherits,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=lambda: die_with_parent(parent),  # noqa: PLW1509  # safe, because this process has one thread
        )

    def ended(self) -> int | None:
        """The exit code of a process that has just ended."""
        code = None if self._process is None else self._process.poll()
        if code is not None:
            self._process = None
        return code

    def failed(self, now: float) -> float:
        """Count a death, and say how long to wait before the next start: longer each time, soon after a long life."""
        self.failures = 1 if now - self._started_at > SETTLED_AFTER_S else self.failures + 1
        wait_s = min(0.5 * 2.0 ** (self.failures - 1), LONGEST_BACKOFF_S)
        self.start_at = now + wait_s
        return wait_s

    def ask(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def _reason(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
