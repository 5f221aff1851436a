"""What befalls workers of ours, also those beside an engine's. A fault hits one when it held a running run at that moment."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..store import drill
from . import processes
from .faults import FREEZE_ELSEWHERE, Fault, Scene
from .fleet import WORKER, Member
from .site import LEASE_S

FREEZE_S = 2 * LEASE_S


@dataclass(frozen=True, slots=True)
class FaultsOfWorkers:
    """Those of one scene."""

    scene: Scene

    def all(self) -> Mapping[str, Fault]:
        """By name. What is done to an engine's own process is done to one whose worker beside it holds a run."""
        found: dict[str, Callable[[Member], bool]] = {
            "kill_tree": self._kill_tree,
            "kill_supervisor": self._kill_supervisor,
            "kill_template": self._kill_template,
            "kill_child": self._kill_child,
            "freeze": self._freeze,
            "shutdown": self._shut_down,
        }
        if self.scene.site.broker is not None:
            found |= {
                "kill_engine_worker": self._kill_engine_worker,
                "freeze_engine_worker": self._freeze_engine_worker,
            }
        if not self.scene.site.is_sqlite:
            found |= {"cut_connections": self._cut_connections, FREEZE_ELSEWHERE: self._freeze}
        return {name: Fault(self._finder(name), strike) for name, strike in found.items()}

    def _finder(self, fault: str) -> Callable[[], Sequence[Member]]:
        def victims() -> Sequence[Member]:
            found = self.scene.fleet.alive(WORKER)
            if fault in ("freeze", FREEZE_ELSEWHERE):
                found = [one for one in found if one.is_elsewhere == (fault == FREEZE_ELSEWHERE)]
            if not self.scene.aims:
                return found
            by_pid = {self._pid(one): one for one in found}
            holders = drill.holders(self.scene.site.deck.database)
            return [by_pid[pid] for pid in sorted(holders) if pid in by_pid]

        return victims

    def _pid(self, member: Member) -> int | None:
        return self.scene.fleet.worker_pid(member)

    def _kill_tree(self, member: Member) -> bool:
        worker = self._pid(member)
        roots = dict.fromkeys([member.pid, *([worker] if worker else [])])
        for root in roots:
            # They end nothing more while it is found out who is below them.
            processes.strike(root, signal.SIGSTOP)
        tree = [pid for root in roots for pid in (root, *(below for _, below in processes.below(root)))]
        member.is_struck = member.is_ending = True
        return self.scene.took("kill_tree", worker, list(dict.fromkeys(tree)), signal.SIGKILL)

    def _kill_supervisor(self, member: Member) -> bool:
        worker = self._pid(member)
        if worker is None:
            return False
        self._expect_end_of(member, worker)
        return self.scene.took("kill_supervisor", worker, [worker], signal.SIGKILL)

    def _freeze(self, member: Member) -> bool:
        worker = self._pid(member)
        if worker is None:
            return False
        member.is_struck = True
        self.scene.fleet.freeze(member, worker, FREEZE_S)
        return self.scene.took(FREEZE_ELSEWHERE if member.is_elsewhere else "freeze", worker, [], signal.SIGSTOP)

    def _kill_template(self, member: Member) -> bool:
        worker = self._pid(member)
        held = self.scene.held(worker)
        struck = [pid for depth, pid in processes.below(worker) if depth == 1] if worker else []
        if worker is None or not struck or not processes.strike(struck[0], signal.SIGKILL):
            return False
        self._expect_end_of(member, worker)
        return bool(held)

    def _kill_child(self, member: Member) -> bool:
        worker, trace = self._pid(member), self.scene.site.trace
        children = [pid for depth, pid in processes.below(worker) if depth > 1] if worker else []
        if not children:
            return False
        busy = [pid for pid in children if trace.at_work(pid)]
        victim = self.scene.random.choice(busy or children)
        processes.strike(victim, signal.SIGKILL)
        return trace.at_work(victim) is not None

    def _shut_down(self, member: Member) -> bool:
        held = self.scene.held(self._pid(member))
        self.scene.end(member, signal.SIGTERM)
        return bool(held)

    def _kill_engine_worker(self, member: Member) -> bool:
        """The worker beside it ends in order then."""
        worker = self._pid(member)
        self.scene.end(member, signal.SIGKILL)
        return bool(self.scene.held(worker))

    def _freeze_engine_worker(self, member: Member) -> bool:
        self.scene.freeze(member, FREEZE_S)
        return bool(self.scene.held(self._pid(member)))

    def _cut_connections(self, member: Member) -> bool:
        held = self.scene.held(self._pid(member))
        return self.scene.cut(member) and bool(held)

    def _expect_end_of(self, member: Member, worker: int) -> None:
        """An engine's process goes on without the worker beside it."""
        if worker == member.pid:
            member.is_struck = member.is_ending = True
