"""Settings: where they come from, and what a wrong one is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobdeck.config import Settings, described, resolve
from jobdeck.errors import ConfigurationError


def test_arguments_come_before_the_host_and_the_environment() -> None:
    config, environ = (
        {"JOBDECK_PROCESSES": 3, "JOBDECK_LEASE": 9},
        {"JOBDECK_PROCESSES": "2", "JOBDECK_LOG_LEVEL": "info"},
    )
    found = resolve({"processes": 4}, config, environ)
    assert (found.processes, found.lease_s, found.log_level) == (4, 9.0, "INFO")
    assert {found.sources[name] for name in ("processes", "lease_s", "log_level", "home")} == {
        "argument", "app.config", "environment", "default",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PROCESSES", "0"), ("PROCESSES", "many"), ("LEASE", "0.5s"), ("LEASE", "soon"), ("STOP_GRACE", "-1"),
        ("TIMEOUT", "0"), ("LOG_LEVEL", "LOUD"), ("DURABILITY", "some"), ("DATABASE_URL", "mysql://x"),
        ("DATABASE_URL", "sqlite:///:memory:"), ("PAGES_PREFIX", "/"), ("BASE_URL", "repository.example"),
        ("QUEUES", "a b"), ("QUEUES", ","),
    ],
)  # fmt: skip
def test_a_wrong_value_names_its_setting(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"JOBDECK_{name}"):
        resolve(None, None, {f"JOBDECK_{name}": value})


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="procesess"):
        resolve({"procesess": 3}, None, {})


@pytest.mark.parametrize(
    ("given", "queues"),
    [
        ("default", {"default": "Default"}),
        ("slow_ones=Slow ones,fast", {"slow_ones": "Slow ones", "fast": "Fast"}),
        ({"default": "", "low": {"title": "Low"}}, {"default": "Default", "low": "Low"}),
        (["a", "b-c"], {"a": "A", "b-c": "B c"}),
    ],
)
def test_queues_can_be_written_in_several_ways(given: Any, queues: dict[str, str]) -> None:
    found = resolve({"queues": given}, None, {})
    assert dict(found.queues) == queues
    assert found.default_queue == next(iter(queues))


def test_passwords_are_not_shown(tmp_path: Path) -> None:
    found = resolve({"database_url": "postgresql://ada:secret@db.example/x", "home": tmp_path}, None, {})
    shown = {name: value for name, value, _ in found.shown()}
    assert "secret" not in str(shown)
    assert "ada" in shown["JOBDECK_DATABASE_URL"]
    assert set(shown) == {name for name, _, _ in described()}


def test_settings_travel_as_data(tmp_path: Path) -> None:
    found = resolve(
        {"home": tmp_path, "queues": "a,b", "timeout": "1h", "base_url": "https://repository.example"}, None, {}
    )
    assert Settings.of_data(found.as_data()) == found
