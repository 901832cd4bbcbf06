"""Production beside its own previews: what they cannot read, reach, starve or become."""
import json
import os
import pathlib
import urllib.parse

import pytest

from support import http
from support.slipway import APPS, Slipway, copy_app, wait_until

SETTINGS = {"releases": {"bake": "1s", "drain": "1s", "health_interval": "1s"},
            "instances": {"memory": "192MB", "disk": "64MB", "pids": 200}}
SECRET = "sk-live-51H8xQ2eZvKYlo2C"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = Slipway(tmp_path_factory.mktemp("production"), SETTINGS).start()
    try:
        made.ok("env", "set", "-s", f"API_KEY={SECRET}", "--project", "shop", "--env", "production")
        for environment in ("staging", "production"):
            made.ok("env", "set", "PROBE_CRASH=", "--project", "shop", "--env", environment)
        folder = copy_app(APPS / "probe", made.directory / "shop")
        (folder / "slipway.toml").write_text('volumes = ["data"]\n')
        made.preview = made.deploy(folder)
        for environment in ("staging", "production"):
            made.ok("promote", made.preview["id"], "--to", environment, "-q")
        made.urls = {"preview": made.preview["url"],
                     **{name: made.api("GET", f"/v1/projects/shop/environments/{name}").json()["url"]
                        for name in ("staging", "production")}}
        yield made
        made.stop()
    finally:
        made.sweep()


@pytest.fixture(autouse=True)
def production_goes_on(server):
    """Whatever a test does to previews, production answers from the same process before and after."""
    boot = http.get(server.urls["production"] + "/boot").text
    yield
    assert http.get(server.urls["production"] + "/boot").text == boot


def js(server, where, code):
    return http.get(server.urls[where] + "/eval?js=" + urllib.parse.quote(code)).text


def host_pid(server, where):
    """The process of an instance, as the host sees it."""
    inside = js(server, where, "process.pid")
    namespace = js(server, where, "require('fs').readlinkSync('/proc/self/ns/pid')")
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            status = (path / "status").read_text()
            pids = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()
            if pids[-1] == inside and os.readlink(path / "ns/pid") == namespace:
                return path
        except (OSError, StopIteration):
            continue
    raise AssertionError(f"no process of {where}")


def test_each_has_user_ids_of_its_own(server):
    bases = {where: js(server, where, "require('fs').readFileSync('/proc/self/uid_map','utf8')").split()[1]
             for where in server.urls}
    assert len(set(bases.values())) == 3 and "0" not in bases.values(), bases
    for where, base in bases.items():
        status = (host_pid(server, where) / "status").read_text()
        uid = int(next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1])
        assert int(base) <= uid < int(base) + 65536, (where, uid)


def test_each_has_namespaces_and_a_network_of_its_own(server):
    for kind in ("net", "mnt", "pid", "ipc", "uts", "user", "cgroup"):
        names = [js(server, where, f"require('fs').readlinkSync('/proc/self/ns/{kind}')") for where in server.urls]
        assert len(set(names)) == 3, (kind, names)
    addresses = json.loads(js(server, "production", "JSON.stringify(Object.values(require('os').networkInterfaces()).flat()"
                                                    ".filter(i => !i.internal && i.family === 'IPv4').map(i => i.address))"))
    port = http.get(server.urls["production"] + "/env?name=PORT").text
    assert addresses
    for address in [*addresses, "127.0.0.1"]:
        for target in {port, str(server.port)}:
            if address == "127.0.0.1" and target == port:
                continue  # that is the preview itself
            answer = http.get(server.urls["preview"] + f"/connect?host={address}&port={target}").text
            assert answer != "connected", (address, target)


