"""Ways round the rules that were found by attacking them, and a neighbour of each: none of them may open again."""
import pathlib
import re
import subprocess

import pytest

from support import http
from support.slipway import Slipway, wait_until, write_app

RULES = """
[[rule]]
id = "no-sec-files"
on = ["preview"]
enforce = "hard"
violations = "SELECT path AS subject FROM file WHERE path LIKE '%.sec' AND change != 'removed'"
message = "{subject} stays here"
[[rule.test]]
expect = "deny"
file = [{ path = "a.sec", change = "added", kind = "source" }]
[[rule.test]]
expect = "pass"
[[rule]]
id = "sql-asks"
on = ["build"]
enforce = "hard"
violations = "SELECT path AS subject FROM file WHERE path LIKE '%.asks' AND change != 'removed'"
message = "{subject} needs a second person"
approvals = { need = 1, roles = ["approver", "admin"], valid_for = "24h" }
[[rule.test]]
expect = "deny"
file = [{ path = "a.asks", change = "added", kind = "source" }]
[[rule.test]]
expect = "pass"
[[rule]]
id = "config-asks"
on = ["config"]
enforce = "hard"
violations = "SELECT c.subject FROM config_change c JOIN request r WHERE r.project = 'conf' AND r.environment = 'production'"
message = "{subject} changes"
approvals = { need = 1, roles = ["approver", "admin"], valid_for = "24h" }
[[rule.test]]
expect = "deny"
request = { project = "conf" }
config_change = [{ kind = "env", name = "A", subject = "env:A", change = "added" }]
[[rule.test]]
expect = "pass"
[[rule]]
id = "removal-asks"
on = ["remove"]
enforce = "soft"
violations = "SELECT id AS subject FROM deployment WHERE alias = 'kept'"
message = "{subject} would go"
approvals = { need = 1, roles = ["approver", "admin"], valid_for = "24h" }
[[rule.test]]
expect = "deny"
deployment = { id = "dpl_a", alias = "kept", state = "ready" }
[[rule.test]]
expect = "pass"
[[rule]]
id = "volumes-stay"
on = ["config"]
enforce = "hard"
violations = "SELECT subject FROM config_change WHERE name = 'volumes' AND change = 'modified'"
message = "{subject} stay"
[[rule.test]]
expect = "deny"
config_change = [{ kind = "setting", name = "volumes", subject = "setting:volumes", change = "modified" }]
[[rule.test]]
expect = "pass"
[[rule]]
id = "slow-agents"
on = ["build"]
enforce = "soft"
violations = \"\"\"
SELECT v.subject, v.deploys_hour FROM velocity v JOIN request r
WHERE r.project = 'pace' AND r.actor_kind = 'agent' AND v.scope = 'actor' AND v.deploys_hour >= 2
\"\"\"
message = "{subject} made {deploys_hour} deployments"
[[rule.test]]
expect = "deny"
request = { project = "pace", actor_kind = "agent" }
velocity = [{ scope = "actor", subject = "actor:a", deploys_hour = 2 }]
[[rule.test]]
expect = "pass"
"""


def person(server, name, role, team="default"):
    server.ok("team", "add", team, name, "--role", role)
    return server.ok("token", "create", "--member", name, "--team", team, "-q").out.strip()


def as_(token):
    return {"SLIPWAY_TOKEN": token}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = Slipway(tmp_path_factory.mktemp("redteam")).start()
    file = made.directory / "policy.toml"
    file.write_text(made.ok("policy", "show").out + RULES)
    made.ok("policy", "set", file, "--reason", "what the attack met")
    made.ann, made.bob = person(made, "ann", "deployer"), person(made, "bob", "approver")
    made.bot = made.ok("token", "create", "--agent", "bot", "--ttl", "1h", "-q").out.strip()
    yield made
    made.close()


def site(tmp_path, name, **files):
    return write_app(tmp_path / name, {"index.html": "x", **{k.replace("__", "."): v for k, v in files.items()}})


def env(server, project, body, token=None, environment="production", path=""):
    return server.api("POST", f"/v1/projects/{project}/environments/{environment}/env{path}", body, token=token)


