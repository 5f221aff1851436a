"""Signing in with an access token, and out again."""

from __future__ import annotations

from flask import Blueprint, Response, redirect, request

from .. import auth
from .rendering import deck, go, page


def add_to(routes: Blueprint) -> None:
    """Register the routes."""
    routes.add_url_rule("/sign-in", "sign_in", show_sign_in, methods=["GET"])
    routes.add_url_rule("/sign-in", "do_sign_in", sign_in, methods=["POST"])
    routes.add_url_rule("/sign-out", "sign_out", sign_out, methods=["POST"])


def show_sign_in() -> Response:
    """The form."""
    return page("sign_in.html", next=request.args.get("next"))


def sign_in() -> Response:
    """Open a session for the holder of the token, in place of the browser's previous one."""
    secret = request.form.get("token", "").strip()
    wanted = request.form.get("next")
    session = deck().accounts.sign_in(secret, previous_session=request.cookies.get(auth.cookie_name()))
    if session is None:
        problem = "This access token is not known, or is not valid any more." if secret else "Enter your access token."
        return page("sign_in.html", 400 if not secret else 403, next=wanted, problem=problem)
    response: Response = redirect(auth.safe_next(wanted), 303)  # type: ignore[assignment]  # Flask's class at run time
    auth.sign_in(response, session)
    return response


def sign_out() -> Response:
    """End the session."""
    response = go("sign_in", "signed-out")
    auth.sign_out(response)
    return response
