"""From any exception to an answer: a status, a sentence, and for wrong input the fields.

What the caller sees was written for callers; details of what went wrong on our side are only in the server's
log, under a reference that the answer names.
"""

from __future__ import annotations

import logging
import secrets

from flask import Response, request
from werkzeug.exceptions import HTTPException

from ..core.text import one_line
from ..errors import (
    Conflict,
    DefinitionError,
    InvalidInput,
    NotAllowed,
    NotFound,
    NotSignedIn,
    Occupied,
    RequestError,
    StoreError,
    TooLarge,
)
from .bodies import json_response

logger = logging.getLogger(__name__)

_STATUSES: tuple[tuple[type[RequestError], int], ...] = (
    (InvalidInput, 400),
    (Occupied, 409),
    (Conflict, 400),
    (NotSignedIn, 401),
    (NotAllowed, 403),
    (NotFound, 404),
    (TooLarge, 413),
)


def told(error: Exception) -> tuple[RequestError, int]:
    """The error as the caller may see it, and the HTTP status. What is our fault is logged here."""
    if isinstance(error, RequestError):
        return error, next((status for kind, status in _STATUSES if isinstance(error, kind)), 400)
    if isinstance(error, HTTPException) and error.code is not None and error.code < 500:
        return RequestError(error.description or "The request cannot be served."), error.code
    if isinstance(error, DefinitionError):
        return RequestError(str(error)), 400
    reference = secrets.token_hex(6)
    where = f"{request.method} {one_line(request.path)}"
    if isinstance(error, StoreError):
        logger.error("%s: %s (reference %s)", where, error, reference)
        return RequestError(f"The database cannot serve at the moment. Reference: {reference}."), 503
    logger.error("%s failed (reference %s)", where, reference, exc_info=error)
    return RequestError(f"Something went wrong on our side. Reference: {reference}."), 500


def as_json(error: Exception) -> Response:
    """The answer of the API."""
    plain, status = told(error)
    body: dict[str, object] = {"status": status, "message": plain.message}
    if isinstance(plain, InvalidInput) and plain.errors:
        body["errors"] = [{"field": e.field, "messages": list(e.messages)} for e in plain.errors]
    response = json_response(body, status)
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="jobdeck"'
    return with_headers_of(error, response)


def with_headers_of(error: Exception, response: Response) -> Response:
    """`response` with what HTTP wants said beside the status: `Allow`, `Retry-After`."""
    if isinstance(error, HTTPException):
        for name, value in error.get_headers():
            if name in ("Allow", "Retry-After"):
                response.headers[name] = value
    return response
