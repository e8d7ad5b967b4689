"""Visitors: cookies, the teacher's link, and whose models may be deleted."""

import asyncio
from http.cookies import SimpleCookie
from urllib.parse import urlsplit

import pytest
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse

from pages.parts import visitor


@pytest.fixture(autouse=True)
def own_secret():
    visitor.secret.cache_clear()
    yield
    visitor.secret.cache_clear()


class Browser:
    """Asks the middleware for pages, and keeps its cookies."""

    def __init__(self) -> None:
        self.app = visitor.Introduce(PlainTextResponse("a page"))
        self.cookies = ""

    def get(self, address: str, accept: str = "text/html") -> tuple[int, Headers]:
        parts, sent = urlsplit(f"http://host{address}"), []
        headers = [(b"accept", accept.encode()), (b"cookie", self.cookies.encode())]
        scope = {"type": "http", "method": "GET", "scheme": "http", "root_path": ""}
        about = {"path": parts.path, "query_string": parts.query.encode(), "headers": headers}

        async def send(message):
            sent.append(message)

        asyncio.run(self.app(scope | about, None, send))
        answer = Headers(raw=sent[0]["headers"])
        if "set-cookie" in answer:
            self.cookies = answer["set-cookie"].partition(";")[0]
        return sent[0]["status"], answer


@pytest.fixture
def browser():
    return Browser()


def who(browser: Browser) -> str | None:
    """The visitor that the browser's cookie names."""
    found = SimpleCookie(browser.cookies).get(visitor.cookie_name())
    return found and visitor.verified(found.value)


def test_a_browser_gets_one_cookie_and_keeps_it(browser):
    _, first = browser.get("/explore")
    name = who(browser)
    assert name and not name.startswith(visitor.TEACHER)
    assert "HttpOnly" in first["set-cookie"] and "SameSite" in first["set-cookie"]
    assert "set-cookie" not in browser.get("/")[1]
    other = Browser()
    assert "set-cookie" not in other.get("/", "image/png")[1]
    other.get("/")
    assert who(other) not in (None, name)


@pytest.mark.parametrize("forged", ["", "anna", "anna.", "teacher-1.0123", ".x", "a.b.c", "ä.ö"])
def test_a_cookie_that_was_not_signed_here_is_nobodys(forged):
    assert visitor.verified(forged) is None
    right = visitor.signed("anna")
    assert visitor.verified(right) == "anna"
    assert visitor.verified(right.replace("anna", "teacher-1")) is None


def test_the_secret_outlives_the_server_and_is_for_the_owners_eyes(tmp_path):
    before = visitor.signed("anna")
    visitor.secret.cache_clear()
    assert visitor.verified(before) == "anna"
    (file,) = tmp_path.rglob("secret")
    assert file.stat().st_mode & 0o077 == 0


def test_the_teachers_link_makes_a_teacher_and_disappears_from_the_address(browser):
    status, answer = browser.get(f"/train?data=mnist&teacher={visitor.teacher_key()}")
    assert (status, answer["location"]) == (303, "/train?data=mnist")
    assert who(browser).startswith(visitor.TEACHER)


@pytest.mark.parametrize("guess", ["guessed", "", "ä", "%00"])
def test_a_wrong_key_makes_nobody_a_teacher(browser, guess):
    status, answer = browser.get(f"/?teacher={guess}")
    assert (status, answer["location"], who(browser)) == (303, "/", None)


def test_the_teachers_link_leads_to_no_other_host(browser):
    for path in ("//evil.example/", "///evil.example/", "/%5Cevil.example"):
        location = browser.get(f"{path}?teacher=x")[1]["location"]
        assert location.startswith("/") and location[1:2] not in ("/", "\\")


@pytest.mark.parametrize(
    ("name", "owners", "home", "may"),
    [
        ("anna", {"anna"}, False, True),
        ("anna", {"anna", "ben"}, False, True),
        ("anna", {"ben"}, True, False),
        ("anna", set(), True, True),
        ("anna", set(), False, False),
        ("teacher-1", {"ben"}, False, True),
        ("teacher-1", set(), False, True),
    ],
)
def test_who_may_delete_what(monkeypatch, name, owners, home, may):
    monkeypatch.setattr(visitor, "name", lambda: name)
    monkeypatch.setattr(visitor, "is_at_home", lambda: home)
    assert visitor.may_delete(frozenset(owners)) is may
