"""What goes wrong in an app is explained as data: phase, command, cause, excerpt, hint, next command."""
import json

from support import http
from support.slipway import wait_until

SERVER = "require('http').createServer((q,r)=>r.end('ok')).listen(process.env.PORT)\n"


def test_a_failing_build_explains_itself(slipway, project):
    folder = project({"package.json": '{"name":"x","scripts":{"build":"node build.js","start":"node s.js"}}',
                      "build.js": "const a = 1;\nthis is not javascript;\n", "s.js": SERVER})
    answer = slipway.deploy_failing(folder)
    error = answer["error"]
    assert answer["state"] == "failed"
    assert error["code"] == "build_failed" and error["phase"] == "build"
    assert "build" in error["command"] and error["exit_code"] == 1
    assert error["file"] == "build.js" and error["line"] == 2
    assert any("not javascript" in line for line in error["excerpt"])
    assert error["hint"] and error["next"][-1]["command"].startswith("slipway ")
    page = http.get(answer["url"], {"Accept": "text/html"})
    assert page.status >= 400 and "build" in page.text.lower()


def test_for_people_the_tail_of_the_log_is_on_stderr(slipway, project):
    folder = project({"package.json": '{"name":"x","scripts":{"build":"echo the-last-words; exit 3","start":"node s.js"}}',
                      "s.js": SERVER})
    ran = slipway.cli("deploy", folder)
    assert ran.code == 7 and ran.out == ""
    assert "the-last-words" in ran.err


def test_a_package_that_does_not_exist(slipway, project):
    folder = project({"package.json": '{"name":"x","dependencies":{"slipway-no-such-package-zq":"1.0.0"},'
                                      '"scripts":{"start":"node s.js"}}', "s.js": SERVER})
    error = slipway.deploy_failing(folder)["error"]
    assert error["phase"] == "install"
    assert any("slipway-no-such-package-zq" in line for line in error["excerpt"])


def test_a_missing_module_names_the_module(slipway, project):
    folder = project({"package.json": '{"name":"x","scripts":{"start":"node s.js"}}',
                      "s.js": "require('left-pad-that-is-not-here');\n" + SERVER})
    error = slipway.deploy_failing(folder)["error"]
    assert (error["code"], error["phase"]) == ("start_failed", "start")
    assert error["cause"] == "missing_dependency"
    assert "left-pad-that-is-not-here" in error["message"] + error["hint"] + " ".join(error["excerpt"])


def test_an_app_that_exits_at_once(slipway, probe):
    error = slipway.deploy_failing(probe(), "-e", "PROBE_CRASH=9")["error"]
    assert error["phase"] == "start" and error["exit_code"] == 9
    assert any("told to crash" in line for line in error["excerpt"])


def test_an_app_that_never_listens(make_slipway, probe):
    slipway = make_slipway({"instances": {"start_timeout": "3s"}})
    error = slipway.deploy_failing(probe(), "-e", "PROBE_DEAF=1")["error"]
    assert error["phase"] == "start" and error["cause"] in ("timeout", "wrong_port")
    assert error["hint"]


def test_a_crash_loop_is_given_up(make_slipway, project):
    """Of an app with a secret that ends right after its first answers. Hiding the secret in the log reads the
    database: inside the change that records the loop, that stopped the whole server for ever."""
    slipway = make_slipway()
    folder = project({"package.json": '{"name":"x","scripts":{"start":"node s.js"}}',
                      "s.js": SERVER + "setTimeout(() => { console.error('boom ' + process.env.KEY); process.exit(1); }, 800);\n"})
    slipway.ok("env", "set", "-s", "KEY=sk-canary-c4a5", cwd=folder)
    deployment = slipway.deploy(folder)
    state = slipway.wait_state(deployment["id"], "failed", "stopped", seconds=120)
    assert state
    page = http.get(deployment["url"], {"Accept": "application/json"})
    assert page.status >= 500 and page.headers["content-type"].startswith("application/")
    error = slipway.inspect(deployment["id"])["error"]
    assert error["code"] == "start_failed" and error["cause"] == "crash_loop"
    assert any("boom *****" in line for line in error["excerpt"]), error["excerpt"]
    slipway.ok("env", "set", "OTHER=1", cwd=folder)  # and so can others still write


