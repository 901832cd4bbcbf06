"""Promotion, rollback, environments: as people and agents see them. One server for the whole file."""
import json
import threading

import pytest

from support import http
from support.slipway import Slipway, wait_until, write_app

SERVER = """
const http = require('http');
const names = ['NAME', 'KEY', 'ONLY'];
const text = () => '%s ' + names.map(n => n + '=' + process.env[n]).join(' ');
console.log('started with ' + text());
http.createServer((q, r) => {
  if (q.url === '/broken') { r.statusCode = 500; return r.end('no'); }
  r.end(text());
}).listen(process.env.PORT);
"""
PACKAGE = json.dumps({"name": "app", "scripts": {"start": "node server.js"}})
SETTINGS = {"releases": {"bake": "2s", "drain": "1s", "health_interval": "1s", "canary_step": "1s"}}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = Slipway(tmp_path_factory.mktemp("promote"), SETTINGS).start()
    yield made
    end(made)


def end(server):
    """What serves production is never taken down by removing deployments: it goes with the machine."""
    server.stop()
    server.sweep()


def app(folder, version, **more):
    return write_app(folder, {"package.json": PACKAGE, "server.js": SERVER % version, **more})


def site(folder, text):
    return write_app(folder, {"index.html": text})


def promote(server, reference, *arguments, **options):
    rollout = server.ok("promote", reference, "--json", *arguments, **options).json()
    assert rollout["state"] in ("watching", "done"), rollout
    assert rollout["proof"]["equal"] and rollout["proof"]["release"].startswith("sha256:"), rollout
    return rollout


def rollout_of(server, rollout):
    return server.ok("rollout", rollout["id"] if isinstance(rollout, dict) else rollout, "--json").json()


def settled(server, rollout, *states, seconds=30):
    return wait_until(lambda: (now := rollout_of(server, rollout))["state"] in states and now, seconds,
                      f"{rollout} to be {states}")


def error_of(ran, code):
    assert ran.code == code, str(ran)
    return ran.json()["error"]


def current(server, project, environment="production"):
    return server.api("GET", f"/v1/projects/{project}/environments/{environment}").json()


def person(server, name, role):
    server.ok("team", "add", "default", name, "--role", role)
    return {"SLIPWAY_TOKEN": server.ok("token", "create", "--member", name, "-q").out.strip()}


def agent(server, name):
    return {"SLIPWAY_TOKEN": server.ok("token", "create", "--agent", name, "--ttl", "1h", "-q").out.strip()}


def test_a_site_goes_to_production_byte_for_byte_and_outlives_its_preview(server, tmp_path):
    first = server.deploy(site(tmp_path / "page", "<h1>one</h1>"))
    promoted = server.ok("promote", first["id"], "-m", "the first")
    url = promoted.out.strip()
    assert url == f"http://page.localhost:{server.port}"
    assert http.get(url).text == "<h1>one</h1>"
    assert "deployment = release, byte for byte" in promoted.err and "sha256:" in promoted.err
    refused = error_of(server.cli("promote", first["id"], "--json"), 4)
    assert "already" in refused["message"]
    assert "production (release 1)" in server.ok("ls", "--project", "page").out
    assert "production (release 1)" in server.ok("inspect", first["id"]).out
    server.ok("rm", first["id"], "-y")
    assert http.get(url).text == "<h1>one</h1>"
    second = server.deploy(site(tmp_path / "page", "<h1>two</h1>"))
    assert http.get(url).text == "<h1>one</h1>", "a deploy alone changes nothing of production"
    promote(server, "page")
    assert http.get(url).text == "<h1>two</h1>"
    history = server.ok("releases", "page")
    assert "the first" in history.out and "current" in history.out and "can roll back" in history.out
    listed = server.ok("releases", "page", "--json").json()["releases"]
    assert [(row["number"], row["deployment"], row["current"]) for row in listed] == \
        [(2, second["id"], True), (1, first["id"], False)]
    assert listed[1]["can_roll_back"] and listed[1]["message"] == "the first"


