"""The hall: one configured jobdeck, and the object that users hold.

A `Deck` is cheap to make and opens nothing: settings are read at `init_app` or first use, the database is
connected by the first service call.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .config import Settings, resolve
from .contracts import Authenticator, Clock, Engine
from .core.principal import SYSTEM, Principal
from .core.run import Run
from .definitions.discovery import discover, engine
from .definitions.registry import Registry
from .services.accounts import Accounts
from .services.audit import Audit
from .services.authority import Authority
from .services.jobs import Jobs
from .services.logs import Logs
from .services.office import Office, SystemClock
from .services.overdue import Overdues
from .services.previews import Previews
from .services.queues import Queues
from .services.retention import Retention
from .services.runs import Runs
from .services.schedules import Schedules
from .services.types import Types
from .services.workers import Workers
from .store.database import Database, make_folder
from .store.doorbell import Bell

if TYPE_CHECKING:
    from flask import Flask

StartHook = Callable[["Deck"], object]


class Desk:
    """The services as one principal has them."""

    def __init__(self, office: Office, principal: Principal) -> None:
        self.principal = principal
        self.jobs = Jobs(office, principal)
        self.schedules = Schedules(office, principal)
        self.previews = Previews(office, principal)
        self.overdue = Overdues(office, principal)
        self.runs = Runs(office, principal)
        self.types = Types(office, principal)
        self.logs = Logs(office, principal)
        self.workers = Workers(office, principal)
        self.queues = Queues(office, principal)
        self.audit = Audit(office, principal)
        self.retention = Retention(office, principal)


class Deck:
    """One jobdeck: its settings, job types, database and services.

    Settings come from keyword arguments here (`processes=4`), else from `app.config["JOBDECK_PROCESSES"]`, else from the
    environment. `job_types` takes dotted names of modules or job types, modules, decorated functions and classes.
    Services called on the deck itself act as the system; `acting_as` gives them to somebody else.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        job_types: Iterable[object] = (),
        clock: Clock | None = None,
        **settings: Any,
    ) -> None:
        self.app: Flask | None = None
        self.authenticator: Authenticator | None = None
        self._job_types = tuple(job_types)
        self._arguments: Mapping[str, Any] = settings
        self._clock = clock or SystemClock()
        self._first_start: list[StartHook] = []
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask, *, authenticator: Authenticator | None = None) -> None:
        """Mount pages and API on a Flask application; runs get its context from now on."""
        self.app = app
        self.authenticator = authenticator
        app.extensions["jobdeck"] = self
        # Named as a text, because the web floor stands above this one.
        importlib.import_module("jobdeck.web").mount(app, self, authenticator)

    @cached_property
    def settings(self) -> Settings:
        """The settings, read on first use."""
        return resolve(self._arguments, self.app.config if self.app is not None else None)

    @cached_property
    def registry(self) -> Registry:
        """Every job type: given to the deck, named in the settings, and found by entry point."""
        return discover([*self._job_types, *self.settings.job_types])

    @cached_property
    def database(self) -> Database:
        """The database; connected on first use."""
        return Database(self.settings)

    @cached_property
    def office(self) -> Office:
        """What the services work with."""
        return Office(
            settings=self.settings,
            database=self.database,
            registry=self.registry,
            clock=self._clock,
            bell=Bell(self.database),
            engines=lambda: self.engines,
        )

    @cached_property
    def engines(self) -> Mapping[str, Engine]:
        """The engines that the settings name, by name, without the database; each connects on first use."""
        named = dict.fromkeys(route.engine for route in self.settings.engines.values())
        return {name: engine(name)(self) for name in named}

    @cached_property
    def accounts(self) -> Accounts:
        """API tokens and sessions."""
        return Accounts(self.office)

    @property
    def authority(self) -> Authority:
        """Tells whether the principals of schedules may still do what is done in their names."""
        return Authority(self.office, self.authenticator, self.context)

    @cached_property
    def _system(self) -> Desk:
        return Desk(self.office, SYSTEM)

    @property
    def jobs(self) -> Jobs:
        """Saved jobs."""
        return self._system.jobs

    @property
    def schedules(self) -> Schedules:
        """When jobs recur."""
        return self._system.schedules

    @property
    def previews(self) -> Previews:
        """What schedules will do."""
        return self._system.previews

    @property
    def overdue(self) -> Overdues:
        """What should have happened by now."""
        return self._system.overdue

    @property
    def runs(self) -> Runs:
        """Runs."""
        return self._system.runs

    @property
    def types(self) -> Types:
        """Job types."""
        return self._system.types

    @property
    def logs(self) -> Logs:
        """Logs over several runs."""
        return self._system.logs

    @property
    def workers(self) -> Workers:
        """Workers."""
        return self._system.workers

    @property
    def queues(self) -> Queues:
        """Queues."""
        return self._system.queues

    @property
    def audit(self) -> Audit:
        """The audit trail."""
        return self._system.audit

    @property
    def retention(self) -> Retention:
        """Deleting old finished runs."""
        return self._system.retention

    def acting_as(self, principal: Principal) -> Desk:
        """The services for `principal`: what it may not do raises NotAllowed and is audited."""
        return Desk(self.office, principal)

    def register(self, *job_types: object) -> None:
        """Add job types, as the constructor's `job_types` does."""
        self.registry.register(*job_types)

    def enqueue(
        self,
        function: Callable[..., Any] | str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Run:
        """Queue a run of any importable function: `deck.enqueue(send_report, ["a@b.example"], title="Report")`.

        `options` are those of `runs.enqueue`: title, queue, timeout, priority, retry, start_in, connection and so on.
        """
        return self.runs.enqueue(function, args, kwargs, **options)

    def on_first_start(self, hook: StartHook) -> StartHook:
        """Have `hook(deck)` called once, when this deck's database has just been made."""
        self._first_start.append(hook)
        return hook

    def context(self) -> AbstractContextManager[Any]:
        """The Flask application context that runs are executed in; nothing without an application."""
        return self.app.app_context() if self.app is not None else nullcontext()

    def after_fork(self) -> None:
        """Let go of connections that a parent process opened; for a child that was forked from it."""
        if "database" in self.__dict__:
            self.database.forget()
        self._let_go_of_engines()

    def upgrade_database(self) -> bool:
        """Bring the tables up to date; True when they were newly made (and the first-start hooks have run)."""
        make_folder(self.settings.home)
        # Alembic is wanted by this one call only, and takes as long to import as the rest together.
        upgrade = importlib.import_module("jobdeck.store.upgrade").upgrade
        made: bool = upgrade(self.database)
        if made:
            with self.context():
                for hook in self._first_start:
                    hook(self)
        return made

    def check_schema(self) -> None:
        """SchemaOutdated unless the tables are of this version."""
        self.database.check_schema()

    def close(self) -> None:
        """Close all connections; the deck can be used again afterwards."""
        # First, as one that executes has the end of its worker to write.
        self._let_go_of_engines()
        if "database" in self.__dict__:
            self.database.close()

    def _let_go_of_engines(self) -> None:
        for one in self.__dict__.get("engines", {}).values():
            one.close()
