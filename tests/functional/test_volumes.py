"""What apps keep: volumes of environments and of previews, snapshots, and who may have whose."""
import json
import sqlite3

import pytest

from support import http
from support.slipway import Slipway, wait_until, write_app

# Keeps rows in a file and in an SQLite database; the folder of the database holds code, too.
APP = """
import http.server, os, sqlite3, urllib.parse

def database():
    opened = sqlite3.connect("store/app.db")
    opened.execute("CREATE TABLE IF NOT EXISTS item(name TEXT)")
    return opened

class App(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        word = urllib.parse.parse_qs(url.query).get("word", [""])[0]
        try:
            answer = self.answer(url.path, word)
        except Exception as error:
            answer = "threw " + repr(error)
        body = answer.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer(self, path, word):
        if path == "/keep":
            with open("data/words", "a") as file:
                file.write(word + "\\n")
            with database() as opened:
                opened.execute("INSERT INTO item VALUES(?)", (word,))
            return "kept"
        if path == "/words":
            return ",".join(open("data/words").read().split()) if os.path.exists("data/words") else ""
        if path == "/items":
            with database() as opened:
                return ",".join(row[0] for row in opened.execute("SELECT name FROM item ORDER BY rowid"))
        if path == "/fill":
            with open("data/big", "ab") as file:
                file.write(b"x" * (1 << 20) * int(word))
            return "filled"
        if path == "/read":
            return open(word).read()
        if path == "/env":
            return os.environ.get(word, "(unset)")
        if path == "/exit":
            os._exit(3)
        return "VERSION"

http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), App).serve_forever()
"""
SETTINGS = {"releases": {"bake": "1s", "drain": "1s", "health_interval": "1s"},
            "volumes": {"limit": "64MB", "keep_snapshots": 3}}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = Slipway(tmp_path_factory.mktemp("volumes"), SETTINGS).start()
    yield made
    made.stop()
    made.sweep()


def app(folder, version="one", **more):
    return write_app(folder, {"main.py": APP.replace("VERSION", version), "requirements.txt": "",
                              "slipway.toml": 'volumes = ["data", "store/app.db"]\nstart = "python main.py"\n',
                              "store/README": "the database is made here", **more})


def get(where, path):
    return http.get(where + path).text


def promote(server, reference, *arguments):
    rollout = server.ok("promote", reference, "--json", *arguments).json()
    assert rollout["state"] in ("watching", "done"), rollout
    return rollout


def url_of(server, project, environment="production"):
    return server.api("GET", f"/v1/projects/{project}/environments/{environment}").json()["url"]


def events(server, project):
    records = server.api("GET", f"/v1/audit?project={project}").json()["records"]
    return [(record if isinstance(record, dict) else json.loads(record))["event"] for record in records]


def test_a_preview_keeps_its_data_and_the_next_one_has_a_copy(server, tmp_path):
    first = server.deploy(app(tmp_path / "kept"))
    assert get(first["url"], "/keep?word=one") == "kept"
    second = server.deploy(app(tmp_path / "kept", "two"))
    assert get(second["url"], "/words") == "one" and get(second["url"], "/items") == "one"
    assert get(second["url"], "/read?word=store/README") == "the database is made here"
    get(second["url"], "/keep?word=two")
    assert get(second["url"], "/words") == "one,two"
    assert get(first["url"], "/words") == "one" and get(first["url"], "/items") == "one"
    owners = {each["owner"] for each in server.ok("volume", "ls", "kept", "--json").json()["owners"]}
    assert owners == {first["id"], second["id"]}


