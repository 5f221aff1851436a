"""The folder of a worker's pages (`executor.page`): made by it, read by whoever rescues what it held."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from ..core.worker import WorkerInfo
from ..executor.page import Page
from ..services.holder import Claim
from ..store import database
from . import identity


def make_folder(worker: WorkerInfo) -> Path:
    """The folder of a new worker; StoreError when it cannot be made."""
    folder = Path(worker.pages or "")
    database.make_folder(folder)
    return folder


def remove_folder(worker: WorkerInfo) -> None:
    """Delete the pages of a worker that holds nothing any more."""
    if worker.pages is not None:
        shutil.rmtree(worker.pages, ignore_errors=True)


class Pages:
    """What the children of a dead worker had begun. From here on they begin nothing more, and what runs still is ended."""

    def __init__(self, worker: WorkerInfo) -> None:
        self._folder = None if worker.pages is None else Path(worker.pages)
        self._begun: set[tuple[str, int]] = set()
        self._is_known = False
        # After a boot nothing lives, and what a file then says may be older than the last run that began.
        if self._folder is not None and self._folder.is_dir() and worker.boot_id == identity.boot_id():
            self._is_known = all(self._read(path) for path in list(self._folder.iterdir()))

    def has_begun(self, claim: Claim) -> bool:
        """Whether the body of a claimed run had begun; without all pages nobody knows, so it had."""
        return not self._is_known or (claim.id, claim.fence) in self._begun

    def _read(self, path: Path) -> bool:
        try:
            page = Page.of_file(path)
        except (OSError, ValueError):
            return False
        begun = page.recall(page.begun)
        pid, started = page.process
        if pid:
            with contextlib.suppress(PermissionError):
                identity.end(pid, started, group=True)
        self._begun |= {noted for noted, number in page.notes().items() if number <= begun}
        page.close()
        return True
