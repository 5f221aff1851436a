"""Reading releases: the real ones, and everything that can be wrong with one."""

from __future__ import annotations

import functools
import http.server
import json
import os
import random
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from jobdeck import TaskExecutionPartialError

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "repository"
Make = Callable[..., Any]


def update(source: str, since: date | None = None) -> dict[str, int]:
    from repository.jobs import ror_update

    found: dict[str, int] = ror_update(source, since)
    return found


def stored() -> int:
    from repository.database import connect

    count: int = connect().execute("SELECT count(*) FROM organisation").fetchone()[0]
    return count


def counts(created: int = 0, updated: int = 0, unchanged: int = 0, skipped: int = 0, failed: int = 0) -> dict[str, int]:
    return {"created": created, "updated": updated, "unchanged": unchanged, "skipped": skipped, "failed": failed}


def test_the_real_releases(app: Flask) -> None:
    assert update("v2.8") == counts(created=11_282)
    assert update("v2.9") == counts(created=2_221, updated=210, unchanged=11_072)
    assert update("v2.9-2026-06-23-ror-data.zip") == counts(unchanged=13_503)
    assert stored() == 13_503


def test_since_skips_what_is_older(app: Flask, release: Make, organisation: Make) -> None:
    days = ["20251231", "2026-01-01", "2026-01-02"]
    source = release(
        json.dumps([organisation(n, admin={"last_modified": {"date": day}}) for n, day in enumerate(days)])
    )
    assert update(source, date(2026, 1, 1)) == counts(created=2, skipped=1)


def test_a_record_twice_in_one_release_is_an_update(app: Flask, release: Make, organisation: Make) -> None:
    assert update(
        release(json.dumps([organisation(1), organisation(1), organisation(1, status="inactive")]))
    ) == counts(created=1, unchanged=1, updated=1)
    assert stored() == 1


@pytest.mark.parametrize(
    "bad",
    [
        None,
        5,
        "text",
        [],
        {},
        {"id": 7},
        {"id": "https://evil.example/x"},
        {"names": "Institute"},
        {"names": [{"value": 3, "types": ["ror_display"]}]},
        {"names": [{"value": "A", "types": ["label"]}]},
        {"names": [{"value": "A", "types": 5}]},
        {"names": [{"value": "A", "types": "ror_display"}]},
        {"names": [{"value": " ", "types": ["ror_display"]}]},
        {"admin": None},
        {"admin": {"last_modified": {"date": "yesterday"}}},
        {"admin": {"last_modified": {"date": 20260101}}},
        {"status": None},
    ],
    ids=str,
)
def test_a_malformed_record_is_counted_and_the_rest_is_stored(
    app: Flask, release: Make, organisation: Make, bad: Any, caplog: pytest.LogCaptureFixture
) -> None:
    broken = organisation(2, **bad) if isinstance(bad, dict) and bad else bad
    source = release(json.dumps([organisation(1), broken, organisation(3)]))
    with pytest.raises(TaskExecutionPartialError) as caught:
        update(source)
    assert caught.value.errored_entries_count == 1
    assert caught.value.result == counts(created=2, failed=1)
    assert "record 2" in caplog.text
    assert stored() == 2


def test_odd_but_sound_records_are_taken(app: Flask, release: Make, organisation: Make) -> None:
    odd = [
        organisation(1, locations=[]),
        organisation(2, locations="nowhere"),
        organisation(3, extra={"deep": [[[[{}]]]]}, size=1e300),
        organisation(4, names=[{"value": "\U0001f600 Ünï", "types": ["ror_display"]}]),
    ]
    assert update(release(json.dumps(odd))) == counts(created=4)


