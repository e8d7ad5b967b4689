"""Who may ask, what every answer says to the browser, and how much may be uploaded."""

import asyncio
import contextlib
import re
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from pages.parts import guard, uploads
from tests.server import Visit, ask, server

MEGABYTE = 10**6
ENDED = 2  # seconds after which a session that was left has ended


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with server(
        tmp_path_factory.mktemp("home"), "--server.disconnectedSessionTTL", str(ENDED)
    ) as running:
        yield running


def get(running, target, **headers):
    return asyncio.run(ask(running, target, **headers))


def test_every_answer_has_all_headers(running):
    static = re.search(rb"static/js/index[^\"]+", get(running, "/").body)[0].decode()
    expected = {
        "/": 200,
        "/explore": 200,
        f"/{static}": 200,
        "/_stcore/health": 200,
        "/_stcore/host-config": 200,
        "/files/components/map.js": 200,
        "/files/components/nothing.js": 404,
        "/files/arrays/nothing": 404,
        "/files/nothing": 404,
        "/media/nothing": 404,
        "/component/nothing": 404,
        "/_stcore/metrics": 404,
        "/explore/": 301,
        "//x": 400,
        "/..%2fx": 400,
    }
    for target, status in expected.items():
        answer = get(running, target)
        assert answer.status == status, target
        for name, text in guard.headers().items():
            assert answer.headers.get(name.lower()) == text, (target, name)
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_an_error_inside_has_the_headers_too():
    async def broken(scope, receive, send):
        raise RuntimeError

    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    with pytest.raises(RuntimeError):
        asyncio.run(guard.Head(broken)(scope, None, send))
    assert sent[0]["status"] == 500
    assert b"content-security-policy" in dict(sent[0]["headers"])


def test_no_script_runs_that_is_not_ours():
    scripts = guard.policy()["script-src"].split()
    assert "'unsafe-inline'" not in scripts and "*" not in scripts
    assert sum(word.startswith("'sha256-") for word in scripts) == 1


WRONG = ["evil.example", "evil.example:80", "localhost.evil.example", "192.0.2.1", "[2001:db8::1]"]
WRONG += ["localhost@evil.example", "localhost/x", "localhost:x", "", "127.0.0.1.evil.example"]


@pytest.mark.parametrize("host", WRONG)
def test_a_wrong_host_is_refused(running, host):
    answer = get(running, "/", Host=host)
    assert answer.status == 400
    assert b"script" not in answer.body


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.9:80", "[::1]"])
def test_names_of_this_computer_are_known(running, host):
    assert get(running, "/", Host=host).status == 200


