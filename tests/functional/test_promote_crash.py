"""kill -9 of the server at random points of promotion and rollback: after each restart exactly one release is
current and it serves, and no instance of another one is left."""
import errno
import json
import random
import threading

import pytest

from support import http
from support.slipway import Slipway, wait_until, write_app

SERVER = """
require('http').createServer((q, r) => r.end('WORD')).listen(process.env.PORT);
"""
# Short enough that kills meet every step of a rollout, the bake window and the drain too.
SETTINGS = {"releases": {"bake": "1s", "drain": "1s", "canary_step": "1s", "keep": 5}}
OVER = ("done", "failed", "rolled_back", "canceled", "denied")


@pytest.fixture
def server(tmp_path):
    made = Slipway(tmp_path / "server", SETTINGS).start()
    yield made
    made.stop()
    made.sweep()


def write(folder, word):
    package = {"name": "shop", "scripts": {"start": "node server.js"}}
    return write_app(folder, {"package.json": json.dumps(package), "server.js": SERVER.replace("WORD", word)})


def environment(server):
    return server.api("GET", "/v1/projects/shop/environments/production").json()


def rollouts(server):
    return server.api("GET", "/v1/projects/shop/environments/production/rollouts").json()["rollouts"]


def releases(server):
    return server.api("GET", "/v1/projects/shop/environments/production/releases").json()["releases"]


def instances(server):
    """The writable layers of sandboxes: each goes with its sandbox."""
    return sorted(entry.name for entry in (server.data / "instances").iterdir())


def url(server):
    return f"http://shop.localhost:{server.port}"


def serves(server):
    try:
        return http.get(url(server), timeout=10)
    except OSError:
        return None


def check(server):
    """Right after a restart: one release is current, and it is what answers."""
    state = environment(server)
    numbers = [release["number"] for release in releases(server)]
    assert numbers == sorted(set(numbers), reverse=True), "no number is given twice"
    assert numbers == list(range(len(numbers), 0, -1)), "and none is left out"
    if state["current"] is None or not state["current"]:
        return
    wait_until(lambda: (answer := serves(server)) is not None and answer.status == 200, 60, "production to serve")
    open_ones = [each for each in rollouts(server) if each["state"] not in OVER and each["state"] != "waiting"]
    assert len(open_ones) <= 1, open_ones


def settle(server, words):
    """Once every rollout has ended: what serves is what is recorded, and nothing else runs."""
    wait_until(lambda: all(each["state"] in OVER for each in rollouts(server)), 90, "every rollout to end")
    state = environment(server)
    current = state["current"]
    number = current["number"] if isinstance(current, dict) else current
    if not number:
        return
    release = next(each for each in releases(server) if each["number"] == number)
    answer = wait_until(lambda: (got := serves(server)) and got.status == 200 and got, 60, "production to serve")
    assert answer.text == words[release["deployment"]], (answer.text, release)
    for each in rollouts(server):
        if each["state"] == "failed":
            assert each["error"]["message"], "a failure says why"


def rounds(server, tmp_path, count, seed):
    chance = random.Random(seed)
    words = {}
    made = []
    for number in range(3):
        deployment = server.deploy(write(tmp_path / f"app{number}" / "shop", f"version {number}"), "--project", "shop")
        words[deployment["id"]] = f"version {number}"
        made.append(deployment["id"])
    server.ok("promote", made[0], "--json")
    for _ in range(count):
        settle(server, words)
        move = chance.choice(["promote", "promote", "rollback", "config"])
        if move == "promote":
            client = server.popen("promote", chance.choice(made), "--json")
        elif move == "rollback":
            client = server.popen("rollback", "shop", "--json")
        else:
            client = server.popen("env", "set", f"ROUND={chance.random()}", "--project", "shop", "--env", "production")
        threading.Event().wait(chance.uniform(0, 2.2))  # the random instant is the point of the test
        server.kill()
        server.start()
        check(server)
        client.kill()
        client.communicate()
    settle(server, words)
    # Once the previews are gone, production's one instance is all that there is.
    for identity in made:
        server.api("DELETE", f"/v1/deployments/{identity}")
    try:
        wait_until(lambda: len(instances(server)) == 1, 30, "no instance to be left over")
    except AssertionError:
        raise AssertionError(f"left: {instances(server)}, serving {environment(server)}") from None
    assert serves(server).status == 200, "removing its preview does not stop a release"
    assert server.cli("audit", "verify").code == 0


