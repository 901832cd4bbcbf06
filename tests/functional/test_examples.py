"""Every example from its real registry through the real CLI: its page, then one changed line."""
import pytest

from support import http
from support.slipway import EXAMPLES, change, wait_until

# folder: (path of the page, text on it, file to change, old, new, where to see it, framework, has dependencies)
CASES = {
    "static": ("/", "Everything ships", "index.html", "Everything ships", "All of it ships", "/", "", False),
    "express": ("/api/status", "Hello from Express", "routes/index.js", "Hello from", "Ahoy from", "/api/status", "express", True),
    "vite-react-ts": ("/", "Vite + React on Slipway", "index.html", "Vite + React on", "React and Vite on", "/", "vite", True),
    "next": ("/", "Hello from Next.js", "app/page.tsx", "Hello from", "Ahoy from", "/", "next", True),
    "astro": ("/", "Hello from Astro", "src/pages/index.astro", "Hello from", "Ahoy from", "/", "astro", True),
    "flask": ("/", "Hello from Flask", "app.py", "Hello from", "Ahoy from", "/", "flask", True),
    "fastapi-uv": ("/", "Hello from FastAPI", "main.py", "Hello from", "Ahoy from", "/", "fastapi", True),
    "django": ("/", "Hello from Django", "polls/views.py", "Hello from", "Ahoy from", "/", "django", True),
    "streamlit": ("/", "<title>", "streamlit_app.py", "Hello from", "Ahoy from", "/", "streamlit", True),
    "single-file-python": ("/", "Hello from one file", "app.py", "Hello from", "Ahoy from", "/", "flask", True),
    "go-http": ("/", "Hello from Go", "main.go", "Hello from", "Ahoy from", "/", "", False),
    "rust-axum": ("/", "Hello from Axum", "src/main.rs", "Hello from", "Ahoy from", "/", "axum", False),
    "java-spring-boot": ("/api/status", "Hello from Spring Boot", "src/main/java/com/example/demo/DemoApplication.java",
                         "Hello from", "Ahoy from", "/api/status", "spring-boot", False),
}


def test_every_example_has_a_case():
    assert set(CASES) == {path.name for path in EXAMPLES.iterdir() if path.is_dir()}


@pytest.mark.long
@pytest.mark.parametrize("name", CASES)
def test_example(slipway, project, name):
    page, text, file, old, new, seen_at, framework, dependencies = CASES[name]
    folder = project(EXAMPLES / name, name=name)
    first = slipway.deploy(folder, timeout=1200)
    if framework:
        assert first["plan"]["services"][0]["framework"] == framework
    assert text in http.get(first["url"] + page).text
    change(folder / file, old, new)
    second = slipway.deploy(folder, timeout=1200)
    if dependencies:
        assert second["cache"]["install"] == "hit", second["cache"]
    if name != "streamlit":  # its page is one script for all apps
        assert new in http.get(second["url"] + seen_at).text
        assert text in http.get(first["url"] + page).text, "the first keeps its bytes"
    for deployment in (first, second):
        slipway.ok("rm", deployment["id"], "-y")


@pytest.mark.long
def test_streamlit_speaks_over_its_websocket(slipway, project):
    deployment = slipway.deploy(project(EXAMPLES / "streamlit", name="streamlit-ws"), timeout=1200)
    with http.WebSocket(deployment["url"] + "/_stcore/stream") as ws:
        ws.send(b"", opcode=9)  # a ping
        assert ws.connection.file.read(1)
    wait_until(lambda: http.get(deployment["url"] + "/_stcore/health").text == "ok", 20)
    slipway.ok("rm", deployment["id"], "-y")


@pytest.mark.long
def test_vite_assets_are_cached_for_ever_and_deep_links_work(slipway, project):
    import re
    deployment = slipway.deploy(project(EXAMPLES / "vite-react-ts", name="vite-assets"), timeout=1200)
    page = http.get(deployment["url"]).text
    script = re.search(r'src="(/assets/[^"]+\.js)"', page)[1]
    answer = http.get(deployment["url"] + script)
    assert answer.status == 200 and "javascript" in answer.headers["content-type"]
    assert "Hello from Vite" in answer.text
    assert http.get(deployment["url"] + "/some/deep/link").text == page, "single-page fallback"
    slipway.ok("rm", deployment["id"], "-y")
