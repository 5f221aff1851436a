"""The log of a run: a part of it to read, and all of it to take along."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from flask import Blueprint, Response, request, stream_with_context

from ...core.log_entry import LEVELS, LogEntry
from ...core.times import iso
from ..auth import current_desk
from .rendering import asked, identifier, page
from .titles import title_of

LINES_SHOWN = 500
_READ_AT_ONCE = 2000


def add_to(routes: Blueprint) -> None:
    """Register the routes."""
    routes.add_url_rule("/runs/<run_id>/log", "show_log", show_log, methods=["GET"])
    routes.add_url_rule("/runs/<run_id>/log.txt", "download_log_text", download_text, methods=["GET"])
    routes.add_url_rule("/runs/<run_id>/log.jsonl", "download_log_lines", download_lines, methods=["GET"])


def show_log(run_id: str) -> Response:
    """The log from any line on, a page at a time."""
    desk = current_desk()
    run = desk.runs.get(identifier(run_id, "run"))
    level, after = level_asked(), after_asked()
    log = desk.runs.logs(run.id, after=after, limit=LINES_SHOWN, level=level)
    return page(
        "log.html",
        run=run,
        title=title_of(desk, run),
        entries=log.entries,
        level=level,
        levels=list(LEVELS),
        after=after,
        later=log.next if log.next < log.total else None,
        earlier=max(0, after - LINES_SHOWN) if after else None,
        total=log.total,
    )


def download_text(run_id: str) -> Response:
    """The whole log as text."""
    return _download(run_id, "txt", "text/plain; charset=utf-8", _text_line)


def download_lines(run_id: str) -> Response:
    """The whole log as JSON lines."""
    return _download(run_id, "jsonl", "application/jsonl", _json_line)


def level_asked() -> str | None:
    """The least severe level to show; None for all."""
    level = (asked("level") or "").upper()
    return level if level in LEVELS and level != "DEBUG" else None


def after_asked() -> int:
    """The cursor: the number of the last line that was shown already."""
    text = request.args.get("after", "")
    return int(text) if text.isdecimal() and len(text) <= 12 else 0


def _download(run_id: str, ending: str, media_type: str, line: Callable[[LogEntry], str]) -> Response:
    desk = current_desk()
    run = desk.runs.get(identifier(run_id, "run"))

    def lines() -> Iterator[str]:
        after, total = 0, 1
        while after < total:
            log = desk.runs.logs(run.id, after=after, limit=_READ_AT_ONCE)
            yield "".join(line(entry) for entry in log.entries)
            after, total = log.next, log.total

    response = Response(stream_with_context(lines()), content_type=media_type)
    response.headers["Content-Disposition"] = f'attachment; filename="run-{run.id}.{ending}"'
    return response


def _text_line(entry: LogEntry) -> str:
    text = f"{iso(entry.at)} {entry.level:8} {entry.logger}: {entry.message}\n"
    traceback = entry.fields.get("traceback")
    return f"{text}{traceback}\n" if isinstance(traceback, str) else text


def _json_line(entry: LogEntry) -> str:
    told = {
        "seq": entry.seq,
        "timestamp": iso(entry.at),
        "level": entry.level,
        "logger": entry.logger,
        "message": entry.message,
        "fields": dict(entry.fields),
    }
    return json.dumps(told, ensure_ascii=False) + "\n"
