"""Attacks that were tried and held, as tables: way in and the exact answer. Each group has a control that passes; after all of
them the server is healthy, its memory bounded, and nothing is where it should not be."""
import hashlib
import json
import pathlib
import socket

import pytest

from support import http, packs
from support.slipway import Slipway

MEBI = 1 << 20
SECRET = "only the host has this"
PAGE = b"<p>the page"
DIGEST = hashlib.sha256(PAGE).hexdigest()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A server with a site, people of two teams, and a file beside its data that nobody may see."""
    root = tmp_path_factory.mktemp("table")
    server = Slipway(root / "s").start()
    (root / "secret.txt").write_text(SECRET)
    folder = root / "site"
    folder.mkdir()
    (folder / "index.html").write_bytes(PAGE)
    server.site = server.deploy(folder, "--project", "site")
    server.ok("promote", server.site["id"])
    server.tokens = {"admin": server.info["token"], "none": "", "garbage": "slp_nobody"}
    server.ok("team", "create", "strangers")
    for name, role, team in (("vic", "viewer", "default"), ("dee", "deployer", "default"), ("app", "approver", "default"),
                             ("sam", "admin", "strangers")):
        server.ok("team", "add", team, name, "--role", role)
        server.tokens[role if team == "default" else "stranger"] = server.ok(
            "token", "create", "--member", name, "--team", team, "-q").out.strip()
    server.tokens["agent"] = server.ok("token", "create", "--agent", "coder", "--ttl", "1h", "-q").out.strip()
    server.tokens["reader"] = server.ok("token", "create", "--offline", "--action", "read", "-q").out.strip()
    server.root = root
    server.before = server.rss(), records(server), outside(root)
    yield server
    server.close()
    server.sweep()


def outside(root):
    return {str(path) for path in root.rglob("*") if not path.is_relative_to(root / "s")}


def records(server):
    """What the attacks must leave as it is, by the server's own account."""
    get = lambda path: server.api("GET", path).json()
    return {"projects": sorted(row["name"] for row in get("/v1/projects")["projects"]),
            "deployments": sorted(row["id"] for row in server.deployments()),
            "policy": get("/v1/policy")["version"],
            "members": sorted((team["name"], row["name"], row["role"]) for team in get("/v1/teams")["teams"] for row in team["members"]),
            "env": get("/v1/projects/site/environments/production/env")["version"],
            "teams": sorted(team["name"] for team in get("/v1/teams")["teams"]),
            "domains": get("/v1/domains")["domains"],
            "alerts": get("/v1/projects/site/alerts")["alerts"]}


def said(response):
    try:
        return response.status, response.json().get("code")
    except (ValueError, AttributeError):
        return response.status, None


def compare(rows, ask):
    """Every row, then all that were answered otherwise."""
    wrong = []
    for name, given, wanted in rows:
        got = ask(given)
        if got != wanted:
            wrong.append(f"{name}: {got}, not {wanted}")
    assert not wrong, "\n".join(wrong)