def test_a_truncated_release_keeps_whole_batches_and_can_be_completed(
    app: Flask, release: Make, organisation: Make
) -> None:
    from repository.jobs.ror_release import BadRelease

    whole = json.dumps([organisation(n) for n in range(1200)])
    with pytest.raises(BadRelease, match=r"ror-data\.json is damaged: .* 1,1\d\d elements before it were read"):
        update(release(whole[: int(len(whole) * 0.95)]))
    assert stored() == 1000
    assert update(release(whole)) == counts(created=200, unchanged=1000)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"no zip at all", "is not a zip file"),
        (b"", "is not a zip file"),
        (b"PK\x03\x04 and then nothing", "is not a zip file"),
    ],
)
def test_what_is_no_zip(app: Flask, tmp_path: Path, content: bytes, told: str) -> None:
    from repository.jobs.ror_release import BadRelease

    path = tmp_path / "bad.zip"
    path.write_bytes(content)
    with pytest.raises(BadRelease, match=told):
        update(str(path))
    assert stored() == 0


@pytest.mark.parametrize(
    ("text", "name", "told"),
    [
        ('{"a": 1}', "data.json", "is no JSON array"),
        ("", "data.json", "is no JSON array"),
        ("[1, 2", "data.json", "is damaged"),
        ("[{]", "data.json", "is damaged"),
        ("[" * 100_000, "data.json", "is nested deeper than 64 levels"),
        (f'[{{"a": {"9" * 6000}}}]', "data.json", "is damaged: .*integer overflow"),
        (b'[{"a": "\xff"}]', "data.json", "is damaged: .*invalid bytes in UTF8 string. 0 elements"),
        ("[]", "data.csv", "holds no JSON file"),
    ],
    ids=["object", "empty", "open", "nonsense", "deep", "number", "bytes", "csv"],
)
def test_a_zip_that_is_no_release(app: Flask, release: Make, text: str | bytes, name: str, told: str) -> None:
    from repository.jobs.ror_release import BadRelease

    with pytest.raises(BadRelease, match=told):
        update(release(text, name))
    assert stored() == 0


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_damaged_anywhere_is_told_as_such(app: Flask, tmp_path: Path, organisation: Make, method: int) -> None:
    from repository.jobs.ror_release import BadRelease

    path, chance = tmp_path / "damaged.zip", random.Random(3)
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("ror-data.json", json.dumps([organisation(n) for n in range(50)]))
    whole, refused = path.read_bytes(), 0
    for _ in range(60):
        content = bytearray(whole)
        content[chance.randrange(len(content))] ^= chance.randrange(1, 256)
        path.write_bytes(content)
        try:
            assert sum(update(str(path)).values()) == 50  # nothing that is read was hit
        except BadRelease:
            refused += 1
    assert refused > 30


def test_damage_half_way_keeps_whole_batches(app: Flask, release: Make, organisation: Make) -> None:
    from repository.jobs.ror_release import BadRelease

    source = Path(release(json.dumps([organisation(n) for n in range(5000)])))
    content = bytearray(source.read_bytes())
    half = len(content) // 2
    content[half : half + 50] = b"\xff" * 50
    source.write_bytes(content)
    with pytest.raises(BadRelease, match=r"ror-data\.json is damaged: .* [\d,]+ elements before it were read"):
        update(str(source))
    assert 0 < stored() < 5000
    assert stored() % 500 == 0


@pytest.mark.parametrize(
    ("flag", "method", "told"), [(1, 8, "is encrypted"), (0, 99, "method is not supported")], ids=["secret", "method"]
)
def test_a_zip_that_nobody_here_can_unpack(
    app: Flask, release: Make, organisation: Make, flag: int, method: int, told: str
) -> None:
    from repository.jobs.ror_release import BadRelease

    path = Path(release(json.dumps([organisation(1)])))
    content = bytearray(path.read_bytes())
    directory = content.rfind(b"PK\x01\x02")
    for flags, packed in ((6, 8), (directory + 8, directory + 10)):
        content[flags] |= flag
        content[packed] = method
    path.write_bytes(content)
    with pytest.raises(BadRelease, match=rf"ror-data\.json cannot be read: .*{told}"):
        update(str(path))