def test_a_single_crash_is_survived(slipway, probe):
    deployment = slipway.deploy(probe())
    before = http.get(deployment["url"] + "/boot").text
    http.get(deployment["url"] + "/exit?code=1")

    def again():
        response = http.get(deployment["url"] + "/boot")
        return response.status == 200 and response.text != before

    wait_until(again, 30, "the app to be back")


def test_out_of_memory_is_said(make_slipway, probe):
    slipway = make_slipway({"instances": {"memory": "128MB"}})
    deployment = slipway.deploy(probe())
    http.get(deployment["url"] + "/memory")

    def said():
        seen = slipway.inspect(deployment["id"])
        told = f"{seen['state_reason']} {seen['error']} {slipway.ok('logs', deployment['id']).out}"
        return "out of memory" in told.lower() or "out_of_memory" in told

    wait_until(said, 30, "the kernel's verdict to be told")
    wait_until(lambda: http.get(deployment["url"]).status == 200, 30, "the app to be back")


def test_out_of_memory_at_the_start_is_the_cause(make_slipway, project):
    slipway = make_slipway({"instances": {"memory": "96MB"}})
    folder = project({"package.json": '{"name":"x","scripts":{"start":"node s.js"}}',
                      "s.js": "const a=[]; for(;;) a.push(Buffer.alloc(8<<20, 1));\n"})
    error = slipway.deploy_failing(folder)["error"]
    assert error["cause"] == "out_of_memory"
    assert "memory" in error["hint"].lower() or "memory" in error["message"].lower()


def test_a_build_that_takes_too_long_is_killed(make_slipway, project):
    slipway = make_slipway({"builds": {"time": "3s"}})
    folder = project({"package.json": '{"name":"x","scripts":{"build":"node -e \\"setInterval(()=>{},1000)\\"","start":"node s.js"}}',
                      "s.js": SERVER})
    error = slipway.deploy_failing(folder)["error"]
    assert error["phase"] == "build" and error["cause"] == "timeout"


def test_a_build_that_talks_too_much_is_stopped(make_slipway, project):
    slipway = make_slipway({"builds": {"output": "1MB"}})
    folder = project({"package.json": '{"name":"x","scripts":{"build":"yes a-very-long-line-of-output","start":"node s.js"}}',
                      "s.js": SERVER})
    error = slipway.deploy_failing(folder)["error"]
    assert error["phase"] == "build"
    assert "output" in (error["message"] + error["hint"] + error.get("cause", "")).lower()


def test_a_folder_that_is_nothing_says_what_to_add(slipway, project):
    ran = slipway.cli("deploy", project({"notes.txt": "hello"}), "--json")
    assert ran.code == 7, str(ran)
    error = ran.json()["error"]
    assert error["cause"] == "nothing_to_run" and "index.html" in error["hint"]


def test_a_crash_names_the_variables_that_nobody_set(slipway, project):
    folder = project({"package.json": json.dumps({"name": "store", "scripts": {"start": "node server.js"}}),
                      "store.js": "module.exports = (uri) => {\n  if (!uri) throw new Error('a collection should be set');\n};\n",
                      "server.js": "const open = require('./store');\nopen(process.env.MONGO_URI);\n"
                                   "require('http').createServer((q, r) => r.end('ok')).listen(process.env.PORT);\n"}, name="store")
    failed = slipway.cli("deploy", folder, "--json")
    error = failed.json()["error"]
    assert failed.code == 7 and error["cause"] == "crash" and "a collection should be set" in error["message"], error
    assert "MONGO_URI (server.js:2)" in error["hint"], error
    assert error["next"][0]["command"] == "slipway deploy -e MONGO_URI=VALUE", error


def test_the_first_variable_that_is_missed_brings_up_the_others(slipway, project):
    folder = project({"package.json": json.dumps({"name": "bot", "scripts": {"start": "node server.js"}}),
                      "server.js": "for (const name of ['REDIS_URL', 'BOT_TOKEN'])\n  if (!process.env[name]) "
                                   "throw new Error('Missing required env var: ' + name);\n"
                                   "console.log(process.env.REDIS_URL,\n  process.env.BOT_TOKEN);\n"
                                   "require('http').createServer((q, r) => r.end('ok')).listen(process.env.PORT);\n"}, name="misses-two")
    error = slipway.cli("deploy", folder, "--json").json()["error"]
    assert error["cause"] == "missing_env" and "REDIS_URL" in error["message"], error
    assert "BOT_TOKEN (server.js:4), too" in error["hint"] and "REDIS_URL (" not in error["hint"], error
