"""What previews and builds may write: limits that hold at the moment of writing."""
import json
import os
import subprocess

import pytest

from support import http
from support.slipway import wait_until

HOG = """
const fs = require('fs'), boot = String(Math.random());
const fill = () => {
  const block = Buffer.alloc(1 << 20), file = fs.openSync('/app/hog', 'w');
  let bytes = 0;
  try { for (;;) bytes += fs.writeSync(file, block); } catch (error) { return { bytes, code: error.code }; }
};
const litter = () => {
  let files = 0;
  try { for (; files < 200000; files++) fs.closeSync(fs.openSync('/app/f' + files, 'w')); }
  catch (error) { return { files, code: error.code }; }
  return { files, code: null };
};
require('http').createServer((q, r) => r.end(JSON.stringify(
  q.url === '/fill' ? fill() : q.url === '/litter' ? litter() : { boot }))).listen(process.env.PORT);
"""
PACKAGE = '{"name":"x","scripts":{"start":"node s.js"}}'


def loop_devices():
    return subprocess.run(["losetup", "-f"], capture_output=True).returncode == 0


@pytest.mark.skipif(not loop_devices(), reason="no loop devices here")
def test_a_preview_that_writes_as_fast_as_it_can_stops_at_its_limit(make_slipway, project):
    limit = 64 << 20
    slipway = make_slipway({"instances": {"disk": "64MiB"}})
    app = slipway.deploy(project({"package.json": PACKAGE, "s.js": HOG}))
    boot = http.get(app["url"]).json()["boot"]
    filled = http.get(app["url"] + "/fill", timeout=60).json()
    assert filled["code"] in ("ENOSPC", "EDQUOT"), filled
    assert limit * 0.95 <= filled["bytes"] <= limit + (8 << 20), filled
    assert http.get(app["url"]).json()["boot"] == boot, "it goes on, and is not started again"
    assert slipway.state(app["id"]) == "ready"


@pytest.mark.skipif(not loop_devices(), reason="no loop devices here")
def test_a_preview_does_not_use_up_the_disks_inodes(make_slipway, project):
    slipway = make_slipway({"instances": {"disk": "64MiB"}})
    app = slipway.deploy(project({"package.json": PACKAGE, "s.js": HOG}))
    littered = http.get(app["url"] + "/litter", timeout=60).json()
    assert littered["code"] in ("ENOSPC", "EDQUOT"), littered
    assert littered["files"] <= 16384, littered


def test_what_a_build_writes_to_its_home_counts(make_slipway, project):
    slipway = make_slipway({"builds": {"disk": "32MiB"}})
    folder = project({"package.json": '{"name":"x","scripts":{"build":"sh b.sh","start":"node s.js"}}', "s.js": "0",
                      "b.sh": "head -c 100000000 /dev/zero > $HOME/big; sleep 600\n"})
    failed = slipway.deploy_failing(folder)
    assert failed["error"]["cause"] == "disk_full", failed["error"]
    assert failed["error"]["phase"] == "build"


def test_what_a_build_writes_to_its_caches_counts(make_slipway, project):
    slipway = make_slipway({"builds": {"disk": "32MiB"}})
    folder = project({"package.json": '{"name":"x","scripts":{"build":"sh b.sh","start":"node s.js"}}', "s.js": "0",
                      "b.sh": "head -c 100000000 /dev/zero > $npm_config_cache/big; sleep 600\n"})
    failed = slipway.deploy_failing(folder)
    assert failed["error"]["cause"] == "disk_full", failed["error"]


def test_files_of_nothing_count_in_a_build(make_slipway, project):
    slipway = make_slipway({"builds": {"disk": "32MiB"}})
    folder = project({"package.json": '{"name":"x","scripts":{"build":"node b.js","start":"node s.js"}}', "s.js": "0", "b.js": """
        const fs = require("fs"), home = process.env.HOME + "/many";
        fs.mkdirSync(home);
        for (let i = 0; i < 300000; i++) fs.closeSync(fs.openSync(home + "/" + i, "w"));
        setTimeout(() => 0, 600000);"""})
    failed = slipway.deploy_failing(folder)
    assert failed["error"]["cause"] == "disk_full", failed["error"]


def test_a_build_on_a_full_disk_may_be_tried_again(make_slipway, project, small_disk):
    slipway = make_slipway({"gc": {"min_free_disk": "1MB"}}, data=small_disk)
    folder = project({"package.json": '{"name":"x","scripts":{"build":"sh b.sh","start":"node s.js"}}',
                      "s.js": "require('http').createServer((q, r) => r.end('ok')).listen(process.env.PORT)\n",
                      "b.sh": "cat /dev/zero > big\n"})
    failed = slipway.deploy_failing(folder, code=75)
    assert failed["error"]["code"] == "disk_full", failed["error"]
    (folder / "b.sh").write_text("true\n")
    assert http.get(slipway.deploy(folder)["url"]).text == "ok"


def test_garbage_is_collected_when_asked_for(make_slipway, project):
    slipway = make_slipway({"gc": {"grace": "0s", "keep_removed": "0s", "keep_uploads": "0s"}})
    site = slipway.deploy(project({"index.html": "x", "noise.bin": os.urandom(3 << 20)}))
    slipway.ok("rm", site["id"], "-y")
    freed = [json.loads(slipway.ok("gc", "--json").out)["freed_bytes"] for _ in range(2)]
    assert sum(freed) >= 3 << 20, freed
    assert slipway.ok("gc").out.startswith("freed ")
    log = slipway.ok("audit", "ls", "--json").out
    assert "garbage.collected" in log


def test_down_ends_every_app_and_the_server(make_slipway, project):
    slipway = make_slipway()
    app = slipway.deploy(project({"package.json": PACKAGE, "s.js": HOG}))
    assert slipway.cgroups()
    refused = slipway.cli("down")
    assert refused.code == 2, str(refused)
    assert http.get(app["url"]).status == 200, "nothing was ended"
    slipway.ok("down", "-y")
    assert slipway.process.wait(30) == 0
    slipway.process = None
    wait_until(lambda: not slipway.cgroups() and not slipway.processes(), 10, "nothing to be left")
    slipway.start()
    assert http.get(app["url"].rsplit(":", 1)[0] + f":{slipway.port}/").status == 200, "it wakes"
