"""The real binary, under test: a server with its own data directory, and the CLI that talks to it.

Nothing here knows how Slipway works inside, save for one thing: whatever belongs to a server carries the path
of its data directory (command lines, mounts), which is how leaks are found.
"""
import contextlib
import dataclasses
import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import time

from support import http

TOP = pathlib.Path(__file__).parents[2]
BINARY = pathlib.Path(os.environ.get("SLIPWAY_BINARY", TOP / "build" / "release" / "slipway"))
EXAMPLES = TOP / "examples"
APPS = pathlib.Path(__file__).parent / "apps"


def wait_until(condition, seconds=30, what=None, every=0.02):
    """Polls until `condition()` is true and returns its value; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what or condition}")
        time.sleep(every)  # the poll interval of this very wait


@dataclasses.dataclass
class Ran:
    """A finished command."""

    arguments: list
    code: int
    out: str
    err: str

    def json(self):
        return json.loads(self.out)

    def __str__(self):
        return f"{' '.join(map(str, self.arguments))}\nexit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class CommandFailed(AssertionError):
    pass


def toml_of(settings):
    lines = []
    for section, values in settings.items():
        lines.append(f"[{section}]")
        for key, value in values.items():
            lines.append(f"{key} = {json.dumps(value)}")
    return "\n".join(lines) + "\n"


class Slipway:
    """A server and its CLI. `settings` is what goes into its configuration file, by section."""

    def __init__(self, directory, settings=None, data=None):
        self.directory = pathlib.Path(directory)
        self.data = pathlib.Path(data or self.directory / "data")
        self.home = self.directory / "home"
        self.home.mkdir(parents=True, exist_ok=True)
        settings = {"server": {"listen": "127.0.0.1:0"}, **(settings or {})}
        self.config = self.directory / "slipway.toml"
        self.config.write_text(toml_of(settings))
        self.log = self.directory / "server.log"
        self.process = None
        self.info = None
        self.resolver = None

    # --- the server

    def environment(self):
        environment = {key: value for key, value in os.environ.items()
                       if not key.startswith(("SLIPWAY_", "XDG_"))}
        environment.update(HOME=str(self.home), XDG_CONFIG_HOME=str(self.home / ".config"),
                           XDG_CACHE_HOME=str(self.home / ".cache"), SLIPWAY_DATA=str(self.data))
        # The host's settings of package managers and its toolchains are part of what is tested; they lie in the
        # real home.
        real_home = pathlib.Path(os.environ.get("HOME", "/"))
        for name in (".npmrc", ".m2/settings.xml", ".config/pip", ".config/uv", ".cargo/config.toml"):
            real, link = real_home / name, self.home / name
            if real.exists() and not link.exists():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(real)
        if (real_home / ".rustup").exists():
            environment.setdefault("RUSTUP_HOME", str(real_home / ".rustup"))
        return environment

    def start(self, descriptors=None, resolver=None, within=None):
        """`descriptors`: the soft and the hard limit of open files that it starts with. `resolver`: the address of the name
        server that the host seems to have. `within`: the name of a control group (v1) that is all the machine to it."""
        assert self.process is None
        self.resolver = resolver or self.resolver
        command = [BINARY, "serve", "--data", self.data, "--config", self.config]
        before = []  # in a mount namespace of its own
        if self.resolver:
            told = self.directory / "resolv.conf"
            told.write_text(f"nameserver {self.resolver}\n")
            before.append(f'mount --bind "{told}" "$(readlink -f /etc/resolv.conf)"')
        if within:
            before += [f"echo $$ > /sys/fs/cgroup/memory/{within}/tasks",
                       f"for all in /sys/fs/cgroup/*/{within}; do mount --bind $all $(dirname $all); done"]
        if before:
            command = ["unshare", "--mount", "--propagation", "slave", "sh", "-c", " && ".join([*before, 'exec "$0" "$@"']), *command]
        limited = descriptors and (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, descriptors))
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment(), start_new_session=True,
                preexec_fn=limited)
        wait_until(self.listening, 60, "the server to listen")
        return self

    def listening(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.log_tail()}")
        try:
            info = json.loads((self.data / "server.json").read_text())
        except (OSError, ValueError):
            return False
        if info["pid"] != self.process.pid:
            return False
        self.info = info
        try:
            return http.get(info["url"] + "/healthz", timeout=5).status == 200
        except OSError:
            return False

    def log_tail(self, lines=30):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def kill(self):
        """kill -9 of the server alone; its apps go on."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self, seconds=30):
        """A graceful stop; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(seconds)
        self.process = None
        return code

    @property
    def port(self):
        return http.split(self.info["url"])[1]

    def rss(self):
        """The server's resident memory in bytes."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    # --- the CLI

    def cli(self, *arguments, cwd=None, timeout=300, environment=None, input=None):
        command = [str(BINARY), *map(str, arguments)]
        given = {"stdin": subprocess.DEVNULL} if input is None else {"input": input}
        done = subprocess.run(command, cwd=cwd or self.directory, **given, capture_output=True, text=True,
                              errors="replace", timeout=timeout,
                              env={**self.environment(), **self.address(), **(environment or {})})
        return Ran(command, done.returncode, done.stdout, done.stderr)

    def address(self):
        if not self.info:
            return {}
        return {"SLIPWAY_SERVER": self.info["url"], "SLIPWAY_TOKEN": self.info["token"]}

    def ok(self, *arguments, **options):
        ran = self.cli(*arguments, **options)
        if ran.code != 0:
            raise CommandFailed(str(ran))
        return ran

    def deploy(self, folder, *arguments, **options):
        """Deploys and returns the deployment; it must have become ready."""
        deployment = self.ok("deploy", folder, "--json", *arguments, **options).json()
        assert deployment["state"] == "ready", deployment
        return deployment

    def deploy_failing(self, folder, *arguments, code=7, **options):
        ran = self.cli("deploy", folder, "--json", *arguments, **options)
        assert ran.code == code, str(ran)
        return ran.json()

    def popen(self, *arguments):
        return subprocess.Popen([str(BINARY), *map(str, arguments)], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
                                cwd=self.directory, env={**self.environment(), **self.address()})

    # --- the API

    def api(self, method, path, body=None, headers=(), token=None, timeout=60):
        headers = dict(headers)
        if token != "":
            headers["Authorization"] = f"Bearer {token or self.info['token']}"
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        return http.request(method, self.info["url"] + path, headers, body, timeout)

    def inspect(self, reference):
        response = self.api("GET", f"/v1/deployments/{reference}")
        assert response.status == 200, response.text
        return response.json()

    def state(self, reference):
        return self.inspect(reference)["state"]

    def wait_state(self, reference, *states, seconds=60):
        return wait_until(lambda: self.state(reference) in states, seconds, f"{reference} to be {states}")

    def deployments(self, **query):
        rows, cursor = [], None
        while True:
            words = {"limit": 100, **query, **({"cursor": cursor} if cursor else {})}
            page = self.api("GET", "/v1/deployments?" + "&".join(f"{k}={v}" for k, v in words.items())).json()
            rows += page["deployments"]
            cursor = page.get("next_cursor")
            if not cursor:
                return rows

    # --- the end

    def close(self):
        """Removes everything and checks that nothing is left behind."""
        if self.process is None:
            self.start()
        for row in self.deployments():
            if row["state"] != "deleted":
                response = self.api("DELETE", f"/v1/deployments/{row['id']}")
                assert response.status in (200, 404), response.text
        code = self.stop()
        assert code == 0, f"a graceful stop ended with {code}:\n{self.log_tail()}"
        try:
            wait_until(lambda: not self.leaks(), 20, "everything to be gone")
        except AssertionError:
            leaks = self.leaks()
            self.sweep()
            raise AssertionError("left behind:\n" + "\n".join(leaks)) from None

    def sweep(self):
        """After a failed test: ends what still carries our data directory."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
                self.process.wait()
            self.process = None
        # Those whose root is an image's show no path of ours: their control groups are named after deployments.
        groups = self.cgroups()

        def none_left():
            found = self.processes()
            for group in groups:
                with contextlib.suppress(OSError):
                    found += [int(pid) for pid in (group / "cgroup.procs").read_text().split()]
            for pid in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not found

        wait_until(none_left, 20, "nothing of the server runs")

    def processes(self):
        """Processes that carry our data directory: in their command line or in their mounts."""
        needle = str(self.data).encode()
        own = pathlib.Path("/proc/self/mountinfo").read_bytes()
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                command = (entry / "cmdline").read_bytes()
                mounts = (entry / "mountinfo").read_bytes()
            except OSError:
                continue
            if command and (needle in command or (needle in mounts and mounts != own)):
                found.append(int(entry.name))
        return found

    def leaks(self):
        leaks = []
        for pid in self.processes():
            with contextlib.suppress(OSError):
                command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                leaks.append(f"process {pid}: {command}")
        for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
            mount_point = line.split()[4]
            if mount_point.startswith(str(self.data) + "/"):
                leaks.append(f"mount {mount_point}")
        leaks += [f"sandbox {path.name}" for path in self.data.glob("**/sandboxes/*") if path.is_dir()]
        leaks += [f"cgroup {path}" for path in self.cgroups()]
        return leaks

    def cgroups(self):
        """Control groups named after one of our deployments."""
        tails = {row.split("_")[-1] for row in self.known}
        if not tails:
            return []
        # os.walk passes over groups that go while it looks: those of other servers and tests, say.
        return [pathlib.Path(path) for path, _, _ in os.walk("/sys/fs/cgroup")
                if "/slipway/" in path and any(tail in os.path.basename(path) for tail in tails)]

    @property
    def known(self):
        """Ids of every deployment that the server ever made, from its database."""
        import sqlite3
        ids = []
        for path in self.data.glob("*.db"):
            with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path)) as db:
                ids += [row[0] for row in db.execute("SELECT id FROM deployment")]
        return ids


# --- projects to deploy


def write_app(folder, files):
    """Makes a project: path -> text."""
    folder = pathlib.Path(folder)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def copy_app(source, folder):
    shutil.copytree(source, folder)
    return pathlib.Path(folder)


def change(path, old, new):
    """A one-line change; fails when there is nothing to change."""
    path = pathlib.Path(path)
    text = path.read_text()
    assert old in text, f"{old!r} is not in {path}"
    path.write_text(text.replace(old, new, 1))
