"""Who may do what: tokens made, narrowed offline, exceeded, revoked; teams; the kill switch."""
import json
import stat

from support.slipway import wait_until

PAGE = {"index.html": "<h1>hello</h1>"}


def as_token(token):
    return {"environment": {"SLIPWAY_TOKEN": token}}


def create(slipway, *options, token=None):
    """A token's text and id; the text is all that stdout has."""
    extra = as_token(token) if token else {}
    made = slipway.ok("token", "create", "--json", *options, **extra).json()
    return made["token"], made["id"]


def whoami(slipway, token):
    return slipway.api("GET", "/v1/whoami", token=token)


def refused(ran, code, word):
    assert ran.code == code, str(ran)
    assert ran.json()["error"]["code"] == word, str(ran)
    return ran.json()["error"]


def test_a_member_has_the_role_that_the_team_gave(slipway, project):
    slipway.ok("team", "add", "default", "vera", "--role", "viewer")
    token, _ = create(slipway, "--member", "vera", "--label", "laptop")
    folder = project(PAGE)
    error = refused(slipway.cli("deploy", folder, "--json", **as_token(token)), 77, "permission_denied")
    assert error["cause"] == "not_permitted" and "deployer" in error["hint"]
    slipway.ok("team", "add", "default", "vera", "--role", "deployer")
    deployment = slipway.deploy(folder, **as_token(token))
    assert deployment["state"] == "ready"
    assert slipway.inspect(deployment["id"])["actor"]["name"] == "vera"
    refused(slipway.cli("team", "create", "mine", "--json", **as_token(token)), 77, "permission_denied")
    slipway.ok("team", "remove", "default", "vera")
    assert whoami(slipway, token).status == 401


def test_narrowed_offline_used_exceeded_and_revoked(slipway, project):
    folder, other = project(PAGE), project(PAGE)
    owner, owner_id = create(slipway, "--label", "session")
    # Offline: no server is asked, so one that is not there does no harm.
    narrow = slipway.ok("token", "create", "--offline", "--agent", "coder", "--project", folder.name, "--action",
                        "deploy,read", "--deploys", "2", "--ttl", "1h", "--session", "s-1",
                        environment={"SLIPWAY_TOKEN": owner, "SLIPWAY_SERVER": "http://127.0.0.1:1"}).out.strip()
    me = whoami(slipway, narrow).json()
    assert me["actor"]["kind"] == "agent" and me["actor"]["name"] == "coder"
    assert me["actor"]["on_behalf_of"] == "local" and me["deploys_left"] == 2
    assert sorted(me["permissions"]) == ["deploy", "read"]

    first = slipway.deploy(folder, **as_token(narrow))
    refused(slipway.cli("deploy", other, "--json", **as_token(narrow)), 77, "permission_denied")
    refused(slipway.cli("rm", first["id"], "-y", "--json", **as_token(narrow)), 77, "permission_denied")
    refused(slipway.cli("token", "create", "--member", "local", "--json", **as_token(narrow)), 77,
            "permission_denied")
    slipway.deploy(folder, "--alias", "second", **as_token(narrow))
    refused(slipway.cli("deploy", folder, "--alias", "third", "--json", **as_token(narrow)), 5, "over_budget")

    # A narrower one of it gets no more.
    wider = slipway.ok("token", "create", "--offline", "--deploys", "100", **as_token(narrow)).out.strip()
    refused(slipway.cli("deploy", folder, "--alias", "third", "--json", **as_token(wider)), 5, "over_budget")

    listed = {row["id"]: row for row in slipway.ok("token", "ls", "--json").json()["tokens"]}
    assert any(row["agent"] == "coder" and row["deploys_used"] == 2 for row in listed.values())

    # The parent ends: so does all that came of it.
    slipway.ok("token", "revoke", owner_id)
    for token in (owner, narrow, wider):
        response = whoami(slipway, token)
        assert response.status == 401 and "revoked" in response.json()["message"]
    assert slipway.state(first["id"]) == "ready"


def test_a_stream_ends_when_its_token_does(slipway, project):
    slipway.deploy(project(PAGE, "streamed"))
    token, token_id = create(slipway, "--action", "read")
    follower = None
    try:
        follower = slipway.popen("logs", "streamed", "--build", "-f", "--token", token)
        slipway.ok("token", "revoke", token_id)
        # The build is over, so the stream may end by itself first; it must not go on either way.
        follower.wait(30)
    finally:
        if follower:
            follower.kill()
            follower.communicate()


def test_an_expired_token_is_told_so(slipway):
    token, _ = create(slipway, "--ttl", "1s")
    response = wait_until(lambda: (lambda r: r if r.status == 401 else None)(whoami(slipway, token)), 20)
    assert "expired" in response.json()["message"]


def test_a_team_reaches_its_own_projects_only(slipway, project):
    bank = slipway.deploy(project(PAGE, "bank-of-others"))
    slipway.ok("team", "create", "makers")
    slipway.ok("team", "add", "makers", "mo", "--role", "admin")
    token, _ = create(slipway, "--team", "makers", "--member", "mo")
    own = slipway.deploy(project(PAGE, "made-by-makers"), **as_token(token))
    rows = slipway.ok("ls", "--json", **as_token(token)).json()["deployments"]
    assert [row["id"] for row in rows] == [own["id"]]
    for method, path in [("GET", f"/v1/deployments/{bank['id']}"), ("DELETE", f"/v1/deployments/{bank['id']}"),
                         ("GET", f"/v1/deployments/{bank['id']}/logs")]:
        assert slipway.api(method, path, token=token).status == 404, path
    assert slipway.api("GET", "/v1/agents", token=token).json()["agents"] == []
    refused(slipway.cli("deploy", project(PAGE, "bank-of-others-2"), "--project", "bank-of-others", "--json",
                        **as_token(token)), 77, "permission_denied")
    slipway.ok("team", "add-project", "makers", "bank-of-others")
    assert slipway.api("GET", f"/v1/deployments/{bank['id']}", token=token).status == 200