def test_a_preview_has_none_of_productions_secrets(server, tmp_path):
    assert http.get(server.urls["production"] + "/env?name=API_KEY").text == SECRET
    for where in ("preview", "staging"):
        assert http.get(server.urls[where] + "/env?name=API_KEY").text == "(unset)", where
    everything = js(server, "preview", """
        (() => { const fs = require('fs'); let all = JSON.stringify(process.env);
        for (const pid of fs.readdirSync('/proc').filter(n => /^[0-9]+$/.test(n)))
          for (const file of ['environ', 'cmdline', 'maps', 'mountinfo'])
            try { all += fs.readFileSync(`/proc/${pid}/${file}`, 'latin1'); } catch (e) {}
        return all })()""")
    assert "PORT" in everything and SECRET not in everything
    assert "/production/" not in everything, "not even the path of production's volume"
    for arguments in (("logs", server.preview["id"]), ("inspect", server.preview["id"]),
                      ("env", "ls", "--project", "shop", "--env", "production"),
                      ("env", "pull", "--project", "shop"), ("env", "pull", "--project", "shop", "--env", "production")):
        ran = server.cli(*arguments)
        assert SECRET not in ran.out + ran.err, arguments
    # One that is made for production by name is a preview all the same.
    named = server.cli("deploy", server.directory / "shop", "--alias", "production", "--json")
    assert named.code != 0, str(named)


def widened(server, token):
    """A token made from another one, that says it is for production: narrower still."""
    made = server.api("POST", "/v1/tokens", {"projects": ["shop"], "environments": ["production"]}, token=token)
    return made.json()["token"]


def test_a_previews_token_does_nothing_to_production(server):
    token = server.ok("token", "create", "-p", "shop", "-E", "preview", "--agent", "coder", "--ttl", "1h", "-q").out.strip()
    place = "/v1/projects/shop/environments/production"
    for method, path, body in [
            ("POST", f"{place}/promotions", {"deployment": server.preview["id"]}),
            ("POST", f"{place}/rollbacks", {}), ("POST", f"{place}/env", {"set": []}), ("GET", f"{place}/env", None),
            ("GET", f"{place}/snapshots", None), ("POST", f"{place}/snapshots", {}), ("DELETE", f"{place}/volumes", None),
            ("POST", "/v1/projects/shop/volumes/share", {"from": "production"}),
            ("POST", "/v1/domains", {"project": "shop", "name": "shop.example.com"})]:
        for wider in (token, widened(server, token)):
            answer = server.api(method, path, body, token=wider)
            assert answer.status == 403, (method, path, answer.status, answer.text)
    shown = server.api("GET", "/v1/projects/shop/volumes", token=token).text
    assert server.preview["id"] in shown and "production" not in shown, shown


def test_each_has_a_volume_of_its_own(server):
    for where in server.urls:
        js(server, where, f"require('fs').writeFileSync('data/whose', '{where}')")
    for where in server.urls:
        assert js(server, where, "require('fs').readFileSync('data/whose','utf8')") == where


def test_production_has_a_control_group_and_a_share_of_its_own(server):
    groups = {where: (host_pid(server, where) / "cgroup").read_text() for where in server.urls}
    assert "/slipway/production/" in groups["production"]
    for where in ("preview", "staging"):
        assert "/previews/" in groups[where] and "production" not in groups[where], groups[where]
    shared = "shared" if "/slipway/shared/" in groups["preview"] else "previews"

    def setting(group, *places):
        for root, file in places:
            path = pathlib.Path("/sys/fs/cgroup") / root / "slipway" / group / file
            if path.exists():
                return path.read_text().strip()
        raise AssertionError(f"{group} has none of {places}")

    def share(group):
        return int(setting(group, ("", "cpu.weight"), ("cpu", "cpu.shares"), ("cpu,cpuacct", "cpu.shares")))

    assert share("production") >= 5 * share(shared) > 0, "whatever previews and builds do together"


