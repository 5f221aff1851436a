"""Every engine of ours does what the matrix in the docs says of it; `JOBDECK_WRITE_VERDICTS=1` writes what that is made from."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from jobdeck.core.capability import Capability
from jobdeck.testing.conformance import EngineConformance, Stack

from ..servers import RabbitMQ, Redis
from . import stacks

VERDICTS = Path(__file__).resolve().parents[2] / "docs" / "engines.json"
STACKS = (
    stacks.OnSQLite, stacks.OnPostgreSQL, stacks.CeleryOnRedis, stacks.CeleryOnRabbitMQ, stacks.RQ,
    stacks.CeleryInProcess, stacks.RQInProcess, stacks.Inline,
)  # fmt: skip
Factory = pytest.TempPathFactory


class Judged(EngineConformance):
    """Its verdicts are those of the docs."""

    def judge(self, stack: Stack, capability: Capability, verdict: str) -> None:
        if os.environ.get("JOBDECK_WRITE_VERDICTS"):
            _write(stack.name, capability, verdict)
        known = json.loads(VERDICTS.read_text())
        told = known.get(stack.name, {}).get(capability)
        assert told == verdict, "the docs say otherwise; run this with JOBDECK_WRITE_VERDICTS=1, then `make docs`"


def _write(name: str, capability: Capability, verdict: str) -> None:
    with open(VERDICTS, "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        known = json.load(file)
        known[name] = {**known.get(name, {}), capability: verdict}
        columns = {stack.name: known[stack.name] for stack in STACKS if stack.name in known}
        text = json.dumps({column: {row: found[row] for row in Capability if row in found}
                           for column, found in columns.items()}, indent=2)  # fmt: skip
        file.seek(0)
        file.truncate()
        file.write(f"{text}\n")


def test_the_docs_tell_of_every_stack() -> None:
    known = json.loads(VERDICTS.read_text())
    assert list(known) == [stack.name for stack in STACKS]
    assert all(list(column) == list(Capability) for column in known.values())


@pytest.fixture(scope="class")
def database(create_database: Callable[..., str]) -> str:
    """The address of an empty database of PostgreSQL."""
    return create_database(empty=True)


class TestDatabaseOnSQLite(Judged):
    @pytest.fixture(scope="class")
    @classmethod
    def stack(cls, tmp_path_factory: Factory) -> Stack:
        return stacks.OnSQLite(tmp_path_factory.mktemp("home"))


class TestDatabaseOnPostgreSQL(Judged):
    @pytest.fixture(scope="class")
    @classmethod
    def stack(cls, tmp_path_factory: Factory, database: str) -> Stack:
        return stacks.OnPostgreSQL(tmp_path_factory.mktemp("home"), database)


class TestCeleryOnRedis(Judged):
    @pytest.fixture(scope="class")
    @classmethod
    def stack(cls, tmp_path_factory: Factory, redis_server: Redis, database: str) -> Stack:
        return stacks.CeleryOnRedis(tmp_path_factory.mktemp("home"), redis_server, database)


class TestCeleryOnRabbitMQ(Judged):
    @pytest.fixture(scope="class")
    @classmethod
    def stack(cls, tmp_path_factory: Factory, rabbitmq_server: RabbitMQ) -> Stack:
        return stacks.CeleryOnRabbitMQ(tmp_path_factory.mktemp("home"), rabbitmq_server)


class TestRQ(Judged):
    @pytest.fixture(scope="class")
    @classmethod
    def stack(cls, tmp_path_factory: Factory, redis_server: Redis) -> Stack:
        return stacks.RQ(tmp_path_factory.mktemp("home"), redis_server)


@pytest.mark.long
class TestCeleryInProcess(Judged):
    @pytest.fixture(scope="class")
    @classmethod
    def stack(cls, tmp_path_factory: Factory, redis_server: Redis, database: str) -> Stack:
        return stacks.CeleryInProcess(tmp_path_factory.mktemp("home"), redis_server, database)


@pytest.mark.long
class TestRQInProcess(Judged):
    @pytest.fixture(scope="class")
    @classmethod
    def stack(cls, tmp_path_factory: Factory, redis_server: Redis) -> Stack:
        return stacks.RQInProcess(tmp_path_factory.mktemp("home"), redis_server)


class TestInline(Judged):
    @pytest.fixture(scope="class")
    @classmethod
    def stack(cls, tmp_path_factory: Factory) -> Stack:
        return stacks.Inline(tmp_path_factory.mktemp("home"))
