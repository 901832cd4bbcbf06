"""Ways round people's decisions that were found by attacking them: none of them may open again."""
import base64
import hashlib
import hmac

import pytest

from support import http
from support.slipway import Slipway, wait_until, write_app

MIGRATIONS = """
[[rule]]
id = "migrations-ask"
on = ["promote"]
enforce = "hard"
violations = "SELECT f.path AS subject FROM file f JOIN request r WHERE f.path LIKE '%.sql' AND COALESCE(r.approvers, 1) > 0"
message = "{subject} needs a second person"
approvals = { need = 1, roles = ["approver", "admin"], valid_for = "24h" }
[[rule.test]]
expect = "deny"
file = [{ path = "1.sql", change = "added", kind = "migration" }]
[[rule.test]]
expect = "pass"
"""
NO_AGENT_GOES_BACK = """
[[rule]]
id = "no-agent-goes-back"
on = ["rollback"]
enforce = "hard"
violations = "SELECT actor_name AS subject FROM request WHERE actor_kind = 'agent'"
message = "{subject} does not roll back"
[[rule.test]]
expect = "deny"
request = { actor_kind = "agent" }
[[rule.test]]
expect = "pass"
request = { actor_kind = "human" }
"""


@pytest.fixture
def server(tmp_path):
    made = Slipway(tmp_path / "server").start()
    yield made
    made.stop()
    made.sweep()  # what serves production is not taken down by removing deployments


def person(server, name, role):
    server.ok("team", "add", "default", name, "--role", role)
    return {"SLIPWAY_TOKEN": server.ok("token", "create", "--member", name, "-q").out.strip()}


def agent_of(server, whose, name, *more):
    made = server.ok("token", "create", "--agent", name, "--ttl", "1h", "-q", *more, environment=whose)
    return {"SLIPWAY_TOKEN": made.out.strip()}


def set_rules(server, *rules):
    file = server.directory / "rules.toml"
    file.write_text(server.ok("policy", "show").out + "".join(rules))
    return server.cli("policy", "set", file, "--reason", "a test", "--json")


def events(server, name):
    found = server.ok("audit", "ls", "--json", "-n", "200").json()["records"]
    return [record for record in found if record["event"] == name]


def test_an_agent_called_as_the_approver_takes_the_approver_out_of_nothing(server, tmp_path):
    assert set_rules(server, MIGRATIONS).code == 0
    ann, bob = person(server, "ann", "deployer"), person(server, "bob", "approver")
    tree = write_app(tmp_path / "shop", {"index.html": "1", "db/migrations/7.sql": "drop"})
    made = server.ok("deploy", tree, "--json", environment=agent_of(server, ann, "bob")).json()
    waits = server.cli("promote", made["id"], "--json", environment=ann)
    assert waits.code == 4, str(waits)
    approval = waits.json()["approval"]
    assert server.cli("approve", approval, environment=ann).code == 77, "ann asked for it"
    server.ok("approve", approval, "--reason", "it is right", environment=bob)
    given, used = events(server, "approval.given")[0], events(server, "approval.used")[0]
    assert given["detail"]["reason"] == "it is right"
    assert "bob" in used["detail"]["approved_by"] and "ann" not in used["detail"]["approved_by"]


def test_taking_back_what_everybody_is_given_asks_as_a_rollback_does(server, tmp_path):
    assert set_rules(server, NO_AGENT_GOES_BACK).code == 0
    ann = person(server, "ann", "deployer")
    bot = agent_of(server, ann, "coder", "--action", "read", "--action", "promote", "--action", "rollback")
    for word in ("one", "two"):
        rollout = server.ok("promote", server.deploy(write_app(tmp_path / "shop", {"index.html": word}))["id"],
                            "--json").json()
    assert rollout["state"] == "watching", rollout
    refused = server.cli("rollout", rollout["id"], "--cancel", "--json", environment=bot)
    assert refused.code == 6, str(refused)
    assert server.ok("rollout", rollout["id"], "--json").json()["state"] == "watching"
    server.ok("rollout", rollout["id"], "--cancel")


