"""Pages and the services they talk to: by paths of their own host, and by addresses baked into their builds."""
import json
import re

import pytest

from support import http
from support.slipway import Slipway, write_app

API = """const http = require('http');
http.createServer((request, response) => {
  let body = '';
  request.on('data', (part) => body += part).on('end', () => response.end(`${request.method} ${request.url} ${body}`));
}).listen(process.env.PORT || 3001);
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = Slipway(tmp_path_factory.mktemp("wired")).start()
    yield made
    made.stop()  # production goes on without it
    made.sweep()


def production(server, project):
    return server.info["url"].replace("localhost", f"{project}.localhost")


def page_and_api(folder):
    return write_app(folder, {
        "web/package.json": json.dumps({"name": "web", "type": "module", "scripts": {"build": "vite build"},
                                        "devDependencies": {"vite": "^5.4.0"}}),
        "web/vite.config.js": "export default { server: { proxy: {\n"
                              "  '/api': 'http://localhost:3001',\n"
                              "  '/v2': { target: 'http://localhost:3001', rewrite: (path) => path.replace(/^\\/v2/, '') } } } };\n",
        "web/index.html": "<title>page</title><script type=module src=/main.js></script>",
        "web/main.js": "fetch(import.meta.env.VITE_API_URL + '/hello'); fetch('/api/hello');\n",
        "api/package.json": json.dumps({"name": "api", "scripts": {"start": "node server.js"}}), "api/server.js": API})


def bundle(url):
    page = http.get(url).text
    return http.get(url + re.search(r'src="(/assets/[^"]+)"', page)[1])


@pytest.mark.long
def test_a_page_reaches_its_api_by_path_and_by_address(server, tmp_path):
    folder = page_and_api(tmp_path / "wired")
    first = server.deploy(folder, "--project", "wired")
    for url in (first["url"], first["alias_url"]):
        assert http.get(url).text.find("<title>page") >= 0
        assert http.get(url + "/api/hello?x=1").text == "GET /api/hello?x=1 "
        assert http.request("POST", url + "/api/hello", {}, b"sent").text == "POST /api/hello sent"
        assert http.get(url + "/v2/users").text == "GET /users ", "the prefix is taken away, as the development server does"
        assert "<title>page" in http.get(url + "/apis").text, "another path is the page's own"
    api = next(service["url"] for service in first["services"] if service["name"] == "api")
    script = bundle(first["url"])
    assert api in script.text and ".invalid" not in script.text
    second = server.deploy(folder, "--project", "wired")
    assert second["cache"]["build"] == "hit", "the build does not depend on where it will be served"
    other = next(service["url"] for service in second["services"] if service["name"] == "api")
    assert other != api
    again = bundle(second["url"])
    assert other in again.text and api not in again.text
    assert api in bundle(first["url"]).text
    assert again.headers["etag"] != script.headers["etag"]
    server.ok("promote", second["id"])
    live = production(server, "wired")
    assert http.get(live + "/api/hello").text == "GET /api/hello "
    assert "api--production--wired.localhost" in bundle(live).text


def rendered_page_and_api(folder):
    """A server whose build bakes a public variable into what it serves, as the server frameworks do."""
    return write_app(folder, {
        "web/package.json": json.dumps({"name": "web", "scripts": {"build": "node build.js", "start": "node server.js"}}),
        "web/build.js": "const fs = require('fs');\nfs.mkdirSync('out');\n"
                        "fs.writeFileSync('out/it\\'s.js', `fetch(\"${process.env.VITE_API_URL}/hello\"); /* ${JSON.stringify(process.env.VITE_API_URL).replaceAll('/', '\\\\/')} */`);\n",
        "web/config.js": "exports.api = `${process.env.VITE_API_URL}/hello`;\n",
        "web/server.js": "const fs = require('fs');\nrequire('http').createServer((_, r) => r.end(fs.readFileSync('out/it\\'s.js'))).listen(process.env.PORT);\n",
        "api/package.json": json.dumps({"name": "api", "scripts": {"start": "node server.js"}}), "api/server.js": API})


def test_addresses_in_what_a_server_was_built_to_serve_are_filled_in_where_it_starts(server, tmp_path):
    folder = rendered_page_and_api(tmp_path / "rendered")
    first = server.deploy(folder, "--project", "rendered")
    api = {service["name"]: service["url"] for service in first["services"]}["api"]
    escaped = api.replace("/", "\\/")
    assert http.get(first["url"]).text == f'fetch("{api}/hello"); /* "{escaped}" */'
    second = server.deploy(folder, "--project", "rendered")
    assert second["cache"]["build"] == "hit"
    other = {service["name"]: service["url"] for service in second["services"]}["api"]
    assert other in http.get(second["url"]).text and other != api
    server.ok("promote", second["id"])
    page = http.get(production(server, "rendered")).text
    assert ".invalid" not in page and "api--production--rendered.localhost" in page, page
    assert http.get(page.split('"')[1]).text == "GET /hello "
