"""The HTTP API, and uploads that are not what they say."""
import hashlib
import json

import pytest

from support import http, packs
from support.slipway import wait_until


def sha(data):
    return hashlib.sha256(data).hexdigest()


def manifest_of(files):
    return "".join(f"f {sha(data)} {len(data)} {path}\n" for path, data in sorted(files.items()))


def pack_of(*records):
    return packs.pack(records)


def upload(slipway, files, project="uploads"):
    response = slipway.api("POST", "/v1/uploads", {"project": project, "manifest": manifest_of(files)})
    assert response.status == 201, response.text
    return response.json()


def put_pack(slipway, upload_id, pack, **headers):
    return slipway.api("PUT", f"/v1/uploads/{upload_id}/pack", pack,
                       {"Content-Type": "application/vnd.slipway.pack", **headers})


def problem(response, status, code=None):
    assert response.status == status, (response.status, response.text)
    assert response.headers["content-type"].startswith("application/problem+json")
    body = response.json()
    assert body["status"] == status and body["title"] and body["message"]
    if code:
        assert body["code"] == code
    return body


@pytest.mark.parametrize("method,path", [
    ("GET", "/v1/deployments"), ("GET", "/v1/whoami"), ("POST", "/v1/uploads"), ("DELETE", "/v1/deployments/x"),
    ("POST", "/v1/undo"), ("GET", "/v1/projects")])
def test_without_a_token_nothing_is_told(slipway, method, path):
    problem(slipway.api(method, path, {} if method == "POST" else None, token=""), 401, "unauthenticated")
    problem(slipway.api(method, path, {} if method == "POST" else None, token="x" * 52), 401, "unauthenticated")


def test_open_pages(slipway):
    health = http.get(slipway.info["url"] + "/healthz")
    assert health.json()["status"] == "ok"
    metrics = http.get(slipway.info["url"] + "/metrics")
    assert "# TYPE slipway_" in metrics.text
    openapi = slipway.api("GET", "/v1/openapi.json").json()
    assert openapi["openapi"].startswith("3.") and "/v1/deployments" in openapi["paths"]


def test_a_deploy_by_hand(slipway):
    files = {"index.html": b"<h1>by hand</h1>"}
    up = upload(slipway, files)
    assert up["missing"] == ["sha256:" + sha(files["index.html"])]
    assert put_pack(slipway, up["id"], pack_of((sha(files["index.html"]), files["index.html"]))).json()["files"] == 1
    response = slipway.api("POST", "/v1/deployments", {"project": "uploads", "upload": up["id"]},
                           {"Idempotency-Key": "k-" + up["id"]})
    assert response.status == 202
    slipway.wait_state(response.json()["id"], "ready")
    assert http.get(response.json()["url"]).text == "<h1>by hand</h1>"
    again = slipway.api("POST", "/v1/deployments", {"project": "uploads", "upload": up["id"]},
                        {"Idempotency-Key": "k-" + up["id"]})
    assert again.json()["id"] == response.json()["id"], "the same key is the same request"


def test_bytes_that_are_not_their_digest_are_refused(slipway):
    files = {"index.html": b"<h1>promised</h1>"}
    up = upload(slipway, files)
    lie = pack_of((sha(files["index.html"]), b"<h1>deceived</h1>"))
    response = put_pack(slipway, up["id"], lie)
    assert problem(response, response.status)["code"] == "corrupt"
    assert 400 <= response.status < 500
    assert upload(slipway, files)["missing"], "nothing of it was kept"


def test_an_upload_that_is_cut_off(slipway):
    files = {"index.html": b"x" * 100_000 + sha(b"cut").encode()}
    up = upload(slipway, files)
    pack = pack_of((sha(files["index.html"]), files["index.html"]))
    with http.Connection(slipway.port) as connection:
        connection.send_head("PUT", f"/v1/uploads/{up['id']}/pack", f"localhost:{slipway.port}", {
            "Authorization": f"Bearer {slipway.info['token']}", "Content-Length": len(pack),
            "Content-Type": "application/vnd.slipway.pack"})
        connection.send(pack[:50_000])
    short = put_pack(slipway, up["id"], pack[:50_000])
    assert problem(short, short.status)["code"] == "corrupt"
    assert upload(slipway, files)["missing"], "half a file is no file"
    refused = slipway.api("POST", "/v1/deployments", {"project": "uploads", "upload": up["id"]})
    assert refused.status in (409, 412, 422, 400), refused.text
    assert put_pack(slipway, up["id"], pack).status == 200, "sending it again mends it"


