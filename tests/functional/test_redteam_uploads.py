"""What small packs may leave on the disk: one person's uploads never take the room of the others."""
import hashlib
import os
import struct

import pytest

from support.slipway import write_app

FILE = 8 << 20


def bomb(fill):
    """A file of one byte over and over, its digest, and a pack of it in less than a kilobyte."""
    content = bytes([fill]) * FILE
    digest = hashlib.sha256(content).hexdigest()
    head = f"{digest} {FILE}\n".encode()
    frame = bytes.fromhex("28b52ffd") + b"\x00\x50"  # a window of 1 MiB
    frame += struct.pack("<I", len(head) << 3)[:3] + head
    for block in range(FILE >> 17):
        last = block == (FILE >> 17) - 1
        frame += struct.pack("<I", int(last) | 1 << 1 | 1 << 17 << 3)[:3] + bytes([fill])
    return digest, frame


def send(server, token, fill):
    digest, pack = bomb(fill)
    manifest = f"f {digest} {FILE} big{fill}.txt\nf {digest} {FILE} index.html\n"
    opened = server.api("POST", "/v1/uploads", {"project": "bombs", "manifest": manifest}, token=token)
    if opened.status != 201:
        return opened, 0
    answer = server.api("PUT", f"/v1/uploads/{opened.json()['id']}/pack", pack,
                        {"Content-Type": "application/vnd.slipway.pack"}, token=token)
    return answer, len(pack)


def free(path):
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize


def test_small_packs_that_unpack_to_much_leave_the_others_room(make_slipway, small_disk, tmp_path):
    server = make_slipway({"gc": {"min_free_disk": "16MiB"}}, data=small_disk)
    for name in ("mallory", "ann"):
        server.ok("team", "add", "default", name, "--role", "deployer")
    mallory, ann = (server.ok("token", "create", "--member", name, "-q").out.strip() for name in ("mallory", "ann"))
    before, wire, refused = free(small_disk), 0, None
    for fill in range(1, 30):
        answer, length = send(server, mallory, fill)
        if answer.status != 200:
            refused = answer
            break
        wire += length
    assert refused is not None and refused.json()["code"] == "over_budget", refused and refused.text
    assert "mallory" in refused.json()["message"] and refused.json()["hint"]
    assert wire < 22_000
    room = before - (16 << 20)
    assert free(small_disk) >= before - room // 2 - (4 << 20), (before, free(small_disk))
    # Another name for the same person is the same person.
    bot = server.ok("token", "create", "--agent", "bot", "--ttl", "1h", "-q",
                    environment={"SLIPWAY_SERVER": server.info["url"], "SLIPWAY_TOKEN": mallory}).out.strip()
    assert send(server, bot, 99)[0].json()["code"] == "over_budget"
    # The others go on.
    assert send(server, ann, 100)[0].status == 200
    assert server.deploy(write_app(tmp_path / "site", {"index.html": "<h1>here</h1>"}))["state"] == "ready"
