"""What the fleet makes of its workers' words."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from jobdeck.drill.carriers import CARRIERS
from jobdeck.drill.fleet import Fleet

LOG = """\
2026-01-01T00:00:00.000Z INFO jobdeck.processes.worker: worker 1 is ready: queue default, 2 processes
2026-01-01T00:00:00.000Z ERROR jobdeck.processes.worker: a report could not be stored as it is
    Traceback (most recent call last):
      File "worker.py", line 222, in _exchange
        done = 1
    AttributeError: no such thing
2026-01-01T00:00:00.000Z ERROR jobdeck.processes.worker: The database cannot serve: it is gone.
Traceback (most recent call last):
  File "worker.py", line 222, in _exchange
    done = 1
ValueError: no

jobdeck: unexpected AdminShutdown: terminating connection (--debug before the command shows where)
"""


ENGINE = """\
[2026-01-01 00:00:00,000: WARNING/MainProcess] consumer: Connection to broker lost. Trying to re-establish the connection...
Traceback (most recent call last):
  File "/site-packages/celery/worker/consumer/consumer.py", line 340, in start
    blueprint.start(self)
ConnectionError: Connection closed by server.
[2026-01-01 00:00:00,000: ERROR/ForkPoolWorker-1] Task jobdeck.execute[1] raised unexpected: KeyError('ring')
Traceback (most recent call last):
  File "/site-packages/celery/app/trace.py", line 585, in trace_task
    R = retval = fun(*args, **kwargs)
  File "/site-packages/jobdeck/engines/celery.py", line 100, in execute
    told = data["ring"]
KeyError: 'ring'
Traceback (most recent call last):
  File "<frozen runpy>", line 226, in run_module
  File "/site-packages/jobdeck/drill/tether.py", line 16, in <module>
    runpy.run_module(module, run_name="__main__", alter_sys=True)
  File "/site-packages/redis/connection.py", line 390, in connect
    raise ConnectionError(self._error_message(e))
redis.exceptions.ConnectionError: Error 111 connecting to 127.0.0.1
00:00:00 Job 1: exception raised while executing (jobdeck.engines.rq.execute)
Traceback (most recent call last):
  File "/site-packages/jobdeck/engines/beside.py", line 98, in _deliver
    raise EngineError(f"{self._name} cannot begin. {told['error']}")
jobdeck.errors.EngineError: The worker beside process 7 cannot begin. The database is gone.
"""


def fleet(home: Path, engine: str) -> Fleet:
    site: Any = SimpleNamespace(home=home, carrier=CARRIERS[engine])
    return Fleet(site, random.Random(1))


def test_tracebacks_and_unexpected_ends_are_complaints(tmp_path: Path) -> None:
    (tmp_path / "worker-0.log").write_text(LOG)
    (tmp_path / "worker-1.log").write_text(LOG.splitlines()[0])
    (tmp_path / "scheduler-0.log").write_text("jobdeck: unexpected KeyError: 'no'\n")
    assert fleet(tmp_path, "database").complaints() == [
        "unexpected KeyError: 'no'",
        "AttributeError: no such thing",
        "ValueError: no",
        "unexpected AdminShutdown: terminating connection (--debug before the command shows where)",
    ]


def test_what_an_engine_says_of_itself_is_no_complaint(tmp_path: Path) -> None:
    (tmp_path / "worker-0.log").write_text(ENGINE)
    assert fleet(tmp_path, "celery-redis").complaints() == ["KeyError: 'ring'"]
