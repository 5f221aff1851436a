"""`/logs/jobs`: log entries of runs or jobs named by their ids."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from ...core.ids import is_id
from ...core.run import Run
from ...deck import Desk
from ...errors import InvalidInput, NotFound
from ...services.logs import PAGE_LIMIT
from ..auth import current_desk
from ..bodies import json_response
from ..representations import log_entry
from . import queries


def add_to(routes: Blueprint) -> None:
    """Register the route."""
    routes.add_url_rule("/logs/jobs", "search_logs", search_logs, methods=["GET"])


def search_logs() -> Response:
    """Entries, oldest first; `q` holds at least one id, `search_after` continues after `hits.sort`."""
    desk, limit = current_desk(), queries.integer("size", PAGE_LIMIT)
    if not 1 <= limit <= PAGE_LIMIT:
        raise InvalidInput.of("size", f"Must be from 1 to {PAGE_LIMIT}.")
    after = _cursor()
    found = desk.logs.search(queries.text("q") or "", after=after, limit=limit)
    runs = {run_id: _run(desk, run_id) for run_id in {entry.run_id for entry in found.entries}}
    hits: dict[str, Any] = {
        "hits": [log_entry(entry, runs[entry.run_id]) for entry in found.entries],
        "total": found.total,
    }
    if found.cursor is not None:
        hits["sort"] = list(found.cursor)
    answer: dict[str, Any] = {"hits": hits}
    if after is None and found.total > len(found.entries):
        answer["warnings"] = [_truncated(len(found.entries), found.total)]
    return json_response(answer)


def _cursor() -> tuple[str, int] | None:
    given = request.args.getlist("search_after")
    if not given:
        return None
    if len(given) != 2 or not is_id(given[0]) or not given[1].isdecimal() or len(given[1]) > 12:
        raise InvalidInput.of("search_after", "Give both values of `hits.sort`, one parameter each.")
    return given[0], int(given[1])


def _run(desk: Desk, run_id: str) -> Run | None:
    try:
        return desk.runs.get(run_id)
    except NotFound:
        return None


def _truncated(shown: int, total: int) -> dict[str, Any]:
    return {
        "type": "truncated_results",
        "message": f"The first {shown:,} entries are shown; go on with search_after.",
        "total_available": total,
        "max_results": shown,
    }
