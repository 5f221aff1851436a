"""Reading a ROR release: a zip that holds one JSON array of organisations. Nothing is held in memory as a whole.

A release is one that is shipped (`v2.8`), a path, or a web address. Whoever may start this job may have the server read any of
them: that is an administrator's right.
"""

from __future__ import annotations

import contextlib
import http.client
import lzma
import tempfile
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import ijson

SHIPPED = Path(__file__).resolve().parents[1] / "releases"
DOWNLOAD_LIMIT = 500_000_000
UNPACKED_LIMIT = 5_000_000_000
TIMEOUT_S = 60
DEPTH_LIMIT = 64
_CHUNK = 1 << 20
# How much deeper an event of the parser leads. Keys of objects occur only below the elements.
_STEPS = {"start_map": 1, "start_array": 1, "end_map": -1, "end_array": -1}
_DAMAGE = (ijson.JSONError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError)


class BadRelease(ValueError):
    """The release cannot be read; the message says what is wrong, and where."""


class Release:
    """An open release; iterate over it for its elements, whatever they are."""

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self._archive = archive
        self._name = name

    def count(self) -> int:
        """How many elements the array has; as many as can be read when it is damaged further on.

        BadRelease when it is nested so deeply that building its elements would take for ever.
        """
        found = depth = 0
        try:
            with self._open() as file, self._plain_errors():
                for event, _ in ijson.basic_parse(file, use_float=True):
                    step = _STEPS.get(event, 0)
                    if depth == 1 and step >= 0:
                        found += 1
                    depth += step
                    if depth > DEPTH_LIMIT:
                        break
        except BadRelease:
            return found
        if depth > DEPTH_LIMIT:
            raise BadRelease(f"{self._name} is nested deeper than {DEPTH_LIMIT} levels.")
        return found

    def __iter__(self) -> Iterator[Any]:
        read = 0
        with self._open() as file:
            elements = ijson.items(file, "item", use_float=True)
            while True:
                try:
                    with self._plain_errors():
                        element = next(elements)
                except StopIteration:
                    return
                except BadRelease as error:
                    raise BadRelease(f"{error} {read:,} elements before it were read.") from None
                read += 1
                yield element

    @contextlib.contextmanager
    def _open(self) -> Iterator[IO[bytes]]:
        with self._plain_errors(), self._archive.open(self._name) as file:
            first = file.read(4096).lstrip()[:1]
        if first != b"[":
            raise BadRelease(f"{self._name} in the zip is no JSON array; it begins with {first!r}.")
        with self._archive.open(self._name) as file:
            yield file

    @contextlib.contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except BadRelease:
            raise
        except _DAMAGE as error:
            raise BadRelease(f"{self._name} is damaged: {_said(error)}.") from None
        except RuntimeError as error:  # encrypted, or packed by a method that zipfile does not know
            raise BadRelease(f"{self._name} cannot be read: {_said(error)}.") from None


@contextlib.contextmanager
def open_release(source: str) -> Iterator[Release]:
    """The release that `source` names; BadRelease says why it cannot be opened."""
    with contextlib.ExitStack() as stack:
        if source.lower().startswith(("http://", "https://")):
            path = Path(stack.enter_context(tempfile.TemporaryDirectory()), "release.zip")
            _download(source, path)
        else:
            path = _find(source)
        try:
            archive = stack.enter_context(zipfile.ZipFile(path))
        except zipfile.BadZipFile:
            raise BadRelease(f"{source} is not a zip file.") from None
        except (*_DAMAGE, RuntimeError) as error:
            raise BadRelease(f"{source} cannot be read: {_said(error)}.") from None
        yield Release(archive, _array_in(archive, source))


def _find(source: str) -> Path:
    """A shipped release by the beginning of its name, else a path."""
    shipped = sorted(SHIPPED.glob("v*.zip"))
    for path in shipped:
        if source in (path.name, path.name.partition("-")[0]):
            return path
    file = _file(source)
    if file is None:
        known = ", ".join(path.name.partition("-")[0] for path in shipped)
        raise BadRelease(
            f"There is no release {source!r}: give one of {known}, the path of a zip file, or its web address."
        )
    return file


def _file(source: str) -> Path | None:
    try:
        path = Path(source).expanduser()
        return path if path.is_file() else None
    except (OSError, RuntimeError):  # too long a name, or the home of somebody unknown
        return None


def _array_in(archive: zipfile.ZipFile, source: str) -> str:
    """The name of the JSON file in the zip; the one in schema v2 where there are several."""
    names = [info for info in archive.infolist() if info.filename.endswith(".json")]
    names.sort(key=lambda info: "schema_v2" not in info.filename)
    if not names:
        raise BadRelease(f"{source} holds no JSON file; a ROR release has one.")
    if names[0].file_size > UNPACKED_LIMIT:
        raise BadRelease(f"{names[0].filename} in {source} unpacks to more than {UNPACKED_LIMIT:,} bytes.")
    return names[0].filename


def _download(address: str, path: Path) -> None:
    try:
        request = urllib.request.Request(address, headers={"User-Agent": "example-repository"})
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer, path.open("wb") as file:
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                if file.tell() > DOWNLOAD_LIMIT:
                    raise BadRelease(f"{address} gives more than {DOWNLOAD_LIMIT:,} bytes.")
    except BadRelease:
        raise
    except (http.client.HTTPException, OSError, ValueError) as error:
        raise BadRelease(f"{address} cannot be downloaded: {_said(error)}.") from None


def _said(error: Exception) -> str:
    """The first line of what an error says; its name when it says nothing."""
    said = getattr(error, "reason", None) or (error.args[0] if len(error.args) == 1 else error)
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    return (text.splitlines() or [""])[0].rstrip(". ") or type(error).__name__