def test_no_agent_takes_back_what_a_person_asked_for_by_removing_what_it_is_of(server, tmp_path):
    assert set_rules(server, MIGRATIONS).code == 0
    ann = person(server, "ann", "deployer")
    person(server, "bob", "approver")
    tree = write_app(tmp_path / "shop", {"index.html": "1", "1.sql": "drop"})
    made = server.ok("deploy", tree, "--json", environment=ann).json()
    waits = server.cli("promote", made["id"], "--json", environment=ann).json()
    bot = agent_of(server, ann, "coder")
    assert server.cli("rm", made["id"], "-y", environment=bot).code == 77
    assert server.ok("rollout", waits["id"], "--json").json()["state"] == "waiting"
    server.ok("rm", made["id"], "-y", environment=ann)
    assert server.ok("rollout", waits["id"], "--json").json()["state"] == "canceled"


def test_another_query_of_a_rule_is_looked_at_by_somebody_else(server):
    person(server, "eve", "admin")
    assert set_rules(server, NO_AGENT_GOES_BACK).code == 0
    other = NO_AGENT_GOES_BACK.replace("actor_kind = 'agent'\"", "actor_kind = 'agent' AND actor_name = 'x'\"")
    other = other.replace('{ actor_kind = "agent" }', '{ actor_kind = "agent", actor_name = "x" }')
    file = server.directory / "other.toml"
    file.write_text(server.ok("policy", "show").out.replace(NO_AGENT_GOES_BACK, other))
    assert "actor_name = 'x'" in file.read_text()
    waits = server.cli("policy", "set", file, "--reason", "a test", "--json")
    assert waits.code == 4, str(waits)


def test_no_agent_rotates_the_key_that_approvals_are_bound_to(server):
    ann = person(server, "ann", "admin")
    assert server.cli("env", "rotate-key", environment=agent_of(server, ann, "coder")).code == 77
    server.ok("env", "rotate-key", environment=ann)


def test_a_request_about_a_configuration_that_changed_meanwhile_ends(server, tmp_path):
    ann = person(server, "ann", "deployer")
    person(server, "bob", "approver")
    server.deploy(write_app(tmp_path / "shop", {"index.html": "1"}), "--project", "shop")
    bot = agent_of(server, ann, "coder")
    place = ("--project", "shop", "--env", "production", "--json")
    waits = server.cli("env", "set", "A=1", *place, environment=bot)
    assert waits.code == 4, str(waits)
    approval = waits.json()["approval"]
    server.ok("env", "set", "B=2", *place)
    late = server.cli("approve", approval)
    assert late.code == 4 and "changed meanwhile" in late.err, str(late)


def test_what_is_done_in_an_emergency_says_so_whether_a_rule_would_have_stopped_it_or_not(server, tmp_path):
    eve = person(server, "eve", "admin")
    server.deploy(write_app(tmp_path / "shop", {"index.html": "1"}), "--project", "shop")
    emergency = server.ok("break-glass", "--project", "shop", "--reason", "fire", "--json").json()["id"]
    server.ok("approve", emergency, environment=eve)
    server.ok("env", "set", "A=1", "--project", "shop", "--env", "production")
    assert events(server, "configuration.changed")[0]["waiver"] == emergency


def test_a_dry_run_ends_as_the_deploy_would(server, tmp_path):
    assert set_rules(server, MIGRATIONS.replace('on = ["promote"]', 'on = ["build"]').replace(" AND COALESCE(r.approvers, 1) > 0", "")
                     .replace('approvals = { need = 1, roles = ["approver", "admin"], valid_for = "24h" }\n', "")).code == 0
    tree = write_app(tmp_path / "shop", {"index.html": "1", "1.sql": "drop"})
    assert server.cli("deploy", tree, "--dry-run", "--json").code == 6
    (tree / "1.sql").unlink()
    assert server.cli("deploy", tree, "--dry-run", "--json").code == 0


def test_whoever_approves_a_token_sees_all_that_it_may_do(server):
    ASKS = """
[[rule]]
id = "tokens-ask"
on = ["token"]
enforce = "hard"
violations = "SELECT label AS subject FROM token_request"
message = "a token"
approvals = { need = 1, roles = ["approver", "admin"], valid_for = "24h" }
[[rule.test]]
expect = "deny"
token_request = { label = "x" }
[[rule.test]]
expect = "pass"
"""
    ann = person(server, "ann", "deployer")
    person(server, "bob", "approver")
    bound = agent_of(server, ann, "coder", "--project", "shop", "--environment", "preview")
    assert set_rules(server, ASKS).code == 0
    waits = server.cli("token", "create", "--agent", "helper", "--project", "shop,bank", "--action", "read,deploy",
                       "--ttl", "2h", "--json", environment=bound)
    assert waits.code == 4, str(waits)
    [row] = server.ok("approvals", "--json").json()["approvals"]
    token = row["about"]["token"]
    assert token["holder"] == {"kind": "agent", "name": "helper", "on_behalf_of": "ann"}
    assert (token["projects"], token["environments"]) == (["shop"], ["preview"]), "with what it comes from"
    assert token["actions"] == ["read", "deploy"] and token["expires_at"] and token["role"] == "deployer"
    for shown in (server.ok("approvals").out, server.ok("why", row["id"]).out):
        assert "agent helper for ann" in shown and "read deploy" in shown and "shop" in shown, shown


