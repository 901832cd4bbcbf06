"""Deployments of several services: workers, companions, release commands."""
import json

import pytest

from support import http
from support.slipway import wait_until, write_app

SERVER = """
const http = require('http'), fs = require('fs');
http.createServer(async (request, response) => {
  %s
}).listen(process.env.PORT || 3000);
"""
API = SERVER % "response.end('the api of ' + process.env.SLIPWAY_PROJECT);"
WEB = SERVER % """
  try { response.end('web got: ' + await (await fetch(process.env.API_URL)).text()); }
  catch (error) { response.statusCode = 500; response.end(String(error.cause || error)); }
"""
PACKAGE = json.dumps({"name": "app", "scripts": {"start": "node server.js"}})


def pair(folder, api=API, web=WEB):
    return write_app(folder, {
        "compose.yaml": "services:\n"
                        "  web:\n    build: ./web\n    ports: ['3000:3000']\n    depends_on: [api]\n"
                        "    environment:\n      API_URL: http://api:4000\n"
                        "  api:\n    build: ./api\n    expose: ['4000']\n    environment:\n      PORT: '4000'\n",
        "web/package.json": PACKAGE, "web/server.js": web,
        "api/package.json": PACKAGE, "api/server.js": api})


def by_name(deployment):
    return {service["name"]: service for service in deployment["services"]}


def worker_app(folder, worker="setInterval(() => console.log('tick'), 100);", **more):
    return write_app(folder, {
        "package.json": json.dumps({"name": "app"}), "Procfile": "web: node web.js\nworker: node worker.js\n",
        "web.js": SERVER % "response.end('web');", "worker.js": worker, **more})


def test_two_services_run_together_and_reach_each_other(slipway, tmp_path):
    deployment = slipway.deploy(pair(tmp_path / "pair"), "--project", "pair")
    services = by_name(deployment)
    assert set(services) == {"web", "api"}
    assert services["web"]["url"] == deployment["url"], "the one that nobody needs is first"
    assert services["api"]["url"].startswith("http://api--pair-")
    assert all(service["state"] == "ready" for service in services.values())
    assert http.get(services["api"]["url"]).text == "the api of pair"
    assert http.get(deployment["url"]).text == "web got: the api of pair"
    assert http.get(services["api"]["alias_url"]).text == "the api of pair"
    assert slipway.inspect(services["api"]["url"].removeprefix("http://"))["id"] == deployment["id"]
    slipway.ok("rm", deployment["id"], "-y")
    assert http.get(services["api"]["url"]).status == 410


def test_a_failure_names_the_service(slipway, tmp_path):
    failed = slipway.deploy_failing(pair(tmp_path / "broken", api="throw new Error('no database');"), "--project", "broken")
    error = failed["error"]
    assert error["message"].startswith("api: "), error
    assert "no database" in json.dumps(error)
    assert failed["state"] == "failed"


def test_services_sleep_and_wake_together(make_slipway, tmp_path):
    slipway = make_slipway({"previews": {"idle": "1s"}})
    deployment = slipway.deploy(pair(tmp_path / "pair"), "--project", "pair")
    slipway.wait_state(deployment["id"], "sleeping")
    assert {service["state"] for service in slipway.inspect(deployment["id"])["services"]} == {"sleeping"}
    assert http.get(deployment["url"]).text == "web got: the api of pair"
    slipway.wait_state(deployment["id"], "ready")


def test_services_survive_a_restart_of_the_server(make_slipway, tmp_path):
    slipway = make_slipway({"server": {"listen": "127.0.0.1:0"}})
    deployment = slipway.deploy(pair(tmp_path / "pair"), "--project", "pair")
    slipway.kill()
    slipway.start()
    # The port is another one, and with it the URL; what the instances were told stays as it was.
    api = by_name(slipway.inspect(deployment["id"]))["api"]
    assert wait_until(lambda: http.get(api["url"]).text, 30) == "the api of pair"


def test_a_worker_runs_only_when_asked_for(slipway, tmp_path):
    folder = worker_app(tmp_path / "jobs")
    without = slipway.deploy(folder, "--project", "jobs")
    assert by_name(without)["worker"]["state"] == "off"
    assert by_name(without)["worker"]["url"] is None
    deployment = slipway.deploy(folder, "--project", "jobs", "--with-workers")
    assert by_name(deployment)["worker"]["state"] == "ready"
    assert http.get(deployment["url"]).text == "web"
    lines = wait_until(lambda: [line for line in map(json.loads, slipway.ok("logs", deployment["id"], "--json").out.splitlines())
                                if line.get("service") == "worker"], 20, "the worker's log")
    assert lines[0]["line"] == "tick"
    shown = slipway.ok("logs", deployment["id"], "--service", "worker").out
    assert shown.startswith("worker | tick")