def test_a_release_has_its_environments_configuration_and_the_previews_bytes(server, tmp_path):
    folder = app(tmp_path / "conf", "v1")
    server.ok("env", "set", "NAME=preview", "-E", "preview", cwd=folder)
    server.ok("env", "set", "NAME=prod", "--env", "production", cwd=folder)
    secret = "sk-prod-canary-91"
    server.ok("env", "set", "-s", "KEY", "--env", "production", cwd=folder, input=secret)
    deployment = server.deploy(folder, "-e", "ONLY=here")
    assert http.get(deployment["url"]).text == "v1 NAME=preview KEY=undefined ONLY=here"
    rollout = promote(server, deployment["id"])
    assert http.get(rollout["url"]).text == f"v1 NAME=prod KEY={secret} ONLY=undefined"
    assert http.get(deployment["url"]).text == "v1 NAME=preview KEY=undefined ONLY=here"
    assert [step["name"] for step in rollout["steps"] if step["state"] == "done"][-1:] or rollout["steps"]
    shown = [server.ok("logs", "conf", "--env", "production"), server.ok("rollout", rollout["id"]),
             server.ok("releases", "conf", "--json"), server.ok("audit", "export")]
    assert "started with v1 NAME=prod KEY=*****" in shown[0].out
    for each in shown:
        assert secret not in each.out + each.err, each.arguments

    # A change of the configuration is a release of the same code; going back takes both back.
    changed = server.ok("env", "set", "NAME=other", "--env", "production", cwd=folder)
    assert "production of conf serves release 2" in changed.err
    assert "NAME=other" in http.get(rollout["url"]).text
    versions = [(row["number"], row["deployment"], row["config_version"])
                for row in server.ok("releases", "conf", "--json").json()["releases"]]
    assert versions == [(2, deployment["id"], 3), (1, deployment["id"], 2)]
    app(folder, "v2")
    promote(server, server.deploy(folder)["id"])
    assert http.get(rollout["url"]).text.startswith("v2 NAME=other")
    back = server.ok("rollback", "conf", "--to", "1", "-m", "as it was")
    assert back.out.strip() == rollout["url"]
    assert http.get(rollout["url"]).text.startswith("v1 NAME=prod")
    # Postponed: the release stays as it is.
    postponed = server.ok("env", "set", "NAME=later", "--env", "production", "--no-release", cwd=folder)
    assert "the next release has it" in postponed.err
    assert http.get(rollout["url"]).text.startswith("v1 NAME=prod")


def test_a_rollback_pauses_deploys_that_promote_by_themselves(server, tmp_path):
    folder = site(tmp_path / "auto", "one")
    first = server.ok("deploy", folder, "--prod")
    url = first.out.strip()
    assert url == f"http://auto.localhost:{server.port}" and http.get(url).text == "one"
    site(folder, "two")
    second = server.ok("deploy", folder, "--prod", "--json").json()
    assert second["promotion"]["to"] == 2 and http.get(url).text == "two"
    assert server.ok("rollback", "auto", "-m", "two is wrong").out.strip() == url
    assert http.get(url).text == "one"
    assert "paused" in server.ok("releases", "auto").out
    site(folder, "three")
    held = server.cli("deploy", folder, "--prod")
    assert held.code == 4 and "paused" in held.err and "slipway resume auto" in held.err, str(held)
    assert http.get(url).text == "one"
    server.ok("resume", "auto")
    site(folder, "four")
    assert server.ok("deploy", folder, "--prod").out.strip() == url
    assert http.get(url).text == "four"
    assert error_of(server.cli("rollback", "auto", "--to", "3", "--json"), 4)
    assert error_of(server.cli("rollback", "auto", "--to", "99", "--json"), 3)
    kinds = [row["kind"] for row in server.ok("rollouts", "auto", "--json").json()["rollouts"]]
    assert kinds == ["promotion", "rollback", "promotion", "promotion"]


def test_a_dry_run_says_what_would_change_and_changes_nothing(server, tmp_path):
    folder = app(tmp_path / "dry", "v1")
    first = server.deploy(folder)
    rollout = promote(server, first["id"])
    server.ok("env", "set", "ADDED=1", "--env", "production", "--no-release", cwd=folder)
    app(folder, "v2", **{"more.js": "// more"})
    second = server.deploy(folder)
    shown = server.ok("promote", second["id"], "--dry-run")
    for part in ("more.js", "server.js", "ADDED", "allowed", "sha256:", "instance"):
        assert part in shown.out, shown
    data = server.ok("promote", second["id"], "--dry-run", "--canary", "5,50", "--json").json()
    assert data["files"]["added"] == ["more.js"] and data["files"]["modified"] == ["server.js"]
    assert data["env"]["added"] == ["ADDED"] and data["decision"]["verdict"] == "allow"
    assert data["cost"]["instances"] >= 1 and data["proof"]["equal"]
    assert len(server.ok("releases", "dry", "--json").json()["releases"]) == 1
    assert len(server.ok("rollouts", "dry", "--json").json()["rollouts"]) == 1
    assert http.get(rollout["url"]).text.startswith("v1")


