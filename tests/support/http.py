"""A small HTTP and WebSocket client that connects to one port and says any Host.

Written on sockets, because the tests send things that a polite library refuses to send.
"""
import base64
import dataclasses
import hashlib
import json
import os
import socket
import struct
import urllib.parse


@dataclasses.dataclass
class Response:
    status: int
    headers: dict  # names in lower case
    body: bytes

    @property
    def text(self):
        return self.body.decode(errors="replace")

    def json(self):
        return json.loads(self.body)


class Connection:
    """One connection to 127.0.0.1:port. Not thread-safe."""

    def __init__(self, port, timeout=60):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def send_head(self, method, target, host, headers=()):
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
        lines += [f"{name}: {value}" for name, value in dict(headers).items()]
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode())

    def read_head(self):
        status_line = self.file.readline()
        if not status_line:
            raise ConnectionError("closed before a response")
        status = int(status_line.split()[1])
        headers = {}
        while True:
            line = self.file.readline().strip()
            if not line:
                return status, headers
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()

    def chunks(self, headers, size=1 << 16):
        """The parts of a body as they come."""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            while True:
                length = int(self.file.readline().split(b";")[0], 16)
                if length == 0:
                    while self.file.readline().strip():
                        pass
                    return
                left = length
                while left:
                    part = self.file.read1(min(size, left))
                    if not part:
                        raise ConnectionError("cut off inside a chunk")
                    left -= len(part)
                    yield part
                self.file.readline()
        elif "content-length" in headers:
            left = int(headers["content-length"])
            while left:
                part = self.file.read1(min(size, left))
                if not part:
                    raise ConnectionError("cut off inside the body")
                left -= len(part)
                yield part
        else:
            while part := self.file.read1(size):
                yield part

    def read_response(self, method="GET"):
        status, headers = self.read_head()
        while 100 <= status < 200 and status != 101:
            status, headers = self.read_head()
        no_body = method == "HEAD" or status in (204, 304, 101)
        return Response(status, headers, b"" if no_body else b"".join(self.chunks(headers)))

    def request(self, method, target, host, headers=(), body=None):
        headers = dict(headers)
        if body is not None and "Content-Length" not in headers:
            headers["Content-Length"] = len(body)
        self.send_head(method, target, host, headers)
        if body:
            self.send(body)
        return self.read_response(method)


def split(url):
    """host name, port, target of a URL."""
    parts = urllib.parse.urlsplit(url)
    target = parts.path or "/"
    if parts.query:
        target += "?" + parts.query
    return parts.netloc, parts.port or 80, target


def request(method, url, headers=(), body=None, timeout=60):
    netloc, port, target = split(url)
    with Connection(port, timeout) as connection:
        return connection.request(method, target, netloc, {"Connection": "close", **dict(headers)}, body)


def get(url, headers=(), timeout=60):
    return request("GET", url, headers, timeout=timeout)


class WebSocket:
    """A client of the protocol of RFC 6455, text and binary messages up to 64 KiB."""

    def __init__(self, url, timeout=30):
        netloc, port, target = split(url)
        self.connection = Connection(port, timeout)
        key = base64.b64encode(os.urandom(16)).decode()
        self.connection.send_head("GET", target, netloc, {
            "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": key})
        status, headers = self.connection.read_head()
        assert status == 101, f"no upgrade: {status} {headers}"
        accept = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        assert headers["sec-websocket-accept"] == base64.b64encode(accept).decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def send(self, text, opcode=1):
        payload = text.encode() if isinstance(text, str) else text
        mask = os.urandom(4)
        length = len(payload)
        head = bytes([0x80 | opcode])
        head += bytes([0x80 | length]) if length < 126 else bytes([0x80 | 126]) + struct.pack(">H", length)
        self.connection.send(head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))

    def receive(self):
        first, second = self.connection.file.read(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack(">H", self.connection.file.read(2))
        payload = self.connection.file.read(length)
        return payload.decode() if first & 0x0F == 1 else payload
