"""What those who ask and those who approve are told. One server for the whole file."""
import json
import re
import pathlib

import pytest

from support import http
from support.slipway import EXAMPLES, Slipway, wait_until, write_app

SETTINGS = {"releases": {"bake": "2s", "drain": "1s", "health_interval": "1s", "canary_step": "1s"}}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = Slipway(tmp_path_factory.mktemp("answers"), SETTINGS).start()
    yield made
    made.stop()
    made.sweep()


def site(folder, text="one"):
    return write_app(folder, {"index.html": text})


def person(server, name, role="approver"):
    server.ok("team", "add", "default", name, "--role", role)
    return {"SLIPWAY_TOKEN": server.ok("token", "create", "--member", name, "-q").out.strip()}


def agent(server, name, *arguments):
    made = server.ok("token", "create", "--agent", name, "--ttl", "1h", "-q", *arguments)
    return {"SLIPWAY_TOKEN": made.out.strip()}


def add_rule(server, rule):
    file = server.directory / "policy.toml"
    file.write_text(server.ok("policy", "show").out + rule)
    server.ok("policy", "set", file, "--reason", "a test")


SECRETS_ASK = """
[[rule]]
id = "secrets-ask"
on = ["secret"]
enforce = "hard"
violations = "SELECT c.subject FROM config_change c JOIN request r WHERE r.project = 'seen'"
message = "{subject} changes"
approvals = { need = 1, roles = ["approver", "admin"], valid_for = "24h" }
[[rule.test]]
expect = "deny"
request = { project = "seen" }
config_change = [{ kind = "secret", name = "A", subject = "secret:A", change = "added" }]
[[rule.test]]
expect = "pass"
"""


def test_who_approves_a_configuration_sees_what_it_becomes(server, tmp_path):
    folder = site(tmp_path / "seen")
    server.deploy(folder)
    ann, bot = person(server, "ann"), agent(server, "coder")
    place = ("--project", "seen", "-E", "production")
    server.ok("env", "set", "API_URL=https://old.example", "GONE=", *place)
    server.ok("env", "set", "-s", "KEY=hunter-two-1", *place)
    plain = server.cli("env", "set", "API_URL=https://new.example", "MORE=it's $here", *place, "--json", environment=bot)
    assert plain.code == 4 and plain.json()["waits_for"] == "approval", plain
    add_rule(server, SECRETS_ASK)
    secret = server.cli("env", "set", "-s", "KEY=hunter-two-2", *place, "--json")
    removed = server.cli("env", "rm", "GONE", *place, "--json", environment=bot)
    ids = [ran.json()["approval"] for ran in (plain, secret, removed)]

    requests = {row["id"]: row for row in server.ok("approvals", "--json", environment=ann).json()["approvals"]}
    variables = {row["name"]: row for row in requests[ids[0]]["variables"]}
    assert variables["API_URL"] == {"name": "API_URL", "change": "modified", "kind": "run", "secret": False,
                                    "value": "https://new.example", "before": "https://old.example"}
    assert variables["MORE"]["change"] == "added" and variables["MORE"]["value"] == "it's $here"
    [key] = requests[ids[1]]["variables"]
    assert key["secret"] and key["change"] == "modified" and key["value"] != key["before"]
    assert re.fullmatch("[0-9a-f]{12}", key["value"]) and re.fullmatch("[0-9a-f]{12}", key["before"])
    [gone] = requests[ids[2]]["variables"]
    assert gone["change"] == "removed" and gone["value"] is None and gone["before"] == ""

    listed = server.ok("approvals", environment=ann).out
    assert "~ API_URL=https://new.example  was https://old.example" in listed, listed
    why = server.ok("why", ids[0], environment=ann).out
    for part in ("asked by", "coder", "API_URL=https://new.example", "1 missing", f"slipway approve {ids[0]}",
                 "waits for approval"):
        assert part in why, f"{part}\n{why}"
    data = server.ok("why", ids[1], "--json", environment=ann).json()
    assert data["approval"]["id"] == ids[1] and data["decision"]["verdict"] == "pending"
    assert server.cli("why", "apr_aaaaaaaaaa").code == 3
    # Who may not read the variables sees which, not what.
    narrow = {"SLIPWAY_TOKEN": server.ok("token", "create", "--action", "read", "-q").out.strip()}
    shown = server.ok("approvals", "--json", environment=narrow).out
    assert "API_URL" in shown and "new.example" not in shown and "old.example" not in shown
    # Nor does anything lie readable in the database, or a secret anywhere.
    for path in server.data.glob("slipway.db*"):
        assert b"new.example" not in path.read_bytes() and b"hunter-two" not in path.read_bytes()
    assert "hunter-two" not in listed + why + json.dumps(data)
    # What was seen is what passes.
    server.ok("approve", ids[0], environment=ann)
    server.ok("env", "set", "API_URL=https://new.example", "MORE=it's $here", *place, environment=bot)
    assert "https://new.example" in server.ok("env", "ls", *place).out


