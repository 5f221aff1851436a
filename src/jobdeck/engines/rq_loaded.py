"""Loads the application in an RQ worker, before that forks for every job: `rq worker -c jobdeck.engines.rq_loaded …`.

A settings module of the site's own imports it. In an RQ worker that executes runs beside itself, the worker for that is started
here as well, so that it is seen, and ready, before the first run comes.
"""

from __future__ import annotations

import sys

from . import rq

# `rq info` and others may be given the same settings.
if sys.argv[1:2] == ["worker"]:
    rq.prepare()