def set_(name, value, **more):
    return {"set": [{"name": name, "value": value, **more}]}


def open_approvals(server, project):
    rows = server.api("GET", f"/v1/approvals?project={project}").json()["approvals"]
    return [row for row in rows if row["state"] == "open"]


def test_a_rule_on_files_denies_each_time_and_by_every_way_in(server, tmp_path):
    shown = server.deploy(site(tmp_path, "hard"))
    bad = site(tmp_path, "hard", key__sec="k")
    for _ in range(3):
        assert server.cli("deploy", bad).code == 6
    denied = server.deployments(project="hard")[0]
    assert denied["state"] == "failed" and denied["changed"]["base"] == shown["id"]
    assert server.cli("redeploy", denied["id"]).code == 6
    assert http.get(shown["alias_url"] + "/key.sec").status == 404


def test_what_a_rule_forbids_by_now_does_not_come_back(server, tmp_path):
    """An undo shows something again, so it is asked as a deployment is."""
    folder = site(tmp_path, "back", key__sec="k")
    server.ok("policy", "set", _without(server, "no-sec-files"), "--reason", "for a moment", environment=as_(_second(server)))
    old = server.deploy(folder)
    server.ok("rm", old["id"], "-y")
    _restore_rules(server)
    assert server.cli("undo", old["id"]).code == 6
    assert http.get(old["url"] + "/key.sec").status == 410


def test_the_same_folder_waits_for_the_same_approval(server, tmp_path):
    folder = site(tmp_path, "waits", a__asks="1")
    first = server.cli("deploy", folder, "--json")
    assert first.code == 4 and first.json()["state"] == "queued"
    assert server.cli("deploy", folder, "--json").json()["id"] == first.json()["id"]
    assert server.cli("redeploy", first.json()["id"], "--json").json()["id"] == first.json()["id"]
    [request] = open_approvals(server, "waits")
    server.ok("approve", request["id"], environment=as_(server.bob))
    server.wait_state(first.json()["id"], "ready")


def test_an_approval_is_of_one_change_by_one_person_once(server):
    debug = set_("LOG_LEVEL", "debug")
    assert env(server, "conf", debug, server.ann).status == 403
    [request] = open_approvals(server, "conf")
    assert request["variables"][0]["value"] == "debug" and request["change"].startswith("sha256:")
    server.ok("approve", request["id"], environment=as_(server.bob))
    assert env(server, "conf", set_("DATABASE_URL", "postgres://evil"), server.ann).status == 403
    assert env(server, "conf", set_("LOG_LEVEL", "trace"), server.ann).status == 403
    assert env(server, "conf", debug).status == 403  # another person's
    assert env(server, "conf", debug, server.ann).status == 200
    assert server.api("GET", "/v1/approvals/" + request["id"]).json()["used_at"]
    assert env(server, "conf", {"remove": ["LOG_LEVEL"]}, server.ann).status == 403


def test_an_approval_of_a_webhook_is_of_its_address(server):
    """The neighbour: what else asks again once approved."""
    ask = lambda url: server.api("POST", "/v1/projects/conf/alerts", {"url": url, "environment": "production"}, token=server.ann)
    known = {row["id"] for row in open_approvals(server, "conf")}
    assert ask("https://example.com/one").status == 403
    [request] = [row for row in open_approvals(server, "conf") if row["id"] not in known]
    server.ok("approve", request["id"], environment=as_(server.bob))
    assert ask("https://example.com/two").status == 403
    assert ask("https://example.com/one").status == 201


def test_who_left_takes_their_waiting_requests_along(server, tmp_path):
    eve = person(server, "eve", "deployer")
    kim = person(server, "kim", "deployer")
    left = server.cli("deploy", site(tmp_path, "left", a__asks="1"), "--json", environment=as_(eve)).json()
    less = server.cli("deploy", site(tmp_path, "less", a__asks="1"), "--json", environment=as_(kim)).json()
    server.ok("team", "remove", "default", "eve")
    server.ok("team", "add", "default", "kim", "--role", "viewer")
    for deployment, words in ((left, "no longer a member"), (less, "is viewer now")):
        server.wait_state(deployment["id"], "canceled")
        assert words in server.inspect(deployment["id"])["state_reason"]


