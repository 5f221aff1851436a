"""One Redis and one RabbitMQ for the session, which every test leaves running."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .servers import RabbitMQ, Redis, Server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    """Redis without persistence."""
    with Redis() as server:
        yield server


@pytest.fixture(scope="session")
def rabbitmq_server() -> Iterator[RabbitMQ]:
    """RabbitMQ with its default user."""
    with RabbitMQ() as server:
        yield server


@pytest.fixture(scope="session", params=["redis", "rabbitmq"])
def broker(request: pytest.FixtureRequest) -> Server:
    """Each broker of Celery in turn."""
    found: Server = request.getfixturevalue(f"{request.param}_server")
    return found
