"""Canaries, the watch after a switch, and alerts: real releases under real traffic. One server for the file."""
import base64
import hashlib
import hmac
import http.server
import itertools
import json
import threading

import pytest

from support import http as client
from support.slipway import Slipway, wait_until, write_app

# /work fails for a share of the requests; `crash` ends the process a while after it started, in production alone.
SERVER = """
const http = require('http');
let n = 0;
http.createServer((q, r) => {
  if (q.url === '/work' && (n++ %% 100) < %(failing)d) { r.statusCode = 500; return r.end('no'); }
  r.end('%(version)s');
}).listen(process.env.PORT);
if (process.env.FRAGILE && %(crash)d > 0) setTimeout(() => process.exit(3), %(crash)d);
"""
PACKAGE = json.dumps({"name": "app", "scripts": {"start": "node server.js"}})
SETTINGS = {"releases": {"bake": "60s", "drain": "1s", "health_interval": "1s", "canary_step": "2s"},
            "alerts": {"allow_private": True}}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = Slipway(tmp_path_factory.mktemp("canary"), SETTINGS).start()
    yield made
    made.stop()
    made.sweep()


class Traffic:
    """Requests to a host from ever new clients, so that a canary gets its share; counts the answers by their text."""

    def __init__(self, url, path="/work", threads=3):
        self.url, self.path = url, path
        self.answers = {}
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self.numbers = itertools.count()
        self.threads = [threading.Thread(target=self.run) for _ in range(threads)]

    def run(self):
        while not self.ended.is_set():
            try:
                answer = client.get(self.url + self.path, {"User-Agent": f"client {next(self.numbers)}"})
                seen = (answer.status, answer.text)
            except OSError as error:
                seen = (0, str(error))
            with self.lock:
                self.answers[seen] = self.answers.get(seen, 0) + 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join()


