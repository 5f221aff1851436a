"""Was a change meant by whom it seems to come from? Asked of every unsafe request that a cookie signs in.

Two things must hold: the browser says that the request comes from our own pages, and it carries the token
that only our own pages know.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from urllib.parse import urlsplit

from flask import Request

from ..core.principal import Principal
from ..errors import ConfigurationError, NotAllowed

HEADER = "X-CSRF-Token"
FIELD = "csrf_token"


def check_origin(request: Request, base_url: str | None) -> None:
    """NotAllowed unless the browser says that the request comes from our own pages.

    `Sec-Fetch-Site` says it best; over plain http browsers leave it out, and `Origin` must be ours.
    """
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None and site not in ("same-origin", "none"):
        raise NotAllowed("This request comes from another site; make it from jobdeck's own pages.")
    if origin is not None and origin not in _own_origins(request, base_url):
        raise NotAllowed("This request comes from another origin; make it from jobdeck's own pages.")
    if site is None and origin is None:
        raise NotAllowed("This request does not say where it comes from; send an Origin header, or use an API token.")


def check_token(request: Request, expected: str) -> None:
    """NotAllowed unless the request carries the expected token, in its header or its form."""
    given = request.headers.get(HEADER)
    if given is None and request.mimetype in ("application/x-www-form-urlencoded", "multipart/form-data"):
        given = request.form.get(FIELD)
    if given is None or not hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode()):
        raise NotAllowed("The CSRF token is missing or out of date; reload the page and try again.")


def token_of(principal: Principal, secret_key: str | bytes | None) -> str:
    """The token of a principal that the host application signed in; bound to the host's secret key."""
    if not secret_key:
        raise ConfigurationError("With an authenticator of the host's, its Flask SECRET_KEY must be set.")
    key = secret_key.encode() if isinstance(secret_key, str) else secret_key
    subject = f"jobdeck csrf\0{principal.tenant}\0{principal.id}"
    return hmac.new(key, subject.encode(), sha256).hexdigest()


def _own_origins(request: Request, base_url: str | None) -> set[str]:
    addresses = [request.host_url, base_url] if base_url else [request.host_url]
    return {f"{parts.scheme}://{parts.netloc}" for parts in map(urlsplit, addresses)}