def test_a_killed_agents_promotion_does_not_go_live(server, tmp_path):
    token = server.ok("token", "create", "--agent", "doomed", "--ttl", "1h", "-q").out.strip()
    deployment = server.deploy(site(tmp_path, "doomed"))
    waiting = server.cli("promote", deployment["id"], "--json", environment=as_(token)).json()
    assert waiting["state"] == "waiting"
    server.ok("agent", "kill", "doomed", "-y")
    ended = wait_until(lambda: (row := server.api("GET", "/v1/rollouts/" + waiting["id"]).json())["state"] == "canceled" and row)
    assert "was killed" in ended["reason"]
    assert server.cli("approve", waiting["approval"], environment=as_(server.bob)).code == 4


def test_a_secret_stays_one(server):
    assert env(server, "keep", set_("API_KEY", "first-plain")).status == 200
    assert env(server, "keep", set_("API_KEY", "canary-secret", secret=True)).status == 200
    evil = {"remove": ["API_KEY"], **set_("API_KEY", "evil")}
    for token, body, path in ((server.bot, evil, ""), (server.bot, {"version": 1}, "/rollback")):
        denied = env(server, "keep", body, token, path=path)
        assert denied.status == 403 and "agent-hands-off" in denied.text
    assert env(server, "keep", evil).status == 200
    [var] = server.api("GET", "/v1/projects/keep/environments/production/env").json()["vars"]
    assert var["secret"] and var["value"] is None
    assert env(server, "keep", {"version": 1}, path="/rollback").json()["vars"][0]["value"] is None


def test_a_plain_change_does_not_ride_with_a_secret(server):
    body = {"set": [{"name": "DATABASE_URL", "value": "postgres://evil"}, {"name": "DUMMY", "value": "x", "secret": True}]}
    denied = env(server, "conf", body, server.ann)
    assert denied.status == 403 and "config-asks" in denied.text


def test_the_log_says_when_a_secrets_name_becomes_plain(server):
    env(server, "unsealed", set_("KEY", "canary", secret=True))
    env(server, "unsealed", {"remove": ["KEY"]})
    env(server, "unsealed", set_("KEY", "plain"))
    log = server.ok("audit", "export").out
    [line] = [row for row in log.splitlines() if '"project":"unsealed"' in row and '"unsealed":' in row.replace('"project":"unsealed"', "")]
    assert '"unsealed":"KEY"' in line


def test_an_agent_puts_no_code_into_production_by_a_variable(server):
    for name in ("NODE_OPTIONS", "LOG_LEVEL"):
        denied = env(server, "agents", set_(name, "--import=data:text/javascript,0"), server.bot)
        assert denied.status == 403 and "agent-config-approved" in denied.text
        assert ("load code that was never deployed" in denied.text) == (name == "NODE_OPTIONS")
    assert env(server, "agents", set_("LOG_LEVEL", "debug"), server.bot, environment="preview").status == 200
    # What builds of previews get is in the artifacts that people promote.
    body = {"set": [{"name": "NODE_OPTIONS", "value": "--import=data:text/javascript,0", "kind": "build"}]}
    denied = env(server, "agents", body, server.bot, environment="preview")
    assert denied.status == 403 and "agent-build-code-approved" in denied.text
    body["set"][0]["secret"] = True
    assert "agent-build-code-approved" in env(server, "agents", body, server.bot, environment="preview").text
    body["set"][0]["secret"] = False
    body["set"][0]["kind"] = "run"
    assert env(server, "agents", body, server.bot, environment="preview").status == 200
    # A person's waits for another person.
    denied = env(server, "people", set_("LD_PRELOAD", "/app/x.so"), server.ann)
    assert denied.status == 403 and "code-variable-approved" in denied.text


