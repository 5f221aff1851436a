"""A worker's own log lines, for the operator's terminal or service log."""

from __future__ import annotations

import logging
import sys

_FORMAT = "%(asctime)s %(levelname)s %(message)s"


def show_log_lines() -> None:
    """Write jobdeck's log lines to stderr, unless logging is set up already."""
    if not logging.getLogger().handlers:
        logging.basicConfig(level=logging.INFO, format=_FORMAT, stream=sys.stderr)
