"""kill -9 of the server at random instants of a mixed load: what was acknowledged holds, after every restart.

SLIPWAY_KILLS=1000 asks for more of them than ./test --all does."""
import contextlib
import os
import random
import socket
import threading

import pytest

from support.crash_load import Client, Load
from support.slipway import Slipway

SETTINGS = {"releases": {"bake": "1s", "drain": "1s", "canary_step": "1s", "keep": 5}}


def free_port():
    """One that the system gives to nobody else while the server is down: below the ephemeral ones."""
    while True:
        port = random.SystemRandom().randrange(15000, 30000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def rounds(tmp_path, count, seed):
    # The same port after each restart: a command that follows something finds the server again.
    server = Slipway(tmp_path / "server", {**SETTINGS, "server": {"listen": f"127.0.0.1:{free_port()}"}}).start()
    chance = random.Random(seed)
    load = Load([Client(server, tmp_path, f"team{number}", seed * 100 + number) for number in range(4)])
    try:
        for round_number in range(count):
            load.go()
            threading.Event().wait(chance.uniform(0.05, 1.5))  # the random instant is the point of the test
            load.hold()
            server.kill()
            server.start()
            load.held()
            for client in load.clients:
                try:
                    client.check()
                except AssertionError as error:
                    raise AssertionError(f"after kill {round_number + 1}, seed {seed}: {error}\n{server.log_tail(60)}") from error
            verified = server.cli("audit", "verify")
            assert verified.code == 0, str(verified)
        done = sum(client.counts["done"] for client in load.clients)
        untold = sum(client.counts["untold"] for client in load.clients)
        print(f"{count} kills: {done} acknowledged, {untold} cut off")
        assert done > count, "the load did something between the kills"
        assert untold > count / 10, "and the kills met it at work"
    finally:
        load.close()
        if server.process is None:
            server.start()
        server.stop()
        server.sweep()


def test_what_was_acknowledged_holds_after_kills_at_random_instants(tmp_path):
    rounds(tmp_path, 6, seed=1)


@pytest.mark.long
def test_what_was_acknowledged_holds_after_many_kills(tmp_path):
    rounds(tmp_path, int(os.environ.get("SLIPWAY_KILLS", "100")), seed=2)
