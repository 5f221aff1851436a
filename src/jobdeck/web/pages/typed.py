"""What was typed into the plain fields of a form, as the services take it: what is no number stays text, for them to refuse."""

from __future__ import annotations

import re
from typing import Any

from flask import request

from . import form_values

_NUMBER = re.compile(r"[+-]?\d{1,12}")


def text(name: str) -> str | None:
    """A text without blanks around it; None when nothing was typed."""
    return request.form.get(name, "").strip() or None


def number(name: str) -> Any:
    """A whole number; None when nothing was typed."""
    typed = text(name)
    return int(typed) if typed is not None and _NUMBER.fullmatch(typed) else typed


def instant(name: str) -> Any:
    """A time, UTC unless it has an offset; None when nothing was typed."""
    typed = text(name)
    return None if typed is None else form_values.value("datetime", typed, "", "")
