"""The grammar of one field of a cron expression or of a crontab object: from text to the numbers it names.

The two differ in little: a range may wrap around (`fri-mon`, `22-4`) in a crontab object, as with Celery, and not in an
expression, as with Debian's cron. Neighbours: `core/cron.py` puts the fields together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

TEXT_LIMIT = 200
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONG_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONG_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_PART = re.compile(r"(?P<first>\*|[0-9a-z]+)(?:-(?P<last>[0-9a-z]+))?(?:/(?P<step>[0-9]{1,9}))?")
_ELSEWHERE = re.compile(r"[?#]|(?:^|,)(?:l|lw|[0-9]+w|[0-9a-z]+l|l-[0-9]+)(?:,|$)")


class BadField(ValueError):
    """A field cannot be read; `field` is its name, the message a sentence that says what would be right."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.field = name


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldKind:
    """One of the fields: the numbers `low` to `high` it may name, and an `example` for messages."""

    name: str
    low: int
    high: int
    example: str
    words: dict[str, int] = field(default_factory=dict, hash=False)
    long_words: dict[str, int] = field(default_factory=dict, hash=False)

    @property
    def label(self) -> str:
        """The name as people say it: day of month, month."""
        return self.name.removesuffix("_of_year").replace("_", " ")

    @property
    def is_week(self) -> bool:
        """Its numbers go round: 7 is 0."""
        return self.high == 7

    def numbers(self, text: str, *, wraps: bool = False) -> frozenset[int]:
        """The numbers that `text` names, Sunday as 0; BadField for what is wrong. `wraps`: ranges may wrap around."""
        lowered = text.strip().lower()
        if not lowered:
            raise self.bad(text, "is empty")
        if len(text) > TEXT_LIMIT:
            raise BadField(self.name, f"{self.label}: at most {TEXT_LIMIT} characters, these are {len(text)}")
        found: set[int] = set()
        for part in lowered.split(","):
            found.update(self._part(part.strip(), text, wraps))
        return frozenset(self._folded(number) for number in found)

    def bad(self, text: str, problem: str, instead: str | None = None) -> BadField:
        """The error that says so."""
        shown = text if len(text) <= 40 else f"{text[:36]} …"
        return BadField(
            self.name, f"{self.label}: {shown!r} {problem}; write {instead or f'for example {self.example}'}"
        )

    def _part(self, part: str, text: str, wraps: bool) -> list[int]:
        match = _PART.fullmatch(part)
        if match is None or (match["first"] == "*" and match["last"]):
            raise self._unreadable(part, text)
        step = 1 if match["step"] is None else int(match["step"])
        if step == 0:
            raise self.bad(text, "has a step of 0", f"a step from 1, such as */{2 if self.high > 12 else 3}")
        if match["first"] == "*":
            return list(range(self.low, self.high + 1))[::step]
        first = self._number(match["first"], text, wraps)
        if match["last"] is not None:
            return self._range(first, self._number(match["last"], text, wraps), match.group(), wraps)[::step]
        if match["step"] is not None:
            raise self.bad(
                text, "has a step without a range", f"{first}-{self.high}/{step} for every {step} from {first} on"
            )
        return [first]

    def _range(self, first: int, last: int, part: str, wraps: bool) -> list[int]:
        if first <= last:
            return list(range(first, last + 1))
        top = 6 if self.is_week else self.high
        if wraps:
            return [*range(first, top + 1), *range(self.low, last + 1)]
        if self.is_week and last == 0:
            raise self.bad(part, "runs backwards", f"{first}-7: Sunday is 7 at the end of a range")
        ends = [f"{a}-{b}" if a < b else f"{a}" for a, b in ((first, top), (self.low, last)) if a <= b]
        raise self.bad(part, "runs backwards", ",".join(ends))

    def _number(self, word: str, text: str, wraps: bool) -> int:
        if word.isdigit():
            number = int(word[:9])
            if not self.low <= number <= self.high:
                raise self.bad(text, f"has {word[:9]}, which is not from {self.low} to {self.high}")
            return number
        if word in self.words:
            return self.words[word]
        if wraps and word in self.long_words:
            return self.long_words[word]
        raise self._unreadable(word, text)

    def _unreadable(self, part: str, text: str) -> BadField:
        if _ELSEWHERE.search(part):
            return self.bad(text, "uses L, W, # or ?, which other schedulers know and cron does not")
        kinds = "numbers, names, *" if self.words else "numbers, *"
        return self.bad(text, f"cannot be read as {kinds}, ranges (a-b), steps (a-b/n, */n) or lists of them")

    def _folded(self, number: int) -> int:
        return 0 if self.is_week and number == 7 else number


SECOND = FieldKind(name="second", low=0, high=59, example="0 or */15")
MINUTE = FieldKind(name="minute", low=0, high=59, example="0, 15,45 or */10")
HOUR = FieldKind(name="hour", low=0, high=23, example="2, 8-18 or */3")
DAY_OF_MONTH = FieldKind(name="day_of_month", low=1, high=31, example="1, 1,15 or 1-7")
MONTH = FieldKind(
    name="month_of_year",
    low=1,
    high=12,
    example="1, jan,jul or */3",
    words={word: number for number, word in enumerate(_MONTHS, 1)},
    long_words={word: number for number, word in enumerate(_LONG_MONTHS, 1)},
)
DAY_OF_WEEK = FieldKind(
    name="day_of_week",
    low=0,
    high=7,
    example="0 (Sunday), mon-fri or sat,sun",
    words={word: number for number, word in enumerate(_DAYS)},
    long_words={word: number for number, word in enumerate(_LONG_DAYS)},
)
