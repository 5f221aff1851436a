"""Who makes a request, and whether it may go on: the one place where both blueprints are guarded.

A bearer token counts alone: cookies that come with it are ignored. Else the host's authenticator is asked
when there is one, else our own session cookie. Neighbours: `web.csrf` says whether a change was really meant,
`services.accounts` knows tokens and sessions, the services decide what a principal may do.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import cast
from urllib.parse import quote

from flask import Flask, Response, current_app, g, redirect, request

from ..contracts import Authenticator
from ..core.principal import is_own
from ..deck import Deck, Desk
from ..errors import NotAllowed, NotSignedIn
from ..services.accounts import SESSION_LIFETIME, Session
from . import csrf
from .bodies import check_length
from .throttle import Throttle

SIGN_IN_ATTEMPTS_A_MINUTE = 5
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whoever makes the request at hand; `csrf_token` is None for a bearer token, which needs none."""

    desk: Desk
    session: Session | None
    csrf_token: str | None


class Doorkeeper:
    """Guards the blueprints of one deck."""

    def __init__(self, app: Flask, deck: Deck, authenticator: Authenticator | None) -> None:
        self._app = app
        self._deck = deck
        self._authenticator = authenticator
        self._sign_in_attempts = Throttle(limit=SIGN_IN_ATTEMPTS_A_MINUTE, span_s=60)

    def guard_api(self) -> None:
        """Let a request for the API pass; NotSignedIn (401) otherwise."""
        g.jobdeck_caller = caller = self._caller()
        if caller is None:
            raise NotSignedIn("Sign in, or send an API token: 'Authorization: Bearer <token>'.")
        self._check_change(caller)

    def guard_pages(self) -> Response | None:
        """Let a request for a page pass; lead anybody unknown to the sign-in page."""
        g.jobdeck_caller = caller = self._caller()
        if request.endpoint == "jobdeck_pages.static":
            return None
        if request.path == sign_in_path(self._deck):
            if request.method not in _SAFE_METHODS:
                check_length()
                csrf.check_origin(request, self._deck.settings.base_url)
                self._sign_in_attempts.take(request.remote_addr or "")
            return None
        if caller is None:
            return self._lead_to_sign_in()
        self._check_change(caller)
        return None

    def signed_in(self) -> None:
        """Forget the attempts of an address that has just signed in."""
        self._sign_in_attempts.forget(request.remote_addr or "")

    def _caller(self) -> Caller | None:
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            principal = self._deck.accounts.principal_of_token(secret.strip())
            if principal is None:
                return None
            return Caller(desk=self._deck.acting_as(principal), session=None, csrf_token=None)
        if self._authenticator is not None:
            principal = self._authenticator.principal(request)
            if principal is not None:
                # It would have the rights of that one whenever a schedule of its fires.
                if is_own(principal.id):
                    raise NotAllowed(f"{principal.id!r} is an id of jobdeck's own; the host must give another one.")
                token = csrf.token_of(principal, self._app.secret_key)
                return Caller(desk=self._deck.acting_as(principal), session=None, csrf_token=token)
        cookie = request.cookies.get(cookie_name())
        session = self._deck.accounts.session(cookie) if cookie else None
        if session is None:
            return None
        desk = self._deck.acting_as(session.principal)
        return Caller(desk=desk, session=session, csrf_token=session.csrf_token)

    def _check_change(self, caller: Caller) -> None:
        if request.method not in _SAFE_METHODS and caller.csrf_token is not None:
            check_length()
            csrf.check_origin(request, self._deck.settings.base_url)
            csrf.check_token(request, caller.csrf_token)

    def _lead_to_sign_in(self) -> Response:
        target = request.script_root + sign_in_path(self._deck)
        if request.method in ("GET", "HEAD") and not request.headers.get("HX-Request"):
            wanted = request.script_root + request.full_path.rstrip("?")
            return cast(Response, redirect(f"{target}?next={quote(wanted, safe='')}", 302))
        if request.headers.get("HX-Request"):
            return Response(status=401, headers={"HX-Redirect": target})
        return cast(Response, redirect(target, 303))


def current_desk() -> Desk:
    """The services, as whoever is signed in has them; NotSignedIn when nobody is."""
    caller = _current_caller()
    if caller is None:
        raise NotSignedIn("Sign in first.")
    return caller.desk


def current_session() -> Session | None:
    """The browser's session; None without one, for bearer tokens, and where the host authenticates."""
    caller = _current_caller()
    return None if caller is None else caller.session


def csrf_token() -> str:
    """What forms send back in `csrf_token` and scripts in `X-CSRF-Token`; empty when nobody is signed in."""
    caller = _current_caller()
    return (caller.csrf_token or "") if caller is not None else ""


def sign_in(response: Response, session: Session) -> None:
    """Give the browser the cookie of a new session."""
    doorkeeper: Doorkeeper = current_app.extensions["jobdeck_doorkeeper"]
    doorkeeper.signed_in()
    response.set_cookie(
        cookie_name(),
        session.id,
        max_age=SESSION_LIFETIME,
        path="/",
        secure=_is_secure(),
        httponly=True,
        samesite="Lax",
    )


def sign_out(response: Response) -> None:
    """End the browser's session and take its cookie away."""
    session = current_session()
    if session is not None:
        _deck().accounts.sign_out(session.id)
    response.delete_cookie(cookie_name(), path="/", secure=_is_secure(), httponly=True, samesite="Lax")


def safe_next(value: str | None) -> str:
    """Where to go after signing in: `value` when it is a path of this server, else the jobs page."""
    home = f"{request.script_root}{_deck().settings.pages_prefix}/jobs"
    return value if value is not None and is_local_path(value) else home


def is_local_path(value: str) -> bool:
    """Whether a browser that is sent to `value` stays on this server.

    Browsers read a backslash as a slash and drop control characters, so that neither may stand in it.
    """
    if not value.startswith("/") or value.startswith("//") or "\\" in value:
        return False
    return not any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in value)


def sign_in_path(deck: Deck) -> str:
    """Where the sign-in page is."""
    return f"{deck.settings.pages_prefix}/sign-in"


def cookie_name() -> str:
    """`__Host-jobdeck` over https; `jobdeck` over plain http, where a client may drop a Secure cookie."""
    return "__Host-jobdeck" if _is_secure() else "jobdeck"


def _is_secure() -> bool:
    base_url = _deck().settings.base_url
    return base_url.startswith("https:") if base_url else request.is_secure


def _deck() -> Deck:
    return cast(Deck, current_app.extensions["jobdeck"])


def _current_caller() -> Caller | None:
    return cast(Caller | None, g.get("jobdeck_caller"))
