"""What a client may cost the server: memory, disk, connections, threads. Small versions of attacks that took it down."""
import contextlib
import hashlib
import json
import signal
import socket
import subprocess
import threading

import pytest

from support import http
from support.slipway import APPS, BINARY, Slipway, copy_app, wait_until

MEBI = 1 << 20


def disk_of(slipway):
    total = 0
    for path in slipway.data.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.lstat().st_blocks * 512
    return total


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Slipway(tmp_path_factory.mktemp("bounds"), {"alerts": {"allow_private": True}}).start()
    yield server
    server.close()
    server.sweep()


def token_of_agent(slipway, name, *options):
    made = slipway.ok("token", "create", "--json", "--agent", name, *options).json()
    return made["token"]


def test_nothing_of_a_body_is_kept_without_a_token(server):
    memory, disk = server.rss(), disk_of(server)
    connections = []
    with contextlib.ExitStack() as stack:
        for i in range(60):
            peer = stack.enter_context(http.Connection(server.port))
            peer.socket.setblocking(True)
            path = ("/v1/deployments", "/v1/uploads/upl_aaaaaaaaaa/pack", "/v1/nothing")[i % 3]
            peer.send_head("POST" if i % 3 != 1 else "PUT", path, "localhost",
                           {"Content-Length": 4 << 30, "Authorization": "Bearer wrong"} if i % 2 else
                           {"Content-Length": 4 << 30})
            with contextlib.suppress(OSError):
                peer.socket.settimeout(2)
                peer.send(b"x" * MEBI)
            peer.socket.settimeout(30)
            connections.append(peer)
        statuses = {peer.read_head()[0] for peer in connections}
        assert statuses <= {401, 404, 413}, statuses
        assert server.rss() - memory < 24 * MEBI
        assert disk_of(server) - disk < 4 * MEBI


def test_a_file_is_no_manifest_and_its_size_is_checked(server, project):
    zeros = 48 * MEBI
    folder = project({"index.html": "<p>zeros", "zeros.txt": "\0" * zeros}, name="zeros")
    server.deploy(folder)
    digest = "sha256:" + hashlib.sha256(b"\0" * zeros).hexdigest()
    memory = server.rss()
    for _ in range(3):
        answer = server.api("POST", "/v1/uploads", {"project": "zeros", "delta":
                                                    {"base": digest, "changed": [], "removed": []}})
        assert answer.status == 409, answer.text
    # The file under a size that lies.
    lying = server.api("POST", "/v1/uploads", {"project": "zeros", "manifest": f"f {digest[7:]} 2000 zeros.txt\n"})
    assert lying.status == 400, lying.text
    assert server.rss() - memory < 32 * MEBI


