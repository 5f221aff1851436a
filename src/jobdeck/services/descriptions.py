"""A recurrence in a plain sentence: `At 02:00, every day (Europe/Berlin)`.

The times of day are worded by cron-descriptor from what the fields come to, not from how they were written: `*/7` is
not "every 7 minutes", because the 60th does not wait for it. How two restrictions of the day go together it cannot
know; that is said here. Neighbours: pages, REST and command line show the sentence beside the next fire times.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import pairwise

from cron_descriptor import DescriptionTypeEnum, ExpressionDescriptor, Options

from ..core.cron import Cron
from ..core.recurrence import CronRule, Crontab, Interval, Once, Recurrence
from ..core.zones import zone_or_utc

_TIMES_LISTED = 6


def describe(recurrence: Recurrence, zone_name: str) -> str:
    """In English, 24-hour clock; with the zone where the wall's clock matters."""
    if isinstance(recurrence, Interval):
        return _interval(recurrence)
    if isinstance(recurrence, Once):
        return f"{_once(recurrence, zone_name)} ({zone_name})"
    if isinstance(recurrence, CronRule | Crontab):
        return f"{_cron(recurrence.cron)} ({zone_name})"
    raise TypeError(f"{type(recurrence).__name__} is no recurrence that can be described")


def _interval(interval: Interval) -> str:
    parts = [(unit, number) for unit, number in interval.parts if number]
    if len(parts) == 1 and parts[0][1] == 1:
        return f"Every {parts[0][0].removesuffix('s')}"
    texts = [f"{number} {unit.removesuffix('s') if number == 1 else unit}" for unit, number in parts]
    return f"Every {_listed(texts)}"


def _once(once: Once, zone_name: str) -> str:
    in_zone = zone_or_utc(zone_name)
    second, rest = divmod(once.instant(in_zone), 1_000_000)
    at = datetime.fromtimestamp(second, in_zone).replace(microsecond=rest)
    time = f"{at:%H:%M}" if not at.second and not rest else at.time().isoformat()
    return f"Once, on {at.day} {_words(f'* * * {at.month} *', DescriptionTypeEnum.MONTH, ', only in ')} {at.year} at {time}"


@lru_cache(maxsize=1024)
def _cron(cron: Cron) -> str:
    time, days, months = _time(cron), _days(cron), _months(cron)
    if not days and not _stepped(cron.hours, 24).startswith("*"):
        days = "every day"
    return ", ".join(part for part in (time, days, months) if part)


def _time(cron: Cron) -> str:
    times = [(hour, minute) for hour in cron.hours for minute in cron.minutes]
    if cron.seconds == (0,) and len(times) <= _TIMES_LISTED:
        return f"At {_listed([f'{hour:02}:{minute:02}' for hour, minute in times])}"
    seconds, minutes, hours = _stepped(cron.seconds, 60), _stepped(cron.minutes, 60), _stepped(cron.hours, 24)
    return _words(f"{seconds} {minutes} {hours} * * *", DescriptionTypeEnum.FULL)


def _days(cron: Cron) -> str:
    in_month = (
        "" if len(cron.days) == 31 else _words(f"0 0 {_field(cron.days)} * *", DescriptionTypeEnum.DAYOFMONTH, ", ")
    )
    in_week = ""
    if len(cron.weekdays) < 7:
        in_week = _words(f"0 0 * * {_field(cron.weekdays)}", DescriptionTypeEnum.DAYOFWEEK, ", only on ", ", ")
    if cron.any_day:
        return f"{in_month}, or on {in_week}" if in_month and in_week else "every day"
    if in_month and in_week:
        return f"{in_month}, but only if it is {in_week.replace(' and ', ' or ')}"
    return in_month or (in_week and f"on {in_week}")


def _months(cron: Cron) -> str:
    if len(cron.months) == 12:
        return ""
    return f"in {_words(f'0 0 * {_field(cron.months)} *', DescriptionTypeEnum.MONTH, ', only in ', ', ')}"


def _stepped(numbers: Sequence[int], size: int) -> str:
    """A field that names these numbers; with `*/n` only where n goes evenly round."""
    step = numbers[1] - numbers[0] if len(numbers) > 1 else 0
    if step == 1 and len(numbers) == size:
        return "*"
    if len(numbers) < 4 or step == 1 or any(b - a != step for a, b in pairwise(numbers)):
        return _field(numbers)
    if numbers[0] == 0 and step * len(numbers) == size:
        return f"*/{step}"
    return f"{numbers[0]}-{numbers[-1]}/{step}"


def _field(numbers: Collection[int]) -> str:
    """A list of numbers, with `a-b` for three and more in a row."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs)


def _words(expression: str, part: DescriptionTypeEnum, *leads: str) -> str:
    """What cron-descriptor says of a part, without the first of these leads that it begins with."""
    options = Options()
    options.use_24hour_time_format = True
    options.locale_code = "en"
    text = str(ExpressionDescriptor(expression, options).get_description(part))
    return text.removeprefix(next((lead for lead in leads if text.startswith(lead)), ""))


def _listed(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