def opened(running, **headers):
    """Open a connection for a page under other headers; whether it was let in."""
    key = {"Upgrade": "websocket", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    told = {"Connection": "Upgrade", "Sec-WebSocket-Version": "13", **key, **headers}

    async def handshake():
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        lines = ["GET /_stcore/stream HTTP/1.1", *(f"{n}: {text}" for n, text in told.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        first = await asyncio.wait_for(reader.readline(), 20)
        writer.close()
        return int(first.split()[1]) == 101

    return asyncio.run(handshake())


def test_a_page_is_served_only_under_a_known_host_and_to_its_own_site(running):
    here = running.address
    assert opened(running, Host=here)
    assert opened(running, Host=here, Origin=f"http://{here}")
    assert not opened(running, Host="evil.example", Origin="http://evil.example")
    assert not opened(running, Host="evil.example")
    assert not opened(running, Host=here, Origin="http://evil.example")
    assert not opened(running, Host=here, Origin="http://localhost:1")
    assert not opened(running, Host=here, Origin="null")
    assert not opened(running, Host=here, Origin="http://[")


def test_a_refused_connection_has_the_headers_too(running):
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://{running.address}/_stcore/stream", origin="http://evil.example")
    assert refused.value.response.status_code == 403
    assert refused.value.response.headers["X-Frame-Options"] == "DENY"


def test_names_and_metrics_can_be_allowed(tmp_path):
    allowed = ("--server.allowedHosts", "*.school.example", "--server.address", "0.0.0.0")
    with server(tmp_path, *allowed, DEEPSVDD_METRICS="1") as running:
        assert get(running, "/_stcore/metrics").status == 200
        assert get(running, "/", Host="svdd.school.example").status == 200
        assert get(running, "/", Host=guard.socket.gethostname()).status == 200
        assert get(running, "/", Host="192.0.2.1").status == 400
        host = "svdd.school.example"
        assert opened(running, Host=host, Origin=f"https://{host}")
        assert not opened(running, Host="evil.example", Origin="https://evil.example")


def test_a_usual_port_may_be_left_out():
    assert guard.is_ours("https://svdd.example", "svdd.example:443")
    assert guard.is_ours("http://svdd.example:80", "svdd.example")
    assert not guard.is_ours("http://svdd.example:443", "svdd.example")
    assert not guard.is_ours("http://svdd.example:8501", "svdd.example:8502")


def test_the_address_a_connection_came_in_by_is_known():
    assert guard.is_known("192.0.2.7:8501", "192.0.2.7")
    assert guard.is_known("192.0.2.7", "::ffff:192.0.2.7")
    assert guard.is_known("[fe80::1]", "fe80::1%eth0")
    assert not guard.is_known("192.0.2.8", "192.0.2.7")


def put(running, session, file, size, token=True):
    """Upload as the browser does."""
    health = requests.get(f"{running.url}/_stcore/health", timeout=20)
    cookie = health.cookies["_streamlit_xsrf"] if token else ""
    return requests.put(
        f"{running.url}/_stcore/upload_file/{session}/{file}",
        files={"file": ("x.png", b"\0" * size)},
        headers={"X-Xsrftoken": cookie, "Cookie": f"_streamlit_xsrf={cookie}"},
        timeout=60,
    )


def kept(running):
    return psutil.Process(running.process.pid).memory_info().rss


def session_of(visit):
    messages = visit.run()
    first = next(m.new_session for m in messages if m.WhichOneof("type") == "new_session")
    return first.initialize.session_id


def many(running, sessions, size):
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(put, running, s, n, size) for n, s in enumerate(sessions)]
        return [job.result() for job in jobs]


def test_uploads_are_bounded_and_dropped_when_their_session_ends(running):
    before = kept(running)
    answers = many(running, [f"made-up-{n}" for n in range(40)], 19 * MEGABYTE)
    assert {answer.status_code for answer in answers} == {400}
    with Visit(running) as visit:
        answers = many(running, [session_of(visit)] * 40, 19 * MEGABYTE)
        codes = [answer.status_code for answer in answers]
        assert codes.count(413) >= 37 and codes.count(204) >= 1
        refused = next(answer for answer in answers if answer.status_code == 413)
        assert refused.text.count(".") == 1
        assert refused.headers["X-Content-Type-Options"] == "nosniff"
    deadline = time.monotonic() + 30
    while kept(running) > before + 50 * MEGABYTE and time.monotonic() < deadline:
        time.sleep(0.2)
    assert kept(running) < before + 50 * MEGABYTE


def test_all_together_keep_no_more_than_the_bound_until_they_have_gone(running):
    with contextlib.ExitStack() as visits:
        sessions = [session_of(visits.enter_context(Visit(running))) for _ in range(5)]
        codes = [answer.status_code for answer in many(running, sessions * 3, 19 * MEGABYTE)]
        assert 5 < codes.count(204) <= uploads.OF_ALL * uploads.most() / (19 * MEGABYTE)
        assert codes.count(413) == 15 - codes.count(204)
    deadline = time.monotonic() + 30
    with Visit(running) as visit:
        session = session_of(visit)
        while put(running, session, "again", 19 * MEGABYTE).status_code != 204:
            assert time.monotonic() < deadline
            time.sleep(0.5)


def test_an_upload_that_is_too_large_or_unsigned_is_refused(running):
    with Visit(running) as visit:
        session = session_of(visit)
        assert put(running, session, "a", 22 * MEGABYTE).status_code == 413
        assert put(running, session, "a", 1000, token=False).status_code == 403
        assert put(running, session, "a", 1000).status_code == 204
