"""What the policies decide, and what people do about it: denials, waivers, approvals, emergencies, versions."""
import json
import threading
import http.server

import pytest

from support.slipway import Slipway, wait_until

DENYING = """
[[rule]]
id = "no-forbidden-file"
why = "It must not leave the house."
on = ["build"]
enforce = "soft"
violations = "SELECT path AS subject, path, bytes FROM file WHERE path = 'forbidden.txt' AND change != 'removed'"
message = "{subject} must not be deployed"
[[rule.test]]
name = "it is there"
expect = "deny"
file = [{ path = "forbidden.txt", change = "added", kind = "source", bytes = 4 }]
[[rule.test]]
name = "another one"
expect = "pass"
file = [{ path = "index.html", change = "added", kind = "source", bytes = 4 }]
"""

ASKING = """
[[rule]]
id = "big-needs-approval"
on = ["build"]
enforce = "soft"
violations = "SELECT 'change' AS subject, added FROM change WHERE added > 3"
message = "{added} new files"
approvals = { need = 1, roles = ["approver", "admin"], valid_for = "24h" }
[[rule.test]]
expect = "deny"
change = { added = 4 }
[[rule.test]]
expect = "pass"
change = { added = 3 }
"""

REMOVING = """
[[rule]]
id = "removal-needs-approval"
on = ["remove"]
enforce = "soft"
violations = "SELECT subject FROM config_change WHERE kind = 'deployment'"
message = "{subject} would go"
approvals = { need = 1, roles = ["approver", "admin"], valid_for = "24h" }
[[rule.test]]
expect = "deny"
config_change = [{ kind = "deployment", name = "dpl_a", subject = "deployment:dpl_a", change = "removed" }]
[[rule.test]]
expect = "pass"
"""


@pytest.fixture
def policed(tmp_path):
    server = Slipway(tmp_path).start()
    yield server
    if server.process is None:
        server.start()
    reset(server)
    server.close()


def folder(tmp_path, name, **files):
    made = tmp_path / name
    made.mkdir(exist_ok=True)
    for path, text in files.items():
        (made / path.replace("__", ".")).write_text(text)
    return made


def add_rules(server, *rules):
    """The active policy with these rules at its end becomes the next version."""
    text = server.ok("policy", "show").out + "".join(rules)
    file = server.directory / "policy.toml"
    file.write_text(text)
    return server.ok("policy", "set", file, "--reason", "a test", "--json").json()


def reset(server):
    """Back to rules that let the test's own removals pass; a person who could approve would have to."""
    versions = server.ok("policy", "show", "--all", "--json").json()["policies"]
    if versions[0]["version"] == 1:
        return
    for row in server.api("GET", "/v1/teams").json()["teams"]:
        for member in row["members"]:
            if member["name"] != "local":
                server.api("DELETE", f"/v1/teams/{row['name']}/members/{member['name']}")
    file = server.directory / "policy.toml"
    file.write_text(server.ok("policy", "show", "--version", "1").out)
    server.ok("policy", "set", file, "--reason", "as it was")


def person(server, name, role):
    """A member with a token; returns the environment in which the CLI is that person."""
    server.ok("team", "add", "default", name, "--role", role)
    token = server.ok("token", "create", "--member", name, "-q").out.strip()
    return {"SLIPWAY_TOKEN": token}


def agent(server, name):
    token = server.ok("token", "create", "--agent", name, "--ttl", "1h", "-q").out.strip()
    return {"SLIPWAY_TOKEN": token}


def decision_of(ran):
    assert ran.code == 6, str(ran)
    error = ran.json()["error"]
    assert error["code"] == "denied_by_policy" and error["phase"] == "policy"
    return error["decision"]


def test_the_default_set_lets_an_ordinary_preview_through_and_says_why(policed, tmp_path):
    deployment = policed.deploy(folder(tmp_path, "plain", index__html="<h1>hello</h1>"))
    why = policed.ok("why", deployment["id"], "--json").json()
    assert why["verdict"] == "allow" and why["point"] == "preview" and why["policy"]["version"] == 1
    assert why["resource"] == "deployment/" + deployment["id"] and why["rules"]
    assert "allowed" in policed.ok("why", why["id"]).out
    points = {row["point"] for row in policed.ok("why", "--json").json()["decisions"]}
    assert points == {"build", "preview"}
    dry = policed.ok("deploy", tmp_path / "plain", "--dry-run", "--json").json()
    assert [row["verdict"] for row in dry["decisions"]] == ["allow", "allow"]


