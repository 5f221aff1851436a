"""Response headers that keep a browser from doing anything but show our pages. Only on our own responses."""

from __future__ import annotations

from flask import Response, request

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SANDBOX_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Not `no-referrer`: under it browsers send `Origin: null` with our own forms, and over plain http nothing else
    # tells them from another site's.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def apply(response: Response) -> Response:
    """Add the headers that a view has not set itself."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if request.endpoint != "jobdeck_pages.static":
        response.headers.setdefault("Cache-Control", "no-store")
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    return response
