"""Who gets in: nobody without credentials, and no change that a signed-in browser did not mean."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from jobdeck import Deck
from jobdeck.core.principal import SYSTEM, Principal
from jobdeck.services.accounts import Session
from jobdeck.store import tables
from jobdeck.web.auth import is_local_path

AN_ID = "01890000-0000-7000-8000-000000000000"
HOME = "http://localhost"


def addresses(app: Flask) -> list[tuple[str, str, str]]:
    """(endpoint, method, path) of every route of ours."""
    found = []
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("jobdeck_"):
            path = rule.rule
            for argument in rule.arguments:
                converter = next(c for c in ("", "path:", "uuid:", "string:") if f"<{c}{argument}>" in path)
                path = path.replace(f"<{converter}{argument}>", AN_ID)
            found += [(rule.endpoint, method, path) for method in sorted(rule.methods or ())]
    return found


def test_nothing_is_anonymous_but_sign_in_health_and_static_files(app: Flask, anonymous: Any) -> None:
    checked = 0
    for endpoint, method, path in addresses(app):
        response = anonymous.open(path, method=method)
        if endpoint == "jobdeck_pages.static" or path == "/administration/sign-in":
            continue
        if endpoint.startswith("jobdeck_api."):
            assert response.status_code == 401, (method, path)
            assert response.headers["WWW-Authenticate"].startswith("Bearer")
        else:
            assert response.status_code in (302, 303), (method, path)
            assert urlsplit(response.headers["Location"]).path == "/administration/sign-in"
        checked += 1
    assert checked > 40


def test_an_unknown_token_is_refused_even_with_a_good_cookie(browser: Any) -> None:
    assert browser.get("/api/jobs").status_code == 200
    assert browser.get("/api/jobs", headers={"Authorization": "Bearer jdk_nothing"}).status_code == 401


def test_health_and_the_root_are_open(anonymous: Any) -> None:
    assert anonymous.get("/healthz").json == {"status": 200, "message": "ok"}
    response = anonymous.get("/")
    assert (response.status_code, response.headers["Location"]) == (302, "/administration/jobs")


def test_health_says_when_the_tables_are_missing(deck: Deck, anonymous: Any) -> None:
    deck.close()
    database = deck.settings.home / "jobdeck.db"
    database.rename(database.with_suffix(".away"))
    response = anonymous.get("/healthz")
    assert response.status_code == 503
    assert response.json == {
        "status": 503,
        "message": "The database has no jobdeck tables; run `jobdeck db upgrade`.",
    }


def test_a_principal_without_the_role_is_known_but_not_allowed(app: Flask, deck: Deck) -> None:
    secret = deck.accounts.create_token(name="Eve", by=SYSTEM)
    with deck.database.write() as connection:
        connection.execute(update(tables.tokens).values(roles="[]"))
    response = app.test_client().get("/api/jobs", headers={"Authorization": f"Bearer {secret}"})
    assert response.status_code == 403
    assert response.json == {"status": 403, "message": "Permission denied."}


@pytest.mark.parametrize(
    ("headers", "with_token", "status"),
    [
        ({"Origin": HOME}, True, 201),
        ({"Sec-Fetch-Site": "same-origin"}, True, 201),
        ({"Sec-Fetch-Site": "none"}, True, 201),
        ({"Sec-Fetch-Site": "same-origin", "Origin": HOME}, True, 201),
        ({"Origin": HOME}, False, 403),
        ({"Origin": HOME, "X-CSRF-Token": "wrong"}, False, 403),
        ({"Origin": HOME, "X-CSRF-Token": ""}, False, 403),
        ({}, True, 403),
        ({"Sec-Fetch-Site": "cross-site"}, True, 403),
        ({"Sec-Fetch-Site": "same-site"}, True, 403),
        ({"Origin": "http://evil.example"}, True, 403),
        ({"Origin": "null"}, True, 403),
        ({"Origin": "https://localhost"}, True, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost:81"}, True, 403),
    ],
)
def test_a_cookie_alone_changes_nothing(
    browser: Any, session: Session, headers: dict[str, str], with_token: bool, status: int
) -> None:
    if with_token:
        headers = {**headers, "X-CSRF-Token": session.csrf_token}
    response = browser.post("/api/jobs", json={"title": "A", "task": "greet"}, headers=headers)
    assert response.status_code == status
    assert browser.get("/api/jobs").json["hits"]["total"] == int(status == 201)


def test_another_sessions_csrf_token_is_wrong(browser: Any, deck: Deck, token: str) -> None:
    other = deck.accounts.sign_in(token)
    assert other is not None
    headers = {"Origin": HOME, "X-CSRF-Token": other.csrf_token}
    assert browser.post("/api/jobs", json={"title": "A", "task": "greet"}, headers=headers).status_code == 403


def test_every_unsafe_route_refuses_a_cookie_without_its_token(app: Flask, browser: Any) -> None:
    unsafe = [(m, p) for _, m, p in addresses(app) if m not in ("GET", "HEAD", "OPTIONS") and "sign-in" not in p]
    assert len(unsafe) > 10
    for method, path in unsafe:
        assert browser.open(path, method=method, headers={"Origin": HOME}).status_code == 403, (method, path)
        assert browser.open(path, method=method, headers={"Origin": "http://evil.example"}).status_code == 403


def test_a_bearer_token_needs_no_csrf_token_and_ignores_cookies(api: Any, deck: Deck) -> None:
    api.set_cookie("jobdeck", "whatever")
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example"}
    assert api.post("/api/jobs", json={"title": "A", "task": "greet"}, headers=headers).status_code == 201


def test_sessions_end(browser: Any, deck: Deck, session: Session, token: str) -> None:
    assert browser.get("/api/jobs").status_code == 200
    deck.accounts.sign_out(session.id)
    assert browser.get("/api/jobs").status_code == 401
    assert deck.accounts.session(session.id) is None


def test_signing_in_again_ends_the_previous_session(deck: Deck, session: Session, token: str) -> None:
    again = deck.accounts.sign_in(token, previous_session=session.id)
    assert again is not None and again.id != session.id
    assert deck.accounts.session(session.id) is None


@pytest.mark.parametrize(("column", "ago"), [("seen_at", timedelta(minutes=31)), ("expires_at", timedelta(seconds=1))])
def test_a_session_ends_when_idle_and_after_its_span(browser: Any, deck: Deck, column: str, ago: timedelta) -> None:
    moved = deck.office.clock.now_us() - int(ago.total_seconds() * 1_000_000)
    with deck.database.write() as connection:
        connection.execute(update(tables.sessions).values({column: moved}))
    assert browser.get("/api/jobs").status_code == 401


@pytest.mark.parametrize("column", ["revoked_at", "expires_at"])
def test_a_token_that_is_over_ends_its_sessions_too(api: Any, browser: Any, deck: Deck, column: str) -> None:
    with deck.database.write() as connection:
        connection.execute(update(tables.tokens).values({column: 1}))
    assert api.get("/api/jobs").status_code == 401
    assert browser.get("/api/jobs").status_code == 401


def test_no_secret_is_stored(deck: Deck, token: str, session: Session) -> None:
    deck.close()
    stored = b"".join(path.read_bytes() for path in deck.settings.home.iterdir() if path.is_file())
    assert token[:16].encode() in stored
    for secret in (token, token[17:], session.id):
        assert secret.encode() not in stored


def test_tokens_and_sign_ins_are_audited(deck: Deck, token: str, session: Session) -> None:
    assert deck.accounts.sign_in("jdk_000000000000_wrong") is None
    with deck.database.read() as connection:
        rows = connection.execute(select(tables.audit.c.action, tables.audit.c.allowed)).all()
    assert [tuple(row) for row in rows] == [
        ("tokens.create", True),
        ("sessions.create", True),
        ("sessions.create", False),
    ]


def test_a_forged_or_odd_secret_is_nobodys(deck: Deck, token: str) -> None:
    for secret in (
        token[:-1],
        token + "x",
        token[:16],
        token.upper(),
        "",
        "jdk_",
        "jdk_\x00",
        "jdk_é" + token,
    ):
        assert deck.accounts.principal_of_token(secret) is None
    assert deck.accounts.principal_of_token(token) is not None


def test_cookies_are_host_only_and_secure_over_https(app: Flask, deck: Deck, token: str) -> None:
    for scheme, name in (("http", "jobdeck"), ("https", "__Host-jobdeck")):
        client = app.test_client()
        response = client.post(
            "/administration/sign-in",
            base_url=f"{scheme}://localhost",
            data={"token": token},
            headers={"Origin": f"{scheme}://localhost"},
        )
        cookie = response.headers["Set-Cookie"]
        assert cookie.startswith(f"{name}=")
        assert ("Secure" in cookie) == (scheme == "https")
        assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Path=/" in cookie and "Domain" not in cookie


def test_guessing_is_throttled(anonymous: Any, token: str) -> None:
    def attempt(secret: str) -> Any:
        return anonymous.post("/administration/sign-in", data={"token": secret}, headers={"Origin": HOME}).status_code

    assert all(attempt("jdk_wrong") < 429 for _ in range(5))
    assert attempt("jdk_wrong") == 429
    assert attempt(token) == 429


def test_signing_in_from_another_site_is_refused(anonymous: Any, token: str) -> None:
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {}):
        response = anonymous.post("/administration/sign-in", data={"token": token}, headers=headers)
        assert response.status_code == 403
        assert "Set-Cookie" not in response.headers


def test_headers_stand_on_our_answers_only(api: Any, app: Flask) -> None:
    for path in ("/api/jobs", "/healthz", "/api/jobs/nonsense", "/api/runs/a/b/c", "/administration/sign-in"):
        headers = api.get(path).headers
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"], path
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cache-Control"] == "no-store"
        assert "Strict-Transport-Security" not in headers
    secure = api.get("/api/jobs", base_url="https://localhost")
    assert secure.headers["Strict-Transport-Security"].startswith("max-age=")


def test_a_hosts_own_pages_stay_as_they_are(tmp_path: Any) -> None:
    host = Flask("host")
    deck = Deck(home=tmp_path)
    deck.init_app(host)
    host.add_url_rule("/", "home", lambda: "the host's home")
    client = host.test_client()
    assert client.get("/").text == "the host's home"
    assert "Content-Security-Policy" not in client.get("/").headers
    assert client.get("/api/records").content_type.startswith("text/html")
    missing = client.get("/api/runs/x/y/z")
    assert (missing.status_code, missing.content_type) == (404, "application/json")


class KnowsByHeader:
    """A host's authenticator that trusts a header."""

    def principal(self, request: Any) -> Principal | None:
        name = request.headers.get("X-User")
        return self.find(name) if name else None

    def find(self, principal_id: str) -> Principal | None:
        return Principal(id=principal_id, name=principal_id, roles=frozenset({"administrator"}))