def test_a_denial_is_data_and_a_waiver_lifts_it_for_a_time(policed, tmp_path):
    add_rules(policed, DENYING)
    bad = folder(tmp_path, "bad", index__html="x", forbidden__txt="no")
    denied = policed.cli("deploy", bad, "--json")
    decision = decision_of(denied)
    [violation] = [row for row in decision["violations"] if row["state"] == "blocks"]
    assert violation["rule"] == "no-forbidden-file" and violation["subject"] == "forbidden.txt"
    assert violation["row"]["bytes"] == 2 and violation["message"] == "forbidden.txt must not be deployed"
    assert decision["remedies"] and all("actor_may" in row for row in decision["remedies"])
    assert "slipway why " + decision["id"] in denied.err
    assert policed.ok("why", decision["id"], "--json").json()["violations"] == decision["violations"]
    assert not policed.deployments(project="bad")
    # What if it were not there?
    assert policed.cli("policy", "test", "--decision", decision["id"]).code == 6
    assert policed.ok("policy", "test", "--decision", decision["id"], "--assume", "file=none")
    assert policed.cli("deploy", bad, "--dry-run", "--json").json()["decisions"][0]["verdict"] == "deny"

    ann = person(policed, "ann", "approver")
    waiver = policed.ok("waive", "no-forbidden-file", "--project", "bad", "--reason", "it is a joke",
                        "--for", "6s", "--json").json()
    assert waiver["state"] == "requested"
    assert policed.cli("approve", waiver["id"]).code == 77  # its author
    assert policed.cli("deploy", bad).code == 6
    assert policed.cli("approve", waiver["id"], environment=agent(policed, "bot")).code == 77
    policed.ok("approve", waiver["id"], environment=ann)
    passed = policed.deploy(bad)
    build = [row for row in policed.ok("why", "--json").json()["decisions"]
             if row["resource"] == "deployment/" + passed["id"] and row["point"] == "build"]
    assert build[0]["violations"][0]["state"] == "waived"
    assert build[0]["violations"][0]["lifted_by"] == waiver["id"]
    wait_until(lambda: policed.ok("waive", "--list", "--json").json()["waivers"][0]["state"] == "expired",
               30, "the waiver to expire")
    # Another alias: what an alias has already is no change of it.
    decision = decision_of(policed.cli("deploy", bad, "--alias", "later", "--json"))
    assert decision["violations"][0]["rule"] == "no-forbidden-file"
    assert policed.cli("waive", "no-forbidden-file", "--project", "bad", "--reason", "x", "--for", "31d").code == 2
    assert policed.cli("waive", "agent-hands-off", "--project", "bad", "--reason", "x").code == 4  # hard


def test_what_needs_approval_waits_survives_kill_and_goes_on_by_itself(policed, tmp_path):
    add_rules(policed, ASKING)
    ann, bot = person(policed, "ann", "approver"), agent(policed, "bot")
    big = folder(tmp_path, "big", index__html="x", a__txt="a", b__txt="b", c__txt="c")
    waiting = policed.cli("deploy", big, "--json")
    assert waiting.code == 4, str(waiting)
    deployment = waiting.json()
    assert deployment["state"] == "queued"
    approval = deployment["approval"]
    assert deployment["waits_for"] == "approval" and deployment["state_reason"] == f"waiting for approval {approval}"
    [row] = policed.ok("approvals", "--json").json()["approvals"]
    assert row["id"] == approval and row["needs"][0]["rule"] == "big-needs-approval"
    assert policed.ok("why", deployment["id"], "--json").json()["verdict"] == "pending"

    assert policed.cli("approve", approval).code == 77  # its author
    assert policed.cli("approve", approval, environment=bot).code == 77
    policed.kill()
    policed.start()
    assert policed.state(deployment["id"]) == "queued"
    voted = policed.ok("approve", approval, "--reason", "fine", "--json", environment=ann).json()
    assert voted["state"] == "approved"
    ready = policed.wait_state(deployment["id"], "ready") and policed.inspect(deployment["id"])
    assert ready["waits_for"] is None and ready["approval"] is None
    assert policed.cli("approve", approval, environment=ann).code == 4
    # An agent's own deployment is not approved by the human it acts for.
    mine = policed.cli("deploy", big, "--json", "--alias", "bots", environment=bot).json()
    assert policed.cli("approve", mine["approval"]).code == 77
    policed.ok("reject", mine["approval"], "--reason", "no", environment=ann)
    assert policed.wait_state(mine["id"], "canceled")
    assert "ann" in policed.inspect(mine["id"])["state_reason"]


