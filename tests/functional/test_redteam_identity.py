"""Attacks on who somebody is, what a token reaches, who has a host name, and what stops an agent: each must fail, and so
must its neighbour."""
import subprocess

import pytest

from support import http


def page(server, host):
    return http.get(f"http://{host}:{server.port}/").text


@pytest.fixture
def people(slipway):
    """Makes a member of a team, and gives their token."""
    def make(name, role, team="default"):
        if team != "default":
            slipway.api("POST", "/v1/teams", {"name": team})
        assert slipway.api("POST", f"/v1/teams/{team}/members/{name}", {"role": role}).status == 200
        made = slipway.api("POST", "/v1/tokens", {"member": name, "team": team})
        assert made.status == 201, made.text
        return made.json()["token"]
    return make


def narrowed(slipway, token, *words):
    return slipway.ok("token", "create", "--offline", *words, "--token", token).out.strip()


def whoami(server, token):
    return server.api("GET", "/v1/whoami", token=token).json()


# --- people and teams

def test_a_name_in_another_team_revokes_nothing_here(slipway, people):
    boss, other = people("boss", "admin"), people("boss", "admin", "rt-makers")
    mine = [each for each in slipway.api("GET", "/v1/tokens", token=boss).json()["tokens"] if each["member"] == "boss"
            and each["team"] == "default"]
    assert slipway.api("DELETE", f"/v1/tokens/{mine[0]['id']}", token=other).status == 403
    assert slipway.api("GET", "/v1/whoami", token=boss).status == 200
    assert whoami(slipway, other)["actor"]["name"] == "rt-makers/boss"


def test_a_name_in_another_team_spends_nobodys_speed(slipway, people):
    ann, other = people("speedy", "viewer"), people("speedy", "viewer", "rt-makers")
    agent, theirs = narrowed(slipway, ann, "--agent", "ci"), narrowed(slipway, other, "--agent", "ci")
    answers = [slipway.api("GET", "/v1/whoami", token=theirs).status for _ in range(700)]
    assert 429 in answers
    assert slipway.api("GET", "/v1/whoami", token=agent).status == 200


def test_another_teams_admin_neither_sees_nor_answers_what_is_the_servers(slipway, people):
    xavier = people("xavier", "admin", "rt-makers")
    assert all(each["project"] for each in slipway.api("GET", "/v1/decisions", token=xavier).json()["decisions"])
    assert slipway.api("POST", "/v1/policy/test", {"point": "policy", "environment": "none"}, token=xavier).status == 403
    assert slipway.api("POST", "/v1/policy", {"text": "x"}, token=xavier).status == 403


def test_a_stranger_leaves_nothing_behind_for_a_project_that_comes_later(slipway, people, project):
    maker = people("xdep", "admin", "rt-makers")
    name = "rt-payments"
    for path, body in ((f"/v1/projects/{name}-a/environments/production/env", {"set": [{"name": "A", "value": "1"}]}),
                       (f"/v1/projects/{name}-b/alerts", {"url": "https://hooks.example/"})):
        assert slipway.api("POST", path, body, token=maker).status < 300
    owned = {each["name"]: each["team"] for each in slipway.api("GET", "/v1/projects").json()["projects"]}
    assert owned[f"{name}-a"] == owned[f"{name}-b"] == "rt-makers"
    for path, body in (("/v1/waivers", {"rule": "r", "project": name, "reason": "x", "for_s": 60}),
                       ("/v1/break-glass", {"project": name, "reason": "x"})):
        assert slipway.api("POST", path, body, token=maker).status == 403


# --- what a token reaches

def test_a_token_for_previews_answers_nothing_about_production(slipway, people, project):
    admin = people("bob", "admin")
    preview = narrowed(slipway, admin, "--environment", "preview")
    site = slipway.deploy(project({"index.html": "1"}))
    name = site["project"]
    hook = slipway.api("POST", f"/v1/projects/{name}/alerts", {"url": "https://hooks.example/"}).json()["id"]
    for method, path, body in (
            ("POST", "/v1/break-glass", {"project": name, "reason": "x"}),
            ("POST", "/v1/waivers", {"rule": "freeze-window", "project": name, "reason": "x", "for_s": 60}),
            ("DELETE", f"/v1/projects/{name}/alerts/{hook}", None),
            ("POST", f"/v1/projects/{name}/alerts/{hook}/test", None),
            ("POST", f"/v1/projects/{name}/environments/production/promotions", {"deployment": site["id"]}),
            ("GET", f"/v1/projects/{name}/environments/production/env", None)):
        assert slipway.api(method, path, body, token=preview).status == 403, (method, path)
    assert slipway.api("GET", f"/v1/projects/{name}/alerts", token=preview).json()["alerts"] == []