def test_staging_then_production(server, tmp_path):
    folder = app(tmp_path / "staged", "v1")
    server.ok("env", "set", "NAME=staging", "--env", "staging", cwd=folder)
    server.ok("env", "set", "NAME=production", "--env", "production", cwd=folder)
    deployment = server.deploy(folder)
    assert error_of(server.cli("promote", "staged", "--from", "staging", "--json"), 4)["next"]
    staging = promote(server, deployment["id"], "--to", "staging")
    assert staging["url"] == f"http://staging--staged.localhost:{server.port}"
    assert "NAME=staging" in http.get(staging["url"]).text
    production = promote(server, "staged", "--from", "staging")
    assert production["deployment"] == deployment["id"]
    assert "NAME=production" in http.get(production["url"]).text
    assert "NAME=staging" in http.get(staging["url"]).text
    assert production["artifact"] == staging["artifact"]
    own = promote(server, deployment["id"], "--to", "qa")
    assert http.get(own["url"]).text == "v1 NAME=undefined KEY=undefined ONLY=undefined"
    names = {row["environment"] for row in server.api("GET", "/v1/projects/staged/environments").json()["environments"]}
    assert names >= {"staging", "production", "qa"}


def test_an_agents_promotion_waits_for_a_human_and_goes_on_by_itself(server, tmp_path):
    ann, bob = person(server, "ann", "approver"), agent(server, "bob")
    deployment = server.deploy(site(tmp_path / "agentic", "one"))
    waiting = server.cli("promote", deployment["id"], environment=bob)
    assert waiting.code == 4 and waiting.out == "", str(waiting)
    [rollout] = server.ok("rollouts", "agentic", "--json").json()["rollouts"]
    assert rollout["state"] == "waiting" and rollout["actor"]["name"] == "bob"
    assert f"slipway approve {rollout['approval']}" in waiting.err and rollout["id"] in waiting.err
    assert current(server, "agentic")["release"] is None
    assert server.cli("approve", rollout["approval"]).code == 77, "the human that the agent acts for"
    assert server.cli("approve", rollout["approval"], environment=bob).code == 77
    server.ok("approve", rollout["approval"], "--reason", "fine", environment=ann)
    done = settled(server, rollout, "watching", "done")
    assert http.get(done["url"]).text == "one"
    # Refused, it is over; who follows it learns so.
    other = server.deploy(site(tmp_path / "agentic", "two"))
    again = server.cli("promote", other["id"], "--json", environment=bob)
    assert again.code == 4 and again.json()["state"] == "waiting", str(again)
    following = server.popen("rollout", again.json()["id"], "-f", "--json")
    server.ok("reject", again.json()["approval"], "--reason", "not today", environment=ann)
    out, err = following.communicate(timeout=30)
    assert following.returncode in (6, 130), err
    ended = json.loads(out)
    assert ended["state"] in ("denied", "canceled") and "ann" in ended["reason"], ended
    assert http.get(done["url"]).text == "one"
    server.ok("team", "remove", "default", "ann")


def test_what_nobody_approves_in_time_is_over(tmp_path):
    server = Slipway(tmp_path, {**SETTINGS, "policy": {"approval_timeout": "2s"}}).start()
    person(server, "ann", "approver")
    bob = agent(server, "bob")
    deployment = server.deploy(site(tmp_path / "late", "one"))
    waiting = server.cli("promote", deployment["id"], "--json", environment=bob)
    assert waiting.code == 4, str(waiting)
    ended = settled(server, waiting.json(), "denied", "canceled")
    assert "in time" in ended["reason"], ended
    assert current(server, "late")["release"] is None
    end(server)