def test_a_removal_waits_too(policed, tmp_path):
    deployment = policed.deploy(folder(tmp_path, "plain", index__html="x"))
    add_rules(policed, REMOVING)
    ann = person(policed, "ann", "admin")
    waiting = policed.api("DELETE", f"/v1/deployments/{deployment['id']}").json()
    assert waiting["state"] == "ready" and waiting["state_reason"].startswith("removal is waiting for approval apr_")
    again = policed.api("DELETE", f"/v1/deployments/{deployment['id']}").json()
    assert again["state_reason"] == waiting["state_reason"] and again["waits_for"] == "approval"
    policed.ok("approve", waiting["approval"], environment=ann)
    assert policed.state(deployment["id"]) == "deleted"


def test_a_preview_that_waits_beside_rules_on_its_plan_goes_on_once_approved(policed, tmp_path):
    """The default set reads the plan, which was made before it waited."""
    add_rules(policed, ASKING.replace('on = ["build"]', 'on = ["preview"]'))
    ann = person(policed, "ann", "approver")
    big = folder(tmp_path, "planned", index__html="x", a__txt="a", b__txt="b", c__txt="c")
    waiting = policed.cli("deploy", big, "--json")
    assert waiting.code == 4, str(waiting)
    again = policed.cli("deploy", big, "--json")
    assert again.code == 4 and again.json()["id"] == waiting.json()["id"], str(again)
    voted = policed.ok("approve", waiting.json()["approval"], "--json", environment=ann).json()
    assert voted["state"] == "approved"
    policed.wait_state(waiting.json()["id"], "ready")


def test_what_nobody_approves_in_time_is_over(tmp_path):
    server = Slipway(tmp_path, {"policy": {"approval_timeout": "2s"}}).start()
    add_rules(server, ASKING)
    big = folder(tmp_path, "big", index__html="x", a__txt="a", b__txt="b", c__txt="c")
    deployment = server.cli("deploy", big, "--json").json()
    server.wait_state(deployment["id"], "canceled", seconds=20)
    assert "nobody approved it in time" in server.inspect(deployment["id"])["state_reason"]
    server.close()


def test_break_glass_takes_two_people_and_no_agent(policed, tmp_path):
    add_rules(policed, DENYING)
    bad = folder(tmp_path, "bad", index__html="x", forbidden__txt="no")
    ann, bot = person(policed, "ann", "admin"), agent(policed, "bot")
    assert policed.cli("break-glass", "--project", "bad", "--reason", "fire", environment=bot).code == 77
    assert policed.cli("break-glass", "--project", "bad", "--reason", "fire").code == 3, "there is no such project"
    assert policed.cli("deploy", bad).code == 6
    emergency = policed.ok("break-glass", "--project", "bad", "--reason", "fire", "--json").json()
    assert policed.cli("deploy", bad).code == 6  # one person is not enough
    assert policed.cli("approve", emergency["id"]).code == 77
    assert policed.ok("approve", emergency["id"], "--json", environment=ann).json()["state"] == "active"
    made = policed.deploy(bad)
    build = [row for row in policed.ok("why", "--json").json()["decisions"]
             if row["resource"] == "deployment/" + made["id"] and row["point"] == "build"]
    assert build[0]["verdict"] == "allow" and build[0]["break_glass"] == emergency["id"]
    # Other aliases: what an alias has already is no change of it.
    decision_of(policed.cli("deploy", bad, "--alias", "bots", "--json", environment=bot))  # never for an agent
    policed.ok("break-glass", "--end", emergency["id"])
    decision_of(policed.cli("deploy", bad, "--alias", "later", "--json"))