def test_workers_alone_print_no_url_that_nothing_answers(slipway, tmp_path):
    folder = write_app(tmp_path / "ticker", {"package.json": json.dumps({"name": "t", "scripts": {"start": "node w.js"}}),
                                              "w.js": "setInterval(() => console.log('tick'), 100);"})
    ran = slipway.ok("deploy", folder, "--project", "ticker")
    assert ran.out.startswith("dpl_") and "http" not in ran.out, ran
    assert "answers no requests" in ran.err and f"slipway logs {ran.out.strip()}" in ran.err and "http" not in ran.err, ran


def test_a_bot_alone_runs_without_a_route(slipway, tmp_path):
    folder = write_app(tmp_path / "bot", {"package.json": json.dumps({"name": "bot"}), "Procfile": "worker: node bot.js\n",
                                          "bot.js": "console.log('listening to nobody'); setInterval(() => {}, 1000);"})
    deployment = slipway.deploy(folder, "--project", "bot")
    assert [service["state"] for service in deployment["services"]] == ["ready"]
    page = http.get(deployment["url"])
    assert page.status == 404 and "background" in page.text
    assert "listening to nobody" in slipway.ok("logs", deployment["id"]).out


def test_a_worker_that_ends_at_once_fails_the_deployment(slipway, tmp_path):
    folder = worker_app(tmp_path / "ends", worker="console.error('no queue'); process.exit(3);")
    failed = slipway.deploy_failing(folder, "--project", "ends", "--with-workers")
    assert failed["error"]["message"].startswith("worker: "), failed["error"]
    assert "no queue" in json.dumps(failed["error"])


def test_a_worker_that_crashes_is_restarted(slipway, tmp_path):
    folder = worker_app(tmp_path / "crash", worker="console.log('up'); setTimeout(() => process.exit(1), 3000);")
    deployment = slipway.deploy(folder, "--project", "crash", "--with-workers")
    wait_until(lambda: slipway.ok("logs", deployment["id"], "--service", "worker").out.count("up") >= 2, 30)
    assert "worker restarted" in slipway.inspect(deployment["id"])["state_reason"]
    assert http.get(deployment["url"]).text == "web"
    slipway.ok("rm", deployment["id"], "-y")


def release_app(folder, migrate):
    return write_app(folder, {
        "package.json": json.dumps({"name": "app"}), "Procfile": "release: node migrate.js\nweb: node web.js\n",
        "migrate.js": migrate,
        "web.js": SERVER % "response.end(fs.readFileSync('runs.txt', 'utf8'));"})


def test_a_release_command_runs_once_and_its_files_stay(make_slipway, tmp_path):
    slipway = make_slipway({"previews": {"idle": "1s"}})
    folder = release_app(tmp_path / "db", "require('fs').appendFileSync('runs.txt', 'migrated\\n');")
    deployment = slipway.deploy(folder, "--project", "db")
    assert "release" in [step["name"] for step in deployment["steps"]]
    assert http.get(deployment["url"]).text == "migrated\n"
    slipway.wait_state(deployment["id"], "sleeping")
    assert http.get(deployment["url"]).text == "migrated\n", "not again for the next instance"


def test_a_release_command_that_fails_fails_the_deployment(slipway, tmp_path):
    failed = slipway.deploy_failing(release_app(tmp_path / "bad", "throw new Error('relation exists');"), "--project", "bad")
    assert failed["error"]["phase"] == "release"
    assert "relation exists" in json.dumps(failed["error"])


@pytest.mark.parametrize("flag", ["--with-workers", "--with-schedules"])
def test_the_flags_are_documented(slipway, flag):
    assert flag in slipway.ok("deploy", "--help").out


def test_the_version_and_what_the_run_taught_are_told(slipway, tmp_path):
    folder = write_app(tmp_path / "taught", {
        "package.json": json.dumps({"name": "app", "engines": {"node": ">=18"}, "scripts": {"start": "node server.js"}}),
        "server.js": "require('http').createServer((_, r) => r.end('hi')).listen(+require('fs').readFileSync('number'));",
        "number": "4321"})
    first = slipway.deploy(folder, "--project", "taught")
    runtime = first["services"][0]["runtime"]
    assert runtime["wanted"] == ">=18" and "engines" in runtime["source"]
    assert int(runtime["version"].split(".")[0]) >= 18
    finding = next(each for each in first["findings"] if each["code"] == "port_differs")
    assert "4321" in finding["message"] and finding["fix"]
    second = slipway.deploy(folder, "--project", "taught")
    assert second["plan"]["services"][0]["port"] == 4321
    assert http.get(second["url"]).text == "hi"
    assert not any(each["code"] == "port_differs" for each in second["findings"]), "known by now"


def test_what_is_missing_is_a_finding_with_its_fix(slipway, tmp_path):
    folder = write_app(tmp_path / "missing", {"package.json": PACKAGE, "server.js": "const {TOKEN} = process.env;\nrequire('nowhere-to-be-found');"})
    failed = slipway.deploy_failing(folder, "--project", "missing")
    assert [each["code"] for each in failed["findings"]] == ["missing_dependency", "variable_unset"], failed["findings"]
    assert failed["findings"][0]["fix"]
