"""What an app can reach, and what it cannot."""
import json
import os
import subprocess
import urllib.parse

import pytest

from support import http
from support.elsewhere import PORT, PRIVATE, PUBLIC, Elsewhere
from support.slipway import APPS, copy_app


@pytest.fixture(scope="module")
def pair(session_server, tmp_path_factory):
    """Two apps on the shared server."""
    if session_server.process is None:
        session_server.start()
    folder = tmp_path_factory.mktemp("isolation")
    return [session_server.deploy(copy_app(APPS / "probe", folder / f"isolated-{i}"), "-e", f"WHO={i}") for i in range(2)]


@pytest.fixture(scope="module")
def elsewhere():
    """A host behind this one that answers on public and private addresses alike."""
    host = Elsewhere()
    yield host
    host.close()


def js(app, code):
    return http.get(app["url"] + "/eval?js=" + urllib.parse.quote(code)).text


def reach(app, host, port):
    return http.get(app["url"] + f"/connect?host={host}&port={port}").text


def host_addresses():
    out = subprocess.run(["hostname", "-I"], capture_output=True, text=True).stdout.split()
    return [address for address in out if ":" not in address]


def test_the_hosts_own_services_are_out_of_reach(slipway, pair):
    for address in ["127.0.0.1", *host_addresses()]:
        assert reach(pair[0], address, slipway.port) != "connected", address


@pytest.mark.parametrize("address", PRIVATE)
def test_private_ranges_are_out_of_reach(pair, elsewhere, address):
    assert elsewhere.answers_the_host(address), "something listens there"
    assert reach(pair[0], address, PORT) != "connected"


def test_public_addresses_are_within_reach(pair, elsewhere):
    assert elsewhere.answers_the_host(PUBLIC)
    assert reach(pair[0], PUBLIC, PORT) == "connected"


def test_the_other_instance_is_out_of_reach(pair):
    addresses = js(pair[1], "JSON.stringify(Object.values(require('os').networkInterfaces()).flat()"
                            ".filter(i => !i.internal && i.family === 'IPv4').map(i => i.address))")
    port = http.get(pair[1]["url"] + "/env?name=PORT").text
    for address in json.loads(addresses):
        assert reach(pair[0], address, port) != "connected", address


def test_an_app_is_nobody_important(pair):
    status = js(pair[0], "require('fs').readFileSync('/proc/self/status','utf8')")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    for capabilities in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]:
        assert int(fields[capabilities], 16) == 0, capabilities
    assert fields["NoNewPrivs"] == "1" and fields["Seccomp"] == "2"
    mapping = js(pair[0], "require('fs').readFileSync('/proc/self/uid_map','utf8')").split()
    assert mapping[1] != "0", "root in there is not root out here"


def test_two_apps_have_users_of_their_own(pair):
    def outer_users(app):
        first, outside, count = map(int, js(app, "require('fs').readFileSync('/proc/self/uid_map','utf8')").split())
        return range(outside, outside + count)

    one, other = map(outer_users, pair)
    assert len(one) > 1 and len(other) > 1
    assert one.stop <= other.start or other.stop <= one.start, "their ranges overlap"


def test_an_app_sees_only_its_own_processes(pair):
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
    assert not os.path.exists(path)


def test_environment_holds_nothing_of_the_host(pair):
    names = set(json.loads(js(pair[0], "JSON.stringify(Object.keys(process.env))")))
    assert {"PORT", "WHO"} <= names
    assert not [name for name in names if name.startswith("SLIPWAY_TOKEN") or name in ("SUDO_USER", "SSH_AUTH_SOCK")]


# By number: no program offers them all, and a missing program would pass for a refusal. Each is tried by a
# program of its own under the app's very filter; that an allowed one succeeds shows that the trial works.
SYSTEM_CALLS = """
import ctypes, errno, json, os, sys
libc = ctypes.CDLL(None, use_errno=True)
calls = {"getpid": 39, "mount": 165, "unshare": 272, "setns": 308, "ptrace": 101, "keyctl": 250, "bpf": 321,
         "pivot_root": 155, "open_by_handle_at": 304, "userfaultfd": 323, "io_uring_setup": 425}
said = {}
for name, number in calls.items():
    ctypes.set_errno(0)
    result = libc.syscall(number, 0x10000000, 0, 0, 0, 0, 0)
    said[name] = "done" if result >= 0 else errno.errorcode[ctypes.get_errno()]
print(json.dumps(said))
"""


def test_disallowed_system_calls_fail(slipway, project):
    server = ("import http.server, os, subprocess, sys\n"
              "class Answer(http.server.BaseHTTPRequestHandler):\n"
              "    def do_GET(self):\n"
              f"        out = subprocess.run([sys.executable, '-c', {SYSTEM_CALLS!r}], capture_output=True, text=True)\n"
              "        body = (out.stdout or out.stderr).encode()\n"
              "        self.send_response(200); self.send_header('Content-Length', str(len(body))); self.end_headers()\n"
              "        self.wfile.write(body)\n"
              "http.server.HTTPServer(('0.0.0.0', int(os.environ['PORT'])), Answer).serve_forever()\n")
    app = slipway.deploy(project({"app.py": server}))
    said = http.get(app["url"]).json()
    assert said.pop("getpid") == "done", said
    assert said and set(said.values()) == {"EPERM"}, said
    slipway.ok("rm", app["id"], "-y")


def test_the_number_of_processes_is_limited(pair):
    bomb = ("(() => { const cp = require('child_process'); let n = 0; const kids = []; "
            "for (let i = 0; i < 700; i++) { const k = cp.spawn('sleep', ['20']); k.on('error', () => {}); if (k.pid) { n++; kids.push(k); } } "
            "kids.forEach(k => k.kill('SIGKILL')); return n })()")
    assert 0 < int(js(pair[1], bomb)) < 600
    assert http.get(pair[0]["url"]).status == 200
