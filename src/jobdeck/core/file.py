"""What a run made: the description of one stored file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

NAME_LIMIT = 200
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff/\\]")
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]{1,100}/[\w!#$&^.+-]{1,100}")
DEFAULT_MEDIA_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFile:
    """`path` is the place below the files folder, chosen by jobdeck; `name` is only shown. Size in bytes."""

    run_id: str
    name: str
    media_type: str
    size: int
    sha256: str
    path: str
    created_at: datetime


def check_name(name: str) -> str:
    """`name` when it can name a file (ValueError otherwise): no folders, no control characters."""
    if not name or name in (".", "..") or len(name) > NAME_LIMIT or _FORBIDDEN.search(name):
        raise ValueError(
            f"{name!r} cannot name a file: give 1 to {NAME_LIMIT} characters without slashes or control characters"
        )
    return name


def check_media_type(media_type: str | None) -> str:
    """`media_type`, or the default when None; ValueError when it is not of the form type/subtype."""
    if media_type is None:
        return DEFAULT_MEDIA_TYPE
    if not _MEDIA_TYPE.fullmatch(media_type):
        raise ValueError(f"{media_type!r} is no media type; write one such as 'text/csv'")
    return media_type
