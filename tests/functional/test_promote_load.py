"""Production moves from release to release while it is used: mixed traffic whose every answer is checked."""
import pytest

from support import http, load
from support.slipway import Slipway

TIMES = 10
RATE = 300  # small requests a second; ten downloads of four seconds and twenty WebSockets go on all the time


@pytest.fixture
def releases(tmp_path):
    """A server whose project `mixed` has two deployments, the first one in production: by name, and production's URL."""
    slipway = Slipway(tmp_path / "slipway").start()
    try:
        yield prepared(slipway, tmp_path)
    finally:  # what serves production is not taken down by removing deployments
        slipway.stop()
        slipway.sweep()


def prepared(slipway, tmp_path):
    app = load.make_app(tmp_path / "mixed")
    deployments = {}
    for name in ("one", "two"):
        load.rename(app, name)
        deployments[name] = slipway.deploy(app)["id"]
    url = slipway.ok("promote", deployments["one"]).out.split()[-1]
    return slipway, deployments, url


@pytest.mark.long
def test_promotions_and_rollbacks_fail_no_request(releases):
    slipway, deployments, url = releases
    with load.Load(url, RATE) as traffic:
        for _ in range(TIMES):
            for release, command in (("two", ("promote", deployments["two"])), ("one", ("rollback", "mixed", "--to", "1"))):
                moved = slipway.ok(*command, "--json").json()
                assert moved["state"] in ("watching", "done")
                for _ in range(5):  # whoever asks after the command is told by whom it is answered
                    assert http.get(url + "/hello").headers["x-release"] == release
        phases, failed = traffic.finish()
    assert failed == 0, "\n".join(load.failures(phases))
    for kind in ("get", "pipelined", "fresh", "post", "download", "socket"):
        assert sum(phase["kinds"][kind] for phase in phases.values()) > 0, kind
    assert set(phases["start"]["releases"]) == {"one", "two"}
