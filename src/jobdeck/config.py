"""Settings: read once, frozen, each with its source.

A setting `processes` is given as an argument of `Deck(processes=4)`, else as `app.config["JOBDECK_PROCESSES"]`, else as
the environment variable `JOBDECK_PROCESSES`, else it has its default. `jobdeck check` prints all of them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from .core import retention, routes, zones
from .core.engine import DATABASE, Isolation, Route
from .core.log_entry import LEVELS
from .core.times import parse_span, parse_timeout
from .errors import ConfigurationError

PREFIX = "JOBDECK_"
DEFAULT_QUEUE = "default"
_PASSWORD = re.compile(r"(://[^:@?]*:).*(?=@)|([?&](?:\w*password)=)[^&]*")


class Setting(NamedTuple):
    """How one setting is read, what it is when nobody says so, and what it is for."""

    parse: Callable[[Any], Any]
    default: Any
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting with its parsed value; `sources` says for each where it came from."""

    home: Path
    database_url: str
    job_types: tuple[str, ...]
    queues: Mapping[str, str]
    engines: Mapping[str, Route]
    celery: str | None
    redis_url: str
    isolation: Isolation
    ring_patience_s: float
    processes: int
    lease_s: float
    stop_grace_s: float
    timeout_s: float | None
    time_zone: str
    log_level: str
    durability: str
    retention: tuple[retention.Rule, ...] | None
    pages_prefix: str
    api_prefix: str
    base_url: str | None
    sources: Mapping[str, str]

    @property
    def default_queue(self) -> str:
        """The queue of whoever names none: the first configured one."""
        return next(iter(self.queues))

    @property
    def files_folder(self) -> Path:
        """Where the files that runs make are kept."""
        return self.home / "files"

    @property
    def token_path(self) -> Path:
        """Where the first administrator's API token is written."""
        return self.home / "token"

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a file of SQLite."""
        return self.database_url.startswith("sqlite")

    def engine_of(self, queue: str) -> str:
        """The name of the engine that carries the runs of a queue."""
        route = self.engines.get(queue)
        return DATABASE if route is None else route.engine

    def as_data(self) -> dict[str, Any]:
        """Everything as JSON values, for a process that did not read the settings itself (`Settings.of_data`).

        Job types stay behind: only whoever has the application can name them.
        """
        data = {field.name: getattr(self, field.name) for field in fields(self)}
        return data | {
            "home": str(self.home),
            "queues": dict(self.queues),
            "engines": {name: str(route) for name, route in self.engines.items()},
            "sources": dict(self.sources),
            "job_types": [],
            "retention": self.retention and [str(rule) for rule in self.retention],
        }

    @classmethod
    def of_data(cls, data: Mapping[str, Any]) -> Settings:
        """The settings that `as_data` gave."""
        parsed = {
            "home": Path(data["home"]),
            "job_types": (),
            "engines": routes.engines(data["engines"]),
            "isolation": Isolation(data["isolation"]),
            "retention": retention.parse(data["retention"]),
        }
        return cls(**{**data, **parsed})

    def shown(self) -> list[tuple[str, str, str]]:
        """(name, value, source) of every setting, with the password of the database URL hidden."""
        rows = []
        for field in fields(self):
            if field.name != "sources":
                value = getattr(self, field.name)
                name = PREFIX + field.name.upper().removesuffix("_S")
                rows.append((name, _show_field(field.name, value), self.sources[field.name]))
        return rows


def resolve(
    arguments: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Settings from arguments, else a host's config, else the environment; ConfigurationError names a bad one."""
    given = dict(arguments or {})
    unknown = sorted(given.keys() - _SETTINGS.keys())
    if unknown:
        known = ", ".join(_SETTINGS)
        raise ConfigurationError(f"There is no setting {unknown[0]!r}; the settings are {known}.")
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for name, setting in _SETTINGS.items():
        raw, source = _find(name, given, config or {}, os.environ if environ is None else environ)
        sources[_field(name)] = source
        try:
            values[_field(name)] = setting.parse(setting.default if source == "default" else raw)
        except (ValueError, TypeError) as error:
            raise ConfigurationError(f"{PREFIX}{name.upper()} (from {source}): {error}") from None
    if not values["database_url"]:
        values["database_url"] = f"sqlite:///{values['home'] / 'jobdeck.db'}"
    told, values["queues"] = values["queues"], {name: queue.title for name, queue in values["queues"].items()}
    values["engines"] = routes.of_queues(values["engines"], told)
    if values["engines"] and sources["engines"] == "default":
        sources["engines"] = sources["queues"]
    return Settings(sources=sources, **values)


def described() -> list[tuple[str, str, str]]:
    """(name, default, what it is for) of every setting, for the reference."""
    return [(PREFIX + name.upper(), _show(setting.default), setting.about) for name, setting in _SETTINGS.items()]


def _find(
    name: str, arguments: Mapping[str, Any], config: Mapping[str, Any], environ: Mapping[str, str]
) -> tuple[Any, str]:
    key = PREFIX + name.upper()
    if arguments.get(name) is not None:
        return arguments[name], "argument"
    if config.get(key) is not None:
        return config[key], "app.config"
    if environ.get(key):
        return environ[key], "environment"
    return None, "default"


def _field(name: str) -> str:
    return f"{name}_s" if name in ("lease", "stop_grace", "timeout", "ring_patience") else name


def _reference(value: Any) -> str | None:
    text = str(value or "")
    if text and not all(part.isidentifier() for part in text.replace(":", ".").split(".")):
        raise ValueError(f"{text!r} is no MODULE:NAME")
    return text or None


def _redis_url(value: Any) -> str:
    url = str(value)
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("use redis://HOST:PORT/NUMBER, rediss:// or unix://")
    return url