def test_one_rollout_at_a_time_and_a_rollback_takes_it_back(server, tmp_path):
    folder = app(tmp_path / "busy", "v1")
    url = promote(server, server.deploy(folder)["id"])["url"]
    app(folder, "v2")
    second = server.deploy(folder)
    canary = server.ok("promote", second["id"], "--canary", "50", "--step", "10m", "--no-wait", "--json").json()
    settled(server, canary, "canary")
    app(folder, "v3")
    third = server.deploy(folder)
    refused = error_of(server.cli("promote", third["id"], "--json"), 4)
    assert refused["code"] == "conflict" and canary["id"] in json.dumps(refused), refused
    following = server.popen("rollout", canary["id"], "-f")
    ended = server.ok("rollout", canary["id"], "--cancel", "--reason", "wrong one", "--json").json()
    assert ended["id"] == canary["id"]
    assert settled(server, canary, "canceled", "rolled_back", "failed")["state"] == "canceled"
    assert following.wait(30) == 130
    assert {http.get(url).text.split()[0] for _ in range(6)} == {"v1"}
    assert server.cli("rollout", canary["id"], "--cancel").code == 4

    # Two at the same moment: one wins, the other is told which.
    results = []
    threads = [threading.Thread(target=lambda ref=ref: results.append(server.cli("promote", ref, "--json")))
               for ref in (second["id"], third["id"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    codes = sorted(ran.code for ran in results)
    assert codes in ([0, 4], [0, 0]), [str(ran) for ran in results]
    serving = current(server, "busy")["release"]["deployment"]
    assert http.get(url).text.split()[0] == {second["id"]: "v2", third["id"]: "v3"}[serving]

    # A rollback ends what is under way, and goes to where one wants to be.
    app(folder, "v4")
    fourth = server.ok("promote", server.deploy(folder)["id"], "--canary", "50", "--step", "10m", "--no-wait",
                       "--json").json()
    settled(server, fourth, "canary")
    server.ok("rollback", "busy", "--to", "1")
    assert rollout_of(server, fourth)["state"] == "canceled"
    assert http.get(url).text.startswith("v1")


def test_what_fails_before_the_traffic_leaves_the_old_release_serving(server, tmp_path):
    script = "process.exit(process.env.NAME === 'bad' ? 3 : 0)"
    folder = app(tmp_path / "guarded", "v1", **{"Procfile": "web: node server.js\nrelease: node migrate.js\n",
                                               "migrate.js": f"console.log('migrating'); {script};"})
    url = promote(server, server.deploy(folder)["id"], "--smoke", "/ready", "--smoke", "/broken=500")["url"]
    app(folder, "v2")
    second = server.deploy(folder)
    smoke = server.cli("promote", second["id"], "--smoke", "/broken", "--json")
    assert smoke.code == 7, str(smoke)
    assert smoke.json()["state"] == "failed" and "/broken" in smoke.json()["error"]["message"], smoke
    assert "release 1 goes on serving" in smoke.err
    assert http.get(url).text.startswith("v1")
    server.ok("env", "set", "NAME=bad", "--env", "production", "--no-release", cwd=folder)
    failed = server.cli("promote", second["id"])
    assert failed.code == 7 and failed.out == "" and "migrate.js" in failed.err, str(failed)
    assert http.get(url).text.startswith("v1")
    assert current(server, "guarded")["release"]["number"] == 1
    server.ok("env", "set", "NAME=good", "--env", "production", "--no-release", cwd=folder)
    promote(server, second["id"])
    assert http.get(url).text.startswith("v2 NAME=good")


def test_services_go_and_come_back_as_one(server, tmp_path):
    def pair(version):
        files = {"compose.yaml": "services:\n  web:\n    build: ./web\n    ports: ['3000:3000']\n    depends_on: [api]\n"
                                 "    environment:\n      API_URL: http://api:4000\n"
                                 "  api:\n    build: ./api\n    expose: ['4000']\n    environment:\n      PORT: '4000'\n"}
        for name in ("web", "api"):
            files |= {f"{name}/package.json": PACKAGE, f"{name}/server.js": SERVER % f"{name} {version}"}
        return write_app(tmp_path / "pair", files)

    web = promote(server, server.deploy(pair("one"), "--project", "twain")["id"])["url"]
    api = f"http://api--production--twain.localhost:{server.port}"
    assert http.get(web).text.startswith("web one") and http.get(api).text.startswith("api one")
    promote(server, server.deploy(pair("two"), "--project", "twain")["id"])
    assert http.get(web).text.startswith("web two") and http.get(api).text.startswith("api two")
    server.ok("rollback", "twain")
    assert http.get(web).text.startswith("web one") and http.get(api).text.startswith("api one")


def test_restart_and_scale(server, tmp_path):
    folder = app(tmp_path / "crew", "v1")
    rollout = promote(server, server.deploy(folder)["id"])
    before = [row["instance"] for row in current(server, "crew")["instances"]]
    assert len(before) == 1
    server.ok("scale", "crew", "3")
    three = current(server, "crew")["instances"]
    assert len(three) == 3 and {row["state"] for row in three} == {"ready"}
    assert http.get(rollout["url"]).status == 200
    restarted = server.ok("restart", "crew", "--json").json()
    assert restarted["work"]["state"] == "done"
    after = {row["instance"] for row in current(server, "crew")["instances"]}
    assert len(after) == 3 and not after & {row["instance"] for row in three}
    # The next release has as many; so has the server after a restart.
    app(folder, "v2")
    promote(server, server.deploy(folder)["id"])
    assert len(current(server, "crew")["instances"]) == 3
    server.ok("scale", "crew", "1")
    assert len(wait_until(lambda: (rows := current(server, "crew")["instances"]) and len(rows) == 1 and rows)) == 1
    assert http.get(rollout["url"]).text.startswith("v2")
    assert server.cli("scale", "crew", "0").code == 2
    assert server.cli("scale", "crew", "101").code == 2
    assert error_of(server.cli("restart", "nothing-here", "--json"), 3)["next"]
    events = [row["event"] for row in server.ok("audit", "ls", "--project", "crew", "-n", "100", "--json")
              .json()["records"]]
    assert "release.restarted" in events


def test_mistakes_are_explained(server, tmp_path):
    good = server.deploy(site(tmp_path / "wrong", "x"), "--alias", "qa")
    broken = server.deploy_failing(app(tmp_path / "bad", "x", **{"server.js": "process.exit(1)"}))
    failed = error_of(server.cli("promote", broken["id"], "--json"), 4)
    assert failed["hint"] and failed["next"], failed
    assert error_of(server.cli("promote", "dpl_aaaaaaaaaa", "--json"), 3)
    assert error_of(server.cli("promote", good["id"], "--to", "qa", "--json"), 2)["hint"]  # an alias
    assert error_of(server.cli("promote", good["id"], "--to", "preview", "--json"), 2)["hint"]
    assert error_of(server.cli("promote", good["id"], "--to", "No Name", "--json"), 2)["hint"]
    assert error_of(server.cli("promote", good["id"], "--canary", "50,5", "--json"), 2)["hint"]
    assert error_of(server.cli("deploy", tmp_path / "wrong", "--alias", "production", "--json"), 2)["hint"]
    path = "/v1/projects/wrong/environments/production/promotions"
    for body in ({"deployment": good["id"], "canary": [50, 5]}, {"deployment": good["id"], "canary": [100]},
                 {"deployment": good["id"], "from": "staging"}, {}, {"deployment": good["id"], "canary_step": "x"},
                 {"deployment": good["id"], "smoke": [{"path": "no"}]}, {"deployment": broken["id"]}):
        answer = server.api("POST", path, body)
        assert answer.status in (400, 409, 412, 422), (body, answer.text)
        assert answer.headers["content-type"] == "application/problem+json" and answer.json()["message"]
    server.ok("rm", good["id"], "-y")
    gone = error_of(server.cli("promote", good["id"], "--json"), 4)
    assert any("undo" in step["command"] for step in gone["next"]), gone
    assert server.cli("rollout", "rol_aaaaaaaaaa").code == 3
    assert server.cli("releases", "wrong").code == 0
    narrow = server.ok("token", "create", "-p", "wrong", "-E", "preview", "-q").out.strip()
    other = server.deploy(site(tmp_path / "wrong", "y"))
    assert server.cli("promote", other["id"], environment={"SLIPWAY_TOKEN": narrow}).code == 77
    # The same key asks for the same promotion, and gets the same answer.
    key = {"Idempotency-Key": "once"}
    answers = [server.api("POST", path, {"deployment": other["id"]}, headers=key).json()["id"] for _ in range(2)]
    assert answers[0] == answers[1]


def test_a_scale_waits_for_what_is_starting_and_reaches_a_canary_too(server, tmp_path):
    place = ("scaled-meanwhile",)
    slow = SERVER.replace("}).listen(", "}); setTimeout(() => s.listen(").replace("http.createServer", "const s = http.createServer") \
        .replace("process.env.PORT);", "process.env.PORT), 1500);")
    first = server.deploy(app(tmp_path / "scaled-meanwhile", "1"))
    promote(server, first["id"])
    second = server.deploy(write_app(tmp_path / "scaled-meanwhile", {"package.json": PACKAGE, "server.js": slow % "2"}))
    moving = server.ok("promote", second["id"], "--no-wait", "--json").json()
    refused = server.cli("scale", *place, "2", "--json")
    assert refused.code == 4 and moving["id"] in str(refused), str(refused)
    settled(server, moving, "watching", "done")

    third = server.deploy(app(tmp_path / "scaled-meanwhile", "3"))
    canary = server.ok("promote", third["id"], "--canary", "50", "--step", "10m", "--no-wait", "--json").json()
    settled(server, canary, "canary")
    server.ok("scale", *place, "2")
    running = [group.name for group in server.cgroups() if "/production/" in str(group)]
    for number, of in ((2, second), (3, third)):
        own = f"r{number}-{of['id'].removeprefix('dpl_')}-"
        assert len({name for name in running if name.startswith(own)}) == 2, running
    server.ok("rollout", canary["id"], "--cancel")