class Receiver:
    """A webhook's receiver: keeps what it was sent."""

    def __init__(self):
        self.messages = messages = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                messages.append((dict(self.headers.items()), body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.httpd.server_port}/hook"
        threading.Thread(target=self.httpd.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.httpd.shutdown()
        self.httpd.server_close()

    def of(self, event):
        return [(headers, body) for headers, body in list(self.messages) if json.loads(body)["type"] == event]


def verify(secret, headers, body):
    """As the Standard Webhooks specification tells a receiver to."""
    lower = {name.lower(): value for name, value in headers.items()}
    signed = b".".join([lower["webhook-id"].encode(), lower["webhook-timestamp"].encode(), body])
    mac = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    assert lower["webhook-signature"] == "v1," + base64.b64encode(mac).decode()


def deploy(server, folder, version, failing=0, crash=0):
    source = SERVER % {"version": version, "failing": failing, "crash": crash}
    return server.deploy(write_app(folder, {"package.json": PACKAGE, "server.js": source}))


def first_release(server, folder):
    """Of a new project: version v1 in production; its URL."""
    rollout = server.ok("promote", deploy(server, folder, "v1")["id"], "--json").json()
    url = f"http://{folder.name}.localhost:{server.port}"
    assert client.get(url).text == "v1", rollout
    return url


def begin(server, deployment, *arguments):
    return server.ok("promote", deployment["id"], "--json", "--no-wait", *arguments).json()


def shown(server, rollout):
    return server.ok("rollout", rollout["id"], "--json").json()


def settled(server, rollout, *states, seconds=60):
    def look():
        now = shown(server, rollout)
        return now if now["state"] in states else None
    return wait_until(look, seconds, f"{rollout['id']} to be {states}", every=0.2)


def metric(verdict, name):
    return next(each for each in verdict["evidence"] if each["metric"] == name)


def test_a_canary_that_fails_is_rolled_back_with_its_numbers_and_an_alert(server, tmp_path):
    url = first_release(server, tmp_path / "failing")
    with Receiver() as receiver, Traffic(url) as traffic:
        added = server.ok("alerts", "add", "failing", receiver.url, "--json").json()
        canary = begin(server, deploy(server, tmp_path / "failing", "v2", failing=30), "--canary", "30", "--step", "60s")
        ended = settled(server, canary, "failed", "rolled_back", "done")
        assert ended["state"] == "failed", ended
        assert ended["error"]["code"] == "start_failed"
        verdict = ended["verdicts"][-1]
        assert verdict["says"] == "roll_back" and verdict["percent"] == 30
        errors = metric(verdict, "errors")
        assert errors["says"] == "worse" and errors["e_value"] >= errors["threshold"] > 100
        assert errors["count"] > 0 and errors["baseline_count"] == 0
        assert "requests failed" in json.dumps(ended)
        headers, body = wait_until(lambda: receiver.of("rollout.failed"), 30, "the alert")[0]
        verify(added["secret"], headers, body)
        message = json.loads(body)["data"]
        assert message["project"] == "failing" and message["rollout"]["id"] == canary["id"]
        assert metric(message, "errors")["says"] == "worse"
    assert set(text for status, text in traffic.answers if status != 500) == {"v1", "v2"}, traffic.answers
    assert client.get(url).text == "v1"
    for _ in range(20):
        assert client.get(url + "/work").text == "v1"


def test_a_canary_like_the_release_before_gets_all_the_traffic(server, tmp_path):
    url = first_release(server, tmp_path / "same")
    with Traffic(url) as traffic:
        canary = begin(server, deploy(server, tmp_path / "same", "v2"), "--canary", "30,60", "--step", "2s")
        ended = settled(server, canary, "watching", "done", "failed")
        assert ended["state"] in ("watching", "done"), ended
        assert [(each["percent"], each["says"]) for each in ended["verdicts"][:2]] == [(30, "advance"), (60, "advance")]
        assert all(metric(each, "errors")["of"] >= 20 for each in ended["verdicts"][:2])
    assert client.get(url).text == "v2"
    assert {status for status, _ in traffic.answers} == {200}, traffic.answers


def test_a_canary_without_traffic_is_held_and_says_so(server, tmp_path):
    url = first_release(server, tmp_path / "quiet")
    canary = begin(server, deploy(server, tmp_path / "quiet", "v2"), "--canary", "50", "--step", "1s")
    held = wait_until(lambda: (now := shown(server, canary))["state"] == "canary" and
                      "no requests yet, held" in (now["reason"] or "") and now, 30, "it to be held", every=0.2)
    assert not [each for each in held["verdicts"] if each["says"] == "advance"]
    server.ok("rollout", canary["id"], "--cancel")
    assert settled(server, canary, "canceled", "failed")["state"] == "canceled"
    assert client.get(url).text == "v1"


def test_a_release_that_crashes_after_the_switch_is_rolled_back_by_itself(server, tmp_path):
    folder = tmp_path / "fragile"
    folder.mkdir()
    server.ok("env", "set", "FRAGILE=yes", "--env", "production", "--project", "fragile")
    url = first_release(server, folder)
    with Receiver() as receiver:
        added = server.ok("alerts", "add", "fragile", receiver.url, "--event", "release.rolled_back", "--json").json()
        rollout = begin(server, deploy(server, folder, "v2", crash=2500))
        ended = settled(server, rollout, "rolled_back", "failed", "done", seconds=150)
        assert ended["state"] == "rolled_back", ended
        assert {each["metric"] for each in ended["verdicts"][-1]["evidence"] if each["says"] == "worse"} & \
            {"readiness", "crash_loop", "restarts", "errors"}, ended["verdicts"][-1]
        wait_until(lambda: client.get(url).text == "v1", 10, "the release before to serve")
        headers, body = wait_until(lambda: receiver.of("release.rolled_back"), 30, "the alert")[0]
        verify(added["secret"], headers, body)
        assert json.loads(body)["data"]["rollout"]["state"] == "rolled_back"
        assert len(receiver.messages) == 1, "only what was asked for"
    listed = server.ok("alerts", "ls", "fragile").out
    assert added["id"] in listed and "delivered (204)" in listed and added["secret"] not in listed


def test_alerts_are_added_tested_removed_and_their_secret_is_shown_once(server, tmp_path):
    with Receiver() as receiver:
        added = server.ok("alerts", "add", "hooked", receiver.url, "--env", "production", "--event",
                          "rollout.switched", "--json").json()
        assert added["secret"].startswith("whsec_") and added["events"] == ["rollout.switched"]
        assert server.ok("alerts", "test", "hooked", added["id"]).out == "delivered (204)\n"
        server.ok("env", "rotate-key")
        server.ok("alerts", "test", "hooked", added["id"])
        first, second = receiver.of("alert.test")
        verify(added["secret"], *first)
        verify(added["secret"], *second)
    everything = server.ok("audit", "export").out + server.ok("alerts", "ls", "hooked", "--json").out
    assert added["id"] in everything and added["secret"][6:] not in everything
    failed = server.cli("alerts", "test", "hooked", added["id"])
    assert failed.code == 75, str(failed)
    assert server.cli("alerts", "add", "hooked", "ftp://example.com").code == 2
    assert server.cli("alerts", "add", "hooked", receiver.url, "--event", "nonsense").code == 2
    server.ok("alerts", "rm", "hooked", added["id"])
    assert server.cli("alerts", "rm", "hooked", added["id"]).code == 3


def test_webhooks_reach_no_private_address_unless_the_server_allows_it(make_slipway):
    server = make_slipway()
    for url in (server.info["url"] + "/v1/undo", "http://127.0.0.1:1/", "http://169.254.169.254/latest/meta-data/",
                "http://[::1]/", "http://10.0.0.1/", "http://localhost/"):
        refused = server.cli("alerts", "add", "inner", url, "--json")
        assert refused.code == 77, str(refused)
    assert server.ok("alerts", "ls", "inner", "--json").json()["alerts"] == []


def test_people_are_told_when_an_agents_promotion_waits_for_them(server, tmp_path):
    server.ok("team", "add", "default", "ann", "--role", "approver")
    deployment = deploy(server, tmp_path / "waiting", "v1")
    with Receiver() as receiver:
        server.ok("alerts", "add", "waiting", receiver.url)
        agent = server.ok("token", "create", "--agent", "bot", "--ttl", "1h", "-q").out.strip()
        asked = server.cli("promote", deployment["id"], "--json", environment={"SLIPWAY_TOKEN": agent})
        assert asked.code == 4 and asked.json()["state"] == "waiting", str(asked)
        headers, body = wait_until(lambda: receiver.of("rollout.waiting"), 30, "the alert")[0]
        data = json.loads(body)["data"]
        assert data["rollout"]["id"] == asked.json()["id"] and data["rollout"]["approval"].startswith("apr_")


def test_a_canary_goes_on_from_its_record_when_the_server_was_killed(server, tmp_path):
    url = first_release(server, tmp_path / "killed")
    with Traffic(url):
        canary = begin(server, deploy(server, tmp_path / "killed", "v2"), "--canary", "20,50,80", "--step", "2s")
        wait_until(lambda: shown(server, canary)["verdicts"], 30, "the first step's end", every=0.1)
        server.kill()
    server.start()
    before = shown(server, canary)
    assert before["state"] == "canary" and before["verdicts"][0]["says"] == "advance", before
    url = f"http://killed.localhost:{server.port}"
    with Traffic(url) as traffic:
        ended = settled(server, canary, "watching", "done", "failed")
        assert ended["state"] in ("watching", "done"), ended
    assert [(each["percent"], each["says"]) for each in ended["verdicts"][:3]] == \
        [(20, "advance"), (50, "advance"), (80, "advance")]
    assert {status for status, _ in traffic.answers} == {200}, traffic.answers
    assert client.get(url).text == "v2"
