"""Retention: which finished runs are kept, by age and by number, for each type and status.

A rule is `[TYPE/][STATUS=]KEEP`; `Rules` finds those that fit a run most closely, `Verdicts` applies them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .ids import first_id
from .run import FINAL_STATUSES, Status

_RULE = re.compile(r"(?:(?P<type>[A-Za-z0-9_.:-]+)\s*/)?\s*(?:(?P<status>[A-Za-z_]+)\s*=)?\s*(?P<keep>[^\s/=]+)")
_KEEP = re.compile(r"(?P<number>[0-9]{1,12})(?P<unit>[hdw]?)")
_HOURS = {"h": 1, "d": 24, "w": 168}
_HOUR_US = 3_600_000_000
_AHEAD_US = 1_000_000
AGE_LIMIT_H = 100 * 366 * 24
COUNT_LIMIT = 100_000_000
TYPE_LIMIT = 500
_RIGHT = "write [TYPE/][STATUS=]KEEP, such as '90d', 'FAILED=365d' or 'harvest/SUCCESS=1000'"

Place = tuple[str | None, Status | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Keep runs for `age_h` hours, or the newest `count` of each type; only those of this type or status, if any.

    `type` is a job type's id, or the dotted path of a plain function.
    """

    type: str | None = None
    status: Status | None = None
    age_h: int | None = None
    count: int | None = None

    @property
    def place(self) -> Place:
        """Which runs it is about."""
        return self.type, self.status

    def __str__(self) -> str:
        of_type = f"{self.type}/" if self.type else ""
        of_status = f"{self.status}=" if self.status else ""
        if self.age_h is None:
            return f"{of_type}{of_status}{self.count}"
        days, rest = divmod(self.age_h, 24)
        return f"{of_type}{of_status}{self.age_h}h" if rest else f"{of_type}{of_status}{days}d"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """What rules of one place say together: a run goes when it is too old or one too many."""

    place: Place
    age_us: int | None
    count: int | None


def parse(value: object) -> tuple[Rule, ...] | None:
    """Rules from a text (separated by commas) or from several; None when there are none. ValueError says what is wrong."""
    if value is None:
        return None
    texts = [value] if isinstance(value, str) else list(value) if isinstance(value, Iterable) else [value]
    wrong = [text for text in texts if not isinstance(text, str)]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is no rule; {_RIGHT}")
    written = ",".join(str(text) for text in texts)
    if not written.strip() or written.strip().lower() == "none":
        return None
    rules = tuple(_rule(part.strip()) for part in written.split(","))
    seen = set()
    for rule in rules:
        kind = (rule.place, rule.count is None)
        if kind in seen:
            raise ValueError(f"{str(rule)!r} is the second rule of its kind for the same runs; give one")
        seen.add(kind)
    return rules


def _rule(text: str) -> Rule:
    match = _RULE.fullmatch(text)
    if match is None or len(match["type"] or "") > TYPE_LIMIT:
        raise ValueError(f"{text!r} is no rule; {_RIGHT}")
    status = None if match["status"] is None else _status(match["status"], text)
    number, unit = _keep(match["keep"], text)
    if unit:
        return Rule(type=match["type"], status=status, age_h=number * _HOURS[unit])
    return Rule(type=match["type"], status=status, count=number)


def _status(written: str, text: str) -> Status:
    if written.upper() not in FINAL_STATUSES:
        raise ValueError(f"{written!r} in {text!r} is no final status; give one of {', '.join(FINAL_STATUSES)}")
    return Status(written.upper())


def _keep(written: str, text: str) -> tuple[int, str]:
    match = _KEEP.fullmatch(written)
    if match is None:
        raise ValueError(
            f"{text!r} does not say what to keep; give an age such as '90d', '12w' or '36h', or a number of runs"
        )
    number, unit = int(match["number"]), match["unit"]
    if unit and not 1 <= number * _HOURS[unit] <= AGE_LIMIT_H:
        raise ValueError(f"{text!r} is out of range; give 1h to 100 years ({AGE_LIMIT_H // 24}d)")
    if not unit and not 1 <= number <= COUNT_LIMIT:
        raise ValueError(f"{text!r} is out of range; give 1 to {COUNT_LIMIT} runs")
    return number, unit


class Rules:
    """Finds the rules that fit a run most closely: its type and status, its type, its status, any run."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        places = {rule.place: rule for rule in rules}
        ages = {rule.place: rule.age_h * _HOUR_US for rule in rules if rule.age_h is not None}
        counts = {rule.place: rule.count for rule in rules if rule.count is not None}
        self._keeps = {place: Keep(place=place, age_us=ages.get(place), count=counts.get(place)) for place in places}
        self.has_counts = bool(counts)
        self.youngest_us = min(ages.values(), default=None)

    def of(self, type: str | None, status: Status) -> Keep | None:
        """What is said of runs of this type (or function) in this status; None: they are kept."""
        for place in ((type, status), (type, None), (None, status), (None, None)):
            if place in self._keeps:
                return self._keeps[place]
        return None


class Verdicts:
    """What is due at one moment: first every finished run is counted, from the newest on, then asked about."""

    def __init__(self, rules: Rules, now_us: int) -> None:
        self._rules = rules
        self._now_us = now_us
        self._counted: Counter[tuple[str | None, Place]] = Counter()
        self._kept_from: dict[tuple[str | None, Place], str] = {}

    def count(self, run_id: str, type: str | None, status: Status) -> None:
        """One more run; an older one than all before."""
        keep = self._rules.of(type, status)
        if keep is None or keep.count is None:
            return
        group = (type, keep.place)
        self._counted[group] += 1
        if self._counted[group] == keep.count:
            self._kept_from[group] = run_id

    def is_due(self, run_id: str, type: str | None, status: Status, ended_us: int | None) -> bool:
        """Whether a finished run is older than its rules allow, or older than all that are to be kept."""
        keep = self._rules.of(type, status)
        if keep is None:
            return False
        if run_id < self._kept_from.get((type, keep.place), ""):
            return True
        return keep.age_us is not None and ended_us is not None and ended_us < self._now_us - keep.age_us

    def below(self) -> str:
        """Every run that is due has an id below this one."""
        youngest = self._rules.youngest_us
        # Ids that are made in a rush run a little ahead of the clock.
        cutoff = "" if youngest is None else first_id(self._now_us - youngest + _AHEAD_US)
        return max([cutoff, *self._kept_from.values()])
