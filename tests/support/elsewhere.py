"""A host of the tests' own behind this machine: a network namespace that listens on addresses of every kind.

What a sandbox must not reach is only shown by something that would answer; and that a public address does
answer shows that it is the filter which refuses the others, not a missing route.
"""
import contextlib
import fcntl
import os
import pathlib
import secrets
import subprocess
import sys

PORT = 4117
# TEST-NET-3 (RFC 5737): a public address to every rule, and nobody's.
PUBLIC = "203.0.113.117"
PRIVATE = ("10.213.117.1", "172.16.117.1", "172.31.117.1", "192.168.117.1", "100.64.117.1", "169.254.169.254")

LISTENER = f"""
import socket
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("0.0.0.0", {PORT}))
s.listen(64)
print("listening", flush=True)
while True:
    s.accept()[0].close()
"""


class Elsewhere:
    """Thread-bound; `close()` takes the namespace, its device and so its routes away."""

    def __init__(self):
        tail = secrets.token_hex(3)
        self.name, self.device = f"slipway-test-{tail}", f"swt-{tail}"
        self.listener = None
        # The addresses are for one at a time. What there is of others while we hold the lock is of a killed run.
        self.lock = open("/run/slipway-test-elsewhere.lock", "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        for stale in pathlib.Path("/sys/class/net").glob("swt-*"):
            subprocess.run(["ip", "link", "del", stale.name], capture_output=True)
        for stale in pathlib.Path("/run/netns").glob("slipway-test-*"):
            subprocess.run(["ip", "netns", "del", stale.name], capture_output=True)
        try:
            self._make()
        except BaseException:
            self.close()
            raise

    def _make(self):
        run = lambda *words: subprocess.run(words, check=True, capture_output=True, text=True)  # noqa: E731
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", self.device, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        run("ip", "addr", "add", "203.0.113.118/32", "dev", self.device)
        run("ip", "link", "set", self.device, "up")
        inside = ("ip", "-n", self.name)
        run(*inside, "link", "set", "lo", "up")
        run(*inside, "link", "set", "eth0", "up")
        for address in (PUBLIC, *PRIVATE):
            run(*inside, "addr", "add", f"{address}/32", "dev", "eth0")
            run("ip", "route", "add", f"{address}/32", "dev", self.device)
        run(*inside, "route", "add", "203.0.113.118/32", "dev", "eth0")
        run(*inside, "route", "add", "default", "via", "203.0.113.118", "dev", "eth0", "onlink")
        self.listener = subprocess.Popen(["ip", "netns", "exec", self.name, sys.executable, "-c", LISTENER],
                                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        assert self.listener.stdout.readline() == "listening\n"

    def answers_the_host(self, address):
        import socket
        with contextlib.suppress(OSError):
            socket.create_connection((address, PORT), timeout=5).close()
            return True
        return False

    def close(self):
        if self.listener is not None:
            self.listener.kill()
            self.listener.wait()
            self.listener.stdout.close()
        for words in (("ip", "link", "del", self.device), ("ip", "netns", "del", self.name)):
            subprocess.run(words, capture_output=True)
        self.lock.close()
        assert not os.path.exists(f"/run/netns/{self.name}")