@pytest.mark.long
def test_busy_previews_do_not_starve_production(server):
    previews = [server.deploy(server.directory / "shop", "--alias", f"busy-{i}") for i in range(4)]
    burn = "setTimeout(() => { const end = Date.now() + 6000; while (Date.now() < end); }, 300), 'burns'"
    busy = {"production": server.urls["production"], **{each["id"]: each["url"] for each in previews}}
    saved = dict(server.urls)
    server.urls.update(busy)
    try:
        processes = {name: host_pid(server, name) for name in busy}

        def spent(path):
            fields = (path / "stat").read_text().rsplit(")", 1)[1].split()
            return int(fields[11]) + int(fields[12])

        before = {name: spent(path) for name, path in processes.items()}
        for name in busy:
            assert js(server, name, burn) == "burns"
        # All five burn from 0.3 s on; the shares show in what each was given, not in how long it took.
        wait_until(lambda: spent(processes["production"]) - before["production"] > 150, 60, "production to get its share")
        used = {name: spent(path) - before[name] for name, path in processes.items()}
        others = [value for name, value in used.items() if name != "production"]
        assert used["production"] > 1.5 * sum(others) / len(others), used
    finally:
        server.urls.clear()
        server.urls.update(saved)
        for each in previews:
            server.ok("rm", "-y", each["id"], "-q")


def test_a_preview_that_takes_all_memory_is_killed_alone(server):
    server.urls["hog"] = server.deploy(server.directory / "shop", "--alias", "hog")["url"]
    boot = http.get(server.urls["hog"] + "/boot").text
    http.get(server.urls["hog"] + "/memory")

    def killed():
        try:
            return http.get(server.urls["hog"] + "/boot", timeout=10).text != boot
        except OSError:
            return False

    wait_until(killed, 60, "the hog to be killed and started afresh")
    del server.urls["hog"]


def test_a_process_bomb_stays_where_it_is(server):
    server.urls["bomb"] = server.deploy(server.directory / "shop", "--alias", "bomb")["url"]
    spawned = js(server, "bomb", "(() => { let n = 0; for (let i = 0; i < 400; i++) { const k = require('child_process')"
                                 ".spawn('sleep', ['5']); k.on('error', () => {}); if (k.pid) n++; } return n })()")
    assert 0 < int(spawned) < 200
    assert js(server, "production", "require('child_process').spawnSync('true').status") == "0"
    del server.urls["bomb"]


@pytest.mark.parametrize("where", ["preview", "staging", "production"])
def test_no_instance_writes_past_its_disk(server, where):
    wrote = js(server, where, "(() => { const fs = require('fs'); try { for (let i = 0; i < 100; i++) fs.appendFileSync('big', Buffer.alloc(1e6))"
                              "; return 'all' } catch (e) { return e.code } finally { fs.unlinkSync('big') } })()")
    assert wrote.strip('"') == "ENOSPC"
    assert js(server, where, "(require('fs').writeFileSync('small', Buffer.alloc(1e6)), 'again')").strip('"') == "again"


def test_cookies_stay_with_the_host_that_sets_them(server):
    for domain in ("localhost", ".localhost", "LOCALHOST"):
        answer = http.get(server.urls["preview"] + "/eval?js=" + urllib.parse.quote(
            f"res.setHeader('Set-Cookie', 'session=stolen; Domain={domain}; Path=/'), 1"))
        assert "domain=" not in answer.headers.get("set-cookie", "").lower(), domain


def test_what_a_client_says_of_itself_is_not_believed(server):
    sent = {"X-Forwarded-For": "10.1.2.3", "X-Forwarded-Host": "evil.test", "X-Forwarded-Proto": "https",
            "X-Real-IP": "10.1.2.3", "Forwarded": "for=10.1.2.3;host=evil.test"}
    seen = http.get(server.urls["production"] + "/headers", headers=sent).json()["headers"]
    text = json.dumps(seen)
    assert "evil.test" not in text and "10.1.2.3" not in text, seen
    assert seen["x-forwarded-proto"] == "http" and seen["x-forwarded-for"] == "127.0.0.1", seen
