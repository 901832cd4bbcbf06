"""The other commands, and their exit codes."""
import json

import pytest

from support import http
from support.slipway import EXAMPLES, wait_until


@pytest.mark.parametrize("arguments,code", [
    (["deploy", "/nonexistent-folder"], 2),
    (["deploy", "--ttl", "soon"], 2),
    (["deploy", "--project", "Not A Name!"], 2),
    (["deploy", "-e", "novalue="], None),
    (["frobnicate"], 2),
    (["deploy", "--frobnicate"], 2),
    (["inspect", "dpl_aaaaaaaaaa"], 3),
    (["logs", "no-such-project-here"], 3),
    (["rm", "dpl_aaaaaaaaaa"], 2),
    (["rm", "dpl_aaaaaaaaaa", "-y"], 3),
    (["redeploy", "dpl_aaaaaaaaaa"], 3),
    (["logs"], 2),
])
def test_exit_codes(slipway, project, arguments, code):
    folder = project({"index.html": "x"})
    ran = slipway.cli(*arguments, cwd=folder)
    if code is not None:
        assert ran.code == code, str(ran)
        assert ran.out == "" and ran.err != ""


def test_an_error_in_json_is_one_object(slipway):
    ran = slipway.cli("inspect", "dpl_aaaaaaaaaa", "--json")
    assert ran.code == 3
    error = json.loads(ran.out)
    error = error.get("error") or error
    assert error["code"] == "not_found" and error["message"]


def test_help_and_version(slipway):
    ran = slipway.ok("--help")
    for command in ["deploy", "ls", "inspect", "logs", "open", "redeploy", "rm", "undo", "detect", "doctor", "login", "whoami"]:
        assert command in ran.out, command
    assert "--alias" in slipway.ok("deploy", "--help").out
    assert "0.1.0" in slipway.ok("--version").out


def test_detect_says_what_and_why(slipway):
    answer = slipway.ok("detect", EXAMPLES / "express", "--json").json()
    service = answer["services"][0]
    assert (service["provider"], service["framework"], service["package_manager"]) == ("node", "express", "npm")
    assert service["install"] == "npm ci"
    assert service["start"]
    assert any(e["file"] == "package.json" for e in service["evidence"])
    assert service["confidence"] >= 0.9
    assert answer["warnings"] == []


def test_ls_inspect_and_references(slipway, probe):
    deployment = slipway.deploy(probe(), "--alias", "blue")
    rows = slipway.ok("ls", "--json").json()["deployments"]
    assert deployment["id"] in [row["id"] for row in rows]
    assert deployment["id"] in slipway.ok("ls", "--project", deployment["project"]).out
    references = [deployment["id"], deployment["id"][4:10], deployment["url"], deployment["project"],
                  f"blue--{deployment['project']}"]
    for reference in references:
        assert slipway.ok("inspect", reference, "--json").json()["id"] == deployment["id"], reference


def test_whoami_and_doctor(slipway):
    me = slipway.ok("whoami", "--json").json()
    assert me["team"] == "default" and me["actor"]["kind"] == "human"
    doctor = slipway.cli("doctor")
    assert doctor.code in (0, 4), str(doctor)
    for word in ["runtime", "overlay", "cgroup", "disk"]:
        assert word in (doctor.out + doctor.err).lower(), word


def test_build_and_run_logs(slipway, project):
    folder = project({"package.json": '{"name":"x","scripts":{"build":"echo build-line-17","start":"node s.js"}}',
                      "s.js": "console.log('run-line-18'); console.error('err-line-19');"
                              "require('http').createServer((q,r)=>r.end('ok')).listen(process.env.PORT)"})
    deployment = slipway.deploy(folder)
    assert "build-line-17" in slipway.ok("logs", deployment["id"], "--build").out
    wait_until(lambda: "run-line-18" in slipway.ok("logs", deployment["id"]).out, 60, "the app's line")
    out = slipway.ok("logs", deployment["id"], "--filter", "err-.*19").out
    assert "err-line-19" in out and "run-line-18" not in out
    assert slipway.ok("logs", deployment["id"], "--since", "1h").out
    rows = [json.loads(line) for line in slipway.ok("logs", deployment["id"], "--json").out.splitlines()]
    assert {"time", "stream", "line"} <= set(rows[0])


def test_logs_follow_as_they_are_written(slipway, probe):
    deployment = slipway.deploy(probe())
    follower = slipway.popen("logs", deployment["id"], "-f")
    try:
        http.get(deployment["url"] + "/log?text=first-mark")
        seen = [follower.stdout.readline() for _ in range(3)]  # listening, out, err: readline waits
        while not any("first-mark" in line for line in seen[-2:]):
            seen.append(follower.stdout.readline())
        http.get(deployment["url"] + "/log?text=second-mark")
        while "second-mark" not in seen[-1]:
            seen.append(follower.stdout.readline())
            assert seen[-1], "the stream ended"
    finally:
        follower.kill()
        follower.wait()


def test_terminal_escapes_of_an_app_do_not_reach_the_terminal(slipway, probe):
    deployment = slipway.deploy(probe())
    http.get(deployment["url"] + "/log?text=%1b]0;owned%07%1b[2Jafter")
    wait_until(lambda: "after" in slipway.ok("logs", deployment["id"]).out, 60, "the line")
    out = slipway.ok("logs", deployment["id"]).out
    assert "\x1b" not in out and "\x07" not in out


def test_rm_and_undo(slipway, probe):
    deployment = slipway.deploy(probe())
    slipway.ok("rm", deployment["id"], "-y")
    assert http.get(deployment["url"]).status in (404, 410)
    assert slipway.state(deployment["id"]) == "deleted"
    slipway.ok("undo")
    assert http.get(deployment["url"]).text == "probe one\n"


def test_redeploy_makes_a_new_deployment_of_the_same_source(slipway, probe):
    first = slipway.deploy(probe())
    second = slipway.ok("redeploy", first["id"], "--json").json()
    assert second["id"] != first["id"]
    assert second["source"]["digest"] == first["source"]["digest"]
    assert http.get(second["url"]).text == "probe one\n"


def test_the_cli_starts_a_server_by_itself(make_slipway, project):
    slipway = make_slipway(start=False)
    folder = project({"index.html": "<h1>by itself</h1>"})
    # The default port may be in use on a developer's machine: the configuration is not read by an auto-started
    # server, so this needs it free.
    import socket
    with socket.socket() as taken:
        if taken.connect_ex(("127.0.0.1", 7070)) == 0:
            pytest.skip("port 7070 is in use on this machine")
    ran = slipway.ok("deploy", folder)
    try:
        assert "by itself" in http.get(ran.out.strip()).text
        credentials = slipway.home / ".config" / "slipway" / "credentials.json"
        assert credentials.stat().st_mode & 0o777 == 0o600
        assert (slipway.data / "server.json").stat().st_mode & 0o777 == 0o600
    finally:
        info = json.loads((slipway.data / "server.json").read_text())
        import os
        import signal
        http.request("DELETE", f"{info['url']}/v1/deployments/{http.split(ran.out.strip())[0].split('.')[0]}",
                     {"Authorization": f"Bearer {info['token']}"})
        os.kill(info["pid"], signal.SIGTERM)
        wait_until(lambda: not (slipway.data / "server.json").exists(), 30, "the server to stop")