def _integer(low: int, high: int) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        number = int(value)
        if not low <= number <= high:
            raise ValueError(f"{number} is out of range; give {low} to {high}")
        return number

    return parse


def _seconds(low: float, high: float) -> Callable[[Any], float]:
    def parse(value: Any) -> float:
        seconds = parse_span(value).total_seconds()
        if not low <= seconds <= high:
            raise ValueError(f"{value!r} is out of range; give {low:g} to {high:g} seconds")
        return seconds

    return parse


def _one_of(*choices: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        for choice in choices:
            if str(value).lower() == choice.lower():
                return choice
        raise ValueError(f"{value!r} is not one of {', '.join(choices)}")

    return parse


def _time_zone(value: Any) -> str:
    zones.zone(str(value))
    return str(value)


def _url_prefix(value: Any) -> str:
    path = "/" + str(value).strip("/")
    if path == "/":
        raise ValueError("a prefix needs at least one path segment, such as '/administration'")
    return path


def _base_url(value: Any) -> str | None:
    if not value:
        return None
    parts = urlsplit(str(value))
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError(f"{value!r} is no base URL; write one such as 'https://repository.example'")
    return str(value).rstrip("/")


def _database_url(value: Any) -> str:
    url = str(value)
    if url.startswith(("postgresql://", "postgres://")):
        url = "postgresql+psycopg://" + url.partition("://")[2]
    if url and not url.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise ValueError("use sqlite:///FILE or postgresql://USER@HOST/DATABASE")
    if url in ("sqlite:///", "sqlite:///:memory:"):
        raise ValueError("an in-memory database cannot be shared between processes; name a file")
    return url


_SETTINGS: dict[str, Setting] = {
    "home": Setting(
        lambda value: Path(value).expanduser().absolute(),
        "instance/jobdeck",
        "Folder of the SQLite database, the files of runs, and the first access token.",
    ),
    "database_url": Setting(
        _database_url,
        "",
        "`sqlite:///FILE` or `postgresql://USER@HOST/DATABASE`; empty: `jobdeck.db` in the home folder.",
    ),
    "job_types": Setting(
        routes.names, (), "Dotted names of modules or job types, separated by commas, beside entry points."
    ),
    "queues": Setting(
        routes.queues,
        DEFAULT_QUEUE,
        "Names, or `name=Title` pairs, separated by commas; the first is the default. In Python also such as"
        ' `{"exports": {"title": "Exports", "engine": "celery"}}`; what `JOBDECK_ENGINES` says goes before that.',
    ),
    "engines": Setting(
        routes.engines,
        {},
        "Which engine carries the runs of a queue to workers: `QUEUE=ENGINE` or `QUEUE=ENGINE:QUEUE-THERE` pairs separated by"
        " commas, and one engine for every other queue; `database`, `celery`, `rq` or `inline`. None: `database`.",
    ),
    "celery": Setting(_reference, None, "`MODULE:NAME` of the Celery application, for queues on `celery`."),
    "redis_url": Setting(_redis_url, "redis://localhost:6379/0", "The Redis of RQ, for queues on `rq`."),
    "isolation": Setting(
        lambda value: Isolation(_one_of(*Isolation)(value)),
        Isolation.PROCESS,
        "Where workers of Celery and RQ execute runs: `process`, in child processes that a stop and a timeout really end, or"
        " `none`, in their own process: faster, and runs end only where they look for it.",
    ),
    "ring_patience": Setting(
        _seconds(0.5, 3600),
        "60s",
        "After how long a message to an engine counts as lost, when its run is still queued; twice as long each time.",
    ),
    "processes": Setting(_integer(1, 256), 2, "How many runs a worker executes at once."),
    "lease": Setting(
        _seconds(1, 3600), "30s", "How long a worker may be silent; it says that it lives three times as often."
    ),
    "stop_grace": Setting(_seconds(0, 3600), "10s", "How long running work may take to end when it is stopped."),
    "timeout": Setting(
        parse_timeout, None, "How long a run may take when neither run, job nor type says so; -1: for ever."
    ),
    "time_zone": Setting(_time_zone, "UTC", "The time zone of schedules that name none, such as `Europe/Berlin`."),
    "log_level": Setting(_one_of(*LEVELS), "DEBUG", "The least severe level that is kept in the logs of runs."),
    "durability": Setting(
        _one_of("normal", "full"),
        "normal",
        "On SQLite: `normal` survives the crash of a process, `full` also power loss.",
    ),
    "retention": Setting(
        retention.parse,
        None,
        "Which finished runs are kept, rules separated by commas: an age (`90d`, `36h`) or how many of each type, after"
        " `TYPE/`, `STATUS=` or both, such as `90d, FAILED=365d, harvest/SUCCESS=1000`; none: all, for ever.",
    ),
    "pages_prefix": Setting(_url_prefix, "/administration", "Where the pages are mounted."),
    "api_prefix": Setting(_url_prefix, "/api", "Where the REST API is mounted."),
    "base_url": Setting(
        _base_url, None, "The address that people use, such as `https://repository.example`, for links and cookies."
    ),
}


def _show_field(name: str, value: Any) -> str:
    if name.endswith("_url") and value:
        return without_password(value)
    if name.endswith("_s") and value is not None:
        return "-1" if value < 0 else f"{value:.12g}s"
    return _show(value)


def _show(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={title}" for name, title in value.items())
    if isinstance(value, tuple):
        return ", ".join(str(getattr(item, "__name__", item)) for item in value)
    return "none" if value is None else str(value)


def without_password(url: str) -> str:
    """An address as it may be shown; what stands before its last `@` counts as the password, even when it is not written as it
    should be.
    """
    return _PASSWORD.sub(lambda found: f"{found[1] or found[2]}…", url)
