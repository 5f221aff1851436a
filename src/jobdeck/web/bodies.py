"""JSON in and out: what a body may be, and in which type the answer goes back."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from flask import Response, request
from werkzeug.exceptions import BadRequest, NotAcceptable, UnsupportedMediaType

from ..core import json_values
from ..errors import FieldError, InvalidInput, TooLarge

BODY_LIMIT = 1024 * 1024
JSON_TYPES = ("application/json", "application/vnd.inveniordm.v1+json")
_EXPECTED = ", ".join(JSON_TYPES)
_TOO_LARGE = f"The body is too large; at most {BODY_LIMIT:,} bytes are taken."


def read_object(allowed: Collection[str], ignored: Collection[str] = ()) -> dict[str, Any]:
    """The fields of the request's JSON object; {} without a body.

    Fields in `ignored` (what the server owns, as a GET returned it) are dropped, others that are not
    `allowed` are refused by name.
    """
    raw = _read()
    if not raw.strip():
        return {}
    try:
        value = json_values.loads(raw)
    except json_values.NotJson as error:
        if error.path:
            raise InvalidInput.of(error.path, error.problem) from None
        raise BadRequest(f"Unable to decode JSON data in request body. {error.problem}") from None
    if not isinstance(value, dict):
        raise InvalidInput.of("_schema", "The body must be a JSON object.")
    unknown = sorted(value.keys() - set(allowed) - set(ignored))
    if unknown:
        raise InvalidInput(FieldError(field=name[:100], messages=("Unknown field.",)) for name in unknown[:20])
    return {name: value[name] for name in value if name in allowed}


def check_length() -> None:
    """TooLarge (413) when the body is longer than any that is taken."""
    if (request.content_length or 0) > BODY_LIMIT:
        raise TooLarge(_TOO_LARGE)


def check_accept() -> None:
    """NotAcceptable (406) unless the caller takes JSON."""
    if _accepted() is None:
        raise NotAcceptable(f"Invalid 'Accept' header. Expected one of: {_EXPECTED}")


def json_response(data: Any, status: int = 200) -> Response:
    """`data` as JSON, in the type that the caller asked for."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return Response(text.encode("utf-8", "backslashreplace"), status, content_type=_accepted() or JSON_TYPES[0])


def _accepted() -> str | None:
    if not request.accept_mimetypes:
        return JSON_TYPES[0]
    return request.accept_mimetypes.best_match(JSON_TYPES)


def _read() -> bytes:
    if request.headers.get("Content-Type") and (
        request.mimetype not in JSON_TYPES or request.mimetype_params.get("charset", "utf-8").lower() != "utf-8"
    ):
        raise UnsupportedMediaType(f"Invalid 'Content-Type' header. Expected one of: {_EXPECTED}")
    check_length()
    raw = request.stream.read(BODY_LIMIT + 1)
    if len(raw) > BODY_LIMIT:
        raise TooLarge(_TOO_LARGE)
    return raw
