"""Servers for the session, and the fixtures that give a test each database in turn."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import settings as hypothesis_settings
from xdist.scheduler import LoadScopeScheduling

from jobdeck import Deck
from jobdeck.core import ids

from .servers import PostgreSQL, RabbitMQ, Redis

# The same examples every time, so that a failure is the change's; JOBDECK_TEST_LONG=1 looks for new ones.
LONG = bool(os.environ.get("JOBDECK_TEST_LONG"))
hypothesis_settings.register_profile("default", deadline=None, max_examples=60, derandomize=not LONG)
hypothesis_settings.load_profile("default")


class ByPlace(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Tests of one file stay in one process, and all browser tests, which share their site; those of the conformance suite by
    their class, which has a stack of its own.
    """

    def _split_scope(self, nodeid: str) -> str:
        path, _, rest = nodeid.partition("::")
        if path == "tests/engines/test_conformance.py":
            return f"{path}::{rest.partition('::')[0]}"
        return "browser" if path.startswith("tests/browser/") else path


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Said by a scheduler of our own, as marks of groups have no effect with every version of pytest."""
    return ByPlace(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes long and is tried in a shorter way elsewhere waits for JOBDECK_TEST_LONG."""
    if not LONG:
        left_out = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def until(
    condition: Callable[[], Any], seconds: float = 20.0, every: float = 0.01, *, said: Callable[[], str] = str
) -> Any:
    """What `condition` gives as soon as that is true; fails when it never is, with what was `said` by then."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:g} seconds. {said()}"
        time.sleep(every)
    return found


@pytest.fixture(scope="session", name="until")
def until_fixture() -> Callable[..., Any]:
    """Waits for a condition."""
    return until


@pytest.fixture(autouse=True)
def _ids_of_today() -> Iterator[None]:
    """Ids never go back within a process: what a test with a clock of next year has made must not reach the others."""
    yield
    ids._ids._last = 0


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The address of a server of our own, without a database name."""
    with PostgreSQL() as server:
        yield server.address


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    """Redis without persistence, which every test leaves running."""
    with Redis() as server:
        yield server


@pytest.fixture(scope="session")
def rabbitmq_server() -> Iterator[RabbitMQ]:
    """RabbitMQ with its default user, which every test leaves running."""
    with RabbitMQ() as server:
        yield server


@pytest.fixture(scope="session")
def with_tables(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Puts an SQLite database with tables into a home folder, a copy of one that was made once; gives its path."""
    model = tmp_path_factory.mktemp("model")
    with closing(Deck(home=model)) as deck:
        deck.upgrade_database()

    def copied(home: Path) -> Path:
        home.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(model / "jobdeck.db", home / "jobdeck.db"))

    return copied


@pytest.fixture(scope="session")
def create_database(postgresql: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Makes a database on the server, with tables unless it is to be empty; gives its address."""

    def create(model: str | None) -> str:
        name = f"test_{uuid.uuid4().hex}"
        with psycopg.connect(f"{postgresql}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} {f'TEMPLATE {model}' if model else ''}".encode())
        return f"{postgresql}/{name}"

    model = create(None)
    with closing(Deck(home=tmp_path_factory.mktemp("model"), database_url=model)) as deck:
        deck.upgrade_database()
    return lambda *, empty=False: create(None if empty else model.rpartition("/")[2])


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database with tables, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{request.getfixturevalue('with_tables')(tmp_path)}"
    else:
        yield from _on_server(request, empty=False)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The same without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'jobdeck.db'}"
    else:
        yield from _on_server(request, empty=True)


def _on_server(request: pytest.FixtureRequest, *, empty: bool) -> Iterator[str]:
    address = request.getfixturevalue("create_database")(empty=empty)
    yield address
    server, _, name = address.rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
