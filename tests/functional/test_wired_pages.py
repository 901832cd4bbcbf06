"""Pages and the services they talk to: by paths of their own host, and by addresses baked into their builds."""
import json
import re

import pytest

from support import http
from support.slipway import write_app

API = """const http = require('http');
http.createServer((request, response) => {
  let body = '';
  request.on('data', (part) => body += part).on('end', () => response.end(`${request.method} ${request.url} ${body}`));
}).listen(process.env.PORT || 3001);
"""


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
def test_a_page_reaches_its_api_by_path_and_by_address(slipway, tmp_path):
    folder = page_and_api(tmp_path / "wired")
    first = slipway.deploy(folder, "--project", "wired")
    for url in (first["url"], first["alias_url"]):
        assert http.get(url).text.find("<title>page") >= 0
        assert http.get(url + "/api/hello?x=1").text == "GET /api/hello?x=1 "
        assert http.request("POST", url + "/api/hello", {}, b"sent").text == "POST /api/hello sent"
        assert http.get(url + "/v2/users").text == "GET /users ", "the prefix is taken away, as the development server does"
        assert "<title>page" in http.get(url + "/apis").text, "another path is the page's own"
    api = next(service["url"] for service in first["services"] if service["name"] == "api")
    script = bundle(first["url"])
    assert api in script.text and ".invalid" not in script.text
    second = slipway.deploy(folder, "--project", "wired")
    assert second["cache"]["build"] == "hit", "the build does not depend on where it will be served"
    other = next(service["url"] for service in second["services"] if service["name"] == "api")
    assert other != api
    again = bundle(second["url"])
    assert other in again.text and api not in again.text
    assert api in bundle(first["url"]).text
    assert again.headers["etag"] != script.headers["etag"]
