"""Looks after other workers: takes back what those held that are dead or silent.

On its own host, where process ids mean the same to both, it asks the kernel who is dead, at once, and reads in their pages
what had begun; whoever is silent there for a whole lease is killed first, so that no run is ever executed twice at a time.
Elsewhere, in another container too, only heartbeats tell: a host's name proves nothing.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections import defaultdict

from ..core.lease import Beat, Watch
from ..core.worker import WorkerInfo
from ..errors import StoreError
from ..services.rescue import Rescue
from ..store import doorbell
from ..store.database import Database
from . import identity
from .pages import Pages, remove_folder

logger = logging.getLogger(__name__)

_LOOKS = 3
"""So often somebody must be found stopped, as whoever looks may have been stopped together with it and go on first."""


class Rescuer:
    """One worker's care for all others."""

    def __init__(self, database: Database, me: WorkerInfo, lease_s: float) -> None:
        self._database = database
        self._rescue = Rescue(database)
        self._me = me
        self._watch = Watch(lease_s)
        self._lease_s = lease_s
        self._stopped: dict[str, tuple[WorkerInfo, float, int]] = {}

    def bury_dead(self) -> bool:
        """Take back what dead workers of this host held; whether there were any."""
        dead = [worker for worker in self._rescue.on_host(self._me.host) if self._is_dead(worker)]
        for worker in dead:
            self._bury(worker)
        return bool(dead)

    def watch(self, now: float) -> bool:
        """Look at all heartbeats (monotonic seconds), and take from who is silent; whether anybody was."""
        try:
            silent = self._watch.observe([*self._rescue.heartbeats(), *self._rescue.signs()], now)
        except StoreError:
            self._watch.forget()
            raise
        by_owner: dict[str, list[Beat]] = defaultdict(list)
        for beat in silent:
            if beat[0]:
                by_owner[beat[1]].append(beat)
        mute = {owner for run_id, owner, *_ in silent if not run_id}
        for owner, beats in by_owner.items():
            self._take(self._rescue.worker(owner), beats, is_mute=owner in mute)
        return bool(by_owner)

    def start_over(self) -> None:
        """Trust no silence so far: the database did not serve, and the others may be as mute as this worker was."""
        self._watch.forget()

    def note_stopped(self, now: float) -> None:
        """On SQLite, ask the kernel which neighbours are stopped, and remember since when (monotonic seconds)."""
        if self._database.is_sqlite:
            stopped = [worker for worker in self._rescue.on_host(self._me.host)
                       if self._is_neighbour(worker) and identity.is_stopped(worker.pid, worker.pid_started)]  # fmt: skip
            before = [(worker, *self._stopped.get(worker.id, (None, now, 0))[1:]) for worker in stopped]
            self._stopped = {worker.id: (worker, since, looks + 1) for worker, since, looks in before}

    def end_stopped(self, now: float) -> None:
        """Kill those that have been stopped for a whole lease: amid a write, they keep all others from writing, so that no
        silence can be counted. What they held is taken back once that can be written.
        """
        self.note_stopped(now)
        for worker, since, looks in self._stopped.values():
            if looks >= _LOOKS and now - since >= self._lease_s:
                with contextlib.suppress(PermissionError):
                    if identity.end(worker.pid, worker.pid_started):
                        logger.warning("worker %s was stopped for a whole lease and is killed", worker.id[:8])

    def _take(self, worker: WorkerInfo | None, beats: list[Beat], *, is_mute: bool) -> None:
        # One that says that it lives has left these runs by itself, and may be at others.
        if worker is not None and is_mute and self._is_neighbour(worker):
            with contextlib.suppress(PermissionError):
                if identity.end(worker.pid, worker.pid_started):
                    logger.warning("worker %s was silent for a whole lease and is killed", worker.id[:8])
                    self._bury(worker)
                    return
        taken = self._rescue.take(beats, worker, _now_us())
        logger.warning("worker %s was silent for a whole lease; %d runs are taken from it", beats[0][1][:8], taken)

    def _is_dead(self, worker: WorkerInfo) -> bool:
        if worker.boot_id == self._me.boot_id:
            return identity.is_dead(worker)
        # Who shares a file of SQLite is on one host, which was booted since.
        return self._database.is_sqlite and not identity.is_same_boot(worker.boot_id, self._me.boot_id)

    def _is_neighbour(self, worker: WorkerInfo) -> bool:
        same_host = (worker.host, worker.boot_id) == (self._me.host, self._me.boot_id)
        return same_host and worker.id != self._me.id

    def _bury(self, worker: WorkerInfo) -> None:
        pages = Pages(worker)
        begun, back = self._rescue.bury(worker, pages.has_begun, _now_us())
        remove_folder(worker)
        doorbell.remove(self._database, worker.id)
        if begun or back:
            logger.warning("worker %s is dead; %d runs were lost with it, %d go back", worker.id[:8], begun, back)


def _now_us() -> int:
    return time.time_ns() // 1000
