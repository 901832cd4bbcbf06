"""The main job: a folder becomes a URL."""
import re

from support import http
from support.slipway import APPS, EXAMPLES, change


def test_static_folder_answers(slipway, project):
    folder = project(EXAMPLES / "static")
    ran = slipway.ok("deploy", folder)
    url = ran.out.strip()
    assert re.fullmatch(r"http://[a-z0-9-]+\.localhost:\d+", url), "stdout is the URL alone"
    assert "Everything ships" in http.get(url).text
    assert http.get(url + "/about").text.count("<h1>About</h1>") == 1
    assert http.get(url + "/guides/tides").status == 200
    missing = http.get(url + "/nowhere")
    assert missing.status == 404 and "Lost at sea" in missing.text


def test_node_server_answers_and_an_old_deployment_keeps_its_bytes(slipway, probe):
    folder = probe()
    first = slipway.deploy(folder)
    assert http.get(first["url"]).text == "probe one\n"
    change(folder / "server.js", "probe one", "probe two")
    second = slipway.deploy(folder)
    assert second["changed"]["base"] == first["id"]
    assert second["changed"]["modified"] == ["server.js"]
    assert http.get(second["url"]).text == "probe two\n"
    assert http.get(first["url"]).text == "probe one\n"
    assert http.get(second["alias_url"]).text == "probe two\n"
    assert second["alias_url"] == first["alias_url"]


def test_single_python_file_answers(slipway, project):
    folder = project({"app.py": (
        "import http.server, os\n"
        "class Handler(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200)\n"
        "        self.end_headers()\n"
        "        self.wfile.write(b'python here\\n')\n"
        "http.server.ThreadingHTTPServer(('0.0.0.0', int(os.environ['PORT'])), Handler).serve_forever()\n")})
    deployment = slipway.deploy(folder)
    assert http.get(deployment["url"]).text == "python here\n"
    assert deployment["plan"]["services"][0]["provider"] == "python"


def test_express_second_deploy_reuses_its_dependencies(slipway, project):
    folder = project(EXAMPLES / "express")
    first = slipway.deploy(folder)
    assert "Express on Slipway" in http.get(first["url"]).text
    assert first["cache"]["install"] == "miss"
    change(folder / "routes" / "index.js", "Hello from Express", "Ahoy from Express")
    second = slipway.deploy(folder)
    assert second["cache"]["install"] == "hit"
    assert http.get(second["url"] + "/api/status").json()["greeting"] == "Ahoy from Express"
    assert second["uploaded"]["files"] == 1
    assert second["uploaded"]["bytes"] < 8192 + (folder / "routes" / "index.js").stat().st_size


def test_json_has_the_promised_shape(slipway, probe):
    deployment = slipway.deploy(probe(), "-m", "a message", "--alias", "demo", "--ttl", "2h")
    assert re.fullmatch(r"dpl_[a-z2-7]{10}", deployment["id"])
    assert deployment["state"] == "ready" and deployment["error"] is None
    assert deployment["message"] == "a message"
    assert f"//demo--{deployment['project']}.localhost:" in deployment["alias_url"]
    assert f"//{deployment['project']}-{deployment['id'][4:]}.localhost:" in deployment["url"]
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", deployment["source"]["digest"])
    assert deployment["source"]["files"] == 2 and deployment["source"]["bytes"] > 1000
    assert set(deployment["cache"]) == {"install", "build"}
    assert {"hash", "upload", "detect", "start", "total"} <= set(deployment["timings_ms"])
    assert set(deployment["changed"]) == {"base", "added", "modified", "removed"}
    assert deployment["expires_at"] > deployment["created_at"]
    service = deployment["plan"]["services"][0]
    assert {"name", "root", "provider", "framework", "package_manager", "runtime", "install", "build", "start",
            "output_dir", "static", "port", "health_path", "env", "databases", "evidence",
            "confidence"} <= set(service)


def test_variables_reach_the_app_and_nobody_else(slipway, probe):
    deployment = slipway.deploy(probe(), "-e", "GREETING=good day", "-e", "TOKEN=s3cret-value")
    assert http.get(deployment["url"] + "/env?name=GREETING").text == "good day"
    assert http.get(deployment["url"] + "/env?name=TOKEN").text == "s3cret-value"
    assert "s3cret-value" not in slipway.ok("inspect", deployment["id"], "--json").out
    assert "s3cret-value" not in slipway.ok("inspect", deployment["id"]).out


def test_ignored_files_and_dot_env_stay_at_home(slipway, project):
    folder = project({"index.html": "<h1>hi</h1>", ".env": "SECRET=1", "notes/private.txt": "x",
                      ".gitignore": "notes/\n", "node_modules/a/index.js": "x", ".git/config": "x"})
    deployment = slipway.deploy(folder)
    assert deployment["source"]["files"] <= 2
    for path in ["/.env", "/notes/private.txt", "/node_modules/a/index.js", "/.git/config"]:
        assert http.get(deployment["url"] + path).status == 404, path


def test_dry_run_deploys_nothing(slipway, probe):
    folder = probe()
    before = len(slipway.deployments())
    answer = slipway.ok("deploy", folder, "--dry-run", "--json").json()
    assert answer["plan"]["services"][0]["provider"] == "node"
    assert len(slipway.deployments()) == before


def test_no_wait_returns_at_once_and_the_deploy_goes_on(slipway, probe):
    deployment = slipway.ok("deploy", probe(), "--no-wait", "--json").json()
    slipway.wait_state(deployment["id"], "ready")
    assert http.get(deployment["url"]).text == "probe one\n"


def test_the_same_folder_again_sends_nothing(slipway, probe):
    folder = probe()
    first = slipway.deploy(folder)
    second = slipway.deploy(folder)
    assert second["id"] != first["id"] and second["source"] == first["source"]
    assert second["uploaded"]["files"] == 0


def test_start_command_from_a_procfile(slipway, project):
    folder = project(APPS / "probe")
    (folder / "Procfile").write_text("web: PROBE_MARK=procfile node server.js\n")
    deployment = slipway.deploy(folder)
    assert http.get(deployment["url"] + "/env?name=PROBE_MARK").text == "procfile"


def test_answers_replace_what_was_detected(slipway, probe):
    deployment = slipway.deploy(probe(), "--start", "PROBE_MARK=flag node server.js")
    assert http.get(deployment["url"] + "/env?name=PROBE_MARK").text == "flag"


def test_progress_goes_to_stderr(slipway, probe):
    ran = slipway.ok("deploy", probe())
    assert ran.out.count("\n") == 1
    assert "start" in ran.err
    assert "\x1b[" not in ran.err, "no colours or cursor movement when stderr is not a terminal"
