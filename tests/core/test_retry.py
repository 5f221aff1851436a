"""Retry policies: their delays, what they cover, and what cannot be one."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobdeck.core.retry import ATTEMPTS_LIMIT, RetryPolicy, check_delay, delay_s, policy_of

DAYS_30 = 30 * 86400.0
spans = st.floats(0, DAYS_30, allow_nan=False) | st.integers(0, 86400) | st.timedeltas(timedelta(0), timedelta(days=30))
backoffs = st.just("exponential") | spans | st.lists(spans, min_size=1, max_size=6)
policies = st.builds(
    RetryPolicy,
    st.integers(1, ATTEMPTS_LIMIT),
    backoff=backoffs,
    jitter=st.floats(0, 10),
    first=spans,
    longest=spans,
)


def seconds(span: Any) -> float:
    """To the microsecond, as spans are kept."""
    return (span if isinstance(span, timedelta) else timedelta(seconds=span)).total_seconds()


@given(policies, st.integers(1, ATTEMPTS_LIMIT), st.floats(0, 1))
def test_every_attempt_has_a_delay_within_its_jitter(policy: RetryPolicy, attempt: int, random: float) -> None:
    data = policy.as_data()
    base = delay_s(data, attempt, 0.0)
    delay = delay_s(data, attempt, random)
    assert 0 <= base <= DAYS_30
    assert base <= delay <= base * (1 + policy.jitter) * (1 + 1e-9)
    assert base in policy.delays()


@given(st.integers(2, ATTEMPTS_LIMIT), spans, spans)
def test_exponential_delays_double_up_to_the_longest(attempts: int, first: Any, longest: Any) -> None:
    policy = RetryPolicy(attempts, first=first, longest=longest, jitter=0)
    data = policy.as_data()
    found = [delay_s(data, attempt, 1.0) for attempt in range(1, attempts)]
    wanted = min(seconds(first), seconds(longest))
    for delay in found[:60]:
        assert delay == pytest.approx(wanted, rel=1e-6, abs=1e-5)
        wanted = min(wanted * 2, seconds(longest))
    assert len(set(found[60:])) <= 1
    assert len(data) < 2000


@given(st.lists(spans, min_size=1, max_size=6), st.integers(1, ATTEMPTS_LIMIT))
def test_listed_delays_are_taken_in_turn_and_the_last_repeats(listed: list[Any], attempt: int) -> None:
    data = RetryPolicy(2, backoff=listed, jitter=0).as_data()
    wanted = seconds(listed[min(attempt, len(listed)) - 1])
    assert delay_s(data, attempt, 0.5) == pytest.approx(wanted, abs=1e-5)


@given(policies, st.integers(1, ATTEMPTS_LIMIT))
def test_another_number_of_attempts_changes_nothing_else(policy: RetryPolicy, attempts: int) -> None:
    other = policy.with_attempts(attempts)
    assert other.max_attempts == attempts
    assert (other.backoff, other.jitter, other.first, other.longest) == (
        policy.backoff, policy.jitter, policy.first, policy.longest,
    )  # fmt: skip
    assert json.loads(other.as_data())["delays"][0] == policy.delays()[0]


def test_texts_are_spans() -> None:
    assert RetryPolicy(2, backoff="90s").delays() == [90.0]
    assert RetryPolicy(2, backoff=("15m", "1h", "2d")).delays() == [900.0, 3600.0, 172800.0]
    assert RetryPolicy(2, backoff=timedelta(minutes=1)).delays() == [60.0]
    assert RetryPolicy(7).delays() == [15.0, 30.0, 60.0, 120.0, 240.0, 480.0]


def test_without_a_policy_the_next_attempt_begins_at_once() -> None:
    assert delay_s(None, 3, 0.5) == 0.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_attempts": 0}, {"max_attempts": -1}, {"max_attempts": ATTEMPTS_LIMIT + 1}, {"max_attempts": True},
        {"max_attempts": "3"}, {"max_attempts": 2.0}, {"max_attempts": None},
        {"jitter": -0.1}, {"jitter": 10.1}, {"jitter": "much"}, {"jitter": True}, {"jitter": float("nan")},
        {"backoff": []}, {"backoff": ""}, {"backoff": "soon"}, {"backoff": -1}, {"backoff": "31d"}, {"backoff": None},
        {"backoff": True}, {"backoff": [1, "x"]}, {"backoff": [1, [2]]}, {"backoff": float("inf")},
        {"backoff": float("nan")}, {"first": "x"}, {"longest": -1}, {"first": "31d"}, {"longest": "31d"},
        {"only_on": 3}, {"never_on": [int]}, {"only_on": (ValueError, None)},
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_a_policy_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"write|out of range|name at least one|span|NaN"):
        RetryPolicy(**wrong)


@pytest.mark.parametrize("wrong", [True, 0, "3", 2.5, [], ATTEMPTS_LIMIT + 1], ids=repr)
def test_what_cannot_be_retry_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"write|out of range|name at least one|span|NaN"):
        policy_of(wrong)


def test_retry_is_nothing_a_number_or_a_policy() -> None:
    policy = RetryPolicy(4)
    assert policy_of(None) is None
    assert policy_of(policy) is policy
    assert policy_of(5) == RetryPolicy(5)


@pytest.mark.parametrize("wrong", [-1, "later", "31d", True, [1], float("nan"), float("inf")], ids=repr)
def test_a_task_cannot_ask_for_any_delay(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"write|out of range|name at least one|span|NaN"):
        check_delay(wrong)


def test_a_task_may_ask_for_a_span_or_leave_it() -> None:
    assert check_delay(None) is None
    assert check_delay("2m") == 120.0
    assert check_delay(0) == 0.0


class Refused(ConnectionError):
    """An exception of a host's own."""


@pytest.mark.parametrize(
    ("told", "covered"),
    [
        ({}, True),
        ({"only_on": ConnectionError}, True),
        ({"only_on": [OSError, ValueError]}, True),
        ({"only_on": ValueError}, False),
        ({"only_on": "builtins.ConnectionError"}, True),
        ({"only_on": "ConnectionError"}, True),
        ({"only_on": f"{__name__}.Refused"}, True),
        ({"only_on": "Refused"}, False),
        ({"only_on": "requests.exceptions.Timeout"}, False),
        ({"never_on": Refused}, False),
        ({"never_on": "builtins.OSError"}, False),
        ({"never_on": KeyError}, True),
        ({"only_on": OSError, "never_on": Refused}, False),
        ({"only_on": OSError, "never_on": TimeoutError}, True),
    ],
)
def test_which_exceptions_are_tried_again(told: dict[str, Any], covered: bool) -> None:
    assert RetryPolicy(**told).covers(Refused("no")) is covered


@given(policies)
def test_what_a_run_keeps_of_a_policy_is_enough(policy: RetryPolicy) -> None:
    kept = json.loads(policy.as_data())
    assert kept == {"delays": policy.delays(), "jitter": policy.jitter}