def test_an_agents_token_ends_within_a_week(policed):
    decision = decision_of(policed.cli("token", "create", "--agent", "bot", "--ttl", "30d", "--json"))
    assert decision["point"] == "token" and decision["violations"][0]["rule"] == "token-bounds"
    made = policed.ok("token", "create", "--agent", "bot", "--json").json()  # a week, unless it says sooner
    assert policed.ok("whoami", environment={"SLIPWAY_TOKEN": made["token"]})


def test_sets_are_checked_replayed_versioned_and_signed(policed, tmp_path):
    policed.deploy(folder(tmp_path, "bad", index__html="x", forbidden__txt="no"))
    text = policed.ok("policy", "show").out
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(text + DENYING.replace("path = 'forbidden.txt'", "bytes >= 'large'"))
    refused = policed.cli("policy", "set", wrong, "--json")
    assert refused.code == 2 and refused.json()["error"]["excerpt"], str(refused)
    assert policed.cli("policy", "check", wrong).code == 2
    untested = tmp_path / "untested.toml"
    untested.write_text(text + DENYING.split("[[rule.test]]")[0])
    assert policed.cli("policy", "set", untested).code == 2
    assert [row["version"] for row in policed.ok("policy", "show", "--all", "--json").json()["policies"]] == [1]

    right = tmp_path / "right.toml"
    right.write_text(text + DENYING)
    assert policed.ok("policy", "check", right, "--json").json()["usable"]
    replayed = policed.ok("policy", "replay", right, "--json").json()
    assert [(row["was"], row["now"]) for row in replayed["flips"]] == [("allow", "deny")]
    assert replayed["added"] == ["no-forbidden-file"]
    assert not policed.ok("policy", "replay", right, "--advisory-first", "--json").json()["flips"]
    advisory = policed.ok("policy", "set", right, "--advisory-first", "--json").json()
    assert advisory["version"] == 2 and advisory["advisory"] == ["no-forbidden-file"] and advisory["signature"]
    policed.deploy(tmp_path / "bad", "--alias", "advised")
    why = policed.ok("why", "--json").json()["decisions"]
    assert any(row["state"] == "advises" for decision in why for row in decision["violations"])
    policed.kill()
    policed.start()
    assert policed.ok("policy", "show", "--json").json()["version"] == 2
    assert policed.cli("policy", "set", right, environment=agent(policed, "bot")).code == 77


class Opa(http.server.BaseHTTPRequestHandler):
    answer = b'{"result": true}'
    asked = []
    release = threading.Event()

    def do_POST(self):  # noqa: N802 (the library's name)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Opa.asked.append(body["input"])
        if Opa.answer is None:
            Opa.release.wait(20)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(Opa.answer)))
        self.end_headers()
        self.wfile.write(Opa.answer)

    def log_message(self, *_):
        pass


def test_an_opa_must_agree_and_silence_denies(tmp_path):
    opa = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Opa)
    threading.Thread(target=opa.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{opa.server_address[1]}/v1/data/slipway/allow"
    server = Slipway(tmp_path, {"policy": {"opa_url": url}}).start()
    site = folder(tmp_path, "plain", index__html="x")
    first = server.deploy(site)
    assert {row["point"] for row in Opa.asked} >= {"build", "preview"}
    assert Opa.asked[0]["facts"]["tables"]["request"][0]["actor_kind"] == "human"
    Opa.answer = b'{"result": {"allow": false, "reasons": ["not today"]}}'
    decision = decision_of(server.cli("deploy", site, "--json"))
    assert any(row["rule"] == "second-opinion" and "not today" in row["message"] for row in decision["violations"])
    for bad in (b"{}", b"nonsense", b'{"result": "yes"}', None):
        Opa.answer = bad
        decision_of(server.cli("deploy", site, "--json"))
    Opa.release.set()
    Opa.answer = b'{"result": true}'
    assert server.state(first["id"]) == "ready"
    server.close()
    opa.shutdown()
