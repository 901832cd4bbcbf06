"""Production beside neighbours that do their worst: no request of it fails, and it can be moved throughout."""
import concurrent.futures
import contextlib
import os
import pathlib

import pytest

from support import http, load
from support.neighbours import NEIGHBOURS, SETTINGS, ask, deaf_previews, machine, preview, serving
from support.slipway import wait_until

RATE = 60  # small requests a second, beside downloads and WebSockets: enough to notice, little enough for a busy machine


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = serving(tmp_path_factory.mktemp("neighbours"), SETTINGS)
    try:
        yield made
        made.stop()
    finally:
        made.sweep()


def moves(server):
    """Production is promoted and rolled back, and the server says that it is well."""
    moved = server.ok("promote", server.releases["two"], "--json").json()
    assert moved["state"] in ("watching", "done"), moved
    assert http.get(server.production + "/hello").headers["x-release"] == "two"
    server.ok("rollback", "mixed", "--to", "1", "--json")
    assert http.get(server.production + "/hello").headers["x-release"] == "one"
    assert http.get(server.info["url"] + "/healthz", timeout=30).status == 200


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_production_goes_on_beside(server, name):
    with load.Load(server.production, RATE) as traffic:
        with NEIGHBOURS[name](server) as at_work:
            at_work()
            moves(server)
        phases, failed = traffic.finish()
    assert failed == 0, "\n".join(load.failures(phases))


def test_eight_previews_that_never_listen_delay_no_other_wake(tmp_path):
    server = serving(tmp_path, {**SETTINGS, "previews": {"idle": "1s"}})
    try:
        apps = deaf_previews(server)
        sleeper = preview(server, "sleeper")
        server.wait_state(sleeper["id"], "sleeping")
        with load.Load(server.production, RATE) as traffic:
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                hanging = [pool.submit(ask, app["url"]) for app in apps]
                wait_until(lambda: len(server.cgroups()) > 6, 20, "most of the eight to have started")
                assert ask(sleeper["url"]) == 200
                assert not any(one.done() for one in hanging), "it woke while the eight still hung"
                moves(server)
            phases, failed = traffic.finish()
        assert failed == 0, "\n".join(load.failures(phases))
        server.stop()
    finally:
        server.sweep()


def processes_of(group, kind):
    return [int(pid) for file in group.glob(f"slipway/**/{kind}/*/cgroup.procs") for pid in file.read_text().split()]


@pytest.mark.skipif(not pathlib.Path("/sys/fs/cgroup/memory/tasks").exists(), reason="needs control groups v1 for a machine within this one")
def test_when_the_machine_is_out_of_memory_it_is_the_preview_that_ends(tmp_path):
    with machine(f"slipway-test-{os.getpid()}", 900 << 20) as group:
        # No sandbox has a limit below the machine's own: whose process ends is the kernel's choice among all.
        server = serving(tmp_path, {**SETTINGS, "instances": {"memory": "4GB", "disk": "64MB"}}, within=group.name)
        try:
            pid = server.process.pid
            assert pid in map(int, (group / "cgroup.procs").read_text().split())
            bomb = preview(server, "bomb")
            # The server's is -500 where it may say so; a preview's is above production's and the server's wherever it runs.
            scores = [int(pathlib.Path(f"/proc/{one}/oom_score_adj").read_text()) for one in (pid, *processes_of(group, "previews"))]
            assert len(scores) > 1 and scores[0] <= 0 and all(score == 700 for score in scores[1:]), scores
            with load.Load(server.production, RATE) as traffic:
                ask(bomb["url"], "/memory")
                wait_until(lambda: "restarted" in (server.inspect(bomb["id"])["state_reason"] or ""), 60, "the preview to be ended")
                assert int((group / "memory.failcnt").read_text()) > 0, "it was not the machine that was full"
                moves(server)
                phases, failed = traffic.finish()
            assert failed == 0, "\n".join(load.failures(phases))
            assert server.process.poll() is None and server.process.pid == pid
            server.stop()
        finally:
            server.sweep()


@pytest.mark.long
def test_production_goes_on_beside_all_of_them_at_once(server):
    with load.Load(server.production, RATE) as traffic, contextlib.ExitStack() as neighbours:
        # The connections last: they take what descriptors the server gives.
        for name in sorted(NEIGHBOURS, key=lambda one: one == "idle connections"):
            neighbours.enter_context(NEIGHBOURS[name](server))
        for _ in range(3):
            moves(server)
        phases, failed = traffic.finish()
    assert failed == 0, "\n".join(load.failures(phases))
