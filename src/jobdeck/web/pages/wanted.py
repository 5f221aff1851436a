"""Which runs are meant: the filter of the list, in an address or in a form."""

from __future__ import annotations

from collections.abc import Mapping

from ...core.filters import RunFilter
from ...core.ids import is_id
from ...core.run import FINAL_STATUSES, SHOWN_STATUSES

_NAMES = {"job": "job_id", "parent": "parent_id", "type": "type", "queue": "queue", "q": "text"}


def of(given: Mapping[str, str]) -> RunFilter:
    """The filter; what means nothing is left out."""
    status = given.get("status", "").strip()
    told = {field: given.get(name, "").strip() or None for name, field in _NAMES.items()}
    for field in ("job_id", "parent_id"):
        told[field] = told[field] if is_id(told[field] or "") else None
    return RunFilter(statuses=(status,) if status in SHOWN_STATUSES else (), **told)


def fields(wanted: RunFilter) -> dict[str, str]:
    """The same as parameters of an address, or fields of a form."""
    told = {name: getattr(wanted, field) for name, field in _NAMES.items()}
    status = wanted.statuses[0] if wanted.statuses else None
    return {name: value for name, value in {**told, "status": status}.items() if value}


def may_be_repeated(wanted: RunFilter) -> bool:
    """Whether all that fit have ended, so that they can be run again together."""
    return bool(wanted.statuses) and all(status in FINAL_STATUSES for status in wanted.statuses)
