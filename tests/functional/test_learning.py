"""What a run teaches is told with its fix, and what of it is certain is in the next plan; schedules run."""
import json

import pytest

from support import http
from support.slipway import wait_until, write_app

START = json.dumps({"name": "app", "scripts": {"start": "node server.js"}})


def finding(deployment, code):
    found = [each for each in deployment["findings"] if each["code"] == code]
    assert found, deployment["findings"]
    assert found[0]["fix"], found[0]
    return found[0]


@pytest.mark.parametrize("files, name", [
    ({"app.py": "import os\ntoken = os.environ['BILLING_TOKEN']\n"}, "BILLING_TOKEN"),
    ({"package.json": START, "server.js": "if (!process.env.BILLING_TOKEN) throw new Error('Missing required environment variable: BILLING_TOKEN');\n"}, "BILLING_TOKEN"),
], ids=["python", "node"])
def test_a_missing_variable_is_named_with_the_command_that_sets_it(slipway, project, files, name):
    failed = slipway.deploy_failing(project(files))
    told = finding(failed, "missing_env")
    assert name in told["message"] + told["fix"], told
    assert any(name in step["command"] for step in failed["error"]["next"]), failed["error"]["next"]


@pytest.mark.parametrize("files, words", [
    ({"app.py": "from flask import Flask\nimport nowhere_to_be_found\napp = Flask(__name__)\n", "requirements.txt": "flask\n"}, "nowhere_to_be_found"),
    ({"package.json": START, "server.js": "require('left-out');\n"}, "left-out"),
], ids=["python", "node"])
def test_a_missing_module_is_named(slipway, project, files, words):
    told = finding(slipway.deploy_failing(project(files)), "missing_dependency")
    assert words in told["message"], told


def test_a_version_that_nobody_has_is_named_with_its_source(slipway, project):
    files = {"pom.xml": "<project><modelVersion>4.0.0</modelVersion><groupId>d</groupId><artifactId>app</artifactId><version>1</version>"
                        "<properties><maven.compiler.release>99</maven.compiler.release></properties></project>",
             "src/main/java/Main.java": "public class Main { public static void main(String[] a) {} }\n"}
    failed = slipway.deploy_failing(project(files), code=4)
    told = finding(failed, "missing_toolchain")
    assert "99" in told["message"] and "maven.compiler.release" in told["message"], told
    assert "openjdk-99" in told["fix"]


def test_the_port_that_was_really_opened_is_in_the_next_plan_and_goes_when_the_code_says_it(slipway, project):
    server = "require('http').createServer((_, r) => r.end('hi')).listen(%s);\n"
    folder = project({"package.json": START, "server.js": server % "+require('fs').readFileSync('number')", "number": "4321"})
    first = slipway.deploy(folder)
    assert "4321" in finding(first, "port_differs")["message"]
    second = slipway.deploy(folder)
    assert second["plan"]["services"][0]["port"] == 4321
    (folder / "server.js").write_text(server % "process.env.PORT")
    third = slipway.deploy(folder)
    assert http.get(third["url"]).text == "hi"


@pytest.mark.long
def test_schedules_run_commands_and_requests(slipway, tmp_path):
    folder = write_app(tmp_path / "clock", {
        "package.json": START,
        "server.js": "require('http').createServer((q, r) => { console.log('asked', q.method, q.url); r.end('ok'); }).listen(process.env.PORT);\n",
        "app.json": json.dumps({"cron": [{"command": "node job.js", "schedule": "* * * * *"}]}),
        "job.js": "console.log('the job ran');\n",
        "vercel.json": json.dumps({"crons": [{"path": "/api/tick?by=cron", "schedule": "* * * * *"}]})})
    without = slipway.deploy(folder, "--project", "clock")
    assert {service["state"] for service in without["services"] if service["kind"] == "cron"} == {"off"}
    deployment = slipway.deploy(folder, "--project", "clock", "--with-schedules")
    def log():
        return slipway.ok("logs", deployment["id"]).out
    wait_until(lambda: "asked GET /api/tick?by=cron" in log() and "the job ran" in log(), 90, "a minute to begin", every=0.5)
    assert "asked GET /api/tick" not in slipway.ok("logs", without["id"]).out, "a preview runs schedules only when asked"
    slipway.ok("rm", deployment["id"], "-y")
