"""Each broker in turn."""

from __future__ import annotations

import pytest

from ..servers import Broker


@pytest.fixture(scope="session", params=["redis", "rabbitmq"])
def broker(request: pytest.FixtureRequest) -> Broker:
    """Each broker of Celery in turn."""
    found: Broker = request.getfixturevalue(f"{request.param}_server")
    return found
