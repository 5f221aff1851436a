"""Values and rules: times, JSON, text, ids, lifecycle, filters."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobdeck.core import json_values
from jobdeck.core.filters import Page
from jobdeck.core.ids import RunIds, is_id
from jobdeck.core.json_values import NotJson
from jobdeck.core.lifecycle import TRANSITIONS, verdict
from jobdeck.core.log_entry import LEVELS, level_name
from jobdeck.core.outcome import OutcomeKind
from jobdeck.core.permissions import Action, decide
from jobdeck.core.principal import SYSTEM, Principal
from jobdeck.core.run import FINAL_STATUSES, Run, Status, Trigger
from jobdeck.core.text import clean, one_line
from jobdeck.core.times import from_us, iso, parse_span, parse_timeout, to_us
from jobdeck.errors import InvalidInput

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
json_texts = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


EARLIEST, LATEST = (datetime(year, 1, 1) for year in (1970, 2200))  # noqa: DTZ001  # Hypothesis adds the zone


@given(st.datetimes(EARLIEST, LATEST, timezones=st.timezones()))
def test_an_instant_survives_being_stored(at: datetime) -> None:
    assert from_us(to_us(at)) == at.astimezone(UTC)
    assert datetime.fromisoformat(iso(at) or "") == at.astimezone(UTC)


def test_a_naive_datetime_is_no_instant() -> None:
    with pytest.raises(ValueError, match="offset"):
        to_us(datetime(2026, 1, 1))  # noqa: DTZ001  # on purpose


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("90s", 90), ("15m", 900), ("1h", 3600), ("2d", 172_800), ("1w", 604_800), ("500ms", 0.5), ("7", 7), (1.5, 1.5)],
)
def test_a_span_is_read_in_every_unit(written: Any, seconds: float) -> None:
    assert parse_span(written) == timedelta(seconds=seconds)


@pytest.mark.parametrize("written", ["", "soon", "-5", "1y", "1h30m", True, "∞", "1 e3"])
def test_what_is_no_span(written: Any) -> None:
    with pytest.raises(ValueError, match="span"):
        parse_span(written)


def test_timeouts() -> None:
    assert (parse_timeout(None), parse_timeout(-1), parse_timeout("-1"), parse_timeout("1h")) == (
        None,
        -1.0,
        -1.0,
        3600.0,
    )
    for wrong in (0, -2, "0s", "400d"):
        with pytest.raises(ValueError, match=r"timeout|span"):
            parse_timeout(wrong)


@given(json_texts)
def test_json_comes_back_as_it_was_but_for_what_cannot_be_stored(value: Any) -> None:
    stored = json_values.loads(json_values.dumps(value))
    assert json_values.loads(json_values.dumps(stored)) == stored
    if clean_json(value) == value:
        assert stored == value


def clean_json(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(key): clean_json(item) for key, item in value.items()}
    return [clean_json(item) for item in value] if isinstance(value, list) else value


class Colour(Enum):
    RED = "red"


@dataclass
class Point:
    x: int
    at: date


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (NOW, "2026-03-29T01:30:00+00:00"),
        (NOW.astimezone(timezone(timedelta(hours=2))), "2026-03-29T03:30:00+02:00"),
        (date(2026, 1, 2), "2026-01-02"),
        (timedelta(minutes=1), 60.0),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Decimal("1.10"), "1.10"),
        (Colour.RED, "red"),
        (Point(1, date(2026, 1, 2)), {"x": 1, "at": "2026-01-02"}),
        ((1, 2), [1, 2]),
        ({"a": {1}}, {"a": [1]}),
    ],
    ids=str,
)
def test_what_has_a_json_form(value: Any, stored: Any) -> None:
    assert json.loads(json_values.dumps(value)) == stored


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (float("nan"), ""),
        ({"a": [1, float("inf")]}, "a.1"),
        ({"a": b"x"}, "a"),
        ({1: 2}, ""),
        ({"n": 2**53 + 1}, "n"),
        (object(), ""),
        ({"at": datetime(2026, 1, 1)}, "at"),  # noqa: DTZ001  # on purpose
    ],
)
def test_what_has_none_is_named_with_its_place(value: Any, where: str) -> None:
    with pytest.raises(NotJson) as caught:
        json_values.dumps(value)
    assert caught.value.path == where


@pytest.mark.parametrize(
    "text", ['{"a":1,"a":2}', "NaN", "[1,", "", "\ufeff1", "1e400", "[" * 100_000, '{"a":Infinity}']
)
def test_json_is_read_strictly(text: str) -> None:
    with pytest.raises(NotJson):
        json_values.loads(text)


def test_limits_of_json() -> None:
    deep: Any = 1
    for _ in range(40):
        deep = [deep]
    with pytest.raises(NotJson, match="32 levels"):
        json_values.dumps(deep)
    assert json_values.dumps("x" * 98, 100)
    with pytest.raises(NotJson, match="at most 100"):
        json_values.dumps("ü" * 60, 100)


@given(st.text())
def test_cleaned_text_can_be_stored_and_stays_as_it_is(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode()
    assert "\x00" not in cleaned
    assert clean(cleaned) == cleaned
    line = one_line(text)
    assert "\n" not in line
    assert "\r" not in line


def test_long_text_is_cut_and_says_so() -> None:
    assert clean("x" * 50, 10) == "x" * 10 + "… (40 more characters)"


def test_ids_sort_by_creation_and_never_repeat() -> None:
    ids = RunIds()
    made: list[str] = []

    def make() -> None:
        made.extend([ids.make(1_700_000_000_000_000) for _ in range(2000)])

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 8000
    assert all(is_id(one) and one[14] == "7" for one in made)
    one_by_one = [ids.make(1_700_000_000_000_000 + n) for n in range(1000)]
    assert one_by_one == sorted(one_by_one)
    assert not is_id("01890000-0000-7000-8000-00000000000G")
    assert not is_id("01890000-0000-7000-8000-00000000000A".upper())


def test_nothing_leaves_a_final_status() -> None:
    assert not [pair for pair in TRANSITIONS if pair[0].is_final]
    assert {new for old, new in TRANSITIONS if old is Status.RUNNING} == {Status.QUEUED, *FINAL_STATUSES}
    assert {new for old, new in TRANSITIONS if old is Status.QUEUED} == {
        Status.RUNNING,
        Status.CANCELLED,
        Status.FAILED,
    }


@pytest.mark.parametrize("kind", list(OutcomeKind))
def test_every_outcome_has_a_verdict_that_is_a_transition(kind: OutcomeKind) -> None:
    for asked in (False, True):
        status, reason = verdict(kind, stop_requested=asked)
        assert (Status.RUNNING, status) in TRANSITIONS
        assert (reason is not None) == (status in (Status.FAILED, Status.CANCELLED))
        if asked:
            assert status is not Status.FAILED, "what fails after a stop request was stopped"


def run(**changes: Any) -> Run:
    made = Run(
        id="r", tenant="default", job_id=None, type="t", function=None, title=None, arguments={}, queue="default",
        trigger=Trigger.API, started_by=None, status=Status.QUEUED, reason=None, message=None, result=None, attempt=0,
        max_attempts=1, timeout_s=None, available_at=NOW, created_at=NOW, started_at=None, ended_at=None,
        stop_requested_at=None, stop_requested_by=None, stop_reason=None, progress=None,
    )  # fmt: skip
    return replace(made, **changes)


def test_shown_statuses_are_derived() -> None:
    assert run().shown_status(NOW) == "QUEUED"
    assert run(available_at=NOW + timedelta(seconds=1)).shown_status(NOW) == "WAITING"
    assert run(status=Status.RUNNING).shown_status(NOW) == "RUNNING"
    assert run(status=Status.RUNNING, stop_requested_at=NOW).shown_status(NOW) == "CANCELLING"
    for status in FINAL_STATUSES:
        assert run(status=status, stop_requested_at=NOW).shown_status(NOW) == status
        assert run(status=status).is_final


def test_every_number_has_the_name_of_a_level() -> None:
    assert [level_name(n) for n in (0, 5, 10, 25, 30, 35, 50, 99)] == [
        "DEBUG", "DEBUG", "DEBUG", "INFO", "WARNING", "WARNING", "CRITICAL", "CRITICAL",
    ]  # fmt: skip
    assert list(LEVELS) == ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


@pytest.mark.parametrize(("given_page", "fields"), [({"number": 0}, ["page"]), ({"size": 0}, ["size"]), ({"size": 101}, ["size"]),
                                                    ({"number": 10_000}, ["page"]), ({"number": -1, "size": 999}, ["page", "size"])])  # fmt: skip
def test_pages_have_bounds(given_page: dict[str, Any], fields: list[str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        Page(**given_page)
    assert [error.field for error in caught.value.errors] == fields


@pytest.mark.parametrize("action", list(Action))
def test_only_administrators_may_do_anything(action: Action) -> None:
    assert decide(SYSTEM, action).allowed
    refused = decide(Principal(id="eve", name="Eve", roles=frozenset({"viewer"})), action)
    assert not refused.allowed
    assert str(action) in refused.reason