# --- host names

def test_a_preview_takes_no_environments_host(slipway, project):
    folder = project({"index.html": "the environment"})
    first = slipway.deploy(folder)
    slipway.ok("promote", first["id"], "--to", "beta")
    host = f"beta--{first['project']}.localhost"
    (folder / "index.html").write_text("mine")
    refused = slipway.cli("deploy", folder, "--alias", "beta", "--json")
    assert refused.code == 4, str(refused)
    assert page(slipway, host) == "the environment"


def test_an_environment_takes_no_aliass_host(slipway, project):
    folder = project({"index.html": "the alias"})
    first = slipway.deploy(folder, "--alias", "gamma")
    refused = slipway.cli("promote", first["id"], "--to", "gamma", "--json")
    assert refused.code in (2, 4), str(refused)
    assert page(slipway, f"gamma--{first['project']}.localhost") == "the alias"


@pytest.mark.parametrize("name", ["rt-task-management", "rt-shop-basketball"])
def test_every_legal_label_names_a_project(slipway, project, name):
    made = slipway.deploy(project({"index.html": name}, name=name))
    assert made["project"] == name
    assert page(slipway, f"preview--{name}.localhost") == name
    assert slipway.inspect(name)["id"] == made["id"]


def test_no_project_has_a_deployments_host_for_a_name(slipway, project):
    made = slipway.deploy(project({"index.html": "x"}, name="rt-hosted"))
    label = made["url"].split("//")[1].split(".")[0]
    refused = slipway.cli("deploy", project({"index.html": "y"}), "--project", label, "--json")
    assert refused.code == 4, str(refused)


# --- what stops an agent

def test_inventing_ids_and_narrowings_uses_up_no_brake(slipway, people):
    ann, admin = people("owner", "deployer"), people("chief", "admin")
    agent = narrowed(slipway, ann, "--agent", "rt-coder")
    for i in range(60):
        slipway.api("DELETE", f"/v1/tokens/tok_{'abcdefghij'[i % 10] * 10}", token=agent)
    tokens = [narrowed(slipway, agent, "--label", str(i)) for i in range(3)]
    assert all(slipway.api("GET", "/v1/whoami", token=each).status == 200 for each in tokens)
    assert slipway.api("POST", "/v1/agents/rt-coder/kill", token=admin).status == 200
    for each in (agent, *tokens):
        assert slipway.api("GET", "/v1/whoami", token=each).status == 401
    assert slipway.api("POST", "/v1/tokens", {"agent": "rt-new"}, token=ann).status == 201
    assert slipway.api("GET", "/v1/whoami", token=ann).status == 200


def test_the_switch_ends_the_agent_of_one_team_and_no_namesake(slipway, people):
    ours = narrowed(slipway, people("twin", "deployer"), "--agent", "rt-twin")
    theirs = narrowed(slipway, people("twin", "deployer", "rt-makers"), "--agent", "rt-twin")
    chief = people("head", "admin", "rt-makers")
    assert whoami(slipway, theirs)["actor"]["name"] == "rt-makers/rt-twin"
    assert whoami(slipway, ours)["actor"]["name"] == "rt-twin"
    assert slipway.api("POST", "/v1/agents/rt-twin/kill?team=default", token=chief).status == 403
    slipway.ok("agent", "kill", "rt-makers/rt-twin", "-y")
    assert slipway.api("GET", "/v1/whoami", token=theirs).status == 401
    assert slipway.api("GET", "/v1/whoami", token=ours).status == 200


# --- nothing surprising

def test_two_folders_of_one_name_do_not_share_a_project_unnoticed(slipway, project, tmp_path):
    one = project({"index.html": "one"}, name="rt-web")
    slipway.deploy(one, "--prod")
    two = tmp_path / "elsewhere" / "rt-web"
    two.mkdir(parents=True)
    (two / "index.html").write_text("two")
    refused = slipway.cli("deploy", two, "--prod", "--json")
    assert refused.code == 4, str(refused)
    assert page(slipway, "rt-web.localhost") == "one"
    assert "--project rt-web" in refused.err + refused.out
    slipway.deploy(one)
    slipway.deploy(two, "--project", "rt-web")
    slipway.deploy(two)  # known from now on


