"""The engines that can be drilled: the workers of each, its broker, and the settings that name it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.engine import DATABASE
from ..errors import ConfigurationError
from .brokers import Broker, RabbitMQ, Redis

QUEUE = "default"
PATIENCE_S = 2.0
"""After how long a message counts as lost."""
_APPLICATION = "jobdeck_drill_celery"


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """An engine as the drill has it.

    - `name` is that of the command line, `engine` that of JOBDECK_ENGINES
    - `workers` processes `python -m MODULE WORD...` execute `slots` runs each; `{number}` in a word is which one it is
    - `broker` makes what carries its messages, None where there are none
    - `pace`: how many times as long it is from one time of a schedule to the next, so that there is room for longer runs
    - `start_s`: how much longer than ours its workers may take to serve, on a busy machine
    """

    name: str
    engine: str
    module: str
    words: tuple[str, ...]
    workers: int = 3
    slots: int = 2
    broker: Callable[[], Broker] | None = None
    pace: int = 1
    start_s: float = 0.0

    def require(self) -> None:
        """ConfigurationError when the packages for it are not installed."""
        if importlib.util.find_spec(self.engine if self.engine != DATABASE else "jobdeck") is None:
            raise ConfigurationError(
                f"A drill of {self.name} needs the package {self.engine}; install it with `pip install 'jobdeck[{self.engine}]'`."
            )

    def settings(self, url: str) -> Mapping[str, Any]:
        """More settings of the scratch instance, whose broker is at `url`."""
        found = {"engines": self.engine, "ring_patience": PATIENCE_S}
        return {**found, "celery": f"{_APPLICATION}:app"} if self.engine == "celery" else {**found, "redis_url": url}

    def prepare(self, home: Path, url: str) -> None:
        """Write what its workers import into the home folder."""
        if self.engine == "celery":
            text = f"from celery import Celery\n\napp = Celery('drill', broker={url!r})\n"
            (home / f"{_APPLICATION}.py").write_text(text)

    def environment(self, url: str) -> Mapping[str, str]:
        """What its workers are told beside the settings."""
        return {"RQ_REDIS_URL": url} if self.engine == "rq" else {}


_CELERY: Mapping[str, Any] = {
    "engine": "celery",
    "module": "celery",
    "words": (
        *("-A", _APPLICATION, "worker", "-I", "jobdeck.engines.celery", "-Q", QUEUE, "-c", "2", "-n", "{number}@%h"),
        *("--loglevel", "INFO", "--without-gossip", "--without-mingle"),
    ),
    "pace": 4,
    "start_s": 10.0,
}
CARRIERS: Mapping[str, Carrier] = {
    one.name: one
    for one in (
        Carrier(name=DATABASE, engine=DATABASE, module="jobdeck", words=("worker", "--processes", "2")),
        Carrier(name="celery-redis", broker=lambda: Redis(QUEUE), **_CELERY),
        Carrier(name="celery-rabbitmq", broker=lambda: RabbitMQ(QUEUE), **_CELERY),
        Carrier(
            name="rq", engine="rq", module="rq.cli", workers=4, slots=1, pace=4, start_s=10.0,
            words=("worker", "--serializer", "rq.serializers.JSONSerializer", "-c", "jobdeck.engines.rq_loaded", QUEUE),
            broker=lambda: Redis(f"rq:queue:{QUEUE}"),
        ),
    )
}  # fmt: skip
