"""A name server with TXT records that a test sets, on a UDP port of loopback."""
import socket
import threading


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
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        question = query[12:at + 5]
        texts = self.records.get(".".join(labels).lower())
        if texts is None:
            return query[:2] + b"\x81\x83\0\1\0\0\0\0\0\0" + question
        out = query[:2] + b"\x81\x80\0\1" + len(texts).to_bytes(2, "big") + b"\0\0\0\0" + question
        for text in texts:
            data = bytes([len(text)]) + text.encode()
            out += b"\xc0\x0c\0\x10\0\1\0\0\0\1" + len(data).to_bytes(2, "big") + data
        return out

    def close(self):
        self.socket.close()