def test_a_checkout_is_the_same_project_wherever_it_lies(slipway, project, tmp_path):
    one, two = project({"index.html": "one"}, name="rt-repo"), tmp_path / "clone" / "rt-repo"
    two.mkdir(parents=True)
    (two / "index.html").write_text("two")
    for folder, url in ((one, "https://ann:secret@example.com/ann/repo.git"), (two, "git@example.com:ann/repo")):
        subprocess.run(["git", "init", "-q", folder], check=True)
        subprocess.run(["git", "-C", folder, "remote", "add", "origin", url], check=True)
        slipway.deploy(folder)


def test_a_projects_name_promotes_its_preview_and_no_experiment(slipway, project):
    folder = project({"index.html": "preview"})
    first = slipway.deploy(folder, "-m", "new checkout")
    (folder / "index.html").write_text("experiment")
    slipway.deploy(folder, "--alias", "beta")
    ran = slipway.ok("promote", first["project"])
    assert f"promoting {first['id']} (preview" in ran.err and "new checkout" in ran.err
    assert page(slipway, f"{first['project']}.localhost") == "preview"


def test_rm_takes_a_yes_and_no_project(slipway, project):
    made = slipway.deploy(project({"index.html": "x"}))
    assert slipway.cli("rm", made["id"]).code == 2
    assert slipway.cli("rm", made["project"], "-y").code == 2
    assert slipway.inspect(made["id"])["state"] in ("ready", "sleeping")
    slipway.ok("rm", made["project"], "--all", "-y")
    assert made["id"] in slipway.ok("ls", "-a", "-n", "1000").out
    assert made["id"] not in slipway.ok("ls", "-n", "1000").out


def test_a_server_that_listens_everywhere_answers_by_number(make_slipway, project, tmp_path):
    server = make_slipway({"server": {"listen": "0.0.0.0:0", "domain": "nowhere.invalid"}})
    by_number = f"http://127.0.0.9:{server.port}"
    signed_in = server.cli("login", "--server", by_number, "--token", server.info["token"], environment={"HOME": str(tmp_path / "h"), "XDG_CONFIG_HOME": str(tmp_path / "h")})
    assert signed_in.code == 0, str(signed_in)
    assert http.request("GET", f"http://{'127.0.0.1'}:{server.port}/healthz").status == 200
    # Its own machine needs no resolver: the address is in server.json.
    local = server.cli("ls", environment={"SLIPWAY_SERVER": "", "SLIPWAY_TOKEN": ""})
    assert local.code == 0, str(local)
    # A name that leads here is not the API's.
    with http.Connection(server.port) as connection:
        assert connection.request("GET", "/v1/whoami", "evil.example", {"Connection": "close"}, None).status == 404


def test_a_failed_login_is_said_by_what_comes_after(make_slipway):
    server = make_slipway()
    alone = {"SLIPWAY_SERVER": "", "SLIPWAY_TOKEN": ""}
    assert server.cli("login", "--server", server.info["url"], "--token", "slp_wrong").code != 0
    assert "failed: using" in server.cli("ls", environment=alone).err
    server.ok("login", "--server", server.info["url"], "--token", server.info["token"])
    assert "failed" not in server.cli("ls", environment=alone).err


# --- caches

def test_an_agents_preview_writes_no_cache_that_a_persons_build_reads(slipway, people, project):
    owner = people("cacher", "deployer")
    agent = narrowed(slipway, owner, "--agent", "rt-poisoner")
    folder = project({"package.json": '{"name":"x","scripts":{"build":"node build.js"}}', "build.js": """
        const fs = require("fs"), dir = process.env.npm_config_cache;
        const was = fs.existsSync(dir + "/planted") ? fs.readFileSync(dir + "/planted", "utf8") : "clean";
        if (process.env.PLANT) fs.writeFileSync(dir + "/planted", "by the agent");
        fs.mkdirSync("dist", {recursive: true}); fs.writeFileSync("dist/index.html", was);"""})
    as_agent = {"environment": {"SLIPWAY_TOKEN": agent}}
    first = slipway.deploy(folder, "--build", "npm run build", "--output", "dist", "-b", "PLANT=1", **as_agent)
    assert page(slipway, f"preview--{first['project']}.localhost") == "clean"
    slipway.deploy(folder, "--build", "npm run build", "--output", "dist")
    assert page(slipway, f"preview--{first['project']}.localhost") == "clean"