def test_what_waits_for_people_is_exit_code_4_and_what_is_denied_6(server):
    bot = as_(server.ok("token", "create", "--agent", "waiter", "--ttl", "1h", "-q").out.strip())
    plain = ("env", "set", "LOG_LEVEL=debug", "--project", "code", "--env", "production")
    assert server.cli(*plain, environment=bot).code == 4
    assert server.cli(*plain, "--secret", environment=bot).code == 6


def test_the_server_says_of_rules_what_the_command_line_says(server):
    rules = """name = "x"
[[rule]]
id = "never"
on = ["config"]
enforce = "soft"
message = "m"
violations = "SELECT path AS subject FROM file WHERE path LIKE '%.pem'"
[[rule.test]]
expect = "deny"
file = [{ path = "a.pem", change = "added" }]
[[rule.test]]
expect = "pass"
"""
    file = server.directory / "never.toml"
    file.write_text(rules)
    there = server.api("POST", "/v1/policy/check", {"text": rules, "replay": 0}).json()["analysis"]
    assert [(row["what"], row["rule"]) for row in there] == [("never_fires", "never")]
    assert server.cli("policy", "check", file, "--json").json()["analysis"] == there


def test_a_value_given_to_a_deployment_is_nowhere_to_be_read(server, tmp_path):
    folder = write_app(tmp_path / "leak", {"serve": "#!/bin/sh\nsleep 60\n"})
    failed = server.cli("deploy", folder, "--json", "--start", "sh serve", "--release",
                        'echo "cannot connect with $STRIPE_KEY and $GIVEN_KEY"; exit 3',
                        "-e", "GIVEN_KEY=given-canary-17", "-b", "BUILT_KEY=built-canary-17")
    env(server, "leak", set_("STRIPE_KEY", "sealed-canary-17", secret=True), environment="preview")
    again = server.cli("redeploy", failed.json()["id"], "--json")
    assert again.code == 7 and again.json()["error"]["phase"] == "release", str(again)
    assert any("cannot connect with *****" in line for line in again.json()["error"]["excerpt"])
    id = again.json()["id"]
    said = [ran.out + ran.err for ran in (failed, again, server.ok("logs", id, "--build"), server.ok("inspect", id))]
    said.append(server.api("GET", "/v1/deployments/" + id).text)
    for accept in ("text/html", "application/json"):
        page = http.get(again.json()["url"], {"Accept": accept})
        said.append(page.text)
        assert "connect with *****" not in page.text, "what an app prints is not for visitors"
    assert "canary-17" not in "".join(said)
    found = subprocess.run(["grep", "-rlE", "(given|sealed|built)-canary-17", server.data, server.directory],
                           capture_output=True, text=True, check=False).stdout.split()
    assert not [path for path in found if "/store/" not in path], found


def test_a_private_key_is_not_served_and_a_certificate_is(server, tmp_path):
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----\n"
    denied = server.cli("deploy", site(tmp_path, "keys", key__pem=key))
    assert denied.code == 6 and "denied by no-key-files: key.pem holds a secret (private key)" in denied.err
    readme = (pathlib.Path(__file__).parents[2] / "README.md").read_text()
    sample = readme.split("error: denied by no-key-files", 1)[1].split("```", 1)[0].splitlines()[1:]
    for line in sample:  # but for the decision's id
        assert re.sub("dec_[a-z2-7]{10}", "", line) in re.sub("dec_[a-z2-7]{10}", "", denied.err), line
    certificate = key.replace("RSA PRIVATE KEY", "CERTIFICATE")
    shown = server.deploy(site(tmp_path, "keys", key__pem=certificate))
    assert http.get(shown["url"] + "/key.pem").text == certificate
    rules = server.ok("policy", "show", "--rules").out
    [line] = [row for row in rules.splitlines() if row.startswith("no-secrets-in-code")]
    assert "inactive: no scanner yet" in line
    assert "no-secrets-in-code (no scanner yet)" in server.ok("why", shown["id"]).out


def test_an_agent_under_another_name_has_the_same_pace(server, tmp_path):
    folder = site(tmp_path, "pace")
    tokens = [server.bot]
    for name in ("bot6", "bot7"):
        tokens.append(server.ok("token", "create", "--offline", "--agent", name, "-q", environment=as_(server.bot)).out.strip())
    codes = []
    for number, token in enumerate(tokens):
        (folder / "index.html").write_text(str(number))
        codes.append(server.cli("deploy", folder, environment=as_(token)).code)
    assert codes == [0, 0, 6]


