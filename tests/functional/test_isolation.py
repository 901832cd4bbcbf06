"""What an app can reach, and what it cannot."""
import pytest

from support import http
from support.slipway import APPS, copy_app


@pytest.fixture(scope="module")
def pair(session_server, tmp_path_factory):
    """Two apps on the shared server."""
    if session_server.process is None:
        session_server.start()
    folder = tmp_path_factory.mktemp("isolation")
    return [session_server.deploy(copy_app(APPS / "probe", folder / f"isolated-{i}"), "-e", f"WHO={i}") for i in range(2)]


def js(app, code):
    import urllib.parse
    return http.get(app["url"] + "/eval?js=" + urllib.parse.quote(code)).text


def reach(app, host, port):
    return http.get(app["url"] + f"/connect?host={host}&port={port}").text


def host_addresses():
    import subprocess
    out = subprocess.run(["hostname", "-I"], capture_output=True, text=True).stdout.split()
    return [address for address in out if ":" not in address]


def test_the_hosts_own_services_are_out_of_reach(slipway, pair):
    for address in ["127.0.0.1", *host_addresses()]:
        assert reach(pair[0], address, slipway.port) != "connected", address


@pytest.mark.parametrize("address", ["169.254.169.254", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1"])
def test_private_ranges_are_out_of_reach(pair, address):
    assert reach(pair[0], address, 80) != "connected"


def test_the_other_instance_is_out_of_reach(pair):
    addresses = js(pair[1], "JSON.stringify(Object.values(require('os').networkInterfaces()).flat()"
                            ".filter(i => !i.internal && i.family === 'IPv4').map(i => i.address))")
    import json
    port = http.get(pair[1]["url"] + "/env?name=PORT").text
    for address in json.loads(addresses):
        assert reach(pair[0], address, port) != "connected", address


def test_an_app_is_nobody_important(pair):
    import json
    status = js(pair[0], "require('fs').readFileSync('/proc/self/status','utf8')")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    for capabilities in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]:
        assert int(fields[capabilities], 16) == 0, capabilities
    assert fields["NoNewPrivs"] == "1" and fields["Seccomp"] == "2"
    mapping = js(pair[0], "require('fs').readFileSync('/proc/self/uid_map','utf8')").split()
    assert mapping[1] != "0", "root in there is not root out here"
    maps = [js(app, "require('fs').readFileSync('/proc/self/uid_map','utf8')") for app in pair]
    assert json.dumps(maps)


def test_an_app_sees_only_its_own_processes(pair):
    import json
    pids = json.loads(js(pair[0], "JSON.stringify(require('fs').readdirSync('/proc').filter(n => /^[0-9]+$/.test(n))"
                                  ".map(n => require('fs').readFileSync(`/proc/${n}/cmdline`,'utf8').replace(/\\0/g,' ')))"))
    assert 1 <= len(pids) <= 6 and not any("slipway serve" in command for command in pids), pids


@pytest.mark.parametrize("path", ["/root", "/etc/shadow", "/var/lib/slipway", "/sys/fs/cgroup", "/run/slipway"])
def test_the_hosts_secrets_are_not_there(pair, path):
    seen = js(pair[0], f"require('fs').statSync('{path}').isDirectory() ? "
                       f"'dir ' + require('fs').readdirSync('{path}').length : "
                       f"require('fs').readFileSync('{path}','utf8').length")
    assert seen.startswith("threw") or seen in ("dir 0", "0"), seen


@pytest.mark.parametrize("path", ["/usr/bin/x", "/etc/x", "/x"])
def test_what_an_app_writes_is_its_own(pair, path):
    js(pair[0], f"require('fs').writeFileSync('{path}', 'mine')")
    assert js(pair[1], f"require('fs').existsSync('{path}')") == "false"
    import os
    assert not os.path.exists(path)


def test_environment_holds_nothing_of_the_host(pair):
    import json
    names = set(json.loads(js(pair[0], "JSON.stringify(Object.keys(process.env))")))
    assert {"PORT", "WHO"} <= names
    assert not [name for name in names if name.startswith("SLIPWAY_TOKEN") or name in ("SUDO_USER", "SSH_AUTH_SOCK")]


def test_disallowed_system_calls_fail(pair):
    code = ("(() => { const r = require('child_process').spawnSync('unshare', ['-U', 'true']);"
            " return r.error ? 'no such tool' : r.status })()")
    assert js(pair[0], code) != "0"
    mount = "(() => { const r = require('child_process').spawnSync('mount', ['-t','tmpfs','x','/tmp']); return r.error ? 'none' : r.status })()"
    assert js(pair[0], mount) != "0"


def test_the_number_of_processes_is_limited(pair):
    bomb = ("(() => { const cp = require('child_process'); let n = 0; const kids = []; "
            "for (let i = 0; i < 700; i++) { const k = cp.spawn('sleep', ['20']); k.on('error', () => {}); if (k.pid) { n++; kids.push(k); } } "
            "kids.forEach(k => k.kill('SIGKILL')); return n })()")
    assert int(js(pair[1], bomb)) < 600
    assert http.get(pair[0]["url"]).status == 200


def test_the_internet_works_from_inside(pair):
    code = "require('dns').getServers().length > 0"
    assert js(pair[0], code) == "true"
