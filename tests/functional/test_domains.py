"""Host names of people's own: nobody has one that somebody else owns, however it is written."""
import pytest

from support import http
from support.dns import FakeDns
from support.slipway import Slipway, write_app


@pytest.fixture(scope="module")
def dns():
    made = FakeDns()
    yield made
    made.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory, dns):
    made = Slipway(tmp_path_factory.mktemp("domains"),
                   {"domains": {"resolver": dns.address}, "releases": {"bake": "1s", "drain": "1s"}}).start()
    try:
        for project in ("shop", "rival"):
            folder = write_app(made.directory / project, {"index.html": f"<h1>{project}</h1>"})
            made.ok("promote", made.deploy(folder)["id"], "-q")
        yield made
        made.stop()
    finally:
        made.sweep()


def seen(server, host):
    """What a request with this Host header is answered."""
    with http.Connection(server.port) as connection:
        return connection.request("GET", "/", host, {"Connection": "close"})


def add(server, project, name, *arguments):
    return server.ok("domain", "add", project, name, "--json", *arguments).json()


def prove(dns, domain):
    challenge = domain["challenge"]
    assert challenge["type"] == "TXT"
    dns.records[challenge["name"]] = ["v=spf1 -all", challenge["value"]]


def test_a_name_leads_to_production_once_it_is_proven_and_not_after_it_is_given_up(server, dns):
    domain = add(server, "shop", "Shop.Example.COM.")
    assert domain["name"] == "shop.example.com" and domain["state"] == "pending"
    assert seen(server, "shop.example.com").status == 404
    early = server.cli("domain", "verify", "shop.example.com")
    assert early.code == 4 and domain["challenge"]["value"] in early.err, str(early)
    prove(dns, domain)
    assert server.ok("domain", "verify", "shop.example.com").out.startswith("http://shop.example.com")
    for host in ("shop.example.com", "SHOP.example.com", "shop.example.com.", f"shop.example.com:{server.port}"):
        assert "shop" in seen(server, host).text, host
    for host in ("www.shop.example.com", "example.com", "shop.example.com.evil.test", "xshop.example.com"):
        assert seen(server, host).status == 404, host
    rows = server.ok("domain", "ls", "shop", "--json").json()["domains"]
    assert [(row["name"], row["state"]) for row in rows] == [("shop.example.com", "verified")]

    # A restart knows it; a removal ends it at once.
    server.stop()
    server.start()
    assert "shop" in seen(server, "shop.example.com").text
    server.ok("domain", "rm", "shop.example.com")
    assert seen(server, "shop.example.com").status == 404
    events = server.api("GET", "/v1/audit?project=shop").text
    assert "domain.added" in events and "domain.verified" in events and "domain.removed" in events


def test_nobody_takes_a_name_that_is_anothers(server, dns):
    prove(dns, add(server, "shop", "own.example.com"))
    server.ok("domain", "verify", "own.example.com")
    for spelling in ("own.example.com", "OWN.EXAMPLE.COM", "own.example.com."):
        taken = server.cli("domain", "add", "rival", spelling)
        assert taken.code != 0 and "another project" in taken.err, str(taken)
    # Claimed first, proven never: the record is another claim's.
    squatted = add(server, "rival", "later.example.com")
    owner = add(server, "shop", "later.example.com")
    prove(dns, owner)
    stolen = server.cli("domain", "verify", "later.example.com", "--project", "rival")
    assert stolen.code == 4, str(stolen)
    server.ok("domain", "verify", "later.example.com", "--project", "shop")
    assert "shop" in seen(server, "later.example.com").text
    dns.records[squatted["challenge"]["name"]] = [squatted["challenge"]["value"]]
    assert server.cli("domain", "verify", "later.example.com", "--project", "rival").code != 0
    assert "shop" in seen(server, "later.example.com").text


@pytest.mark.parametrize("name", [
    "localhost", "shop.localhost", "SHOP.LOCALHOST.", "staging--shop.localhost", "preview--shop.localhost",
    "127.0.0.1", "[::1]", "shop.example.com:80", "http://shop.example.com", "*.example.com", "shop..example.com",
    "bücher.example", "shоp.example.com", "shop.example.com\r\nHost: x", "a_b.example.com", "-a.example.com", "", "com"])
def test_names_that_cannot_be_ones_own(server, name):
    refused = server.api("POST", "/v1/domains", {"project": "rival", "name": name})
    assert refused.status in (400, 422), refused.text


def test_a_host_header_alone_claims_nothing(server):
    for host in ("rival.localhost.evil.test", "shop.localhost@evil.test", "shop.localhost#x"):
        assert seen(server, host).status in (400, 404), host
    with http.Connection(server.port) as connection:
        spoofed = connection.request("GET", "/", "rival.localhost", {
            "Connection": "close", "X-Forwarded-Host": "shop.localhost", "Forwarded": "host=shop.localhost"})
    assert "rival" in spoofed.text and "shop" not in spoofed.text


def test_only_who_may_promote_may_route_names(server, dns):
    agent = {"SLIPWAY_TOKEN": server.ok("token", "create", "--agent", "coder", "--action", "deploy", "--action", "read", "--ttl", "1h",
                                        "-q").out.strip()}
    refused = server.cli("domain", "add", "shop", "agents.example.com", environment=agent)
    assert refused.code != 0 and "promote" in refused.err, str(refused)
