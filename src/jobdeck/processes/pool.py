"""The children of one worker: sending them runs, hearing them out, ending them, and replacing them.

Neighbours: `processes.worker` decides when to claim and gives the claims here; `processes.ledger` takes what
children say; `processes.pool_child` is one child, `processes.ladder` the way a run is ended.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import time
from collections import deque
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Any

from ..core.outcome import Outcome
from ..services.holder import Claim
from .death import outcome_of
from .hearing import Hearing
from .ladder import Cause, Ending, Step
from .ledger import Ledger
from .pool_child import WORK_AHEAD_US, PoolChild
from .template_link import Reaped, Spawned, TemplateGone, TemplateLink

logger = logging.getLogger(__name__)

TELL_BEGUN_AFTER_US = 100_000
_SHORT_LIFE_S = 1.0
_SPAWN_AT_ONCE = 8
_DRAIN_ROUNDS = 64
_LONGEST_BACKOFF_S = 5.0


class Pool:
    """`size` children that execute the claims they are given."""

    def __init__(
        self,
        link: TemplateLink,
        selector: selectors.BaseSelector,
        ledger: Ledger,
        size: int,
        grace_s: float,
        pages: Path,
        types: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """`types` are the options of each job type, by id."""
        self._link = link
        self._selector = selector
        self._ledger = ledger
        self._hearing = Hearing(ledger, self._on_ended, self._on_returned)
        self._size = size
        self._grace_s = grace_s
        self._pages = pages
        self._types = types
        self._children_made = 0
        self._spent_pages: list[Path] = []
        self._starting: deque[PoolChild] = deque()
        self._children: list[PoolChild] = []
        self._dying: dict[int, PoolChild] = {}
        self._spawn_after = 0.0
        self._backoff_s = 0.0
        self._closing = False
        self.is_broken = False
        selector.register(link, selectors.EVENT_READ, self._hear_template)

    @property
    def room(self) -> int:
        """How many more claims the children should be given now."""
        return sum(child.room for child in self._children)

    @property
    def claims(self) -> list[Claim]:
        """Everything that children hold."""
        return [claim for child in self._everyone() for _, claim in child.runs]

    @property
    def has_backlog(self) -> bool:
        """Whether some child has runs waiting behind the one at work: messages come in crowds then."""
        return any(len(child.runs) > 1 for child in self._children)

    @property
    def is_settled(self) -> bool:
        """Whether no child holds a run any more."""
        return not any(child.runs for child in self._everyone())

    def give(self, claims: Iterable[Claim]) -> None:
        """Send claims to the children with the most room; what nobody has room for goes back to the database."""
        ready = [] if self._closing else [child for child in self._children if child.is_ready]
        if not ready:
            self._ledger.report.released += claims
            return
        for claim in claims:
            self._best_for(claim, ready).send(claim)
        for child in self._children:
            self._flush(child)

    def _best_for(self, claim: Claim, ready: Iterable[PoolChild]) -> PoolChild:
        is_fresh = self._says(claim, "fresh_process")
        return min(ready, key=lambda child: (is_fresh and child.is_used, len(child.runs)))

    def _says(self, claim: Claim, option: str) -> bool:
        """What the claim's type says of itself; a plain function says nothing."""
        return bool(self._types.get(claim.type or "", {}).get(option))

    def look(self, now: float) -> float:
        """Do what time makes due; when to look again (monotonic seconds)."""
        again = now + 60.0
        for child in self._children:
            again = min(again, self._look_at(child, now))
        missing = self._size - len(self._children) - len(self._starting)
        if missing > 0 and not self._closing:
            if now >= self._spawn_after:
                for _ in range(min(missing, _SPAWN_AT_ONCE - len(self._starting))):
                    self._spawn()
            else:
                again = min(again, self._spawn_after)
        return again

    def _spawn(self) -> None:
        self._children_made += 1
        path = self._pages / str(self._children_made)
        self._starting.append(PoolChild(*self._link.spawn(path), path))

    def written(self) -> None:
        """Everything that children said is in the database: nobody will ask any more what dead ones had begun."""
        for path in self._spent_pages:
            path.unlink(missing_ok=True)
        self._spent_pages.clear()

    def leave(self, stale: Container[tuple[str, int]]) -> None:
        """End the bodies of runs, (id, fence), that are not this worker's any more; what they come to counts for nothing."""
        for child in self._everyone():
            if any((claim.id, claim.fence) in stale for _, claim in child.runs):
                child.kill()

    def abandon(self) -> int:
        """Kill every child at once. What had begun is as if a shutdown had left it, what had not goes back, as far as this
        worker holds it still when the database can be told; how many runs.
        """
        count, now = len(self.claims), time.monotonic()
        for child in self._children:
            self._ledger.report.released += child.recall()
            if child.ending is None:
                child.begin_ending(Cause.SHUTDOWN, now, 0.0)
            if child.ending is not None:
                child.ending.climbed = Step.KILL
            child.kill()
        return count

    def stop(self, run_id: str, fence: int, cause: Cause = Cause.STOP) -> None:
        """End a run: one at work is asked and then made to, one that has not begun goes back to the database."""
        for child in self._children:
            for _, claim in child.runs:
                if claim.id == run_id and claim.fence == fence:
                    self._end(child, claim, cause)
                    return

    def begin_closing(self) -> None:
        """Give back what has not begun; what has begun gets the grace period to end by itself."""
        self._closing = True
        now = time.monotonic()
        for child in self._children:
            self._ledger.report.released += child.recall()
            if child.ending is None:
                child.begin_ending(Cause.SHUTDOWN, now, self._grace_s)

    def hurry(self) -> None:
        """End what still runs without further grace."""
        for child in self._children:
            if child.ending is not None:
                child.ending.grace = 0.0

    def close(self) -> None:
        """Kill every child with all it started, and let go of the template."""
        if not self.is_broken:
            self._selector.unregister(self._link)
        for child in self._children:
            child.kill()
        self._link.close()

    @property
    def pids(self) -> set[int]:
        """The processes that the template or this pool will reap."""
        return {self._link.pid, *(child.pid for child in self._everyone())}

    def groups(self) -> list[int]:
        """The process groups of children that are at work."""
        return [child.pid for child in list(self._children) if child.runs]

    # Talking to children

    def _flush(self, child: PoolChild) -> None:
        """Write what the child's pipe takes now, and wait for it to take more when something is left."""
        waiting = child.flush()
        registered = child.orders in self._selector.get_map()
        if waiting and not registered:
            self._selector.register(child.orders, selectors.EVENT_WRITE, lambda: self._flush(child))
        elif registered and not waiting:
            self._selector.unregister(child.orders)

    def _hear(self, child: PoolChild) -> bool:
        """Take what a child has said; whether it had said anything."""
        heard = self._hearing.hear(child)
        if child.is_silent:
            self._forget(child.messages)
        return heard

    def _on_ended(self, child: PoolChild, number: int, outcome: Outcome) -> None:
        claim = child.pop(number)
        if claim is not None:
            child.retired |= self._says(claim, "fresh_process")
            self._settle(child, number, claim, outcome)
            child.learn((outcome.ended_us or 0) - (outcome.started_us or 0))

    def _on_returned(self, child: PoolChild, number: int) -> None:
        if (claim := child.answered(number)) is not None:
            self._ledger.report.released.append(claim)
            self._leave(child, number)

    def _settle(self, child: PoolChild, number: int, claim: Claim, outcome: Outcome) -> None:
        if child.ending is not None and child.ending.number == number:
            child.ending.judge(outcome, claim.timeout_s, restartable=self._says(claim, "restartable"))
        self._ledger.ended(claim, outcome, time.monotonic())
        self._leave(child, number)

    def _leave(self, child: PoolChild, number: int) -> None:
        """Use a child no more that was asked to end this run: it may not be as good as new."""
        if child.ending is not None and child.ending.number == number:
            child.kill()

    # What time makes due

    def _look_at(self, child: PoolChild, now: float) -> float:
        found = child.at_work()
        if found is None:
            return now + WORK_AHEAD_US / 1_000_000 if child.runs else now + 60.0
        number, claim = found
        if child.ending is not None:
            return self._climb(child, child.ending, now)
        worked_us = int(now * 1_000_000) - child.page.since_us
        again = [60.0]
        if worked_us < WORK_AHEAD_US:
            again.append((WORK_AHEAD_US - worked_us) / 1_000_000)
        else:
            child.window = 1
            if len(child.runs) > 1:
                self._return_unstarted(child)
        if child.told_begun != number:
            if worked_us >= TELL_BEGUN_AFTER_US:
                child.told_begun = number
                self._ledger.begun(claim, time.time_ns() // 1000 - worked_us, child.pid)
            else:
                again.append((TELL_BEGUN_AFTER_US - worked_us) / 1_000_000)
        if claim.timeout_s is not None:
            left = claim.timeout_s - worked_us / 1_000_000
            if left <= 0:
                self._end(child, claim, Cause.TIMEOUT)
            again.append(max(left, 0.0))
        return now + min(again)

    def _climb(self, child: PoolChild, ending: Ending, now: float) -> float:
        step = ending.due(now)
        if step is not Step.WAIT:
            ending.climbed = step
            if step is Step.TERMINATE:
                child.terminate(ending.number)
            else:
                child.kill()
        return ending.next_at(now)

    def _end(self, child: PoolChild, claim: Claim, cause: Cause) -> None:
        """Nothing behind it begins from here on, so that what is asked and signalled to end can be no other run."""
        if child.ending is not None and (
            child.ending.cause is not Cause.SHUTDOWN or child.ending.climbed is not Step.WAIT
        ):
            return
        self._hear(child)
        if any(held is claim for _, held in child.runs):
            self._return_unstarted(child, but=claim)
            child.begin_ending(cause, time.monotonic(), self._grace_s, claim)

    def _return_unstarted(self, child: PoolChild, but: Claim | None = None) -> None:
        """Take back what a child has not begun: an idle child gets it, else the database, which always gets `but`."""
        for claim in child.recall():
            idle = next((one for one in self._children if one.is_idle), None)
            if idle is None or self._closing or claim is but:
                self._ledger.report.released.append(claim)
            else:
                idle.send(claim)
                self._flush(idle)

    # Births and deaths

    def _hear_template(self) -> None:
        try:
            events = self._link.events()
        except TemplateGone:
            self._give_up()
            return
        for event in events:
            if isinstance(event, Spawned):
                self._born(event)
            else:
                self._buried(event)

    def _born(self, event: Spawned) -> None:
        child = self._starting.popleft()
        child.pid, child.pidfd, child.spawned_at = event.pid, event.pidfd, time.monotonic()
        self._children.append(child)
        self._selector.register(child.messages, selectors.EVENT_READ, lambda: self._hear(child))
        self._selector.register(child.pidfd, selectors.EVENT_READ, lambda: self._died(child))

    def _died(self, child: PoolChild) -> None:
        """The process has ended but is not reaped, so its id is still its own: end what it left behind."""
        child.kill()
        self._drain(child)
        for fd in (child.messages, child.pidfd, child.orders):
            self._forget(fd)
        self._children.remove(child)
        self._dying[child.pid] = child
        self._link.reap(child.pid)

    def _buried(self, event: Reaped) -> None:
        child = self._dying.pop(event.pid)
        self._end_dead(child, event)
        was_of_use = child.has_begun or time.monotonic() - child.spawned_at > _SHORT_LIFE_S
        unstarted = [claim for _, claim in child.runs]
        child.close()
        self._spent_pages.append(child.page_path)
        self.give(unstarted)
        if not was_of_use:
            self._backoff_s = min(max(0.1, self._backoff_s * 2), _LONGEST_BACKOFF_S)
            logger.error("a child process ended as soon as it began; the next one starts in %g s", self._backoff_s)
        else:
            self._backoff_s = 0.0
        self._spawn_after = time.monotonic() + self._backoff_s

    def _drain(self, child: PoolChild) -> None:
        """Hear a dead child out. Something that it started may go on writing, and is not waited for."""
        for _ in range(_DRAIN_ROUNDS):
            if child.is_silent or not self._hear(child):
                return

    def _end_dead(self, child: PoolChild, event: Reaped | None) -> None:
        """The run that a dead child was at has failed."""
        found = child.at_work()
        if found is not None:
            number, claim = found
            child.pop(number)
            outcome = outcome_of(child, event)
            self._ledger.log(claim, [outcome.ended_us, logging.ERROR, "jobdeck.run", outcome.message, None])
            self._settle(child, number, claim, outcome)

    def _give_up(self) -> None:
        """The template has died, and its children with it: say what became of their runs. No more can be done here."""
        self.is_broken = self._closing = True
        self._selector.unregister(self._link)
        self._link.close()
        for child in self._everyone():
            child.kill()
            self._drain(child)
            # Orphans are this process's own children now.
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child.pid, 0)
            self._end_dead(child, None)
            self._ledger.report.released += [claim for _, claim in child.runs]
            child.runs.clear()
            for fd in (child.messages, child.pidfd, child.orders):
                self._forget(fd)
            child.close()
        self._children.clear()
        self._dying.clear()
        self._starting.clear()

    def _forget(self, fd: int) -> None:
        if fd in self._selector.get_map():
            self._selector.unregister(fd)

    def _everyone(self) -> list[PoolChild]:
        return [*self._children, *self._dying.values()]