def test_who_was_rejected_is_told_by_whom_and_why(server, tmp_path):
    folder = site(tmp_path / "told")
    server.deploy(folder)
    bob, bot = person(server, "bob"), agent(server, "asker")
    place = ("--project", "told", "-E", "production")
    asked = server.cli("env", "set", "A=1", *place, "--json", environment=bot)
    first = asked.json()["approval"]
    assert f"{first} (A), asked by asker" in server.ok("env", "ls", *place, environment=bot).err
    server.ok("reject", first, "--reason", "not on a Friday", environment=bob)

    listed = server.ok("env", "ls", *place, environment=bot).err
    assert f"{first} (A)" in listed and "rejected by bob: not on a Friday" in listed
    [row] = server.ok("env", "ls", *place, "--json", environment=bot).json()["refused"]
    assert row["id"] == first and row["closed_reason"] == "rejected by bob: not on a Friday"
    assert row["votes"][0]["actor"]["name"] == "bob" and row["votes"][0]["reason"] == "not on a Friday"
    approvals = server.ok("approvals", environment=bot)
    assert first in approvals.out and "rejected by bob: not on a Friday" in approvals.out
    refused = server.ok("approvals", "--json", environment=bot).json()["refused"]
    assert [row["id"] for row in refused] == [first]
    assert server.ok("approvals", "--json", environment=agent(server, "other")).json()["refused"] == []

    again = server.cli("env", "set", "A=1", *place, environment=bot)
    assert again.code == 4 and "rejected by bob: not on a Friday" in again.err and first in again.err, again
    data = server.cli("env", "set", "A=1", *place, "--json", environment=bot).json()
    assert data["approval"] != first
    assert data["error"]["decision"]["rejected"] == {"approval": first, "by": "bob", "reason": "not on a Friday",
                                                     "at": data["error"]["decision"]["rejected"]["at"]}


def test_what_waits_says_so_by_the_same_names(server, tmp_path):
    deployment = server.deploy(site(tmp_path / "names"))
    bot = agent(server, "namer")
    promoted = server.cli("promote", deployment["id"], "--json", environment=bot)
    configured = server.cli("env", "set", "A=1", "--project", "names", "-E", "production", "--json", environment=bot)
    for ran in (promoted, configured):
        assert ran.code == 4, ran
        assert ran.json()["waits_for"] == "approval" and ran.json()["approval"].startswith("apr_"), ran
    problem = server.api("POST", "/v1/projects/names/environments/production/env",
                         {"set": [{"name": "A", "value": "1"}]}, token=bot["SLIPWAY_TOKEN"])
    assert problem.json()["waits_for"] == "approval" and problem.json()["approval"] == configured.json()["approval"]


def test_a_removed_preview_does_not_go_live_when_its_promotion_is_approved(server, tmp_path):
    cat, bot = person(server, "cat"), agent(server, "mover")
    deployment = server.deploy(site(tmp_path / "removed"))
    waiting = server.cli("promote", deployment["id"], "--json", environment=bot).json()
    server.ok("rm", deployment["id"], "-y")
    rollout = server.ok("rollout", waiting["id"], "--json").json()
    assert rollout["state"] == "canceled" and rollout["reason"] == f"{deployment['id']} was removed"
    late = server.cli("approve", waiting["approval"], environment=cat)
    assert late.code == 4 and "was removed" in late.err, late
    # Brought back, it has to be asked for again.
    server.ok("undo", deployment["id"])
    assert server.cli("approve", waiting["approval"], environment=cat).code == 4
    assert server.ok("releases", "removed", "--json").json()["state"]["current"] in (0, None)
    again = server.cli("promote", deployment["id"], "--json", environment=bot).json()
    server.ok("approve", again["approval"], environment=cat)
    wait_until(lambda: server.ok("rollout", again["id"], "--json").json()["state"] in ("watching", "done"))


