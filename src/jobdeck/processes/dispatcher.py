"""The dispatcher's process: one loop that is woken when runs are queued, and has their engines rung.

It holds nothing: what is to be rung is asked of the database, so that any number of dispatchers may run, and one that is killed
has forgotten nothing. It also looks after workers and does what time alone makes due, as each worker does: where engines
execute runs in their own processes, there may be no worker of ours.
"""

from __future__ import annotations

import gc
import logging
import select
import time
from collections.abc import Mapping

from ..contracts import Engine
from ..core.principal import DEFAULT_TENANT
from ..core.worker import DispatcherInfo
from ..errors import ConfigurationError, EngineError, StoreError
from ..services.dispatch import Dispatch, Dispatched
from ..services.office import Office
from ..services.workers import DISPATCHER_SILENCE_S
from ..store import dispatchers, doorbell
from .care import Care
from .introduction import introduce
from .outage import Outage
from .signals import Signals

logger = logging.getLogger(__name__)

LOOK_S = 1.0
"""What nobody rang the doorbell for is noticed within this time."""
CONTENTION_S = 0.05
SHORTEST_S = 0.005
GATHER_S = 0.01
"""What comes so soon after something was rung is rung together: to look for each run alone would take half a core."""
RETRY_S = 1.0
ALIVE_S = DISPATCHER_SILENCE_S / 6
ADOPT_S = 60.0


class Dispatcher:
    """Rings `engines` until SIGTERM or SIGINT. For the main thread of a process."""

    def __init__(self, office: Office, engines: Mapping[str, Engine], signals: Signals) -> None:
        self._office = office
        self._database = office.database
        self._engines = {name: engine for name, engine in engines.items() if not engine.is_immediate}
        self._dispatch = Dispatch(office, self._engines)
        self._signals = signals
        me = introduce((), (), 0)
        declared = {job_type.id: job_type.options() for job_type in office.registry}
        self._care = Care(office.settings, office.database, me, declared)
        self._info = DispatcherInfo(
            id=me.id, host=me.host, pid=me.pid, engines=tuple(self._engines), problems={}, depths={},
            started_at=me.started_at, seen_at=me.seen_at,
        )  # fmt: skip
        self._doorbell: doorbell.Doorbell | None = None
        self._is_idle = True
        self._has_rung = False
        self._told: Mapping[str, str] = {}
        self._alive_at = self._adopt_at = 0.0
        self._outage = Outage()

    def run(self) -> int:
        """The loop; the process's exit code. ConfigurationError when an engine can never be rung as it is set up, StoreError
        when the database cannot serve at the start.
        """
        for name, engine in self._engines.items():
            self._examine(name, engine)
        self._doorbell = doorbell.doorbell(self._database, self._info.id)
        try:
            self._begin()
            gc.freeze()
            while not self._signals.stops:
                wait_s = self._turn()
                if self._has_rung:
                    time.sleep(GATHER_S)
                self._sleep(wait_s)
            self._end()
        finally:
            self._dispatch.close()
            self._doorbell.close()
        return 0

    def _begin(self) -> None:
        with self._database.write() as connection:
            gone = dispatchers.add(connection, DEFAULT_TENANT, self._info, self._office.clock.now_us())
        for dispatcher_id in gone:
            doorbell.remove(self._database, dispatcher_id)
        logger.info("dispatcher %s is ready: %s", self._info.id[:8], ", ".join(self._engines))

    def _end(self) -> None:
        try:
            with self._database.write() as connection:
                dispatchers.ended(connection, self._info.id, self._office.clock.now_us())
        except StoreError as error:
            logger.error("%s", error)
        logger.info("dispatcher %s has ended", self._info.id[:8])

    def _turn(self) -> float:
        """Ring for what is due and look after the rest; how long to sleep."""
        self._has_rung = False
        try:
            done = self._dispatch.step()
            self._has_rung = done.rung > 0 and not done.is_behind
            has_found = self._look_around(time.monotonic(), done)
            wait_s = self._rest(done)
        except StoreError as error:
            self._care.start_over()
            self._outage.note(str(error), time.monotonic())
            return RETRY_S
        self._outage.end(time.monotonic())
        return 0.0 if has_found else min(wait_s, max(0.0, self._care.due_at - time.monotonic()))

    def _look_around(self, now: float, done: Dispatched) -> bool:
        """Whether that has made work."""
        if now >= self._alive_at or dict(done.problems) != dict(self._told):
            self._alive_at, self._told = now + ALIVE_S, done.problems
            with self._database.write() as connection:
                dispatchers.seen(connection, self._info.id, self._office.clock.now_us(), done.problems, done.depths)
        adopted = 0
        if now >= self._adopt_at:
            self._adopt_at = now + ADOPT_S
            adopted = self._dispatch.adopt()
            if adopted:
                logger.info("%d runs were queued before their queue came to its engine", adopted)
        if now >= self._care.due_at and self._care.look(now):
            self._office.bell.ring()
            return True
        return adopted > 0

    def _rest(self, done: Dispatched) -> float:
        """How long to sleep; on PostgreSQL nobody has to wake whoever is busy."""
        if done.is_behind:
            self._set_idle(False)
            return 0.0 if done.rung else CONTENTION_S
        if self._set_idle(True):
            # What came before this was rung for nobody.
            return 0.0
        due = self._dispatch.next_due()
        left_s = LOOK_S if due is None else (due - self._office.clock.now_us()) / 1_000_000
        return min(max(left_s, SHORTEST_S), LOOK_S)

    def _set_idle(self, idle: bool) -> bool:
        """Whether that was another state until now."""
        if idle == self._is_idle or self._database.is_sqlite:
            return False
        with self._database.write_quickly() as connection:
            dispatchers.set_idle(connection, self._info.id, idle)
        self._is_idle = idle
        return True

    def _sleep(self, seconds: float) -> None:
        assert self._doorbell is not None, "it is made before the loop begins"
        if self._doorbell.mend():
            return
        fd = self._doorbell.fileno()
        heard = [self._signals.fileno(), *([] if fd is None else [fd])]
        ready, _, _ = select.select(heard, [], [], seconds)
        self._signals.drain()
        if fd in ready:
            self._doorbell.drain()

    def _examine(self, name: str, engine: Engine) -> None:
        """Tell what is wrong with an engine; ConfigurationError for what no waiting will mend."""
        problems = engine.problems()
        if problems:
            queue = next(queue for queue, route in self._office.settings.engines.items() if route.engine == name)
            try:
                engine.depth(queue)
            except EngineError as error:
                if isinstance(error.__cause__, ConfigurationError):
                    raise error.__cause__ from None
        for problem in problems:
            logger.warning("%s: %s", name, problem)
