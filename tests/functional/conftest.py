import os
import pathlib
import subprocess
import sys
import zlib

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from support import slipway as support  # noqa: E402


def pytest_configure(config):
    if not support.BINARY.exists():
        raise pytest.UsageError(f"{support.BINARY} is not built (./run or ./test build it)")
    if os.geteuid() != 0:
        raise pytest.UsageError("the functional tests make sandboxes, which needs root")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, support.Slipway):
                report.sections.append((f"server log of {name}", value.log_tail()))


@pytest.fixture(scope="session")
def session_server(tmp_path_factory):
    server = support.Slipway(tmp_path_factory.mktemp("slipway")).start()
    yield server
    server.close()


@pytest.fixture
def slipway(session_server):
    """The server that tests share when they need no settings of their own. Restarted if a test ended it."""
    if session_server.process is None or session_server.process.poll() is not None:
        session_server.process = None
        session_server.start()
    return session_server


@pytest.fixture
def make_slipway(tmp_path):
    """Starts a server with settings of its own; closed, and checked for leaks, after the test."""
    servers = []

    def make(settings=None, data=None, start=True):
        server = support.Slipway(tmp_path / f"slipway{len(servers)}", settings, data)
        servers.append(server)
        return server.start() if start else server

    yield make
    for server in servers:
        if server.info is None:
            continue
        try:
            server.close()
        finally:
            server.sweep()


@pytest.fixture
def project(tmp_path, request):
    """Makes a project folder of a name that no other test uses: files, or a copy of a folder."""
    count = 0

    def make(source, name=None):
        nonlocal count
        count += 1
        stem = request.node.name.split("[")[0].replace("test_", "").replace("_", "-")[:28].strip("-")
        # The cases of one test share its name; a project belongs to the folder that it was made from.
        case = zlib.crc32(request.node.name.encode()) % 0xFFFF if "[" in request.node.name else ""
        folder = tmp_path / (name or f"{stem}{case}-{count}")
        if isinstance(source, dict):
            return support.write_app(folder, source)
        return support.copy_app(source, folder)

    return make


@pytest.fixture
def probe(project):
    """A project of the probe app, tests/support/apps/probe."""
    return lambda **options: project(support.APPS / "probe", **options)


@pytest.fixture
def small_disk(tmp_path):
    """A data directory on a disk of 160 MB of its own."""
    mount = tmp_path / "small"
    mount.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m,mode=0700", "tmpfs", mount], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"cannot mount a tmpfs here: {done.stderr.strip()}")
    yield mount / "data"
    subprocess.run(["umount", "-l", mount], check=True)
