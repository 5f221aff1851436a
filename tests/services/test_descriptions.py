"""A recurrence in a sentence that is true."""

from __future__ import annotations

from typing import Any

import pytest

from jobdeck.core.recurrence import parse
from jobdeck.services.descriptions import describe


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("0 2 * * *", "At 02:00, every day"),
        ("@daily", "At 00:00, every day"),
        ("@weekly", "At 00:00, on Sunday"),
        ("@yearly", "At 00:00, on day 1 of the month, in January"),
        ("@hourly", "Every hour"),
        ("30 14 1,15 * *", "At 14:30, on day 1 and 15 of the month"),
        ("0,30 2 * * *", "At 02:00 and 02:30, every day"),
        ("0 9-17/2 * * *", "At 09:00, 11:00, 13:00, 15:00 and 17:00, every day"),
        ("0 2 * * 1-5", "At 02:00, on Monday through Friday"),
        ("0 2 * jan,jul *", "At 02:00, every day, in January and July"),
        ("* * * * *", "Every minute"),
        ("*/15 * * * *", "Every 15 minutes"),
        ("*/15 8-18 * * *", "Every 15 minutes, between 08:00 and 18:59, every day"),
        ("0 */2 * * *", "Every 2 hours"),
        ("5 * * * *", "At 5 minutes past the hour"),
        ("15 30 2 * * *", "At 02:30:15, every day"),
        ("*/10 * * * * *", "Every 10 seconds"),
        # What cron-descriptor makes of the text is not what happens
        ("*/7 * * * *", "Every 7 minutes, minutes 0 through 56 past the hour"),
        ("*/90 * * * *", "Every hour"),
        ("0 2 */10 * *", "At 02:00, on day 1, 11, 21, and 31 of the month"),
        ("0 2 * * */2", "At 02:00, on Sunday, Tuesday, Thursday, and Saturday"),
        ("0 2 1-31 * 0-6", "At 02:00, every day"),
        # One of the two is enough …
        ("0 2 1 * mon", "At 02:00, on day 1 of the month, or on Monday"),
        ("0 2 1-7 * 1-5", "At 02:00, between day 1 and 7 of the month, or on Monday through Friday"),
        ("0 2 1-31 * mon", "At 02:00, every day"),
        # … unless one of them begins with *
        ("0 2 13 * */5", "At 02:00, on day 13 of the month, but only if it is Sunday or Friday"),
    ],
)
def test_expressions(expression: str, says: str) -> None:
    assert describe(parse({"type": "cron", "expression": expression}), "Europe/Berlin") == f"{says} (Europe/Berlin)"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"type": "crontab"}, "Every minute (Europe/Berlin)"),
        ({"type": "crontab", "minute": "0", "hour": "2"}, "At 02:00, every day (Europe/Berlin)"),
        (
            {"type": "crontab", "minute": "0", "hour": "2", "day_of_month": "1-7", "day_of_week": "mon"},
            "At 02:00, between day 1 and 7 of the month, but only if it is Monday (Europe/Berlin)",
        ),
        (
            {"type": "crontab", "minute": "0", "hour": "2", "day_of_week": "fri-mon"},
            "At 02:00, on Sunday, Monday, Friday, and Saturday (Europe/Berlin)",
        ),
        ({"type": "interval", "minutes": 15}, "Every 15 minutes"),
        ({"type": "interval", "days": 1}, "Every day"),
        ({"type": "interval", "hours": 1, "minutes": 0}, "Every hour"),
        ({"type": "interval", "days": 1, "hours": 12}, "Every 1 day and 12 hours"),
        ({"type": "interval", "weeks": 2, "hours": 1, "seconds": 30}, "Every 2 weeks, 1 hour and 30 seconds"),
        ({"type": "once", "at": "2027-01-31T02:00:00+01:00"}, "Once, on 31 January 2027 at 02:00 (Europe/Berlin)"),
        ({"type": "once", "at": "2027-01-31T23:30:15Z"}, "Once, on 1 February 2027 at 00:30:15 (Europe/Berlin)"),
        ({"type": "once", "at": "2027-01-31T02:00"}, "Once, on 31 January 2027 at 02:00 (Europe/Berlin)"),
        ({"type": "once", "at": "2027-03-28T02:30"}, "Once, on 28 March 2027 at 03:00 (Europe/Berlin)"),
    ],
)
def test_the_other_kinds(data: dict[str, Any], says: str) -> None:
    assert describe(parse(data), "Europe/Berlin") == says
