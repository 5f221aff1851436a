"""Messages of a child: whole lines, also after an interrupted one."""

from __future__ import annotations

import json
import os
import threading
from typing import Any

import pytest

from jobdeck.executor.recorder import Recorder


def _lines(reader: int) -> list[bytes]:
    return os.read(reader, 1 << 20).split(b"\n")


def test_a_message_is_a_line_of_json() -> None:
    reader, writer = os.pipe()
    Recorder(writer).say("l", 1, "ü\n\ud800", None)
    first, rest = _lines(reader)
    assert rest == b""
    assert json.loads(first) == ["l", 1, "ü\n\ud800", None]


def test_a_torn_line_harms_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    recorder = Recorder(writer)
    write = os.write

    def torn(fd: int, data: Any) -> int:
        write(fd, bytes(data)[:7])
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "write", torn)
    with pytest.raises(KeyboardInterrupt):
        recorder.say("l", 1, "never whole")
    monkeypatch.setattr(os, "write", write)
    recorder.say("e", 2)
    recorder.say("e", 3)
    lines = _lines(reader)
    assert [json.loads(line) for line in lines[1:3]] == [["e", 2], ["e", 3]]
    assert lines[3:] == [b""]


def test_threads_do_not_mix_lines() -> None:
    reader, writer = os.pipe()
    recorder = Recorder(writer)

    def talk() -> None:
        for _ in range(50):
            recorder.say("l", "x" * 5000)

    threads = [threading.Thread(target=talk) for _ in range(4)]
    for thread in threads:
        thread.start()
    data = b""
    while data.count(b"\n") < 200:
        data += os.read(reader, 1 << 16)
    for thread in threads:
        thread.join()
    assert {len(json.loads(line)[1]) for line in data.splitlines()} == {5000}