def test_whoever_approves_a_release_sees_which_files_differ_from_what_serves(server, tmp_path):
    assert set_rules(server, MIGRATIONS).code == 0
    ann = person(server, "ann", "deployer")
    person(server, "bob", "approver")
    tree = write_app(tmp_path / "shop", {"index.html": "1", "old.html": "x"})
    first = server.ok("deploy", tree, "--json", environment=ann).json()
    server.ok("promote", first["id"], environment=ann)
    write_app(tree, {"index.html": "2", "1.sql": "drop"} | {f"page{i}.html": "x" for i in range(30)})
    (tree / "old.html").unlink()
    made = server.ok("deploy", tree, "--json", environment=ann).json()
    waits = server.cli("promote", made["id"], "--json", environment=ann)
    assert waits.code == 4, str(waits)
    files = server.ok("why", waits.json()["approval"], "--json").json()["approval"]["about"]["files"]
    assert (files["added"], files["modified"], files["removed"]) == (31, 1, 1) and files["base"] == first["id"]
    assert len(files["names"]) == 20 and files["left_out"] == 13
    assert {"path": "old.html", "change": "removed"} in files["names"]
    shown = server.ok("approvals").out
    assert "- old.html" in shown and "~ index.html" in shown and "and 13 more" in shown, shown


def test_whoever_approves_a_policy_sees_which_rules_change_and_who_is_alone_learns_the_way_out(server):
    eve = person(server, "eve", "admin")
    person(server, "bob", "approver")
    assert set_rules(server, NO_AGENT_GOES_BACK, MIGRATIONS).code == 0
    file = server.directory / "weaker.toml"
    file.write_text(server.ok("policy", "show").out.replace(NO_AGENT_GOES_BACK, ""))
    waits = server.cli("policy", "set", file, "--reason", "they may", "--json", environment=eve)
    assert waits.code == 4, str(waits)
    [row] = server.ok("approvals", "--json").json()["approvals"]
    assert row["about"]["rules"]["removed"] == ["no-agent-goes-back"] and row["about"]["reason"] == "they may"
    assert "no-agent-goes-back" in server.ok("why", row["id"]).out
    # Nobody else is an admin of the server: the approver does not count.
    assert "--role admin" in server.cli("policy", "set", file, "--reason", "they may", environment=eve).err


def test_what_a_kill_took_away_comes_back_by_its_id_alone(server, tmp_path):
    ann = person(server, "ann", "deployer")
    bot = agent_of(server, ann, "coder")
    made = server.ok("deploy", write_app(tmp_path / "shop", {"index.html": "1"}), "--json", environment=bot).json()
    server.ok("agent", "kill", "coder", "-y")
    refused = server.cli("undo")
    assert refused.code == 4 and "killed" in refused.err and made["id"] in refused.err, str(refused)
    assert "may have tokens again" in server.ok("agent", "revive", "coder").err
    server.ok("undo", made["id"])


def test_any_token_that_works_may_ask_who_it_is(server):
    ann = person(server, "ann", "deployer")
    bot = agent_of(server, ann, "coder", "--action", "deploy")
    assert server.cli("ls", environment=bot).code == 77
    assert server.ok("whoami", "--json", environment=bot).json()["actor"]["name"] == "coder"
    [row] = [row for row in server.ok("token", "ls", "--json").json()["tokens"] if row["agent"] == "coder"]
    assert row["actions"] == ["deploy"] == row["effective"]["actions"]


