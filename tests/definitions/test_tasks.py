"""What may stand behind a task: plain and async functions, Celery tasks without a broker, and dotted paths."""

# Celery has no types.
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import asyncio
import functools
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, shared_task

from jobdeck import JobType, Retry, RunStopped, job_type
from jobdeck.core.job import Job
from jobdeck.definitions import tasks
from jobdeck.errors import DefinitionError

# Nobody listens there: a task that asked for a broker or a result store would fail.
celery = Celery("tests", broker="redis://127.0.0.1:1/0", backend="cache+memory://")


@celery.task
def double(number: int, by: int = 2) -> int:
    return number * by


@celery.task(bind=True)
def own_id(self: Any, prefix: str) -> str:
    return f"{prefix}{self.request.id}"


@celery.task(bind=True)
def patient(self: Any) -> None:
    try:
        raise KeyError("missing")
    except KeyError as error:
        raise self.retry(countdown=5, exc=error)  # noqa: B904 # as Celery's manual writes it


@celery.task(bind=True)
def patient_until(self: Any) -> None:
    raise self.retry(eta=datetime.now(UTC) + timedelta(minutes=1))


@celery.task
def connects(to: socket.socket) -> None:
    """A signature that JSON cannot carry."""


@celery.task
def failing() -> None:
    raise KeyError("missing")


@celery.task
def stopped() -> None:
    raise RunStopped


@shared_task
def shared(a: int) -> int:
    return a


async def later(number: int) -> int:
    await asyncio.sleep(0)
    return number + 1


class Greeting:
    def __init__(self, word: str) -> None:
        self.word = word

    def __call__(self, name: str) -> str:
        return f"{self.word} {name}"

    async def soon(self, name: str) -> str:
        return f"{self.word} {name}"


@functools.wraps(later)
def traced(*args: Any, **kwargs: Any) -> Any:
    return later(*args, **kwargs)


def made(task: Any, schema: Any = None) -> type[JobType]:
    return JobType.create("Made", schema, "made", task, None, None)


@pytest.mark.parametrize(
    ("task", "arguments", "result"),
    [
        (double, {"number": 2}, 4),
        (double, {"number": 2, "by": 5}, 10),
        (shared, {"a": 1}, 1),
        (later, {"number": 1}, 2),
        (traced, {"number": 1}, 2),
        (functools.partial(later, number=4), {}, 5),
        (Greeting("Hi"), {"name": "Ada"}, "Hi Ada"),
        (Greeting("Hi").soon, {"name": "Ada"}, "Hi Ada"),
        ("json:loads", {"s": "[1]"}, [1]),
        ("json.loads", {"s": "[1]"}, [1]),
        ("json:JSONDecoder.decode", {"self": __import__("json").JSONDecoder(), "s": "{}"}, {}),
    ],
)
def test_each_kind_of_task_runs_and_returns(task: Any, arguments: dict[str, Any], result: Any) -> None:
    assert made(task).callable()(**arguments) == result


def test_a_bound_celery_task_has_a_request_of_its_own() -> None:
    call = made(own_id).callable()
    first, second = call(prefix="x"), call(prefix="x")
    assert first.startswith("x") and len(first) > 30 and first != second
    assert list(tasks.signature(own_id).parameters) == ["prefix"]


def test_a_celery_task_gets_the_arguments_that_it_takes(job: Job) -> None:
    schema = {"properties": {"number": {"type": "integer"}, "other": {"default": 1}}}
    assert made(double, schema).prepare({"number": 3}, job, None) == {"number": 3}
    assert made(own_id, {"properties": {"prefix": {}, "self": {}}}).prepare({"prefix": "a", "self": 1}, job, None) == {
        "prefix": "a"
    }


def test_a_celery_retry_is_ours_with_its_wait_and_its_cause() -> None:
    with pytest.raises(Retry, match="KeyError: 'missing'") as caught:
        made(patient).callable()()
    assert caught.value.after == 5
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(Retry, match="asked to be tried again") as caught:
        made(patient_until).callable()()
    assert 50 < caught.value.after < 70


def test_a_task_is_at_home_in_its_module_whatever_stands_for_it() -> None:
    late = Celery("late")

    @job_type(title="Late")
    @late.task(name="late")
    def decorated(number: int) -> int:
        return number

    assert decorated.job_type.__module__ == __name__
    with pytest.raises(DefinitionError, match=rf"connects \({__name__}\).*'to' cannot be an argument"):
        job_type(connects).job_type.schema()


def test_what_a_celery_task_raises_comes_out() -> None:
    with pytest.raises(KeyError, match="missing"):
        made(failing).callable()()
    with pytest.raises(RunStopped):
        made(stopped).callable()()
    with pytest.raises(TypeError, match="unexpected"):
        made(double).callable()(number=1, odd=2)


def test_a_stop_ends_an_async_task_and_its_clean_up_runs() -> None:
    ended: list[str] = []

    async def endless() -> None:
        try:
            await asyncio.sleep(0)
            raise RunStopped
        finally:
            ended.append("cleaned up")

    with pytest.raises(RunStopped):
        made(endless).callable()()
    assert ended == ["cleaned up"]


def test_each_async_run_has_a_loop_of_its_own() -> None:
    async def loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    call = made(loop).callable()
    first, second = call(), call()
    assert first is not second and first.is_closed()


def test_celery_is_not_needed() -> None:
    code = (
        "import sys\n"
        "sys.modules['celery'] = None\n"
        "from jobdeck import JobType\n"
        "made = JobType.create('A', None, 'a', 'json:loads', None, None)\n"
        "print(made.callable()('[1]'))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[1]"


def test_a_path_is_imported_when_the_type_is_used(write: Callable[[str, str], None], tmp_path: Path) -> None:
    write("lazy_task.py", f"open({str(tmp_path / 'seen')!r}, 'w').close()\ndef run(): return 5\n")
    lazy = made("lazy_task:run")
    assert not (tmp_path / "seen").exists()
    assert lazy.callable()() == 5


def test_functions_in_c_have_parameters_that_nobody_knows() -> None:
    assert tasks.problem(time.sleep) is None
    assert [one.kind for one in tasks.signature(max).parameters.values()] == [2, 4]
    assert tasks.hints(max) == {}


def test_annotations_that_cannot_be_resolved_stay_text() -> None:
    def task(a: Nowhere, b: int, c: 1 / 0) -> Iterator[int]: ...  # type: ignore[name-defined,valid-type,empty-body] # noqa: F821 # the mistakes that are tested

    assert tasks.hints(task) == {"a": "Nowhere", "b": int, "c": "1 / 0"}
    assert tasks.hints(task, {"Nowhere": str})["a"] is str
