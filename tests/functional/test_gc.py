"""What nothing refers to is deleted; what anything refers to never is."""
import hashlib
import os

from support import http
from support.slipway import change, wait_until

SERVER = "require('http').createServer((q,r)=>r.end('WORD')).listen(process.env.PORT)\n"
PACKAGE = '{"name":"x","scripts":{"build":"node -e \\"require(\'fs\').writeFileSync(\'made\', \'WORD\')\\"","start":"node s.js"}}'
SETTINGS = {"previews": {"idle": "1s"},
            "gc": {"interval": "1s", "keep_removed": "1s", "grace": "2s", "keep_uploads": "4s", "keep_toolchains": "1s"}}


def names(folder):
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")} if folder.exists() else set()


def blob_there(slipway, text):
    return any(slipway.data.glob(f"store/blobs/**/{hashlib.sha256(text.encode()).hexdigest()}"))


def test_blobs_and_layers_of_removed_deployments_go_and_others_stay(make_slipway, project):
    slipway = make_slipway(SETTINGS)
    app = project({"package.json": PACKAGE.replace("WORD", "kept"), "s.js": SERVER.replace("WORD", "kept")})
    kept = slipway.deploy(app)
    site = slipway.deploy(project({"index.html": "the kept site"}))
    layers_of_kept = names(slipway.data / "store/layers")
    assert layers_of_kept

    removed = []
    for number in range(3):
        old, new = ("kept" if number == 0 else f"word {number - 1}"), f"word {number}"
        change(app / "s.js", old, new)
        change(app / "package.json", old, new)
        removed.append(slipway.deploy(app))
        gone = slipway.deploy(project({"index.html": f"site {number}"}))
        slipway.ok("rm", gone["id"], removed[-1]["id"], "-y")
    assert names(slipway.data / "store/layers") > layers_of_kept

    # The newest tree of a project is kept as what the next upload may refer to, so "word 2" stays.
    gone = [f"site {n}" for n in range(3)] + [SERVER.replace("WORD", f"word {n}") for n in range(2)]
    wait_until(lambda: not any(blob_there(slipway, text) for text in gone), 60, "the removed deployments' blobs to go")
    wait_until(lambda: names(slipway.data / "store/layers") == layers_of_kept, 60, "their layers to go")
    assert not [d for d in removed if (slipway.data / "logs" / d["id"]).exists()], "their logs went too"

    # What is left works from the store alone: the app from its layers, after a sleep; the site from its blobs.
    slipway.wait_state(kept["id"], "sleeping")
    assert http.get(kept["url"]).text == "kept"
    assert http.get(site["url"]).text == "the kept site"
    again = slipway.ok("redeploy", kept["id"], "--json").json()
    assert http.get(again["url"]).text == "kept"


def test_nothing_in_use_is_taken_while_others_come_and_go(make_slipway, project):
    slipway = make_slipway(SETTINGS)
    # The same file and the same dependency-free build in many deployments: shared blobs, own layers.
    shared = "shared " * 100
    live = {}
    for number in range(8):
        word = f"app {number}"
        folder = project({"package.json": PACKAGE.replace("WORD", word), "s.js": SERVER.replace("WORD", word),
                          "shared.txt": shared})
        site = project({"index.html": word, "shared.txt": shared})
        live[slipway.deploy(folder)["id"]] = word
        live[slipway.deploy(site)["id"]] = word
        for identity in list(live)[:2] if number % 2 else []:
            slipway.ok("rm", identity, "-y")
            live.pop(identity)
        for identity, text in live.items():
            assert http.get(slipway.inspect(identity)["url"]).text == text
    assert blob_there(slipway, shared)


def test_fetched_toolchains_that_nothing_uses_go(make_slipway, project):
    slipway = make_slipway(SETTINGS)
    tool = slipway.data / "toolchains" / "node-99.0.0"
    (tool / "bin").mkdir(parents=True)
    (tool / "bin" / "node").write_text("#!/bin/sh\n")
    os.utime(tool, (1_700_000_000, 1_700_000_000))
    wait_until(lambda: not tool.exists(), 30, "the toolchain to go")
