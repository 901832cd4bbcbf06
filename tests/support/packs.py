"""Packs as docs/formats.md has them, and what only looks like one."""
import struct


def zstd(data):
    """A zstd frame of raw blocks; decoders do not care that nothing was compressed."""
    frame = bytes.fromhex("28b52ffd") + b"\xa0" + struct.pack("<I", len(data))
    blocks = [data[at:at + 65536] for at in range(0, len(data), 65536)] or [b""]
    for number, block in enumerate(blocks):
        last = number == len(blocks) - 1
        frame += struct.pack("<I", int(last) | len(block) << 3)[:3] + block
    return frame


def pack(records):
    return zstd(b"".join(f"{digest} {len(data)}\n".encode() + data for digest, data in records))
