"""Name servers of a test's own: one with TXT records that it sets, and one that keeps who asks waiting."""
import contextlib
import itertools
import os
import pathlib
import socket
import threading
import time


def question_of(query):
    """The name that is asked for, in lower case, and the question as it stands in the query."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += 1 + query[at]
    return ".".join(labels).lower(), query[12:at + 5]


class FakeDns:
    def __init__(self):
        self.records = {}
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                query, peer = self.socket.recvfrom(1500)
            except OSError:
                return
            self.socket.sendto(self.answer(query), peer)

    def answer(self, query):
        name, question = question_of(query)
        texts = self.records.get(name)
        if texts is None:
            return query[:2] + b"\x81\x83\0\1\0\0\0\0\0\0" + question
        out = query[:2] + b"\x81\x80\0\1" + len(texts).to_bytes(2, "big") + b"\0\0\0\0" + question
        for text in texts:
            data = bytes([len(text)]) + text.encode()
            out += b"\xc0\x0c\0\x10\0\1\0\0\0\1" + len(data).to_bytes(2, "big") + data
        return out

    def close(self):
        self.socket.close()


class SlowDns:
    """A name server on port 53 of a loopback address of its own: `*.fast.test` has an address, `*.slow.test` is never answered.

    What else is asked goes to the host's own name server. `asked` counts questions for slow names, `open` those younger than
    `window` seconds that it therefore keeps somebody waiting for.
    """

    ADDRESS = "192.0.2.7"

    def __init__(self, window=2.0):
        self.window = window
        self.asked, self.recent, self.lock = 0, [], threading.Lock()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        for number in itertools.count(os.getpid()):
            self.host = f"127.53.{number // 250 % 250}.{number % 250 + 1}"
            try:
                self.socket.bind((self.host, 53))
                break
            except OSError:
                if number > os.getpid() + 100:
                    raise
        self.upstream = next((line.split()[1] for line in pathlib.Path("/etc/resolv.conf").read_text().splitlines()
                              if line.startswith("nameserver ")), None)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                query, peer = self.socket.recvfrom(1500)
            except OSError:
                return
            name, question = question_of(query)
            if name.endswith(".slow.test"):
                with self.lock:
                    self.asked += 1
                    self.recent = [at for at in self.recent if at > time.monotonic() - self.window] + [time.monotonic()]
            elif name.endswith(".fast.test"):
                answer = query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + question
                if question[-4:-2] == b"\0\1":  # an A record
                    answer += b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + socket.inet_aton(self.ADDRESS)
                else:
                    answer = query[:2] + b"\x81\x80\0\1\0\0\0\0\0\0" + question
                self.socket.sendto(answer, peer)
            elif self.upstream:
                threading.Thread(target=self.pass_on, args=(query, peer), daemon=True).start()

    def pass_on(self, query, peer):
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(5)
            asking.sendto(query, (self.upstream, 53))
            self.socket.sendto(asking.recv(4096), peer)

    def open(self):
        with self.lock:
            return sum(at > time.monotonic() - self.window for at in self.recent)

    def close(self):
        self.socket.close()