def raw(port, data, says_all=True):
    """The status, and how many answers came. `says_all`: nothing more is sent."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(data)
        if says_all:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while part := connection.recv(1 << 16):
                answer += part
        except ConnectionError:
            pass
    assert SECRET.encode() not in answer
    return (int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else 0), answer.count(b"HTTP/1.1 ")


# --- requests that mean two things

FIELDS = {
    "both lengths": "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "both lengths, the other way": "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    "two lengths": "Content-Length: 5\r\nContent-Length: 6\r\n",
    "a list of lengths": "Content-Length: 5, 6\r\n",
    "a signed length": "Content-Length: +5\r\n",
    "a negative length": "Content-Length: -5\r\n",
    "a hex length": "Content-Length: 0x5\r\n",
    "a length with a point": "Content-Length: 5.0\r\n",
    "a length in words": "Content-Length: five\r\n",
    "an empty length": "Content-Length: \r\n",
    "a length beyond 64 bits": "Content-Length: 18446744073709551621\r\n",
    "a length with a space within": "Content-Length: 5 5\r\n",
    "a length with NUL": "Content-Length: 5\0\r\n",
    "gzip before identity": "Transfer-Encoding: gzip, identity\r\n",
    "gzip": "Transfer-Encoding: gzip\r\n",
    "chunked twice": "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "chunked, chunked": "Transfer-Encoding: chunked, chunked\r\n",
    "chunked before identity": "Transfer-Encoding: chunked, identity\r\n",
    "xchunked": "Transfer-Encoding: xchunked\r\n",
    "chunked with NUL": "Transfer-Encoding: chunked\0\r\n",
    "chunked in quotes": "Transfer-Encoding: \"chunked\"\r\n",
    "a parameter of chunked": "Transfer-Encoding: chunked;a=b\r\n",
    "a space before the colon": "Content-Length : 5\r\n",
    "a tab before the colon": "Content-Length\t: 5\r\n",
    "a space before the name": " Content-Length: 5\r\n",
    "a folded field": "X-A: b\r\n c\r\n",
    "a folded field with a tab": "X-A: b\r\n\tc\r\n",
    "a bare line feed": "X-A: b\nContent-Length: 5\r\n",
    "a bare carriage return": "X-A: b\rContent-Length: 5\r\n",
    "NUL in a value": "X-A: a\0b\r\n",
    "NUL in a name": "X\0A: b\r\n",
    "a name of nothing": ": b\r\n",
    "no colon": "Content-Length 5\r\n",
    "a name in brackets": "X(A): b\r\n",
    "a name with a slash": "X/A: b\r\n",
    "a second host": "Host: other.localhost\r\n",
    "the same host twice": "Host: site.localhost\r\n",
    "a control character": "X-A: a\x01b\r\n",
    "DEL": "X-A: a\x7fb\r\n",
    "a vertical tab for a space": "Content-Length:\x0b5\r\n",
}


@pytest.mark.parametrize("host", ["site.localhost", "localhost", "nothing.localhost"])
def test_fields_that_mean_two_things_are_refused(world, host):
    def ask(field):
        return raw(world.port, f"POST / HTTP/1.1\r\nHost: {host}\r\n{field}\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: {host}\r\n\r\n"
                   .encode("latin-1"))
    control, answers = raw(world.port, f"GET / HTTP/1.1\r\nHost: {host}\r\nX-A: b\r\n\r\nGET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode(), says_all=False)
    assert control in (200, 404) and answers == 2
    compare([(name, field, (400, 1)) for name, field in FIELDS.items()], ask)


LINES = {
    "no version": ("GET /", 400), "version 0.9": ("GET / HTTP/0.9", 400), "version 2.0": ("GET / HTTP/2.0", 400),
    "version 1.2": ("GET / HTTP/1.2", 400), "a word for a version": ("GET / HTTP/x.y", 400), "lower case": ("GET / http/1.1", 400),
    "two spaces": ("GET  / HTTP/1.1", 400), "a tab": ("GET\t/ HTTP/1.1", 400), "a space in the target": ("GET /a b HTTP/1.1", 400),
    "NUL in the target": ("GET /a\0b HTTP/1.1", 400), "a control character": ("GET /\x01 HTTP/1.1", 400),
    "nothing for a target": ("GET HTTP/1.1", 400), "a method with a space": ("GE T / HTTP/1.1", 400),
    "a method in brackets": ("(GET) / HTTP/1.1", 400), "CONNECT": ("CONNECT 127.0.0.1:22 HTTP/1.1", 400),
    "another scheme": ("GET ftp://site.localhost/ HTTP/1.1", 400), "no slash": ("GET secret HTTP/1.1", 400),
    "a long target": ("GET /" + "a" * 70000 + " HTTP/1.1", 431),
}


def test_request_lines_that_are_none_are_refused(world):
    assert raw(world.port, b"GET / HTTP/1.1\r\nHost: site.localhost\r\nConnection: close\r\n\r\n", says_all=False) == (200, 1)
    compare([(name, line, (status, 1)) for name, (line, status) in LINES.items()],
            lambda line: raw(world.port, f"{line}\r\nHost: site.localhost\r\n\r\n".encode("latin-1")))


CHUNKS = ["g\r\n", "-1\r\n", "0x1\r\na\r\n", " 1\r\na\r\n", "1 \r\na\r\n0\r\n\r\n", "1\na\r\n", "ffffffffffffffff1\r\na\r\n", "1\r\nab\r\n", "\r\n",
          "1;\0=b\r\na\r\n", "+1\r\na\r\n", "1_0\r\na\r\n"]


def test_chunks_that_are_none_are_refused(world):
    head = (f"POST /v1/deployments HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {world.info['token']}\r\n"
            "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert raw(world.port, (head + "2\r\n{}\r\n0\r\n\r\n").encode(), says_all=False)[0] == 400  # no upload is named: the chunks were read
    compare([(repr(chunk), chunk, (400, 1)) for chunk in CHUNKS],
            lambda chunk: raw(world.port, (head + chunk + "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n").encode("latin-1")))


# --- hosts

HOSTS = {
    "localhost": 200, "LOCALHOST": 200, "localhost.": 200, "127.0.0.1": 200,
    "evil.example": 404, "localhost.evil.example": 404, "evil-localhost": 404, "xlocalhost": 404, "0.0.0.0": 404,
    "2130706433": 404, "0x7f000001": 404, "127.1": 404, "[::ffff:127.0.0.1]": 404, "localhost@evil.example": 400,
    "evil.example#localhost": 400, "localhost/x": 400, "local host": 400, "localhost%00": 400, "localhost:1:2": 400,
    "localhost:x": 400, "": 400, "..": 404, "-": 404, "site.localhost.evil.example": 404, "*": 400, "*.localhost": 400,
}


def test_only_its_own_hosts_are_the_apis(world):
    compare([(host, host, status) for host, status in HOSTS.items()],
            lambda host: raw(world.port, f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode(), says_all=False)[0])


# --- paths of a site

PATHS = ["/../secret.txt", "/..%2fsecret.txt", "/%2e%2e/secret.txt", "/%2e%2e%2fsecret.txt", "/..%5csecret.txt", "/..\\secret.txt",
         "/./../../secret.txt", "//etc/passwd", "/etc/passwd", "/%2fetc%2fpasswd", "/....//secret.txt", "/%252e%252e/secret.txt",
         "/%c0%ae%c0%ae/secret.txt", "/index.html/../../secret.txt", "/.git/config", "/.env", "/index.html%00.txt",
         "/proc/self/environ", "/..;/secret.txt", "/%", "/%zz", "/\xff"]


BROKEN = {"/index.html%00.txt", "/%", "/%zz"}


def test_paths_do_not_leave_a_site(world):
    get = lambda path: raw(world.port, b"GET " + path.encode("latin-1") + b" HTTP/1.1\r\nHost: site.localhost\r\nConnection: close\r\n\r\n", says_all=False)[0]
    assert get("/index.html") == 200 or get("/") == 200
    compare([(path, path, 400 if path in BROKEN else 404) for path in PATHS], get)


# --- who may call what

OPEN = {"/healthz", "/metrics", "/v1/openapi.json", "/v1/audit/tlog/checkpoint", "/v1/audit/tlog/tile/{level}/{path}"}


def routes(world):
    fill = {"{project}": "site", "{environment}": "production", "{ref}": world.site["id"], "{team}": "default", "{name}": "somebody",
            "{id}": "tok_aaaaaaaaaa", "{seq}": "1", "{path}": "000"}
    for path, methods in world.api("GET", "/v1/openapi.json").json()["paths"].items():
        for method in methods:
            target = path
            for name, value in fill.items():
                target = target.replace(name, value)
            if path not in OPEN:
                yield method.upper(), target, path


@pytest.mark.parametrize("who", ["none", "garbage"])
def test_no_route_answers_without_a_token(world, who):
    rows = [(f"{method} {path}", (method, target), (401, "unauthenticated")) for method, target, path in routes(world)]
    assert len(rows) > 60
    compare(rows, lambda row: said(world.api(row[0], row[1], {} if row[0] != "GET" else None, token=world.tokens[who])))


@pytest.mark.parametrize("who", ["viewer", "deployer", "approver", "agent", "reader"])
def test_roles_do_what_the_table_of_routes_says_and_no_more(world, who):
    table = {}
    for line in (pathlib.Path(__file__).parents[2] / "docs" / "routes.md").read_text().splitlines():
        cells = [cell.strip(" `") for cell in line.split("|")]
        if len(cells) > 6 and cells[1] in ("GET", "POST", "PUT", "DELETE"):
            table[cells[1], cells[2]] = cells[3], cells[5].split(", "), cells[6]
    rows = []
    for method, target, path in routes(world):
        permission, roles, agents = table[method, path]
        may = {"agent": agents != "never", "reader": permission == "read"}.get(who, who in roles)
        if not may:
            rows.append((f"{method} {path}", (method, target), (403, "permission_denied")))
    assert len(rows) >= 8 and world.api("GET", "/v1/whoami", token=world.tokens[who]).status == 200
    compare(rows, lambda row: said(world.api(row[0], row[1], {} if row[0] != "GET" else None, token=world.tokens[who])))


def test_a_token_is_not_changed_by_hand(world):
    whole = world.tokens["agent"]
    middle = len(whole) // 2
    forged = [whole[:-1], whole[:-1] + ("A" if whole[-1] != "A" else "B"), whole + "A", whole[:middle] + whole[middle + 1:], whole.upper(),
              whole[:middle] + ("A" if whole[middle] != "A" else "B") + whole[middle + 1:], whole.replace("slpt_", "", 1), "slp_", "slp_" + "A" * 5000,
              whole[::-1], whole + "." + whole, whole[4:] + whole[:4], "Bearer " + whole]
    assert world.api("GET", "/v1/whoami", token=whole).status == 200
    compare([(f"{n}: {text}", text, (401, "unauthenticated")) for n, text in enumerate(forged)],
            lambda text: said(world.api("GET", "/v1/whoami", token=text)))
    elsewhere = [("in a cookie", {"Cookie": f"token={whole}; slipway={whole}"}, ""), ("in the query", {}, f"?token={whole}&access_token={whole}"),
                 ("as a password", {"Authorization": "Basic " + whole}, ""), ("in a field of its own", {"X-Slipway-Token": whole}, ""),
                 ("of a proxy", {"Proxy-Authorization": "Bearer " + whole}, ""), ("as somebody", {"X-Remote-User": "local", "Remote-User": "local"}, "")]
    compare([(name, (headers, query), (401, "unauthenticated")) for name, headers, query in elsewhere],
            lambda row: said(world.api("GET", "/v1/whoami" + row[1], headers=row[0], token="")))


# --- trees and packs

def entry(path, mode="f", digest=DIGEST, size=len(PAGE)):
    return f"{mode} {digest} {size} {path}\n"


MANIFESTS = [
    ("up", entry("../x")), ("up within", entry("a/../../x")), ("absolute", entry("/etc/passwd")), ("here", entry("./x")), ("a dot within", entry("a/./x")),
    ("empty part", entry("a//x")), ("ends in a slash", entry("a/")), ("no path", entry("")), ("NUL", entry("a\0b")), ("a line within", entry("a\rb")),
    ("C1", entry("a\u0085b")), ("DEL", entry("a\x7fb")), ("escape", entry("a\x1b[2Jb")), ("a long part", entry("a" * 256)),
    ("a long path", entry("/".join(["abcdefg"] * 600))), ("deep", entry("/".join(["a"] * 129))), ("file and directory", entry("a") + entry("a/b")),
    ("a link as parent", entry("a", "l", size=1) + entry("a/b")), ("twice", entry("a") * 2), ("unsorted", entry("b") + entry("a")),
    ("a mode of its own", entry("a", "s")), ("two modes", entry("a", "fx")), ("no mode", entry("a", "")), ("a short digest", entry("a", digest="ab")),
    ("a digest in capitals", entry("a", digest=DIGEST.upper())), ("a digest that is none", entry("a", digest="z" * 64)), ("a negative size", entry("a", size=-1)),
    ("a signed size", entry("a", size="+1")), ("a size with zeros", entry("a", size="01")), ("a hex size", entry("a", size="0x1")), ("an immense size", entry("a", size=1 << 64)),
    ("sizes that wrap", entry("a", size=(1 << 63) - 1) + entry("b", size=(1 << 63) - 1)), ("no end of line", entry("a")[:-1]), ("an empty line", "\n" + entry("a")),
    ("a long link", entry("a", "l", size=5000)), ("one file, two sizes", entry("a", size=1) + entry("b", size=2)),
]


def test_trees_that_lead_elsewhere_are_refused(world):
    control = world.api("POST", "/v1/uploads", {"project": "site", "manifest": entry("index.html")})
    assert control.status == 201, control.text
    compare([(name, text, (413, "too_large") if name == "sizes that wrap" else (400, "invalid_argument")) for name, text in MANIFESTS],
            lambda text: said(world.api("POST", "/v1/uploads", {"project": "site", "manifest": text})))


OTHER = b"another file"


def sha(data):
    return hashlib.sha256(data).hexdigest()


PACKS = {
    "another digest's bytes": lambda new: packs.pack([(sha(new), OTHER[:len(new)].ljust(len(new)))]),
    "not asked for": lambda new: packs.pack([(sha(OTHER), OTHER)]),
    "twice": lambda new: packs.pack([(sha(new), new)] * 2),
    "cut": lambda new: packs.pack([(sha(new), new)])[:-5],
    "bytes behind": lambda new: packs.pack([(sha(new), new)]) + b"x",
    "a second frame": lambda new: packs.pack([(sha(new), new)]) * 2,
    "a frame to skip": lambda new: b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + packs.pack([(sha(new), new)]),
    "nothing": lambda new: b"",
    "no frame": lambda new: b"not zstd at all, but long enough for a head",
    "a size too large": lambda new: packs.zstd(f"{sha(new)} {len(new) + 1}\n".encode() + new),
    "a size too small": lambda new: packs.zstd(f"{sha(new)} {len(new) - 1}\n".encode() + new),
    "an immense size": lambda new: packs.zstd(f"{sha(new)} {1 << 62}\n".encode() + new),
    "a negative size": lambda new: packs.zstd(f"{sha(new)} -1\n".encode() + new),
    "no end of the head": lambda new: packs.zstd(sha(new).encode() * 50),
    "a path for a digest": lambda new: packs.zstd(b"../../../../../../../../../../../../../../../../../../etc/passwd\n" + new),
    "a window of 128 MB": lambda new: b"\x28\xb5\x2f\xfd\x00\x88" + b"\x01\0\0",
}


def test_packs_that_are_not_what_was_announced_are_refused(world):
    def opened(name):
        new = f"new for {name}".encode().ljust(40)
        answer = world.api("POST", "/v1/uploads", {"project": "site", "manifest": entry("a", digest=sha(new), size=len(new))})
        assert answer.status == 201 and answer.json()["missing"], answer.text
        return f"/v1/uploads/{answer.json()['id']}/pack", new
    path, new = opened("control")
    assert world.api("PUT", path, packs.pack([(sha(new), new)])).status == 200

    def ask(name):
        path, new = opened(name)
        answer = said(world.api("PUT", path, PACKS[name](new)))
        blobs = [blob for blob in world.data.rglob(sha(new) + "*") if blob.is_file()]
        return (answer, "kept") if blobs else answer
    wanted = {"an immense size": (413, "too_large"), "not asked for": (400, "invalid_argument"), "twice": (400, "invalid_argument")}
    compare([(name, name, wanted.get(name, (422, "corrupt"))) for name in PACKS], ask)


# --- names

NAMES = ["../x", "a/b", "a b", "a\nb", "a\0b", "a\x1bb", "UPPER.case", "-a", "a-", "a_b", "a.b", "ä", "a" * 64, "x--y", "dpl_aaaaaaaaaa", "'; drop", "$(id)", "`id`", "%2e%2e",
         "<b>", "", ".", "..", "a\\b", "a:b", "a@b", "a?b", "a#b"]
PLACES = {
    "a project": lambda name: ("POST", "/v1/uploads", {"project": name, "manifest": entry("index.html")}),
    "a team": lambda name: ("POST", "/v1/teams", {"name": name}),
    "a variable": lambda name: ("POST", "/v1/projects/site/environments/preview/env", {"set": [{"name": name if name not in ("UPPER.case",) else "A.B", "value": "1"}]}),
    "an agent": lambda name: ("POST", "/v1/tokens", {"agent": name or "/", "ttl_ms": 3600000}),
    "a member": lambda name: ("POST", "/v1/tokens", {"member": name or "/"}),
}


@pytest.mark.parametrize("place", PLACES)
def test_names_that_are_more_than_names_are_refused(world, place):
    harmless = {"a variable": {"a_b", "dpl_aaaaaaaaaa", "a" * 64}, "an agent": {"UPPER.case", "-a", "a-", "a_b", "a.b", "x--y", "dpl_aaaaaaaaaa", ".", ".."}}.get(place, set())
    assert said(world.api(*PLACES[place]({"a project": "site", "a team": "strangers", "a variable": "A_1", "an agent": "coder", "a member": "vic"}[place])))[0] in (200, 201, 409)
    wanted = (404, "not_found") if place == "a member" else (400, "invalid_argument")
    compare([(repr(name), name, wanted) for name in NAMES if name not in harmless], lambda name: said(world.api(*PLACES[place](name))))


# --- where webhooks may not go, and names that are nobody's

PRIVATE = ["http://127.0.0.1/", "http://localhost/", "http://127.1/", "http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/", "http://0/", "http://0.0.0.0/",
           "http://[::1]/", "http://[::]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/", "http://[fe80::1]/",
           "http://[fd00::1]/", "http://10.0.0.1/", "http://172.16.0.1/", "http://192.168.0.1/", "http://169.254.169.254/", "http://100.64.0.1/", "http://[fd00:ec2::254]/",
           "http://224.0.0.1/", "http://255.255.255.255/"]
MALFORMED = ["file:///etc/passwd", "gopher://example.com/", "ftp://example.com/", "javascript:alert(1)", "http://", "http:///x", "//example.com/", "http://example.com:99999/",
             "http://example.com\r\nX: y/", "http://exa mple.com/", "http://user:password@example.com/", "", "x"]


def test_webhooks_do_not_lead_here(world):
    control = world.api("POST", "/v1/projects/site/alerts", {"url": "https://hooks.example/"})
    assert control.status == 201
    world.api("DELETE", f"/v1/projects/site/alerts/{control.json()['id']}")
    rows = [(url, url, (403, "permission_denied")) for url in PRIVATE] + [(url, url, (400, "invalid_argument")) for url in MALFORMED]
    compare(rows, lambda url: said(world.api("POST", "/v1/projects/site/alerts", {"url": url})))


DOMAINS = ["localhost", "site.localhost", "SITE.LOCALHOST.", "staging--site.localhost", "127.0.0.1", "[::1]", "::1", "shop.example.com:80", "http://shop.example.com", "*.example.com",
           "shop..example.com", "bücher.example", "shоp.example.com", "shop.example.com\r\nHost: x", "a_b.example.com", "-a.example.com", "", "com", "a" * 64 + ".example.com",
           "1.2.3.4.5", "shop.example.com/", "shop example.com", "." , ".example.com"]


def test_names_that_cannot_be_ones_own(world):
    control = world.api("POST", "/v1/domains", {"project": "site", "name": "own.example.com"})
    assert control.status == 201
    assert world.api("DELETE", "/v1/domains/own.example.com").status == 200
    compare([(repr(name), name, (400, "invalid_argument")) for name in DOMAINS],
            lambda name: said(world.api("POST", "/v1/domains", {"project": "site", "name": name})))


# --- rules that would read or do more than rules do

QUERIES = ["SELECT * FROM sqlite_master", "SELECT load_extension('x') AS subject", "ATTACH '/etc/passwd' AS a", "PRAGMA database_list", "DELETE FROM file", "DROP TABLE file",
           "INSERT INTO file(path) VALUES('x')", "UPDATE file SET path = 'x'", "CREATE TABLE x(y)", "SELECT random() AS subject", "SELECT datetime('now') AS subject",
           "SELECT CURRENT_TIMESTAMP AS subject", "SELECT readfile('/etc/passwd') AS subject", "SELECT writefile('/tmp/x', 'y') AS subject",
           "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x AS subject FROM c", "SELECT subject FROM file; SELECT 1", "SELECT subject FROM pragma_table_info('file')",
           "SELECT subject FROM json_each('[1]')", "SELECT zeroblob(1000000000) AS subject", "SELECT subject FROM token", "SELECT subject FROM main.file", "VACUUM INTO '/tmp/x'",
           "SELECT \"secret\" AS subject FROM nothing", "SELECT fts5_source_id() AS subject", "EXPLAIN SELECT 1", "", "SELECT", "SELECT printf('%*c', 100000000, 'x') AS subject FROM nothing"]


def rule(query):
    return ('name = "x"\n[[rule]]\nid = "r"\non = ["preview"]\nenforce = "soft"\nmessage = "m"\nviolations = ' + json.dumps(query) +
            '\n[[rule.test]]\nexpect = "deny"\nfile = [{ path = "a", subject = "a", change = "added" }]\n[[rule.test]]\nexpect = "pass"\n')


def test_rules_that_do_more_than_ask_are_not_usable(world):
    check = lambda query: world.api("POST", "/v1/policy/check", {"text": rule(query), "replay": 0}).json().get("usable")
    assert check("SELECT subject FROM file WHERE change = 'added'") is True
    compare([(query, query, False) for query in QUERIES], check)


# --- bodies

BODIES = [b"[" * 100000, b'{"a":' * 5000, b"{", b"[]", b"null", b"1", b'"x"', b"{}{}", b'{"project":1}', b'{"project":{}}', b'{"project":null,"manifest":null}', b"\xff\xfe{}", b"{\"project\":\"\\ud800\"}",
          b'{"project":"site","project":"other","manifest":"' + b"x", b'{"project":"site","manifest":1e999}', b"{'project':'site'}", b'{"project":"site"} // x', b"\xef\xbb\xbf[]", b"NaN"]


def test_bodies_that_are_none_are_refused(world):
    assert world.api("POST", "/v1/uploads", json.dumps({"project": "site", "manifest": entry("index.html")}).encode()).status == 201
    compare([(repr(body[:30]), body, (400, "invalid_argument")) for body in BODIES], lambda body: said(world.api("POST", "/v1/uploads", body)))


# --- and after all that

def test_nothing_came_of_it(world):
    memory, kept, files = world.before
    assert world.api("GET", "/healthz").status == 200
    assert http.get(f"http://site.localhost:{world.port}/").body == PAGE
    assert world.rss() - memory < 48 * MEBI, world.rss() - memory
    assert records(world) == kept
    assert outside(world.root) == files
    assert world.ok("audit", "verify")
    assert (world.root / "secret.txt").read_text() == SECRET