def test_a_kill_at_random_points_leaves_one_release_that_serves(server, tmp_path):
    rounds(server, tmp_path, 5, seed=3)


@pytest.mark.long
@pytest.mark.parametrize("seed", [31, 32])
def test_many_kills_at_random_points(server, tmp_path, seed):
    rounds(server, tmp_path, 15, seed)


def fill(path):
    """Takes all the room that is left on the file system of `path`."""
    with open(path, "wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError as error:
                assert error.errno == errno.ENOSPC, error


def test_a_full_disk_stops_a_promotion_and_what_serves_goes_on(tmp_path, small_disk):
    server = Slipway(tmp_path / "server", {**SETTINGS, "gc": {"min_free_disk": "1MB"}}, data=small_disk).start()
    try:
        server.ok("promote", server.deploy(write(tmp_path / "one", "one"), "--project", "shop")["id"])
        two = server.deploy(write(tmp_path / "two", "two"), "--project", "shop")["id"]
        filler = small_disk.parent / "filler"
        fill(filler)
        ran = server.cli("promote", two, "--json")
        assert ran.code not in (0, 70), str(ran)
        assert ran.json()["error"]["code"] == "disk_full", str(ran)
        assert serves(server).text == "one"
        filler.unlink()
        # What could not be recorded while there was no room is recorded now.
        wait_until(lambda: all(each["state"] in OVER for each in rollouts(server)), what="the failed promotion is over")
        assert environment(server)["current"] == 1
        server.ok("promote", two)
        assert serves(server).text == "two"
    finally:
        server.stop()
        server.sweep()


def test_a_full_disk_refuses_no_brakes(tmp_path, small_disk):
    """What stops things has room of its own; what begins them has not."""
    server = Slipway(tmp_path / "server", {**SETTINGS, "gc": {"min_free_disk": "1MB"}}, data=small_disk).start()
    reserve = small_disk / "reserve"
    try:
        for word in ("one", "two"):
            page = write_app(tmp_path / word / "shop", {"index.html": word})
            server.ok("promote", server.deploy(page, "--project", "shop")["id"])
        extra = server.deploy(write_app(tmp_path / "extra", {"index.html": "extra"}))
        server.ok("team", "add", "default", "vera", "--role", "viewer")
        token = server.ok("token", "create", "--member", "vera", "--json").json()["id"]
        server.ok("token", "create", "--agent", "bot", "--ttl", "1h")
        filler = small_disk.parent / "filler"
        fill(filler)

        def refused(number):
            large = [f"V{i}={number}{'x' * 60_000}" for i in range(8)]
            ran = server.cli("env", "set", "--project", "extra", "--json", *large)
            assert ran.code == 0 or ran.json()["error"]["code"] == "disk_full", str(ran)
            return ran.code != 0

        assert any(refused(number) for number in range(60)), "the database never met the full disk"
        whole = reserve.stat().st_blocks
        server.ok("agent", "kill", "bot")
        server.ok("token", "revoke", token)
        server.ok("team", "remove", "default", "vera")
        server.ok("rm", extra["id"], "-y")
        server.ok("rollback", "shop")
        assert serves(server).text == "one"
        assert http.get(extra["url"]).status in (404, 410)
        assert reserve.stat().st_blocks < whole
        assert refused(61), "the reserve is for the brakes alone"
        filler.unlink()
        wait_until(lambda: reserve.stat().st_blocks >= whole, what="the reserve to be taken again")
    finally:
        server.stop()
        server.sweep()
