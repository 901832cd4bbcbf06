"""What the router writes of requests."""
import json

from support import http
from support.slipway import wait_until


def test_the_access_log_is_a_setting(make_slipway, project):
    slipway = make_slipway({"log": {"access": "on", "format": "json"}})
    url = slipway.deploy(project({"index.html": "hi"}))["url"]
    host = url.split("/")[2].split(":")[0]
    http.get(url + "/index.html?token=secret")
    http.get(url + "/nowhere")

    def lines():
        found = []
        for line in slipway.log.read_text().splitlines():
            entry = json.loads(line)
            if entry.get("message", entry.get("msg")) == "request" and entry["host"] == host:
                found.append(entry)
        return found
    page, missing = wait_until(lambda: len(lines()) >= 2 and lines()[:2], 60, "two lines")
    assert (page["method"], page["path"], str(page["status"])) == ("GET", "/index.html", "200")
    assert int(page["bytes"]) > 2 and int(page["took_us"]) > 0
    assert (missing["path"], str(missing["status"])) == ("/nowhere", "404")
    assert "secret" not in slipway.log.read_text()


def test_no_access_log_unless_asked_for(slipway, project):
    url = slipway.deploy(project({"index.html": "hi"}))["url"]
    http.get(url + "/a-path-of-this-test")
    assert "a-path-of-this-test" not in slipway.log.read_text()
