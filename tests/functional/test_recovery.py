"""What a start finds: a data directory that is a copy, and what a killed server left in its own."""
import json
import os
import pathlib
import shutil
import signal

import pytest

from support import http
from support.slipway import Slipway, wait_until

# Each process of it answers with a word of its own.
APP = {"package.json": '{"name":"x","scripts":{"start":"node s.js"}}',
       "s.js": "const boot = String(Math.random());\n"
               "require('http').createServer((q, r) => r.end(boot)).listen(process.env.PORT)\n"}


@pytest.fixture
def make_server(tmp_path):
    """Servers whose production runs on when they are stopped: ended with all that carries their names."""
    made = []

    def make(name, settings=None):
        made.append(Slipway(tmp_path / name, settings))
        return made[-1]

    yield make
    for server in made:
        if server.process is not None:
            server.stop()
    for server in made:
        server.sweep()


def test_a_copy_of_the_data_directory_touches_no_app_of_the_original(make_server, project):
    original, copy = make_server("original").start(), make_server("copy")
    preview = original.deploy(project(APP))
    original.ok("promote", preview["id"])
    urls = [preview["url"], f"http://{preview['project']}.localhost:{original.port}"]
    at = lambda server: [url.replace(f":{port}", f":{server.port}") for url in urls]  # noqa: E731
    port = original.port
    boots = [http.get(url).text for url in urls]

    shutil.copytree(original.data, copy.data, symlinks=True)
    copy.start()

    assert [http.get(url).text for url in at(original)] == boots, "the original's processes are the same"
    of_copy = wait_until(lambda: (got := http.get(at(copy)[1])).status == 200 and got.text, 30, "the copy to serve")
    assert of_copy not in boots, "the copy serves with an instance of its own"
    # And the other way round.
    assert original.stop() == 0
    original.start()
    assert [http.get(url).text for url in at(original)] == boots
    assert http.get(at(copy)[1]).text == of_copy


def test_the_data_directory_is_its_owners_alone(make_slipway, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    shared.chmod(0o755)
    (shared / "of-others").write_text("x")
    other = make_slipway(start=False)
    refused = other.cli("serve", "--data", shared, "--listen", "127.0.0.1:0", timeout=30)
    assert refused.code == 4 and "open to others" in refused.err, str(refused)
    slipway = make_slipway(start=False)
    slipway.data.mkdir()
    slipway.data.chmod(0o755)
    slipway.start()
    for path, mode in (("", 0o700), ("slipway.db", 0o600), ("slipway.db-wal", 0o600), ("store", 0o700)):
        assert (slipway.data / path).stat().st_mode & 0o777 == mode, path
    slipway.kill()
    slipway.data.chmod(0o750)
    slipway.start()
    assert slipway.data.stat().st_mode & 0o777 == 0o700


def test_nothing_of_builds_and_apps_that_ended_with_their_server_stays(make_slipway, probe, project):
    slipway = make_slipway()
    app = slipway.deploy(probe())
    (writable,) = (slipway.data / "instances").iterdir()
    build = project({"package.json": '{"name":"x","scripts":{"build":"sh b.sh","start":"node s.js"}}',
                     "b.sh": "echo kept > $HOME/of-the-build; sleep 1000\n", "s.js": "0\n"})
    slipway.ok("deploy", build, "--no-wait")
    scratch = slipway.data / "scratch"
    wait_until(lambda: list(scratch.glob("home-*/*/of-the-build")), 60, "the build to run")
    left = list(scratch.iterdir())
    (record,) = (slipway.data / "engine" / "sandboxes").glob(f"{writable.name}/processes")
    shim = json.loads(record.read_text())["shim_pid"]
    slipway.kill()
    os.kill(shim, signal.SIGKILL)
    wait_until(lambda: not pathlib.Path(f"/proc/{shim}").exists() or
               pathlib.Path(f"/proc/{shim}/stat").read_text().split()[2] == "Z", 10, "the app's shim to be gone")
    (build / "b.sh").write_text("true\n")
    slipway.start()
    assert not any(path.exists() for path in left), "what the killed build had for itself is gone"
    wait_until(lambda: not writable.exists(), 20, "the ended app's writable layer to be gone")
    assert http.get(app["url"].rsplit(":", 1)[0] + f":{slipway.port}/").status == 200, "it wakes"