def test_a_removal_that_waits_is_not_told_as_done(server, tmp_path):
    deployment = server.deploy(site(tmp_path, "gone"), "--alias", "kept")
    waiting = server.cli("rm", deployment["id"], "-y")
    assert waiting.code == 4 and "removed" not in waiting.out + waiting.err, str(waiting)
    waiting = server.cli("rm", deployment["id"], "-y", "--json")
    assert waiting.code == 4 and waiting.json()["removed"] == [] and len(waiting.json()["waiting"]) == 1


def test_going_back_with_volumes_asks_what_going_back_by_hand_asks(server):
    env(server, "vol", set_("A", "1"))
    denied = server.api("POST", "/v1/projects/vol/environments/production/rollbacks", {"restore": "snp_aaaaaaaaaa"})
    assert denied.status == 403 and "volumes-stay" in denied.text


def test_no_error_tells_another_teams_variables(server):
    env(server, "ours", set_("STRIPE_KEY", "x"))
    server.ok("team", "create", "strangers")
    stranger = person(server, "stranger", "deployer", "strangers")
    answers = [env(server, "ours", {"remove": [name]}, stranger) for name in ("STRIPE_KEY", "NOPE")]
    assert {row.status for row in answers} == {403}
    assert answers[0].json()["message"] == answers[1].json()["message"]


def test_decisions_about_the_server_are_for_who_reaches_all_of_it(server):
    made = server.cli("token", "create", "--agent", "long", "--ttl", "30d", "--json")
    decision = made.json()["error"]["decision"]["id"]
    narrow = server.ok("token", "create", "--offline", "--project", "ours", "--action", "read,policy_read", "-q").out.strip()
    assert server.api("GET", "/v1/decisions/" + decision, token=narrow).status == 404
    listed = server.api("GET", "/v1/decisions?limit=1000", token=narrow).json()["decisions"]
    assert all(row["project"] == "ours" for row in listed)
    assert server.api("GET", "/v1/decisions/" + decision).status == 200


def test_an_approval_that_nobody_can_give_says_so_with_the_way_out(make_slipway, tmp_path):
    server = make_slipway()
    bot = as_(server.ok("token", "create", "--agent", "bot", "--ttl", "1h", "-q").out.strip())
    deployment = server.deploy(site(tmp_path, "alone"))
    waiting = server.cli("promote", deployment["id"], environment=bot)
    assert waiting.code == 4, str(waiting)
    assert f"slipway promote {deployment['id']}" in waiting.err and "yourself, as a human" in waiting.err
    assert "slipway team add default NAME --role approver" in waiting.err
    assert "slipway approve" not in waiting.err
    server.ok("promote", deployment["id"])


def _second(server):
    """Weakening the rules takes two people: this one asks, bob's fellow admin agrees."""
    if not hasattr(server, "admins"):
        server.admins = person(server, "root1", "admin"), person(server, "root2", "admin")
    return server.admins[0]


def _set(server, text):
    file = server.directory / "changed.toml"
    file.write_text(text)
    first, second = as_(_second(server)), as_(server.admins[1])
    asked = server.cli("policy", "set", file, "--reason", "a test", environment=first)
    if asked.code == 4:
        [request] = [row for row in server.api("GET", "/v1/approvals").json()["approvals"]
                     if row["action"] == "policy" and row["state"] == "open"]
        server.ok("approve", request["id"], environment=second)
    return file


def _without(server, rule):
    text = server.ok("policy", "show").out
    server.rules = text
    head, rest = text.split(f'[[rule]]\nid = "{rule}"', 1)
    return _set(server, head + "[[rule]]" + rest.split("[[rule]]", 1)[1])


def _restore_rules(server):
    file = server.directory / "restored.toml"
    file.write_text(server.rules)
    server.ok("policy", "set", file, "--reason", "as it was")
