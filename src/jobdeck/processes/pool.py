"""The children of one worker: sending them runs, hearing them out, ending them, and replacing them.

Neighbours: `processes.worker` decides when to claim and gives the claims here; `processes.ledger` takes what
children say; `processes.pool_child` is one child, `processes.ladder` the way a run is ended.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from ..core.outcome import Outcome, OutcomeKind
from ..executor.recorder import ENDED, FILE, LOG, PROGRESS, RETURNED
from ..services.holder import Claim
from .ladder import Cause, Ending, Step
from .ledger import Ledger
from .pool_child import WORK_AHEAD_US, PoolChild
from .template_link import Reaped, Spawned, TemplateLink

logger = logging.getLogger(__name__)

TELL_BEGUN_AFTER_US = 100_000
_SHORT_LIFE_S = 1.0
_LONGEST_BACKOFF_S = 5.0


class Pool:
    """`size` children that execute the claims they are given."""

    def __init__(
        self, link: TemplateLink, selector: selectors.BaseSelector, ledger: Ledger, size: int, grace_s: float
    ) -> None:
        self._link = link
        self._selector = selector
        self._ledger = ledger
        self._size = size
        self._grace_s = grace_s
        self._starting: deque[PoolChild] = deque()
        self._children: list[PoolChild] = []
        self._dying: dict[int, PoolChild] = {}
        self._spawn_after = 0.0
        self._backoff_s = 0.0
        self._closing = False
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
        for claim in claims:
            ready = [child for child in self._children if child.is_ready]
            if not ready or self._closing:
                self._ledger.report.released.append(claim)
                continue
            min(ready, key=lambda child: len(child.runs)).send(claim)
        for child in self._children:
            self._flush(child)

    def look(self, now: float) -> float:
        """Do what time makes due; when to look again (monotonic seconds)."""
        again = now + 60.0
        for child in self._children:
            again = min(again, self._look_at(child, now))
        missing = self._size - len(self._children) - len(self._starting)
        if missing > 0 and not self._closing:
            if now >= self._spawn_after:
                for _ in range(missing):
                    self._starting.append(PoolChild(*self._link.spawn()))
            else:
                again = min(again, self._spawn_after)
        return again

    def stop(self, run_id: str, fence: int, cause: Cause = Cause.STOP) -> None:
        """End a run: one at work is asked and then made to, one that has not begun goes back to the database."""
        for child in self._children:
            for _, claim in child.runs:
                if claim.id == run_id and claim.fence == fence:
                    self._end(child, claim, cause)
                    return

    def drop(self, run_ids: set[str]) -> None:
        """Runs that are held no more: whatever executes them is killed, and nothing is written about them."""
        for child in self._everyone():
            if any(claim.id in run_ids for _, claim in child.runs):
                kept = [claim for _, claim in child.runs if claim.id not in run_ids]
                at_work = child.at_work()
                child.runs.clear()
                self._ledger.report.released += [one for one in kept if at_work is None or one is not at_work[1]]
                child.kill()

    def begin_closing(self) -> None:
        """Give back what has not begun; what has begun gets the grace period to end by itself."""
        self._closing = True
        now = time.monotonic()
        for child in self._children:
            self._ledger.report.released += child.recall()
            if child.at_work() is not None and child.ending is None:
                child.ending = Ending(Cause.SHUTDOWN, now, self._grace_s)

    def hurry(self) -> None:
        """End what still runs without further grace."""
        for child in self._children:
            if child.ending is not None:
                child.ending.grace = 0.0

    def close(self) -> None:
        """Kill every child and let go of the template."""
        self._selector.unregister(self._link)
        for child in self._everyone():
            if child.pid:
                child.kill()
        self._link.close()

    # Talking to children

    def _flush(self, child: PoolChild) -> None:
        """Write what the child's pipe takes now, and wait for it to take more when something is left."""
        waiting = child.flush()
        registered = child.orders in self._selector.get_map()
        if waiting and not registered:
            self._selector.register(child.orders, selectors.EVENT_WRITE, lambda: self._flush(child))
        elif registered and not waiting:
            self._selector.unregister(child.orders)

    def _hear(self, child: PoolChild) -> None:
        for kind, number, *told in child.receive():
            _ON_MESSAGE[kind](self, child, number, told)
        if child.is_silent:
            self._forget(child.messages)

    def _on_log(self, child: PoolChild, number: int, told: list[Any]) -> None:
        if (claim := _held(child, number)) is not None:
            self._ledger.log(claim, told)

    def _on_progress(self, child: PoolChild, number: int, told: list[Any]) -> None:
        if (claim := _held(child, number)) is not None:
            self._ledger.progress(claim, told)

    def _on_file(self, child: PoolChild, number: int, told: list[Any]) -> None:
        if (claim := _held(child, number)) is not None:
            self._ledger.file(claim, told)

    def _on_ended(self, child: PoolChild, number: int, told: list[Any]) -> None:
        claim = child.pop(number)
        if claim is None:
            return
        kind, started_us, ended_us, rss_max, result, message, traceback, errored = told
        outcome = Outcome(
            kind=OutcomeKind(kind),
            message=message,
            traceback=traceback,
            result=result,
            errored_entries=errored,
            started_us=started_us,
            ended_us=ended_us,
            pid=child.pid,
            rss_max=rss_max,
        )
        self._settle(child, claim, outcome)
        if child.ending is not None:
            # Whoever was asked to end its run may not be as good as new.
            self._return_unstarted(child)
            child.kill()
        else:
            child.learn(ended_us - started_us)

    def _on_returned(self, child: PoolChild, number: int, told: list[Any]) -> None:
        if (claim := child.answered(number)) is not None:
            self._ledger.report.released.append(claim)

    def _settle(self, child: PoolChild, claim: Claim, outcome: Outcome) -> None:
        if child.ending is not None:
            child.ending.judge(outcome, claim.timeout_s)
        self._ledger.ended(claim, outcome, time.monotonic())

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
                child.terminate()
            else:
                child.kill()
        return ending.next_at(now)

    def _end(self, child: PoolChild, claim: Claim, cause: Cause) -> None:
        if child.ending is not None:
            return
        at_work = child.at_work()
        if at_work is None or at_work[1] is not claim:
            self._return_unstarted(child)
            at_work = child.at_work()
        if at_work is not None and at_work[1] is claim:
            child.ending = Ending(cause, time.monotonic(), self._grace_s)
            child.page.ask_to_stop(at_work[0])

    def _return_unstarted(self, child: PoolChild) -> None:
        """Take back what a child has not begun: an idle child gets it, else the database."""
        for claim in child.recall():
            idle = next((one for one in self._children if one.is_idle), None)
            if idle is None or self._closing:
                self._ledger.report.released.append(claim)
            else:
                idle.send(claim)
                self._flush(idle)

    # Births and deaths

    def _hear_template(self) -> None:
        for event in self._link.events():
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
        child.retired = True
        while not child.is_silent and (messages := child.receive()):
            for kind, number, *told in messages:
                _ON_MESSAGE[kind](self, child, number, told)
        child.kill()
        for fd in (child.messages, child.pidfd, child.orders):
            self._forget(fd)
        self._children.remove(child)
        self._dying[child.pid] = child
        self._link.reap(child.pid)

    def _buried(self, event: Reaped) -> None:
        child = self._dying.pop(event.pid)
        found = child.at_work()
        if found is not None:
            number, claim = found
            child.pop(number)
            self._settle(child, claim, _death(child, event))
        unstarted = [claim for _, claim in child.runs]
        child.runs.clear()
        was_of_use = child.page.begun > 0 or time.monotonic() - child.spawned_at > _SHORT_LIFE_S
        child.close()
        self.give(unstarted)
        if not was_of_use:
            self._backoff_s = min(max(0.1, self._backoff_s * 2), _LONGEST_BACKOFF_S)
            logger.error("a child process ended as soon as it began; the next one starts in %g s", self._backoff_s)
        else:
            self._backoff_s = 0.0
        self._spawn_after = time.monotonic() + self._backoff_s

    def _forget(self, fd: int) -> None:
        if fd in self._selector.get_map():
            self._selector.unregister(fd)

    def _everyone(self) -> list[PoolChild]:
        return [*self._children, *self._dying.values()]