def test_what_another_team_has_is_answered_as_what_there_is_not(server, tmp_path):
    server.ok("team", "create", "makers")
    server.ok("team", "add", "makers", "max", "--role", "admin")
    token = server.ok("token", "create", "--member", "max", "--team", "makers", "-q").out.strip()
    made = server.deploy(write_app(tmp_path / "bank", {"index.html": "1"}))
    rollout = server.ok("promote", made["id"], "--json").json()
    seq = events(server, "deployment.created")[0]["seq"]

    def said(path):
        answer = server.api("GET", path, token=token)
        return answer.status, answer.text

    for path, other in ((f"/v1/audit/records/{seq}", "/v1/audit/records/999999"),
                        (f"/v1/audit/records/{seq}/proof", "/v1/audit/records/999999/proof"),
                        (f"/v1/rollouts/{rollout['id']}", "/v1/rollouts/rol_aaaaaaaaaa"),
                        (f"/v1/deployments/{made['id']}", "/v1/deployments/dpl_aaaaaaaaaa"),
                        (f"/v1/deployments/{made['id'][4:8]}", "/v1/deployments/aaaa"),
                        ("/v1/deployments/bank", "/v1/deployments/bonk"),
                        ("/v1/projects/bank/environments/production", "/v1/projects/bonk/environments/production"),
                        ("/v1/audit?project=bank", "/v1/audit?project=bonk")):
        (status, text), (no_status, no_text) = said(path), said(other)
        names = [name for name in (path, other) for name in name.replace("?project=", "/").split("/")]
        for name in sorted(set(names) - {"", "v1", "audit", "records", "rollouts", "deployments", "projects", "proof",
                                         "environments", "production"}, key=len, reverse=True):
            text, no_text = text.replace(name, "?"), no_text.replace(name, "?")
        assert (status, text) == (no_status, no_text), path
        assert status in (403, 404)
    page = server.api("GET", "/v1/deployments?project=bank&limit=1", token=token).json()
    assert page == {"deployments": [], "next_cursor": None}


def test_an_agent_goes_back_one_release_alone_and_asks_for_more(server, tmp_path):
    ann, bob = person(server, "ann", "deployer"), person(server, "bob", "approver")
    bot = agent_of(server, ann, "coder")
    for word in ("one", "two", "three"):
        made = server.deploy(write_app(tmp_path / "shop", {"index.html": word}))
        url = server.ok("promote", made["id"], "--json", environment=ann).json()["url"]
    further = server.cli("rollback", "shop", "--to", "1", "--json", environment=bot)
    assert further.code == 4, str(further)
    assert "goes further back" in server.ok("why", further.json()["approval"]).out
    assert http.get(url).text == "three", "what serves goes on"
    server.ok("approve", further.json()["approval"], environment=bob)
    wait_until(lambda: http.get(url).text == "one")
    for word in ("four", "five"):
        made = server.deploy(write_app(tmp_path / "shop", {"index.html": word}))
        server.ok("promote", made["id"], environment=ann)
    assert server.cli("rollback", "shop", "--json", environment=bot).code == 0, "the brake"
    assert http.get(url).text == "four"
    again = server.cli("rollback", "shop", "--json", environment=bot)
    assert again.code == 4, "not step by step, either"
    twice = server.cli("rollback", "shop", "--json", environment=bot)
    assert twice.json()["id"] == again.json()["id"], "the same waits once"
    server.ok("promote", made["id"], environment=ann)

    server.ok("env", "set", "KEY=rotated", "--project", "shop", "--env", "production", environment=ann)
    back = server.cli("rollback", "shop", "--json", environment=bot)
    assert back.code == 4, str(back)
    assert "variables of then" in server.ok("why", back.json()["approval"]).out


def test_an_agent_neither_scales_production_nor_ends_a_pause_alone(server, tmp_path):
    ann, bob = person(server, "ann", "deployer"), person(server, "bob", "approver")
    bot = agent_of(server, ann, "coder")
    app = {"server.js": "require('http').createServer((q, r) => r.end('hi')).listen(process.env.PORT)"}
    for word in ("1", "2"):
        made = server.deploy(write_app(tmp_path / "shop", app | {"word": word}))
        server.ok("promote", made["id"], environment=ann)
    more = server.cli("scale", "shop", "2", "--json", environment=bot)
    assert more.code == 4, str(more)
    assert server.ok("ls", "--json").code == 0
    server.ok("approve", more.json()["approval"], environment=bob)
    assert server.cli("scale", "shop", "3", environment=bot).code == 4, "another number is another change"
    server.ok("scale", "shop", "2", environment=bot)
    server.ok("rollback", "shop", environment=ann)
    assert server.cli("resume", "shop", environment=bot).code == 4
    server.ok("resume", "shop", environment=ann)