def test_things_that_are_no_pack(slipway):
    up = upload(slipway, {"index.html": b"no pack test"})
    for junk in [b"", b"junk", packs.zstd(b"junk"), packs.zstd(b"0" * 64 + b" 99999999999999\n"), packs.zstd(b"z" * 64 + b" 1\nx")]:
        assert put_pack(slipway, up["id"], junk).status in (400, 413, 422), junk
    unasked = b"nobody asked for this"
    assert put_pack(slipway, up["id"], pack_of((sha(unasked), unasked))).status in (400, 409, 413, 422)


@pytest.mark.parametrize("path", ["../up", "/etc/passwd", "a/../../b", "a//b", "", "a\tb", ".", "a/./b"])
def test_paths_that_leave_the_tree(slipway, path):
    manifest = f"f {sha(b'x')} 1 {path}\n"
    problem(slipway.api("POST", "/v1/uploads", {"project": "uploads", "manifest": manifest}), 400, "invalid_argument")


def test_an_unknown_base_asks_for_the_whole(slipway):
    delta = {"base": "sha256:" + sha(b"never seen"), "changed": [], "removed": []}
    problem(slipway.api("POST", "/v1/uploads", {"project": "uploads", "delta": delta}), 409, "conflict")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"project":1}', b'{"project":"UPPER"}', b"\xff\xfe",
                                  b'{"a":' * 200 + b"1" + b"}" * 200])
def test_bodies_that_are_not_the_request(slipway, body):
    for path in ["/v1/uploads", "/v1/deployments", "/v1/plan"]:
        problem(slipway.api("POST", path, body, {"Content-Type": "application/json"}), 400)


def test_unknown_paths_and_methods(slipway):
    problem(slipway.api("GET", "/v1/nothing-here"), 404, "not_found")
    assert slipway.api("PATCH", "/v1/deployments").status in (404, 405)


def test_events_replay_from_the_start(slipway, probe):
    deployment = slipway.deploy(probe())
    netloc, port, _ = http.split(slipway.info["url"])
    with http.Connection(port) as connection:
        response = connection.request("GET", f"/v1/deployments/{deployment['id']}/events", netloc,
                                      {"Authorization": f"Bearer {slipway.info['token']}", "Connection": "close"})
    assert response.headers["content-type"].startswith("text/event-stream")
    events = [line[7:] for line in response.text.splitlines() if line.startswith("event: ")]
    assert "step" in events and events[-1] == "done"
    last = [line[6:] for line in response.text.splitlines() if line.startswith("data: ")][-1]
    assert json.loads(last)["id"] == deployment["id"]


def test_listing_pages(slipway):
    files = {"index.html": b"page me"}
    up = upload(slipway, files, "pages")
    put_pack(slipway, up["id"], pack_of((sha(files["index.html"]), files["index.html"])))
    ids = []
    for _ in range(5):
        up = upload(slipway, files, "pages")
        ids.append(slipway.api("POST", "/v1/deployments", {"project": "pages", "upload": up["id"]}).json()["id"])
        slipway.wait_state(ids[-1], "ready", "canceled")
    seen, cursor = [], ""
    while True:
        page = slipway.api("GET", "/v1/deployments?project=pages&limit=2" + (f"&cursor={cursor}" if cursor else "")).json()
        seen += [row["id"] for row in page["deployments"]]
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert seen == ids[::-1]
    wait_until(lambda: "pages" in [p["name"] for p in slipway.api("GET", "/v1/projects").json()["projects"]], 60)