def test_production_has_its_own_with_snapshots_to_go_back_to(server, tmp_path):
    preview = server.deploy(app(tmp_path / "ledger"))
    get(preview["url"], "/keep?word=of-the-preview")
    promote(server, preview["id"])
    production = url_of(server, "ledger")
    assert get(production, "/words") == "", "a preview's data stays with it"
    get(production, "/keep?word=customer")
    made = server.ok("volume", "snapshot", "ledger", "-m", "by hand", "--json").json()

    # The copy is a whole database, though the app has it open.
    copy = server.data / "volumes/ledger/production/snapshots" / made["id"] / "volumes/store~app.db/app.db"
    with sqlite3.connect(copy) as opened:
        assert opened.execute("SELECT name FROM item").fetchall() == [("customer",)]

    running = server.cli("volume", "restore", "ledger", made["id"])
    assert running.code == 4 and "--restore" in running.err, str(running)

    second = server.deploy(app(tmp_path / "ledger", "two"), "--release", "true")
    promote(server, second["id"])
    assert get(production, "/items") == "customer", "the next release goes on with the data"
    get(production, "/keep?word=mistake")
    rolled = server.ok("rollback", "ledger", "--restore", made["id"], "--json").json()
    assert rolled["state"] in ("watching", "done"), rolled
    assert get(production, "/words") == "customer" and get(production, "/items") == "customer"
    reasons = [each["reason"] for each in
               server.ok("volume", "snapshots", "ledger", "--json").json()["snapshots"]]
    assert any(made["id"] in reason for reason in reasons), "what was there is kept"
    recorded = events(server, "ledger")
    assert recorded.count("volume.snapshotted") == 2, "by hand, and before the release command"
    assert recorded.count("volume.restored") == 1


def test_previews_have_productions_data_only_when_people_say_so(server, tmp_path):
    preview = server.deploy(app(tmp_path / "secretive"))
    promote(server, preview["id"])
    production = url_of(server, "secretive")
    get(production, "/keep?word=customer")
    other = server.deploy(app(tmp_path / "secretive", "two"), "--alias", "try")
    assert get(other["url"], "/words") == ""

    agent = {"SLIPWAY_TOKEN": server.ok("token", "create", "--agent", "coder", "--ttl", "1h", "-q").out.strip()}
    refused = server.cli("volume", "share", "secretive", "--from", "production", "--with", "previews",
                         environment=agent)
    assert refused.code != 0 and "only people" in refused.err, str(refused)
    server.ok("volume", "share", "secretive", "--from", "production", "--with", "previews")
    copied = server.deploy(app(tmp_path / "secretive", "three"), "--alias", "copied")
    assert get(copied["url"], "/items") == "customer"
    get(copied["url"], "/keep?word=spoiled")
    assert get(production, "/items") == "customer", "it is a copy"
    server.ok("volume", "share", "secretive", "--from", "none")
    assert get(server.deploy(app(tmp_path / "secretive", "four"), "--alias", "later")["url"], "/words") == ""
    assert {"volume.shared", "volume.unshared"} <= set(events(server, "secretive"))


def test_paths_of_the_system_and_of_the_host_are_no_volumes(server, tmp_path):
    folder = app(tmp_path / "greedy")
    (folder / "slipway.toml").write_text('volumes = ["/etc", "/proc/1", "/usr/lib", "data"]\nstart = "python main.py"\n')
    greedy = server.deploy(folder)
    owners = server.ok("volume", "ls", "greedy", "--json").json()["owners"]
    assert [each["name"] for each in owners[0]["volumes"]] == ["data"]
    assert get(greedy["url"], "/keep?word=x").startswith(("kept", "threw"))

    link = app(tmp_path / "linked")
    (link / "slipway.toml").write_text('volumes = ["data"]\nstart = "python main.py"\n')
    (link / "data").symlink_to("store")
    (link / "store" / "words").write_text("of the folder")
    failed = server.deploy_failing(link)
    assert "data" in failed["error"]["message"] and "link" in json.dumps(failed["error"]), failed["error"]


@pytest.mark.long
def test_a_volume_that_is_too_large_is_told_and_stops_the_preview(server, tmp_path):
    filler = server.deploy(app(tmp_path / "filler"))
    get(filler["url"], "/fill?word=80")
    wait_until(lambda: "volumes" in (server.inspect(filler["id"])["state_reason"] or ""), 60, "the limit to be noticed")