def test_the_kill_switch(slipway, project):
    folder = project(PAGE)
    agent, _ = create(slipway, "--agent", "rogue")
    helper = slipway.ok("token", "create", "--offline", "--agent", "helper", **as_token(agent)).out.strip()
    mine = slipway.deploy(folder, "--alias", "mine")
    preview = slipway.deploy(folder, "--alias", "agents", **as_token(helper))
    refused(slipway.cli("agent", "kill", "someone", "--json", "-y",
                        **as_token(create(slipway, "--action", "read")[0])), 77, "permission_denied")
    killed = slipway.ok("agent", "kill", "rogue", "-y", "--json").json()
    assert killed["removed"] == [preview["id"]]
    assert whoami(slipway, agent).status == whoami(slipway, helper).status == 401
    assert slipway.state(mine["id"]) == "ready"
    slipway.ok("undo", preview["id"])
    assert slipway.state(preview["id"]) in ("ready", "sleeping")
    # Its name is refused until it is revived; what it held stays dead.
    again, _ = slipway.cli("token", "create", "--offline", "--agent", "rogue").out.strip(), None
    assert whoami(slipway, again).status == 401
    slipway.ok("agent", "revive", "rogue")
    assert whoami(slipway, again).status == 200
    assert whoami(slipway, agent).status == 401


def test_killing_an_agent_that_nobody_has_seen_is_said(slipway):
    real, _ = create(slipway, "--agent", "refactorer")
    assert whoami(slipway, real).status == 200
    ran = slipway.cli("agent", "kill", "refactorrer", "-y")
    assert ran.code == 3 and "killed" not in ran.err and "its name is blocked" in ran.err, ran
    assert "did you mean: slipway agent kill refactorer?" in ran.err
    ran = slipway.cli("agent", "kill", "refactorrer", "-y", "--json")
    assert ran.code == 3 and ran.json()["seen"] is False and ran.json()["similar"] == ["refactorer"]
    assert whoami(slipway, real).status == 200
    made_offline = slipway.ok("token", "create", "--offline", "--agent", "refactorrer").out.strip()
    assert whoami(slipway, made_offline).status == 401, "the brake holds for what was never seen, too"
    assert slipway.cli("agent", "kill", "refactorer", "-y").code == 0
    assert whoami(slipway, real).status == 401


def test_the_same_failure_again_and_again_is_refused_with_its_fix(slipway, project):
    folder = project({"package.json": json.dumps({"name": "loop", "scripts": {"start": "node index.js"}}),
                      "index.js": "process.exit(3)\n"})
    token, _ = create(slipway, "--agent", "looper")
    for _ in range(3):
        slipway.deploy_failing(folder, **as_token(token))
    error = refused(slipway.cli("deploy", folder, "--json", **as_token(token)), 4, "failed_precondition")
    assert error["cause"] == "repeated_failure" and "3 times" in error["message"]
    # Nor under the name of an agent that it made itself.
    renamed, _ = create(slipway, "--agent", "other", token=token)
    refused(slipway.cli("deploy", folder, "--json", **as_token(renamed)), 4, "failed_precondition")
    # Somebody else may try, and so may it with a change.
    slipway.deploy_failing(folder)
    (folder / "index.js").write_text(
        "require('http').createServer((_, r) => r.end('up')).listen(process.env.PORT)\n")
    slipway.deploy(folder, **as_token(token))


def test_too_many_deploys_of_an_agent_get_a_clear_429(slipway, project):
    deployment = slipway.deploy(project(PAGE))
    agent, _ = create(slipway, "--agent", "speeder")
    answers = [slipway.api("POST", f"/v1/deployments/{deployment['id']}/redeploy", {}, token=agent)
               for _ in range(25)]
    limited = [answer for answer in answers if answer.status == 429]
    assert limited and answers[0].status == 202
    assert limited[0].json()["code"] == "rate_limited" and int(limited[0].headers["retry-after"]) >= 1
    slipway.ok("agent", "kill", "speeder", "-y")


def test_tokens_survive_a_restart_and_are_in_no_file(make_slipway, project):
    server = make_slipway()
    token, token_id = create(server, "--agent", "keeper", "--label", "kept")
    dead, dead_id = create(server, "--agent", "keeper2")
    server.ok("token", "revoke", dead_id)
    server.deploy(project(PAGE), **as_token(token))
    key = server.data / "token.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    server.stop()
    server.start()
    assert whoami(server, token).status == 200
    assert whoami(server, dead).status == 401
    row = next(row for row in server.ok("token", "ls", "--json").json()["tokens"] if row["id"] == token_id)
    assert row["last_used_at"] and row["label"] == "kept"
    for secret in (token, dead, key.read_text().strip()):
        needle = secret.rsplit(".", 1)[-1].encode()
        for path in [*server.data.rglob("*"), server.log]:
            if path.is_file() and path != key:
                assert needle not in path.read_bytes(), path
