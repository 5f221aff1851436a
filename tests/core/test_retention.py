"""Retention rules: how they are written, which of them fit a run, and what they say of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobdeck.config import Settings, resolve
from jobdeck.core.ids import RunIds, first_id
from jobdeck.core.retention import AGE_LIMIT_H, COUNT_LIMIT, Rule, Rules, Verdicts, parse
from jobdeck.core.run import FINAL_STATUSES, Status
from jobdeck.errors import ConfigurationError

HOUR_US = 3_600_000_000
NOW_US = 1_790_000_000_000_000

type_names = st.text("abcXYZ019_.:-", min_size=1, max_size=12)
statuses = st.sampled_from(FINAL_STATUSES)
ages = st.builds(Rule, type=st.none() | type_names, status=st.none() | statuses, age_h=st.integers(1, AGE_LIMIT_H))
counts = st.builds(Rule, type=st.none() | type_names, status=st.none() | statuses, count=st.integers(1, COUNT_LIMIT))
rule_lists = st.lists(ages | counts, min_size=1, unique_by=lambda rule: (rule.place, rule.count is None))


@given(rule_lists, st.sampled_from([",", " , ", "\n,"]), st.booleans())
def test_what_is_written_is_read_again(rules: list[Rule], comma: str, lower: bool) -> None:
    texts = [str(rule) for rule in rules]
    if lower:
        # A type's name is taken as it is; everything else may be written small.
        texts = [text if rule.type else text.lower() for text, rule in zip(texts, rules, strict=True)]
    assert parse(comma.join(texts)) == parse(texts) == parse(tuple(texts)) == tuple(rules)


@pytest.mark.parametrize(
    ("written", "rules"),
    [
        ("90d", [Rule(age_h=90 * 24)]),
        ("12w", [Rule(age_h=12 * 7 * 24)]),
        ("36h", [Rule(age_h=36)]),
        ("1000", [Rule(count=1000)]),
        (" success = 30d , Failed=365d", [Rule(status=Status.SUCCESS, age_h=720),
                                          Rule(status=Status.FAILED, age_h=8760)]),
        ("harvest/SUCCESS=1000, 180d", [Rule(type="harvest", status=Status.SUCCESS, count=1000), Rule(age_h=4320)]),
        ("reports.tasks:send / 7d", [Rule(type="reports.tasks:send", age_h=168)]),
        ("90d,1000", [Rule(age_h=2160), Rule(count=1000)]),
    ],
)  # fmt: skip
def test_each_way_to_write_a_rule_is_read(written: str, rules: list[Rule]) -> None:
    assert parse(written) == tuple(rules)


@pytest.mark.parametrize("nothing", [None, "", "  ", "none", []])
def test_no_rules(nothing: Any) -> None:
    assert parse(nothing) is None


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("forever", "does not say what to keep; give an age"),
        ("0", "give 1 to"),
        ("0d", "give 1h to"),
        ("-5", "does not say what to keep"),
        ("1.5d", "does not say what to keep"),
        ("90m", "does not say what to keep"),
        ("٩d", "does not say what to keep"),
        ("1000000d", "give 1h to 100 years"),
        ("99999999999", "give 1 to"),
        ("9" * 50, "does not say what to keep"),
        ("RUNNING=1d", "no final status; give one of SUCCESS, PARTIAL_SUCCESS"),
        ("harvest=1d", "no final status"),
        ("harvest/LATE=1d", "no final status"),
        ("har vest/1d", "is no rule; write"),
        ("a/b/1d", "is no rule; write"),
        ("harvest/", "is no rule; write"),
        (",", "is no rule; write"),
        ("90d,", "is no rule; write"),
        ("x" * 501 + "/1d", "is no rule; write"),
        (90, "is no rule; write"),
        ([90], "is no rule; write"),
        ("90d,30d", "second rule of its kind"),
        ("FAILED=5,failed=6", "second rule of its kind"),
    ],
)
def test_what_is_no_rule(written: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse(written)
    with pytest.raises(ConfigurationError, match=f"JOBDECK_RETENTION.*{told}"):
        resolve({"retention": written}, None, {})


def test_the_setting_travels_and_is_shown() -> None:
    found = resolve({"retention": ["FAILED=365d", "90d"]}, None, {})
    assert Settings.of_data(found.as_data()) == found
    assert [value for name, value, _ in found.shown() if name == "JOBDECK_RETENTION"] == ["FAILED=365d, 90d"]
    unset = resolve({}, None, {})
    assert unset.retention is None
    assert Settings.of_data(unset.as_data()) == unset
    assert resolve({}, None, {"JOBDECK_RETENTION": "7"}).retention == (Rule(count=7),)


@given(rule_lists, type_names, statuses)
def test_the_closest_rules_count_and_no_other(rules: list[Rule], type_name: str, status: Status) -> None:
    def closeness(rule: Rule) -> int:
        fits = rule.type in (None, type_name) and rule.status in (None, status)
        return (2 * (rule.type is not None) + (rule.status is not None)) if fits else -1

    best = max(closeness(rule) for rule in rules)
    keep = Rules(rules).of(type_name, status)
    if best < 0:
        assert keep is None
        return
    closest = [rule for rule in rules if closeness(rule) == best]
    assert keep is not None
    assert keep.age_us == next((rule.age_h * HOUR_US for rule in closest if rule.age_h is not None), None)
    assert keep.count == next((rule.count for rule in closest if rule.count is not None), None)


histories = st.lists(st.tuples(st.sampled_from(["a", "b", None]), statuses, st.integers(0, 10)), max_size=30)


@given(histories, st.lists(
    st.builds(Rule, type=st.none() | st.just("a"), status=st.none() | statuses, age_h=st.integers(1, 10))
    | st.builds(Rule, type=st.none() | st.just("a"), status=st.none() | statuses, count=st.integers(1, 5)),
    min_size=1, unique_by=lambda rule: (rule.place, rule.count is None),
))  # fmt: skip
def test_a_run_goes_when_it_is_too_old_or_one_too_many(
    history: list[tuple[str | None, Status, int]], written: list[Rule]
) -> None:
    """Against the plainest way to say it: for each run, look at all newer ones of its group."""
    make = RunIds().make
    # Ages in hours from oldest to newest; ids in the order of creation.
    runs = [(make(NOW_US - age * HOUR_US), type_name, status, NOW_US - age * HOUR_US - 1)
            for type_name, status, age in sorted(history, key=lambda one: -one[2])]  # fmt: skip
    rules = Rules(written)
    verdicts = Verdicts(rules, NOW_US)
    for run_id, type_name, status, _ in reversed(runs):
        verdicts.count(run_id, type_name, status)
    for place, (run_id, type_name, status, ended_us) in enumerate(runs):
        keep = rules.of(type_name, status)
        newer = [one for one in runs[place + 1 :] if one[1] == type_name and rules.of(one[1], one[2]) == keep]
        expected = keep is not None and (
            (keep.count is not None and len(newer) >= keep.count)
            or (keep.age_us is not None and ended_us < NOW_US - keep.age_us)
        )
        assert verdicts.is_due(run_id, type_name, status, ended_us) == expected
        assert not expected or run_id < verdicts.below()


@given(st.integers(0, 2**53), st.integers(0, 10**9))
def test_ids_of_a_moment_sort_with_it(at_us: int, later: int) -> None:
    assert first_id(at_us) < RunIds().make(at_us + later)
    assert RunIds().make(at_us) < first_id(at_us + 1000)
