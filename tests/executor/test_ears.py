"""Hearing what a run says in a process that it shares: its own context alone, and the host as it was before."""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from jobdeck.executor.ears import SharedEars
from jobdeck.executor.log_capture import LogCapture
from jobdeck.executor.places import shared_process

logger = logging.getLogger("ears_site")
own_level = logging.getLogger("ears_site.own_level")


class Notes:
    """Takes what is captured."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, *message: Any) -> None:
        *_, text, _fields = message
        self.lines.append(text)


@pytest.fixture(scope="module")
def ears() -> SharedEars:
    """Those of this process, which stay."""
    found = shared_process(logging.DEBUG).ears
    assert isinstance(found, SharedEars)
    return found


@pytest.fixture
def shown() -> Iterator[list[str]]:
    """What a handler of the host on the root has shown, which it also prints."""
    lines: list[str] = []

    class Shown(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())
            print("the host prints", record.getMessage())

    handler = Shown()
    logging.getLogger().addHandler(handler)
    yield lines
    logging.getLogger().removeHandler(handler)


@contextmanager
def captured(ears: SharedEars, *, output: bool = True) -> Iterator[Notes]:
    notes = Notes()
    capture = LogCapture(notes, ears)
    capture.begin(1, output=output)
    try:
        yield notes
    finally:
        capture.end()


def test_the_host_sees_what_it_saw_before(ears: SharedEars, shown: list[str]) -> None:
    own_level.setLevel(logging.ERROR)
    with captured(ears) as notes:
        logger.debug("fine")
        logger.warning("coarse")
        own_level.warning("too fine for a logger with a level of its own")
    assert notes.lines == ["fine", "coarse"]
    assert shown == ["coarse"]
    assert not logger.isEnabledFor(logging.DEBUG)


def test_what_is_switched_off_stays_off(ears: SharedEars) -> None:
    silent = logging.getLogger("ears_site.silent")
    silent.disabled = True
    with captured(ears) as notes:
        silent.error("nobody hears this")
        logging.disable(logging.INFO)
        logger.info("nor this")
        logging.disable(logging.NOTSET)
        logger.info("but this")
    assert notes.lines == ["but this"]


def test_other_threads_and_later_lines_are_not_heard(ears: SharedEars, capsys: Any) -> None:
    out, error = sys.stdout, sys.stderr
    with captured(ears) as notes:
        print("inside")
        for talks in (print, logger.error):
            thread = threading.Thread(target=talks, args=("beside",))
            thread.start()
            thread.join()
    print("after")
    assert notes.lines == ["inside"]
    assert (sys.stdout, sys.stderr) == (out, error)
    assert capsys.readouterr().out == "beside\nafter\n"


def test_a_run_within_a_run_has_its_own_log(ears: SharedEars) -> None:
    with captured(ears) as outer:
        print("before")
        with captured(ears) as inner:
            print("within")
        logger.info("behind")
    assert (outer.lines, inner.lines) == (["before", "behind"], ["within"])


def test_without_output_what_is_printed_goes_where_it_went(ears: SharedEars, capsys: Any) -> None:
    with captured(ears, output=False) as notes:
        print("printed")
        logger.info("logged")
    assert notes.lines == ["logged"]
    assert capsys.readouterr().out == "printed\n"


def test_warnings_are_lines_and_shown_as_ever_afterwards(ears: SharedEars) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        before = warnings.showwarning
        with captured(ears) as notes:
            warnings.warn("mind the gap", UserWarning, stacklevel=1)
        assert warnings.showwarning is before
    assert len(notes.lines) == 1 and "mind the gap" in notes.lines[0]


def test_a_stream_that_a_run_closes_is_a_new_one_next_time(ears: SharedEars) -> None:
    notes = Notes()
    capture = LogCapture(notes, ears)
    for number in (1, 2):
        capture.begin(number, output=True)
        print("line", number)
        sys.stdout.close()
        capture.end()
    assert notes.lines == ["line 1", "line 2"]


def test_a_forked_process_hears_for_nobody(ears: SharedEars) -> None:
    out = sys.stdout
    capture = LogCapture(notes := Notes(), ears)
    capture.begin(1, output=True)
    ears.forget()
    logger.error("of another process")
    assert sys.stdout is out
    assert notes.lines == []
