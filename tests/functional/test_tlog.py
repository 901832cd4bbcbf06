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

from support.slipway import Slipway, wait_until

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


def test_a_proof_file_is_checked_offline_by_us_and_by_a_foreign_client(tlog_of_300, client, tmp_path):
    slipway, key = tlog_of_300
    proof, entry = tmp_path / "7.tlog-proof", tmp_path / "entry"
    text = slipway.ok("audit", "prove", 7, "--format", "tlog").out
    assert text.startswith("c2sp.org/tlog-proof@v1\nextra ") and "\nindex 6\n" in text
    proof.write_text(text)
    entry.write_text(slipway.ok("audit", "show", 7, "--json").json()["canonical"])
    nobody = {"XDG_CONFIG_HOME": str(tmp_path / "nobody"), "SLIPWAY_SERVER": "http://127.0.0.1:1"}
    ran = slipway.cli("audit", "verify", proof, "--key", key, "--json", environment=nobody)
    assert ran.code == 0 and ran.json()["seq"] == 7 and ran.json()["record"] == entry.read_text(), ran
    foreign = client("proof", key, entry, proof)
    assert foreign.returncode == 0 and json.loads(foreign.stdout)["index"] == 6, foreign

    assert slipway.cli("audit", "verify", proof, environment=nobody).code == 2, "a key must be known"
    other = slipway.ok("audit", "show", 8, "--json").json()["canonical"]
    for at in range(text.index("extra "), len(text), 29):
        harmed = text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1:]
        proof.write_text(harmed)
        assert slipway.cli("audit", "verify", proof, "--key", key, environment=nobody).code == 70, harmed
    proof.write_text(text)
    entry.write_text(other)
    assert client("proof", key, entry, proof).returncode == 1
    assert slipway.cli("audit", "prove", 7, "--format", "xml").code == 2
    assert slipway.cli("audit", "prove", 100000, "--format", "tlog").code == 3


@contextlib.contextmanager
def foreign_witness(client, log_key, name):
    """One that is not ours; gives its URL and key."""
    process = subprocess.Popen([client.program, "witness", log_key, name], stdout=subprocess.PIPE, text=True)
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


@pytest.mark.long  # a witness is asked every five seconds at the most
def test_a_foreign_witness_cosigns_and_is_counted(make_slipway, client, tmp_path):
    slipway = make_slipway({"alerts": {"allow_private": True}})
    key = slipway.ok("audit", "keys").out.strip()
    with foreign_witness(client, key, "witness.example/one") as one, \
            foreign_witness(client, key, "witness.example/two") as two:
        for name, it in (("one", one), ("two", two)):
            slipway.ok("audit", "witness", "add", name, it["vkey"], "--url", it["url"])

        def cosigned():
            rows = slipway.ok("audit", "witness", "ls", "--json").json()["witnesses"]
            return len(rows) == 2 and all(row["result"] == "cosigned" for row in rows) and rows[0]["size"] == rows[1]["size"]

        wait_until(cosigned, 30, "both witnesses to cosign one checkpoint", every=0.2)
        assert "witness.example/one" in slipway.api("GET", "/v1/audit/tlog/checkpoint", token="").text
        said = slipway.ok("audit", "verify", "--json").json()
        assert said["witnesses"] == ["witness.example/one", "witness.example/two"] and said["cosigned"] >= 1
        assert "cosigned: records 1 to " in slipway.ok("audit", "verify").out

        proof, entry = tmp_path / "1.tlog-proof", tmp_path / "entry"
        proof.write_text(slipway.ok("audit", "prove", 1, "--format", "tlog").out)
        entry.write_text(slipway.ok("audit", "show", 1, "--json").json()["canonical"])
        foreign = client("proof", key, entry, proof, one["vkey"], two["vkey"])
        assert foreign.returncode == 0, foreign
        ran = slipway.cli("audit", "verify", proof, "--key", key, "--witness", one["vkey"], "--witness", two["vkey"])
        assert ran.code == 0 and "cosigned by witness.example/one, witness.example/two" in ran.out, ran
        lines = proof.read_text().splitlines(keepends=True)
        proof.write_text("".join(lines[:-1]))
        assert slipway.cli("audit", "verify", proof, "--key", key, "--witness", two["vkey"]).code == 70
        assert client("proof", key, entry, proof, two["vkey"]).returncode == 1

        # It grows, and what is shown to the witness is that it only grew.
        size = slipway.ok("audit", "witness", "ls", "--json").json()["witnesses"][0]["size"]
        fill(slipway, 3)
        wait_until(lambda: slipway.ok("audit", "witness", "ls", "--json").json()["witnesses"][0]["size"] > size, 30,
                   "a witness to cosign the longer log", every=0.2)
        assert slipway.ok("audit", "verify", "--json").json()["witnesses"]
        slipway.ok("audit", "witness", "rm", "two")
        assert [row["name"] for row in slipway.ok("audit", "witness", "ls", "--json").json()["witnesses"]] == ["one"]
    events = [json.loads(line)["event"] for line in slipway.ok("audit", "export").out.splitlines() if '"seq":' in line]
    assert events.count("witness.added") == 2 and events.count("witness.removed") == 1


def test_who_may_name_witnesses_and_where_they_may_be(slipway, client):
    key = slipway.ok("audit", "keys").out.strip()
    with foreign_witness(client, key, "witness.example/x") as it:
        refused = slipway.cli("audit", "witness", "add", "x", it["vkey"], "--url", it["url"])
        assert refused.code == 77, "this machine's own addresses are not asked"
        wanted = {"name": "x", "key": it["vkey"], "url": "https://witness.example/"}
        agent = slipway.ok("token", "create", "--agent", "ci", "--json").json()["token"]
        assert slipway.api("POST", "/v1/audit/witnesses", wanted, token=agent).status == 403
    assert slipway.cli("audit", "witness", "add", "x", key, "--url", "https://witness.example/").code == 2, "a log's key"
    assert slipway.cli("audit", "witness", "add", "x").code == 2
    assert slipway.cli("audit", "witness", "rm", "nobody").code == 3
