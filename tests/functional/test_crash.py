"""Nothing committed is lost: kill -9 at random instants, a full disk."""
import os
import random
import shutil
import signal
import subprocess
import threading

import pytest

from support import http
from support.slipway import APPS, change, wait_until

SETTLED = ("ready", "sleeping", "failed", "canceled", "stopped", "expired", "deleted")
SERVER = "require('http').createServer((q,r)=>r.end('WORD')).listen(process.env.PORT)\n"


def check_invariants(slipway, promised):
    """After a restart: what was said to be live answers with its own bytes, and nothing hangs in between."""
    rows = {row["id"]: row for row in slipway.deployments()}
    for identity, word in promised.items():
        assert identity in rows, f"{identity} was acknowledged and is gone"
        url = rows[identity]["url"]
        wait_until(lambda: slipway.state(identity) in SETTLED, 90, f"{identity} to settle")
        row = slipway.inspect(identity)
        if row["state"] in ("ready", "sleeping"):
            response = http.get(url, timeout=60)
            assert (response.status, response.text) == (200, word), row
        else:
            assert row["state"] in ("failed", "canceled"), row
            if row["state"] == "failed":
                assert row["error"]["message"], "a failure says why"
    for row in rows.values():
        wait_until(lambda: slipway.state(row["id"]) in SETTLED, 90, f"{row['id']} to settle")


def rounds_of_kill(slipway, project, rounds, seed):
    chance = random.Random(seed)
    ready = {}
    keeper = slipway.deploy(project({"package.json": '{"name":"k","scripts":{"start":"node s.js"}}',
                                     "s.js": SERVER.replace("WORD", "keeper")}))
    ready[keeper["id"]] = "keeper"
    for number in range(rounds):
        word = f"round {number}"
        folder = project({"package.json": '{"name":"x","scripts":{"build":"node -e 0","start":"node s.js"}}',
                          "s.js": SERVER.replace("WORD", word)})
        site = project({"index.html": word, **{f"f{i}.txt": f"{word} {i}" for i in range(20)}})
        clients = [slipway.popen("deploy", path, "--json") for path in (folder, site)]
        delay = chance.uniform(0, 1.5)
        done = threading.Event()
        done.wait(delay)  # the random instant is the point of the test
        slipway.kill()
        for client in clients:
            out, _ = client.communicate(timeout=120)
            if client.returncode == 0:
                import json
                ready[json.loads(out)["id"]] = word
        slipway.start()
        for identity in ready:
            assert slipway.state(identity) in SETTLED[:2], f"{identity} was ready before the kill"
        check_invariants(slipway, ready)
        assert http.get(slipway.inspect(keeper["id"])["url"]).text == "keeper"
        for row in slipway.deployments():
            if row["id"] != keeper["id"] and chance.random() < 0.5:
                slipway.api("DELETE", f"/v1/deployments/{row['id']}")
                ready.pop(row["id"], None)
    # close() of the fixture checks that no process, mount, sandbox or control group is left.


def test_kill_at_random_instants(make_slipway, project):
    rounds_of_kill(make_slipway(), project, rounds=4, seed=1)


@pytest.mark.long
@pytest.mark.parametrize("seed", [11, 12])
def test_kill_at_many_random_instants(make_slipway, project, seed):
    rounds_of_kill(make_slipway(), project, rounds=10, seed=seed)


def test_kill_in_the_middle_of_a_build(make_slipway, project):
    slipway = make_slipway()
    folder = project({"package.json": '{"name":"x","scripts":{"build":"sleep 97531","start":"node s.js"}}', "s.js": SERVER})
    deployment = slipway.ok("deploy", folder, "--no-wait", "--json").json()
    slipway.wait_state(deployment["id"], "building")
    builders = lambda: subprocess.run(["pgrep", "-f", "^sleep 97531"], capture_output=True).returncode == 0  # noqa: E731
    wait_until(builders, 60, "the build to run")
    slipway.kill()
    slipway.start()
    wait_until(lambda: slipway.state(deployment["id"]) in ("failed", "building", "queued"), 30)
    if slipway.state(deployment["id"]) != "failed":
        slipway.api("DELETE", f"/v1/deployments/{deployment['id']}")
    wait_until(lambda: not builders(), 30, "the build's processes to be gone")


def test_apps_answer_again_after_a_kill_without_a_restart_of_their_own(make_slipway, probe):
    slipway = make_slipway()
    deployment = slipway.deploy(probe())
    boot = http.get(deployment["url"] + "/boot").text
    slipway.kill()
    slipway.start()
    url = slipway.inspect(deployment["id"])["url"]
    assert http.get(url + "/boot").text == boot


def test_a_new_data_directory_does_not_meet_the_devices_of_the_removed_one(make_slipway, probe):
    slipway = make_slipway()
    slipway.deploy(probe())
    slipway.kill()
    left = [pid for pid in slipway.processes()]  # the app goes on, and nobody will ever adopt it
    shutil.rmtree(slipway.data)
    try:
        slipway.start()
        deployment = slipway.deploy(probe())
        assert http.get(deployment["url"] + "/boot").status == 200
    finally:
        for pid in left:
            os.kill(pid, signal.SIGKILL)


def test_a_full_disk_is_said_and_mended(make_slipway, project, small_disk):
    slipway = make_slipway({"gc": {"min_free_disk": "32MB", "interval": "1s", "keep_removed": "1s"}}, data=small_disk)
    small = slipway.deploy(project({"index.html": "small"}))
    folder = project({"index.html": "big", "noise.bin": os.urandom(200 << 20)})
    ran = slipway.cli("deploy", folder, "--json")
    assert ran.code not in (0, 70), str(ran)
    error = ran.json().get("error") or ran.json()
    assert error["code"] == "disk_full", error
    assert http.get(small["url"]).text == "small", "what is live goes on"
    os.unlink(folder / "noise.bin")
    assert http.get(slipway.deploy(folder)["url"]).text == "big"


def test_two_servers_on_one_data_directory_are_refused(make_slipway):
    slipway = make_slipway()
    second = slipway.cli("serve", "--data", slipway.data, "--listen", "127.0.0.1:0", timeout=30)
    assert second.code == 4, str(second)
    assert http.get(slipway.info["url"] + "/healthz").status == 200


def test_a_deployment_says_the_same_after_a_restart(make_slipway, project):
    slipway = make_slipway()
    folder = project(APPS / "probe")
    first = slipway.deploy(folder, "-m", "one")
    change(folder / "server.js", "probe one", "probe two")
    second = slipway.deploy(folder, "-m", "two")
    before = [slipway.inspect(d["id"]) for d in (first, second)]
    slipway.stop()
    slipway.start()
    after = [slipway.inspect(d["id"]) for d in (first, second)]
    for old, new in zip(before, after):
        for key in ["id", "project", "alias", "message", "source", "plan", "created_at", "changed", "cache", "timings_ms"]:
            assert old[key] == new[key], key
