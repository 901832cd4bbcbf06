"""The instances of a release: killed, ill, replaced, and a server that comes back. One server for the file."""
import contextlib
import json
import os
import pathlib
import signal
import threading

import pytest

from support import http
from support.slipway import Slipway, wait_until, write_app

# Says who answers. The one that is told to be ill fails its health path a few times, then is well again.
SERVER = """
const http = require('http');
const me = Math.random().toString(36).slice(2);
let ill = 0;
http.createServer((q, r) => {
  if (q.url === '/healthz') {
    if (ill > 0) { ill--; r.statusCode = 500; }
    return r.end();
  }
  if (q.url === '/ill/' + me) ill = 5;
  r.end(me);
}).listen(process.env.PORT);
"""
FILES = {"server.js": SERVER, "package.json": json.dumps({"name": "crew", "scripts": {"start": "node server.js"}})}
SETTINGS = {"releases": {"instances": 3, "bake": "1s", "drain": "2s", "health_interval": "250ms"}}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = Slipway(tmp_path_factory.mktemp("crews"), SETTINGS).start()
    deployment = made.deploy(write_app(made.directory / "crew", FILES), "--health", "/healthz")
    made.ok("promote", deployment["id"])
    yield made
    made.stop()
    made.sweep()


def instances(server):
    return server.api("GET", "/v1/projects/crew/environments/production").json()["instances"]


def ready(server, count=3):
    found = instances(server)
    return len(found) == count and all(each["state"] == "ready" for each in found) and found


def url(server):
    return f"http://crew.localhost:{server.port}/"


def processes(sandbox):
    pids = set()
    for file in pathlib.Path("/sys/fs/cgroup").glob(f"**/slipway/**/{sandbox}/cgroup.procs"):
        with contextlib.suppress(OSError):
            pids |= {int(line) for line in file.read_text().split()}
    return pids


@contextlib.contextmanager
def traffic(server, lost=0):
    """Requests without a pause; no more than `lost` may fail."""
    bad, done, over = [], [0], threading.Event()

    def ask():
        while not over.is_set():
            try:
                response = http.get(url(server))
                if response.status != 200:
                    bad.append(f"{response.status} {response.text[:200]}")
            except OSError as error:
                bad.append(repr(error))
            done[0] += 1

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: done[0] > 20, 30, "traffic")
        yield done
        seen = done[0]
        wait_until(lambda: done[0] > seen + 20, 30, "traffic to go on")
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert len(bad) <= lost, f"{len(bad)} of {done[0]} requests failed: {bad[:5]}"


def test_all_instances_of_a_release_take_their_share(server):
    wait_until(lambda: ready(server), what="three instances")
    assert len({http.get(url(server)).text for _ in range(30)}) == 3


def test_a_killed_instance_costs_no_request_but_those_inside_it_and_comes_back(server):
    before = wait_until(lambda: ready(server), what="three instances")
    # Whether a request that it had been given took effect is not known: it is not given to another. Four are
    # under way at the most.
    with traffic(server, lost=4):
        for pid in processes(before[0]["instance"]):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: sum(each["restarts"] for each in instances(server)) == 1, what="its end to be noticed")
        after = wait_until(lambda: ready(server), what="it to be back")
    assert len({each["instance"] for each in after} - {each["instance"] for each in before}) == 1


def test_an_ill_instance_is_taken_out_and_put_back(server):
    wait_until(lambda: ready(server), what="three instances")
    ill = http.get(url(server)).text
    with traffic(server):
        # Until it has been that one's turn.
        wait_until(lambda: http.get(url(server) + "ill/" + ill).text == ill, what="its turn")
        wait_until(lambda: any(each["state"] == "unhealthy" for each in instances(server)), what="it to be out")
        out = next(each for each in instances(server) if each["state"] == "unhealthy")
        assert "500" in out["detail"]
        wait_until(lambda: ready(server), what="it to be back")
    assert ill in {http.get(url(server)).text for _ in range(30)}


def test_a_restart_replaces_all_and_costs_no_request(server):
    before = wait_until(lambda: ready(server), what="three instances")
    with traffic(server):
        server.ok("restart", "crew")
    after = wait_until(lambda: ready(server), what="three instances")
    assert not {each["instance"] for each in before} & {each["instance"] for each in after}


def test_scaling_holds_over_a_restart_of_the_server(server):
    server.ok("scale", "crew", "2")
    before = wait_until(lambda: ready(server, 2), what="two instances")
    server.kill()
    server.start()
    # All of them serve as soon as it listens.
    assert {each["instance"] for each in ready(server, 2)} == {each["instance"] for each in before}
    assert len({http.get(url(server)).text for _ in range(10)}) == 2
    server.ok("scale", "crew", "3")
    wait_until(lambda: ready(server), what="three instances")
