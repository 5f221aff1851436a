"""A worker without its processes, and what all engines of tests have in common."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Any

from jobdeck import Deck
from jobdeck.core.outcome import Outcome, OutcomeKind
from jobdeck.services.claims import Claims, Report
from jobdeck.services.holder import Claim, Holder
from jobdeck.services.lifecycle import rescue
from jobdeck.services.upkeep import tend
from jobdeck.store.claims import held_by


class Worker:
    """What a worker does to the database, without its processes."""

    def __init__(self, deck: Deck, queues: tuple[str, ...] = ("default", "slow"), *, strict: bool = False) -> None:
        self.holder = Holder(id=str(uuid.uuid4()), host="host", boot_id="boot")
        types = tuple(job_type.id for job_type in deck.registry)
        self.claims = Claims(deck.database, self.holder, queues, types, strict=strict)
        self.deck = deck

    def claim(self, wanted: int = 1) -> list[Claim]:
        return self.claims.exchange(Report(), wanted, self.now()).won

    def say(self, **told: Any) -> set[str]:
        return {run_id for run_id, _ in self.claims.exchange(Report(**told), 0, self.now()).stale}

    def end(self, claim: Claim, kind: OutcomeKind = OutcomeKind.SUCCESS, **told: Any) -> set[str]:
        now = self.now()
        return self.say(ended=[(claim, Outcome(kind=kind, started_us=now, ended_us=now, pid=1, **told))])

    def log(self, claim: Claim, text: str) -> None:
        claim.log_seq += 1
        entry = (claim.id, claim.log_seq, claim.tenant, claim.attempt, self.now(), 20, "tests", text, None)
        head = (claim.log_seq, claim.id, self.holder.id, claim.fence, claim.log_seq - 1)
        self.say(log_entries=[entry], log_heads={claim.id: head})

    def die(self, *, begun: bool = True) -> int:
        """What a rescuer does when this worker is dead: how many runs had begun."""
        with self.deck.database.write() as connection:
            held = held_by(connection, self.holder.id)
            return rescue(connection, self.holder, held, lambda _: begun, self.now())

    def tend(self) -> int:
        return tend(self.deck.database, self.now())

    def now(self) -> int:
        return self.deck.office.clock.now_us()


class QuietEngine:
    """An engine that has nothing to complain of, can do everything and keeps nothing open."""

    is_immediate = False

    def command(self, queue: str) -> str | None:
        return None

    def problems(self) -> list[str]:
        return []

    def cannot(self) -> dict[Any, str]:
        return {}

    def close(self) -> None:
        pass


def together(*works: Callable[[], Any]) -> None:
    """Do these at the same time, each in its thread; raises what the first of them raised."""
    failed: list[BaseException] = []
    start = threading.Barrier(len(works))

    def do(work: Callable[[], Any]) -> None:
        try:
            start.wait()
            work()
        except BaseException as error:  # told below
            failed.append(error)

    threads = [threading.Thread(target=do, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
