"""Queues that nobody serves: runs wait there and no worker takes them, or nobody tells their engine of them.

Found when somebody looks, and kept nowhere. `services.insight` says the same of one run, `services.queues` of a queue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..core.engine import DATABASE
from ..core.queue import Alert, Carrier
from ..core.times import from_us, iso
from ..core.worker import DispatcherInfo, WorkerInfo
from ..store import dispatchers, workers
from .office import Office
from .workers import DISPATCHER_SILENCE_S, live_workers

GRACE_US = 5_000_000
"""A queue is unserved when nobody has served it for so long: a worker that is started again takes a moment."""
ENGINE_GRACE_US = 15_000_000
"""The same on an engine, whose workers are known here only from their first delivery on."""
GUESS_US = 60_000_000
"""After so long it counts that messages go, and no worker comes, or that they stay, though workers have nothing to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """One thing that is missing for a queue, in words and as a command, since when, as far as is known. It counts once a run has
    waited for `grace_us` (microseconds) since then.
    """

    code: str
    message: str
    command: str | None = None
    since_us: int = 0
    grace_us: int = GRACE_US

    def counts(self, waits_since_us: int, now_us: int) -> bool:
        """Whether it is long enough for a run that waits since then."""
        return now_us - max(waits_since_us, self.since_us) >= self.grace_us


@dataclass(frozen=True, slots=True, kw_only=True)
class Staff:
    """Who was there to carry and to execute a tenant's runs, at one look. `left` is when the last of an engine's workers that
    served a queue and is gone was heard of, `busy` how many runs each worker of an engine executes.
    """

    workers: Sequence[WorkerInfo]
    dispatchers: Sequence[DispatcherInfo]
    left: Mapping[tuple[str, str], int]
    busy: Mapping[str, int]

    def serving(self, queue: str, engine: str) -> list[WorkerInfo]:
        """The live workers of an engine that serve a queue."""
        return [one for one in self.workers if one.engine == engine and queue in one.queues]

    def ringing(self, engine: str) -> list[DispatcherInfo]:
        """The live dispatchers that ring an engine."""
        return [one for one in self.dispatchers if engine in one.engines]

    def problem(self, engine: str) -> str | None:
        """Why no dispatcher can ring an engine; None when one can, or there is none."""
        ringing = self.ringing(engine)
        told = [one.problems[engine] for one in ringing if engine in one.problems]
        return told[0] if told and len(told) == len(ringing) else None

    def free(self, queue: str, engine: str) -> int:
        """How many slots of those that serve a queue have nothing to do."""
        return sum(max(0, one.processes - self.busy.get(one.id, 0)) for one in self.serving(queue, engine))

    def depth(self, queue: str) -> int | None:
        """How many messages wait for a queue at its engine, as the dispatcher heard of last has told."""
        told = [(one.seen_at, one.depths[queue]) for one in self.dispatchers if queue in one.depths]
        return max(told)[1] if told else None


def staff(office: Office, tenant: str) -> Staff:
    """Who is there just now."""
    since_us = office.clock.now_us() - int(DISPATCHER_SILENCE_S * 1_000_000)
    live = live_workers(office, tenant)
    known = {one.id for one in live}
    with office.database.read() as connection:
        ringing = dispatchers.live(connection, since_us)
        gone = workers.last_seen(connection, tenant)
        of_engines = [one.id for one in live if one.engine != DATABASE]
        busy = workers.busy(connection, of_engines) if of_engines else {}
    left: dict[tuple[str, str], int] = {}
    for one, at in gone:
        if one.id not in known:
            for queue in one.queues:
                left[one.engine, queue] = max(at, left.get((one.engine, queue), 0))
    return Staff(workers=live, dispatchers=ringing, left=left, busy=busy)


def gaps(queue: str, carrier: Carrier, who: Staff) -> list[Gap]:
    """What is missing for a queue; nothing when somebody serves it."""
    found = []
    command, depth = carrier.command, who.depth(queue)
    if carrier.is_rung:
        found += _of_dispatchers(carrier.engine, who)
    if not who.serving(queue, carrier.engine):
        grace_us = GRACE_US if not carrier.is_rung else GUESS_US if depth == 0 else ENGINE_GRACE_US
        found.append(Gap(
            code="no_worker", message=_without_worker(queue, carrier, who), command=command,
            since_us=who.left.get((carrier.engine, queue), 0), grace_us=grace_us,
        ))  # fmt: skip
    elif carrier.is_rung and depth and who.free(queue, carrier.engine):
        told = f"The messages for it stay in the queue {carrier.queue} of {carrier.engine}, though workers there have nothing to do"
        how = f"start one that reads that queue with `{command}`" if command else "start one that reads that queue"
        found.append(Gap(code="not_taken", message=f"{told}; {how}.", command=command, grace_us=GUESS_US))
    return found


def alert(queue: str, carrier: Carrier, who: Staff, oldest_us: int | None, now_us: int) -> Alert | None:
    """What to tell of a queue whose oldest run that may begin waits since `oldest_us`; None while somebody serves it."""
    if oldest_us is None:
        return None
    missing = [gap for gap in gaps(queue, carrier, who) if gap.counts(oldest_us, now_us)]
    if not missing:
        return None
    since_us = max(oldest_us, missing[0].since_us)
    told = f"Runs of the queue {queue} wait in vain; the oldest could have begun at {iso(from_us(oldest_us))}."
    return Alert(
        queue=queue, code=missing[0].code, message=" ".join([told, *(gap.message for gap in missing)]),
        command=missing[0].command, since=from_us(since_us),
    )  # fmt: skip


def _of_dispatchers(engine: str, who: Staff) -> list[Gap]:
    if not who.ringing(engine):
        told = f"No dispatcher is alive that tells {engine} of runs; start one with `jobdeck dispatcher`."
        return [Gap(code="no_dispatcher", message=told, command="jobdeck dispatcher")]
    problem = who.problem(engine)
    return [Gap(code="engine", message=f"The dispatcher cannot reach {engine}: {problem}")] if problem else []


def _without_worker(queue: str, carrier: Carrier, who: Staff) -> str:
    if carrier.is_immediate:
        return f"Its runs are executed by the process that queues them ({carrier.engine}), and that has not done so."
    if carrier.command is None and carrier.engine == DATABASE:
        return f"No live worker serves the queue {queue}, which is not in JOBDECK_QUEUES any more; add it there."
    if carrier.engine == DATABASE and not who.workers:
        return "No worker is alive; start one with `jobdeck worker`."
    kind = "worker" if carrier.engine == DATABASE else f"worker of {carrier.engine}"
    what = f"start {carrier.served_by}" if carrier.command is None else f"start one with {carrier.served_by}"
    return f"No live {kind} serves the queue {queue}; {what}."
