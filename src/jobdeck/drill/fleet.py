"""The workers, schedulers and dispatchers of a drill: started, watched, and started again when they have ended."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import EngineError
from . import processes
from .site import Site

SCHEDULERS = DISPATCHERS = 2
WORKER, SCHEDULER, DISPATCHER = "worker", "scheduler", "dispatcher"
RESTART_S = (0.1, 1.0)
_END_LIMIT_S = 60.0
_LOOK_EVERY_S = 0.1
_COMPLAINT = re.compile(
    r"^(?P<indent> *)Traceback \(most recent call last\):\n(?:(?P=indent) .*\n)*(?P=indent)(?P<last>\S.*)$"
    r"|^jobdeck: (?P<only>unexpected .*)$",
    re.MULTILINE,
)
_OURS = re.compile(r'File "[^"]*/jobdeck/(?!drill/tether\.py)')


@dataclass(slots=True)
class Member:
    """One place for a worker, a scheduler or a dispatcher, and the process that has it: an engine's own, where there is one."""

    word: str
    number: int
    process: subprocess.Popen[bytes]
    is_elsewhere: bool = False
    log_from: int = 0
    restart_at: float | None = None
    is_struck: bool = False
    is_ending: bool = False
    frozen_until: float | None = None
    frozen_pid: int = 0
    beside: int | None = None
    """The worker of ours beside it, as far as it was looked for."""

    @property
    def pid(self) -> int:
        """Of the process that was started."""
        return self.process.pid

    @property
    def name(self) -> str:
        """What its database connections are called."""
        return f"jobdeck_drill_{self.word}_{self.number}"


@dataclass(slots=True)
class Fleet:
    """All of them. Used from the thread that the process began with: the kernel ends them with it."""

    site: Site
    random: random.Random
    sizes: Mapping[str, int] | None = None
    """How many of each; None: as many as a whole drill has."""
    members: list[Member] = field(default_factory=list)
    ended_unstruck: int = 0

    def begin(self) -> None:
        """Start every one."""
        carrier = self.site.carrier
        usual = {WORKER: carrier.workers, SCHEDULER: SCHEDULERS, DISPATCHER: DISPATCHERS if carrier.broker else 0}
        for word, size in (usual if self.sizes is None else self.sizes).items():
            for number in range(size):
                is_elsewhere = (word, number) == (WORKER, 0) and not self.site.is_sqlite
                self.members.append(Member(word, number, self._start(word, number, is_elsewhere), is_elsewhere))

    def look(self, now: float) -> None:
        """Let go on who was frozen long enough, and start again who has ended."""
        for member in self.members:
            has_ended = member.process.poll() is not None
            if member.frozen_until is not None and (has_ended or now >= member.frozen_until):
                self.thaw(member)
            if not has_ended:
                continue
            if member.restart_at is None:
                # Who was silent, because the machine is busy, is killed by its neighbours; rightly.
                is_excused = member.is_struck or member.process.returncode == -signal.SIGKILL
                self.ended_unstruck += not is_excused and self.has_served(member)
                member.restart_at = now + self.random.uniform(*RESTART_S)
            elif now >= member.restart_at:
                member.log_from = self._log(member.word, member.number).stat().st_size
                member.process = self._start(member.word, member.number, member.is_elsewhere)
                member.restart_at = member.frozen_until = None
                member.is_struck = member.is_ending = False

    def alive(self, word: str) -> list[Member]:
        """Those of a kind that have not ended, are not ending and are not frozen."""
        ready = [one for one in self.members if one.word == word and not one.is_ending and one.frozen_until is None]
        return [one for one in ready if one.process.poll() is None]

    def worker_pid(self, member: Member) -> int | None:
        """The supervising process of a worker of ours: the one of that place, or the one beside it; None when there is none."""
        if self.site.carrier.broker is None:
            return member.pid
        member.beside = processes.beside(member.pid, member.beside)
        return member.beside

    def excuse(self, word: str) -> None:
        """Whoever of these ends before it is started again has a reason."""
        for member in self.members:
            member.is_struck = member.is_struck or member.word == word

    def freeze(self, member: Member, pid: int, seconds: float) -> None:
        """SIGSTOP to a process of a place, for so long."""
        member.frozen_pid, member.frozen_until = pid, time.monotonic() + seconds
        processes.strike(pid, signal.SIGSTOP)

    def thaw(self, member: Member) -> None:
        """SIGCONT."""
        member.frozen_until = None
        processes.strike(member.frozen_pid, signal.SIGCONT)

    def thaw_all(self) -> None:
        """Nobody is frozen any more."""
        for member in self.members:
            if member.frozen_until is not None:
                self.thaw(member)

    def end(self) -> list[str]:
        """Shut all down in order; the processes that were left over afterwards."""
        for member in self.members:
            member.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _END_LIMIT_S
        while any(one.process.poll() is None for one in self.members) and time.monotonic() < deadline:
            time.sleep(_LOOK_EVERY_S)
        while (left := processes.of_home(self.site.home)) and time.monotonic() < deadline:
            time.sleep(_LOOK_EVERY_S)
        return [processes.named(pid) for pid in left]

    def complaints(self) -> list[str]:
        """What they have written that none of them expected: the last line of each traceback in which jobdeck's code has a part,
        and what ended one.
        """
        return [
            one["last"] or one["only"]
            for path in sorted(self.site.home.glob("*.log"))
            for one in _COMPLAINT.finditer(path.read_text(errors="replace"))
            if not self._is_foreign(path) or one["only"] or _is_ours(one[0], one["last"])
        ]

    def _is_foreign(self, log: Path) -> bool:
        return self.site.carrier.broker is not None and log.name.startswith(WORKER)

    def has_served(self, member: Member) -> bool:
        """Whether it has been ready since it was started; one that finds no database at its start says so and ends."""
        return b" is ready: " in self._log(member.word, member.number).read_bytes()[member.log_from :]

    def _log(self, word: str, number: int) -> Path:
        return self.site.home / f"{word}-{number}.log"

    def _start(self, word: str, number: int, is_elsewhere: bool) -> subprocess.Popen[bytes]:
        site = self.site
        environment = {**site.environment, "PGAPPNAME": f"jobdeck_drill_{word}_{number}"}
        if is_elsewhere:
            environment["PYTHONPATH"] = f"{site.elsewhere}{os.pathsep}{environment['PYTHONPATH']}"
        module, words = (site.carrier.module, site.carrier.words) if word == WORKER else ("jobdeck", (word,))
        with open(self._log(word, number), "ab") as log:
            return subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "jobdeck.drill.tether",
                    str(os.getpid()),
                    module,
                    *(one.format(number=number) for one in words),
                ],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


def _is_ours(traceback: str, last: str) -> bool:
    """Whether jobdeck's code has a part in what an engine's worker has written, and did not mean to say so."""
    return _OURS.search(traceback) is not None and not last.startswith(EngineError.__module__ + ".")
