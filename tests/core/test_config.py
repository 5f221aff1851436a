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
        ("QUEUES", "a b"), ("QUEUES", ","), ("ENGINES", "default="), ("ENGINES", "celery:theirs"),
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
        ({"default": "", "low": {"title": "Low ones"}}, {"default": "Default", "low": "Low ones"}),
        ({"big_ones": {"engine": "rq"}}, {"big_ones": "Big ones"}),
        (["a", "b-c"], {"a": "A", "b-c": "B c"}),
    ],
)
def test_queues_can_be_written_in_several_ways(given: Any, queues: dict[str, str]) -> None:
    found = resolve({"queues": given}, None, {})
    assert dict(found.queues) == queues
    assert found.default_queue == next(iter(queues))


def routes(queues: Any, **environ: str) -> dict[str, str]:
    found = resolve({"queues": queues}, None, {f"JOBDECK_{name}": value for name, value in environ.items()})
    return {name: str(route) for name, route in found.engines.items()}


def test_a_queue_names_its_engine_and_the_deployment_another() -> None:
    queues = {"default": "", "big": {"title": "Big", "engine": "celery:theirs"}, "low": {"engine": "rq"}}
    assert routes(queues) == {"big": "celery:theirs", "low": "rq:low"}
    assert routes(queues, ENGINES="low=celery") == {"big": "celery:theirs", "low": "celery:low"}
    assert routes(queues, ENGINES="low=rq:slow,database") == {"low": "rq:slow"}
    assert resolve({"queues": queues}, None, {}).sources["engines"] == "argument"
    with pytest.raises(ConfigurationError, match="'a b' is no engine"):
        resolve({"queues": {"default": {"engine": "a b"}}}, None, {})


def test_what_a_queue_does_not_know_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"QUEUES .*'titel' .* the queue 'low'; the keys are title and engine"):
        resolve({"queues": {"low": {"titel": "Low"}}}, None, {})


@pytest.mark.parametrize(
    ("engines", "what"),
    [("celery,rq", "for every other queue, and only one"), ("low=celery,low=rq", "for the queue 'low', and only one")],
)
def test_two_engines_for_the_same_are_refused(engines: str, what: str) -> None:
    with pytest.raises(ConfigurationError, match=f"'celery' and 'rq': name one engine {what}"):
        routes("default,low", ENGINES=engines)


def test_one_engine_is_for_every_other_queue() -> None:
    assert routes("a,b,c", ENGINES="a=celery,rq") == {"a": "celery:a", "b": "rq:b", "c": "rq:c"}


def test_spans_are_shown_with_their_unit() -> None:
    found = resolve({"lease": "1.5m", "timeout": -1}, None, {})
    shown = {name: value for name, value, _ in found.shown()}
    assert [shown[f"JOBDECK_{name}"] for name in ("LEASE", "STOP_GRACE", "TIMEOUT")] == ["90s", "10s", "-1"]
    defaults = {name: default for name, default, _ in described()}
    assert [defaults[f"JOBDECK_{name}"] for name in ("LEASE", "STOP_GRACE", "RING_PATIENCE")] == ["30s", "10s", "60s"]


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
