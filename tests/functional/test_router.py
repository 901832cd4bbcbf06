"""The one port: every app by its host name, bodies of any size, upgrades, streams, and shapes that are refused."""
import hashlib
import socket
import threading

import pytest

from support import http
from support.slipway import EXAMPLES, wait_until

GIGABYTE = 1 << 30


@pytest.fixture(scope="module")
def app(session_server, tmp_path_factory):
    """One probe that the tests of this file share."""
    from support.slipway import APPS, copy_app
    folder = copy_app(APPS / "probe", tmp_path_factory.mktemp("router") / "router-probe")
    if session_server.process is None:
        session_server.start()
    return session_server.deploy(folder)


@pytest.fixture(scope="module")
def site(session_server, tmp_path_factory):
    from support.slipway import copy_app
    folder = copy_app(EXAMPLES / "static", tmp_path_factory.mktemp("router") / "router-site")
    if session_server.process is None:
        session_server.start()
    return session_server.deploy(folder)


def raw(slipway, data, timeout=20):
    """Sends bytes as they are; gives what comes back until the server closes or stops talking."""
    with http.Connection(slipway.port, timeout) as connection:
        connection.send(data)
        return connection.read_head()[0]


def test_an_unknown_host_gets_a_useful_page(slipway):
    url = f"http://no-such-app.localhost:{slipway.port}/"
    page = http.get(url, {"Accept": "text/html"})
    assert page.status == 404 and "<html" in page.text and "no-such-app" in page.text
    data = http.get(url, {"Accept": "application/json"})
    assert data.status == 404 and data.json()["code"] == "not_found"


def test_it_listens_on_loopback_only(slipway):
    listening = [line.split() for line in open("/proc/net/tcp")][1:]
    addresses = {row[1].split(":")[0] for row in listening
                 if int(row[1].split(":")[1], 16) == slipway.port and row[3] == "0A"}
    assert addresses == {"0100007F"}


def test_connections_are_kept(slipway, app):
    host = http.split(app["url"])[0]
    with http.Connection(slipway.port) as connection:
        for _ in range(3):
            assert connection.request("GET", "/", host).text == "probe one\n"


def test_pipelined_requests_are_answered_in_order(slipway, app):
    host = http.split(app["url"])[0]
    with http.Connection(slipway.port) as connection:
        connection.send_head("GET", "/env?name=PORT", host)
        connection.send_head("GET", "/nothing", host)
        connection.send_head("GET", "/", host)
        assert [connection.read_response().status for _ in range(3)] == [200, 404, 200]


def test_head_and_304_have_no_body(slipway, app):
    host = http.split(app["url"])[0]
    with http.Connection(slipway.port) as connection:
        head = connection.request("HEAD", "/", host)
        assert head.status == 200 and head.body == b""
        assert connection.request("GET", "/", host).status == 200


def test_headers_towards_the_app(slipway, app):
    sent = {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "gopher", "X-Forwarded-Host": "evil.example",
            "Connection": "close, X-Secret-Hop", "X-Secret-Hop": "1", "Keep-Alive": "300", "X-Plain": "kept"}
    seen = http.get(app["url"] + "/headers", sent).json()["headers"]
    assert seen["host"] == http.split(app["url"])[0]
    assert seen["x-plain"] == "kept"
    assert "x-secret-hop" not in seen and "keep-alive" not in seen
    assert seen["x-forwarded-proto"] == "http"
    assert "6.6.6.6" not in seen["x-forwarded-for"]
    assert "127.0.0.1" in seen["x-forwarded-for"]
    assert seen["x-forwarded-host"] == http.split(app["url"])[0]


def test_websocket_echo(slipway, app):
    with http.WebSocket(app["url"] + "/socket") as ws:
        for text in ["hello", "", "ä" * 2000, "x" * 60_000]:
            ws.send(text)
            assert ws.receive() == text


def test_server_sent_events_arrive_one_by_one(slipway, app):
    host = http.split(app["url"])[0]
    with http.Connection(slipway.port) as connection:
        connection.send_head("GET", "/events?count=100&every=100", host)
        status, headers = connection.read_head()
        assert status == 200 and headers["content-type"] == "text/event-stream"
        parts = connection.chunks(headers)
        seen = b""
        while b"tick 3" not in seen:
            seen += next(parts)
        assert b"tick 90" not in seen, "they were streamed, not collected"


def test_expect_continue(slipway, app):
    host = http.split(app["url"])[0]
    with http.Connection(slipway.port) as connection:
        connection.send_head("POST", "/upload", host, {"Expect": "100-continue", "Content-Length": 5})
        status, _ = connection.read_head()
        assert status == 100
        connection.send(b"12345")
        assert connection.read_response().json()["bytes"] == 5


def test_chunked_request_with_trailers(slipway, app):
    host = http.split(app["url"])[0]
    with http.Connection(slipway.port) as connection:
        connection.send_head("POST", "/upload", host, {"Transfer-Encoding": "chunked", "Trailer": "X-Sum"})
        connection.send(b"3\r\nabc\r\n5;ext=1\r\ndefgh\r\n0\r\nX-Sum: 8\r\n\r\n")
        assert connection.read_response().json()["bytes"] == 8
        assert connection.request("GET", "/", host).status == 200, "the connection is in step"


def watch_rss(slipway, stop, peak):
    while not stop.wait(0.05):
        peak[0] = max(peak[0], slipway.rss())