def test_what_an_agent_asked_for_ends_with_its_token(server, tmp_path):
    ann, bob = person(server, "ann", "deployer"), person(server, "bob", "approver")
    bot = agent_of(server, ann, "coder")
    made = server.deploy(write_app(tmp_path / "shop", {"index.html": "1"}), environment=bot)
    waits = server.cli("promote", made["id"], "--json", environment=bot)
    assert waits.code == 4, str(waits)
    server.ok("token", "revoke", ids_in(bot)[-1], environment=ann)
    late = server.cli("approve", waits.json()["approval"], environment=bob)
    assert late.code == 4 and "was revoked" in late.err, str(late)
    assert server.ok("rollout", waits.json()["id"], "--json").json()["state"] == "canceled"


def test_a_token_cannot_hide_behind_the_id_of_another(server):
    ann, eve = person(server, "ann", "deployer"), person(server, "eve", "deployer")
    hers = agent_of(server, ann, "coder")
    root, narrowing = ids_in(hers)
    for taken, works in ((root, False), (narrowing, True)):
        assert (server.cli("whoami", environment={"SLIPWAY_TOKEN": forged(eve, taken)}).code == 0) == works
    unclear = server.cli("token", "revoke", narrowing, "--json")
    assert unclear.code == 4 and f"{root}/{narrowing}" in str(unclear), str(unclear)
    of_eve = next(step["command"].split()[-1] for step in unclear.json()["error"]["next"] if root not in step["command"])
    server.ok("token", "revoke", of_eve)
    assert server.cli("whoami", environment={"SLIPWAY_TOKEN": forged(eve, narrowing)}).code == 77
    server.ok("whoami", environment=hers)


def test_what_goes_to_production_is_said_in_the_command_that_takes_it_there(server, tmp_path):
    made = server.ok("deploy", write_app(tmp_path / "shop", {"index.html": "1"}), "--prod", "--json").json()
    server.ok("redeploy", made["id"])
    assert len(server.ok("releases", "shop", "--json").json()["releases"]) == 1
    empty = tmp_path / "empty.toml"
    empty.write_text("")
    assert server.cli("policy", "check", empty).code != 0
    assert server.cli("policy", "set", empty, "--reason", "a test").code == 2
    for option in ("--agent", "--project", "--environment", "--action"):
        assert server.cli("token", "create", option, "").code == 2, option
    place = ("--project", "shop", "--env", "production")
    assert server.cli("env", "set", "-s", "KEY", *place, input="").code == 2
    mistaken = server.cli("env", "set", "A=1", "--project", "shop", "--env", "prod")
    assert mistaken.code == 2 and "production" in mistaken.err, str(mistaken)


def test_whoever_approves_a_setting_sees_what_becomes_of_it(server, tmp_path):
    ann, bob = person(server, "ann", "deployer"), person(server, "bob", "approver")
    bot = agent_of(server, ann, "coder")
    app = {"server.js": "require('http').createServer((q, r) => r.end('hi')).listen(process.env.PORT)"}
    server.ok("promote", server.deploy(write_app(tmp_path / "shop", app))["id"], environment=ann)
    approval = server.cli("scale", "shop", "2", "--json", environment=bot).json()["approval"]
    assert "2 instances" in server.ok("why", approval, environment=bob).out


def test_a_member_undoes_what_they_removed_last(server, tmp_path):
    ann = person(server, "ann", "deployer")
    made = server.ok("deploy", write_app(tmp_path / "shop", {"index.html": "1"}), "--json", environment=ann).json()
    server.ok("rm", made["id"], "-y", environment=ann)
    server.ok("undo", environment=ann)
    assert server.state(made["id"]) == "sleeping" or server.state(made["id"]) == "ready"


def ids_in(holder):
    tail, *blocks, _ = holder["SLIPWAY_TOKEN"].removeprefix("slpt_").split(".")
    texts = [base64.urlsafe_b64decode(block + "=" * (-len(block) % 4)).decode() for block in blocks]
    return ["tok_" + tail, *(text.split("\n")[0].removeprefix("id=") for text in texts)]


def forged(holder, token_id):
    """A narrowing under an id of one's choice, as docs/identity.md says that they are made."""
    *blocks, mac = holder["SLIPWAY_TOKEN"].removeprefix("slpt_").split(".")
    restriction = f"id={token_id}"
    key = base64.urlsafe_b64decode(mac + "=" * (-len(mac) % 4))
    link = hmac.new(key, f"slipway narrowing v1\n{restriction}".encode(), hashlib.sha256).digest()
    encoded = [base64.urlsafe_b64encode(each).decode().rstrip("=") for each in (restriction.encode(), link)]
    return "slpt_" + ".".join([*blocks, *encoded])
