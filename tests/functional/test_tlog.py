"""The audit log read by a client that is not ours: tests/support/tlog, over modules of the transparency-dev project
and golang.org/x/mod, built from the Go module proxy."""
import contextlib
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import threading
import urllib.parse
import urllib.request

import pytest

from support.slipway import Slipway

SOURCE = pathlib.Path(__file__).parents[1] / "support" / "tlog"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """Runs the foreign client; gives its exit code, stdout and stderr."""
    go = shutil.which("go")
    if not go:
        pytest.skip("no go: tools/install_deps.sh examples installs it")
    folder = tmp_path_factory.mktemp("tlog")
    shutil.copytree(SOURCE, folder / "source")
    environment = {**os.environ, "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"}

    def run(*command):
        return subprocess.run([go, *command], cwd=folder / "source", env=environment, capture_output=True, text=True,
                              timeout=300)

    fetched = run("mod", "download")
    if fetched.returncode != 0:
        pytest.skip(f"the Go module proxy does not give the client's modules: {fetched.stderr[-500:]}")
    built = run("build", "-o", folder / "tlogclient", ".")
    assert built.returncode == 0, built.stderr

    def ask(*arguments):
        return subprocess.run([folder / "tlogclient", *map(str, arguments)], capture_output=True, text=True, timeout=60)

    ask.program = folder / "tlogclient"
    return ask


def prefix(slipway):
    return slipway.info["url"] + "/v1/audit/tlog"


def fill(slipway, records):
    """Makes the log that much longer."""
    for number in range(records):
        role = ("viewer", "deployer")[number % 2]
        answer = slipway.api("POST", "/v1/teams/default/members/somebody", {"role": role})
        assert answer.status in (200, 201), answer


@contextlib.contextmanager
def between(url, harm):
    """A server in front of `url` that gives what `harm(path, body)` makes of its answers."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            headers = {name: self.headers[name] for name in ("Authorization",) if self.headers[name]}
            with urllib.request.urlopen(urllib.request.Request(url + self.path, headers=headers)) as answer:
                body = harm(self.path, answer.read())
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def flip(body, at):
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1:]


def test_a_foreign_client_verifies_the_whole_log_and_that_it_only_grew(make_slipway, client):
    slipway = make_slipway()
    key, token = slipway.ok("audit", "keys").out.strip(), slipway.info["token"]
    fill(slipway, 20)
    slipway.ok("audit", "prove", 1)  # signs what there is
    first = client("verify", prefix(slipway), key, token)
    assert first.returncode == 0, first.stderr
    before = slipway.directory / "checkpoint"
    before.write_text(json.loads(first.stdout)["checkpoint"])

    fill(slipway, 270)
    slipway.ok("audit", "prove", 1)
    ran = client("verify", prefix(slipway), key, token, before)
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    assert said["size"] > 290 and said["consistent_since"] == json.loads(first.stdout)["size"] >= 20

    other = key[:-4] + ("AAA=" if not key.endswith("AAA=") else "BBB=")
    assert client("verify", prefix(slipway), other, token).returncode == 1
    assert "status 401" in client("verify", prefix(slipway), key, "nobody").stderr, "entries take a token"


@pytest.mark.parametrize("what, where", [
    ("entries", lambda path: "/tile/entries/000" in path), ("leaves", lambda path: path.endswith("/tile/0/000")),
    ("the partial tile of leaves", lambda path: "/tile/0/001.p/" in path),
    ("nodes", lambda path: "/tile/1/000.p/" in path), ("the checkpoint", lambda path: path.endswith("/checkpoint"))],
    ids=["entries", "leaves", "partial", "nodes", "checkpoint"])
def test_a_byte_that_was_changed_on_the_way_is_noticed(tlog_of_300, client, what, where):
    slipway, key = tlog_of_300
    parts = urllib.parse.urlsplit(prefix(slipway))
    touched = []

    def harm(path, body):
        if not where(path):
            return body
        touched.append(path)
        return flip(body, len(body) // 2)

    with between(f"{parts.scheme}://{parts.netloc}", harm) as url:
        ran = client("verify", url + parts.path, key, slipway.info["token"])
    assert touched and ran.returncode == 1, f"{what}: {ran}"
    with between(f"{parts.scheme}://{parts.netloc}", lambda path, body: body) as url:
        assert client("verify", url + parts.path, key, slipway.info["token"]).returncode == 0


@pytest.fixture(scope="module")
def tlog_of_300(tmp_path_factory):
    slipway = Slipway(tmp_path_factory.mktemp("tlog300")).start()
    fill(slipway, 300)
    key = slipway.ok("audit", "keys").out.strip()
    slipway.ok("audit", "prove", 1)
    yield slipway, key
    slipway.close()


def test_tiles_are_served_as_the_specification_wants_them(tlog_of_300):
    slipway, _ = tlog_of_300

    def get(path, token=None):
        return slipway.api("GET", "/v1/audit/tlog/" + path, token=token)

    checkpoint = get("checkpoint", token="")
    assert checkpoint.status == 200 and checkpoint.headers["content-type"] == "text/plain; charset=utf-8"
    full = get("tile/0/000", token="")
    assert full.status == 200 and len(full.body) == 8192 and "immutable" in full.headers["cache-control"]
    assert full.headers["content-type"] == "application/octet-stream"
    assert len(get("tile/0/001.p/8", token="").body) == 8 * 32
    assert len(get("tile/1/000.p/1", token="").body) == 32
    assert get("tile/entries/000", token="").status == 401
    assert get("tile/entries/000").headers["cache-control"].startswith("private")
    for path, status in [("tile/0/002", 404), ("tile/0/001", 404), ("tile/2/000.p/1", 404), ("tile/0/0", 400),
                         ("tile/00/000", 400), ("tile/0/x000/001", 400), ("tile/0/000.p/256", 400)]:
        assert get(path, token="").status == status, path
