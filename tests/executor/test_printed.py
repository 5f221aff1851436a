"""Streams whose lines become log entries."""

from __future__ import annotations

import sys

from jobdeck.executor.printed import Printed


def test_lines_are_told_whole_and_without_empty_ones() -> None:
    said: list[str] = []
    stream = Printed("stdout", sys.__stdout__, said.append)
    print("one\ntwo", file=stream)
    stream.write("thr")
    stream.buffer.write(b"ee \xff\r\n\n  \n")
    print("\ud800", end="", file=stream)
    assert said == ["one", "two", "three \\xff"]
    stream.end_line()
    stream.end_line()
    assert said[3:] == ["\\ud800"]
    stream.write("y" * 20_000)
    assert said[4:] == ["y" * 20_000]
    assert stream.fileno() == 1 and stream.encoding == "utf-8" and not stream.isatty()
