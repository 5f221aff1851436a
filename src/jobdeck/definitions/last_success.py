"""`LastSuccess`: a parameter that, left empty, gets the start of the last successful run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated


@dataclass(frozen=True, slots=True)
class SinceLastSuccess:
    """The mark on an annotation; `LastSuccess` carries it, a name such as `since` alone does nothing."""


LastSuccess = Annotated[datetime | None, SinceLastSuccess()]
