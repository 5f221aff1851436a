"""What an attempt came to: a returned value or an exception becomes an outcome to send."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from ..core.json_values import RESULT_LIMIT, SAFE_INTEGER, NotJson, dumps
from ..core.outcome import OutcomeKind
from ..core.retry import check_delay
from ..core.text import clean
from ..errors import Retry, RunStopped, TaskExecutionPartialError

_PACKAGE = __package__ or ""


@dataclass(slots=True, kw_only=True)
class Verdict:
    """`result` is JSON text; `problem` says why a result could not be kept. `retry`: whether, or after how many
    seconds, a task itself asked to be tried again; None = it did not say.
    """

    kind: OutcomeKind
    result: str | None = None
    message: str | None = None
    traceback: str | None = None
    errored_entries: int = 0
    problem: str | None = None
    retry: bool | float | None = None


def returned(value: Any, *, errors_logged: int, warn_on_errors: bool) -> Verdict:
    """SUCCESS, or WARNING when errors were logged and the type wants to know."""
    verdict = Verdict(kind=OutcomeKind.SUCCESS)
    if errors_logged and warn_on_errors:
        verdict.kind = OutcomeKind.WARNING
        verdict.message = f"{errors_logged} error{'s were' if errors_logged > 1 else ' was'} logged."
    return _with_result(verdict, value)


def raised(error: BaseException) -> Verdict:
    """What an exception means for the run."""
    if isinstance(error, RunStopped):
        return Verdict(kind=OutcomeKind.STOPPED)
    if isinstance(error, Retry):
        return _again(error)
    if isinstance(error, TaskExecutionPartialError):
        partial = Verdict(
            kind=OutcomeKind.PARTIAL,
            message=clean(str(error.message)),
            errored_entries=_count(error.errored_entries_count),
        )
        return _with_result(partial, error.result)
    return Verdict(kind=OutcomeKind.ERROR, message=_describe(error), traceback=_traceback(error))


def _again(error: Retry) -> Verdict:
    verdict = Verdict(kind=OutcomeKind.ERROR, message=clean(str(error.message)), retry=True)
    try:
        after = check_delay(error.after)
    except ValueError as wrong:
        verdict.problem = f"The task asked to be tried again, but not how its policy can: {wrong}."
    else:
        verdict.retry = True if after is None else after
    return verdict


def _count(given: Any) -> int:
    """A count of entries, whatever a task gave for one."""
    try:
        return min(max(0, int(given)), SAFE_INTEGER)
    except (TypeError, ValueError, OverflowError):
        return 0


def _with_result(verdict: Verdict, value: Any) -> Verdict:
    if value is not None:
        try:
            verdict.result = dumps(value, RESULT_LIMIT)
        except (NotJson, ValueError, RecursionError) as error:
            verdict.problem = f"The result was not kept: {error}"
    return verdict


def _describe(error: BaseException) -> str:
    name = type(error).__name__
    try:
        text = str(error)
    except Exception:
        text = "(its message cannot be shown)"
    return clean(f"{name}: {text}" if text else name)


def _traceback(error: BaseException) -> str:
    try:
        return clean("".join(traceback.format_exception(error.with_traceback(_outside(error.__traceback__)))))
    except Exception:
        return f"{type(error).__name__}: (its traceback cannot be shown)"


def _outside(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the task's first frame on; all of it when the task was not reached."""
    inner = trace
    while inner is not None and _is_ours(inner):
        inner = inner.tb_next
    return inner or trace


def _is_ours(trace: TracebackType) -> bool:
    return str(trace.tb_frame.f_globals.get("__name__", "")).startswith((_PACKAGE, "jobdeck.definitions"))
