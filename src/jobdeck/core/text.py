"""Foreign text made storable: any job may log or raise any characters, and both databases must take them.

PostgreSQL refuses NUL and lone surrogates, SQLite keeps them; so they are escaped here, before either.
"""

from __future__ import annotations

import re

LINE_LIMIT = 16 * 1024
MESSAGE_LIMIT = 64 * 1024
_UNSTORABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def clean(text: str, limit: int = MESSAGE_LIMIT) -> str:
    """`text` with control characters and lone surrogates escaped, cut to `limit` characters and marked."""
    if len(text) > limit:
        text = f"{text[:limit]}… ({len(text) - limit} more characters)"
    if _UNSTORABLE.search(text):
        text = _UNSTORABLE.sub(_escape, text)
    return text


def one_line(text: str, limit: int = 300) -> str:
    """`text` on one line, so that data can never forge a line of a server log or a title."""
    return clean(" ".join(text.split()), limit)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