def test_a_rollback_during_a_canary_ends_the_canary_and_nothing_else(server, tmp_path):
    folder = tmp_path / "birds"
    for text in ("v1", "v2"):
        url = server.ok("promote", server.deploy(site(folder, text))["id"], "--json").json()["url"]
    third = server.deploy(site(folder, "v3"))
    canary = server.ok("promote", third["id"], "--canary", "50", "--step", "10m", "--no-wait", "--json").json()
    state = lambda: server.ok("rollout", canary["id"], "--json").json()["state"]  # noqa: E731
    wait_until(lambda: state() == "canary")
    first = server.ok("rollback", "birds", "-m", "too slow")
    assert "canary of release 3 is ended" in first.err and "release 2 serves all" in first.err, first
    assert state() == "canceled" and {http.get(url).text for _ in range(6)} == {"v2"}
    assert server.ok("releases", "birds", "--json").json()["state"]["paused"], "nothing brings it back by itself"
    server.ok("rollback", "birds")
    assert http.get(url).text == "v1"


def test_a_project_that_does_not_exist_is_not_found(server, tmp_path):
    server.deploy(site(tmp_path / "storefront"))
    for arguments in (["resume", "storefrnt"], ["rollback", "storefrnt"], ["releases", "storefrnt"],
                      ["rollouts", "storefrnt"], ["restart", "storefrnt"], ["scale", "storefrnt", "2"],
                      ["env", "ls", "--project", "storefrnt"],
                      ["waive", "no-key-files", "--project", "storefrnt", "--reason", "x"],
                      ["break-glass", "--project", "storefrnt", "--reason", "x"], ["alerts", "ls", "storefrnt"]):
        ran = server.cli(*arguments)
        assert ran.code == 3 and "no project is called 'storefrnt'" in ran.err, ran
        assert "did you mean storefront?" in ran.err, ran
    server.ok("team", "create", "sellers")
    reserved = server.ok("team", "add-project", "sellers", "storefrnt")
    assert "does not exist yet; it is reserved for the team sellers" in reserved.err
    assert "did you mean storefront?" in reserved.err
    assert server.ok("team", "add-project", "sellers", "storefrnt", "--json").json()["existed"] is True
    # Whoever does not reach the other project is not told of it.
    theirs = {"SLIPWAY_TOKEN": server.ok("token", "create", "--project", "mine", "-q").out.strip()}
    ran = server.cli("resume", "storefrn", environment=theirs)
    assert ran.code == 77 and "storefront" not in ran.err, ran


def test_a_framework_that_nobody_knows_is_refused_before_anything_is_sent(server, tmp_path):
    folder = site(tmp_path / "framed")
    for command in ("deploy", "detect"):
        ran = server.cli(command, folder, "--framework", "nextt")
        assert ran.code == 2 and "no framework is called 'nextt'" in ran.err, ran
        assert "did you mean next" in ran.err and "fastapi" in ran.err, ran
    assert server.cli("ls", "--project", "framed", "--json").json()["deployments"] == []
    assert server.ok("deploy", folder, "--framework", "static").out.startswith("http")


def test_a_dry_run_ends_as_the_promotion_would_and_names_no_decision(server, tmp_path):
    deployment = server.deploy(site(tmp_path / "tried"))
    bot = agent(server, "trier")
    waits = server.cli("promote", deployment["id"], "--dry-run", "--json", environment=bot)
    assert waits.code == 4 and waits.json()["decision"]["verdict"] == "pending", waits
    assert waits.json()["decision"]["id"] is None
    assert "dec_" not in server.cli("promote", deployment["id"], "--dry-run", environment=bot).out
    assert server.ok("promote", deployment["id"], "--dry-run", "--json").json()["decision"]["id"] is None
    asked = server.cli("policy", "test", "--point", "promote", "--environment", "production", "--project", "tried")
    assert "dec_" not in asked.out, asked
    add_rule(server, '''
[[rule]]
id = "tried-stays"
on = ["promote"]
enforce = "hard"
violations = "SELECT project AS subject FROM request WHERE project = 'tried'"
message = "{subject} stays where it is"
[[rule.test]]
expect = "deny"
request = { project = "tried" }
[[rule.test]]
expect = "pass"
request = { project = "other" }
''')
    denied = server.cli("promote", deployment["id"], "--dry-run")
    assert denied.code == 6 and "tried-stays" in denied.out and "dec_" not in denied.out, denied
    assert server.cli("promote", deployment["id"]).code == 6


def test_the_readmes_sample_of_detect_is_what_detect_says(server):
    readme = (pathlib.Path(__file__).parents[2] / "README.md").read_text()
    sample = readme.split("$ slipway detect\n", 1)[1].split("```", 1)[0]
    assert server.ok("detect", EXAMPLES / "express").out == sample
