"""Comparing what lies on disk with what was put there."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from jobdeck import JobType, TaskExecutionPartialError, track

from ..database import connect, file_path

logger = logging.getLogger(__name__)


def verify_checksums() -> dict[str, int]:
    """Read every file; those that are missing or changed are logged and make the run a partial success."""
    files = connect().execute("SELECT record_id, name, sha256 FROM file ORDER BY record_id, name").fetchall()
    bad = 0
    for file in track(files):
        problem = _problem(file_path(file["record_id"], file["name"]), file["sha256"])
        if problem:
            bad += 1
            logger.error("%s of %s %s", file["name"], file["record_id"], problem)
    result = {"files": len(files), "bad": bad}
    if bad:
        raise TaskExecutionPartialError(f"{bad} of {len(files)} files are not as they were.", bad, result=result)
    return result


def _problem(path: Path, sha256: str) -> str | None:
    try:
        with path.open("rb") as opened:
            found = hashlib.file_digest(opened, "sha256").hexdigest()
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    return None if found == sha256 else f"has changed: SHA-256 is {found}, not {sha256}"


VerifyChecksums = JobType.create(
    job_cls_name="VerifyChecksums",
    arguments_schema=None,
    id_="verify_checksums",
    task=verify_checksums,
    description="Read every file and compare its SHA-256 with the one in the database.",
    title="Verify checksums",
)
