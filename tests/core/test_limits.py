"""Limits: what they count together, and what cannot be one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobdeck.core.limits import KEY_LIMIT, LIMIT_LIMIT, WhenFull, check_limit, check_policy, check_scope, limit_key

values = st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3) | st.lists(st.integers(0, 2), max_size=2)
argument_sets = st.dictionaries(st.sampled_from(["a", "b", "c"]), values)


def key(scope: tuple[str, ...], **told: Any) -> str:
    of: dict[str, Any] = {"tenant": "t", "type_id": "greet", "job_id": None, "queue": "q", "arguments": {}, **told}
    return limit_key(scope, **of)


@given(argument_sets, argument_sets)
def test_by_arguments_runs_are_counted_together_exactly_when_these_are_equal(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    scope = ("a", "b")
    same = json.dumps([one.get(name) for name in scope]) == json.dumps([other.get(name) for name in scope])
    assert (key(scope, arguments=one) == key(scope, arguments=other)) is same


@pytest.mark.parametrize("scope", [("type",), ("job",), ("queue",), ("a",)])
def test_tenants_and_types_are_never_counted_together(scope: tuple[str, ...]) -> None:
    assert key(scope) == key(scope)
    assert key(scope, tenant="other") != key(scope)
    assert key(scope, type_id="other") != key(scope)


def test_the_scopes_count_what_they_name() -> None:
    jobs = [{"job_id": "1"}, {"job_id": "2"}, {}]
    assert len({key(("type",), **told) for told in jobs}) == 1
    assert len({key(("job",), **told) for told in jobs}) == 3
    assert key(("job",)) == key(("type",))
    assert key(("job",), job_id="1", queue="x", arguments={"a": 1}) == key(("job",), job_id="1")
    assert key(("type",), queue="x", arguments={"a": 1}) == key(("type",))
    assert key(("queue",), queue="x") != key(("queue",), queue="y")
    assert key(("queue",), job_id="1", arguments={"a": 1}) == key(("queue",))


@given(st.text(max_size=600), st.text(max_size=600))
def test_a_long_key_fits_its_column_and_stays_its_own(one: str, other: str) -> None:
    keys = [key(("a",), arguments={"a": told}) for told in (one, other)]
    assert all(len(told) <= KEY_LIMIT for told in keys)
    assert (keys[0] == keys[1]) is (one == other)


def test_arguments_of_any_characters_make_a_key() -> None:
    assert len(key(("a",), arguments={"a": "\ud800" * 500})) <= KEY_LIMIT
    assert key(("a",), arguments={"a": "é" * 300}) != key(("a",), arguments={"a": "é" * 301})


@pytest.mark.parametrize("n", [None, 1, LIMIT_LIMIT])
def test_a_limit_is_none_or_a_number_up_to_the_greatest(n: int | None) -> None:
    assert check_limit(n) == n


@pytest.mark.parametrize("wrong", [0, -1, LIMIT_LIMIT + 1, True, False, 1.0, "1", [1]], ids=repr)
def test_what_cannot_be_a_limit_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="no limit"):
        check_limit(wrong)


def test_only_the_four_policies_are_taken() -> None:
    assert [check_policy(word) for word in ("wait", "skip", "reject", "replace")] == list(WhenFull)
    for wrong in ("", "Wait", None, 1, ["wait"]):
        with pytest.raises(ValueError, match="none of wait, skip, reject, replace"):
            check_policy(wrong)


def test_a_scope_is_one_name_or_several() -> None:
    assert check_scope("type") == ("type",)
    assert check_scope(["a", "b"]) == check_scope(("a", "b")) == ("a", "b")
    for wrong in ("", [], (), [""], [1], ["a", None], None, 3, {"a": 1}):
        with pytest.raises(ValueError, match="no scope"):
            check_scope(wrong)