def test_the_newer_schema_is_taken_where_a_release_has_two(app: Flask, tmp_path: Path, organisation: Make) -> None:
    path = tmp_path / "two.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("v1-ror-data.json", "[1]")
        archive.writestr("v1-ror-data_schema_v2.json", json.dumps([organisation(1)]))
    assert update(str(path)) == counts(created=1)


def test_sources_that_are_not_there(app: Flask, tmp_path: Path) -> None:
    from repository.jobs.ror_release import BadRelease

    with socket.create_server(("127.0.0.1", 0)) as free:
        closed = f"http://127.0.0.1:{free.getsockname()[1]}/ror.zip"
    for source, told in (
        ("v1.0", "give one of v2.8, v2.9"),
        (str(tmp_path), "There is no release"),
        ("~nobody-of-this-name/ror.zip", "There is no release"),
        ("x" * 5000, "There is no release"),
        ("", "There is no release"),
        (closed, "cannot be downloaded"),
        ("http://[bad/ror.zip", "cannot be downloaded"),
        ("http://127.0.0.1:port/ror.zip", "cannot be downloaded"),
    ):
        with pytest.raises(BadRelease, match=told):
            update(source)


def test_a_release_from_the_web(app: Flask, release: Make, organisation: Make) -> None:
    path = Path(release(json.dumps([organisation(1)])))
    handler = functools.partial(Quiet, directory=str(path.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            address = f"http://127.0.0.1:{server.server_address[1]}"
            assert update(f"{address}/{path.name}") == counts(created=1)
            from repository.jobs.ror_release import BadRelease

            with pytest.raises(BadRelease, match="cannot be downloaded"):
                update(f"{address}/nothing.zip")
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"hello\r\n\r\n",
        b"HTTP/1.1 500 Broken\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: file:///etc/hostname\r\n\r\n",
    ],
    ids=["silence", "greeting", "error", "chunk", "file"],
)
def test_a_server_that_gives_no_release(app: Flask, answer: bytes) -> None:
    from repository.jobs.ror_release import BadRelease

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer_once, args=(server, answer))
        thread.start()
        with pytest.raises(BadRelease, match=r"^http://127\.0\.0\.1:\d+/ror\.zip cannot be downloaded: \S"):
            update(f"http://127.0.0.1:{server.getsockname()[1]}/ror.zip")
        thread.join()
    assert stored() == 0


def answer_once(server: socket.socket, answer: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(answer)


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Says nothing."""

    def log_message(self, *arguments: object) -> None:
        pass


# Not `ru_maxrss`: it remembers what the process was before it became this program.
PROGRAM = r"""
import re, sys
from repository import create_app
from repository.jobs import ror_update
with create_app().app_context():
    created = ror_update(sys.argv[1], None)["created"]
    print(created, int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1]) // 1024)
"""


def test_memory_stays_small_however_large_the_release(organisation: Make, tmp_path: Path) -> None:
    """Ten times as many records as v2.8, which as objects in memory would take some 300 MB."""
    padding = [{"value": f"Other name {number}", "types": ["alias"], "lang": None} for number in range(4)]
    names = [*organisation(1)["names"], *padding]
    records = (json.dumps(organisation(number, names=names)) for number in range(112_820))
    path = tmp_path / "large.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("large.json", "w", force_zip64=True) as file,
    ):
        for number, text in enumerate(records):
            file.write(("[" if number == 0 else ",").encode() + text.encode())
        file.write(b"]")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path)],
        cwd=EXAMPLE,
        env={**os.environ, "JOBDECK_HOME": str(tmp_path / "large-home")},
        capture_output=True,
        text=True,
        check=True,
    )
    created, peak_mb = map(int, done.stdout.split())
    assert created == 112_820
    assert peak_mb <= 150