def test_a_gigabyte_up_and_down_in_bounded_memory(slipway, app):
    host = http.split(app["url"])[0]
    block = bytes(range(256)) * 4096
    before, stop, peak = slipway.rss(), threading.Event(), [0]
    watcher = threading.Thread(target=watch_rss, args=(slipway, stop, peak))
    watcher.start()
    try:
        hash_up = hashlib.sha256()
        with http.Connection(slipway.port, 120) as connection:
            connection.send_head("POST", "/upload", host, {"Content-Length": GIGABYTE})
            for _ in range(GIGABYTE // len(block)):
                connection.send(block)
                hash_up.update(block)
            answer = connection.read_response().json()
        assert answer["bytes"] == GIGABYTE and answer["sha256"] == hash_up.hexdigest()
        for chunked in ["", "&chunked=1"]:
            with http.Connection(slipway.port, 120) as connection:
                connection.send_head("GET", f"/download?bytes={GIGABYTE}{chunked}", host)
                status, headers = connection.read_head()
                assert status == 200
                assert sum(len(part) for part in connection.chunks(headers, 1 << 20)) == GIGABYTE
    finally:
        stop.set()
        watcher.join()
    assert peak[0] - before < 64 << 20, f"grew from {before} to {peak[0]} bytes"


def test_a_slow_reader_does_not_make_the_server_hoard(slipway, app):
    host = http.split(app["url"])[0]
    before = slipway.rss()
    with http.Connection(slipway.port) as connection:
        connection.send_head("GET", f"/download?bytes={GIGABYTE}", host)
        connection.read_head()
        for _ in range(20):  # other work meanwhile, while this one is not read from
            assert http.get(app["url"]).status == 200
        assert slipway.rss() - before < 64 << 20


def test_an_app_that_ignores_port_and_binds_loopback(slipway, probe):
    deployment = slipway.deploy(probe(), "-e", "PROBE_PORT=4321", "-e", "PROBE_HOST=127.0.0.1")
    assert http.get(deployment["url"]).text == "probe one\n"


def test_an_app_on_the_other_loopback(slipway, probe):
    deployment = slipway.deploy(probe(), "-e", "PROBE_HOST=::1")
    assert http.get(deployment["url"]).text == "probe one\n"


SMUGGLING = {
    "both lengths": "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "two lengths": "Content-Length: 5\r\nContent-Length: 6\r\n",
    "list of lengths": "Content-Length: 5, 6\r\n",
    "signed length": "Content-Length: +5\r\n",
    "hex length": "Content-Length: 0x5\r\n",
    "not only chunked": "Transfer-Encoding: gzip, identity\r\n",
    "chunked twice": "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "obscured chunked": "Transfer-Encoding: xchunked\r\n",
    "space before colon": "Content-Length : 5\r\n",
    "folded header": "X-A: b\r\n c\r\n",
    "bare newline": "X-A: b\nContent-Length: 5\r\n",
    "null in value": "X-A: a\0b\r\n",
    "second host": "Host: other.localhost\r\n",
}


@pytest.mark.parametrize("shape", SMUGGLING)
def test_request_smuggling_shapes_are_refused(slipway, app, shape):
    host = http.split(app["url"])[0]
    data = f"POST /upload HTTP/1.1\r\nHost: {host}\r\n{SMUGGLING[shape]}\r\n0\r\n\r\n".encode("latin-1")
    assert raw(slipway, data) in (400, 501)


def test_limits_on_heads(slipway, app):
    host = http.split(app["url"])[0]
    huge = f"GET / HTTP/1.1\r\nHost: {host}\r\nX-Big: {'x' * 200_000}\r\n\r\n".encode()
    try:
        assert raw(slipway, huge) in (400, 413, 431)
    except (ConnectionError, BrokenPipeError):
        pass  # closed while we were still talking is as good
    assert raw(slipway, b"GET / HTTP/1.1\r\n\r\n") == 400, "no Host"
    assert raw(slipway, b"NONSENSE\r\n\r\n") == 400
    assert http.get(app["url"]).status == 200


def test_a_client_that_says_nothing_costs_little(slipway, app):
    idle = [socket.create_connection(("127.0.0.1", slipway.port)) for _ in range(300)]
    try:
        assert http.get(app["url"]).status == 200
    finally:
        for connection in idle:
            connection.close()


def test_static_files_are_served_well(slipway, site):
    url = site["url"]
    page = http.get(url + "/assets/site.css")
    assert page.headers["content-type"].startswith("text/css")
    etag = page.headers["etag"]
    assert http.get(url + "/assets/site.css", {"If-None-Match": etag}).status == 304
    part = http.get(url + "/assets/site.css", {"Range": "bytes=0-9"})
    assert part.status == 206 and part.body == page.body[:10]
    assert part.headers["content-range"] == f"bytes 0-9/{len(page.body)}"
    assert http.get(url + "/assets/site.css", {"Range": "bytes=999999-"}).status == 416
    wait_until(lambda: http.get(url + "/assets/site.css", {"Accept-Encoding": "gzip, br, zstd"})
               .headers.get("content-encoding") in ("br", "gzip", "zstd"), 10, "a compressed variant")
    assert http.get(url + "/assets/mark.svg").headers["content-type"].startswith("image/svg+xml")
    assert http.request("POST", url + "/about", body=b"x").status == 405
    assert http.get(url + "/../../etc/passwd").status in (400, 404)
    assert http.get(url + "/%2e%2e/%2e%2e/etc/passwd").status in (400, 404)
    assert http.get(url + "/assets/%00").status in (400, 404)


def test_the_api_is_not_an_app_and_an_app_not_the_api(slipway, app):
    assert http.get(app["url"] + "/v1/deployments").text == "no such route"
    host = http.split(app["url"])[0]
    with http.Connection(slipway.port) as connection:
        answer = connection.request("GET", f"http://localhost:{slipway.port}/v1/whoami", host)
        assert answer.status != 200 or "actor" not in answer.text
