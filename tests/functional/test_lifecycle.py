"""Sleep and wake, expiry, eviction, coalescing, undo, restart."""
import os
import threading

from support import http
from support.slipway import change, wait_until

SERVER = "require('http').createServer((q,r)=>r.end('ok')).listen(process.env.PORT)\n"


def test_an_idle_app_sleeps_and_wakes_without_an_error(make_slipway, probe):
    slipway = make_slipway({"previews": {"idle": "1s"}})
    deployment = slipway.deploy(probe())
    boot = http.get(deployment["url"] + "/boot").text
    slipway.wait_state(deployment["id"], "sleeping")
    statuses = []
    def ask():
        response = http.get(deployment["url"] + "/boot")
        statuses.append((response.status, response.text))
    askers = [threading.Thread(target=ask) for _ in range(20)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert {status for status, _ in statuses} == {200}
    assert len({text for _, text in statuses}) == 1, "one wake for all"
    assert statuses[0][1] != boot, "a new process"
    slipway.wait_state(deployment["id"], "sleeping")


def test_a_preview_expires_at_its_ttl(make_slipway, probe, project):
    slipway = make_slipway()
    kept = slipway.deploy(project({"index.html": "kept"}))
    short = slipway.deploy(probe(), "--ttl", "8s")
    assert http.get(short["url"]).status == 200
    slipway.wait_state(short["id"], "expired")
    # The record says so first, then the route goes.
    wait_until(lambda: http.get(short["url"]).status == 410, 20, "its URL to say that it has expired")
    assert http.get(kept["url"]).status == 200


def test_the_cap_on_running_instances_puts_the_least_recently_used_to_sleep(make_slipway, probe):
    slipway = make_slipway({"previews": {"max_running": 2}})
    first, second = slipway.deploy(probe()), slipway.deploy(probe())
    http.get(second["url"])
    http.get(first["url"])
    third = slipway.deploy(probe())
    slipway.wait_state(second["id"], "sleeping")
    assert slipway.state(first["id"]) == "ready" and slipway.state(third["id"]) == "ready"
    assert http.get(second["url"]).text == "probe one\n"
    assert sum(slipway.state(d["id"]) == "ready" for d in (first, second, third)) <= 2


def test_the_cap_on_previews_expires_the_least_recently_used(make_slipway, probe):
    slipway = make_slipway({"previews": {"max_total": 3}})
    apps = [slipway.deploy(probe()) for _ in range(3)]
    http.get(apps[0]["url"])
    http.get(apps[2]["url"])
    apps.append(slipway.deploy(probe()))
    slipway.wait_state(apps[1]["id"], "expired")
    assert [http.get(apps[i]["url"]).status for i in (0, 2, 3)] == [200, 200, 200]
    assert http.get(apps[1]["url"]).status in (404, 410)


def test_static_sites_count_as_used_by_their_requests(make_slipway, project):
    slipway = make_slipway({"previews": {"max_total": 3}})
    sites = [slipway.deploy(project({"index.html": f"site {i}"})) for i in range(3)]
    http.get(sites[0]["url"])
    http.get(sites[2]["alias_url"])
    sites.append(slipway.deploy(project({"index.html": "site 3"})))
    slipway.wait_state(sites[1]["id"], "expired")
    assert [http.get(sites[i]["url"]).text for i in (0, 2, 3)] == ["site 0", "site 2", "site 3"]


def test_a_newer_deploy_of_an_alias_really_kills_the_older_build(make_slipway, project):
    slipway = make_slipway()
    # A build that leaves a grandchild behind in a session of its own.
    build = "node -e \"require('child_process').spawn('sleep',['98765'],{detached:true});setInterval(()=>{},1000)\""
    folder = project({"package.json": '{"name":"x","scripts":{"build":"sh build.sh","start":"node s.js"}}',
                      "build.sh": build + "\n", "s.js": SERVER})
    older = slipway.ok("deploy", folder, "--no-wait", "--json").json()

    def sleepers():
        import pathlib
        found = []
        for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if entry.read_bytes() == b"sleep\x0098765\0":
                    found.append(entry.parent.name)
            except OSError:
                pass
        return found

    wait_until(sleepers, 60, "the older build to run")
    (folder / "build.sh").write_text("true\n")
    newer = slipway.deploy(folder)
    assert http.get(newer["url"]).text == "ok"
    slipway.wait_state(older["id"], "canceled")
    assert newer["id"] in slipway.inspect(older["id"])["state_reason"]
    wait_until(lambda: not sleepers(), 20, "its whole process tree to die")


def test_undo_brings_back_what_was_removed_last(slipway, project):
    sites = [slipway.deploy(project({"index.html": f"undo {i}"})) for i in range(2)]
    for site in sites:
        slipway.ok("rm", site["id"], "-y")
    slipway.ok("undo")
    assert http.get(sites[1]["url"]).text == "undo 1"
    assert http.get(sites[0]["url"]).status in (404, 410)
    slipway.ok("undo", sites[0]["id"])
    assert http.get(sites[0]["url"]).text == "undo 0"


def test_a_restart_leaves_running_apps_running(make_slipway, probe, project):
    slipway = make_slipway()
    app, site = slipway.deploy(probe()), slipway.deploy(project({"index.html": "still here"}))
    boot = http.get(app["url"] + "/boot").text
    port = slipway.port
    assert slipway.stop() == 0
    assert slipway.processes(), "the app goes on without the server"
    slipway.start()
    again = lambda d: d["url"].replace(f":{port}", f":{slipway.port}")  # noqa: E731  port 0 is any port
    assert http.get(again(app) + "/boot").text == boot, "the same process"
    assert http.get(again(site)).text == "still here"
    assert slipway.inspect(app["id"])["url"] == again(app)


def test_an_app_that_does_not_go_is_killed_after_its_grace(make_slipway, probe):
    slipway = make_slipway({"instances": {"stop_grace": "1s"}})
    deployment = slipway.deploy(probe(), "-e", "PROBE_STUBBORN=1")
    # A control group cannot go while a process is in it. (Not the server's processes: the shim that waits for the
    # next start stays for ten minutes.)
    assert slipway.cgroups(), "the app runs in a control group of its own"
    slipway.ok("rm", deployment["id"], "-y")
    wait_until(lambda: not slipway.cgroups(), 60, "the app to be gone")


def test_an_app_behind_a_shell_has_its_grace(make_slipway, project):
    slipway = make_slipway({"previews": {"idle": "1s"}})
    app = slipway.deploy(project({"Procfile": "web: node s.js; echo the shell is done\n",
                                  "package.json": '{"name":"x"}',
                                  "s.js": "process.on('SIGTERM', () => setTimeout(() => { console.log('closed'); "
                                          "process.exit(0) }, 700))\n" + SERVER}))
    slipway.wait_state(app["id"], "sleeping")
    log = slipway.ok("logs", app["id"]).out
    assert "closed" in log, log


def test_what_was_removed_is_forgotten_after_its_time_and_what_is_used_stays(make_slipway, probe):
    slipway = make_slipway({"gc": {"interval": "1s", "keep_removed": "1s"}})
    folder = probe()
    gone = slipway.deploy(folder)
    change(folder / "server.js", "probe one", "probe two")
    kept = slipway.deploy(folder)
    logs = slipway.data / "logs" / gone["id"]
    assert logs.exists()
    slipway.ok("rm", gone["id"], "-y")
    wait_until(lambda: slipway.api("GET", f"/v1/deployments/{gone['id']}").status == 404, 30, "its record to go")
    wait_until(lambda: not logs.exists(), 60, "its logs to go")
    assert slipway.cli("undo", gone["id"]).code == 3
    assert http.get(kept["url"]).text == "probe two\n"


def test_twenty_deploys_at_once(make_slipway, project):
    slipway = make_slipway()
    folders = [project({"package.json": '{"name":"x","scripts":{"start":"node s.js"}}',
                        "s.js": SERVER.replace("'ok'", f"'app {i}'")}) for i in range(20)]
    outcomes = [None] * 20

    def deploy(i):
        outcomes[i] = slipway.cli("deploy", folders[i], "--json")

    threads = [threading.Thread(target=deploy, args=(i,)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, ran in enumerate(outcomes):
        assert ran.code == 0, str(ran)
        assert http.get(ran.json()["url"]).text == f"app {i}"


def test_deploys_of_one_alias_settle_on_the_newest(slipway, probe):
    folder = probe()
    ids = []
    for word in ["alpha", "beta", "gamma"]:
        change(folder / "server.js", "const greeting = '", f"const greeting = '{word} ")
        ids.append(slipway.ok("deploy", folder, "--no-wait", "--json").json())
    slipway.wait_state(ids[-1]["id"], "ready")
    for older in ids[:-1]:
        slipway.wait_state(older["id"], "ready", "canceled", "sleeping")
    assert http.get(ids[-1]["alias_url"]).text.startswith("gamma beta alpha")
