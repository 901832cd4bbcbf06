"""Neighbours that do their worst to a server with an app in production: one a function, for tests and bench/neighbours.

Each begins its harm, yields what to call to be sure that it is at work, and cleans up afterwards.
"""
import contextlib
import json
import os
import pathlib
import resource
import socket
import threading
import time

from support import http, load
from support.dns import SlowDns
from support.slipway import APPS, Slipway, copy_app, wait_until

SETTINGS = {
    "server": {"listen": "127.0.0.1:0"},
    "instances": {"memory": "160MB", "disk": "64MB", "pids": 128, "start_timeout": "15s", "stop_grace": "6s"},
    "builds": {"concurrency": 1},
    "releases": {"bake": "1s", "drain": "20s", "health_interval": "1s"},
    "limits": {"human_requests": 2000},
}


def serving(directory, settings, *arguments, within=None):
    """A server with the app `mixed` in production, deployed in two versions; its host's name server is one of the test's own."""
    names = SlowDns()
    made = Slipway(directory, settings)
    try:
        made.start(resolver=names.host, within=within)
        made.names = names
        app = load.make_app(made.directory / "mixed")
        made.releases = {}
        for name in ("one", "two"):
            load.rename(app, name)
            made.releases[name] = made.deploy(app, *arguments)["id"]
        made.production = made.ok("promote", made.releases["one"]).out.split()[-1]
        made.hostile = copy_app(APPS / "hostile", made.directory / "hostile")
    except BaseException:
        made.sweep()
        raise
    return made


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
def slow_names(server):
    """Each question of production's is answered while previews ask all that they can for names that are never answered."""
    apps = [preview(server, f"dns{i}") for i in range(3)]
    answers, stop = [], threading.Event()

    def resolve():
        number = 0
        while not stop.is_set():
            number += 1
            answer = http.get(f"{server.production}/resolve?name=n{number}.fast.test", timeout=30)
            answers.append(answer.text)
            stop.wait(0.1)

    def flooded():
        for app in apps:
            assert ask(app["url"], "/dns") == 200
        asked = server.names.asked
        wait_until(lambda: server.names.open() >= 100 and server.names.asked >= asked + 300, 60, "the names to keep many waiting")
        before = len(answers)
        wait_until(lambda: len(answers) >= before + 10, 60, "production's own questions beside them")

    asking = threading.Thread(target=resolve)
    asking.start()
    try:
        yield flooded
    finally:
        stop.set()
        asking.join()
    assert set(answers) == {SlowDns.ADDRESS}, "a question of production's was not answered"
    for app in apps:
        server.ok("rm", app["id"], "-y")


@contextlib.contextmanager
def long_builds(server, builds=4, body="setInterval(()=>{},1000)"):
    names = [f"building{i}" for i in range(builds)]
    folders = []
    for name in names:
        folder = server.directory / name
        folder.mkdir(exist_ok=True)
        scripts = {"build": f'node -e "{body}"', "start": "node s.js"}
        (folder / "package.json").write_text(json.dumps({"name": "b", "scripts": scripts}))
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


IDLE = 3000


def is_open(one):
    try:
        one.setblocking(False)
        return one.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


@contextlib.contextmanager
def idle_connections(server):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, IDLE + 1000)), hard))
    with contextlib.ExitStack() as sockets:
        held = []

        # Each has asked once: the server lets it rest for more than a minute then.
        began = time.monotonic()
        for _ in range(IDLE):
            one = sockets.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30))
            one.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert one.recv(4096).startswith(b"HTTP/1.1 200")
            held.append(one)
        yield lambda: None
        if time.monotonic() - began < 60:
            assert sum(map(is_open, held)) == IDLE, "connections that rest were closed"
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


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


def deaf_previews(server):
    """Eight that sleep and will never listen again; of a server whose previews sleep soon."""
    deaf = copy_app(server.hostile, server.directory / "deaf")
    (deaf / "slipway.toml").write_text('volumes = ["data"]\n')
    apps = [server.deploy(deaf, "--project", f"deaf{i % 2}", "--alias", f"deaf{i}", "-e", "DEAF_AFTER_FIRST=1") for i in range(8)]
    for app in apps:
        server.wait_state(app["id"], "sleeping")
    return apps


NEIGHBOURS = {
    "crash loop with variables": crash_loop,
    "slow names": slow_names,
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


@contextlib.contextmanager
def machine(name, memory):
    """Control groups (v1) that are the whole machine, with so much memory, to a server that is started within them."""
    hierarchies = [path for path in pathlib.Path("/sys/fs/cgroup").iterdir() if path.name != "unified" and (path / "tasks").exists()]
    for path in hierarchies:
        (path / name).mkdir()
        for file in ("cpuset.cpus", "cpuset.mems"):
            if (path / file).exists():
                (path / name / file).write_text((path / file).read_text())
    limit = pathlib.Path("/sys/fs/cgroup/memory") / name / "memory.limit_in_bytes"
    try:
        limit.write_text(str(memory))
        yield limit.parent
    finally:
        for path in hierarchies:
            for below, _, _ in os.walk(path / name, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(below)
