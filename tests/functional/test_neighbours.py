"""Production beside neighbours that do their worst: no request of it fails, and it can be moved throughout."""
import concurrent.futures
import contextlib
import os
import socket
import threading

import pytest

from support import http, load
from support.slipway import APPS, Slipway, copy_app, wait_until

RATE = 60  # small requests a second, beside downloads and WebSockets: enough to notice, little enough for a busy machine
SETTINGS = {
    "server": {"listen": "127.0.0.1:0"},
    "instances": {"memory": "160MB", "disk": "64MB", "pids": 128, "start_timeout": "15s", "stop_grace": "6s"},
    "builds": {"concurrency": 1},
    "releases": {"bake": "1s", "drain": "20s", "health_interval": "1s"},
    "limits": {"human_requests": 2000},
}


def serving(directory, settings):
    """A server with the app `mixed` in production, deployed in two versions."""
    made = Slipway(directory, settings).start()
    try:
        app = load.make_app(made.directory / "mixed")
        made.releases = {}
        for name in ("one", "two"):
            load.rename(app, name)
            made.releases[name] = made.deploy(app)["id"]
        made.production = made.ok("promote", made.releases["one"]).out.split()[-1]
        made.hostile = copy_app(APPS / "hostile", made.directory / "hostile")
    except BaseException:
        made.sweep()
        raise
    return made


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = serving(tmp_path_factory.mktemp("neighbours"), SETTINGS)
    try:
        yield made
        made.stop()
    finally:
        made.sweep()


def preview(server, name, *arguments):
    return server.deploy(server.hostile, "--project", "hostile", "--alias", name, *arguments)


def ask(url, path="/", timeout=60):
    with contextlib.suppress(OSError):
        return http.get(url + path, timeout=timeout).status


# --- one neighbour a function: begins its harm, says what to wait for, and cleans up after the yield


@contextlib.contextmanager
def crash_loop(server):
    server.ok("env", "set", "GREETING=hello", "--project", "crashing")
    folder = server.directory / "crashing"
    if not folder.exists():
        copy_app(server.hostile, folder)
    app = server.deploy(folder, "--project", "crashing")

    def lost():
        ask(app["url"], "/die", timeout=5)
        return server.state(app["id"]) == "failed"

    yield lambda: wait_until(lost, 60, "the crash loop to be declared", every=0.2)


def doing(path, name, *arguments):
    @contextlib.contextmanager
    def harm(server):
        app = preview(server, name, *arguments)
        assert ask(app["url"], path) == 200
        yield lambda: None
        server.ok("rm", app["id"], "-y")
    return harm


@contextlib.contextmanager
def long_builds(server):
    names = [f"building{i}" for i in range(4)]
    folders = []
    for name in names:
        folder = server.directory / name
        folder.mkdir(exist_ok=True)
        (folder / "package.json").write_text('{"name":"b","scripts":{"build":"node -e \\"setInterval(()=>{},1000)\\"","start":"node s.js"}}')
        (folder / "s.js").write_text("")
        folders.append(folder)
    begun = [server.popen("deploy", folder, "--json") for folder in folders]
    try:
        yield lambda: wait_until(lambda: any(row["state"] == "building" for row in server.deployments(project="building0")
                                             + server.deployments(project="building1")), 30, "a build to hold the only slot")
    finally:
        for process in begun:
            process.terminate()
        for process in begun:
            process.communicate(timeout=60)


@contextlib.contextmanager
def unauthenticated_uploads(server):
    before = os.statvfs(server.data)
    sockets = []
    for _ in range(20):
        one = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        one.sendall(b"POST /v1/deployments HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4294967296\r\n\r\n")
        sockets.append(one)

    def push():
        # Each is turned away at once, or what it sends is not kept.
        for one in sockets:
            with contextlib.suppress(OSError):
                one.settimeout(0.5)
                for _ in range(64):
                    one.sendall(b"\0" * (1 << 20))
        after = os.statvfs(server.data)
        assert (before.f_bavail - after.f_bavail) * after.f_frsize < 200 << 20, "what strangers sent lies on the disk"

    yield push
    for one in sockets:
        one.close()


@contextlib.contextmanager
def idle_connections(server):
    sockets = []
    for _ in range(3000):
        try:
            sockets.append(socket.create_connection(("127.0.0.1", server.port), timeout=2))
        except OSError:
            break
    yield lambda: None
    for one in sockets:
        one.close()


@contextlib.contextmanager
def slow_removals(server):
    apps = [preview(server, f"stubborn{i}", "-e", "STUBBORN=1") for i in range(10)]
    removals = [server.popen("rm", "-y", app["id"]) for app in apps]
    yield lambda: None
    for process in removals:
        process.communicate(timeout=120)


@contextlib.contextmanager
def many_requests(server):
    app = preview(server, "popular")
    stop = threading.Event()

    def hammer():
        while not stop.is_set():
            ask(app["url"], timeout=10)

    threads = [threading.Thread(target=hammer) for _ in range(8)]
    for thread in threads:
        thread.start()
    yield lambda: None
    stop.set()
    for thread in threads:
        thread.join()


NEIGHBOURS = {
    "crash loop with variables": crash_loop,
    "slow names": doing("/dns", "dns"),
    "a writer": doing("/write", "writer"),
    "a maker of files": doing("/files", "files"),
    "a fork bomb": doing("/fork", "fork"),
    "a memory bomb": doing("/memory", "memory"),
    "a log flood": doing("/log", "log"),
    "long builds": long_builds,
    "strangers' uploads": unauthenticated_uploads,
    "idle connections": idle_connections,
    "slow removals": slow_removals,
    "many requests": many_requests,
}


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
        deaf = copy_app(server.hostile, server.directory / "deaf")
        (deaf / "slipway.toml").write_text('volumes = ["data"]\n')
        apps = [server.deploy(deaf, "--project", f"deaf{i % 2}", "--alias", f"deaf{i}", "-e", "DEAF_AFTER_FIRST=1") for i in range(8)]
        sleeper = preview(server, "sleeper")
        for app in (*apps, sleeper):
            server.wait_state(app["id"], "sleeping")
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
