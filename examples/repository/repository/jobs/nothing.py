"""Nothing, slowly."""

from __future__ import annotations

import contextlib
import time
from typing import Annotated

from flask import current_app
from pydantic import Field

from jobdeck import JobdeckError, current_run, job_type, track

_SLICE_S = 0.1


@job_type(title="Slow nothing")
def slow_nothing(
    steps: Annotated[int, Field(ge=1, le=100_000, description="How many steps")] = 60,
    seconds: Annotated[float, Field(ge=0, le=3600, description="How long one step takes, in seconds")] = 1.0,
) -> dict[str, int]:
    """Do nothing, step by step; a stop is honoured within a tenth of a second."""
    for step in track(range(1, steps + 1)):
        current_app.logger.info("step %d of %d", step, steps)
        _wait(seconds)
    return {"steps": steps}


def _wait(seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, _SLICE_S))
        with contextlib.suppress(JobdeckError):  # outside a run nobody can ask
            current_run.check_stop()
