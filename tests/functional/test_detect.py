"""What the command line says of a folder, and what it keeps in slipway.toml."""
import json

APP = {"package.json": json.dumps({"name": "a", "scripts": {"start": "node server.js"}, "dependencies": {"express": "4"}}),
       "server.js": "const app = require('express')();\napp.listen(process.env.PORT);\n",
       "other.js": "require('./server.js');\n"}


def test_the_account_names_lines_and_losers(slipway, project):
    out = slipway.ok("detect", project({**APP, "index.html": "<h1>x</h1>"})).out
    assert "express (node)" in out and "package.json:1" in out
    assert "not taken" in out and "static" in out and "fix:" in out


def test_one_field_is_explained_with_how_to_say_otherwise(slipway, project):
    out = slipway.ok("detect", project(APP), "--explain", "start").out
    assert "start is node server.js" in out and "package.json:1" in out and "--start" in out
    wrong = slipway.cli("detect", project(APP), "--explain", "colour")
    assert wrong.code == 2 and "runtime" in wrong.err


def test_init_keeps_only_what_differs_and_detection_follows_it(slipway, project):
    folder = project(APP)
    slipway.ok("init", folder, "--start", "node other.js", "--health", "/")
    text = (folder / "slipway.toml").read_text()
    assert 'start = "node other.js"' in text and "health" not in text and "install" not in text
    assert slipway.ok("detect", folder, "--json").json()["services"][0]["start"] == "node other.js"
    assert slipway.cli("init", folder).code == 4
    slipway.ok("init", folder, "-y", "--runtime", "node@22")
    text = (folder / "slipway.toml").read_text()
    assert 'start = "node other.js"' in text and 'runtime = "node@22"' in text
    flag = slipway.ok("detect", folder, "--json", "--start", "node x.js").json()
    assert flag["services"][0]["start"] == "node x.js"


def test_a_project_decides_nothing_about_policy(slipway, project):
    plan = slipway.ok("detect", project({**APP, "slipway.toml": "[sandbox]\nprivileged = true\n"}), "--json").json()
    assert "setting_refused" in [warning["code"] for warning in plan["warnings"]]
    assert [finding["rule"] for finding in plan["findings"] if "setting" in finding["code"]] == ["detect/setting_refused"]


def test_services_of_a_project_refer_to_each_other(slipway, project):
    folder = project({
        "web/package.json": json.dumps({"name": "web", "scripts": {"build": "vite build"}, "devDependencies": {"vite": "5"}}),
        "web/index.html": "<div></div>", "web/main.js": "fetch(import.meta.env.VITE_API_URL)",
        **{f"api/{name}": text for name, text in APP.items()}})
    plan = slipway.ok("detect", folder, "--json").json()
    web, api = plan["services"]
    assert (web["name"], api["name"]) == ("web", "api") and plan["questions"] == []
    assert web["needs_services"] == ["api"] and api["needs_services"] == []
    assert [(wire["env"], wire["service"], wire["when"]) for wire in web["wires"]] == [("VITE_API_URL", "api", "build")]
