"""Folders as AI builders leave them behind: what is stale, foreign or missing is repaired within the deploy, visibly."""
import json

import pytest

from support import http

SERVER = "require('http').createServer((q,r)=>r.end('ok')).listen(process.env.PORT)\n"


def codes(deployment):
    return [finding["code"] for finding in deployment["findings"]]


@pytest.mark.long
def test_a_lockfile_that_lacks_a_package_is_not_held_to(slipway, project):
    # npm's own account of package.json agrees, so only the install itself finds out.
    lock = {"name": "app", "lockfileVersion": 3, "requires": True,
            "packages": {"": {"name": "app", "dependencies": {"ms": "^2.1.0"}}}}
    folder = project({"package.json": json.dumps({"name": "app", "private": True, "dependencies": {"ms": "^2.1.0"},
                                                  "scripts": {"start": "node server.js"}}),
                      "package-lock.json": json.dumps(lock),
                      "server.js": "const ms = require('ms');\nrequire('http').createServer((q,r)=>"
                                   "r.end(String(ms('1s')))).listen(process.env.PORT)\n"}, name="stale")
    refused = slipway.cli("deploy", folder, "--no-repair", "--json")
    assert refused.code == 7 and refused.json()["error"]["cause"] == "lockfile_mismatch", refused

    first = slipway.ok("deploy", folder, "--json").json()
    assert codes(first) == ["repaired_unfrozen_install"], first["findings"]
    assert "package-lock-only" in first["findings"][0]["fix"]
    # What was resolved is kept: the next deploy installs nothing, and does not fail first.
    (folder / "server.js").write_text((folder / "server.js").read_text() + "// edited\n")
    second = slipway.cli("deploy", folder, "--json")
    assert second.json()["cache"]["install"] == "hit" and codes(second.json()) == ["repaired_unfrozen_install"], second


def test_only_what_is_public_in_a_file_of_variables_reaches_the_build(slipway, project):
    folder = project({"package.json": json.dumps({"name": "app", "private": True, "scripts": {"start": "node server.js"}}),
                      ".gitignore": ".env\n", ".env": "VITE_A=public-value\nDATABASE_URL=postgres://canary-secret\n",
                      "server.js": "const fs = require('fs');\nconst url = process.env.DATABASE_URL;\n"
                                   "require('http').createServer((q,r)=>r.end(fs.readFileSync('.env')))"
                                   ".listen(process.env.PORT)\n"}, name="values")
    ran = slipway.ok("deploy", folder, "--json")
    deployment = ran.json()
    assert http.get(deployment["url"]).text == "VITE_A=public-value\n"
    unset = [f for f in deployment["findings"] if f["code"] == "variable_unset"]
    assert [(f["file"], f["line"]) for f in unset] == [("server.js", 2)] and "DATABASE_URL" in unset[0]["message"]
    assert "sends VITE_A (.env)" in ran.err and "slipway env import -s .env" in ran.err, ran
    assert "canary" not in str(ran)


def test_a_build_that_ends_by_itself_says_which_variable_nobody_set(slipway, project):
    folder = project({"package.json": json.dumps({"name": "app", "private": True, "scripts": {
                          "build": "node build.js", "start": "node server.js"}}),
                      "build.js": "const url = process.env.POSTGRES_URL;\nif (!url) { console.error('nothing to connect to'); "
                                  "process.exit(1) }\n", "server.js": SERVER}, name="unconnected")
    failed = slipway.cli("deploy", folder, "--json")
    assert failed.code == 7 and failed.json()["error"]["phase"] == "build", failed
    assert "nobody set POSTGRES_URL (build.js:1)" in failed.json()["error"]["hint"], failed
    assert failed.json()["error"]["next"][0]["command"] == "slipway deploy -b POSTGRES_URL=VALUE"
    assert slipway.cli("deploy", folder, "-b", "POSTGRES_URL=x").code == 0


@pytest.mark.long
def test_types_that_do_not_check_stop_no_page(slipway, project):
    folder = project({"package.json": json.dumps({
        "name": "typed", "private": True, "type": "module", "scripts": {"build": "tsc && vite build"},
        "devDependencies": {"vite": "^5.4.0", "typescript": "^5.6.0"}}),
        "tsconfig.json": json.dumps({"compilerOptions": {"strict": True, "noEmit": True, "module": "esnext",
                                                         "moduleResolution": "bundler", "skipLibCheck": True},
                                     "include": ["src"]}),
        "src/main.ts": "const n: number = 'one'\ndocument.body.append(String(n))\n",
        "index.html": "<body><script type=module src=/src/main.ts></script></body>"}, name="typed")
    assert slipway.cli("deploy", folder, "--no-repair", "--json").json()["error"]["cause"] == "type_error"
    deployment = slipway.ok("deploy", folder, "--json").json()
    assert codes(deployment) == ["repaired_type_check"], deployment["findings"]
    assert deployment["findings"][0]["file"] == "src/main.ts"
    assert http.get(deployment["url"]).status == 200


def test_what_the_first_page_lacks_is_said_beside_its_url(slipway, project):
    folder = project({"index.html": "<div id=root></div><script src=/assets/app.js></script>"}, name="blank")
    ran = slipway.ok("deploy", folder, "--json")
    assert codes(ran.json()) == ["asset_missing"] and "/assets/app.js" in ran.json()["findings"][0]["message"], ran
    assert "/assets/app.js" in ran.err


@pytest.mark.long
def test_a_change_of_a_local_python_package_is_what_serves(slipway, project):
    folder = project({"requirements.txt": "./libs/greet\n",
                      "libs/greet/pyproject.toml": "[project]\nname = 'greet'\nversion = '1.0'\n"
                                                   "[build-system]\nrequires = ['setuptools']\n"
                                                   "build-backend = 'setuptools.build_meta'\n",
                      "libs/greet/greet/__init__.py": "def hello():\n    return 'old'\n",
                      "app.py": "import http.server, os, greet\n"
                                "class H(http.server.BaseHTTPRequestHandler):\n"
                                "    def do_GET(self):\n"
                                "        self.send_response(200)\n        self.end_headers()\n"
                                "        self.wfile.write(greet.hello().encode())\n"
                                "http.server.HTTPServer(('', int(os.environ['PORT'])), H).serve_forever()\n"},
                     name="greeting")
    assert http.get(slipway.ok("deploy", folder, "--json").json()["url"]).text == "old"
    (folder / "libs/greet/greet/__init__.py").write_text("def hello():\n    return 'new'\n")
    assert http.get(slipway.ok("deploy", folder, "--json").json()["url"]).text == "new"


@pytest.mark.long
def test_yarn_of_today_installs_and_runs_without_node_modules(slipway, project):
    folder = project({"package.json": json.dumps({"name": "pnp", "private": True, "packageManager": "yarn@4.5.0",
                                                  "dependencies": {"ms": "2.1.3"}, "scripts": {"start": "node server.js"}}),
                      ".yarnrc.yml": "enableTelemetry: false\n",
                      "server.js": "const ms = require('ms');\nrequire('http').createServer((q,r)=>"
                                   "r.end(String(ms('1s')))).listen(process.env.PORT)\n"}, name="pnp")
    assert http.get(slipway.ok("deploy", folder, "--json").json()["url"]).text == "1000"