def test_brackets_are_not_parsed(server):
    memory = server.rss()
    body = b'{"project":"x","manifest":[' + b"[]," * (12 * MEBI // 3) + b"[]]}"
    answer = server.api("POST", "/v1/uploads", body)
    assert answer.status == 413, answer.text
    assert server.api("POST", "/v1/deployments", b" " * (2 * MEBI)).status == 413
    assert server.rss() - memory < 64 * MEBI


def test_another_projects_files_are_not_given_by_their_digest(server, project):
    secret = "TOP SECRET SOURCE of this test"
    server.deploy(project({"index.html": secret}, name="bank"))
    digest = hashlib.sha256(secret.encode()).hexdigest()
    opened = server.api("POST", "/v1/uploads", {"project": "robber",
                                                "manifest": f"f {digest} {len(secret)} index.html\n"})
    assert opened.status == 201 and opened.json()["missing"] == ["sha256:" + digest]
    made = server.api("POST", "/v1/deployments", {"upload": opened.json()["id"], "project": "robber"})
    assert made.json()["code"] == "failed_precondition", made.text


def test_an_upload_leaves_the_disk_that_is_kept(make_slipway, project):
    slipway = make_slipway({"gc": {"min_free_disk": "900TB"}})
    disk = disk_of(slipway)
    ran = slipway.cli("deploy", project({"index.html": "x" * MEBI}), "--json")
    assert ran.code == 75, str(ran)
    assert ran.json()["error"]["code"] == "disk_full"
    assert disk_of(slipway) - disk < MEBI


def test_calls_that_wait_keep_nobody_else_waiting(server, project):
    folder = project({"index.html": "<p>hooks"}, name="hooked")
    server.deploy(folder)
    agent = token_of_agent(server, "tester")
    # A webhook that accepts and says nothing.
    with socket.create_server(("127.0.0.1", 0), backlog=256) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/hook"
        alert = server.ok("alerts", "add", "hooked", url, "--json").json()["id"]
        test = f"/v1/projects/hooked/alerts/{alert}/test"
        hung = [http.Connection(server.port) for _ in range(40)]
        for peer in hung:
            peer.send_head("POST", test, "localhost", {"Authorization": f"Bearer {agent}", "Content-Length": 0})
        # Some hang at the webhook by now; everything else is answered while they do.
        silent.settimeout(20)
        held = [silent.accept()[0] for _ in range(4)]
        health = server.api("GET", "/healthz", timeout=5)
        assert health.status == 200 and health.json()["status"] == "ok", health.text
        assert server.api("GET", "/v1/whoami", token=agent, timeout=5).status == 200
        assert server.api("POST", "/v1/agents/tester/kill", {}, timeout=5).status == 200
        for peer in hung + held:
            peer.close()


def test_streams_have_a_share_per_principal(server, project):
    deployment = server.deploy(project({"index.html": "<p>"}, name="streamed"))
    agent = token_of_agent(server, "watcher")
    path = f"/v1/deployments/{deployment['id']}/logs?follow=1&kind=run"
    with contextlib.ExitStack() as stack:
        def follow(token):
            peer = stack.enter_context(http.Connection(server.port))
            peer.send_head("GET", path, "localhost", {"Authorization": f"Bearer {token}"})
            return peer.read_head()[0]
        statuses = [follow(agent) for _ in range(34)]
        assert statuses == [200] * 32 + [429] * 2
        assert follow(server.info["token"]) == 200


def test_a_thousand_idle_connections_leave_production_alone(make_slipway, tmp_path):
    slipway = make_slipway(start=False)
    slipway.start(descriptors=(1024, 1024))
    folder = copy_app(APPS / "probe", tmp_path / "idle-probe")
    app = slipway.deploy(folder)
    host = http.split(app["url"])[0]
    with contextlib.ExitStack() as stack:
        old = stack.enter_context(http.Connection(slipway.port))
        assert old.request("GET", "/", host).status == 200
        idle = []
        for i in range(1015):
            # It has asked for something, so that it may rest for long.
            peer = http.Connection(slipway.port, 12)
            assert peer.request("GET", "/", host).status == 200, i
            idle.append(peer)
            if i % 100 == 0:
                assert old.request("GET", "/", host).status == 200, i
                assert http.get(app["url"], timeout=12).status == 200, i
        try:
            assert old.request("GET", "/", host).status == 200
            for _ in range(5):
                assert http.get(app["url"], timeout=12).status == 200
            assert slipway.api("GET", "/healthz").status == 200
        finally:
            for each in idle:
                each.close()


def test_the_descriptor_limit_is_raised_for_the_server_alone(make_slipway):
    slipway = make_slipway(start=False)
    slipway.start(descriptors=(1024, 8192))
    limits = open(f"/proc/{slipway.process.pid}/limits").read()
    assert [line.split()[3:5] for line in limits.splitlines() if line.startswith("Max open files")] == [["8192", "8192"]]


def test_sighup_reads_the_configuration_again(make_slipway):
    slipway = make_slipway()
    slipway.config.write_text(slipway.config.read_text() + '[log]\nlevel = "debug"\n[gc]\ninterval = "7m"\n')
    slipway.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "settings that hold from the next start on" in slipway.log.read_text(), 20, "the reload")
    log = slipway.log.read_text()
    assert "applied" in log and "log.level" in log and "gc.interval" in log
    slipway.config.write_text("nonsense")
    slipway.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "was not read again" in slipway.log.read_text(), 20, "the refusal")
    assert slipway.api("GET", "/healthz").status == 200


def test_a_proxy_on_this_machine_is_believed_when_it_is_named(make_slipway, tmp_path):
    slipway = make_slipway({"server": {"listen": "127.0.0.1:0", "trusted_proxies": ["127.0.0.1"],
                                       "public_url": "https://localhost"}})
    app = slipway.deploy(copy_app(APPS / "probe", tmp_path / "proxied-probe"))
    assert app["url"].startswith("https://proxied") and app["url"].endswith(".localhost"), app["url"]
    host = app["url"].removeprefix("https://")
    with http.Connection(slipway.port) as proxy:
        seen = proxy.request("GET", "/headers", host, {
            "X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}).json()["headers"]
    assert seen["x-forwarded-proto"] == "https" and seen["x-forwarded-for"] == "203.0.113.9"
    slipway.api("DELETE", f"/v1/deployments/{app['id']}", headers={"X-Forwarded-For": "203.0.113.10"})
    assert "203.0.113.10" in json.dumps(slipway.api("GET", "/v1/audit?limit=5").json())


def test_a_deploy_that_is_followed_over_a_stop_is_not_said_to_be_done(make_slipway, project):
    slipway = make_slipway()
    folder = project({"package.json": json.dumps({"name": "slow", "scripts": {
        "build": "node b.js", "start": "node s.js"}}), "b.js": "setTimeout(() => {}, 3000)",
        "s.js": "require('http').createServer((q, r) => r.end('up')).listen(process.env.PORT)"})
    command = subprocess.Popen([str(BINARY), "deploy", str(folder), "--json"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=slipway.environment())
    output = []
    reader = threading.Thread(target=lambda: output.extend(command.communicate(timeout=120)), daemon=True)
    reader.start()
    wait_until(lambda: [each for each in slipway.api("GET", "/v1/deployments").json()["deployments"]
                        if each["state"] == "building"], 30, "the build")
    assert slipway.stop() == 0
    slipway.start()
    reader.join(120)
    assert command.returncode == 0, output
    assert json.loads(output[0])["state"] == "ready"