def _held(child: PoolChild, number: int) -> Claim | None:
    """The run at work when it has this number; a straggler of an earlier run speaks for nobody."""
    return child.runs[0][1] if child.runs and child.runs[0][0] == number else None


def _death(child: PoolChild, event: Reaped) -> Outcome:
    now_us = time.time_ns() // 1000
    outcome = Outcome(
        kind=OutcomeKind.ERROR,
        started_us=now_us - max(0, time.monotonic_ns() // 1000 - child.page.since_us),
        ended_us=now_us,
        pid=child.pid,
        rss_max=event.rss_max,
    )
    if os.WIFSIGNALED(event.status):
        outcome.signal = os.WTERMSIG(event.status)
        name = signal.Signals(outcome.signal).name
        hint = " It may have run out of memory." if outcome.signal == signal.SIGKILL else ""
        outcome.message = f"The process that ran this was killed by {name}.{hint}"
    else:
        outcome.exit_code = os.waitstatus_to_exitcode(event.status)
        outcome.message = f"The process that ran this ended with exit code {outcome.exit_code} before the run did."
    return outcome


_ON_MESSAGE: dict[str, Callable[[Pool, PoolChild, int, list[Any]], None]] = {
    LOG: Pool._on_log,
    PROGRESS: Pool._on_progress,
    FILE: Pool._on_file,
    ENDED: Pool._on_ended,
    RETURNED: Pool._on_returned,
}
