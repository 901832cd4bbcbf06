"""Environment variables and secrets, as a user and an app see them."""
import pathlib

from support import http

APP = {
    "server.js": "const names = ['KEY', 'NAME', 'AT_BUILD'];\n"
                 "const text = () => names.map(n => n + '=' + process.env[n]).join(' ');\n"
                 "console.log('started with ' + text());\n"
                 "require('http').createServer((q, r) => r.end(text())).listen(process.env.PORT);\n",
    "build.js": "console.log('built with ' + process.env.AT_BUILD + ' and ' + process.env.KEY);\n",
    "package.json": '{"scripts": {"start": "node server.js", "build": "node build.js"}}',
}


def page(url):
    return http.get(url).text


def test_secrets_reach_the_app_alone(slipway, project):
    folder = project(APP, name="secretive")
    secret = "sk-canary-5f2a9c"
    slipway.ok("env", "set", "-s", "KEY", "--kind", "both", cwd=folder, input=secret + "\n")
    slipway.ok("env", "set", "NAME=bob", "AT_BUILD=yes", "--kind", "both", cwd=folder)
    url = slipway.ok("deploy", cwd=folder).out.strip()
    assert page(url) == f"KEY={secret} NAME=bob AT_BUILD=yes"

    shown = [slipway.ok("env", "ls", cwd=folder), slipway.ok("env", "ls", "--json", cwd=folder),
             slipway.ok("env", "pull", cwd=folder), slipway.ok("env", "history", "--json", cwd=folder),
             slipway.ok("inspect", url, "--json"), slipway.ok("logs", url), slipway.ok("logs", url, "--build"),
             slipway.ok("audit", "export")]
    for each in shown:
        assert secret not in each.out and secret not in each.err, each.arguments
    assert "started with KEY=*****" in shown[5].out
    assert "built with yes and *****" in shown[6].out
    slipway.ok("logs", url, "--filter", "canary")  # a filter cannot find what is hidden
    assert slipway.ok("logs", url, "--filter", "canary").out == ""
    for file in pathlib.Path(slipway.data).glob("slipway.db*"):
        assert secret.encode() not in file.read_bytes(), file


def test_deployments_keep_the_configuration_they_were_made_with(slipway, project):
    folder = project(APP, name="versioned")
    slipway.ok("env", "set", "NAME=one", cwd=folder)
    first = slipway.ok("deploy", cwd=folder).out.strip()
    slipway.ok("env", "set", "NAME=two", "KEY=k", cwd=folder)
    second = slipway.ok("redeploy", first).out.strip()
    assert "NAME=one" in page(first) and "NAME=two" in page(second)
    assert slipway.ok("env", "rollback", "1", cwd=folder).out.strip() == "3"
    third = slipway.ok("redeploy", second).out.strip()
    assert page(third) == "KEY=undefined NAME=one AT_BUILD=undefined"
    versions = slipway.ok("env", "history", "--json", cwd=folder).json()["versions"]
    assert [each["version"] for each in versions] == [3, 2, 1]
    assert versions[0]["note"] == "rollback to 1"


def test_production_and_previews_do_not_share(slipway, project):
    folder = project(APP, name="apart")
    slipway.ok("env", "set", "-s", "KEY=prod-canary-77", "-E", "production", cwd=folder)
    url = slipway.ok("deploy", cwd=folder).out.strip()
    assert page(url) == "KEY=undefined NAME=undefined AT_BUILD=undefined"
    refused = slipway.cli("env", "pull", "-E", "production", cwd=folder)
    assert refused.code == 2 and "prod-canary" not in refused.out + refused.err


def test_import_reads_a_dotenv_file_and_says_where_it_is_wrong(slipway, project):
    folder = project({**APP, "vars.env": "# ours\nNAME='two words'\nexport KEY=\"a\\nb\"\n"}, name="imported")
    slipway.ok("env", "import", "vars.env", cwd=folder)
    listed = slipway.ok("env", "ls", "--json", cwd=folder).json()
    assert {var["name"]: var["value"] for var in listed["vars"]} == {"NAME": "two words", "KEY": "a\nb"}
    (folder / "bad.env").write_text("A=1\nnonsense canary-line\n")
    refused = slipway.cli("env", "import", "bad.env", cwd=folder)
    assert refused.code == 2 and "bad.env, line 2" in refused.err and "canary" not in refused.err
    assert slipway.ok("env", "ls", "--json", cwd=folder).json()["version"] == listed["version"]


def test_bad_names_are_refused_whole(slipway, project):
    folder = project(APP, name="badnames")
    for words in [["1A=x"], ["GOOD=1", "PORT=80"], ["SLIPWAY_X=1"], ["A-B=1"]]:
        assert slipway.cli("env", "set", *words, cwd=folder).code == 2, words
    assert slipway.cli("env", "rm", "NOTHING", cwd=folder).code == 3
    assert slipway.cli("env", "frobnicate", cwd=folder).code == 2
    assert slipway.cli("env", "ls", "--json", cwd=folder).code == 3, "not even its project was made"


def test_a_rotated_key_still_opens_what_was_sealed_before(slipway, project):
    folder = project(APP, name="rotated")
    slipway.ok("env", "set", "-s", "KEY=before-canary", cwd=folder)
    url = slipway.ok("deploy", cwd=folder).out.strip()
    keys = (pathlib.Path(slipway.data) / "secrets.key").read_text()
    assert int(slipway.ok("env", "rotate-key").out) >= 1
    assert (pathlib.Path(slipway.data) / "secrets.key").read_text() != keys
    again = slipway.ok("redeploy", url).out.strip()
    assert "KEY=before-canary" in page(again)