def test_a_host_says_who_asks(tmp_path: Any) -> None:
    host = Flask("host")
    host.secret_key = "of the host"
    deck = Deck(home=tmp_path)
    deck.init_app(host, authenticator=KnowsByHeader())
    deck.upgrade_database()
    client = host.test_client()
    assert client.get("/api/jobs").status_code == 401
    assert client.get("/api/jobs", headers={"X-User": "ada"}).status_code == 200
    # Names that only jobdeck itself gives, with rights of their own whenever a schedule fires.
    for name in ("system", "cli:root", "token:1"):
        assert client.get("/api/jobs", headers={"X-User": name}).status_code == 403
    headers = {"X-User": "ada", "Origin": HOME}
    assert client.delete(f"/api/jobs/{AN_ID}", headers=headers).status_code == 403
    deck.close()


@pytest.mark.parametrize(
    "value",
    [
        "",
        "jobs",
        "//evil.example",
        "/\\evil.example",
        "\\/evil.example",
        "/\t/evil.example",
        "/\n//evil.example",
        "https:/evil.example",
        "javascript:alert(1)",
        "/a\\b",
        "///evil.example",
        " //evil.example",
    ],
)
def test_leading_elsewhere_is_refused(value: str) -> None:
    assert not is_local_path(value)


pieces = [
    "/",
    "\\",
    "//",
    "http:",
    "evil.example",
    "@",
    "%2f",
    "\t",
    "\n",
    "\r",
    "?",
    "#",
    ".",
    "..",
    " ",
    "jobs",
    "\u2028",
]


@given(st.one_of(st.text(), st.lists(st.sampled_from(pieces)).map("".join)))
def test_whatever_is_taken_as_next_stays_here(value: str) -> None:
    if is_local_path(value):
        # What a browser does first: control characters go, backslashes become slashes.
        seen = "".join(c for c in value if c not in "\t\n\r").strip().replace("\\", "/")
        parts = urlsplit(urljoin("http://our.example/administration/sign-in", seen))
        assert (parts.scheme, parts.netloc) == ("http", "our.example")


def test_a_thousand_mixed_requests_do_not_switch_the_check_off(browser: Any, session: Session) -> None:
    good = {"Origin": HOME, "X-CSRF-Token": session.csrf_token}
    bad = itertools.cycle([{}, {"Origin": "null"}, {"X-HTTP-Method-Override": "GET"}, {"X-CSRF-Token": "x"}])
    for number, headers in zip(range(200), bad, strict=False):
        assert browser.post("/api/jobs", json={}, headers=headers).status_code == 403
        if number % 10 == 0:
            assert browser.post("/api/jobs", json={}, headers=good).status_code == 400
