"""A Docker daemon to compare with: the one that runs, else one started by hand; and a Node image made from the
host's own files, as no registry is needed for that.
"""
import contextlib
import os
import pathlib
import shutil
import subprocess
import time

from common import until_200, wait_until

FORWARDING = pathlib.Path("/proc/sys/net/ipv4/ip_forward")


class Docker:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.daemon = None
        self.socket = None

    def run(self, *arguments, check=True, **options):
        host = ["-H", f"unix://{self.socket}"] if self.socket else []
        return subprocess.run(["docker", *host, *map(str, arguments)], check=check, capture_output=True, text=True,
                              **options)

    def reachable(self):
        with contextlib.suppress(OSError):
            return self.run("info", check=False).returncode == 0
        return False

    def start(self):
        """Whether there is a daemon to talk to. Why there is none is in `reason`."""
        if not shutil.which("docker"):
            self.reason = "there is no docker command"
            return False
        if self.reachable():
            return True
        if not shutil.which("dockerd"):
            self.reason = "no daemon runs and there is no dockerd (tools/install_deps.sh bench)"
            return False
        self.folder.mkdir(parents=True, exist_ok=True)
        # As Docker is set up by default, with its bridge; what it changes of the host's network is put back.
        self.rules = subprocess.run(["iptables-save"], check=True, capture_output=True, text=True).stdout
        self.forwarding = FORWARDING.read_text()
        self.socket = self.folder / "docker.sock"
        self.log = open(self.folder / "dockerd.log", "wb")
        self.daemon = subprocess.Popen(
            ["dockerd", "-H", f"unix://{self.socket}", "--data-root", self.folder / "data", "--exec-root",
             self.folder / "exec", "-p", self.folder / "dockerd.pid"], stdout=self.log, stderr=self.log, start_new_session=True)
        try:
            wait_until(lambda: self.reachable() or self.daemon.poll() is not None, 40)
        except AssertionError:
            pass
        if self.reachable():
            return True
        self.reason = "dockerd did not start: " + (self.folder / "dockerd.log").read_text()[-300:]
        self.stop()
        return False

    def stop(self):
        if self.daemon:
            self.daemon.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.daemon.wait(30)
            self.daemon.kill()
            self.daemon.wait()
            self.log.close()
            subprocess.run(["ip", "link", "delete", "docker0"], check=False, capture_output=True)
            # A table that had no rules is not in the list: restoring an empty one clears Docker's from it.
            empty = "".join(f"*{table}\nCOMMIT\n" for table in ("filter", "nat") if f"*{table}\n" not in self.rules)
            subprocess.run(["iptables-restore"], input=self.rules + empty, text=True, check=False)
            FORWARDING.write_text(self.forwarding)
            for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
                mount = line.split()[1]
                if mount.startswith(str(self.folder)):
                    subprocess.run(["umount", "-l", mount], check=False)
            self.daemon = None

    def import_node_image(self, tag):
        """`docker import` of the host's node, npm, shell and their libraries."""
        root = self.folder / "root"
        node = os.path.realpath(shutil.which("node"))
        programs = [node, "/bin/sh", "/usr/bin/env", "/bin/true"]
        files = set()
        for program in programs:
            files.add(program)
            for word in subprocess.run(["ldd", program], capture_output=True, text=True).stdout.split():
                if word.startswith("/"):
                    files.add(word)
        for name in files:
            target = root / name.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(os.path.realpath(name), target)
        npm = pathlib.Path(os.path.realpath(shutil.which("npm"))).parents[1]
        shutil.copytree(npm, root / "usr/lib/node_modules/npm", dirs_exist_ok=True, symlinks=True)
        (root / "usr/bin").mkdir(parents=True, exist_ok=True)
        if not (root / "usr/bin/node").exists():
            shutil.copy(node, root / "usr/bin/node")
        (root / "usr/bin/npm").symlink_to("../lib/node_modules/npm/bin/npm-cli.js")
        (root / "tmp").mkdir()
        (root / "etc/ssl/certs").mkdir(parents=True)
        shutil.copy("/etc/ssl/certs/ca-certificates.crt", root / "etc/ssl/certs/ca-certificates.crt")
        (root / "etc/nsswitch.conf").write_text("hosts: files dns\n")
        (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        tar = subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE)
        self.run("import", "-c", "ENV PATH=/usr/bin:/bin NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt",
                 "-", tag, stdin=tar.stdout)
        tar.wait()

    def build_and_run(self, folder, tag, port, path="/"):
        """Seconds of `docker build` + `docker run -p` to the first 200; the container is removed."""
        started = time.perf_counter()
        self.run("build", "-q", "--network=host", "-t", tag, folder,
                 env={**os.environ, "DOCKER_BUILDKIT": "0"})
        container = self.run("run", "-d", "-p", f"127.0.0.1:{port}:{port}", "-e", f"PORT={port}", tag).stdout.strip()
        try:
            until_200(f"http://127.0.0.1:{port}{path}")
            return time.perf_counter() - started
        finally:
            self.run("rm", "-f", container, check=False)
