"""Plain functions as runs: the name a worker imports, calls that do not fit, and values as annotations want them."""

# Celery has no types.
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery

from jobdeck import job_type
from jobdeck.core.json_values import to_json_value
from jobdeck.definitions.functions import check_call, function_path, load_call, resolve_function
from jobdeck.errors import DefinitionError

if TYPE_CHECKING:
    from decimal import Decimal

Refused = Callable[..., dict[str, str]]
celery = Celery("tests")


def plain(a: Any, b: Any = 2, *rest: Any, c: Any = 3, **others: Any) -> Any:
    return a, b, rest, c, others


def typed(day: date, span: timedelta = timedelta(0), *, at: datetime | None = None, untyped=None) -> Any:  # type: ignore[no-untyped-def] # as authors write it
    return day, span, at, untyped


def half_known(amount: Decimal, day: date) -> Any:
    return amount, day


def strict(a: int, /, b: int, *, c: int) -> None: ...


async def soon(day: date) -> date:
    return day


@celery.task(bind=True)
def in_celery(self: Any, day: date) -> date:
    return day


@job_type
def decorated(day: date) -> date:
    return day


def traced(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


@traced
def wrapped(day: date, span: timedelta = timedelta(0)) -> Any:
    return day, span


class Holder:
    def method(self) -> None: ...

    @classmethod
    def of_class(cls) -> str:
        return cls.__name__

    @staticmethod
    def static() -> int:
        return 4


replaced = plain


def replaced() -> None: ...  # type: ignore[no-redef] # noqa: F811 # the case that is tested


OLD = plain


@pytest.mark.parametrize(
    ("function", "path"),
    [
        (plain, f"{__name__}:plain"),
        (OLD, f"{__name__}:plain"),
        (soon, f"{__name__}:soon"),
        (in_celery, f"{__name__}:in_celery"),
        (decorated, f"{__name__}:decorated"),
        (Holder.static, f"{__name__}:Holder.static"),
        (Holder.of_class, f"{__name__}:Holder.of_class"),
        (time.sleep, "time:sleep"),
        (len, "builtins:len"),
        ("os.path.join", f"{os.path.__name__}:join"),
        ("os.path:join", f"{os.path.__name__}:join"),
        (f"{__name__}:plain", f"{__name__}:plain"),
    ],
)
def test_a_function_has_a_path_that_leads_back(function: Any, path: str) -> None:
    assert function_path(function) == path
    assert callable(resolve_function(path))


def made_inside() -> Any:
    def inner() -> None: ...

    return inner


def as_main() -> None: ...


as_main.__module__ = "__main__"


def generator() -> Any:
    yield 1


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda: None, "has no name in a module"),
        (made_inside(), "has no name in a module"),
        (Holder().method, "is something else in its module"),
        ("x".upper, "has no name in a module"),
        (functools.partial(plain, 1), "is something else in its module"),
        (as_main, "stands in the program itself"),
        (Holder, "not a function"),
        (3, "not a function"),
        (None, "not a function"),
        (generator, "generator"),
        ("nowhere:at_all", "Nowhere cannot be imported"),
        ("json:nothing", "Json has no 'nothing'"),
        ("nothing", "package.module:name"),
        ("json:JSONDecoder", "not a function"),
        ("", "package.module:name"),
    ],
)
def test_what_a_worker_could_not_import_is_refused(function: Any, words: str, refused: Refused) -> None:
    told = refused(function_path, function)
    assert list(told) == ["function"]
    assert words in told["function"] and told["function"].endswith(".")


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "errors"),
    [
        (plain, [1], {}, {}),
        (plain, [1, 2, 3, 4], {"d": 5}, {}),
        (plain, [], {}, {"kwargs.a": "Missing data for required field."}),
        (plain, [1], {"a": 2}, {"kwargs.a": "Given twice, also by position."}),
        (strict, [1], {"b": 2, "c": 3}, {}),
        (strict, [1, 2, 3], {}, {"args": "3 given; at most 2 are taken.", "kwargs.c": "Missing data for required field."}),
        (strict, [1, 2], {"c": 3, "d": 4}, {"kwargs.d": "Unknown field."}),
        (strict, [], {"a": 1, "b": 2, "c": 3},
         {"kwargs.a": "Unknown field."} | {"args.0": "Missing data for required field."}),
        (strict, ["x", 2], {"c": None}, {"args.0": "Not a valid integer.", "kwargs.c": "Field may not be null."}),
        (typed, [date(2026, 1, 2)], {"span": timedelta(1), "at": datetime.now(UTC)}, {}),
        (typed, ["2026-01-02", 5], {}, {}),
        (typed, ["soon"], {"span": "x"}, {"args.0": "Not a valid date.", "kwargs.span": "Not a valid number of seconds."}),
        (half_known, ["anything", "2026-01-02"], {}, {}),
        (half_known, ["anything", "soon"], {}, {"args.1": "Not a valid date."}),
        (in_celery, ["2026-01-02"], {}, {}),
        (in_celery, [], {"self": 1}, {"kwargs.self": "Unknown field.", "kwargs.day": "Missing data for required field."}),
        (f"{__name__}:typed", [], {}, {"kwargs.day": "Missing data for required field."}),
        (time.sleep, [1], {}, {}),
        (plain, [object()], {}, {}),
    ],
)  # fmt: skip
def test_a_call_that_does_not_fit_is_refused(
    function: Any, args: Any, kwargs: Any, errors: dict[str, str], refused: Refused
) -> None:
    if errors:
        assert refused(check_call, function, args, kwargs) == errors
    else:
        check_call(function, args, kwargs)


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "result"),
    [
        (plain, ["2026-01-02"], {"c": [1]}, ("2026-01-02", 2, (), [1], {})),
        (plain, [1, 2, 3], {"d": 4}, (1, 2, (3,), 3, {"d": 4})),
        (
            typed,
            [date(2026, 1, 2), timedelta(minutes=1)],
            {"at": datetime(2026, 1, 2, tzinfo=UTC), "untyped": "2026-01-02"},
            (date(2026, 1, 2), timedelta(minutes=1), datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02"),
        ),
        (wrapped, [date(2026, 1, 2)], {}, (date(2026, 1, 2), timedelta(0))),
        (half_known, ["1.5", date(2026, 1, 2)], {}, ("1.5", date(2026, 1, 2))),
        (soon, [date(2026, 1, 2)], {}, date(2026, 1, 2)),
        (in_celery, [date(2026, 1, 2)], {}, date(2026, 1, 2)),
        (decorated, [date(2026, 1, 2)], {}, date(2026, 1, 2)),
        (time.sleep, [0], {}, None),
    ],
)
def test_arguments_come_back_as_the_annotations_want_them(function: Any, args: Any, kwargs: Any, result: Any) -> None:
    call = resolve_function(function_path(function))
    positional, named = load_call(call, to_json_value(args), to_json_value(kwargs))
    assert call(*positional, **named) == result


@pytest.mark.parametrize("path", ["nowhere:at_all", "json:nothing", "json:JSONDecoder", f"{__name__}:generator"])
def test_a_function_that_is_gone_is_named(path: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        resolve_function(path)
    assert path in str(caught.value) and str(caught.value).endswith(".")
